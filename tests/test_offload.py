"""Many datagrams in one system call: what may go together, what goes wrong, and that nothing is lost by trying."""

from __future__ import annotations

import errno
import itertools
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_udp import (
    Datagram,
    DatagramDropped,
    DatagramSent,
    DatagramTooLarge,
    Event,
    Handler,
    UDPChannel,
    UDPEndpoint,
    _crew,
    _offload,
    _usage,
    observe,
    open_udp_channel,
    open_udp_endpoint,
    serve_endpoints,
    serve_peers,
)
from trio_udp._address import Address
from trio_udp._batch import BATCH, RUN_BYTES, BatchSocket
from trio_udp._offload import (
    IPPROTO_UDP,
    MOST_SEGMENTS,
    UDP_GRO,
    UDP_SEGMENT,
    Segments,
    merge_received,
    runs_by_address,
    segments_for,
    sends_correctly,
    split,
)

from .fakes import echo

LOCAL = "127.0.0.1"
HERE, THERE = ("127.0.0.1", 1), ("127.0.0.2", 2)


def hosts(count: int) -> list[Address]:
    return [(f"10.0.{number // 250}.{number % 250 + 1}", 7) for number in range(count)]


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")


@pytest.fixture(autouse=True)
def _handlers_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what may be held back is held back, on the slowest machine, too."""
    monkeypatch.setattr(_crew, "perf_counter", lambda: 0.0)


# -- what may go together ---------------------------------------------------------------------------------------------


def sizes(*datagrams: tuple[int, Address], most_bytes: int = 65507) -> list[list[int]]:
    return [
        [len(data) for data in run] for run, _ in runs_by_address([(bytes(n), to) for n, to in datagrams], most_bytes)
    ]


def test_neighbours_of_one_size_to_one_address() -> None:
    assert sizes((5, HERE), (5, HERE), (5, THERE), (5, HERE), (5, HERE)) == [[5, 5], [5], [5, 5]]


def test_a_shorter_one_ends_the_run_and_a_longer_one_is_not_in_it() -> None:
    assert sizes((5, HERE), (5, HERE), (3, HERE), (3, HERE), (4, HERE), (4, HERE)) == [[5, 5, 3], [3], [4, 4]]


def test_an_empty_datagram_goes_alone() -> None:
    assert sizes((0, HERE), (0, HERE), (5, HERE), (0, HERE), (5, HERE)) == [[0], [0], [5], [0], [5]]


def test_no_more_than_the_kernel_takes_at_once() -> None:
    assert [len(run) for run in sizes(*[(10, HERE)] * 150)] == [64, 64, 22]
    assert [len(run) for run in sizes(*[(1200, HERE)] * 100)] == [54, 46]
    assert [len(run) for run in sizes(*[(40000, HERE)] * 2)] == [1, 1]


def test_other_buffers_go_alone() -> None:
    """The length of a memoryview is not its size in bytes."""
    wide = memoryview(struct.pack("4I", 1, 2, 3, 4)).cast("I")
    given: list[Any] = [b"abcd", wide, b"abcd", bytearray(b"abcd")]
    assert [run for run, _ in runs_by_address([(data, HERE) for data in given], 65507)] == [
        [b"abcd"],
        [wide],
        [b"abcd"],
        given[3:],
    ]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_the_iterable_raises_comes_after_what_it_gave(error: type[BaseException]) -> None:
    def two_and_an_error() -> Iterator[tuple[bytes, Address]]:
        yield b"a", HERE
        yield b"b", HERE
        raise error

    found = []
    with pytest.raises(error):
        for run, _ in runs_by_address(two_and_an_error(), 65507):
            found.append(run)
    assert found == [[b"a", b"b"]]


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([HERE, THERE])), max_size=40), st.integers(4, 12))
def test_any_datagrams_keep_their_order_and_every_run_is_one_that_the_kernel_takes(
    wanted: list[tuple[int, Address]], most_bytes: int
) -> None:
    datagrams = [(bytes([number % 256]) * size, to) for number, (size, to) in enumerate(wanted)]
    found = list(runs_by_address(datagrams, most_bytes))
    assert [(data, to) for run, to in found for data in run] == datagrams
    for run, _ in found:
        *whole, last = run
        assert len({len(data) for data in whole}) <= 1
        assert all(len(last) <= len(data) for data in whole)
        assert len(run) == 1 or last
        assert len(run) <= MOST_SEGMENTS
        assert sum(map(len, run)) <= most_bytes


# -- what came together -----------------------------------------------------------------------------------------------


def merged(size: int) -> list[tuple[int, int, bytes]]:
    return [(1, 2, b"another"), (IPPROTO_UDP, UDP_GRO, struct.pack("=i", size))]


def test_what_came_together_is_cut_apart() -> None:
    assert split(b"aabbc", merged(2)) == [b"aa", b"bb", b"c"]
    assert split(b"aab", merged(65536)) == [b"aab"]
    assert split(b"aab", []) == [b"aab"]
    assert split(b"", []) == [b""]


@given(st.binary(min_size=1, max_size=300), st.integers(1, 310))
def test_any_cut_is_what_slices_are(data: bytes, size: int) -> None:
    assert split(data, merged(size)) == [data[start : start + size] for start in range(0, len(data), size)]


# -- which systems ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "trusted"),
    [
        ("6.18.44-generic", True),
        ("6.99", True),
        ("7.0.0", False),
        ("7.0-rc1", False),
        ("7.0.12-arch1", False),
        ("7.1.4", False),
        ("7.1.5", True),
        ("7.2", True),
        ("10.0.0", True),
        ("unknown", False),
    ],
)
def test_releases_of_linux_that_corrupt_what_they_send(release: str, trusted: bool) -> None:
    assert sends_correctly(release) is trusted


class Raw:
    """A socket of which only the options are asked."""

    def __init__(self, error: int = 0) -> None:
        self.error = error
        self.options: list[Any] = []

    def getsockopt(self, *option: int) -> int:
        return self.setsockopt(*option)

    def setsockopt(self, *option: int) -> int:
        self.options.append(option)
        if self.error:
            raise OSError(self.error, "no")
        return 0

    def sendmsg(self, *args: object) -> int:
        raise NotImplementedError


@linux_only
def test_a_kernel_is_asked_without_changing_anything() -> None:
    raw: Any = Raw()
    assert segments_for(raw, None) is not None
    assert raw.options == [(IPPROTO_UDP, UDP_SEGMENT)]
    assert merge_received(raw)
    assert raw.options[1:] == [(IPPROTO_UDP, UDP_GRO, 1)]


@pytest.mark.parametrize("error", [errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_kernel_without_it(error: int) -> None:
    raw: Any = Raw(error)
    assert segments_for(raw, None) is None
    assert not merge_received(raw)


def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_UDP_OFFLOAD", "0")
    raw: Any = Raw()
    assert segments_for(raw, None) is None
    assert not merge_received(raw)
    assert raw.options == []


@linux_only
def test_a_kernel_that_corrupts_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Release:
        release = "7.1.2"

    monkeypatch.setattr("trio_udp._offload.os.uname", Release)
    raw: Any = Raw()
    assert segments_for(raw, None) is None


def test_the_page_about_it_tells_these_numbers() -> None:
    page = (Path(__file__).parent.parent / "docs" / "explanation" / "offload.rst").read_text(encoding="utf-8")
    text = " ".join(page.split())
    assert f"Up to {MOST_SEGMENTS} datagrams" in text
    assert f"{RUN_BYTES:,} bytes together at most" in text
    assert f"up to {_offload._REMEMBERED} of them, then the oldest" in text
    assert f"for {_offload._ENOUGH} hosts in a row" in text
    assert "Linux 7.0 to 7.1.4" in text
    assert [sends_correctly(release) for release in ("6.99", "7.0", "7.1.4", "7.1.5", "?")] == [1, 0, 0, 1, 0]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_not_asked(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_udp._offload.sys.platform", platform)
    raw: Any = Raw()
    assert segments_for(raw, None) is None
    assert not merge_received(raw)
    assert raw.options == []


# -- sending, and what the kernel says --------------------------------------------------------------------------------


class Kernel:
    """Takes what is sent, or says what the story says."""

    def __init__(self, *story: int) -> None:
        self.story = list(story)  # the errno of each call, or 0
        self.sent: list[tuple[bytes, int, Address]] = []

    def sendmsg(self, buffers: list[bytes], control: list[tuple[int, int, bytes]], flags: int, address: Address) -> int:
        assert flags == 0
        [(level, kind, value)] = control
        assert (level, kind) == (IPPROTO_UDP, UDP_SEGMENT)
        if error := self.story.pop(0) if self.story else 0:
            raise OSError(error, "no")
        data = b"".join(buffers)
        self.sent.append((data, struct.unpack("=H", value)[0], address))
        return len(data)


def test_what_the_kernel_has_not_taken_is_not_counted() -> None:
    """It takes all or nothing today; nothing would be lost if it did not."""
    segments = Segments(lambda buffers, control, flags, address: 4)
    assert segments.send([b"aa", b"bb", b"cc", b"d"], HERE) == 2


@linux_only
async def test_a_partial_send_loses_nothing() -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as other:
        assert one._io.segments is not None
        sendmsg = one._io.segments._sendmsg
        data = [b"%02d" % number for number in range(10)]

        def in_part(buffers: list[bytes], *rest: Any) -> int:
            return sendmsg([buffers[0][:6]], *rest)

        one._io.segments._sendmsg = in_part
        await one.send_many([Datagram(each, other.address) for each in data])
        assert [(await other.receive()).data for _ in data] == data
        assert one.statistics().sent == 10


@linux_only
async def test_what_has_left_is_counted_for_the_peer_whatever_becomes_of_the_rest() -> None:
    """Regression: of a run that left in part, and whose rest was cancelled, the peer's channel counted nothing."""
    counted: list[int] = []

    async def handler(channel: UDPChannel) -> None:
        await channel.receive()
        io = server._io
        assert io.segments is not None
        sendmsg = io.segments._sendmsg
        io.segments._sendmsg = lambda buffers, *rest: sendmsg([buffers[0][:6]], *rest)
        jam(server)
        with trio.move_on_after(0.1):
            await channel.send_many([b"%02d" % number for number in range(10)])
        counted.append(channel.statistics().sent)

    server = await open_udp_endpoint(LOCAL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_peers, handler, [server])
        async with await open_udp_channel(*server.address) as client:
            await client.send(b"x")
            assert [await client.receive() for _ in range(3)] == [b"00", b"01", b"02"]
            while not counted:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert counted == [3] == [server.statistics().sent]


def test_a_run_is_one_call() -> None:
    kernel = Kernel()
    assert Segments(kernel.sendmsg).send([b"aa", b"bb", b"c"], HERE) == 3
    assert kernel.sent == [(b"aabbc", 2, HERE)]


@pytest.mark.parametrize("error", [errno.EMSGSIZE, errno.EINVAL])
def test_a_size_that_does_not_go_to_one_destination_is_not_tried_there_again(error: int) -> None:
    kernel = Kernel(error)
    segments = Segments(kernel.sendmsg)
    assert segments.send([b"aaaa", b"bbbb"], HERE) == 0
    assert segments.send([b"aaaa", b"bbbb"], HERE) == 0
    assert segments.send([b"aaaaa", b"bbbbb"], HERE) == 0
    assert kernel.sent == []
    assert segments.send([b"aaa", b"bbb"], HERE) == 2  # smaller ones do
    assert segments.send([b"aaaa", b"bbbb"], THERE) == 2  # and there is nothing wrong with others


@linux_only
async def test_a_run_from_an_ipv6_socket_to_an_ipv4_peer(ipv6: None) -> None:
    """Regression: such a run could be as long as IPv6 allows, was refused, and from then on all went one by one."""
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        peer.bind((LOCAL, 0))
        async with await open_udp_channel(f"::ffff:{LOCAL}", peer.getsockname()[1]) as channel:
            await channel.send_many([bytes(1236)] * 53)  # 65,508 bytes in all
            assert isinstance(channel._io, BatchSocket)
            assert channel._io.segments is not None
            assert channel._io.segments._too_large == {}
            with pytest.raises(DatagramTooLarge, match="at most 65507"):
                await channel.send(bytes(65508))
        assert [len(peer.recv(2000)) for _ in range(53)] == [1236] * 53


def test_a_device_that_cannot_do_it_is_not_asked_again() -> None:
    kernel = Kernel(errno.EIO)
    segments = Segments(kernel.sendmsg)
    assert segments.send([b"aa", b"bb"], HERE) == 0
    assert segments.send([b"a", b"b"], HERE) == 0
    assert segments.send([b"a", b"b"], THERE) == 2
    assert kernel.sent == [(b"ab", 1, THERE)]


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM])
def test_no_room_now_is_no_reason_not_to_try_later(error: int) -> None:
    segments = Segments(Kernel(error).sendmsg)
    assert segments.send([b"a", b"b"], HERE) == 0
    assert segments.send([b"a", b"b"], HERE) == 2


def test_what_is_no_news_of_offload_is_raised() -> None:
    segments = Segments(Kernel(errno.EPERM).sendmsg)
    with pytest.raises(PermissionError):
        segments.send([b"a", b"b"], HERE)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_udp._offload._REMEMBERED", 3)
    kernel = Kernel(*[errno.EIO] * 4)
    segments = Segments(kernel.sendmsg)
    first, *others = hosts(4)
    for address in (first, *others):
        assert segments.send([b"a", b"b"], address) == 0
    assert segments.send([b"a", b"b"], first) == 2  # forgotten, and found out again
    assert [segments.send([b"a", b"b"], address) for address in others] == [0, 0, 0]


# -- an endpoint with a kernel that has its moods ---------------------------------------------------------------------


def answer(endpoint: UDPEndpoint, *story: int) -> Kernel:
    """The next runs of this endpoint meet these errors; where there is none, they go the real way."""
    assert endpoint._io.segments is not None
    send, kernel = endpoint._io.segments._sendmsg, Kernel(*story)

    def sendmsg(*args: Any) -> int:
        kernel.sendmsg(*args)
        return send(*args)

    endpoint._io.segments._sendmsg = sendmsg
    return kernel


@linux_only
@pytest.mark.parametrize("error", [errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.ENOBUFS, errno.EAGAIN])
async def test_what_cannot_go_together_goes_one_by_one(error: int) -> None:
    """Also when it has worked before."""
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        kernel = answer(one, 0, error)
        wanted = [b"%03d" % number for number in range(100)]
        await one.send_many([Datagram(data, two.address) for data in wanted])
        assert [data for data, _ in await two.receive_many(1000)] == wanted
        assert len(kernel.sent) == 1
        statistics = one.statistics()
        assert (statistics.sent, statistics.sent_bytes, statistics.errors) == (100, 300, {})


@linux_only
async def test_what_the_kernel_has_to_say_otherwise_is_raised_and_counted() -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        answer(one, 0, errno.EPERM)
        datagrams = [Datagram(b"%03d" % number, two.address) for number in range(100)]
        with pytest.raises(PermissionError):
            await one.send_many(datagrams)
        assert [data for data, _ in await two.receive_many(1000)] == [data for data, _ in datagrams[:64]]
        assert (one.statistics().sent, one.statistics().errors) == (64, {"EPERM": 1})


async def test_a_full_buffer_in_the_middle_of_a_run() -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
        if one._io.segments is not None:
            answer(one, errno.EAGAIN)
        room = [True, True, False, True, False, False]
        write_now = one._io._write_now

        def sometimes_full(data: bytes, address: Any) -> int:
            if room and not room.pop(0):
                raise BlockingIOError
            return write_now(data, address)

        one._io._write_now = sometimes_full
        wanted = [b"%d" % number for number in range(8)]
        await one.send_many([Datagram(data, two.address) for data in wanted])
        assert [data for data, _ in await two.receive_many()] == wanted
        assert one.statistics().sent == 8


@linux_only
async def test_datagrams_do_go_together() -> None:
    """Else all the tests here would be about nothing."""
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL, bulk=True) as two:
        kernel = answer(one)
        await one.send_many([Datagram(bytes(1000), two.address)] * 100)
        assert [len(data) for data, _, _ in kernel.sent] == [64_000, 36_000]
        data, control, _, _ = await two.socket.recvmsg(65535, 100)
        assert len(split(data, control)) == 64


@linux_only
async def test_who_watches_sees_each_datagram() -> None:
    events: list[Event] = []
    with observe(events.append):
        with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as two:
            address = two.address
            await one.send_many([Datagram(b"%d" % number, address) for number in range(5)])
    sent = [(event.data, event.remote) for event in events if isinstance(event, DatagramSent)]
    assert sent == [(b"%d" % number, address) for number in range(5)]


# -- reading in bulk --------------------------------------------------------------------------------------------------


async def test_in_bulk_nothing_changes_but_the_speed() -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL) as other:
        with await open_udp_endpoint(LOCAL, bulk=True) as bulk:
            wanted = [(bytes([number]) * size, source) for number, (size, source) in enumerate(STORY)]
            for data, source in wanted:
                await (one if source else other).send(data, bulk.address)
            for count in (0, 1, 3, 64, 64, 64):
                await one.send_many([Datagram(b"x" * 100, bulk.address)] * count)
                wanted += [(b"x" * 100, 1)] * count
            got: list[Datagram] = []
            while len(got) < len(wanted):
                got += await bulk.receive_many(7)
            assert [(data, int(address == one.address)) for data, address in got] == wanted
            statistics = bulk.statistics()
            assert statistics.received == len(wanted)
            assert statistics.received_bytes == sum(len(data) for data, _ in wanted)


STORY = [(0, 1), (1, 1), (65507, 0), (1200, 0), (1200, 1), (0, 0), (5, 1)]


async def test_the_limit_holds_also_where_more_came_together() -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL, bulk=True) as bulk:
        await one.send_many([Datagram(b"%02d" % number, bulk.address) for number in range(60)])
        assert [len(await bulk.receive_many(25)) for _ in range(3)] == [25, 25, 10]
        await one.send_many([Datagram(b"%02d" % number, bulk.address) for number in range(3)])
        assert [(await bulk.receive()).data for _ in range(3)] == [b"00", b"01", b"02"]
        assert not bulk.socket.is_readable()


@linux_only
async def test_an_error_behind_what_came_together_comes_after_it() -> None:
    with await open_udp_endpoint(LOCAL) as one, await open_udp_endpoint(LOCAL, bulk=True) as bulk:
        assert bulk._io._raw is not None
        recvmsg = bulk._io._raw.recvmsg
        answers: list[Any] = [recvmsg, OSError(errno.EIO, "broken"), BlockingIOError()]

        class Broken:
            def recvmsg(self, *sizes: int) -> Any:
                answer = answers.pop(0) if answers else recvmsg
                if isinstance(answer, OSError):
                    raise answer
                return answer(*sizes)

        await one.send_many([Datagram(b"%d" % number, bulk.address) for number in range(5)])
        raw, bulk._io._raw = bulk._io._raw, Broken()  # type: ignore[assignment]
        assert [len(await bulk.receive_many(3)) for _ in range(2)] == [3, 2]
        with pytest.raises(OSError, match="broken"):
            await bulk.receive()
        bulk._io._raw = raw
        await one.send(b"x", bulk.address)
        assert (await bulk.receive()).data == b"x"


# -- the replies of a server ------------------------------------------------------------------------------------------


@asynccontextmanager
async def asked_at_once(
    handler: Handler, *questions: bytes, **options: Any
) -> AsyncIterator[tuple[Kernel, UDPEndpoint]]:
    """A client, all of whose questions came before the server had its first turn; and what the server sends in runs."""
    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        kernel = answer(server)
        await client.send_many([Datagram(question, server.address) for question in questions])
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_endpoints, handler, [server], **options))
            yield kernel, client
            nursery.cancel_scope.cancel()


async def receive(client: UDPEndpoint, count: int) -> list[bytes]:
    return [(await client.receive()).data for _ in range(count)]


@linux_only
async def test_a_socket_that_had_asked_for_it_before() -> None:
    """Regression: to an endpoint without ``bulk`` twenty datagrams were one."""
    sock = trio.socket.socket(type=socket.SOCK_DGRAM)
    await sock.bind((LOCAL, 0))
    sock.setsockopt(IPPROTO_UDP, UDP_GRO, 1)
    with UDPEndpoint(sock) as endpoint, await open_udp_endpoint(LOCAL) as other:
        await other.send_many([Datagram(bytes(100), endpoint.address)] * 20)
        assert [len(datagram.data) for datagram in await endpoint.receive_many()] == [100] * 20


@linux_only
async def test_replies_to_one_peer_go_together_and_in_order() -> None:
    questions = [b"%02d" % number for number in range(40)]
    async with asked_at_once(echo, *questions) as (kernel, client):
        assert await receive(client, 40) == questions
        assert [data for data, _, _ in kernel.sent] == [b"".join(questions)]


@linux_only
async def test_replies_of_handlers_that_compute_for_long_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Regression: the first of a batch was sent when the last one's handler was done with computing."""
    monkeypatch.setattr(_crew, "perf_counter", itertools.count().__next__)  # each takes a second
    questions = [b"%02d" % number for number in range(40)]
    async with asked_at_once(echo, *questions) as (kernel, client):
        assert await receive(client, 40) == questions
        assert not kernel.sent  # each went alone


@linux_only
@pytest.mark.parametrize("max_tasks", [1, 10])
async def test_a_finished_reply_goes_out_before_the_next_handler_waits(max_tasks: int) -> None:
    gate = trio.Event()

    async def some_wait(datagram: Datagram) -> bytes:
        if datagram.data == b"3":
            await gate.wait()
        return datagram.data

    async with asked_at_once(some_wait, b"1", b"2", b"3", b"4", max_tasks=max_tasks) as (_, client):
        others = [b"4"] if max_tasks > 1 else []
        assert await receive(client, 2 + len(others)) == [b"1", b"2", *others]
        gate.set()
        assert await receive(client, 2 - len(others)) == [b"3", b"4"][: 2 - len(others)]


def full_at_first(send: Callable[[bytes, Address], int], answers: list[OSError], data: bytes, address: Address) -> int:
    if answers:
        raise answers.pop()
    return send(data, address)


@linux_only
async def test_a_held_reply_that_finds_the_buffer_full_disturbs_no_waiting_handler() -> None:
    """Regression: it waited for room in the handler's task, which was still to be woken by what the handler waited for.

    Trio shuffles its tasks, so this is tried some times.
    """

    async def some_wait(datagram: Datagram) -> bytes:
        if datagram.data == b"wait":
            waiting.set()
            await gate.wait()
        return datagram.data

    for _ in range(20):
        gate, waiting = trio.Event(), trio.Event()
        server = await open_udp_endpoint(LOCAL)
        server._io._write_now = partial(full_at_first, server._io._write_now, [BlockingIOError()])
        with await open_udp_endpoint(LOCAL) as client:
            await client.send_many([Datagram(data, server.address) for data in (b"quick", b"wait")])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_endpoints, some_wait, [server])
                await waiting.wait()
                gate.set()
                assert sorted(await receive(client, 2)) == [b"quick", b"wait"]
                nursery.cancel_scope.cancel()


@linux_only
async def test_a_held_reply_that_finds_the_buffer_full_is_not_overtaken() -> None:
    """Regression: it was put aside, and those behind it were sent."""
    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        kernel = answer(server, errno.EAGAIN)  # so they go one by one ...
        send = server._io._write_now
        answers: list[OSError | None] = [BlockingIOError(), None, None]  # ... and the third finds no room
        server._io._write_now = partial(full_at_last, send, answers)
        await client.send_many([Datagram(b"%d" % number, server.address) for number in range(8)])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_endpoints, echo, [server])
            assert await receive(client, 8) == [b"%d" % number for number in range(8)]
            nursery.cancel_scope.cancel()
        assert not kernel.story


def full_at_last(
    send: Callable[[bytes, Address], int], answers: list[OSError | None], data: bytes, address: Address
) -> int:
    if answers and (answer := answers.pop()) is not None:
        raise answer
    return send(data, address)


@linux_only
async def test_what_is_answered_later_does_not_overtake_a_held_reply() -> None:
    """Regression: the task that sent it started together with the one that handled the next datagram.

    Trio shuffles its tasks, so this is tried some times.
    """

    async def handler(datagram: Datagram) -> bytes | None:
        if datagram.data != b"wait":
            return datagram.data
        await trio.lowlevel.checkpoint()
        return None

    for _ in range(20):
        server = await open_udp_endpoint(LOCAL)
        server._io._write_now = partial(full_at_first, server._io._write_now, [BlockingIOError()])
        with await open_udp_endpoint(LOCAL) as client:
            for data in (b"1", b"wait", b"2", b"wait", b"3"):
                await client.send(data, server.address)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_endpoints, handler, [server])
                assert await receive(client, 3) == [b"1", b"2", b"3"]
                nursery.cancel_scope.cancel()


def full(*_: object) -> int:
    raise BlockingIOError


def jam(endpoint: UDPEndpoint) -> None:
    """Let its send buffer be full, for ever, for what goes one by one."""

    async def wait(*_: object) -> int:
        await trio.sleep_forever()
        raise AssertionError

    endpoint._io._write_now = full
    endpoint.socket.sendto = wait  # type: ignore[method-assign]


async def jammed_endpoint() -> UDPEndpoint:
    """One whose send buffer is full, for ever."""
    endpoint = await open_udp_endpoint(LOCAL)
    assert endpoint._io.segments is not None
    endpoint._io.segments._sendmsg = full
    jam(endpoint)
    return endpoint


@linux_only
async def test_a_held_reply_waits_no_longer_than_any(clock: trio.testing.MockClock) -> None:
    """Regression: each waited a second, and began when the one before it had given up."""
    server, drops = await jammed_endpoint(), list[float]()
    server._io.emit = lambda event: drops.append(event.time) if isinstance(event, DatagramDropped) else None
    with await open_udp_endpoint(LOCAL) as client:
        await client.send_many([Datagram(b"x", server.address)] * 8)
        with trio.move_on_after(10):
            await serve_endpoints(echo, [server])
    assert drops == [1.0] * 8
    assert server.statistics().dropped == {"send buffer full": 8}


@linux_only
async def test_a_full_buffer_bounds_what_is_read(clock: trio.testing.MockClock) -> None:
    """Regression: each batch left a task that waited for room, and the next one was read."""

    async def handler(datagram: Datagram) -> bytes | None:
        if datagram.data == b"quick":
            return datagram.data
        await trio.lowlevel.checkpoint()
        return None

    server = await jammed_endpoint()
    with await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_endpoints, handler, [server], max_tasks=1))
            tasks = trio.lowlevel.current_statistics().tasks_living
            for _ in range(50):
                await client.send_many([Datagram(data, server.address) for data in (b"quick", b"wait")])
                await trio.testing.wait_all_tasks_blocked()
            assert server.statistics().received <= 2 + BATCH
            assert trio.lowlevel.current_statistics().tasks_living <= tasks + 5
            await trio.sleep(100)  # they give up, one after the other, and the server goes on
            assert server.statistics().received == 100
            assert server.statistics().dropped == {"send buffer full": 50}
            nursery.cancel_scope.cancel()


@linux_only
async def test_a_held_reply_is_not_overtaken_by_a_handler_under_way() -> None:
    """Regression: until the task that was to send it ran, another one of the same round could go first.

    Trio shuffles its tasks, so this is tried some times.
    """

    async def handler(datagram: Datagram) -> bytes | None:
        if datagram.data == b"old":
            await opened.wait()
        if datagram.data != b"open":
            return datagram.data
        opened.set()
        await trio.lowlevel.checkpoint()
        return None

    for _ in range(20):
        opened = trio.Event()
        server = await open_udp_endpoint(LOCAL)
        server._io._write_now = partial(full_at_first, server._io._write_now, [BlockingIOError()])
        with await open_udp_endpoint(LOCAL) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_endpoints, handler, [server])
                await client.send(b"old", server.address)
                await trio.testing.wait_all_tasks_blocked()
                await client.send_many([Datagram(data, server.address) for data in (b"new", b"open")])
                assert await receive(client, 2) == [b"new", b"old"]
                nursery.cancel_scope.cancel()


@linux_only
async def test_a_full_buffer_takes_no_endpoint_its_own_place(clock: trio.testing.MockClock) -> None:
    """Regression: while a reply waited for room, the endpoint's own place went to another one, and stayed there."""
    seen: list[bytes] = []

    async def handler(datagram: Datagram) -> bytes | None:
        seen.append(datagram.data)
        if datagram.data == b"hang":
            await trio.sleep_forever()
        if datagram.data != b"wait":
            return datagram.data
        await trio.lowlevel.checkpoint()
        return None

    one, other = await jammed_endpoint(), await open_udp_endpoint(LOCAL)
    with await open_udp_endpoint(LOCAL) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_endpoints, handler, [one, other], max_tasks=2))
            await client.send_many([Datagram(b"hang", other.address)] * 3)
            await trio.testing.wait_all_tasks_blocked()
            await client.send_many([Datagram(data, one.address) for data in (b"1", b"2", b"wait")])
            await trio.sleep(10)  # they are given up
            await client.send(b"hello", one.address)
            await trio.sleep(1)
            assert seen.count(b"hang") == 1
            assert b"hello" in seen
            nursery.cancel_scope.cancel()


def test_what_works_for_nobody_is_turned_off() -> None:
    """Regression: with more destinations than are remembered it was tried for each, every time."""
    tried: list[Address] = []

    def refuse(_: object, __: object, ___: int, address: Address) -> int:
        tried.append(address)
        raise OSError(errno.EIO, "Input/output error")

    segments = Segments(refuse)
    for address in hosts(2000):
        assert segments.send([b"xx", b"xx"], address) == 0
    assert len(tried) == 64


def test_a_size_that_works_for_nobody_is_not_tried_any_more() -> None:
    """Regression: and neither was any other, so that one path with a small MTU slowed all."""
    tried: list[int] = []

    def refuse_large(buffers: list[bytes], control: list[tuple[int, int, bytes]], _: int, __: Address) -> int:
        [size] = struct.unpack("=H", control[0][2])
        tried.append(size)
        if size > 1472:
            raise OSError(errno.EMSGSIZE, "Message too long")
        return len(buffers[0])

    segments = Segments(refuse_large)
    for address in hosts(100):
        assert segments.send([bytes(2000)] * 2, address) == 0
    assert tried == [2000] * 64
    assert [segments.send([bytes(size)] * 2, HERE) for size in (100, 1472, 1999, 2000)] == [2, 2, 0, 0]
    assert tried[64:] == [100, 1472, 1999]


def test_one_destination_does_not_turn_it_off_for_all() -> None:
    """However many sizes do not work for it."""

    def refuse_one(buffers: list[bytes], _: object, __: int, address: Address) -> int:
        if address == THERE:
            raise OSError(errno.EMSGSIZE, "Message too long")
        return len(buffers[0])

    segments = Segments(refuse_one)
    for size in range(2000, 1000, -1):
        assert segments.send([bytes(size)] * 2, THERE) == 0
    assert segments.send([b"xx", b"xx"], HERE) == 2


def test_one_host_is_one_however_many_ports_it_has() -> None:
    """Regression: 64 clients behind one address that takes nothing were taken for everybody."""

    def refuse_one(buffers: list[bytes], _: object, __: int, address: Address) -> int:
        if address[0] == "10.0.0.1":
            raise OSError(errno.EIO, "Input/output error")
        return len(buffers[0])

    segments = Segments(refuse_one)
    for port in range(1, 1000):
        assert segments.send([b"xx", b"xx"], ("10.0.0.1", port)) == 0
    assert segments.send([b"xx", b"xx"], HERE) == 2


def test_what_works_for_some_stays_on() -> None:
    tried: list[Address] = []

    def refuse_most(buffers: list[bytes], _: object, __: int, address: Address) -> int:
        tried.append(address)
        if len(tried) % 50:
            raise OSError(errno.EINVAL, "Invalid argument")
        return len(buffers[0])

    segments = Segments(refuse_most)
    assert [segments.send([b"xx", b"xx"], address) for address in hosts(200)].count(2) == 4
    assert len(tried) == 200


class SlowServer:
    """An echo whose handler takes 0.1 seconds for what begins with ``slow``, on a clock that goes on for nothing else.

    ``waited`` is how long after its handler each reply was sent. Meanwhile the thread has ``computed``, or it has
    ``waited_for`` something so often, as whoever has the clock go on may say.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, computes: float = 0.1, waits: int = 0) -> None:
        self.now = 0.0
        self.waited: list[tuple[bytes, float]] = []
        self._computes, self._waits = computes, waits
        self._used = _usage.Usage(0.0, 0)
        self._finished: dict[bytes, float] = {}
        monkeypatch.setattr(_crew, "perf_counter", lambda: self.now)
        for module in (_crew, _usage):
            monkeypatch.setattr(module, "thread_usage", lambda: self._used)

    async def handle(self, datagram: Datagram) -> bytes:
        if datagram.data.startswith(b"slow"):
            self.now += 0.1
            self._used = _usage.Usage(self._used.computed + self._computes, self._used.waited + self._waits)
        self._finished[datagram.data] = self.now
        return datagram.data

    def watch(self, event: Event) -> None:
        if isinstance(event, DatagramSent):
            self.waited.append((event.data[:5], self.now - self._finished[event.data]))

    async def answer(self, *rounds: Sequence[bytes], pause: float = 0.0) -> None:
        """Answer the questions of each round, which come together; ``pause`` seconds before the last round."""
        server = await open_udp_endpoint(LOCAL)
        with await open_udp_endpoint(LOCAL) as client:
            async with trio.open_nursery() as nursery:
                server._io.emit = self.watch
                server._io.send_now = server._io._send_now_and_report
                for number, questions in enumerate(rounds):
                    self.now += pause if number == len(rounds) - 1 else 0.0
                    await client.send_many([Datagram(data, server.address) for data in questions])
                    if not number:
                        nursery.start_soon(serve_endpoints, self.handle, [server])
                    assert len(await receive(client, len(questions))) == len(questions)
                nursery.cancel_scope.cancel()


@linux_only
async def test_a_held_reply_waits_for_one_slow_handler_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: when they had been quick, the clock was read after every eighth only."""
    server = SlowServer(monkeypatch)
    await server.answer([b"quick %d" % number for number in range(22)] + [b"slow %d" % number for number in range(8)])
    assert len(server.waited) == 30
    assert max(time for _, time in server.waited) == pytest.approx(0.1)  # the last quick one, behind the first slow one


@linux_only
@pytest.mark.parametrize(("computes", "waits"), [(0.1, 0), (0.0, 1)], ids=["computing", "blocking"])
async def test_after_a_slow_handler_no_reply_is_held_for_a_while(
    computes: float, waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: where each second question took long, each first answer waited for it."""
    server = SlowServer(monkeypatch, computes, waits)
    rounds = [(b"quick %d" % number, b"slow %d" % number) for number in range(4)]
    await server.answer(*rounds, pause=21 * 0.1)  # nothing slow has happened for long
    assert [time for data, time in server.waited if data == b"quick"] == pytest.approx([0.1, 0, 0, 0.1])


@linux_only
async def test_who_had_no_core_was_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: beside a busy process on the same core hardly any replies were sent together."""
    server = SlowServer(monkeypatch, computes=1e-3)
    await server.answer(*[(b"quick %d" % number, b"slow %d" % number) for number in range(4)])
    assert [time for data, time in server.waited if data == b"quick"] == pytest.approx([0.1] * 4)


@linux_only
async def test_behind_a_handler_that_is_not_quick_no_reply_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SlowServer(monkeypatch)
    monkeypatch.setattr(_crew, "TURN", 1.0)
    await server.answer([b"slow 1", b"slow 2", b"quick", b"quick 2"])
    assert [time for _, time in server.waited] == pytest.approx([0.0] * 4)


@linux_only
@pytest.mark.parametrize("kind", [ZeroDivisionError, trio.ClosedResourceError])
async def test_what_an_observer_raises_is_not_thrown_into_a_waiting_handler(kind: type[Exception]) -> None:
    """Regression: the handler saw it where it waited, and could keep it from ending the server.

    And a ClosedResourceError was taken for the socket's, and swallowed.
    """
    seen: list[str] = []

    def observer(event: Event) -> None:
        if isinstance(event, DatagramSent) and event.data == b"quick" and event.local == server.address:
            raise kind

    async def some_wait(datagram: Datagram) -> bytes:
        if datagram.data == b"wait":
            try:
                await trio.sleep_forever()
            except BaseException as error:
                seen.append(type(error).__name__)
                raise
        return datagram.data

    with observe(observer), await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        await client.send_many([Datagram(data, server.address) for data in (b"quick", b"wait")])
        with pytest.raises(kind):
            await serve_endpoints(some_wait, [server])
    assert seen == ["Cancelled"]


@linux_only
async def test_grace_is_for_all_that_came_together() -> None:
    """Regression: what one call had given beyond a batch was dropped at once."""
    done: list[bytes] = []

    async def slow(datagram: Datagram) -> None:
        await trio.sleep(0.01)
        done.append(datagram.data)

    server = await open_udp_endpoint(LOCAL, bulk=True)
    with await open_udp_endpoint(LOCAL) as client:
        for count in (10, 60):  # two runs, and more than a batch
            await client.send_many([Datagram(bytes(100), server.address)] * count)
        with trio.move_on_after(0.001):
            await serve_endpoints(slow, [server], grace_period=60, max_tasks=4)
    statistics = server.statistics()
    assert not statistics.dropped
    assert len(done) == statistics.received


@linux_only
async def test_finished_replies_go_out_when_a_later_handler_fails() -> None:
    async def fails(datagram: Datagram) -> bytes:
        if datagram.data == b"3":
            raise ZeroDivisionError
        return datagram.data

    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        await client.send_many([Datagram(b"%d" % number, server.address) for number in range(6)])
        with pytest.raises(ZeroDivisionError):
            await serve_endpoints(fails, [server])
        assert await receive(client, 3) == [b"0", b"1", b"2"]
        assert not client.socket.is_readable()


@linux_only
async def test_a_reply_that_is_none_of_the_kind_among_others() -> None:
    """Silence, another buffer, one that is too large: the others go out in their order."""
    replies = {b"1": b"one", b"2": None, b"3": bytearray(b"three"), b"4": bytes(65508), b"5": b"", b"6": b"six"}

    async def reply(datagram: Datagram) -> Any:
        return replies[datagram.data]

    async with asked_at_once(reply, *replies) as (_, client):
        assert await receive(client, 4) == [b"one", b"three", b"", b"six"]


@linux_only
async def test_a_reply_that_is_none_ends_the_server_after_the_others() -> None:
    async def reply(datagram: Datagram) -> Any:
        return b"fine" if datagram.data != b"3" else "text"

    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        await client.send_many([Datagram(b"%d" % number, server.address) for number in range(6)])
        with pytest.raises(TypeError, match=r"^a handler returns bytes or None, not str$"):
            await serve_endpoints(reply, [server])
        assert await receive(client, 3) == [b"fine"] * 3


@linux_only
@pytest.mark.parametrize("error", [errno.EIO, errno.EMSGSIZE, errno.ENOBUFS, errno.EAGAIN])
async def test_replies_that_cannot_go_together_go_one_by_one(error: int) -> None:
    questions = [b"%02d" % number for number in range(10)]
    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        answer(server, error)
        await client.send_many([Datagram(question, server.address) for question in questions])
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_endpoints, echo, [server])
            assert await receive(client, 10) == questions
            nursery.cancel_scope.cancel()
        assert (server.statistics().sent, server.statistics().errors) == (10, {})


@linux_only
async def test_what_the_network_says_to_replies_is_counted_and_the_others_go_out() -> None:
    questions = [b"%02d" % number for number in range(10)]
    with await open_udp_endpoint(LOCAL) as client:
        server = await open_udp_endpoint(LOCAL)
        answer(server, errno.EPERM)
        await client.send_many([Datagram(question, server.address) for question in questions])
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_endpoints, echo, [server])
            assert await receive(client, 9) == questions[1:]
            nursery.cancel_scope.cancel()
        assert (server.statistics().sent, server.statistics().errors) == (9, {"EPERM": 1})
