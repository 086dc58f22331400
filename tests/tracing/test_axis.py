"""How far down in a picture a moment is."""

from __future__ import annotations

import pytest

from trio_udp.tracing._axis import (
    BESIDE,
    CUT,
    DENSE,
    DOUBLING,
    LABEL,
    LEAST,
    NOWHERE,
    ROW,
    TRUE,
    TYPICAL,
    WORDS,
    Axis,
    Cut,
    Mark,
)


def test_a_typical_datagram_falls_by_a_fixed_height() -> None:
    axis = Axis([Mark(5.0, 0, 0, "sent"), Mark(5.25, 1, 1, "arrived")], [0.125, 0.25, 0.5])
    assert axis["sent"] == 0
    assert axis["arrived"] == axis.height == TYPICAL
    assert axis.at(5.125) == TYPICAL / 2
    assert (axis.at(0.0), axis.at(9.0)) == (0, TYPICAL)
    assert axis.labels == [(0, 5.0), (TYPICAL, 5.25)]
    assert axis.cuts == []


def test_what_is_close_is_moved_apart() -> None:
    axis = Axis([Mark(0.0, 0, 0, "one"), Mark(1e-9, 0, 0, "other")], [1.0])
    assert axis["other"] == LEAST


def test_what_is_far_apart_moves_closer() -> None:
    axis = Axis([Mark(0.0, 0, 0, "one"), Mark(4 * TRUE / TYPICAL, 0, 0, "other")], [1.0])
    assert axis["other"] == TRUE + 2 * DOUBLING
    assert axis.cuts == []


def test_a_long_silence_is_cut_out() -> None:
    axis = Axis([Mark(0.0, 0, 0, "one"), Mark(100.0, 0, 0, "other")], [1.0])
    assert axis.cuts == [Cut(0, CUT, 100.0)]
    assert axis["other"] == CUT
    assert axis.at(50.0) == CUT / 2


def test_at_one_instant_and_lifeline_things_are_below_each_other() -> None:
    """In the order of the trace, whatever that of the marks is; at other lifelines they begin at the top."""
    axis = Axis([Mark(0.0, 2, 0, "c"), Mark(0.0, 1, 0, "b"), Mark(0.0, 0, 0, "a"), Mark(0.0, 3, 1, "d")], [])
    assert [axis[key] for key in "abcd"] == [0, ROW, 2 * ROW, 0]
    assert axis.height == 2 * ROW


def test_between_what_goes_the_same_way_words_have_room() -> None:
    """At one instant and from one to the next; but not where there are many datagrams."""
    marks = [Mark(0.0, number, 0, number, way="there") for number in range(2)]
    marks += [Mark(0.0, 2, 0, "elsewhere", way="elsewhere"), Mark(1e-9, 3, 0, "later", way="there")]
    axis = Axis(marks, [1.0])
    assert [axis[key] for key in (0, 1, "elsewhere")] == [0, WORDS, WORDS + ROW]
    assert axis["later"] - axis["elsewhere"] == WORDS
    dense = Axis(marks, [1.0], is_dense=True)
    assert [dense[key] for key in (0, 1, "elsewhere", "later")] == [0, ROW, 2 * ROW, 2 * ROW + LEAST]


def test_no_arrow_goes_up() -> None:
    """The third datagram of an instant that arrives at that instant."""
    marks = [*(Mark(0.0, number, 0, number) for number in range(3)), Mark(0.0, 3, 1, "arrived", after=2)]
    assert Axis(marks, [])["arrived"] == 2 * ROW


def test_what_takes_no_row() -> None:
    axis = Axis([Mark(0.0, 0, 0, "begins", takes=False), Mark(0.0, 1, 0, "sent"), Mark(0.0, 2, 0, "next")], [])
    assert [axis[key] for key in ("begins", "sent", "next")] == [0, 0, ROW]


def test_nothing_is_written_beside_what_touches_no_lifeline() -> None:
    axis = Axis([Mark(0.0, 0, 0, "sent"), Mark(1.0, 1, NOWHERE - 1, "lost")], [1.0])
    assert axis["lost"] == TYPICAL
    assert axis.labels == [(0, 0.0)]


@pytest.mark.parametrize("times", [[], [0.0, 0.0]])
def test_without_travels_the_scale_is_that_of_the_silences(times: list[float]) -> None:
    axis = Axis([Mark(time, 0, 0, time) for time in (0.0, 2.0, 4.0, 7.0)], times)
    assert axis[2.0] == TYPICAL


def test_a_single_moment() -> None:
    axis = Axis([Mark(3.0, 0, 0, "only")], [])
    assert axis["only"] == axis.height == axis.at(3.0) == 0
    assert axis.get("none", 7.0) == 7.0


def test_what_tasks_alone_do_needs_less_room_beside_datagrams() -> None:
    """Regression: servers that start would push the first datagram below the window."""
    tasks = [Mark(number / 4, -2, NOWHERE, number) for number in range(4)]
    datagrams = [Mark(1.0, 0, 0, "sent"), Mark(2.0, 0, 1, "arrived")]
    axis = Axis([*tasks, *datagrams], [0.25])
    assert [axis[number] for number in range(4)] == [0, BESIDE, 2 * BESIDE, 3 * BESIDE]
    assert axis["sent"] == 4 * BESIDE
    assert axis["arrived"] - axis["sent"] > TRUE
    alone = Axis(tasks, [0.25])
    assert alone.height == 3 * TYPICAL


def test_many_datagrams_are_closer() -> None:
    marks = [Mark(float(number), 0, 0, number) for number in range(3)]
    assert Axis(marks, [1.0], is_dense=True).height == Axis(marks, [1.0]).height * DENSE
    silence = [Mark(0.0, 0, 0, "one"), Mark(100.0, 0, 0, "other")]
    assert Axis(silence, [1.0], is_dense=True).cuts == [Cut(0, LABEL, 100.0)]
