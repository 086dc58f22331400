"""The ladder as text for a terminal."""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.tracing.traces import (
    CLIENT,
    OTHER,
    SERVER,
    a_retry,
    accepted,
    begins,
    dropped,
    exchange,
    fails,
    handled,
    ignored,
    lost,
    received,
    sent,
    times_out,
    trace_of,
    watched,
)
from trio_udp import Datagram, HandlerFinished, HandlerStarted, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.tracing import html, ladder_svg, ladder_text, mermaid
from trio_udp.tracing._text import MARGIN

if TYPE_CHECKING:
    import trio
    from trio.testing import MockClock

    from trio_udp import Address, Event
    from trio_udp.testing import VirtualNetwork


TIMES = r"(?<![\d.])[\d.]+ [mµu]?s\b"


def test_a_retry() -> None:
    assert (
        ladder_text(trace_of(*a_retry()), width=64)
        == """\
             client                                  server
   0.000000     ┏ loop request 1: 2 attempts            │
   0.000000     ┃ request 1, attempt 1: waits 1 s       │
   0.000000     ┃──────────── hello, lost ───────────✕  │
   1.000000     ┃ request 1, attempt 1: timed out after 1 s
   1.000000     ┃ request 1, attempt 2: waits 1 s       │
   1.000000     ┃──────────── hello, 250 ms ───────────>│
   1.250000     ┃<─────────── HELLO, 250 ms ────────────│
   1.500000     ┃ request 1, attempt 2: answered after 500 ms
   1.500000     ┗ request 1: answered after 1.5 s       │
"""
    )


def test_clients_stand_close_and_payloads_have_room() -> None:
    events = sorted([*a_retry(), *exchange(0.125, OTHER)], key=lambda event: event.time)
    assert (
        ladder_text(trace_of(*events), width=70)
        == """\
             client 1 client 2                                 server
   0.000000      ┏ loop request 1: 2 attempts                     │
   0.000000      ┃ request 1, attempt 1: waits 1 s                │
   0.000000      ┃──────────────── hello, lost ────────────────✕  │
   0.125000      ┃        ┏ request 1, attempt 1: waits 1 s       │
   0.125000      ┃        ┃──────────── hello, 250 ms ───────────>│
   0.375000      ┃        ┃<─────────── HELLO, 250 ms ────────────│
   0.625000      ┃        ┗ request 1: answered after 500 ms      │
   1.000000      ┃ request 1, attempt 1: timed out after 1 s      │
   1.000000      ┃ request 1, attempt 2: waits 1 s                │
   1.000000      ┃──────────────── hello, 250 ms ────────────────>│
   1.250000      ┃<─────────────── HELLO, 250 ms ─────────────────│
   1.500000      ┃ request 1, attempt 2: answered after 500 ms    │
   1.500000      ┗ request 1: answered after 1.5 s                │
"""
    )


def test_attempts_side_by_side() -> None:
    """The lifeline is thick until the last of them is over."""
    two: list[Event] = [begins(0.0), begins(0.0, request=2), times_out(1.0), times_out(1.0, request=2)]
    lines = ladder_text(trace_of(*two, sent(2.0, CLIENT, SERVER)), width=64).splitlines()[1:]
    assert [line[16] for line in lines] == list("┏┃┃┗│")


def test_in_ascii() -> None:
    trace = trace_of(*a_retry(), names={"10.0.1.1": "größer"})
    text = ladder_text(trace, width=64, ascii=True)
    assert text.isascii()
    assert r"gr\xf6\xdfer" in text
    assert "   |<----------- HELLO, 250 ms ------------|\n" in text
    assert " hello, lost -----------x  |\n" in text


def test_in_ascii_what_is_sent_to_itself_has_a_corner_too() -> None:
    """Regression: it was an escape."""
    there = sent(0.0, CLIENT, CLIENT), received(0.5, CLIENT, CLIENT)
    assert "|-+  hello, 500 ms" in ladder_text(trace_of(*there), width=60, ascii=True)


def test_all_kinds_of_datagrams() -> None:
    events: list[Event] = [
        sent(0.0, CLIENT, SERVER, b"seen"),
        received(0.5, SERVER, CLIENT, b"seen"),
        received(1.0, SERVER, CLIENT, b"seen"),
        dropped(1.0, SERVER, CLIENT, b"seen"),
        sent(2.0, CLIENT, SERVER, b"unseen"),
        dropped(3.0, CLIENT, SERVER, b"out", "ENOBUFS", out=True),
        dropped(3.5, SERVER, CLIENT, b"back", "ENOBUFS", out=True),
        sent(4.0, SERVER, CLIENT, b"late"),
        received(5.0, CLIENT, SERVER, b"late"),
        ignored(5.0, CLIENT, SERVER, b"late"),
        received(6.0, CLIENT, SERVER, b"from where?"),
        sent(7.0, CLIENT, CLIENT, b"to itself"),
    ]
    names = {"10.0.0.1": "right", "10.0.1.1": "left"}
    assert (
        ladder_text(trace_of(*events, names=names), width=60)
        == """\
             left                                    right
   0.000000    │───────────── seen, 500 ms ───────────>│
   0.000000    │─────────── seen, copy, 1 s ──────────>│
   1.000000    │                   dropped: queue full ·
   2.000000    │─────────────── unseen ┄┄┄┄┄┄┄┄┄┄┄┄┄┄? │
   3.000000    │─✕ out, lost: ENOBUFS                  │
   3.500000    │                 back, lost: ENOBUFS ✕─│
   4.000000    │<───────────── late, 1 s ──────────────│
   5.000000    · ignored: answered already             │
   6.000000    │<──────────── from where? ┄┄┄┄┄┄┄┄┄┄┄┄┄│
   7.000000    │┄┐  to itself                          │
"""
    )


def test_a_recording_of_one_side() -> None:
    """That nobody saw it arrive where nothing was recorded is no news; but it does not look as if somebody had."""
    trace = trace_of(sent(0.0, CLIENT, SERVER), received(0.5, CLIENT, SERVER, b"HELLO"))
    assert ladder_text(trace, width=50).splitlines()[1:] == [
        "   0.000000      │────────── hello ┄┄┄┄┄┄┄┄┄┄>│",
        "   0.500000      │<───────── HELLO ┄┄┄┄┄┄┄┄┄┄┄│",
    ]
    assert "10.0.1.1 ┄> 10.0.0.1" in ladder_text(trace, width=36)
    assert "   |---------- hello ..........>|\n" in ladder_text(trace, width=50, ascii=True)
    unseen = trace_of(sent(0.0, CLIENT, SERVER), received(0.5, SERVER, CLIENT, b"HELLO"))
    assert "10.0.1.1 ┄? 10.0.0.1" in ladder_text(unseen, width=36)


def test_a_request_that_nobody_listened_to_has_not_arrived() -> None:
    """Regression: its arrow was that of one that did. No end is ever without a dot, however little room there is."""
    refused: list[Event] = [begins(0.0), sent(0.0, CLIENT, SERVER, b"x" * 30), times_out(0.001, reason="ECONNREFUSED")]
    for width in (50, 60, 80):
        lines = ladder_text(trace_of(*refused), width=width).splitlines()
        assert [line for line in lines if "┄>" in line] == [line for line in lines if "x" in line], width
        assert "request 1: refused after 1 ms" in lines[-1]


def test_a_second_copy_that_is_lost_is_no_second_sending() -> None:
    trace = trace_of(
        sent(0.0, CLIENT, SERVER), received(1.0, SERVER, CLIENT), lost(2.0, CLIENT, SERVER, 0.0, reason="refused")
    )
    assert "hello, copy, lost: refused" in ladder_text(trace)
    assert "hello, copy, lost#58; refused" in mermaid(trace)
    assert re.search(r"hello<tspan[^>]*>second copy, lost: refused<", ladder_svg(trace))
    assert "2 datagrams, 1 of them a second copy, 1 lost" in html(trace)


def test_a_request_that_is_given_up_says_so_at_its_last_attempt() -> None:
    events: list[Event] = [begins(0.0), times_out(1.0), begins(1.0, number=2), times_out(2.0, number=2)]
    *_, attempt, request = ladder_text(trace_of(*events, fails(2.0))).splitlines()
    assert attempt.endswith("┃ request 1, attempt 2: timed out after 1 s")
    assert request.rstrip(" │").endswith("┗ request 1: given up after 2 s")
    *_, attempt = ladder_text(trace_of(*events)).splitlines()
    assert attempt.endswith("┗ request 1, attempt 2: timed out after 1 s"), "nobody knows whether it goes on"
    *_, attempt = ladder_text(trace_of(begins(0.0), times_out(1.0), fails(1.0))).splitlines()
    assert "┗ request 1: timed out after 1 s; given up" in attempt
    cancelled = ladder_text(trace_of(begins(0.0), fails(0.5, reason="Cancelled")))
    assert "request 1: cancelled after 500 ms" in cancelled
    assert "given up" not in cancelled


def test_words_give_way_to_times() -> None:
    """Regression: "timed out after 292…" had no unit, "cancelled after 6…" was 690 ms. The demo is like this."""
    events: list[Event] = [begins(0.0, CLIENT), sent(0.0, CLIENT, SERVER), begins(0.0, OTHER, timeout=0.292)]
    events += [sent(0.0, OTHER, SERVER), times_out(0.292, OTHER), begins(0.292, OTHER, number=2)]
    trace = trace_of(*events, names={"10.0.1.1": "client 1", "10.0.1.2": "client 2", "10.0.0.1": "server"})
    lines = [line.partition("┃        ┃ ")[2].rstrip(" │") for line in ladder_text(trace, width=64).splitlines()]
    assert [line for line in lines if "waits" in line or "after" in line] == [
        "request 1, attempt 1: waits 292 ms",
        "1.1: timed out after 292 ms",
        "request 1, attempt 2: waits 1 s",
    ]
    assert "client 2  1.1: timed out 292 ms\n" in ladder_text(trace, width=44)
    worked: list[Event] = [HandlerStarted(0.0, SERVER, CLIENT, b"slow please"), *handled(0.0, 0.0)]
    worked.append(HandlerFinished(0.69, SERVER, CLIENT, b"slow please", "cancelled"))
    assert "handler of slow …se: cancelled after 690 ms ·\n" in ladder_text(trace_of(*worked), width=69)
    assert "handler cancelled after 690 ms ·\n" in ladder_text(trace_of(*worked), width=50)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_time_is_cut_at_any_width(ascii_only: bool) -> None:
    events: list[Event] = [*a_retry(), HandlerStarted(1.25, SERVER, CLIENT, b"slow please")]
    events += [HandlerFinished(1.94, SERVER, CLIENT, b"slow please", "cancelled"), *exchange(2.0, OTHER)]
    trace = trace_of(*sorted(events, key=lambda event: event.time))
    whole = set(re.findall(TIMES, ladder_text(trace, width=200)))
    assert whole == {"1 s", "250 ms", "500 ms", "690 ms", "1.5 s"}
    for width in range(20, 200):
        for line in ladder_text(trace, width=width, ascii=ascii_only).splitlines():
            told = line[MARGIN:]
            assert set(re.findall(TIMES, told)) <= whole
            assert not re.search(r"(after|waits|out|,) ?\d", re.sub(TIMES, "", told)), (width, line)


def test_of_a_recording_that_began_later_only_the_attempts_have_a_time() -> None:
    events: list[Event] = [begins(1.0, number=2), times_out(2.0, number=2), begins(2.0, number=3), accepted(2.5)]
    lines = ladder_text(trace_of(*events)).splitlines()
    assert [line[18:58].rstrip(" │") for line in lines[-2:]] == [
        "request 1, attempt 3: waits 1 s",
        "request 1, attempt 3: answered after 500",
    ]
    assert "request 1, attempt 2: answered after 500 ms" in ladder_text(trace_of(begins(1.0, number=2), accepted(1.5)))


def test_a_handler_that_raised_or_was_cancelled_has_a_line() -> None:
    """Regression: text and Mermaid said nothing of it but that a datagram was dropped."""
    came: list[list[Event]] = [
        [sent(start, CLIENT, SERVER, data), received(start, SERVER, CLIENT, data)]
        for start, data in ((0.0, "Grüße".encode()), (1.0, b"late"), (1.0, b"other"))
    ]
    worked: list[Event] = [
        HandlerStarted(0.0, SERVER, CLIENT, "Grüße".encode()),
        HandlerFinished(0.5, SERVER, CLIENT, "Grüße".encode(), "ValueError"),
        *handled(0.5, 0.75),
        HandlerStarted(1.0, SERVER, CLIENT, b"late"),
        HandlerFinished(2.0, SERVER, CLIENT, b"late", "cancelled"),
        dropped(2.0, SERVER, CLIENT, b"late", "handler cancelled"),
        dropped(2.0, SERVER, CLIENT, b"other", "handler cancelled"),
    ]
    trace = trace_of(*sorted([*chain(*came), *worked], key=lambda event: event.time))
    lines = [line.strip(" │") for line in ladder_text(trace, width=120).splitlines()]
    assert [line.partition("│")[2].strip(" ·") for line in lines if "handler" in line] == [
        "handler of Grüße: raised ValueError after 500 ms",
        "handler of late: cancelled after 1 s",
        "dropped: handler cancelled",
    ]
    assert r"handler of Gr\xc3\xbc\xc3\x9fe: raised" in ladder_text(trace, width=130, ascii=True)
    assert "note over p1: handler of late#58; cancelled after 1 s\n" in mermaid(trace)


def test_payloads_are_text_and_in_ascii_the_bytes_of_it() -> None:
    trace = trace_of(*answered(0.0, "ü…".encode()), *answered(1.0, "Grüße".encode()))
    one, other = ladder_text(trace, width=90).splitlines()[1:]
    assert r" \xc3\xbc\xe2\x80\xa6, 250 ms " in one
    assert "─ Grüße, 250 ms ─" in other
    ascii_only = ladder_text(trace, width=90, ascii=True)
    assert ascii_only.isascii()
    assert r"-- Gr\xc3\xbc\xc3\x9fe, 250 ms -" in ascii_only


def test_sentences_where_columns_do_not_fit() -> None:
    clients: list[Address] = [(f"10.0.1.{number}", 5) for number in range(1, 21)]
    lines = ladder_text(trace_of(*[event for client in clients for event in a_retry(0.0, client)])).splitlines()
    assert len(lines) == 20 * 9
    assert lines[:3] == [
        "   0.000000  client 1   loop request 1: 2 attempts",
        "   0.000000  client 1   request 1, attempt 1: waits 1 s",
        "   0.000000  client 1  ─✕ server     hello, lost",
    ]
    assert "   1.250000  server    ─> client 20  HELLO, 250 ms" in lines
    assert lines[-2:] == [
        "   1.500000  client 20  request 1, attempt 2: answered after 500 ms",
        "   1.500000  client 20  request 1: answered after 1.5 s",
    ]
    wide = ladder_text(trace_of(*[event for client in clients for event in a_retry(0.0, client)]), width=260)
    assert wide.splitlines()[0].split() == [*" ".join(f"client {number}" for number in range(1, 21)).split(), "server"]


async def test_a_program(autojump_clock: MockClock, virtual_network: VirtualNetwork, nursery: trio.Nursery) -> None:
    """As it is, on a network that takes a quarter of a second."""
    virtual_network.link = Link(delay=0.25)
    with watched() as trace:
        with virtual_network.host("10.0.0.1"):
            await nursery.start(partial(serve_udp, shout, 7, host="0.0.0.0"))
        with virtual_network.host("10.0.0.2"):
            async with await open_udp_client("10.0.0.1", 7) as client:
                assert await client.request(b"hello", retry=Retry(jitter=0)) == b"HELLO"
    assert (
        ladder_text(trace(), width=64)
        == """\
             client                                  server
   0.000000     ┏ request 1, attempt 1: waits 1 s       │
   0.000000     ┃──────────── hello, 250 ms ───────────>│
   0.250000     ┃<─────────── HELLO, 250 ms ────────────│
   0.500000     ┗ request 1: answered after 500 ms      │
"""
    )


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


def test_control_characters_do_nothing() -> None:
    trace = trace_of(
        sent(0.0, CLIENT, SERVER, b"\x1b[2J\r\n\x07"),
        dropped(1.0, SERVER, CLIENT, b"\x9b", "\x1b[31m"),
        begins(2.0),
        fails(3.0, reason="\x1b]0;"),
        names={"10.0.0.1": "\x1b[5m"},
    )
    for width in (30, 80):
        text = ladder_text(trace, width=width)
        assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("width", [20, 31, 40, 60, 80, 120, 300])
def test_no_line_is_longer_than_the_width(width: int) -> None:
    trace = trace_of(*exchange(0.0, OTHER), *a_retry(), names={"10.0.1.2": "somebody with quite a long name"})
    for ascii_only in (False, True):
        lines = ladder_text(trace, width=width, ascii=ascii_only).splitlines()
        assert max(map(len, lines)) <= width
        assert len(lines) >= 11


def test_a_width_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"^a ladder needs a width of at least 20 characters, not 19$"):
        ladder_text(trace_of(), width=19)


def test_nothing() -> None:
    assert ladder_text(trace_of()) == "No datagram was recorded.\n"


def test_it_says_what_is_not_there() -> None:
    many = [sent(number / 10, CLIENT, SERVER) for number in range(10_001)]
    lines = ladder_text(trace_of(*many, forgotten=5)).splitlines()
    assert len(lines) == 1 + 10_000 + 2
    assert lines[-2:] == [
        "... 1 more (datagrams and attempts)",
        "The recording was full: 5 entries that came later are not in it.",
    ]


def test_where_there_is_no_room_for_both_the_payload_is_whole() -> None:
    """How long it took, or why it was lost, is left out first."""
    data = b"twelve bytes"
    events: list[Event] = [
        sent(0.0, CLIENT, SERVER, data),
        received(0.125, SERVER, CLIENT, data),
        sent(1.0, CLIENT, SERVER, b"short"),
        lost(1.0, CLIENT, SERVER, 1.0, b"short", "refused"),
    ]
    arrows = ladder_text(trace_of(*events, names={"10.0.1.1": "client", "10.0.0.1": "server"}), width=40).splitlines()[
        1:
    ]
    assert [row[16:] for row in arrows] == ["│─── twelve bytes ──>│", "│── short, lost ──✕  │"]


RELAY: Address = ("10.0.0.9", 9)
HOSTS = {"10.0.1.1": "client 1", "10.0.1.2": "client 2", "10.0.0.1": "server", "10.0.0.9": "relay"}


def passed_on(client: Address, data: bytes, *, lost: bool = False) -> list[Event]:
    """From a client to a relay, and on to the server."""
    there: list[Event] = [sent(0.0, client, RELAY, data), received(0.000001, RELAY, client, data)]
    if lost:
        return [*there, dropped(0.000001, RELAY, SERVER, data, "loss", out=True)]
    return [*there, sent(0.000001, RELAY, SERVER, data), received(0.000002, SERVER, RELAY, data)]


def test_what_has_no_room_in_an_arrow_stands_beside_it() -> None:
    """Regression: "clie… 1, 1 µs" was three clients, and other arrows had no time. The demo is like this."""
    one, other = b"client 1 request 1", b"client 2 request 1"
    events: list[Event] = [
        begins(0.0),
        begins(0.0, OTHER),
        *passed_on(CLIENT, one),
        *passed_on(OTHER, other, lost=True),
    ]
    text = ladder_text(trace_of(*events, *handled(1.0, 1.0), names=HOSTS), width=70)
    assert (
        text
        == """\
             client 1 client 2             server               relay
   0.000000      ┏ request 1, attempt 1: waits 1 s                │
   0.000000      ┃        ┏ request 1, attempt 1: waits 1 s       │
   0.000000      ┃─────────── client 1 request 1, 1 µs ──────────>│
   0.000000      ┃        ┃─────── client 2 request 1, 1 µs ─────>│
   0.000001      ┃         client 1 request 1 │<────── 1 µs ──────│
   0.000001      ┃         client 2 request 1 │            lost ✕─│
"""
    )


def test_where_columns_would_hide_something_there_are_sentences() -> None:
    """Nor is there room beside them; cut, all payloads would look alike."""
    assert numbered(b"message number %d is short")[1].endswith("│── message number 0 is short, 250 ms ─>│")
    assert numbered(b"the message number %d is short") == [
        "   0.000000  a ─> b  the message number 0 is short, 250 ms",
        "   1.000000  a ─> b  the message number 1 is short, 250 ms",
        "   2.000000  a ─> b  the message number 2 is short, 250 ms",
    ]


def numbered(data: bytes) -> list[str]:
    events = [event for number in range(3) for event in answered(float(number), data % number)]
    return ladder_text(trace_of(*events, names={"10.0.1.1": "a", "10.0.0.1": "b"})).splitlines()


def answered(time: float, data: bytes) -> list[Event]:
    return [sent(time, CLIENT, SERVER, data), received(time + 0.25, SERVER, CLIENT, data)]


def test_a_line_that_is_cut_says_so() -> None:
    trace = trace_of(*answered(0.0, b"a payload that has no room"))
    for line in ladder_text(trace, width=30).splitlines():
        assert len(line) == 30
        assert line.endswith("\u2026")
    assert all(line.endswith("~") for line in ladder_text(trace, width=30, ascii=True).splitlines())


def test_a_reason_stays_where_its_payload_has_room_beside() -> None:
    """Regression: all that was left of it was that it was lost, which means by chance."""
    one, other, third = (("10.0.0.1", 7), ("10.0.0.2", 7), ("10.0.0.3", 7))
    events: list[Event] = [sent(0.0, one, other, b"same"), received(0.5, other, one, b"same")]
    events.append(dropped(1.0, other, third, b"same", "relay stopped", out=True))
    last = ladder_text(trace_of(*events), width=74).splitlines()[-1]
    assert last == "   1.000000      │                    same │─✕ lost: relay stopped   │"


def test_payloads_that_differ_where_they_are_cut_stay_in_columns() -> None:
    events = [event for number in range(3) for event in answered(float(number), b"%d" % number * 100)]
    lines = ladder_text(trace_of(*events), width=50).splitlines()
    assert [line[17:] for line in lines[1:]] == [
        "│── 000000000…0000, 250 ms ─>│",
        "│── 111111111…1111, 250 ms ─>│",
        "│── 222222222…2222, 250 ms ─>│",
    ]


@pytest.mark.parametrize("names", [("Alexandra", "Benjamin"), ("Ada", "Bo"), ("Adam", "Bob"), ("Eve", "Eva")])
def test_names_do_not_touch(names: tuple[str, str]) -> None:
    """Regression: they did, where an odd name stood left of an even one."""
    events = [*exchange(0.0), *exchange(1.0, OTHER), *exchange(2.0, ("10.0.1.3", 9))]
    drawn = ladder_text(trace_of(*events, names={"10.0.1.1": names[0], "10.0.1.2": names[1]}))
    assert drawn.splitlines()[0].split()[:2] == list(names)
