"""Which sending belongs to which arrival or loss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.tracing.traces import (
    CLIENT,
    OTHER,
    SERVER,
    arrived,
    begins,
    dropped,
    exchanges,
    ignored,
    lost,
    received,
    sent,
    trace_of,
)
from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import record
from trio_udp.tracing._sockets import Sockets
from trio_udp.tracing._travel import Travel
from trio_udp.tracing._travels import travels

if TYPE_CHECKING:
    from trio_udp import Address, Event


def travels_of(*events: Event) -> list[Travel]:
    entries = trace_of(*events).entries
    return travels(entries, Sockets(entries))


def fates(*events: Event) -> list[tuple[float | None, float | None, str]]:
    return [(one.sent, one.ended, one.outcome) for one in travels_of(*events)]


def test_a_sending_and_its_arrival() -> None:
    [travel] = travels_of(sent(1.0, CLIENT, SERVER), received(1.25, SERVER, CLIENT))
    assert travel == Travel(0, CLIENT[:2], SERVER[:2], b"hello", 1.0, 1.25, 1.25, 1, "arrived")
    assert travel.has_arrived
    assert travel.begun == 1.0


def test_both_directions_and_other_bytes_are_kept_apart() -> None:
    assert fates(
        sent(0.0, CLIENT, SERVER),
        sent(0.0, SERVER, CLIENT),
        sent(0.0, CLIENT, SERVER, b"other"),
        sent(0.0, OTHER, SERVER),
        received(1.0, SERVER, OTHER),
        received(2.0, SERVER, CLIENT, b"other"),
        received(3.0, CLIENT, SERVER),
    ) == [(0.0, None, "unseen"), (0.0, 3.0, "arrived"), (0.0, 2.0, "arrived"), (0.0, 1.0, "arrived")]


def test_of_equal_ones_the_first_sent_is_the_first_received() -> None:
    assert fates(
        sent(0.0, CLIENT, SERVER),
        sent(1.0, CLIENT, SERVER),
        received(2.0, SERVER, CLIENT),
        received(3.0, SERVER, CLIENT),
    ) == [(0.0, 2.0, "arrived"), (1.0, 3.0, "arrived")]


def test_a_loss_takes_out_the_one_that_was_sent_then() -> None:
    assert fates(
        sent(0.0, CLIENT, SERVER),
        sent(1.0, CLIENT, SERVER),
        sent(1.0, CLIENT, SERVER),
        lost(1.5, CLIENT, SERVER, 1.0),
        lost(1.5, CLIENT, SERVER, 1.0),
        received(2.0, SERVER, CLIENT),
    ) == [(0.0, 2.0, "arrived"), (1.0, 1.5, "lost"), (1.0, 1.5, "lost")]


def test_where_the_clock_goes_on_by_itself() -> None:
    """The network has sent it a little before the event of its sending was made."""
    assert fates(
        sent(0.5, CLIENT, SERVER),
        sent(1.000002, CLIENT, SERVER),
        lost(1.5, CLIENT, SERVER, 1.0),
        lost(9.0, CLIENT, SERVER, 8.0),
    ) == [(0.5, None, "unseen"), (1.0, 1.5, "lost"), (8.0, 9.0, "lost")]


def test_second_copies() -> None:
    first, second = travels_of(sent(0.0, CLIENT, SERVER), received(1.0, SERVER, CLIENT), received(2.0, SERVER, CLIENT))
    assert not first.is_copy
    assert second == Travel(0, CLIENT[:2], SERVER[:2], b"hello", 0.0, 2.0, 2.0, 2, "arrived", is_copy=True)


def test_a_second_copy_that_is_lost() -> None:
    first, second = travels_of(sent(0.0, CLIENT, SERVER), received(1.0, SERVER, CLIENT), lost(2.0, CLIENT, SERVER, 0.0))
    assert first.outcome == "arrived"
    assert (second.entry, second.sent, second.ended, second.outcome, second.is_copy) == (0, 0.0, 2.0, "lost", True)


def test_a_network_knows_who_has_overtaken_whom() -> None:
    assert fates(
        sent(0.0, CLIENT, SERVER),
        sent(1.0, CLIENT, SERVER),
        arrived(2.0, CLIENT, SERVER, 1.0),
        received(2.0, SERVER, CLIENT),
        arrived(3.0, CLIENT, SERVER, 0.0),
        received(3.5, SERVER, CLIENT),
    ) == [(0.0, 3.0, "arrived"), (1.0, 2.0, "arrived")]


def test_a_network_knows_what_is_a_copy() -> None:
    one, other, copy = travels_of(
        sent(0.0, CLIENT, SERVER),
        sent(1.0, CLIENT, SERVER),
        arrived(2.0, CLIENT, SERVER, 0.0),
        arrived(2.0, CLIENT, SERVER, 0.0),
        *[received(2.0, SERVER, CLIENT)] * 2,
        arrived(3.0, CLIENT, SERVER, 1.0),
        received(3.0, SERVER, CLIENT),
    )
    assert (one.sent, one.ended, one.is_copy) == (0.0, 2.0, False)
    assert (other.sent, other.ended, other.is_copy) == (1.0, 3.0, False)
    assert (copy.entry, copy.sent, copy.ended, copy.is_copy) == (0, 0.0, 2.0, True)


def test_a_network_knows_what_it_has_damaged() -> None:
    """However unlike they are."""
    questions = [sent(0.0, CLIENT, SERVER, data) for data in (b"10", b"11")]
    brought = [arrived(1.0, CLIENT, SERVER, 0.0, b"11", b"1"), arrived(1.0, CLIENT, SERVER, 0.0, b"10", b"??")]
    read = [received(1.0, SERVER, CLIENT, b"1"), received(1.0, SERVER, CLIENT, b"??")]
    found = travels_of(*questions, *brought, *read)
    assert [(one.data, one.damaged, one.outcome) for one in found] == [
        (b"10", b"??", "arrived"),
        (b"11", b"1", "arrived"),
    ]


def test_a_network_knows_when_it_arrived_and_its_reader_when_it_was_read() -> None:
    [travel] = travels_of(sent(0.0, CLIENT, SERVER), arrived(1.0, CLIENT, SERVER, 0.0), received(3.0, SERVER, CLIENT))
    assert (travel.ended, travel.ended_entry, travel.read) == (1.0, 2, 3.0)


def test_what_was_brought_and_nobody_has_read() -> None:
    """Of two copies, too: one arrow."""
    brought = [arrived(1.0, CLIENT, SERVER, 0.0)] * 2
    assert fates(sent(0.0, CLIENT, SERVER), *brought) == [(0.0, 1.0, "unseen")]


def test_what_was_read_before_its_sender_has_told_of_it() -> None:
    """As with a clock that goes on by itself."""
    assert fates(
        arrived(1.000001, CLIENT, SERVER, 1.0),
        received(1.000002, SERVER, CLIENT),
        sent(1.000003, CLIENT, SERVER),
        arrived(2.000001, CLIENT, SERVER, 2.0),
        sent(2.000003, CLIENT, SERVER),
        received(2.000009, SERVER, CLIENT),
    ) == [(1.0, 1.000001, "arrived"), (2.0, 2.000001, "arrived")]


async def _echo(datagram: Datagram) -> bytes:
    return datagram.data


async def _drawn_and_true(seed: int, link: Link, retry: Retry) -> tuple[list[Travel], set[tuple[float, float]]]:
    """What a picture shows of requests that are all the same, and when they were sent and did arrive."""
    async with VirtualNetwork(link, seed=seed) as network:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                with network.host("10.0.0.1"):
                    await nursery.start(partial(serve_udp, _echo, 7, host="10.0.0.1"))
                with network.host("10.0.0.2"):
                    async with await open_udp_client("10.0.0.1", 7) as client:
                        for _ in range(3):
                            await client.request(b"the same", retry=retry)
                nursery.cancel_scope.cancel()
        entries = recording.trace().entries
        true = {(each.time, time) for each in network.datagrams for time in each.delivered}
    return travels(entries, Sockets(entries)), true


@pytest.mark.parametrize("seed", range(20))
def test_equal_ones_that_overtake_each_other(seed: int) -> None:
    """Regression: they had each other's ends."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    link, retry = Link(delay=0.1, jitter=3, duplicate=0.2), Retry(attempts=20, first=0.5)
    found, true = trio.run(_drawn_and_true, seed, link, retry, clock=clock)
    assert {(one.sent, one.ended) for one in found if one.has_arrived} == true


def test_with_a_real_clock_each_is_drawn_once() -> None:
    """Regression: some were received before their sending was told, which made two of one."""
    found, true = trio.run(_drawn_and_true, 1, Link(), Retry(attempts=1, first=60.0))
    assert len(found) == len(true) == 6
    assert {(one.outcome, one.is_copy) for one in found} == {("arrived", False)}


def test_from_outside() -> None:
    """A recording of a server alone: nobody sees its clients send, nor receive."""
    came, went = travels_of(received(1.0, SERVER, CLIENT), sent(2.0, SERVER, CLIENT, b"HELLO"))
    assert (came.entry, came.sent, came.ended, came.is_copy, came.begun) == (0, None, 1.0, False, 1.0)
    assert (went.sent, went.ended, went.outcome) == (2.0, None, "unseen")


def test_what_is_damaged_on_its_way_is_one_datagram() -> None:
    [travel] = travels_of(sent(0.0, CLIENT, SERVER, b"hello"), received(0.1, SERVER, CLIENT, b"helLo"))
    assert (travel.sent, travel.ended, travel.outcome) == (0.0, 0.1, "arrived")
    assert (travel.data, travel.damaged) == (b"hello", b"helLo")


def test_of_several_the_one_that_is_most_alike_was_damaged() -> None:
    questions = [sent(0.0, CLIENT, SERVER, data) for data in (b"request 10", b"request 21", b"request 33")]
    answers = [received(0.1, SERVER, CLIENT, data) for data in (b"request 21\0", b"req")]
    found = travels_of(*questions, *answers)
    assert [(one.data, one.damaged, one.outcome) for one in found] == [
        (b"request 10", None, "unseen"),
        (b"request 21", b"request 21\0", "arrived"),
        (b"request 33", None, "unseen"),
        (b"req", None, "arrived"),
    ]


@pytest.mark.parametrize("rest", [b"re", b""])
def test_what_was_cut_off_is_told_if_there_is_only_one_that_it_can_be(rest: bytes) -> None:
    """Regression: it was an arrow from nowhere, beside one to nowhere."""
    whole = sent(0.0, CLIENT, SERVER, b"request 1"), received(0.1, SERVER, CLIENT, b"request 1")
    [_, travel] = travels_of(*whole, sent(0.2, CLIENT, SERVER, b"request 2"), received(0.3, SERVER, CLIENT, rest))
    assert (travel.sent, travel.ended, travel.data, travel.damaged) == (0.2, 0.3, b"request 2", rest)


def test_a_damaged_one_may_be_put_away_where_it_arrives() -> None:
    events = received(0.1, SERVER, CLIENT, b"helLo"), dropped(0.2, SERVER, CLIENT, b"helLo", "bad")
    [travel] = travels_of(sent(0.0, CLIENT, SERVER), *events)
    assert (travel.outcome, travel.reason, travel.damaged) == ("dropped", "bad", b"helLo")


# -- to many -----------------------------------------------------------------------------------------------------------

GROUP: Address = ("239.1.1.1", 7)
EVERYBODY: Address = ("255.255.255.255", 7)
SECOND: Address = ("10.0.0.2", 7)
THIRD: Address = ("10.0.0.3", 7)
OWN: Address = (CLIENT[0], 7)


def parts(*events: Event) -> list[tuple[object, ...]]:
    return [(one.entry, one.destination, one.sent, one.ended, one.outcome, one.is_copy) for one in travels_of(*events)]


@pytest.mark.parametrize("address", [GROUP, EVERYBODY])
def test_one_to_many_goes_to_each_of_them(address: Address) -> None:
    """Regression: it was lost, or nobody had read it, and all that came was not seen to be sent."""
    assert parts(
        sent(0.0, CLIENT, address),
        lost(0.0, CLIENT, address, 0.0, at=SECOND),
        arrived(0.1, CLIENT, address, 0.0, at=SERVER),
        received(0.1, SERVER, CLIENT),
        arrived(0.2, CLIENT, address, 0.0, at=THIRD),
    ) == [
        (0, SECOND, 0.0, 0.0, "lost", False),
        (0, SERVER, 0.0, 0.1, "arrived", False),
        (0, THIRD, 0.0, 0.2, "unseen", False),
    ]


def test_of_equal_ones_to_many_each_has_its_own_parts() -> None:
    assert parts(
        sent(0.0, CLIENT, EVERYBODY),
        sent(1.0, CLIENT, EVERYBODY),
        arrived(1.5, CLIENT, EVERYBODY, 1.0, at=SERVER),
        received(1.5, SERVER, CLIENT),
        arrived(2.0, CLIENT, EVERYBODY, 0.0, at=SERVER),
        received(2.0, SERVER, CLIENT),
        lost(2.5, CLIENT, EVERYBODY, 1.0, at=SECOND),
    ) == [
        (1, SERVER, 1.0, 1.5, "arrived", False),
        (0, SERVER, 0.0, 2.0, "arrived", False),
        (1, SECOND, 1.0, 2.5, "lost", False),
    ]


def test_a_second_copy_for_one_of_many() -> None:
    """Which comes later; at the same time another socket with that address has got it."""
    assert parts(
        sent(0.0, CLIENT, GROUP),
        arrived(0.1, CLIENT, GROUP, 0.0, at=SERVER),
        arrived(0.1, CLIENT, GROUP, 0.0, at=SERVER),
        received(0.1, SERVER, CLIENT),
        received(0.1, SERVER, CLIENT),
        arrived(0.3, CLIENT, GROUP, 0.0, at=SERVER),
        received(0.3, SERVER, CLIENT),
    ) == [
        (0, SERVER, 0.0, 0.1, "arrived", False),
        (0, SERVER, 0.0, 0.1, "arrived", False),
        (0, SERVER, 0.0, 0.3, "arrived", True),
    ]


def test_who_asks_everybody_has_not_asked_themselves() -> None:
    """Unless they are alone: then it is lost."""
    at_home = sent(0.0, CLIENT, EVERYBODY), lost(1e-6, CLIENT, EVERYBODY, 0.0, reason="no listener", at=OWN)
    arrives = arrived(0.1, CLIENT, EVERYBODY, 0.0, at=SERVER)
    assert parts(*at_home, arrives) == [(0, SERVER, 0.0, 0.1, "unseen", False)]
    assert parts(*at_home) == [(0, EVERYBODY, 0.0, 1e-6, "lost", False)]
    elsewhere = lost(0.1, CLIENT, EVERYBODY, 0.0, reason="no listener", at=SECOND)
    assert parts(*at_home, elsewhere) == [(0, SECOND, 0.0, 0.1, "lost", False)]
    by_chance = lost(0.0, CLIENT, EVERYBODY, 0.0, at=OWN)
    assert parts(at_home[0], by_chance) == [(0, OWN, 0.0, 0.0, "lost", False)]


def test_a_group_that_nobody_has_joined() -> None:
    lonely = lost(0.0, CLIENT, GROUP, 0.0, reason="no listener")
    assert parts(sent(0.0, CLIENT, GROUP), lonely) == [(0, GROUP, 0.0, 0.0, "lost", False)]


@pytest.mark.parametrize("listens_at", ["0.0.0.0", "10.0.0.1", GROUP[0]])
def test_where_no_network_tells_one_to_many_has_no_second_copies(listens_at: str) -> None:
    """Regression: what came to the second of two sockets was one."""
    here: Address = (listens_at, 7)
    there = sent(0.0, CLIENT, GROUP), received(0.1, here, CLIENT), received(0.2, here, CLIENT)
    later = sent(1.0, CLIENT, GROUP), received(1.1, here, CLIENT), received(1.2, here, CLIENT)
    answers = sent(2.0, here, CLIENT, b"yes"), received(2.1, CLIENT, SERVER, b"yes")
    found = [one for one in travels_of(*there, *later, *answers) if one.data == b"hello"]
    assert [(one.entry, one.sent, one.ended, one.outcome, one.is_copy) for one in found] == [
        (0, 0.0, 0.1, "arrived", False),
        (0, 0.0, 0.2, "arrived", False),
        (3, 1.0, 1.1, "arrived", False),
        (3, 1.0, 1.2, "arrived", False),
    ]


def test_to_many_and_nobody_is_seen() -> None:
    assert parts(sent(0.0, CLIENT, GROUP)) == [(0, GROUP, 0.0, None, "unseen", False)]
    other_port = received(0.1, ("10.0.0.1", 8), CLIENT)
    assert parts(sent(0.0, CLIENT, GROUP), other_port)[1:] == [(1, ("10.0.0.1", 8), None, 0.1, "arrived", False)]


# -- what else becomes of them -----------------------------------------------------------------------------------------


def test_what_was_not_sent() -> None:
    [travel] = travels_of(dropped(1.0, CLIENT, SERVER, reason="ENOBUFS", out=True))
    assert (travel.sent, travel.outcome, travel.reason) == (1.0, "not sent", "ENOBUFS")
    assert not travel.has_arrived


@pytest.mark.parametrize(("event", "outcome"), [(dropped, "dropped"), (ignored, "ignored")])
def test_what_was_put_away_where_it_arrived(event: object, outcome: str) -> None:
    assert callable(event)
    one, two = travels_of(
        sent(0.0, CLIENT, SERVER),
        sent(1.0, CLIENT, SERVER),
        received(2.0, SERVER, CLIENT),
        received(3.0, SERVER, CLIENT),
        event(3.0, SERVER, CLIENT),
    )
    assert one.outcome == "arrived"
    assert (two.outcome, two.has_arrived, two.ended) == (outcome, True, 3.0)


def test_what_was_put_away_later_than_it_was_read() -> None:
    """Regression: in all views its handler was cancelled when it had begun."""
    [travel] = travels_of(
        sent(0.0, CLIENT, SERVER), received(1.0, SERVER, CLIENT), dropped(9.0, SERVER, CLIENT, reason="cancelled")
    )
    assert (travel.ended, travel.read, travel.ended_entry) == (1.0, 1.0, 1)
    assert (travel.put_away, travel.put_away_entry, travel.reason) == (9.0, 2, "cancelled")


def test_what_was_put_away_unread() -> None:
    """A server that stops has taken more off the socket than it has handled, and tells only that it dropped it."""
    stops = dropped(2.0, SERVER, CLIENT, reason="server stopped")
    unread = travels_of(sent(0.0, CLIENT, SERVER), sent(1.0, CLIENT, SERVER), stops, stops)
    assert [(one.sent, one.ended, one.outcome, one.reason) for one in unread] == [
        (0.0, 2.0, "dropped", "server stopped"),
        (1.0, 2.0, "dropped", "server stopped"),
    ]


def test_a_wildcard_socket_is_known_by_where_it_is_reached() -> None:
    anywhere: Address = ("0.0.0.0", 7)
    there, back = travels_of(
        sent(0.0, CLIENT, SERVER),
        received(1.0, anywhere, CLIENT),
        sent(1.0, anywhere, CLIENT, b"HELLO"),
        received(2.0, CLIENT, SERVER, b"HELLO"),
    )
    assert (there.source, there.destination, there.outcome) == (CLIENT[:2], SERVER[:2], "arrived")
    assert (back.source, back.destination, back.outcome) == (SERVER[:2], CLIENT[:2], "arrived")


def test_a_wildcard_socket_with_several_addresses() -> None:
    anywhere: Address = ("::", 7, 0, 0)
    second: Address = ("10.0.0.2", 7)
    there = travels_of(
        sent(0.0, CLIENT, SERVER),
        sent(0.0, OTHER, second),
        received(1.0, anywhere, ("::ffff:10.0.1.1", 40000, 0, 0)),
        received(1.0, anywhere, ("::ffff:10.0.1.2", 40000, 0, 0)),
    )
    assert [(one.destination, one.outcome) for one in there] == [(("*", 7), "arrived")] * 2


def test_a_client_that_exchanges_its_socket_stays_the_same() -> None:
    """Each time; and who takes the first one again is at home there."""
    second: Address = ("10.0.1.1", 40001)
    third: Address = ("10.0.1.1", 40002)
    there = exchanges(1.0, second), exchanges(2.0, third, second), exchanges(3.0, CLIENT, third)
    sockets = Sockets(trace_of(*there).entries)
    assert sockets.at(third) == third
    assert {sockets.home(each) for each in (CLIENT, second, third)} == {CLIENT}


def test_two_clients_that_ask_the_same_are_two() -> None:
    entries = trace_of(
        begins(0.0, CLIENT), begins(0.0, OTHER), sent(0.0, OTHER, SERVER), sent(0.0, CLIENT, SERVER)
    ).entries
    assert Sockets(entries).home(OTHER) == OTHER
