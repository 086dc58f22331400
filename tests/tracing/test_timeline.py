from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.tracing.runs import CLIENT, ENTRIES, SERVER, run, trace
from trio_udp import AttemptStarted, AttemptTimedOut, ReplyAccepted, RequestFailed
from trio_udp.tracing import (
    Happened,
    NurseryCancelled,
    NurseryClosed,
    NurseryDeadlineMoved,
    NurseryOpened,
    ScopeCancelled,
    ScopeDeadlineMoved,
    ScopeEntered,
    ScopeExited,
    TaskEnded,
    TaskStarted,
    Trace,
    ladder_svg,
    timeline_svg,
)
from trio_udp.tracing._boxes import GAP, SPINE, side_by_side
from trio_udp.tracing._excerpt import count_library, hidden_tasks, only_of, without_library
from trio_udp.tracing._timeline import DEEPEST, Bar, Timeline, timeline
from trio_udp.tracing._timeline_names import cut_name
from trio_udp.tracing._timeline_svg import marks

if TYPE_CHECKING:
    from trio_udp.tracing import Entry

SVG = "{http://www.w3.org/2000/svg}"


def outline(found: Timeline) -> list[str]:
    """A line for each bar: indented by its depth, its name, and from when until when."""
    return [f"{'  ' * bar.depth}{bar.kind} {bar.name} {bar.begin}-{bar.end}" for bar in found.walk()]


def test_what_ran_inside_what() -> None:
    assert outline(timeline(trace())) == [
        "task main 10.0-None",
        "  nursery nursery 10.0-11.3",
        "    task serve 10.0-11.3",
        "    task ask 10.1-11.2",
        "      scope lunch 10.1-11.2",
        "        attempt request 1, attempt 1 10.1-10.6",
        "        attempt request 1, attempt 2 10.6-10.8",
        "        scope nap 10.8-11.0",
    ]


def test_what_became_of_scopes_and_attempts() -> None:
    bars = {bar.name: bar for bar in timeline(trace()).walk()}
    told = {name: (bar.deadline, bar.cancelled, bar.caught, bar.outcome) for name, bar in bars.items()}
    assert told["lunch"] == (math.inf, None, False, "")  # the deadline is what it was at the end
    assert told["nap"] == (11.0, 11.0, True, "")
    assert told["request 1, attempt 1"] == (10.6, 10.6, True, "timed out")
    assert told["request 1, attempt 2"] == (11.6, None, False, "answered")
    assert told["ask"] == (None, None, False, "")
    assert [ENTRIES[bar.entry].time for bar in bars.values()] == [bar.begin for bar in bars.values()]
    assert bars["request 1, attempt 2"].task == 3


def test_a_reply_may_be_read_by_the_task_of_another_request() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "first", None),
        TaskStarted(10.0, 2, "second", None),
        Happened(AttemptStarted(10.0, CLIENT, SERVER, 1, 1, 1.0, b"1"), 1, None),
        Happened(AttemptStarted(10.0, CLIENT, SERVER, 2, 1, 1.0, b"2"), 2, None),
        Happened(ReplyAccepted(10.5, CLIENT, SERVER, 2, 1, 0.5, b"2"), 1, None),
        Happened(RequestFailed(10.7, CLIENT, SERVER, 1, 1, "Cancelled"), 1, None),
    ]
    assert outline(timeline(trace(entries))) == [
        "task first 10.0-None",
        "  attempt request 1, attempt 1 10.0-10.7",
        "task second 10.0-None",
        "  attempt request 2, attempt 1 10.0-10.5",
    ]


def test_what_a_task_had_open_ends_with_it() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.1, 1, "outer", 1, math.inf),
        NurseryOpened(10.2, 1, 1),
        TaskStarted(10.3, 2, "child", 1),
        TaskEnded(10.4, 2),
        TaskEnded(11.0, 1),
    ]
    assert outline(timeline(trace(entries))) == [
        "task main 10.0-11.0",
        "  scope outer 10.1-11.0",
        "    nursery nursery 10.2-11.0",
        "      task child 10.3-10.4",
    ]


def test_what_was_opened_inside_a_scope_ends_with_it_and_what_follows_is_outside() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "first", 1, math.inf),
        NurseryOpened(10.1, 1, 1),
        ScopeExited(10.2, 1, math.inf, False),
        NurseryClosed(10.3, 1),  # told too late
        ScopeEntered(10.4, 2, "second", 1, math.inf),
    ]
    assert outline(timeline(trace(entries))) == [
        "task main 10.0-None",
        "  scope first 10.0-10.2",
        "    nursery nursery 10.1-10.2",
        "  scope second 10.4-None",
    ]


def test_a_task_that_outlives_its_nursery_is_seen_to() -> None:
    """Trio forbids it. Should it be recorded all the same, then the picture must not hide it."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        NurseryOpened(10.0, 1, 1),
        TaskStarted(10.0, 2, "child", 1),
        NurseryClosed(11.0, 1),
        TaskEnded(11.5, 2),
    ]
    assert outline(timeline(trace(entries)))[1:] == ["  nursery nursery 10.0-11.0", "    task child 10.0-11.5"]


def test_what_nobody_has_heard_of_stands_outside_or_is_passed_over() -> None:
    entries: list[Entry] = [
        TaskEnded(10.0, 9),
        NurseryClosed(10.0, 9),
        ScopeExited(10.0, 9, math.inf, False),
        TaskStarted(10.1, 1, "of an unknown nursery", 8),
        NurseryOpened(10.2, 2, 7),
        TaskStarted(10.2, 2, "of an unknown task's nursery", 2),
        Happened(AttemptStarted(10.3, CLIENT, SERVER, 1, 1, 1.0, b""), None, None),
    ]
    assert outline(timeline(trace(entries))) == [
        "task of an unknown nursery 10.1-None",
        "nursery nursery 10.2-None",
        "  task of an unknown task's nursery 10.2-None",
        "attempt request 1, attempt 1 10.3-None",
    ]


def test_too_many_bars_are_counted_and_not_kept() -> None:
    found = timeline(trace(), most=3)
    assert outline(found) == ["task main 10.0-None", "  nursery nursery 10.0-11.3", "    task serve 10.0-11.3"]
    assert found.left_out == 5


def test_so_is_what_is_too_deep_inside() -> None:
    entries: list[Entry] = [TaskStarted(10.0, 1, "main", None)]
    entries += [ScopeEntered(10.0, number, f"{number}", 1, math.inf) for number in range(1, DEEPEST + 11)]
    found = timeline(trace(entries))
    assert [bar.depth for bar in found.walk()] == list(range(DEEPEST + 1))
    assert found.left_out == 10


def test_many_that_are_open_at_once_end_in_any_order() -> None:
    """Regression: each end searched all that was open, and 50,000 scopes took a minute."""
    numbers = range(1, 201)
    entries: list[Entry] = [TaskStarted(10.0, 1, "main", None)]
    entries += [ScopeEntered(10.0, number, "scope", 1, math.inf) for number in numbers]
    entries += [ScopeExited(10.0 + number, number, math.inf, False) for number in (150, 180, 200, 10, 5, 7)]
    bars = list(timeline(trace(entries), most=1000).walk())
    ends = {bar.entry: bar.end for bar in bars if bar.kind == "scope"}
    assert [ends[number] for number in (1, 4, 5, 9, 10, 100)] == [None, None, 15.0, 15.0, 20.0, 20.0]


def test_a_nursery_that_is_in_itself_is_no_endless_loop() -> None:
    entries: list[Entry] = [TaskStarted(10.0, 1, "egg", 1), NurseryOpened(10.0, 1, 1), TaskStarted(10.0, 1, "egg", 1)]
    assert outline(timeline(trace(entries))) == [
        "task egg 10.0-None",
        "  nursery nursery 10.0-None",
        "    task egg 10.0-None",
    ]


def test_in_a_real_run_every_task_ends_inside_its_nursery() -> None:
    found = timeline(run())
    nurseries = [bar for bar in found.walk() if bar.kind == "nursery" and bar.end is not None]
    assert len(nurseries) >= 4
    for nursery in nurseries:
        assert nursery.end is not None
        for task in nursery.children:
            assert task.end is not None, task
            assert nursery.begin <= task.begin <= task.end <= nursery.end


# -- boxes -------------------------------------------------------------------------------------------------------------


def bar(begin: float, end: float | None, *children: Bar) -> Bar:
    return Bar("task", f"{begin}", 0, 1, begin, end, children=list(children))


def test_boxes_share_a_lane_if_they_follow_each_other() -> None:
    boxes, right = side_by_side([bar(0, 2), bar(1, 3), bar(2, 4), bar(3, None), bar(9, 10)], 100)
    assert [box.x - 100 for box in boxes] == [0, SPINE + GAP, 0, SPINE + GAP, 0]
    assert right == 100 + 2 * (SPINE + GAP)
    assert [box.room for box in boxes] == [2, 3, 9, math.inf, math.inf]


def test_a_box_is_as_wide_as_what_is_in_it_and_a_lane_as_its_widest() -> None:
    [outer, after], right = side_by_side([bar(0, 5, bar(1, 2), bar(1, 3)), bar(5, 6)], 0)
    assert [box.x for box in outer.inside] == [SPINE, 2 * SPINE + GAP]
    assert outer.width == after.width == right - GAP == 3 * SPINE + 2 * GAP
    assert [box.room for box in outer.inside] == [5, 5]


# -- the picture -------------------------------------------------------------------------------------------------------


def groups(svg: str) -> list[ElementTree.Element]:
    return [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if "bar" in group.get("class", "").split()]


def title(group: ElementTree.Element) -> str:
    return group.findtext(f"{SVG}title", "")


def test_each_bar_is_drawn_and_says_what_is_known_of_it() -> None:
    found = groups(timeline_svg(trace()))
    assert [group.get("class") for group in found] == [
        "bar task",
        "bar nursery",
        "bar task",
        "bar task",
        "bar scope",
        "bar attempt timed-out",
        "bar attempt",
        "bar scope",
    ]
    assert [group.get("data-task") for group in found] == ["1", "1", "2", "3", "3", "3", "3", "3"]
    assert title(found[0]) == "task main\nfrom 0.000000 s, still running at the end"
    assert title(found[4]) == "scope lunch\n0.100000 s to 1.200000 s: 1.1 s\nno deadline"
    assert title(found[6]) == (
        "request 1, attempt 2\n0.600000 s to 0.800000 s: 200 ms\ndeadline at 1.600000 s\nanswered"
    )
    assert title(found[7]) == (
        "scope nap: cancelled\n0.800000 s to 1.000000 s: 200 ms\ndeadline at 1.000000 s\n"
        "cancelled at 1.000000 s, caught"
    )


def edges(group: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box; that of one without a lower edge as well."""
    path = next(path.get("d", "") for path in group.iter(f"{SVG}path") if path.get("class") == "box")
    numbers = re.fullmatch(r"M([\d.]+) ([\d.]+)V([\d.]+)h([\d.]+)V[\d.]+z?", path)
    assert numbers, path
    left, bottom, top, width = map(float, numbers.groups())
    return left, top, left + width, bottom


def test_boxes_are_inside_the_box_of_what_they_ran_in() -> None:
    recorded = run()
    found = {group.get("data-entry"): edges(group) for group in groups(timeline_svg(recorded, library=True))}
    bars = list(timeline(recorded).walk())
    assert len(found) == len(bars) > 30
    for outer in bars:
        for inner in outer.children:
            left, top, right, bottom = found[str(outer.entry)]
            inner_left, inner_top, inner_right, inner_bottom = found[str(inner.entry)]
            assert left < inner_left < inner_right <= right
            assert top <= inner_top
            assert inner_bottom <= bottom + 3.01  # what took no time is three pixels high


def test_what_is_open_holds_what_took_no_time_at_the_end() -> None:
    """Regression: the nursery that was left at the recording's last moment stuck out of its task."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "all", 1, math.inf),
        NurseryOpened(10.0, 1, 1),
        TaskStarted(11.0, 2, "quick", 1),
        TaskEnded(11.0, 2),
        NurseryClosed(11.0, 1),
    ]
    bottoms = [edges(group)[3] for group in groups(timeline_svg(Trace(tuple(entries), 10.0, 11.0)))]
    assert len(bottoms) == 4
    assert len(set(bottoms)) == 1


@pytest.mark.parametrize(
    ("name", "room", "cut"),
    [
        ("trio.sleep 12", 13, "trio.sleep 12"),
        ("trio.sleep 12", 8, "trio… 12"),
        ("trio.sleep 12", 4, "… 12"),
        ("trio.sleep 12", 3, "tr…"),
        ("trio.sleep", 5, "trio…"),
        ("play for client 7", 9, "play f… 7"),
    ],
)
def test_a_number_at_the_end_of_a_name_stays(name: str, room: int, cut: str) -> None:
    """Regression: thirty boxes were called "trio…"."""
    assert cut_name(name, room) == cut


def test_what_still_ran_is_open_below() -> None:
    closed = [path.get("d", "").endswith("z") for group in groups(timeline_svg(trace())) for path in group[1:2]]
    assert closed == [False, True, True, True, True, True, True, True]


def overs(svg: str) -> list[list[str | None]]:
    """What lies upon the boxes, in the order in which it is drawn."""
    every = ElementTree.fromstring(svg).iter(f"{SVG}g")
    return [[path.get("class") for path in group] for group in every if group.get("class") == "over"]


def test_of_a_full_recording_nothing_is_drawn_that_nobody_knows() -> None:
    """Regression: what ended after it was full went on to its end, an hour later, and was "not caught"."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "nap", 1, 11.0),
        ScopeCancelled(11.0, 1),
    ]
    whole, full = (Trace(tuple(entries), 10.0, 3611.0, {}, forgotten) for forgotten in (0, 7))
    assert title(groups(timeline_svg(whole))[1]).endswith(", still running at the end\ndeadline at 1.000000 s\n" + NAP)
    picture = timeline_svg(full)
    task, nap = groups(picture)
    assert title(task) == "task main\nfrom 0.000000 s, still running when the recording was full"
    assert title(nap).endswith(", still running when the recording was full\ndeadline at 1.000000 s\n" + NAP)
    assert '<path class="edge"' not in picture  # there is no silence
    root = ElementTree.fromstring(picture)
    captions = [text.text or "" for text in root.iter(f"{SVG}text") if text.get("class") == "caption"]
    assert "The recording was full: 7 entries that came later are not in it." in " ".join(captions)
    [over] = [group for group in root.iter(f"{SVG}g") if group.get("class") == "over"]
    [cancelled] = [path.get("d", "") for path in over]
    assert float(cancelled.partition(" ")[2].partition("h")[0]) == pytest.approx(edges(nap)[3] - 0.75, abs=0.06)


NAP = "cancelled at 1.000000 s"


def test_cancelled_and_caught_are_lines() -> None:
    picture = timeline_svg(trace())
    assert overs(picture) == [["cancelled", "caught"], ["cancelled", "caught"]]
    names = [title(group).split("\n")[0] for group in groups(picture)]
    assert [name for name in names if "cancelled" in name] == ["scope nap: cancelled"]


def test_the_moments_of_deadlines_and_cancellations_have_a_height() -> None:
    """Regression: a silence was cut out around them, and the line of the cancellation stood below the cut."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "left at once", 1, 40.0),
        ScopeExited(10.0, 1, 40.0, False),
        ScopeEntered(10.0, 2, "cancelled", 1, 70.0),
        ScopeCancelled(70.0, 2),
        ScopeExited(100.0, 2, 70.0, True),
        ScopeEntered(100.0, 3, "later than the picture", 1, 500.0),
        ScopeExited(101.0, 3, 500.0, False),
    ]
    picture = timeline_svg(Trace(tuple(entries), 10.0, 101.0))
    root = ElementTree.fromstring(picture)
    assert [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "time"] == [
        *("0.000", "30.000", "60.000", "90.000", "91.000")
    ]
    [over] = [group for group in root.iter(f"{SVG}g") if group.get("class") == "over"]
    y = float(over[0].get("d", "").partition(" ")[2].partition("h")[0])
    _, _, cancelled, _ = groups(picture)
    assert edges(cancelled)[1] < y < edges(cancelled)[3] - 10


def test_the_times_in_the_margin_are_those_of_what_is_drawn() -> None:
    """Regression: so was a deadline that another box covers; and the time of the end was not, if all was still open."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "first", 1, 12.0),
        ScopeExited(11.0, 1, 12.0, False),
        ScopeEntered(11.0, 2, "second", 1, math.inf),
    ]
    root = ElementTree.fromstring(timeline_svg(trace(entries, ended=13.0)))
    times = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "time"]
    assert times == ["0.000", "1.000", "3.000"]


def test_where_it_was_caught_is_not_covered_by_what_follows() -> None:
    """Regression: of a thick line half was left, which is a thin one."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "one", 1, 11.0),
        ScopeCancelled(11.0, 1),
        ScopeExited(11.0, 1, 11.0, True),
        ScopeEntered(11.0, 2, "two", 1, math.inf),
        ScopeExited(12.0, 2, math.inf, False),
    ]
    picture = timeline_svg(Trace(tuple(entries), 10.0, 12.0))
    [over] = [group for group in ElementTree.fromstring(picture).iter(f"{SVG}g") if group.get("class") == "over"]
    _, one, two = groups(picture)
    assert edges(two)[1] == edges(one)[3]
    for path, thickness in zip(over, (1.5, 3.5), strict=True):
        y = float(path.get("d", "").partition(" ")[2].partition("h")[0])
        assert y + thickness / 2 <= edges(one)[3] + 0.06  # coordinates have one digit


CANCELLED: list[Entry] = [
    TaskStarted(10.0, 1, "main", None),
    ScopeEntered(10.0, 1, "around", 1, math.inf),
    NurseryOpened(10.0, 1, 1),
    TaskStarted(10.0, 2, "child", 1),
    NurseryCancelled(10.5, 1),
    TaskEnded(10.5, 2),
    NurseryClosed(10.5, 1),
    NurseryOpened(10.5, 2, 1),
    ScopeCancelled(11.0, 1),
    NurseryCancelled(11.0, 2),
    NurseryClosed(11.0, 2),
    ScopeExited(11.0, 1, math.inf, True),
]


def test_whose_scope_was_cancelled_is_upon_all_that_is_inside() -> None:
    """Trio cancels the nurseries in a cancelled scope, too, as their tasks end: that is nobody's doing."""
    picture = timeline_svg(trace(CANCELLED))
    assert overs(picture) == [["cancelled"], ["cancelled", "caught"]]
    assert [title(group).split("\n")[0] for group in groups(picture)] == [
        *("task main", "scope around: cancelled", "nursery: cancelled", "task child", "nursery"),
    ]
    assert "cancelled at 0.500000 s" in title(groups(picture)[2])
    root = ElementTree.fromstring(picture)
    drawn = [element.get("data-entry", "over") for element in root if element.get("class") in OUTER]
    assert drawn == ["0", "1", "2", "3", "over", "7", "over"]


def test_a_nurserys_deadline_and_what_it_caught_are_shown_as_those_of_scopes() -> None:
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        NurseryOpened(10.0, 1, 1, 10.25),
        NurseryDeadlineMoved(10.25, 1, 10.5),
        NurseryCancelled(10.5, 1),
        NurseryClosed(10.5, 1, 10.5, True),
        NurseryOpened(10.5, 2, 1, 40.0),
        NurseryClosed(10.75, 2, 40.0, False),
        NurseryOpened(10.75, 3, 1),
    ]
    picture = timeline_svg(trace(entries, 12.0))
    _, caught, early, endless = groups(picture)
    assert title(caught).endswith(
        "\ndeadline at 0.500000 s\ndeadline moved to 0.500000 s, at 0.250000 s\ncancelled at 0.500000 s, caught"
    )
    assert overs(picture) == [["cancelled", "caught"]]
    assert title(early).endswith("\ndeadline at 30.000000 s")
    assert [path.get("class") for path in early.iter(f"{SVG}path")] == ["box"]  # there is no room below it
    assert "deadline" not in title(endless)
    [moved] = [bar for bar in timeline(trace(entries[:3])).walk() if bar.kind == "nursery"]
    assert moved.deadline == 10.5


def test_each_move_of_a_deadline_is_told() -> None:
    """Regression: a scope of 10 seconds lasted 15, and nothing said why."""
    moves = [(4.0, math.inf), (5.0, 24.0)]
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "patience", 1, 20.0),
        *(ScopeDeadlineMoved(10.0 + at, 1, 10.0 + to) for at, to in moves),
        ScopeExited(25.0, 1, 34.0, False),
    ]
    assert title(groups(timeline_svg(trace(entries, 26.0)))[1]).splitlines()[2:] == [
        "deadline at 24.000000 s",
        "deadline moved away, at 4.000000 s",
        "deadline moved to 24.000000 s, at 5.000000 s",
    ]
    entries[4:4] = [ScopeDeadlineMoved(15.0 + move, 1, 34.0) for move in range(9)]
    assert title(groups(timeline_svg(trace(entries, 26.0)))[1]).splitlines()[-1] == "and 6 times more"


OUTER = {"bar task", "bar scope", "bar nursery", "over"}


def texts(group: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in group.iter(f"{SVG}text")]


def test_no_name_is_cut_where_there_is_room() -> None:
    """Regression: a timeout around start_soon was entered and left at once, and had no name."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        NurseryOpened(10.0, 1, 1),
        ScopeEntered(10.0, 1, "timeout around start_soon", 1, 11.0),
        TaskStarted(10.0, 2, "work", 1),
        ScopeExited(10.0, 1, 11.0, False),
        NurseryOpened(10.0, 2, 1),
        NurseryClosed(10.1, 2),
        TaskEnded(13.0, 2),
        NurseryClosed(13.0, 1),
    ]
    found = groups(timeline_svg(trace(entries, ended=13.0)))
    assert [texts(group) for group in found] == [
        *(["main"], ["nursery"], ["timeout around start_soon"], ["work"], ["nursery"]),
    ]
    outer, scope, work, after = map(edges, found[1:])
    assert scope[3] - scope[1] >= 10  # as high as a name
    assert scope[2] - scope[0] > 130
    boxes = [scope, work, after]
    assert all(outer[0] < box[0] and box[2] <= outer[2] and box[3] <= outer[3] for box in boxes)
    for one, other in itertools.combinations(boxes, 2):
        beside = one[2] <= other[0] or other[2] <= one[0]
        assert beside or one[3] <= other[1] or other[3] <= one[1]


def test_many_names_are_cut_rather_than_make_it_too_wide() -> None:
    entries: list[Entry] = [TaskStarted(10.0, number, f"a task with the number {number}", None) for number in range(99)]
    entries += [TaskEnded(10.1, number) for number in range(99)]
    found = groups(timeline_svg(trace(entries)))
    assert max(edges(group)[2] for group in found) < 2100


def test_equal_names_are_told_apart() -> None:
    entries: list[Entry] = [TaskStarted(10.0, number, "__main__.ask", None) for number in (1, 2, 3)]
    entries.append(Happened(AttemptStarted(10.0, CLIENT, SERVER, 1, 1, 1.0, b"1"), 2, None))
    names = [title(group).split("\n")[0] for group in groups(timeline_svg(trace(entries)))]
    assert names == ["task ask 1", "task ask for client", "request 1, attempt 1", "task ask 3"]


def test_an_attempt_says_which_it_is_and_its_deadline_where_there_is_room() -> None:
    found = [texts(group) for group in groups(timeline_svg(trace())) if "attempt" in group.get("class", "")]
    assert found == [["1.1"], ["1.2"]]
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        Happened(AttemptStarted(10.0, CLIENT, SERVER, 3, 1, 1.0, b"1"), 1, None),
    ]
    entries += [ScopeEntered(10.0 + step, step, f"{step}", 1, math.inf) for step in range(1, 10)]
    [whole] = [
        texts(group) for group in groups(timeline_svg(trace(entries, 20.0))) if "attempt" in group.get("class", "")
    ]
    assert whole == ["request 1, attempt 1: undecided, deadline at 1.000000 s"]


def test_a_scope_says_its_deadline_where_there_is_room() -> None:
    """Regression: only attempts did."""

    def names(entries: list[Entry]) -> list[str]:
        return [text for group in groups(timeline_svg(trace(entries, 60.0))) for text in texts(group)]

    entries: list[Entry] = [TaskStarted(10.0, 1, "main", None), ScopeEntered(10.0, 1, "lunch", 1, 40.0)]
    entries += [TaskStarted(10.0 + step, step, f"{step}", None) for step in range(2, 9)]
    assert names([*entries, ScopeExited(20.0, 1, 35.0, False)])[1] == "lunch, deadline at 25.000000 s"
    assert names([*entries, ScopeCancelled(20.0, 1), ScopeExited(20.0, 1, 35.0, True)])[1] == (
        "lunch: cancelled, deadline at 25.000000 s"
    )
    assert names([*entries, ScopeExited(20.0, 1, math.inf, False)])[1] == "lunch"
    assert names([*entries[:2], ScopeExited(10.5, 1, 35.0, False)])[1] == "lunch"


def test_no_line_of_a_cancellation_runs_through_a_name_that_runs_across() -> None:
    """Regression: of a scope that was left at once one could not read the name, nor of one in it."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "outer scope", 1, 10.2),
        ScopeEntered(10.1, 2, "inner flat scope", 1, 20.0),
        ScopeCancelled(10.2, 1),
        ScopeExited(10.2, 2, 20.0, False),
        ScopeExited(10.2, 1, 10.2, True),
        ScopeEntered(11.0, 3, "by itself", 1, 11.1),
        ScopeCancelled(11.1, 3),
        ScopeExited(11.1, 3, 11.1, True),
        ScopeEntered(12.0, 4, "at once", 1, 12.0),
        ScopeCancelled(12.0, 4),
        ScopeExited(12.0, 4, 12.0, True),
        *(TaskStarted(13.0 + step, 2 + step, f"{step}", None) for step in range(10)),
    ]
    root = ElementTree.fromstring(timeline_svg(trace(entries, 23.0)))
    across = [text for text in root.iter(f"{SVG}text") if text.get("class") == "across"]
    assert [text.text for text in across] == [
        *("outer scope: cancelled", "inner flat scope", "by itself: cancelled", "at once: cancelled"),
    ]
    lines = [path for path in root.iter(f"{SVG}path") if path.get("class") in ("cancelled", "caught")][:-2]  # a legend
    assert len(lines) == 6
    for line in lines:
        half = 0.75 if line.get("class") == "cancelled" else 1.75
        pieces = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)", line.get("d", ""))
        assert pieces, "there is something of each"
        for x, y, width in (map(float, piece) for piece in pieces):
            assert width > 0
            for text in across:
                left, baseline = float(text.get("x", "")), float(text.get("y", ""))
                beside = x + width <= left or x >= left + 5.5 * len(text.text or "")
                assert beside or y + half < baseline - 7 or y - half > baseline + 2, text.text


def test_the_legend_says_what_each_line_means_and_the_caption_is_whole() -> None:
    root = ElementTree.fromstring(timeline_svg(trace()))
    captions = [text.text or "" for text in root.iter(f"{SVG}text") if text.get("class") == "caption"]
    assert " ".join(captions).startswith("A box holds what ran inside it: a nursery its tasks, a task its attempts.")
    assert max(map(len, captions)) * 5.9 < float(root.get("width", "")) - 78
    for word in ("task", "nursery", "cancel scope", "timed out", "cancelled", "caught", "still running"):
        assert any(word in caption for caption in captions[1:]), word
    lowest = max(float(text.get("y", "")) for text in root.iter(f"{SVG}text") if text.get("class") == "caption")
    assert lowest < float(root.get("height", ""))


def test_the_legend_has_the_signs_that_occur() -> None:
    """Regression: below two boxes there were eleven signs."""
    picture = timeline_svg(trace([TaskStarted(10.0, 1, "main", None), TaskEnded(11.0, 1)]))
    captions = [text.text or "" for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert captions[-2:] == ["attempts.", "a task"]
    entries: list[Entry] = [TaskStarted(10.0, 1, "main", None), ScopeEntered(10.0, 1, "nap", 1, 15.0)]
    entries += [ScopeExited(11.0, 1, 15.0, False), TaskEnded(16.0, 1)]
    assert "the time left until a deadline" in timeline_svg(trace(entries, 16.0))


def test_an_attempt_looks_as_in_the_ladder() -> None:
    """Regression: one that was still waiting was drawn as answered, there as well."""
    entries: list[Entry] = [
        Happened(AttemptStarted(10.0, CLIENT, SERVER, number, 1, 1.0, b"1"), None, None) for number in range(1, 6)
    ]
    entries += [
        Happened(AttemptTimedOut(11.0, CLIENT, SERVER, 1, 1), None, None),
        Happened(AttemptTimedOut(10.5, CLIENT, SERVER, 2, 1, "ECONNREFUSED"), None, None),
        Happened(ReplyAccepted(10.5, CLIENT, SERVER, 3, 1, 0.5, b"1"), None, None),
        Happened(RequestFailed(10.5, CLIENT, SERVER, 4, 1, "Cancelled"), None, None),
    ]
    fates = [" timed-out", " refused", "", " given-up", " undecided"]
    for until in (10.2, 12.0):
        assert [bar.fate for bar in timeline(trace(entries), until=until).walk()] == fates
    own = groups(timeline_svg(trace(entries)))
    assert [group.get("class") for group in own] == [f"bar attempt{fate}" for fate in fates]
    ladder = ElementTree.fromstring(ladder_svg(trace(entries))).iter(f"{SVG}g")
    assert [group.get("class") for group in ladder if group.get("data-entry")] == [f"attempt{fate}" for fate in fates]
    assert title(own[4]).endswith("still running at the end\ndeadline at 1.000000 s\nundecided")
    for word in ("undecided", "timed-out", "refused", "given-up"):
        assert f'<g class="attempt {word}">' in timeline_svg(trace(entries)), "it is in the legend"


def test_an_attempt_that_was_refused_has_a_cross_if_there_is_room_and_no_word_in_it() -> None:
    """The words stand above it, or there are fewer."""
    for steps, words in ((2, "1.1"), (10, "request 1, attempt 1: refused, deadline at 20.000000 s")):
        entries: list[Entry] = [Happened(AttemptStarted(10.0, CLIENT, SERVER, 1, 1, 20.0, b"1"), 1, None)]
        entries += [ScopeEntered(10.0 + step, step, f"{step}", 2, math.inf) for step in range(1, steps)]
        entries.append(Happened(AttemptTimedOut(10.0 + steps, CLIENT, SERVER, 1, 1, "ECONNREFUSED"), 1, None))
        [attempt] = [one for one in groups(timeline_svg(trace(entries, 21.0))) if "attempt" in one.get("class", "")]
        [cross] = [path.get("d", "") for path in attempt.iter(f"{SVG}path") if path.get("class") == "refusal"]
        top, bottom = edges(attempt)[1::2]
        y = float(cross.partition(" ")[2].partition("l")[0])
        assert y + 5 < bottom
        assert texts(attempt) == [words]
        assert len(words) < 4 or top + 4 + 5.6 * len(words) < y


def test_a_deadline_that_no_line_goes_to_makes_no_second_silence() -> None:
    """Regression: a program's first datagram was below two silences, and between these was nothing."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        TaskStarted(10.0, 2, "short", None),
        ScopeEntered(10.0, 1, "nap", 2, 13.0),
        ScopeExited(10.1, 1, 13.0, False),
        TaskEnded(10.1, 2),
        TaskEnded(16.0, 1),
    ]
    times = {mark.time for mark in marks(timeline(trace(entries, ended=16.0)), trace(entries, ended=16.0))}
    assert times == {10.0, 10.1, 16.0}


# -- the library's own tasks -------------------------------------------------------------------------------------------

LIBRARY: list[Entry] = [
    TaskStarted(10.0, 1, "main", None),
    NurseryOpened(10.0, 1, 1),
    TaskStarted(10.0, 2, "trio_udp handlers at 10.0.0.1:7", 1),
    NurseryOpened(10.0, 2, 2),
    TaskStarted(10.0, 3, "trio_udp handlers at 10.0.0.1:7", 2),
    TaskStarted(10.1, 4, "trio_udp.cli.demo.run", 1),
    Happened(AttemptStarted(10.2, CLIENT, SERVER, 1, 1, 1.0, b"1"), 4, None),
    TaskStarted(10.3, 5, "trio_udp receiving", 1),
    ScopeEntered(10.4, 1, "of a handler", 5, math.inf),
]


def test_the_main_task_of_a_command_is_its_program_and_what_trio_has_for_dtls_is_not() -> None:
    """Regression: of ``request --dtls`` there was a loop of Trio's in the picture, and nothing else."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "trio_udp.cli.request.run", None),
        TaskStarted(10.0, 2, "trio._dtls.dtls_receive_loop", None),
    ]
    everything = timeline(trace(entries))
    assert outline(without_library(everything)) == ["task trio_udp.cli.request.run 10.0-None"]
    assert count_library(everything) == 1


def test_the_librarys_own_tasks_are_left_out() -> None:
    """Unless something of the program's is in one."""
    everything = timeline(trace(LIBRARY))
    assert outline(without_library(everything)) == [
        "task main 10.0-None",
        "  nursery nursery 10.0-None",
        "    task trio_udp.cli.demo.run 10.1-None",
        "      attempt request 1, attempt 1 10.2-None",
        "    task trio_udp receiving 10.3-None",
        "      scope of a handler 10.4-None",
    ]
    assert count_library(everything) == 2
    assert "2 tasks of the library's own are not shown." in " ".join(
        text for text in texts(ElementTree.fromstring(timeline_svg(trace(LIBRARY))))
    )


def test_what_shows_a_demo_live_is_left_out_with_its_nursery() -> None:
    """Regression: the page of a demo that was watched had boxes for three tasks that its tree does not have."""
    entries: list[Entry] = [
        TaskStarted(10.0, 1, "trio_udp.cli.demo.run", None),
        NurseryOpened(10.1, 1, 1),
        TaskStarted(10.1, 2, "the live view's output", 1),
        TaskStarted(10.1, 3, "the live view", 1),
        TaskStarted(10.1, 4, "the live view's keys", 1),
        NurseryOpened(10.2, 2, 1),
        TaskStarted(10.2, 5, "client 1", 2),
        TaskStarted(10.2, 6, "the live view of my own", 2),
    ]
    everything = timeline(trace(entries))
    assert [line.strip() for line in outline(without_library(everything))] == [
        "task trio_udp.cli.demo.run 10.0-None",
        "nursery nursery 10.2-None",
        "task client 1 10.2-None",
        "task the live view of my own 10.2-None",
    ]
    assert count_library(everything) == 3


def test_a_programs_module_with_a_name_like_ours_is_the_programs() -> None:
    """Regression: all tasks whose names began with trio_udp were taken for the library's."""
    names = ["trio_udp_bot.poll", "trio_udpate", "trio_udp.relay._relay.run", "trio_udp relay"]
    entries: list[Entry] = [TaskStarted(10.0, number, name, None) for number, name in enumerate(names)]
    bars = timeline(trace(entries))
    assert [bar.name for bar in without_library(bars).bars] == names[:2]


def test_for_those_that_are_left_out_stands_the_nearest_bar_in_sight() -> None:
    everything = timeline(trace(LIBRARY))
    assert hidden_tasks(everything, without_library(everything), {1, 2, 3, 4, None}) == {1: [2, 3]}
    assert hidden_tasks(everything, without_library(everything), {3}) == {1: [3]}
    assert hidden_tasks(everything, everything, {1, 2, 3, 4}) == {}
    assert hidden_tasks(everything, Timeline([], 0), {1, 2, 3, 4}) == {}


def test_they_stand_last_where_one_asks_for_them() -> None:
    found = {group.get("data-entry"): edges(group)[0] for group in groups(timeline_svg(trace(LIBRARY), library=True))}
    assert len(found) == 9
    assert found["2"] > max(found["5"], found["8"])


def test_what_some_tasks_did_alone() -> None:
    assert outline(only_of(timeline(trace()), [2])) == [
        "task main 10.0-None",
        "  nursery nursery 10.0-11.3",
        "    task serve 10.0-11.3",
    ]
    assert only_of(timeline(trace()), [9]).bars == []


def test_a_dotted_line_goes_on_to_a_deadline_that_was_not_reached_as_far_as_there_is_room() -> None:
    def rest(entries: list[Entry]) -> list[str | None]:
        scopes = groups(timeline_svg(trace(entries, ended=13.0)))[1:]
        every = [path for group in scopes for path in group.iter(f"{SVG}path")]
        return [path.get("class") for path in every if path.get("class") in ("rest", "until", "later")]

    entries: list[Entry] = [
        TaskStarted(10.0, 1, "main", None),
        ScopeEntered(10.0, 1, "first", 1, 12.0),
        ScopeExited(11.0, 1, 12.0, False),
    ]
    assert rest(entries) == ["rest", "until"]  # it has come to its deadline
    second = ScopeEntered(11.5, 2, "second", 1, math.inf)
    assert rest([*entries, second]) == ["rest", "later"]  # Regression: it looked as if that were the deadline
    assert "a deadline that is further down" in timeline_svg(trace([*entries, second], ended=13.0))
    assert rest([*entries, ScopeEntered(11.0, 2, "second", 1, math.inf)]) == []


@pytest.mark.parametrize(
    "name", ["<script>x</script>", 'a" onload="x', "]]>", "&amp;", "\x1b[2J", "\x00", "\ud800", "‮"]
)
def test_names_are_only_text(name: str) -> None:
    entries: list[Entry] = [TaskStarted(10.0, 1, name, None), ScopeEntered(10.0, 1, name, 1, math.inf)]
    picture = timeline_svg(trace(entries))
    picture.encode("utf-8")
    shown = name if name.isprintable() else ascii(name)[1:-1]
    assert [title(group).split("\n")[0] for group in groups(picture)] == [f"task {shown}", f"scope {shown}"]


def test_what_is_left_out_is_said() -> None:
    entries: list[Entry] = [TaskStarted(10.0, number, "one of many", None) for number in range(1, 5011)]
    picture = timeline_svg(trace(entries))
    assert len(groups(picture)) == 5000
    assert "Drawn are the first 5,000 bars, and not 10 more." in picture


def test_without_tasks_it_says_so() -> None:
    picture = timeline_svg(trace([]))
    assert groups(picture) == []
    assert "No task was recorded." in picture


def test_no_name_stands_in_a_silence_that_is_cut_out() -> None:
    """Regression: names ran across, and the lines of the silence through them."""
    name = "a long name in a nursery of tasks"
    entries: list[Entry] = [TaskStarted(10.0, 1, name, None), TaskStarted(10.0, 2, "short", None)]
    for first, start in ((3, 10.01), (10, 40.0), (40, 90.0)):
        times = [start + step / 100 for step in range(30 if first > 3 else 3)]
        entries += [TaskStarted(time, number, "x", None) for number, time in enumerate(times, first)]
    picture = timeline_svg(trace(entries, ended=91.0))
    edges = [float(y) + 3 for y in re.findall(r'class="edge" d="M72 ([\d.]+)H', picture)]
    names = re.findall(r'<text transform="translate\(\S+ ([\d.]+)\) rotate\(90\)"[^>]*>([^<]*)<', picture)
    tops = {words: float(top) for top, words in names}
    assert len(edges) == 3
    assert tops["short"] < edges[0] < tops[name] < edges[1], "where it has room first"
    for top, words in names:
        assert not any(float(top) - 4 < edge < float(top) + 5.6 * len(words) for edge in edges), words


def test_a_silence_is_cut_out_of_all_that_went_on_in_it() -> None:
    times = [10.0, 10.01, 10.02, 10.03, 40.0]
    entries: list[Entry] = [TaskStarted(10.0, 1, "main", None)]
    entries += [TaskStarted(time, number, "child", None) for number, time in enumerate(times, 2)]
    picture = timeline_svg(trace(entries, ended=40.01))
    found = groups(picture)
    broken = ["cut" in [path.get("class") for path in group.iter(f"{SVG}path")] for group in found]
    assert broken == [True] * 5 + [False]
    assert "⋮ 30 s" in picture
