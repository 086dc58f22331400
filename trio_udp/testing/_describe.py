"""What a virtual network looks like right now, as text for a person whose test has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._address import format_address
from ._ip import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..faults import Link
    from ._host import Host
    from ._ip import Place
    from ._mailbox import Mailbox
    from ._record import Record


def describe(seed: int, time: float, record: Record, link: Link, hosts: Iterable[Host]) -> str:
    """Who listens where, what waits in which queue, and the counters."""
    return "\n".join(_lines(seed, time, record, link, hosts))


def _lines(seed: int, time: float, record: Record, link: Link, hosts: Iterable[Host]) -> Iterator[str]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(record.dropped.items()))
    dropped = f"{record.dropped.total()} dropped" + (f" ({reasons})" if reasons else "")
    yield f"virtual network, seed {seed}, at {time:.6f} s"
    what = "datagram" if record.sent == 1 else "datagrams"
    yield f"{record.sent} {what} sent, {record.delivered} delivered, {dropped}"
    if record.forgotten:
        yield f"the first {record.forgotten} are not in the record any more"
    yield f"the link between hosts: {link}"
    for host in hosts:
        if host.mailboxes or host.name != "localhost":
            yield f"{host.name}: {', '.join(host.own_addresses)}{_state(host)}"
            yield from (f"  {_socket(mailbox)}" for mailbox in sorted(host.mailboxes, key=_place))


def _state(host: Host) -> str:
    behind = f"; behind a NAT{f' as {host.nat.address}' if host.nat.address else ''}" if host.nat else ""
    return behind + ("" if host.is_up else "; crashed")


def _place(mailbox: Mailbox) -> tuple[int, str, Place]:
    """By port: the order in which tasks opened and closed their sockets may be chance."""
    ip, port = mailbox.local or ("", 0)
    return port, ip, mailbox.peer or ("", 0)


def _socket(mailbox: Mailbox) -> str:
    text = format_address(mailbox.shown_local)
    if mailbox.peer is not None:
        text += f" -> {format_address(shown(mailbox.family, mailbox.peer))}"
    if groups := " and ".join(mailbox.options.groups):
        text += f", in {groups}"
    if mailbox.closed_at is not None:
        text += f", closed at {mailbox.closed_at:.6f} s"
    elif mailbox.unplugged:
        text += ", dead: its host has crashed"
    counts = f"received {mailbox.received}, sent {mailbox.sent}, dropped {mailbox.dropped}"
    return f"{text}: {counts}, {len(mailbox)} waiting to be read"
