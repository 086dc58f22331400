"""Everything that reads what somebody else has written: it reads it, or says in the promised way that it cannot.

Two tables: text, that people type or put into files, and bytes, that come from the network. Hypothesis makes up what is
read; what must hold of the result stands beside it. A new parser is a line here. What one module reads and writes has
its round trips where that module's tests are.
"""

from __future__ import annotations

import argparse
import errno
import math
import string
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

from trio_udp import open_udp_endpoint
from trio_udp._address import format_address, parse_host_port, parse_port, resolve
from trio_udp._offload import IPPROTO_UDP, UDP_GRO, sends_correctly, split
from trio_udp._statistics import kernel_drops
from trio_udp.cli import (
    _bench_record,
    _common,
    _faults,
    _load_handler,
    _ping_record,
    _trace_file,
    bench,
    demo,
    ping,
    serve,
)
from trio_udp.faults import GilbertElliott, Rebind
from trio_udp.testing import VirtualNetwork
from trio_udp.testing._ip import parse_ip
from trio_udp.tracing import _jsonlines

# What parsers know, and what looks like it: digits of other scripts, infinities, a number longer than Python reads.
_PIECES = [*string.digits, *".,:;/[]%*-+_eExkMG \t\n\0", "²", "٣", "é", "\ud800", "inf", "nan", "1e400", "9" * 5000]
_PIECES += ["::1", "::ffff:1.2.3.4", "127.0.0.1", "localhost", "fe80::1%lo", "65535", "65536", "0x10"]
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(_PIECES), max_size=6).map("".join))


class Target(NamedTuple):
    """A function, what it may raise, and what holds of its result."""

    function: Callable[[Any], Any]
    raises: type[Exception] | tuple[type[Exception], ...] = ()
    holds: Callable[[Any], object] = lambda result: True


def _is_seconds(number: float) -> bool:
    return 0 <= number <= _common.LONGEST


WRONG = argparse.ArgumentTypeError  # argparse shows its text; any other error would hide what was wrong

TEXTS: dict[str, Target] = {
    "host and port": Target(parse_host_port, ValueError, lambda it: it.host != "" and 0 <= it.port <= 65535),
    "port": Target(parse_port, ValueError, lambda port: 0 <= port <= 65535),
    "IP": Target(parse_ip, ValueError, lambda ip: parse_ip(ip.text) == ip),
    "release": Target(sends_correctly, (), lambda answer: isinstance(answer, bool)),
    "cli: host and port": Target(_common.host_port, WRONG, lambda it: parse_host_port(format_address(it)) == it),
    "cli: server": Target(_common.server_port, WRONG, lambda it: 1 <= it.port <= 65535),
    "cli: probability": Target(_common.probability, WRONG, lambda number: 0 <= number <= 1),
    "cli: seconds": Target(_common.seconds, WRONG, _is_seconds),
    "cli: seconds above 0": Target(_faults.positive_seconds, WRONG, lambda number: _is_seconds(number) and number),
    "cli: count": Target(_common.count, WRONG, lambda number: number >= 1),
    "cli: whole": Target(_faults.at_least(5), WRONG, lambda number: number >= 5),
    "cli: burst": Target(_faults.burst, WRONG, lambda it: isinstance(it, GilbertElliott)),
    "cli: exact loss": Target(_faults.exact_loss, WRONG, lambda it: 0 <= it[0] <= it[1] and it[1]),
    "cli: bit rate": Target(_faults.bit_rate, WRONG, lambda rate: 0 < rate < math.inf),
    "cli: new ports": Target(_faults.rebind_every, WRONG, lambda it: isinstance(it, Rebind)),
    "cli: handler": Target(_load_handler.handler_name, WRONG, lambda it: it.module and it.function),
    "cli: ping size": Target(ping.payload_size, WRONG, lambda size: 8 <= size <= 65507),
    "cli: bench size": Target(bench.payload_size, WRONG, lambda size: 16 <= size <= 65507),
    "cli: bench rate": Target(bench.rate, WRONG, lambda rate: 0 < rate < math.inf),
    "cli: clients": Target(demo.some_clients, WRONG, lambda number: number >= 1),
    "cli: where to listen": Target(serve.listen_address, WRONG, lambda it: 0 <= it.port <= 65535),
    "cli: trace": Target(_trace_file.trace_path, WRONG, lambda path: path.suffix),
    "cli: shown": Target(_common.printable_text, (), str.isprintable),
    "cli: payload": Target(_common.text_bytes, UnicodeEncodeError, lambda data: isinstance(data, bytes)),
}

BYTES: dict[str, Target] = {
    "cli: shown": Target(_common.printable, (), str.isprintable),
    "ping: whose echo": Target(_ping_record.Payloads(64, 7).number, (), lambda number: number is None),
    "bench: whose echo": Target(_bench_record.Payloads(64, 7).made, (), lambda made: made is False),
    "trace": Target(lambda data: _jsonlines._read(iter(data.splitlines(keepends=True)), "x"), ValueError),
    "one datagram": Target(lambda data: split(data, [(0, 0, data)]), (), lambda pieces: len(pieces) == 1),
}


def try_target(target: Target, given: Any) -> None:
    results = []
    with suppress(*(target.raises if isinstance(target.raises, tuple) else [target.raises])):
        results.append(target.function(given))
    assert all(map(target.holds, results))


@pytest.mark.parametrize("name", TEXTS)
@given(text=TEXT)
@example(text="9" * 5000)
@example(text="3/" + "9" * 5000)
@example(text="1e400,1e400")
@example(text="nan,nan")
@example(text="\udcff:1")
def test_any_text(name: str, text: str) -> None:
    try_target(TEXTS[name], text)


@pytest.mark.parametrize("name", BYTES)
@given(data=st.binary(max_size=200))
def test_any_bytes(name: str, data: bytes) -> None:
    try_target(BYTES[name], data)


# -- what the system tells beside the data -----------------------------------------------------------------------------

others = st.tuples(st.integers(0, 300), st.integers(0, 300), st.binary(max_size=30))
MESSAGES = st.lists(others.filter(lambda message: message[:2] != (IPPROTO_UDP, UDP_GRO)), max_size=3)


@given(st.binary(min_size=1, max_size=300), st.integers(1, 400), MESSAGES, MESSAGES)
def test_any_message_beside_the_size_of_what_came_together(data: bytes, size: int, before: Any, after: Any) -> None:
    """A program may have asked for others at a socket of its own."""
    pieces = split(data, [*before, (IPPROTO_UDP, UDP_GRO, struct.pack("=i", size)), *after])
    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert 0 < len(pieces[-1]) <= size


class Telling:
    """A socket that has this to say about its memory."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def getsockopt(self, *_: int) -> bytes:
        return self._answer


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked")
@given(st.binary(max_size=80))
def test_any_answer_about_drops(answer: bytes) -> None:
    """Older kernels tell less, newer ones more."""
    drops = kernel_drops(Telling(answer))  # type: ignore[arg-type]
    assert drops == (struct.unpack("=I", answer[32:36])[0] if len(answer) >= 36 else None)


# -- names, and what is told to a virtual network's sockets -----------------------------------------------------------


@given(st.lists(st.tuples(TEXT, st.integers(-1, 65536)), min_size=1, max_size=5))
@example([("a..b", 1), ("x" * 64, 1), ("\udcff", 1), ("", 1)])
def test_any_name(names: list[tuple[str, int]]) -> None:
    """No host of the network has it: it is an address, or an OSError, and a port that is none a ValueError."""

    async def main() -> None:
        async with VirtualNetwork():
            with await open_udp_endpoint("127.0.0.1") as endpoint:
                for host, port in names:
                    with suppress(OSError, ValueError):
                        assert all(0 <= target.address[1] <= 65535 for target in await resolve(host, port))
                    with suppress(OSError, OverflowError):
                        await endpoint.send(b"x", (host, port))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


PKTINFO = st.sampled_from([(0, 8), (41, 50), (17, 103), (1, 1)])


@given(st.lists(st.tuples(PKTINFO, st.binary(max_size=24)), max_size=2), st.sampled_from(["127.0.0.1", "::1"]))
def test_any_control_message_to_send(messages: list[tuple[tuple[int, int], bytes]], host: str) -> None:
    """It is sent from an address that the host has, or it is EINVAL, or said that the message is not known."""

    async def main() -> None:
        async with VirtualNetwork():
            with await open_udp_endpoint(host) as endpoint:
                ancillary = [(*kind, data) for kind, data in messages]
                outcome: object = None
                try:
                    await endpoint.socket.sendmsg([b"x"], ancillary, 0, endpoint.address)
                except NotImplementedError:
                    outcome = "not known"
                except OSError as error:
                    outcome = error.errno
                assert outcome in (None, "not known", errno.EINVAL)
                assert outcome != "not known" or any(kind in ((17, 103), (1, 1)) for kind, _ in messages)
                if outcome is None:
                    assert await endpoint.receive() == (b"x", endpoint.address)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
