"""The live views of `serve` and `relay`: what they know, and how it looks."""

from __future__ import annotations

import pytest

from trio_udp import DatagramDropped, DatagramSent, Event, HandlerFinished, HandlerStarted, UDPStatistics
from trio_udp.cli._live_carried import AllCarried, carried_lines, draw_carried
from trio_udp.cli._live_look import ASCII, LINES
from trio_udp.cli._live_serve import relay_totals, server_totals
from trio_udp.cli._live_tree import Node
from trio_udp.cli._live_visitors import REMEMBERED, Latest, Visitors
from trio_udp.cli._live_visitors_page import draw_visitors, visitor_lines
from trio_udp.faults._passage import Copy
from trio_udp.relay import Relayed, RelayStatistics, WayStatistics

HERE, THERE = ("0.0.0.0", 7), ("192.0.2.1", 1001)
TREE = (Node("nursery", (Node("handlers"),), is_nursery=True),)
STARTED = HandlerStarted(100.0, HERE, THERE, b"hello")


def visitors_after(*events: Event) -> Visitors:
    visitors = Visitors(100.0)
    visitors.ports = {7}
    for event in events:
        visitors.event(event)
    return visitors


def shown(visitors: Visitors, now: float = 100.0, width: int = 80) -> list[str]:
    return [line.plain.rstrip() for line in visitor_lines(visitors, now, 5, width, LINES)]


def finished(outcome: str) -> HandlerFinished:
    return HandlerFinished(100.5, HERE, THERE, b"hello", outcome)


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ([], "··· handled for 2.0 s"),
        ([finished("replied"), DatagramSent(100.5, HERE, THERE, b"HELLO")], "◀━━ 5 bytes  HELLO"),
        ([finished("replied")], "··· replied"),
        ([finished("silent")], "··· no reply"),
        ([finished("cancelled")], "··· cancelled"),
        ([finished("ValueError")], "✗   ValueError"),
        (
            [finished("replied"), DatagramDropped(100.5, HERE, THERE, b"", "EPERM", outgoing=True)],
            "✗   dropped: EPERM",
        ),
    ],
)
def test_what_became_of_a_datagram(events: list[Event], answer: str) -> None:
    assert shown(visitors_after(STARTED, *events), now=102.0) == [
        "── clients: 1 " + "─" * 66,
        f"192.0.2.1:1001             1 ━━▶ 5 bytes  hello        {answer}",
    ]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, "192.0.2.200:60000     7654321 ━━▶ 5 bytes  hello        ··· handled for 2.0 s"),
        (60, "192.0.2.200:60000   ━━▶ 5 bytes  hello   ··· 2.0 s"),
        (40, "192.0…:60000 ━━▶ 5 bytes … ··· 2.0 s"),
    ],
)
def test_no_number_of_a_visitor_is_cut(width: int, row: str) -> None:
    """Regression: at 60x20 there were "··· handled for 2.…" and "192.168.100.200:600…"."""
    visitors = visitors_after(HandlerStarted(100.0, HERE, ("192.0.2.200", 60000), b"hello"))
    visitors.latest["192.0.2.200", 60000].datagrams = 7654321
    assert shown(visitors, now=102.0, width=width)[1] == row


def test_a_handler_that_raises_is_silent_for_the_server_and_not_for_us() -> None:
    visitors = visitors_after(STARTED)
    visitors.failed(THERE, ValueError("no"))
    visitors.event(finished("silent"))
    assert shown(visitors)[1].endswith("✗   ValueError")
    visitors.event(STARTED)
    assert shown(visitors)[1].endswith("··· handled for 0.0 s")


def test_what_strangers_send_is_harmless() -> None:
    visitors = visitors_after(HandlerStarted(100.0, HERE, THERE, b"[red]\x1b[2J\n" + b"x" * 1000))
    assert "━━▶ 1010 bytes  [red]\\x1b[2J\\nx" in shown(visitors, width=200)[1]
    assert len(visitors.latest[THERE].request) == 200


def test_other_sockets_of_the_program_are_not_shown() -> None:
    event = HandlerStarted(100.0, ("0.0.0.0", 8), THERE, b"hello")
    assert shown(visitors_after(event))[1:] == ["nobody has sent anything yet"]


def test_the_latest_are_shown_in_the_order_in_which_they_came() -> None:
    visitors = visitors_after(
        *(HandlerStarted(100.0, HERE, ("192.0.2.1", port), b"") for port in (*range(1, 11), 3, 2))
    )
    lines = shown(visitors)
    assert lines[0].startswith("── the latest of 10 clients ─")
    assert [line.partition(" ")[0] for line in lines[1:]] == [f"192.0.2.1:{port}" for port in (2, 3, 8, 9, 10)]


def test_strangers_do_not_fill_the_memory() -> None:
    visitors = visitors_after(
        *(HandlerStarted(100.0, HERE, ("192.0.2.1", port), b"") for port in range(1, REMEMBERED + 100))
    )
    assert len(visitors.latest) == REMEMBERED
    assert visitors.in_all == REMEMBERED + 99


def test_the_latest() -> None:
    latest: Latest[int, list[int]] = Latest(lambda key: [key])
    assert latest[1] is latest[1]
    latest[2], latest[1]
    assert latest.latest(0) == []
    assert latest.latest(1) == [(1, [1])]
    assert latest.latest(9) == [(2, [2]), (1, [1])]


def test_the_screen_of_a_server() -> None:
    page = draw_visitors(visitors_after(STARTED), TREE, ["received 1"], ["a line"], 101.0, 80, 8, LINES, "title")
    assert [line.rstrip() for line in page.plain.splitlines()] == [
        "title                                                                    1.000 s",
        "── nurseries and tasks ────────────────────────┬─ totals ───────────────────────",
        "nursery                                        │ received 1",
        "╰─ handlers                                    │",
        "── clients: 1 ──────────────────────────────────────────────────────────────────",
        "192.0.2.1:1001             1 ━━▶ 5 bytes  hello        ··· handled for 1.0 s",
        "── what was said ───────────────────────────────────────────────────────────────",
        "a line",
    ]


def relayed(client: int, *, forward: bool = True, dropped: str | None = None) -> Relayed:
    copies = () if dropped else (Copy(101.0, b"x"),)
    return Relayed(100.0, client, ("192.0.2.1", 1000 + client), forward, 1, b"x", copies, dropped)


def test_the_screen_of_a_relay() -> None:
    carried = AllCarried(100.0)
    carried.relayed(relayed(1))
    carried.relayed(relayed(2, dropped="loss"))
    carried.relayed(relayed(1, forward=False))
    page = draw_carried(carried, TREE, ["received 1"], [], 100.5, 80, 7, LINES, "title")
    assert [line.rstrip() for line in page.plain.splitlines()][4:] == [
        "── clients: 2, carried ✗dropped ────────── client ──────── relay ──────── server",
        "1 192.0.2.1:1001                  2 ✗0     ━━━━━━━━━◀━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "2 192.0.2.1:1002                  0 ✗1     ━━━━━━━━━━━━━━━━━━✗ loss ············",
    ]


def test_no_number_of_a_client_of_a_relay_is_cut() -> None:
    carried = AllCarried(100.0)
    carried.relayed(relayed(1)._replace(address=("2001:db8:85a3::8a2e:370:7334", 60974)))
    carried.latest[1].carried = carried.latest[1].dropped = 1234567
    for width, who in ((80, "1 [2001:db8:85a3::8a2e…:60974 "), (40, "1           ")):
        row = carried_lines(carried, 100.0, 2, width, LINES)[1].plain
        assert row.startswith(f"{who}1234567 ✗1234567 ━"), row


@pytest.mark.parametrize(
    ("clients", "height", "width", "title"),
    [
        (3, 9, 80, "clients: 3, carried ✗dropped"),
        (42, 9, 80, "9 of 42 clients, carried ✗dropped"),
        (42, 9, 60, "carried ✗dropped"),
        (3, 9, 60, "carried ✗dropped"),
    ],
)
def test_what_a_relay_s_numbers_are_is_said_before_how_many_clients(
    clients: int, height: int, width: int, title: str
) -> None:
    """Regression: it was "the latest of 42 clients, carried ✗dro…"."""
    carried = AllCarried(0.0)
    for number in range(1, clients + 1):
        carried.relayed(relayed(number))
    heading = carried_lines(carried, 100.0, height, width, LINES)[0].plain
    assert heading.startswith(f"── {title} ─")


def test_a_relay_on_a_narrow_terminal() -> None:
    carried = AllCarried(100.0)
    assert [line.plain for line in carried_lines(carried, 100.0, 2, 40, ASCII)][1:] == ["nobody has sent anything yet"]
    carried.relayed(relayed(1, dropped="loss"))
    assert carried_lines(carried, 100.0, 2, 40, ASCII)[1].plain == "1               0 x1     -------x loss ."


def test_a_client_of_a_relay_that_sends_again_has_a_new_picture() -> None:
    carried = AllCarried(100.0)
    carried.relayed(relayed(1, dropped="loss"))
    carried.relayed(relayed(1))
    assert "✗ " not in carried_lines(carried, 100.0, 2, 80, LINES)[1].plain


def test_totals() -> None:
    assert server_totals(UDPStatistics(3, 30, 2, 20, {"too large": 1}, {"EPERM": 4}, 5, 0)) == [
        "received 3 (30 bytes)",
        "sent     2 (20 bytes)",
        "dropped  1 too large",
        "error    4 EPERM",
        "lost     5 in the kernel",
    ]
    way = WayStatistics(9, 0, 7, 0, 1, 2, {"loss": 3}, {}, None)
    assert relay_totals(RelayStatistics(1, 1, 0, way, way))[:5] == [
        "to the server   received 9",
        "                sent     7",
        "                doubled  1",
        "                damaged  2",
        "                3 loss",
    ]
