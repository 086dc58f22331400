"""What a server on the command line says: where it is, a line for each datagram, and at the end how it went."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from .._address import format_address, payload_limit
from ._common import in_counts, plural, printable, say, statistics_lines, write_line
from ._stopping import Unfinished

if TYPE_CHECKING:
    import argparse
    from collections import Counter
    from collections.abc import Callable, Sequence

    from .._address import Address
    from .._batch import Datagram
    from .._guards import Guard
    from .._statistics import UDPStatistics
    from ._answering import Answering

    Tell = Callable[[Datagram, "bytes | str | None"], None]

# Bytes of a datagram that are shown at most: each may become four characters, and anybody may send 65,507 of them.
SHOWN = 500


def choose_tell(args: argparse.Namespace, write: Callable[[bytes], None] = write_line) -> Tell:
    """What is done for each datagram; ``write`` is for data that goes to standard output."""
    describe = _bytes_line if args.prefix is None else _message_line

    def tell(datagram: Datagram, outcome: bytes | str | None) -> None:
        if args.print_only:
            write(datagram.data)
        if not args.quiet:
            say(describe(datagram, outcome))

    return tell


def _bytes_line(datagram: Datagram, outcome: bytes | str | None) -> str:
    received = f"{format_address(datagram.address)} -> {plural(len(datagram.data), 'byte')}"
    if outcome is None:
        return f"{received}, not answered"
    if isinstance(outcome, str):
        return f"{received}, {outcome}"
    if len(outcome) > payload_limit(socket.AF_INET6 if ":" in (host := datagram.address[0]) else socket.AF_INET, host):
        return f"{received}, and a reply that is too large"  # the server logs the details
    return f"{received}, answered {plural(len(outcome), 'byte')}"


def _message_line(datagram: Datagram, _: bytes | str | None) -> str:
    text = printable(datagram.data[:SHOWN].strip())
    more = f"... ({len(datagram.data)} bytes)" if len(datagram.data) > SHOWN else ""
    return f"Message[{format_address(datagram.address)}] - {text}{more}"


def say_where(addresses: Sequence[Address], print_only: bool) -> None:
    """Where it listens."""
    where = in_words(addresses)
    if print_only:
        say(f"waiting on port: {addresses[0][1]} ({where})")
    else:
        say(f"listening on {where}")


def in_words(addresses: Sequence[Address]) -> str:
    """``127.0.0.1:7 and [::1]:7``."""
    return " and ".join(format_address(address) for address in addresses)


def say_who_is_busy(answering: Answering, grace: float) -> None:
    """Why a server that was asked to stop has not ended yet, and what ends it."""
    if answering.busy and grace:
        handlers = plural(answering.busy, "handler")
        again = "again" if Unfinished.now is None else "twice more"  # the second would leave no file
        say(f"stopping: {handlers} may go on for {grace:g} s, Ctrl-C {again} ends at once")


def say_statistics(where: str, statistics: UDPStatistics) -> None:
    """What went through the sockets there."""
    say(f"--- {where} statistics ---")
    for line in statistics_lines(statistics):
        say(line)


def say_guards(guarded: Guard, who: str = "") -> None:
    """What guards have stepped in for, if they did."""
    if counts := guarded.statistics():
        say(f"{who}guards: {in_counts(counts)}")


def say_failures(failures: Counter[str], who: str = "") -> None:
    """How often the handler raised, and what, if it did."""
    if failures:
        kinds = ", ".join(f"{number} {name}" for name, number in failures.items())
        say(f"{who}the handler raised {plural(failures.total(), 'time')}: {kinds}")
