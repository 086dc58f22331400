from __future__ import annotations

import pytest

from trio_udp.cli._live_lane import Flight, Lane, draw_lane, draw_places
from trio_udp.cli._live_look import ASCII, LINES

WIDTH = 21


def drawn(lane: Lane, now: float = 0.0, width: int = WIDTH) -> str:
    return draw_lane(lane, now, width, LINES).plain


def test_nothing_is_on_its_way() -> None:
    assert drawn(Lane()) == "··········┊··········"


def test_there_and_back() -> None:
    lane = Lane()
    lane.send(1.0)
    assert drawn(lane, 1.0) == "━━━━━▶····┊··········"
    lane.relay(Flight(forward=True, at_relay=1.0, arrives=2.0))
    assert drawn(lane, 1.0) == "━━━━━━━━━━▶··········"
    assert drawn(lane, 1.5) == "━━━━━━━━━━━━━━━▶·····"
    assert drawn(lane, 2.0) == drawn(lane, 9.0) == "━━━━━━━━━━━━━━━━━━━━▶"
    lane.relay(Flight(forward=False, at_relay=2.0, arrives=3.0))
    assert drawn(lane, 2.0) == "━━━━━━━━━━◀━━━━━━━━━━"
    assert drawn(lane, 2.5) == "━━━━━◀━━━━━━━━━━━━━━━"
    assert drawn(lane, 3.0) == "◀━━━━━━━━━━━━━━━━━━━━"


def test_a_cross_where_it_is_lost_and_why() -> None:
    lane = Lane()
    lane.send(1.0)
    lane.relay(Flight(forward=True, at_relay=1.0, dropped="loss"))
    assert drawn(lane, 9.0) == "━━━━━━━━━━✗ loss ····"
    lane.send(9.0)
    assert drawn(lane, 9.0) == "━━━━━▶····┊··········"
    lane.relay(Flight(forward=True, at_relay=9.0, arrives=9.0))
    lane.relay(Flight(forward=False, at_relay=9.0, dropped="burst"))
    assert drawn(lane, 9.0) == "━━━ burst ✗━━━━━━━━━━"


@pytest.mark.parametrize(
    ("width", "there", "back"),
    [
        (0, "", ""),
        (1, "✗", "✗"),
        (2, "✗ ", "✗━"),
        (5, "━━✗ q", "l ✗━━"),
        (11, "━━━━━✗ queu", "full ✗━━━━━"),
    ],
)
def test_a_reason_has_the_room_that_there_is(width: int, there: str, back: str) -> None:
    forward, backward = (Lane([Flight(way, at_relay=1.0, dropped="queue full")]) for way in (True, False))
    assert drawn(forward, width=width) == there
    assert drawn(backward, width=width) == back


def test_what_a_reason_says_is_harmless() -> None:
    """A rule may have got it from anywhere."""
    lane = Lane([Flight(forward=True, at_relay=1.0, dropped="\x1b[2J[red]")])
    assert drawn(lane, width=41) == "━" * 20 + "✗ \\x1b[2J[red] ······"


def test_damage_is_seen_without_colour() -> None:
    lane = Lane([Flight(forward=True, at_relay=1.0, arrives=1.0, damaged=True)])
    assert drawn(lane, 1.0) == "≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈▶"
    assert draw_lane(lane, 1.0, WIDTH, ASCII).plain == "~" * 20 + ">"


def test_a_reply_that_is_not_believed() -> None:
    """What was damaged on its way to the server comes back whole, and is no answer."""
    lane = Lane([Flight(forward=True, at_relay=1.0, arrives=1.0, damaged=True)])
    lane.ignore("of what?")  # there is none
    lane.relay(Flight(forward=False, at_relay=1.0, arrives=1.0))
    lane.ignore("unknown")
    assert drawn(lane, 1.0) == "✗ unknown ━━━━━━━━━━━"


def test_what_is_still_on_its_way_stays() -> None:
    lane = Lane()
    lane.send(1.0)
    lane.relay(Flight(forward=True, at_relay=1.0, arrives=11.0))
    lane.send(2.0)
    assert drawn(lane, 6.0) == "━━━━━▶━━━━━━━━━▶·····"


def test_no_lane_grows_without_end() -> None:
    lane = Lane()
    for _ in range(1000):
        lane.relay(Flight(forward=False, at_relay=1.0, arrives=1e9))
    assert len(lane.flights) < 10


def test_neighbours_of_one_style_are_one_piece() -> None:
    """Regression: a style for each cell made a screen four times as slow to draw."""
    lane = Lane([Flight(forward=True, at_relay=1.0, dropped="loss")])
    assert len(draw_lane(lane, 1.0, 100, LINES).spans) <= 5


def test_who_is_where() -> None:
    assert draw_places(33, LINES).plain == "client ────── relay ────── server"
    assert draw_places(21, LINES).plain == "client  relay  server"
    assert draw_places(20, LINES).plain == "─" * 20
    assert draw_places(0, LINES).plain == ""
