"""`serve_udp`: a datagram in, the handler's reply out.

The handlers run in crews of tasks, one crew per endpoint; how they share the work is told in ``_crew.py``, and how they
are stopped in ``_shelter.py``. Here is what the caller sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import trio

from ._checks import check_count
from ._crew import Crew
from ._endpoint import UDPEndpoint
from ._handler import Handler, check_handler
from ._opening import open_udp_endpoints
from ._places import Places
from ._shelter import check_grace_period, serve_in_shelter

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
    reply_from_asked: bool = False,
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
      reply_from_asked: where this machine has several addresses, reply from the one that was asked; see `UDPEndpoint`.
        It takes a third more time for a datagram, about (the page "Performance").
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
      ValueError: an argument is out of range, or the platform does not have what it asks for.
    """
    await trio.lowlevel.checkpoint()
    check_arguments(handler, max_tasks, grace_period)
    endpoints = await open_udp_endpoints(port, host=host, reuse_port=reuse_port, reply_from_asked=reply_from_asked)
    await serve_endpoints(handler, endpoints, max_tasks=max_tasks, grace_period=grace_period, task_status=task_status)


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

    def make_crews() -> list[Crew]:
        check_arguments(handler, max_tasks, grace_period)
        places = Places(max(0, max_tasks - len(endpoints)))
        return [Crew(handler, endpoint, places) for endpoint in endpoints]

    await serve_in_shelter(make_crews, endpoints, grace_period, task_status)


def check_arguments(handler: object, max_tasks: int, grace_period: float) -> None:
    """Raise the TypeError or ValueError that says which of them makes no sense."""
    check_handler(handler)
    check_count("max_tasks", max_tasks)
    check_grace_period(grace_period)
