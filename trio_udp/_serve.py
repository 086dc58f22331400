"""`serve_udp`: a datagram in, the handler's reply out.

The handlers run in crews of tasks, one crew per endpoint; how they share the work is told in ``_crew.py``. Here is what
surrounds them: opening, stopping, closing.

Stopping has two speeds, so there are two nurseries. The outer one hears the caller's cancellation; the crews live in an
inner one that is shielded from it, for ``grace_period`` seconds. When the caller cancels, the crews are told to receive
no more, and the shield gets a deadline. With a grace period of 0 that is at once, by the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import trio

from ._crew import Crew
from ._endpoint import UDPEndpoint
from ._errors import bare_exceptions
from ._handler import Handler, check_handler
from ._opening import open_udp_endpoints
from ._places import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["serve_endpoints", "serve_udp"]


async def serve_udp(
    handler: Handler,
    port: int,
    *,
    host: str | None = None,
    max_tasks: int = 1000,
    grace_period: float = 0.0,
    reuse_port: bool = False,
    task_status: trio.TaskStatus[list[UDPEndpoint]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Answer every datagram that comes to a port, until cancelled.

    ``await handler(datagram)`` is called for each; what it returns is sent back to where the datagram came from, None
    sends nothing. A datagram may get lost and may come twice, so a handler may never see some requests and see others
    twice. Handlers run side by side, for one peer too: a quick reply overtakes a slow one.

    Args:
      handler: runs in one of at most ``max_tasks`` tasks, which are reused: a context variable that one call sets is
        still set for a later datagram.
      port: 0 lets the system choose, the same for all addresses.
      host: None listens on every interface, IPv4 and IPv6; ``"localhost"`` for this machine only.
      max_tasks: how many handlers may wait for something at once, at least 1; yet each address may always run one, so
        with IPv4 and IPv6 there may be two. When so many wait, the socket is not read: the kernel keeps what fits its
        buffer, and drops and counts the rest.
      grace_period: seconds. When the server is cancelled it stops receiving at once; datagrams that it has taken off
        the socket by then get this much time to be handled and answered.
      reuse_port: let several processes serve the port (SO_REUSEPORT).
      task_status: ``await nursery.start(serve_udp, ...)`` returns the list of `UDPEndpoint`, which tell the addresses
        and the statistics.

    Returns:
      Never; it ends by being cancelled or by an exception.

    Error handling:
      What the handler raises ends the server and comes out of here as it is, not in a group. Replies that were finished
      before are sent. Should several handlers fail at once, the first failure is raised, the others are logged.
      The network cannot end the server: refusals and replies that cannot be sent are counted in the statistics, and a
      reply that is too large for UDP is logged as an error as well, on the logger ``trio_udp``.

    Raises:
      OSError: the port could not be opened.
      ValueError: an argument is out of range.
    """
    await trio.lowlevel.checkpoint()
    check_arguments(handler, max_tasks, grace_period)
    endpoints = await open_udp_endpoints(port, host=host, reuse_port=reuse_port)
    await serve_endpoints(handler, endpoints, max_tasks=max_tasks, grace_period=grace_period, task_status=task_status)


@trio.lowlevel.enable_ki_protection  # Ctrl-C ends the sleep; it must not fall into building the shelter or leaving it
async def serve_endpoints(
    handler: Handler,
    endpoints: Sequence[UDPEndpoint],
    *,
    max_tasks: int = 1000,
    grace_period: float = 0.0,
    task_status: trio.TaskStatus[list[UDPEndpoint]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_udp` on endpoints that you have opened.

    Args:
      endpoints: at least one. They share the ``max_tasks``, of which each may always use one.

    Resource handling:
      The endpoints are closed when this ends, however it ends.

    The other arguments and everything else are as in `serve_udp`.
    """
    try:
        await trio.lowlevel.checkpoint()
        check_arguments(handler, max_tasks, grace_period)
        if not endpoints:
            raise ValueError("endpoints must not be empty: there is nothing to serve")
        with bare_exceptions():
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                server = _Server(handler, endpoints, max_tasks, grace_period)
                try:
                    nursery.start_soon(server.run)
                    task_status.started(list(endpoints))
                    await trio.sleep_forever()
                finally:
                    server.stop()  # whatever is raised above: a shelter without a deadline would stand for ever
    finally:
        for endpoint in endpoints:
            endpoint.close()
    raise AssertionError("a server does not end by itself")


def check_arguments(handler: object, max_tasks: int, grace_period: float) -> None:
    """Raise the TypeError or ValueError that says which of them makes no sense."""
    check_handler(handler)
    if not isinstance(max_tasks, int) or isinstance(max_tasks, bool) or max_tasks < 1:
        raise ValueError(f"max_tasks must be a whole number of at least 1, not {max_tasks!r}")
    if not grace_period >= 0:
        raise ValueError(f"grace_period must be a number of seconds of at least 0, not {grace_period!r}")


class _Server:
    """The crews of all endpoints, and the shelter in which they outlive the caller's cancellation."""

    def __init__(self, handler: Handler, endpoints: Sequence[UDPEndpoint], max_tasks: int, grace_period: float) -> None:
        self._shelter = trio.CancelScope(shield=True)
        self._grace_period = grace_period
        places = Places(max(0, max_tasks - len(endpoints)))
        self._crews = [Crew(handler, endpoint, places) for endpoint in endpoints]

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        try:
            with self._shelter, bare_exceptions():
                async with trio.open_nursery(strict_exception_groups=True) as nursery:
                    for crew in self._crews:
                        crew.start(nursery)
        finally:
            for crew in self._crews:
                crew.discard_queue()

    def stop(self) -> None:
        self._shelter.deadline = deadline = trio.current_time() + self._grace_period
        for crew in self._crews:
            crew.stop(deadline)
