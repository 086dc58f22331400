"""`serve_relay` and `relay_endpoints`: what may be asked of a relay, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import trio

from .._address import resolve
from .._endpoint import UDPEndpoint
from .._opening import open_udp_endpoints
from ..faults import Link, Rebind, Rule
from ..faults._checks import check_seed, check_whole, is_number, is_whole
from ._later import Later
from ._relay import Relay, check_target
from ._way import Direction, Relayed, Terms

PERFECT = Link()

# Seconds. RFC 4787 section 4.3 has a NAT keep an address for at least two minutes.
IDLE_TIMEOUT = 120.0

# Each has a socket, and the usual limit of open files is 1024 (getrlimit(2), RLIMIT_NOFILE).
MAX_CLIENTS = 1000

# More than the longest queue of a preset, the 13,542 of quic4sat-lossy. Of the largest datagrams, 1.3 GB.
MAX_WAITING = 20_000


async def serve_relay(
    host: str | None,
    port: int,
    target_host: str,
    target_port: int,
    *,
    forward: Link = PERFECT,
    backward: Link = PERFECT,
    rules: Sequence[Rule] = (),
    forward_rules: Sequence[Rule] = (),
    backward_rules: Sequence[Rule] = (),
    seed: int = 0,
    rebind: Rebind | None = None,
    max_clients: int = MAX_CLIENTS,
    max_waiting: int = MAX_WAITING,
    idle_timeout: float = IDLE_TIMEOUT,
    follow_port: bool = False,
    tell: Callable[[Relayed], None] | None = None,
    task_status: trio.TaskStatus[Relay] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Carry datagrams between clients and a server as a bad network would, until cancelled.

    Clients send to the relay instead of to the server. Each gets a socket of its own towards the server, connected to
    it, and a number: 1, 2, 3 in the order in which they first appear. What becomes of a datagram hangs on the ``seed``,
    its client's number, its direction and its own number among those of that client in that direction; not on ports,
    which differ from run to run. Each client has a link of its own: ``rate`` and ``queue`` are not shared.

    Args:
      host: where to listen; None: every interface, ``"localhost"``: this machine only.
      port: 0 lets the system choose; see `Relay.address`.
      target_host: the server. Of a name with several addresses, the first; a client that is refused there goes on to
        the next, and later clients begin with that.
      target_port: its port. Clients of IPv4 and a server of IPv6 are fine, and the other way round.
      forward: what happens on the way to the server.
      backward: what happens on the way back.
      rules: what must happen, both ways; asked in this order, before the links.
      forward_rules: the same on the way to the server only, asked after those.
      backward_rules: the same on the way back only.
      seed: which of all possible stories.
      rebind: when all clients get new ports towards the server, as behind a NAT that has forgotten them.
      max_clients: a datagram of one more is dropped and counted.
      max_waiting: datagrams whose delay is not over yet, of all clients together; a datagram that would have to wait
        as well is dropped and counted.
      idle_timeout: seconds after which a client is forgotten that has nothing on its way in either direction. If it
        comes back it is a new one, with the next number.
      follow_port: for servers that answer from another port than they were asked at, as those of TFTP do: the first
        answer that a client gets decides from which port it gets all others, and to which its datagrams go from then
        on, until it is forgotten. The sockets towards the server are then not connected. So any program on the server's
        host that finds such a port may be the first to answer, and it is not noticed when the server refuses.
      tell: called with a `Relayed` for each datagram when it is decided what becomes of it, so it should be quick.
      task_status: ``await nursery.start(partial(serve_relay, ...))`` returns the `Relay`.

    Returns:
      Never; it ends by being cancelled or by an exception.

    Error handling:
      What a rule or ``tell`` raises ends the relay and comes out of here as it is, not in a group. The network cannot
      end it: refusals and datagrams that cannot be sent are counted.

    Raises:
      OSError: the port could not be opened, or a host not be found.
      ValueError: an argument is out of range, or the relay is its own target.
    """
    await relay_endpoints(
        await open_udp_endpoints(port, host=host),
        target_host,
        target_port,
        forward=forward,
        backward=backward,
        rules=rules,
        forward_rules=forward_rules,
        backward_rules=backward_rules,
        seed=seed,
        rebind=rebind,
        max_clients=max_clients,
        max_waiting=max_waiting,
        idle_timeout=idle_timeout,
        follow_port=follow_port,
        tell=tell,
        task_status=task_status,
    )


async def relay_endpoints(
    endpoints: Sequence[UDPEndpoint],
    target_host: str,
    target_port: int,
    *,
    forward: Link = PERFECT,
    backward: Link = PERFECT,
    rules: Sequence[Rule] = (),
    forward_rules: Sequence[Rule] = (),
    backward_rules: Sequence[Rule] = (),
    seed: int = 0,
    rebind: Rebind | None = None,
    max_clients: int = MAX_CLIENTS,
    max_waiting: int = MAX_WAITING,
    idle_timeout: float = IDLE_TIMEOUT,
    follow_port: bool = False,
    tell: Callable[[Relayed], None] | None = None,
    task_status: trio.TaskStatus[Relay] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_relay` on endpoints that you have opened, or that `trio_udp.endpoints_from_systemd` has found.

    Args:
      endpoints: at least one.

    Resource handling:
      The endpoints are closed when this ends, however it ends.

    The other arguments and everything else are as in `serve_relay`.
    """
    try:
        await trio.lowlevel.checkpoint()
        named = {"rules": rules, "forward_rules": forward_rules, "backward_rules": backward_rules}
        _check_network(forward, backward, named, rebind)
        check_seed(seed)
        _check_arguments(target_port, max_clients, max_waiting, idle_timeout, tell)
        terms = Terms(
            forward=Direction(forward, (*rules, *forward_rules), forward=True),
            backward=Direction(backward, (*rules, *backward_rules), forward=False),
            seed=seed,
            later=Later(max_waiting),
            targets=await resolve(target_host, target_port),
            max_clients=max_clients,
            idle_timeout=idle_timeout,
            follow_port=follow_port,
            tell=tell,
        )
        await check_target(endpoints, terms.targets)
        await Relay(endpoints, terms)._run(rebind, task_status)
    finally:
        for endpoint in endpoints:
            endpoint.close()


def _check_network(forward: object, backward: object, rules: Mapping[str, object], rebind: object) -> None:
    """What is wrong here would not show before the first datagram."""
    for name, link in (("forward", forward), ("backward", backward)):
        if not isinstance(link, Link):
            raise ValueError(f"{name} must be a Link, not {link!r}")
    for name, some in rules.items():
        if not isinstance(some, Sequence):
            raise ValueError(f"{name} must be a list or another sequence of functions, not {some!r}")
        for rule in some:
            if not callable(rule):
                raise ValueError(f"{name} must be functions, not {rule!r}")
    if not isinstance(rebind, Rebind | None):
        raise ValueError(f"rebind must be a Rebind or None, not {rebind!r}")


def _check_arguments(target_port: int, max_clients: int, max_waiting: int, idle_timeout: float, tell: object) -> None:
    if not is_whole(target_port) or not 1 <= target_port <= 65535:
        raise ValueError(f"target_port must be from 1 to 65535, not {target_port!r}")
    check_whole("max_clients", max_clients, 1)
    check_whole("max_waiting", max_waiting, 1)
    if not is_number(idle_timeout) or not idle_timeout > 0:
        raise ValueError(f"idle_timeout must be a number of seconds above 0, not {idle_timeout!r}")
    if tell is not None and not callable(tell):
        raise ValueError(f"tell must be a function or None, not {tell!r}")
