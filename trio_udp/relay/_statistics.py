"""What has gone through a relay, and what has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._statistics import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._statistics import UDPStatistics
    from ._way import Direction


@dataclass(frozen=True)
class WayStatistics:
    """One direction, all clients together.

    Once nothing is on its way any more, and no rule holds anything back,
    ``received + duplicated == forwarded + sum(dropped.values())``.

    Args:
      received: datagrams that came to the relay.
      received_bytes: their payload.
      forwarded: datagrams that the kernel took from it.
      forwarded_bytes: their payload.
      duplicated: second copies.
      damaged: datagrams that went on with other bytes.
      dropped: datagrams and copies that did not go on, by reason: what links and rules say, ``"rule failed"`` if one
        raised, or ``tell`` did; ``"too many clients"``, ``"too many waiting"``; ``"client gone"`` and
        ``"relay stopped"`` for what waited; ``"socket closed"`` for what waited to be sent when the client got a new
        one; ``"send buffer full"``; ``"stranger"`` for what is not from the host or the port that answers; or the name
        of the error with which the system refused to send it.
      errors: what the sockets reported, errno names and how often. A refusal by the target is counted forward.
      kernel_drops: datagrams that the kernel received for the relay and dropped, mostly because it came too late to
        read them; None where the platform does not tell.
    """

    received: int
    received_bytes: int
    forwarded: int
    forwarded_bytes: int
    duplicated: int
    damaged: int
    dropped: Mapping[str, int]
    errors: Mapping[str, int]
    kernel_drops: int | None


@dataclass(frozen=True)
class RelayStatistics:
    """Everything that a relay has counted since it began.

    Args:
      clients: how many there are now.
      clients_in_all: how many there have been; the number of the last one.
      refused: datagrams of further clients, when there were ``max_clients`` already; ``forward`` has them as well.
      forward: towards the target.
      backward: towards the clients.
    """

    clients: int
    clients_in_all: int
    refused: int
    forward: WayStatistics
    backward: WayStatistics


def total(statistics: Iterable[UDPStatistics]) -> Tally:
    """What went through several sockets together."""
    tally = Tally()
    for one in statistics:
        tally.add(one)
    return tally


def way_statistics(direction: Direction, inlet: Tally, outlet: Tally, missed: int | None) -> WayStatistics:
    """One direction, from what its sockets and its links have counted."""
    return WayStatistics(
        inlet.received,
        inlet.received_bytes,
        outlet.sent,
        outlet.sent_bytes,
        direction.duplicated,
        direction.damaged,
        dict(direction.dropped),
        dict(outlet.errors),
        missed,
    )
