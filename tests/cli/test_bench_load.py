"""The load in virtual time: when what is sent, and what is made of the answers, to the microsecond."""

from __future__ import annotations

import json
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.fakes import echo, echo_after, silent
from trio_udp import Datagram, open_udp_endpoint, serve_udp
from trio_udp.cli import _bench_load, bench, make_parser
from trio_udp.cli._bench_client import Client
from trio_udp.cli._bench_record import Payloads, Record
from trio_udp.cli._common import ExitCode, Failure
from trio_udp.faults import Link, drop_nth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from trio.testing import MockClock

    from trio_udp import Handler
    from trio_udp.testing import Host, VirtualNetwork

    Bench = Callable[..., Awaitable[dict[str, Any]]]

CLIENT, SERVER = "192.0.2.1", "10.0.0.1"


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """No socket here is real, so nothing has to be waited for: time may jump at once."""
    return autojump_clock


@pytest.fixture
def load(network: VirtualNetwork, server: Host, capsys: pytest.CaptureFixture[str]) -> Bench:
    """``await load(handler, *options)``: the JSON that the command prints against such a server, and its exit code."""

    async def run(handler: Handler | None, *options: str) -> dict[str, Any]:
        async with trio.open_nursery() as nursery:
            if handler is not None:
                with server:
                    await nursery.start(partial(serve_udp, handler, 7, host=SERVER))
            args = make_parser().parse_args(["bench", f"{SERVER}:7", *options, "--json"])
            code = await bench.run(args)
            nursery.cancel_scope.cancel()
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert told["sent"] == told["answered"] + told["late"] + told["lost"]
        return {**told, "code": code}

    return run


def sums(told: dict[str, Any]) -> list[int]:
    return [told[name] for name in ("sent", "answered", "late", "lost", "duplicates", "unrelated")]


def requests(network: VirtualNetwork) -> list[Any]:
    """When requests went out."""
    return [pytest.approx(each.time, abs=1e-4) for each in network.datagrams if each.destination[0] == SERVER]


def delay(network: VirtualNetwork, seconds: float) -> None:
    """Half of it each way."""
    network.set_link(CLIENT, SERVER, Link(delay=seconds / 2), both=True)


def ms(milliseconds: float) -> Any:
    """Give or take the microseconds that a datagram and its handler take there, and the 0.2 % of a percentile."""
    return pytest.approx(milliseconds, rel=0.002, abs=0.01)


# -- a closed loop -----------------------------------------------------------------------------------------------------


async def test_one_after_the_other(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    delay(network, 0.25)
    told = await load(echo, "-c", "1", "-n", "4")
    assert sums(told) == [4, 4, 0, 0, 0, 0]
    assert requests(network) == [0, 0.25, 0.5, 0.75]
    assert told["seconds"] == pytest.approx(1, abs=1e-4)
    assert told["replies_per_second"] == pytest.approx(4, rel=1e-3)
    assert told["received_bits_per_second"] == pytest.approx(4 * 64 * 8, rel=1e-3)
    assert {name: ms(250) for name in ("min", "mean", "max", "p50", "p90", "p95", "p99", "p99.9")} == told["latency_ms"]
    assert told["histogram_ms"] == [[240, 270, 4]]
    assert told["code"] == ExitCode.ANSWERED


async def test_how_busy_the_load_was(
    clock: MockClock, network: VirtualNetwork, load: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bench_load, "process_time", lambda: 7 + trio.current_time() / 4)
    delay(network, 0.25)
    assert (await load(echo, "-c", "1", "-n", "4"))["load_busy"] == 0.25


async def test_clients_and_places(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    delay(network, 0.25)
    told = await load(echo, "-c", "2", "-w", "3", "-n", "18", "-s", "100")
    assert sums(told) == [18, 18, 0, 0, 0, 0]
    assert requests(network) == [0.25 * (number // 6) for number in range(18)]
    assert {len(each.data) for each in network.datagrams} == {100}
    ports = [each.source[1] for each in network.datagrams if each.destination[0] == SERVER]
    assert sorted(ports.count(port) for port in set(ports)) == [9, 9]


async def test_of_few_requests_each_client_has_some(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    await load(echo, "-c", "3", "-w", "16", "-n", "7")
    ports = [each.source[1] for each in network.datagrams if each.destination[0] == SERVER]
    assert sorted(ports.count(port) for port in set(ports)) == [2, 2, 3]


async def test_for_so_long(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    delay(network, 0.25)
    told = await load(echo, "-c", "2", "-z", "0.6")
    assert requests(network) == [0, 0, 0.25, 0.25, 0.5, 0.5]
    assert sums(told) == [6, 6, 0, 0, 0, 0]  # the last replies came when nothing was sent any more
    assert told["seconds"] == pytest.approx(0.75, abs=1e-4)
    assert trio.current_time() == pytest.approx(0.75, abs=1e-4)


async def test_for_five_seconds(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    delay(network, 0.4)
    assert sums(await load(echo, "-c", "1"))[:2] == [13, 13]


async def test_a_lost_one_makes_room_after_the_wait(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    delay(network, 0.25)
    with network.rule(drop_nth(2, 4, match=lambda flight: flight.destination[0] == SERVER)):
        told = await load(echo, "-c", "1", "-n", "4", "-W", "0.5")
    assert requests(network) == [0, 0.25, 0.75, 1]
    assert sums(told) == [4, 2, 0, 2, 0, 0]
    assert trio.current_time() == pytest.approx(1.5, abs=1e-4)  # so long the last one was waited for
    assert told["seconds"] == pytest.approx(1, abs=1e-4)
    assert told["latency_ms"]["max"] == ms(250)


async def test_a_lost_one_holds_up_its_own_place_only(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    delay(network, 0.25)
    with network.rule(drop_nth(1, match=lambda flight: flight.destination[0] == SERVER)):
        told = await load(echo, "-c", "1", "-w", "2", "-z", "1.1")
    assert requests(network) == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert sums(told) == [7, 6, 0, 1, 0, 0]


async def test_late_ones_are_not_lost(clock: MockClock, load: Bench) -> None:
    told = await load(echo_after(1.5, 0.75, 0.75, 2.5), "-c", "1", "-n", "4")
    # The first one is given up at 1 s and answered at 1.5 s; the last one when nobody is there any more.
    assert sums(told) == [4, 2, 1, 1, 0, 0]
    assert told["latency_ms"]["max"] == ms(1500)
    assert told["latency_ms"]["min"] == ms(750)


async def test_duplicates(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    network.set_link(SERVER, CLIENT, Link(delay=0.25, duplicate=1))
    told = await load(echo, "-c", "1", "-n", "4")
    assert sums(told)[:4] == [4, 4, 0, 0]
    assert told["duplicates"] in (3, 4)  # the last one may come when nobody is there any more


async def test_it_ends_when_all_is_answered_and_not_when_the_next_would_be_due(
    clock: MockClock, network: VirtualNetwork, load: Bench
) -> None:
    """Regression: with one request a month it waited for another month."""
    delay(network, 0.25)
    told = await load(echo, "-n", "2", "-q", "0.5")
    assert sums(told) == [2, 2, 0, 0, 0, 0]
    assert trio.current_time() == pytest.approx(2.25, abs=1e-3)


async def test_what_is_no_reply_does_not_make_it_longer(clock: MockClock, load: Bench) -> None:
    """Regression: datagrams of somebody else counted as the last reply, and the throughput was too low."""

    asked: list[bytes] = []

    async def answer(datagram: Datagram) -> bytes:
        asked.append(datagram.data)
        if len(asked) == 1:
            return datagram.data
        await trio.sleep(2)
        return b"this is no reply to anything"

    told = await load(answer, "-c", "1", "-n", "2", "-W", "3")
    assert sums(told) == [2, 1, 0, 1, 0, 1]
    assert told["seconds"] < 1


async def test_replies_to_somebody_else(clock: MockClock, load: Bench) -> None:
    last: deque[bytes] = deque([b"." * 64], maxlen=1)

    async def answer_the_one_before(datagram: Datagram) -> bytes:
        last.append(datagram.data[::-1])
        return datagram.data[::-1]

    assert sums(await load(answer_the_one_before, "-c", "1", "-n", "2")) == [2, 0, 0, 2, 0, 2]


async def test_a_prefix_is_an_echo_too(clock: MockClock, load: Bench) -> None:
    async def prefix(datagram: Datagram) -> bytes:
        return b"OK..." + datagram.data.upper()

    assert sums(await load(prefix, "-n", "30")) == [30, 30, 0, 0, 0, 0]


async def test_nobody_answers(clock: MockClock, load: Bench) -> None:
    told = await load(silent, "-c", "2", "-n", "4")
    assert sums(told) == [4, 0, 0, 4, 0, 0]
    assert (told["code"], told["latency_ms"], told["histogram_ms"]) == (ExitCode.NO_REPLY, None, [])
    assert trio.current_time() == pytest.approx(2, abs=1e-4)


async def test_nobody_listens(clock: MockClock, load: Bench) -> None:
    told = await load(None, "-c", "2", "-n", "4")
    assert sums(told) == [4, 0, 0, 4, 0, 0]
    assert (told["code"], told["refused"], told["errors"]) == (ExitCode.REFUSED, 4, {})


async def test_a_rate_is_a_limit(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    delay(network, 0.01)
    told = await load(echo, "-c", "2", "-q", "10", "-n", "5")
    assert requests(network) == [0, 0.1, 0.2, 0.3, 0.4]
    assert (told["asked_per_second"], told["sent_per_second"]) == (10, pytest.approx(10, rel=1e-3))
    assert told["sent_late_ms"] is None
    ports = [each.source[1] for each in network.datagrams if each.destination[0] == SERVER]
    assert sorted(ports.count(port) for port in set(ports)) == [2, 3]


async def test_with_a_rate_nothing_is_made_up_for(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    """One place: while its reply takes 0.35 s, three are due, and not sent."""
    told = await load(echo_after(0.05, 0.35, *[0.05] * 9), "-c", "1", "-q", "10", "-z", "0.8")
    assert requests(network)[:3] == [0, 0.1, 0.45]
    assert len(requests(network)) == 6
    assert told["sent_per_second"] < 8


# -- an open loop ------------------------------------------------------------------------------------------------------


async def test_on_schedule_whatever_the_replies_do(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    told = await load(silent, "-c", "3", "-q", "10", "--open-loop", "-z", "1")
    assert requests(network) == [number / 10 for number in range(10)]
    assert sums(told) == [10, 0, 0, 10, 0, 0]
    assert told["sent_per_second"] == pytest.approx(10, rel=1e-3)
    assert told["sent_late_ms"]["max"] == ms(0)
    assert (told["loop"], told["in_flight"]) == ("open", None)
    ports = [each.source[1] for each in network.datagrams]
    assert sorted(ports.count(port) for port in set(ports)) == [3, 3, 4]


async def test_so_many_on_schedule(clock: MockClock, network: VirtualNetwork, load: Bench) -> None:
    told = await load(echo, "-q", "4", "--open-loop", "-n", "3")
    assert requests(network) == [0, 0.25, 0.5]
    assert sums(told) == [3, 3, 0, 0, 0, 0]


async def test_a_stall_shows_in_an_open_loop_and_hardly_in_a_closed_one(
    clock: MockClock, network: VirtualNetwork, load: Bench
) -> None:
    """Coordinated omission. The server stands still for one second of ten; a tenth of all who come meets that.

    The closed loop, at the same rate, has one request that took so long, and hundreds that it did not send.
    """

    async def stall(datagram: Datagram) -> bytes:
        if 2 <= (into := trio.current_time() - began) < 3:
            await trio.sleep(3 - into)
        return datagram.data

    began = trio.current_time()
    closed = await load(stall, "-c", "1", "-q", "100", "-z", "10", "-W", "2")
    began = trio.current_time()
    opened = await load(stall, "-c", "1", "-q", "100", "-z", "10", "-W", "2", "--open-loop")
    assert sums(opened) == [1000, 1000, 0, 0, 0, 0]
    assert 895 <= closed["answered"] <= 905
    assert closed["latency_ms"]["max"] == pytest.approx(1000, abs=11)
    assert closed["latency_ms"]["p99"] < 1
    assert opened["latency_ms"]["max"] == ms(1000)
    assert opened["latency_ms"]["p99"] == pytest.approx(900, abs=11)
    assert opened["latency_ms"]["p95"] == pytest.approx(500, abs=11)
    assert opened["latency_ms"]["p50"] < 1


async def test_at_the_bound_the_schedule_waits_and_the_latencies_tell(
    clock: MockClock, network: VirtualNetwork, load: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two may wait; each is answered after half a second, and ten a second are asked for."""
    monkeypatch.setattr(_bench_load, "MOST_WAITING", 2)
    told = await load(echo_after(*[0.5] * 9), "-c", "1", "-q", "10", "--open-loop", "-n", "6", "-W", "9")
    assert requests(network) == pytest.approx([0, 0.1, 0.5, 0.6, 1, 1.1], abs=0.001)
    assert sums(told) == [6, 6, 0, 0, 0, 0]
    assert told["latency_ms"]["max"] == pytest.approx(500 + 600, abs=2)
    assert told["sent_late_ms"]["max"] == pytest.approx(600, abs=2)
    assert told["sent_per_second"] == pytest.approx(5 / 1.1, rel=0.01)


# -- the server's addresses --------------------------------------------------------------------------------------------


async def test_of_several_addresses_one_that_answers_is_taken(
    clock: MockClock, network: VirtualNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with ``localhost``, which may mean ::1 first, where the server listens on 127.0.0.1 only."""
    server = network.host("10.0.0.2", "10.0.0.3", name="twofold")
    received: list[bytes] = []

    async def count(datagram: Datagram) -> bytes:
        received.append(datagram.data)
        return datagram.data

    async with trio.open_nursery() as nursery:
        with server:
            await nursery.start(partial(serve_udp, count, 7, host="10.0.0.3"))
        args = make_parser().parse_args(["bench", "twofold:7", "-n", "20", "--json"])
        assert await bench.run(args) == 0
        nursery.cancel_scope.cancel()
    told = json.loads(capsys.readouterr().out)
    assert (told["server"], told["sent"], told["answered"], told["refused"]) == ("10.0.0.3:7", 20, 20, 0)
    assert len(received) == 21


async def test_of_several_that_are_silent_the_first(
    clock: MockClock, network: VirtualNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    with network.host("10.0.0.2", "10.0.0.3", name="twofold"):
        sink = await open_udp_endpoint("0.0.0.0", 7)
    with sink:
        args = make_parser().parse_args(["bench", "twofold:7", "-n", "2", "--json"])
        assert await bench.run(args) == ExitCode.NO_REPLY
    assert json.loads(capsys.readouterr().out)["server"] == "10.0.0.2:7"


# -- while it runs -----------------------------------------------------------------------------------------------------


async def test_a_line_every_second(
    clock: MockClock, network: VirtualNetwork, server: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    delay(network, 0.3)
    async with trio.open_nursery() as nursery:
        with server:
            await nursery.start(partial(serve_udp, echo, 7, host=SERVER))
        await bench.run(make_parser().parse_args(["bench", f"{SERVER}:7", "-c", "2", "-z", "2.5"]))
        nursery.cancel_scope.cancel()
    assert capsys.readouterr().err.splitlines() == [
        "1 s: 8 sent, 6 replies/s, 2 waiting, 0 lost",
        "2 s: 14 sent, 6 replies/s, 2 waiting, 0 lost",
    ]


# -- one client --------------------------------------------------------------------------------------------------------


class Jammed:
    """A socket that takes so many datagrams, and then has no room; or fails."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.tally = self
        self.peer = (SERVER, 7)
        self.sent = 0
        self._room = room
        self._error = error

    def send_run(self, run: list[bytes], _: Any) -> tuple[int, OSError | None]:
        self.sent += min(len(run), self._room)
        return min(len(run), self._room), BlockingIOError() if len(run) > self._room else None

    async def send_data(self, payloads: Iterable[bytes]) -> None:
        self.sent += 2
        if self._error is not None:
            raise self._error
        await trio.sleep_forever()


async def test_what_the_system_takes_is_sent_at_once(clock: MockClock) -> None:
    payloads = Payloads(64)
    record = Record(payloads, 1.0)
    client = Client(Jammed(10), payloads, record)  # type: ignore[arg-type]
    assert client.send_now(10) == []
    assert (record.sent, record.waiting, len(client.waiting), client.is_sending) == (10, 10, 10, False)


async def test_what_was_not_sent_at_the_end_does_not_count(clock: MockClock) -> None:
    payloads = Payloads(64)
    record = Record(payloads, 1.0)
    client = Client(Jammed(3), payloads, record)  # type: ignore[arg-type]
    rest = client.send_now(10)
    assert (len(rest), record.sent, client.is_sending) == (7, 10, True)
    with trio.move_on_after(0.5):
        await client.finish(rest)
    assert (record.sent, record.waiting, len(client.waiting), client.is_sending) == (5, 5, 5, False)


async def test_what_the_system_would_not_send_is_lost(clock: MockClock) -> None:
    payloads = Payloads(64)
    record = Record(payloads, 1.0)
    client = Client(Jammed(3, OSError(1, "Operation not permitted")), payloads, record)  # type: ignore[arg-type]
    await client.finish(client.send_now(10))
    assert (record.sent, record.waiting, client.is_sending) == (10, 10, False)
    client.waiting.expire(trio.current_time() + 1)
    assert (record.sent, record.lost) == (10, 10)


async def test_too_large_for_this_system_is_an_error(network: VirtualNetwork, clock: MockClock) -> None:
    """macOS takes 9,216 bytes at most unless told otherwise; here it is beyond what IPv4 carries."""
    args = make_parser().parse_args(["bench", f"{SERVER}:7", "-n", "1"])
    args.size = 65508
    network.host(SERVER)
    with pytest.raises(Failure, match=r"^a datagram of 65508 bytes: UDP carries at most 65507$"):
        await bench.run(args)
