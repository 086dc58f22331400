"""Everything that reads what somebody else has written: it reads it, or says in the promised way that it cannot.

Two tables: text, that people type or put into files, and bytes, that come from the network. Hypothesis makes up what is
read; what must hold of the result stands beside it. A new parser is a line here. What one module reads and writes has
its round trips where that module's tests are.

The last tests here fail on a parser that has no line: on an argument of the command line whose ``type`` is in no table,
and on a function that calls one of those by which Python takes bytes apart and that `READERS` does not know. One that
looks at bytes by other means (slices, ``partition``) they do not find; beside the ones that are here, there was none.
"""

from __future__ import annotations

import argparse
import ast
import errno
import math
import string
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

import trio_udp
from trio_udp import open_udp_endpoint
from trio_udp._address import format_address, parse_host_port, parse_port, resolve
from trio_udp._asked import _HERE, return_address, way_back
from trio_udp._offload import IPPROTO_UDP, UDP_GRO, sends_correctly, split
from trio_udp._statistics import kernel_drops
from trio_udp.cli import (
    _bench_record,
    _common,
    _faults,
    _limits,
    _load_handler,
    _metrics_page,
    _pace,
    _ping_record,
    _trace_file,
    bench,
    demo,
    make_parser,
    ping,
    request,
    serve,
    trace,
)
from trio_udp.dtls import _name, _swallowed
from trio_udp.faults import GilbertElliott, Rebind
from trio_udp.learn import LESSONS, _folder, find
from trio_udp.learn._look import line_in
from trio_udp.learn._source import NoText, check_text
from trio_udp.testing import VirtualNetwork
from trio_udp.testing._ip import parse_ip
from trio_udp.tracing import _jsonlines, _recording, _show

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
    "cli: a rate": Target(_limits._positive("a rate"), WRONG, lambda number: 0 < number < math.inf),
    "cli: where to be": Target(serve.local_address, WRONG, lambda it: 0 <= it.port <= 65535),
    "cli: where to listen": Target(serve.listen_address, WRONG, lambda it: it is None or 0 <= it.port <= 65535),
    "cli: speed": Target(_pace.speed, WRONG, lambda number: 0 < number < math.inf),
    "cli: trace": Target(_trace_file.trace_path, WRONG, lambda path: path.suffix),
    "cli: width of a ladder": Target(trace.text_width, WRONG, lambda width: 20 <= width <= 10_000),
    "cli: trace of the demo": Target(_trace_file.virtual_trace_path, WRONG, lambda path: path.suffix),
    "dtls: a name": Target(_name._in_ascii, ValueError, lambda dns: dns.isascii() and 0 < len(dns) < 254),
    "tracing: a host": Target(
        _recording._checked_host, ValueError, lambda host: _recording._checked_host(host) == host
    ),
    "learn: a lesson": Target(find, ValueError, lambda lesson: lesson in LESSONS),
    "learn: a line of a source": Target(lambda text: line_in(text, "x.py"), (), lambda line: line is None or line >= 0),
    "cli: shown": Target(_common.printable_text, (), str.isprintable),
    "cli: payload": Target(_common.text_bytes, UnicodeEncodeError, lambda data: isinstance(data, bytes)),
}

HEX = request.Hexadecimal()
PAGE = _metrics_page.MetricsPage([])


def _is_read(request: tuple[str, str | None]) -> bool:
    """A method and a path, or neither."""
    method, path = request
    return method == "" if path is None else not (set(method) & set(" \n") or set(path) & set(" ?\n"))


def _is_answer(response: bytes) -> bool:
    """A whole one, of which the stranger has written nothing."""
    head, _, body = response.partition(b"\r\n\r\n")
    line, *fields = head.decode("ascii").split("\r\n")
    status = line.removeprefix("HTTP/1.1 ")
    return status[:4] in ("400 ", "404 ", "405 ", "503 ") and f"Content-Length: {len(body)}" in fields


BYTES: dict[str, Target] = {
    "cli: shown": Target(_common.printable, (), str.isprintable),
    "cli: hexadecimal": Target(HEX.read, _common.Failure, lambda data: HEX.read(HEX.show(data)) == data),
    "metrics: a request": Target(
        _metrics_page._request,
        (),
        lambda it: it == ("", None) or not (set(it[0]) & set(" \n") or set(it[1]) & set("? ")),
    ),
    "metrics: its answer": Target(PAGE._response, (), _is_answer),
    "ping: whose echo": Target(_ping_record.Payloads(64, 7).number, (), lambda number: number is None),
    "bench: whose echo": Target(_bench_record.Payloads(64, 7).made, (), lambda made: made is False),
    "dtls: the cookie of a hello": Target(_swallowed._cookie, (), lambda cookie: len(cookie) < 256),
    "learn: a program": Target(check_text, NoText, lambda nothing: nothing is None),
    "learn: what has passed": Target(_folder._parsed, ValueError, lambda passed: isinstance(passed, dict)),
    "tracing: a payload": Target(_show.show_data, (), lambda shown: shown.isprintable() and len(shown) <= 32),
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


# The same for bytes: what a request to a web server is made of, and hexadecimal digits.
_BYTES = [
    *(bytes([number]) for number in range(256)),
    b"GET ",
    b"HEAD ",
    b"/metrics",
    b"?x=1",
    b" HTTP/1.1\r\n",
    b"\r\n",
]
_BYTES += [b"GET /metrics HTTP/1.1", b"Host: a\r\n", b"\r\n\r\n", b"de ad", b"BE EF", b"0x1", "²".encode()]
DATA = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(_BYTES), max_size=12).map(b"".join))


@pytest.mark.parametrize("name", BYTES)
@given(data=DATA)
@example(data=b"GET /metrics?x HTTP/1.1\r\n\r\n")
@example(data=b"GET  HTTP/1.1\r\n\r\n")
@example(data=b"GET\r\n\r\n")
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


PKTINFOS = [(0, _HERE.ip_pktinfo, 12), (41, _HERE.ipv6_pktinfo, 20)]  # level, kind, and the size of the structure


def _pktinfo(kind: tuple[int, int, int]) -> Any:
    level, number, size = kind
    sizes = st.one_of(st.just(size), st.integers(0, 2 * size))
    prefixes = st.sampled_from([b"", bytes(4), bytes(10) + b"\xff\xff", b"\xff\x02", b"\xfe\x80", bytes(4) + b"\xe0"])
    data = st.tuples(prefixes, st.binary(min_size=40, max_size=40)).map(b"".join)
    return st.builds(lambda data, size: (level, number, data[:size]), data, sizes)


@pytest.mark.skipif(not _HERE.ip_pktinfo, reason="this platform does not tell which address was asked")
@given(st.lists(st.one_of(others, *map(_pktinfo, PKTINFOS)), max_size=3))
def test_any_message_beside_a_datagram(messages: list[tuple[int, int, bytes]]) -> None:
    """It is the peer's address all the same; and what it remembers is what a kernel tells of a reply from there."""
    peer = ("192.0.2.1", 7)
    address = return_address(peer, messages)
    assert address == peer
    assert hash(address) == hash(peer)
    assert str(address) == str(peer)
    assert repr(address).startswith("ReturnAddress(('192.0.2.1', 7), asked=")
    control = way_back(address)
    assert way_back(return_address(peer, control)) == control
    assert len(control) <= 1
    sizes = {(level, kind): size for level, kind, size in PKTINFOS}
    assert all(len(value) == sizes[level, kind] for level, kind, value in control)
    assert not any(_is_group(level, value) for level, _, value in control)


def _is_group(level: int, value: bytes) -> bool:
    """Nobody can send from one."""
    return value[4] >= 224 if level == 0 else value[0] == 0xFF


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


# -- nothing is forgotten ----------------------------------------------------------------------------------------------


def _types(parser: argparse.ArgumentParser) -> Iterator[tuple[str, Any]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _types(each)
        elif action.type is not None:
            yield f"{parser.prog} {'/'.join(action.option_strings) or action.dest}", action.type


def test_whatever_is_typed_has_a_target() -> None:
    """But for plain whole numbers, which argparse knows how to refuse, and paths, of which it refuses none."""
    known = {target.function.__code__ for target in TEXTS.values() if hasattr(target.function, "__code__")}
    typed = [(what, read) for what, read in _types(make_parser()) if read not in (int, Path)]
    assert len(typed) > 30
    assert [what for what, read in typed if read.__code__ not in known] == []


# By which bytes become something else. What is not in a table above has a test of its own.
TAKES_APART = {"unpack", "unpack_from", "iter_unpack", "from_bytes", "fromhex", "decode", "loads", "load", "inet_ntop"}
OURS = "bytes that we have made ourselves"

READERS: dict[str, object] = {
    "cli._live_held.Held.shown": BYTES["cli: shown"],
    "cli._live_held.Held.text": "tests/cli/test_live.py::test_what_an_encoding_does_not_have_is_escaped",
    "cli.trace._load": BYTES["trace"],
    "dtls._name._in_ascii": TEXTS["dtls: a name"],
    "dtls._swallowed._cookie": BYTES["dtls: the cookie of a hello"],
    "cli._learn_check.judge_file": "tests/cli/test_learn.py::test_a_file_that_is_no_text_is_shown_as_it_is",
    "learn._source.check_text": BYTES["learn: a program"],
    "learn._folder._parsed": BYTES["learn: what has passed"],
    "learn._learner.Learner.parts_like": "tests/learn/test_stage.py::test_a_file_that_is_no_text",
    "learn._played._packed": OURS,  # to be written
    "learn._played.read": OURS,  # from the process that we have started
    "learn._run._Child.output": "tests/learn/test_run.py::test_what_is_printed_may_be_no_text",
    "learn._run._line": OURS,  # a path
    "learn._played.plain": OURS,  # packed just before
    "learn._working.work_of": OURS,  # the questions of a lesson
    "learn._stage._Play._act": "tests/learn/test_stage.py::test_a_file_that_is_no_text",
    "tracing._jsonlines._parsed": BYTES["trace"],
    "tracing._jsonlines._plain": BYTES["trace"],
    "tracing._page._hash": OURS,  # a hash
    "tracing._recording._checked_host": TEXTS["tracing: a host"],
    "tracing._show._beyond_ascii": BYTES["tracing: a payload"],
    "tracing._text._in_ascii": "tests/tracing/test_anything.py::test_as_text",
    "_asked._asked_host": test_any_message_beside_a_datagram,
    "_asked._way_back": test_any_message_beside_a_datagram,
    "_offload.split": test_any_message_beside_the_size_of_what_came_together,
    "_sources.Sources.of": OURS,  # packed from an address
    "_statistics.kernel_drops": test_any_answer_about_drops,
    "cli._common.printable": BYTES["cli: shown"],
    "cli._common.printable_text": TEXTS["cli: shown"],
    "cli._metrics_page._request": BYTES["metrics: a request"],
    "cli._ping_record.Payloads.number": BYTES["ping: whose echo"],
    "cli.request.Hexadecimal.read": BYTES["cli: hexadecimal"],
    "faults._luck.Draw.__init__": OURS,  # a hash
    "testing._ancillary.asked_source": test_any_control_message_to_send,
    "testing._group_requests._ipv4_index": "tests/testing/test_groups.py::test_linux_says_the_same",
    "testing._groups.Groups.set": "tests/testing/test_groups.py::test_linux_says_the_same",
    "testing._group_requests._address": "tests/testing/test_groups.py::test_linux_says_the_same",
    "testing._group_requests._by_address": "tests/testing/test_groups.py::test_linux_says_the_same",
    "testing._group_requests._by_index": "tests/testing/test_groups.py::test_linux_says_the_same",
    "testing._group_requests._ipv4": "tests/testing/test_groups.py::test_linux_says_the_same",
    "testing._group_requests._ipv6": "tests/testing/test_groups.py::test_linux_says_the_same",
    "testing._options.Options.get": OURS,  # what Groups has packed
    "testing._options._c_int": "tests/testing/test_options.py::test_one_after_another",
    "testing._pcap._checksum": OURS,  # what is written to a file
    "testing._resolver.normal_name": test_any_name,
    "workers._worker.work": OURS,  # from the process that has started this one
}


def _takers(node: ast.AST, where: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        inside = where
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{where}.{child.name}"
        elif isinstance(child, ast.Call):
            name = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
            if name in TAKES_APART:
                yield where
        yield from _takers(child, inside)


def test_whatever_takes_bytes_apart_has_a_target() -> None:
    package = Path(trio_udp.__file__).parent
    found: set[str] = set()
    for path in set(package.rglob("*.py")) - set(
        (package / "learn" / "lessons").rglob("*.py")
    ):  # they play by themselves
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        found.update(_takers(ast.parse(path.read_text(encoding="utf-8")), module))
    assert found == set(READERS)


@pytest.mark.parametrize("test", sorted({each for each in READERS.values() if isinstance(each, str)} - {OURS}))
def test_the_test_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
