"""What surrounds the tasks of a server: stopping at two speeds, and closing.

The caller's cancellation is to stop the receiving at once, and to let what has been received be finished for
``grace_period`` seconds. So there are two nurseries. The outer one hears the caller; the server's parts live in an
inner one that is shielded from it. When the caller cancels, the parts are told to receive no more, and the shield gets
a deadline. With a grace period of 0 that is at once, by the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

import trio

from ._endpoint import UDPEndpoint
from ._errors import bare_exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Part(Protocol):
    """What lives in a shelter."""

    def start(self, nursery: trio.Nursery) -> None:
        """Start the tasks."""

    def stop(self, deadline: float) -> None:
        """Receive no more; what goes on is cancelled by others at the deadline, on Trio's clock.

        It may come before the tasks have run, and even before `start`: what it cancels has to be there already.
        """

    def discard(self) -> None:
        """All tasks have ended: count what was received and not handled."""


@trio.lowlevel.enable_ki_protection  # Ctrl-C ends the sleep; it must not fall into building the shelter or leaving it
async def serve_in_shelter(
    make_parts: Callable[[], Sequence[Part]],
    endpoints: Sequence[UDPEndpoint],
    grace_period: float,
    task_status: trio.TaskStatus[list[UDPEndpoint]],
) -> NoReturn:
    """Run the parts of a server until cancelled, and close the endpoints, however it ends.

    Args:
      make_parts: may raise, for want of sense in what it is made from.
      endpoints: those that the parts serve.
      grace_period: seconds.
      task_status: is given the endpoints when the parts are about to start.

    Raises:
      ValueError: there are no endpoints, or the grace period is none.
      Whatever the parts raise, as it is and not in a group.
    """
    try:
        await trio.lowlevel.checkpoint()
        check_grace_period(grace_period)
        if not endpoints:
            raise ValueError("endpoints must not be empty: there is nothing to serve")
        shelter = _Shelter(make_parts(), grace_period)
        with bare_exceptions():
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                try:
                    nursery.start_soon(shelter.run, name="trio_udp shelter for the grace period")
                    task_status.started(list(endpoints))
                    await trio.sleep_forever()
                finally:
                    shelter.stop()  # whatever is raised above: a shelter without a deadline would stand for ever
    finally:
        for endpoint in endpoints:
            endpoint.close()
    raise AssertionError("a server does not end by itself")


def check_grace_period(grace_period: float) -> None:
    """Raise the ValueError that says what is wrong with it."""
    if not grace_period >= 0:
        raise ValueError(f"grace_period must be a number of seconds of at least 0, not {grace_period!r}")


class _Shelter:
    """Where the parts outlive the caller's cancellation."""

    def __init__(self, parts: Sequence[Part], grace_period: float) -> None:
        self._parts = parts
        self._grace_period = grace_period
        self._scope = trio.CancelScope(shield=True)

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        try:
            with self._scope, bare_exceptions():
                async with trio.open_nursery(strict_exception_groups=True) as nursery:
                    for part in self._parts:
                        part.start(nursery)
        finally:
            for part in self._parts:
                part.discard()

    def stop(self) -> None:
        self._scope.deadline = deadline = trio.current_time() + self._grace_period
        for part in self._parts:
            part.stop(deadline)
