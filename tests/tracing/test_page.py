"""The page is looked at where it is read: in a browser, with a mouse and a keyboard that are as good as real ones.

Screenshots are left in the folder ``build/pictures`` of the checkout, or the one that TRIO_UDP_PICTURES names.
"""

from __future__ import annotations

import math
import os
import re
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from tests.tracing import runs
from tests.tracing.browser import Browser, open_browser
from tests.tracing.runs import CLIENT, SERVER, run, trace
from trio_udp import (
    AttemptStarted,
    AttemptTimedOut,
    DatagramDropped,
    DatagramLost,
    DatagramReceived,
    DatagramSent,
    HandlerFinished,
    HandlerStarted,
    ReplyAccepted,
    ReplyIgnored,
    RequestFailed,
)
from trio_udp.tracing import Happened, ScopeEntered, ScopeExited, TaskStarted, Trace, _page, html, record, scope
from trio_udp.tracing._page import SCRIPTS
from trio_udp.tracing._plan import HEAD, TIMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_udp.tracing import Entry

PICTURES = Path(os.environ.get("TRIO_UDP_PICTURES", Path(__file__).parents[2] / "build" / "pictures"))


@pytest.fixture
def recorded() -> Trace:
    return run()


@asynccontextmanager
async def shown(trace: Trace, folder: Path, width: int = 1600, height: int = 1000) -> AsyncIterator[Browser]:
    """The page of a trace in a browser; nothing may be complained of, and nothing fetched."""
    page = folder / "run.html"
    await trio.Path(page).write_text(html(trace), encoding="utf-8")
    async with open_browser(folder / "profile") as browser:
        await browser.resize(width, height)
        await browser.media(prefers_reduced_motion="reduce")
        await browser.open(page)
        yield browser
        assert await browser.complaints() == []
        assert {url for url in browser.requested() if not url.startswith("data:")} == {page.as_uri()}


async def picture(browser: Browser, name: str) -> None:
    """Keep what is seen now."""
    await trio.Path(PICTURES).mkdir(parents=True, exist_ok=True)
    await browser.screenshot(PICTURES / f"{name}.png")


async def count(browser: Browser, selector: str) -> int:
    number: int = await browser.evaluate(f"document.querySelectorAll({selector!r}).length")
    return number


async def middle(browser: Browser, selector: str) -> tuple[float, float]:
    """Where on the screen the first of these is."""
    box: dict[str, float] = await browser.evaluate(
        f"(() => {{ const box = document.querySelector({selector!r}).getBoundingClientRect();"
        " return { x: box.x + box.width / 2, y: box.y + box.height / 2 } })()"
    )
    return box["x"], box["y"]


async def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = await browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(e => e.textContent)")
    return found


async def of_all(browser: Browser, selector: str, what: str) -> list[Any]:
    """The value of an expression of ``e`` for each of these."""
    found: list[Any] = await browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(e => {what})")
    return found


def of_type(trace: Trace, kind: type) -> list[tuple[int, Any]]:
    """The entries of the library's events of one kind, with their indexes."""
    return [(i, e) for i, e in enumerate(trace.entries) if isinstance(e, Happened) and isinstance(e.event, kind)]


# -- what is there -----------------------------------------------------------------------------------------------------


async def test_arrows_and_crosses_are_those_of_the_log(recorded: Trace, tmp_path: Path) -> None:
    sent, lost = of_type(recorded, DatagramSent), of_type(recorded, DatagramLost)
    assert len(sent) > 20
    assert len(lost) > 5
    async with shown(recorded, tmp_path) as browser:
        arrows = await of_all(browser, ".pane .datagram", "[Number(e.dataset.entry), e.dataset.task]")
        assert sorted(arrows) == [[index, str(entry.task)] for index, entry in sent]
        assert await count(browser, ".pane .cross") == await count(browser, ".pane .lost") == len(lost)
        arrived = await count(browser, ".pane .datagram:not(.lost, .unseen)")
        assert arrived == len(of_type(recorded, DatagramReceived)) == len(sent) - len(lost)
        tasks = [entry for entry in recorded.entries if isinstance(entry, TaskStarted)]
        await browser.click(*await middle(browser, "#library"))
        assert await count(browser, ".bar.task") == len(tasks)
        assert f"{len(sent)} datagrams, {len(lost)} lost · {len(tasks)} tasks" in (await texts(browser, "header p"))[0]


async def test_what_a_relay_does_not_pass_on_is_a_cross_too(tmp_path: Path) -> None:
    relay, behind = ("10.0.0.5", 7), ("10.0.0.5", 5001)
    entries: list[Entry] = [
        Happened(DatagramSent(10.0, CLIENT, relay, b"hi"), 1, None),
        Happened(DatagramReceived(10.1, relay, CLIENT, b"hi"), 2, None),
        Happened(DatagramDropped(10.1, behind, SERVER, b"hi", "loss", True), 2, None),
    ]
    async with shown(trace(entries), tmp_path) as browser:
        assert await count(browser, ".pane .cross") == 1
        assert "2 datagrams, 1 lost" in (await texts(browser, "header p"))[0]


def test_what_came_from_where_nothing_was_recorded_is_counted() -> None:
    """Regression: the page of a server in another process said "1 datagram" above two arrows."""
    asked = [Happened(DatagramSent(10.0, CLIENT, SERVER, b"hi"), 1, None)]
    came = [Happened(DatagramReceived(10.1, CLIENT, SERVER, b"HI"), 1, None)]
    assert "2 datagrams, 0 lost" in html(trace([*asked, *came]))


@pytest.mark.parametrize(
    ("clients", "width", "height", "theme"),
    [(3, 1600, 1000, "light"), (3, 1600, 1000, "dark"), (3, 400, 800, "light"), (20, 1600, 1000, "light")],
)
async def test_it_can_be_read_at_any_size(clients: int, width: int, height: int, theme: str, tmp_path: Path) -> None:
    """And a picture of that is kept."""
    page = tmp_path / "run.html"
    await trio.Path(page).write_text(await trio.to_thread.run_sync(html_of_run, clients), encoding="utf-8")
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(width, height)
        await browser.media(prefers_color_scheme=theme)
        await browser.open(page)
        await browser.settle()
        await picture(browser, f"page-{clients}-clients-{width}-{theme}")
        assert await browser.complaints() == []
        # Nothing is beside the window: only the panes scroll.
        overflow = "document.documentElement.scrollWidth - innerWidth"
        assert await browser.evaluate(overflow) <= 0
        sizes = await of_all(browser, ".pane", "[e.clientWidth, e.clientHeight]")
        assert all(w >= min(width, 1000) / 3 and h > 150 for w, h in sizes), sizes
        # Names of neighbours do not touch.
        names = await of_all(browser, ".ladder .name", "(b => [b.top, b.left, b.right])(e.getBoundingClientRect())")
        for (top, _, right), (other_top, left, _) in pairwise(sorted(names)):
            assert top != other_top or right < left


def html_of_run(clients: int) -> str:
    return html(run(clients))


async def test_both_pictures_have_every_moment_at_the_same_height(recorded: Trace, tmp_path: Path) -> None:
    """An attempt is in both of them."""
    async with shown(recorded, tmp_path) as browser:
        begins = "[e.dataset.entry, Math.round(e.querySelector(%r).getBoundingClientRect().top)]"
        bars = dict(await of_all(browser, ".bar.attempt", begins % ".box"))
        brackets = dict(await of_all(browser, ".pane .attempt:not(.bar)", begins % ".bracket"))
        assert len(bars) > 10
        assert bars.keys() == brackets.keys()
        assert all(0 <= brackets[entry] - bars[entry] <= 9 for entry in bars), (bars, brackets)  # a row, if two begin


async def test_what_happens_in_tasks_alone_has_room_beside_the_ladder(tmp_path: Path) -> None:
    """Heights follow the datagrams; with them alone all that is here would be one line."""
    entries: list[Entry] = [TaskStarted(10.0 + number / 1e6, number, "quick", None) for number in range(1, 11)]
    entries.append(Happened(DatagramSent(11.0, CLIENT, SERVER, b"late"), 1, None))
    entries.append(Happened(DatagramReceived(11.1, SERVER, CLIENT, b"late"), 2, None))
    async with shown(trace(entries), tmp_path) as browser:
        tops = await of_all(browser, ".bar.task .box", "e.getBoundingClientRect().top")
        assert len(tops) == 10
        assert all(later - top >= 7.9 for top, later in pairwise(tops))


async def test_servers_that_start_do_not_push_the_first_datagram_below_the_window(tmp_path: Path) -> None:
    """Regression: in the demo on real sockets there were 610 pixels of bare lifelines."""
    entries: list[Entry] = [
        TaskStarted(10.0 + number / 1e4, number, f"number {number}", None) for number in range(1, 13)
    ]
    entries.append(Happened(DatagramSent(10.0015, CLIENT, SERVER, b"first"), 1, None))
    entries.append(Happened(DatagramReceived(10.0016, SERVER, CLIENT, b"first"), 2, None))
    async with shown(trace(entries), tmp_path, 1500) as browser:
        [top] = await of_all(browser, ".pane .datagram .line", "e.getBoundingClientRect().top")
        assert top < 330


async def test_a_timeout_around_start_soon_and_a_cancelled_nursery_can_be_seen(tmp_path: Path) -> None:
    async def program() -> Trace:
        with record() as recording:
            async with trio.open_nursery() as nursery:
                with scope("timeout around start_soon", trio.move_on_after(1)):
                    nursery.start_soon(trio.sleep, 3, name="runs on")
                await trio.sleep(0.5)
                async with trio.open_nursery() as cancelled:
                    cancelled.start_soon(trio.sleep_forever, name="is cancelled")
                    await trio.sleep(0.5)
                    cancelled.cancel_scope.cancel()
        return recording.trace()

    page = await trio.to_thread.run_sync(partial(trio.run, program, clock=MockClock(autojump_threshold=0)))
    async with shown(page, tmp_path, 1500) as browser:
        bars = await texts(browser, ".bar > text")
        assert bars[1:] == ["nursery", "timeout around start_soon", "runs on", "nursery: cancelled", "is cancelled"]
        assert await count(browser, ".over .cancelled") == 1
        seen = "(b => b.left >= 0 && b.right <= innerWidth && b.top >= 0 && b.bottom <= innerHeight)"
        assert all(await of_all(browser, ".bar > text, .legend span", f"{seen}(e.getBoundingClientRect())"))
        assert "cancelled at this moment" in " ".join(await texts(browser, ".legend"))
        await picture(browser, "page-cancelled-nursery")


async def test_no_arrow_runs_over_the_words_beside_a_client(tmp_path: Path) -> None:
    """Regression: five of them cut "request 1, attempt 1: answered, deadline at 0.489563 s"."""
    many = await trio.to_thread.run_sync(run, 9, 1)
    async with shown(many, tmp_path) as browser:
        assert await browser.evaluate(f"({RUNS_OVER}).length") == 0
        await browser.evaluate("pictures[0].prepend(...pictures[0].querySelectorAll('.attempt, .request'))")
        assert await browser.evaluate(f"({RUNS_OVER}).length") > 5, "which is seen if it is so"


# Lines of datagrams that are drawn after words that stand beside, and through them.
RUNS_OVER = """[...document.querySelectorAll(".ladder .beside")].flatMap(words =>
    [...document.querySelectorAll(".ladder .datagram .line")].filter(line => {
        if (!(words.compareDocumentPosition(line) & Node.DOCUMENT_POSITION_FOLLOWING)) return false;
        const box = words.getBBox(), into = words.getScreenCTM().inverse().multiply(line.getScreenCTM());
        return [...Array(200).keys()].some(part => {
            const at = line.getPointAtLength(line.getTotalLength() * part / 199).matrixTransform(into);
            return at.x > box.x && at.x < box.x + box.width && at.y > box.y && at.y < box.y + box.height;
        });
    }))"""


# -- the legend --------------------------------------------------------------------------------------------------------


def test_the_legend_has_what_occurs_and_nothing_else() -> None:
    assert meanings(trace()) == [
        "a datagram, and how long it took",
        "what goes back: a reply",
        "lost",
        "an attempt: answered",
        "an attempt: timed out",
        "attempt 1 of request 2",
        "the time left until a deadline",
        "a loop: one request, and each time that it is sent again",
        "a task",
        "a nursery, which holds its tasks",
        "a marked cancel scope",
        "cancelled at this moment",
        "and here the cancellation was caught",
        "open below: still running at the end",
    ]
    assert meanings(trace([])) == []
    assert meanings(trace([entry for entry in runs.ENTRIES if not isinstance(entry, Happened)]))[0] == "a task"
    hostile = '"lost" class="mark" class="bar scope"'
    assert meanings(hostile_trace(hostile))[:2] == meanings(hostile_trace("x"))[:2]
    assert "arrived, and not believed" not in meanings(hostile_trace(hostile))


def test_the_legend_has_the_rarer_signs_where_they_occur() -> None:
    def happened(*events: Any) -> Trace:
        return trace([Happened(event, None, None) for event in events], ended=events[-1].time + 0.1)

    sent, came = DatagramSent(10.0, CLIENT, SERVER, b"hi"), DatagramReceived(10.1, SERVER, CLIENT, b"hi")
    waits = AttemptStarted(10.0, CLIENT, SERVER, 1, 1, 1.0, b"hi")
    handler = HandlerStarted(10.1, SERVER, CLIENT, b"hi"), HandlerFinished(10.2, SERVER, CLIENT, b"hi", "replied")
    for events, meaning in (
        ((sent, came, came), "a second copy"),
        ((came,), "an end that nobody has seen"),
        ((sent, came, ReplyIgnored(10.1, SERVER, CLIENT, b"hi", "late")), "arrived, and not believed"),
        ((sent, came, DatagramDropped(10.1, SERVER, CLIENT, b"hi", "queue full", False)), "dropped where it arrived"),
        ((sent, came, *handler), "a handler at work"),
        ((sent, came, handler[0], handler[1]._replace(outcome="ValueError")), "a handler that raised"),
        ((sent, came, handler[0], handler[1]._replace(outcome="cancelled")), "a handler that was cancelled"),
        ((waits, sent), "an attempt: not decided yet"),
        ((waits, sent, RequestFailed(10.2, CLIENT, SERVER, 1, 1, "Cancelled")), "an attempt: given up"),
        ((waits, sent, AttemptTimedOut(10.2, CLIENT, SERVER, 1, 1, "ECONNREFUSED")), "an attempt: refused"),
        ((waits, sent, AttemptTimedOut(10.2, CLIENT, SERVER, 1, 1, "EHOSTUNREACH")), "an attempt: refused"),
        ((sent, came, sent._replace(time=3610.0)), "a long silence, cut out"),
    ):
        assert meaning in meanings(happened(*events)), meaning
        assert meaning not in meanings(happened(sent, came)), meaning


def test_the_legend_explains_a_number_only_where_one_stands() -> None:
    """Regression: "2.1" was explained wherever an attempt was answered, also where all have their whole names."""
    number = "attempt 1 of request 2"
    assert number in meanings(trace())
    events: list[Any] = [AttemptStarted(10.0, CLIENT, SERVER, 1, 1, 1.0, b"hi")]
    for time in (10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 10.7):
        events += DatagramSent(time, CLIENT, SERVER, b"hi"), DatagramReceived(time + 0.1, SERVER, CLIENT, b"hi")
    events.append(ReplyAccepted(10.9, CLIENT, SERVER, 1, 1, 0.9, b"HI"))
    tall = trace([Happened(event, 1, None) for event in events], ended=11.0)
    assert "an attempt: answered" in meanings(tall)
    assert "request 1, attempt 1: answered" in html(tall)
    assert number not in meanings(tall)


def test_the_legend_has_no_solid_arrow_where_all_are_dotted() -> None:
    """Regression: "a datagram, and how long it took" on a page of a client whose peers were not recorded."""
    sent, came = DatagramSent(10.0, CLIENT, SERVER, b"hi"), DatagramReceived(10.1, SERVER, CLIENT, b"hi")
    back, here = DatagramSent(10.1, SERVER, CLIENT, b"HI"), DatagramReceived(10.2, CLIENT, SERVER, b"HI")
    lost = DatagramLost(10.1, SERVER, CLIENT, b"HI", "loss", 10.1)
    solid, reply = "a datagram, and how long it took", "what goes back: a reply"
    for events, there in (
        ((sent,), set()),
        ((here,), set()),
        ((sent, here), set()),
        ((sent, came, back, lost), {solid}),
        ((sent, came, back, here), {solid, reply}),
    ):
        page = trace([Happened(event, None, None) for event in events], ended=11.0)
        assert {solid, reply} & set(meanings(page)) == there, events


def meanings(trace: Trace) -> list[str]:
    [*_, legend] = ["", *re.findall(r'<div class="legend">(.*?)</div>', html(trace), re.DOTALL)]
    return [re.sub(r"<svg.*</svg> ", "", span) for span in re.findall(r"<span>(.*?)</span>", legend, re.DOTALL)]


async def test_signs_look_as_in_the_pictures(recorded: Trace, tmp_path: Path) -> None:
    look = "(s => [s.stroke, s.fill, s.strokeWidth, s.strokeDasharray])(getComputedStyle(e))"
    things = (
        *(".datagram:not(.lost, .answer) .line", ".answer .line", ".answer .head", ".lost .line", ".cross"),
        *(".attempt.timed-out .bracket", ".deadline", ".request .again", ".handler rect"),
        *(".bracket.rest", ".task > .box", ".nursery > .box", ".scope > .box"),
    )
    async with shown(recorded, tmp_path) as browser:
        for theme in ("light", "dark"):
            await browser.media(prefers_color_scheme=theme)
            for thing in things:
                signs = await of_all(browser, f".legend {thing}", look)
                assert len(signs) > 0, thing
                assert signs[0] == (await of_all(browser, f".pane {thing}", look))[0], thing


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (1000, 640), (390, 844), (800, 1200), (1400, 500)])
async def test_the_legend_can_be_read_also_while_something_is_held(width: int, height: int, tmp_path: Path) -> None:
    """Regression: of its eleven signs a phone had three, and none while something was told."""
    page = await demo(3, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(width, height)
        await browser.open(page)
        is_folded = width < 1000 or height < 640
        assert await browser.evaluate("legend.open") is not is_folded
        await browser.evaluate("pin(document.querySelector('.pane .datagram'))")
        sizes = await of_all(browser, ".pane", "[e.clientWidth, e.clientHeight]")
        if is_folded:
            await browser.click(*await middle(browser, "summary"))
        seen = "(b => b.width > 0 && b.left >= 0 && b.right <= innerWidth && b.top >= 0 && b.bottom <= innerHeight)"
        signs = await of_all(browser, ".legend span", f"(e.scrollIntoView(), {seen}(e.getBoundingClientRect()))")
        assert len(signs) > 10
        assert all(signs)
        told = await of_all(browser, "#told p", f"{seen}(e.getBoundingClientRect())")
        assert len(told) > 4
        assert all(told)
        assert await browser.evaluate("told.scrollHeight - told.clientHeight") == 0
        assert await of_all(browser, ".pane", "[e.clientWidth, e.clientHeight]") == sizes, "it lies upon them"
        await picture(browser, f"page-legend-{width}-{height}")
        await browser.key("Escape")
        assert await browser.evaluate("legend.open") is not is_folded
        assert await browser.complaints() == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (420, 900), (1280, 800)])
async def test_the_first_view_is_of_the_pictures(width: int, height: int, tmp_path: Path) -> None:
    """Regression: on a phone three tenths of it were buttons, hints, and an empty strip above the timeline."""
    page = await demo(3, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(width, height)
        await browser.open(page)
        heights = await of_all(browser, ".pane", "e.clientHeight")
        assert (sum(heights) if width < 800 else heights[0]) > 0.8 * height
        tops = await of_all(browser, ".pane", "e.getBoundingClientRect().top")
        boxes = await of_all(browser, "#tasks .task > .box", "e.getBoundingClientRect().top")
        assert min(boxes) - tops[1] < (30 if width < 800 else 80)
        await picture(browser, f"page-first-view-{width}-{height}")


async def test_in_a_small_window_what_is_held_has_room_and_stays_in_sight(tmp_path: Path) -> None:
    page = await demo(3, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(390, 844)
        await browser.open(page)
        bottom = "document.getElementById('tasks').getBoundingClientRect().bottom"
        before = await browser.evaluate(bottom)
        await browser.evaluate(
            "pin([...document.querySelectorAll('#tasks .attempt')].findLast(e => e.getBoundingClientRect().top <"
            f" {before} - 20))"
        )
        await browser.settle()
        assert await browser.evaluate("told.scrollHeight - told.clientHeight") == 0
        assert await browser.evaluate(bottom) < before
        [top] = await of_all(browser, "#tasks .picked", "e.getBoundingClientRect().top")
        assert top < await browser.evaluate(bottom)
        await browser.key("Escape")
        assert await browser.evaluate(bottom) == before
        assert await browser.complaints() == []


async def test_below_each_other_both_pictures_show_the_same_moment(recorded: Trace, tmp_path: Path) -> None:
    """The timeline has no names above it, and below the ladder no room for them."""
    async with shown(recorded, tmp_path, 390, 844) as browser:
        at = "(e.querySelector('svg').getBoundingClientRect().top - e.getBoundingClientRect().top)"
        for width, apart in ((390, HEAD), (1400, 0), (390, HEAD)):
            await browser.resize(width, 844)
            await browser.settle()
            await browser.evaluate("panes[0].scrollTop = 300")
            await browser.settle()
            tops = await of_all(browser, ".pane", at)
            assert tops[0] - tops[1] == pytest.approx(apart, abs=1), "but for a border"


async def test_names_that_stay_in_sight_keep_out_of_silences(tmp_path: Path) -> None:
    page = await demo(3, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(1280, 800)
        await browser.open(page)
        box = "(b => [b.top, b.bottom])(e.getBoundingClientRect())"
        moved = set()
        for top in range(0, 1600, 100):
            await browser.evaluate(f"panes[0].scrollTop = {top}")
            await browser.settle()
            edges = [middle for middle, _ in await of_all(browser, "#tasks .edge", box)]
            names = [tuple(each) for each in await of_all(browser, "#tasks .bar > text[transform]", box)]
            assert len(edges) > 1
            assert not [(name, edge) for name in names for edge in edges if name[0] < edge + 3 < name[1]], top
            moved.add(names[0][0])
        assert len(moved) > 5


# -- pointing ----------------------------------------------------------------------------------------------------------


async def test_hovering_a_datagram_tells_of_it_and_lights_up_its_task(recorded: Trace, tmp_path: Path) -> None:
    index, entry = of_type(recorded, DatagramSent)[0]
    async with shown(recorded, tmp_path) as browser:
        assert await count(browser, ".lit") == 0
        await browser.mouse("mouseMoved", *await middle(browser, f".datagram[data-entry='{index}'] .hit"))
        assert await of_all(browser, ".picked", "e.dataset.entry") == [str(index)]
        lit = await of_all(browser, ".bar.task.lit", "e.dataset.task")
        assert lit == [str(entry.task)]
        assert await count(browser, ".lit") == await count(browser, f"[data-task='{entry.task}']") > 5
        told = await texts(browser, "#told p")
        assert told[0] == "client 1 to server, 19 bytes"
        assert "hello 1 of client 1" in told
        assert any(re.fullmatch(r"sent at 0\.0\d+ s", line) for line in told), told
        assert any(re.fullmatch(r".*runs\.py:\d+", line) for line in told), told
        await picture(browser, "page-hover")
        await browser.mouse("mouseMoved", 800, 5)
        assert await count(browser, ".lit") == 0
        assert "Point at" in (await texts(browser, "#told"))[0]


async def test_every_datagram_of_the_demo_lights_up_something_beside_it(tmp_path: Path) -> None:
    """Regression: those that the relay and the server sent did not, as the library's own tasks are out of sight."""
    page = await demo(3, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(1500, 1000)
        await browser.open(page)
        for client, boxes in (
            ("", {"client 1", "client 2", "client 3", "relay", "server"}),
            ("client 2", {"client 2"}),
        ):
            await choose(browser, client)
            lit = await of_all(browser, "#ladder .datagram", LIT_BY)
            assert len(lit) > 10
            assert all(lit), "each one"
            assert boxes <= {name for names in lit for name in names}
        await choose(browser, "")
        await browser.mouse("mouseMoved", *await middle(browser, "#tasks [data-hidden] > text"))
        assert await count(browser, "#ladder .datagram.lit") > 5, "and the other way round"
        assert await browser.complaints() == []


# What lights up in the timeline when the pointer comes to a datagram, by its name.
LIT_BY = """(e.dispatchEvent(new PointerEvent("pointerover", { bubbles: true })),
    [...document.querySelectorAll("#tasks .bar.lit")]
        .map(box => about.get(box).split("\\n")[0].replace("task ", "")))"""


async def test_hovering_a_task_lights_up_its_datagrams(recorded: Trace, tmp_path: Path) -> None:
    _, entry = of_type(recorded, DatagramSent)[0]
    async with shown(recorded, tmp_path) as browser:
        x, y = await middle(browser, f".bar.task[data-task='{entry.task}'] > text")
        await browser.mouse("mouseMoved", x, y)
        assert (await texts(browser, "#told p"))[0] == "task client 1"
        own = [index for index, sent in of_type(recorded, DatagramSent) if sent.task == entry.task]
        assert await of_all(browser, ".datagram.lit", "Number(e.dataset.entry)") == own
        loops = await of_all(browser, ".pane .request", "[e.dataset.client, getComputedStyle(e).opacity === '1']")
        assert {tuple(loop) for loop in loops} == {("client 1", True), ("client 2", False)}, "the third asks once each"
        assert await of_all(browser, ".pane .datagram:not(.lit)", "getComputedStyle(e).opacity < 0.5") != []


IN_SIGHT = (
    "(p => [...document.querySelectorAll('#ladder .datagram.lit')].filter(e => (b =>"
    f" b.right > p.left + {TIMES} && b.left < p.right && b.bottom > p.top + {HEAD} && b.top < p.bottom"
    ")(e.getBoundingClientRect())).length)(document.getElementById('ladder').getBoundingClientRect())"
)


async def test_what_is_held_brings_one_of_its_datagrams_into_sight(tmp_path: Path) -> None:
    """Regression: one pointed at a box, and all that lit up was elsewhere. What one points at stays where it is."""
    page = await demo(20, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(1400, 900)
        await browser.open(page)
        # One that sends early and late, and in between is a long box with nothing beside it.
        down = "panes[1].scrollTo(0, pictures[1].viewBox.baseVal.height - 1200)"
        await browser.evaluate(down)
        await browser.settle()
        tops = await of_all(browser, ".pane", "e.scrollTop")
        assert tops[0] == tops[1] > 2000
        at = "(b => [b.left + 5, b.height])(e.querySelector('.box').getBoundingClientRect())"
        boxes = await of_all(browser, "#tasks .bar.task", at)
        beside = []
        for x, height in boxes:
            await browser.mouse("mouseMoved", x, 700)
            if height > 700 and x < 1400 and await browser.evaluate("picked?.matches('#tasks [data-task]')"):
                assert await of_all(browser, ".pane", "e.scrollTop") == tops, "they stay"
                if await count(browser, "#ladder .datagram.lit"):
                    await browser.click(x, 700)
                    await browser.settle()
                    assert await browser.evaluate(IN_SIGHT) > 0, x
                    ladder, tasks = await of_all(browser, ".pane", "e.scrollTop")
                    assert ladder == tasks, "both show the same moment"
                    beside.append(ladder)
                    await browser.key("Escape")
                    await browser.evaluate(down)
                    await browser.settle()
        assert len(beside) > 3
        assert any(top != tops[0] for top in beside), "they had to move"
        assert any(top == tops[0] for top in beside), "and not where they had not"
        assert await browser.complaints() == []


async def test_both_panes_show_the_same_moment_wherever_one_jumps(tmp_path: Path) -> None:
    """Regression: the ladder went alone to a datagram of the task, and stayed there."""
    entries: list[Entry] = [TaskStarted(10.0, 1, "asks late", None), TaskStarted(10.0, 2, "asks often", None)]
    entries += [ScopeEntered(10.1, 1, "begins early", 1, math.inf), ScopeExited(10.4, 1, math.inf, False)]
    for n in range(100):
        entries.append(Happened(DatagramSent(10.5 + n, CLIENT, SERVER, b"%d" % n), 1 if n == 99 else 2, None))
        entries.append(Happened(DatagramReceived(10.6 + n, SERVER, CLIENT, b"%d" % n), None, None))
    async with shown(trace(entries, ended=120.0), tmp_path, 1400, 900) as browser:
        late, often, early = [
            await middle_of_name(browser, name) for name in ("asks late", "asks often", "begins early")
        ]

        async def top_of_both() -> float:
            await browser.settle()
            ladder, tasks = await of_all(browser, ".pane", "e.scrollTop")
            assert ladder == tasks
            return float(ladder)

        for place in (late, often, early):
            await browser.mouse("mouseMoved", *place)
            assert await top_of_both() == 0, "pointing moves nothing up or down"
        await browser.click(*late)
        below = await top_of_both()
        assert below > 2000
        assert await browser.evaluate(IN_SIGHT) == 1
        assert await count(browser, "#tasks .picked") == 1
        await browser.key("Escape")
        await browser.mouse("mouseMoved", 800, 5)
        assert await top_of_both() == below
        await browser.evaluate("panes[0].scrollTo(0, 0)")
        await top_of_both()
        await browser.click(*early)  # it and its datagram are too far from each other
        assert 0 < await top_of_both() < below
        seen = "(p => (b => b.bottom > p.top && b.top < p.bottom)(e.querySelector('.box').getBoundingClientRect()))"
        of_pane = "(document.getElementById('tasks').getBoundingClientRect())"
        assert await of_all(browser, "#tasks .picked", seen + of_pane) == [True]


async def middle_of_name(browser: Browser, name: str) -> tuple[float, float]:
    names = await texts(browser, "#tasks .bar > text")
    boxes = await of_all(
        browser, "#tasks .bar > text", "(b => [b.x + b.width / 2, b.y + b.height / 2])(e.getBoundingClientRect())"
    )
    x, y = boxes[names.index(name)]
    return x, y


async def test_a_click_holds_it_and_escape_lets_go(recorded: Trace, tmp_path: Path) -> None:
    (index, _), (other, _) = of_type(recorded, DatagramSent)[:2]
    async with shown(recorded, tmp_path) as browser:
        await browser.click(*await middle(browser, f".datagram[data-entry='{index}'] .hit"))
        await browser.mouse("mouseMoved", *await middle(browser, f".datagram[data-entry='{other}'] .hit"))
        await browser.mouse("mouseMoved", 800, 5)
        assert await of_all(browser, ".picked", "e.dataset.entry") == [str(index)]
        assert await count(browser, "#told .pinned") == 1
        entries = sorted(map(int, await of_all(browser, "#ladder [data-entry]", "e.dataset.entry")))
        following = str(entries[entries.index(index) + 1])
        await browser.key("ArrowDown")  # from where the click was
        assert await of_all(browser, ".picked", "e.dataset.entry") == [following]
        stops = "#ladder [data-entry][tabindex='0']"  # one thing of each pane, always
        assert await of_all(browser, stops, "e.dataset.entry") == [following]
        await browser.key("Escape")
        assert await count(browser, ".picked") == 0


RING = "getComputedStyle(e).outlineStyle"


@pytest.mark.parametrize("selector", [".datagram .hit", "#tasks .bar.task > text", ".attempt .hit"])
async def test_a_ring_is_for_the_keyboard_while_it_is_there(selector: str, recorded: Trace, tmp_path: Path) -> None:
    """Regression: a click framed what was clicked at with the browser's own ring, and after Escape with ours."""
    async with shown(recorded, tmp_path) as browser:
        x, y = await middle(browser, selector)
        await browser.click(x, y)
        assert await count(browser, ":focus") == await count(browser, ".picked:focus") == 1
        assert await of_all(browser, ".picked", RING) == ["none"]
        await browser.key("Escape")
        assert await of_all(browser, ":focus", RING) == []
        await browser.click(x, y)
        await browser.key("ArrowDown")
        assert await of_all(browser, ".picked", RING) == ["solid"]
        await browser.key("Escape")
        assert await of_all(browser, ":focus", RING) == []
        await browser.click(x, y)
        await browser.click(x, y)
        assert await browser.evaluate("pinned") is None
        assert await of_all(browser, ":focus", RING) == []


async def test_what_lets_go_is_said_as_it_is_done(recorded: Trace, tmp_path: Path) -> None:
    """Regression: a phone has no Escape."""
    index, _ = of_type(recorded, DatagramSent)[0]
    said = "getComputedStyle(document.querySelector('#told .pinned'), '::after').content"
    async with shown(recorded, tmp_path) as browser:
        x, y = await middle(browser, f".datagram[data-entry='{index}'] .hit")
        await browser.tap(x, y)
        assert await browser.evaluate(said) == '" (held: a second tap lets go)"'
        await browser.tap(x, y)
        assert await count(browser, "#told .pinned") == 0
        await browser.click(x, y)
        assert await browser.evaluate(said) == '" (held: Escape lets go)"'
        await browser.tap(x, y)
        await browser.tap(x, y)
        await browser.key("ArrowDown")
        assert await browser.evaluate(said) == '" (held: Escape lets go)"', "there are keys"


async def test_it_is_printed_as_a_whole(recorded: Trace, tmp_path: Path) -> None:
    """Regression: on paper there was what the window showed, and no more."""
    async with shown(recorded, tmp_path) as browser:
        await browser.evaluate("panes[0].scrollTo(40, 400)")
        await browser.command("Emulation.setEmulatedMedia", media="print")
        await browser.resize(700, 1000)
        ladder, tasks = await of_all(browser, ".pane", "[e.clientHeight, e.querySelector('svg').clientHeight]")
        assert ladder[0] >= ladder[1] > 700
        assert tasks[0] >= tasks[1] > 700
        assert await browser.evaluate("document.documentElement.scrollWidth") == 700
        assert await browser.evaluate("document.body.clientHeight") > ladder[1] + tasks[1]
        tops = await of_all(
            browser, ".heads", "e.getBoundingClientRect().top - e.closest('svg').getBoundingClientRect().top"
        )
        assert tops == [0], "names are above the lifelines"


async def test_everything_can_be_reached_with_the_keyboard(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path) as browser:
        reached = []
        for _ in range(11):
            await browser.key("Tab", code="Tab", windowsVirtualKeyCode=9)
            reached.append(await browser.evaluate("document.activeElement.id || document.activeElement.dataset.entry"))
        assert reached[:7] == ["library", "client", "smaller", "larger", "fit", "theme", "ladder"]
        assert "tasks" in reached
        await browser.evaluate("document.querySelector('#ladder [tabindex=\"0\"]').focus()")
        before = await browser.evaluate("document.activeElement.dataset.entry")
        await browser.key("ArrowDown")
        after = await browser.evaluate("document.activeElement.dataset.entry")
        assert after != before
        assert await of_all(browser, ".picked", "e.dataset.entry") == [after]
        label = await browser.evaluate("document.activeElement.getAttribute('aria-label')")
        assert (await texts(browser, "#told p"))[0] in label
        assert await count(browser, "[data-entry]:not([aria-label])") == 0


async def test_keys_go_through_the_ladder_as_time_does(recorded: Trace, tmp_path: Path) -> None:
    """Regression: Tab came to the first handler, which is drawn first, and the arrows went on to the next one."""
    async with shown(recorded, tmp_path) as browser:
        entries = sorted(map(int, await of_all(browser, "#ladder [data-entry]", "e.dataset.entry")))
        await browser.evaluate("document.getElementById('ladder').focus()")
        await browser.key("Tab", code="Tab", windowsVirtualKeyCode=9)
        reached = []
        for _ in entries:
            reached.append(await browser.evaluate("Number(document.activeElement.dataset.entry)"))
            ladder, tasks = await of_all(browser, ".pane", "e.scrollTop")
            assert ladder == tasks
            await browser.key("ArrowDown")
        assert reached == entries
        kinds = await of_all(browser, "#ladder [data-entry]", "e.getAttribute('class').split(' ')[0]")
        assert {"attempt", "datagram", "handler"} <= set(kinds)


async def test_what_python_lays_out_the_script_is_told(recorded: Trace, tmp_path: Path) -> None:
    """Names and times in front have the sizes of those in the pictures, which are said once."""
    async with shown(recorded, tmp_path) as browser:
        assert await browser.evaluate("[HEAD, TIMES]") == [HEAD, TIMES]
        assert await of_all(browser, ".heads > .paper", "e.getBBox().height") == [HEAD]
        assert await of_all(browser, ".times > .paper", "e.getBBox().width") == [TIMES, TIMES]
    for name in SCRIPTS:
        assert not re.search(
            rf"\b({HEAD:.0f}|{TIMES:.0f})\b", Path(_page.__file__).with_name("page").joinpath(name).read_text()
        )


# -- what is shown, and how large --------------------------------------------------------------------------------------


OTHER = ("10.0.0.3", 5000)


async def choose(browser: Browser, client: str) -> None:
    await browser.evaluate(
        f"(() => {{ const s = document.getElementById('client'); s.value = {client!r};"
        " s.dispatchEvent(new Event('change')) })()"
    )


async def test_one_client_can_be_shown_alone(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path) as browser:
        assert await texts(browser, "#client option") == ["all clients", "client 1", "client 2", "client 3"]
        total = await count(browser, ".pane .datagram")
        mine = await of_all(browser, ".datagram[data-client='client 2']", "e.dataset.entry")
        heights = await of_all(browser, ".pane > svg", "e.getBoundingClientRect().height")
        await browser.click(*await middle(browser, "#library"))
        assert await of_all(browser, "#library", "[e.disabled, e.ariaPressed]") == [[False, "true"]]
        await choose(browser, "client 2")
        assert await of_all(browser, "#library", "e.ariaPressed") == ["false"], "regression: they are not shown"
        await choose(browser, "")
        assert await of_all(browser, "#library", "[e.disabled, e.ariaPressed]") == [[False, "true"]]
        await browser.click(*await middle(browser, "#library"))
        assert await of_all(browser, "#library", "[e.disabled, e.ariaPressed]") == [[False, "false"]]
        await choose(browser, "client 2")
        assert await of_all(browser, "#library", "[e.disabled, e.title]") == [[True, "only with all clients"]]
        assert await of_all(browser, ".pane .datagram", "e.dataset.entry") == mine
        assert await texts(browser, ".heads .name") == ["client 2", "server"]
        assert await texts(browser, ".bar.task > text") == ["tests.tracing.runs.lossy", "client 2"]
        now = await of_all(browser, ".pane > svg", "e.getBoundingClientRect().height")
        assert all(height < before * 0.7 for height, before in zip(now, heights, strict=True))
        await browser.mouse("mouseMoved", *await middle(browser, f".datagram[data-entry='{mine[0]}'] .hit"))
        assert (await texts(browser, "#told p"))[0] == "client 2 to server, 19 bytes"
        assert await of_all(browser, ".bar.task.lit > text", "e.textContent") == ["client 2"]
        await choose(browser, "client 3")
        await choose(browser, "client 2")  # again, with its names where they were
        assert await texts(browser, ".heads .name") == ["client 2", "server"]
        await choose(browser, "")
        assert await count(browser, ".pane .datagram") == total
        assert await of_all(browser, ".pane > svg", "e.getBoundingClientRect().height") == heights


async def demo(clients: int, folder: Path) -> Path:
    """The page of the demo in virtual time, with a relay between clients and server."""
    page = folder / "demo.html"
    words = ["demo", "--virtual", "--clients", str(clients), "--trace", str(page)]
    await trio.run_process([sys.executable, "-m", "trio_udp", *words], capture_stdout=True, capture_stderr=True)
    return page


@pytest.fixture
def odd_names() -> Trace:
    names = cycle(
        [
            "A" * 300,
            "W" * 24,
            "m" * 24,
            "a" * 24,
            "]]>>-->>",
            "Щ" * 24,
            "日本語のクライアント",
            "a-host-of-the-customer-in-the-third-building.example",
        ]
    )
    some = run(clients=12, requests=1)
    return replace(some, names={address: f"{number} {next(names)}" for number, address in enumerate(some.names)})


@pytest.mark.parametrize("size", [(1400, 900), (390, 844)])
async def test_long_and_wide_names_have_room(odd_names: Trace, size: tuple[int, int], tmp_path: Path) -> None:
    """Regression: the list of clients was as wide as the longest name, and the page with it; wide names touched."""
    async with shown(odd_names, tmp_path, *size) as browser:
        assert await browser.evaluate("document.documentElement.scrollWidth") == size[0]
        box = "(b => [b.left, b.right, b.top])(e.getBoundingClientRect())"
        boxes = await of_all(browser, ".heads .name", box)
        for row in {top for _, _, top in boxes}:
            in_row = sorted((left, right) for left, right, top in boxes if top == row)
            assert all(right < left for (_, right), (left, _) in pairwise(in_row))


async def test_one_of_twenty_is_in_sight_at_once(tmp_path: Path) -> None:
    """Regression: the others' lifelines and 26,839 pixels of their silence stayed; the window was empty."""
    page = await demo(20, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(1500, 1000)
        await browser.open(page)
        await choose(browser, "client 7")
        assert await texts(browser, ".heads .name") == ["client 7", "relay", "server"]
        seen = "(b => b.left >= 0 && b.right <= innerWidth && b.top >= 0 && b.bottom <= innerHeight)"
        in_sight = await of_all(browser, ".datagram .label", f"{seen}(e.getBoundingClientRect())")
        assert sum(in_sight) > 8
        behind = await texts(browser, ".datagram .label")
        assert all(text.startswith("client 7 request") for text in behind), "also what the relay sends on"
        assert await count(browser, ".ladder .handler") > 3
        assert await browser.evaluate("document.querySelector('.ladder').getBoundingClientRect().height") < 4000
        await picture(browser, "page-20-clients-one-alone")
        assert await browser.complaints() == []


async def test_twenty_clients_begin_with_who_asks_whom_and_what(tmp_path: Path) -> None:
    """Regression: no server, no relay and no label was in sight, and the timeline began with forty tasks of ours."""
    page = await demo(20, tmp_path)
    async with open_browser(tmp_path / "profile") as browser:
        await browser.resize(1500, 1000)
        await browser.open(page)
        pane = "(b => b.right < document.getElementById('%s').getBoundingClientRect().right && b.bottom < innerHeight)"
        in_ladder, in_tasks = (f"{pane % name}(e.getBoundingClientRect())" for name in ("ladder", "tasks"))
        names = zip(await texts(browser, ".heads .name"), await of_all(browser, ".heads .name", in_ladder), strict=True)
        assert [name for name, is_seen in names if is_seen][:6] == [
            "server",
            "relay",
            *map("client {}".format, (1, 2, 3, 4)),
        ]
        assert sum(await of_all(browser, ".datagram .label", in_ladder)) > 20
        bars = await texts(browser, ".bar.task > text")
        assert not any("trio_udp relay" in bar or "Shelter" in bar or "delivers" in bar for bar in bars)
        seen = zip(bars, await of_all(browser, ".bar.task > text", in_tasks), strict=True)
        assert {"server", "relay", "client 1", "client 2", "client 3"} <= {bar for bar, is_seen in seen if is_seen}
        await browser.click(*await middle(browser, "#fit"))
        await browser.click(*await middle(browser, "#library"))
        lefts = dict(
            zip(
                await texts(browser, ".bar.task > text"),
                await of_all(browser, ".bar.task > text", "e.getBoundingClientRect().left"),
                strict=True,
            )
        )
        assert lefts["the virtual network delivers datagrams"] > lefts["client 20"]
        await picture(browser, "page-20-clients-library")
        assert await browser.complaints() == []


async def widths(browser: Browser) -> list[float]:
    found: list[float] = await of_all(browser, ".pane > svg", "e.getBoundingClientRect().width")
    return found


async def test_it_zooms_by_buttons_by_keys_and_by_the_wheel(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path) as browser:
        before = await widths(browser)
        await browser.click(*await middle(browser, "#larger"))
        assert await widths(browser) == pytest.approx([1.25 * width for width in before])
        assert await texts(browser, "#zoom") == ["125 %"]
        await browser.key("-")
        assert await widths(browser) == pytest.approx(before)
        x, y = await middle(browser, "#ladder")
        await browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-100, modifiers=2)  # with Ctrl
        assert all(now > 1.2 * width for now, width in zip(await widths(browser), before, strict=True))
        await browser.key("0")
        assert await widths(browser) == pytest.approx(before)
        await browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=100)  # without, it scrolls: both
        await browser.settle()
        assert await widths(browser) == pytest.approx(before)
        tops = await of_all(browser, ".pane", "e.scrollTop")
        assert tops[0] == tops[1] > 0


WORDS = ".pane text", "e.getBBox().width ? parseFloat(getComputedStyle(e).fontSize) * zoom : Infinity"


async def test_it_can_be_made_to_fit(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path, 950) as browser:
        overflow = "e.scrollWidth - e.clientWidth"
        assert max(await of_all(browser, ".pane", overflow)) > 20
        await browser.click(*await middle(browser, "#fit"))
        assert await of_all(browser, ".pane", overflow) == [0, 0]
        assert min(await of_all(browser, *WORDS)) >= 8


async def test_what_the_timeline_does_not_need_the_ladder_has(tmp_path: Path) -> None:
    """Regression: a narrow timeline had a third of the window, most of it empty, and the ladder's last line was cut."""
    hosts = [(f"10.0.0.{number}", 7) for number in range(1, 5)]
    entries: list[Entry] = [Happened(DatagramSent(10.0, *way, b"hi"), None, None) for way in pairwise(hosts)]
    async with shown(trace(entries), tmp_path, 1400) as browser:
        ladder, tasks = await of_all(browser, ".pane > svg", "e.getBoundingClientRect().width")
        assert ladder > 2 * tasks
        for width, cut in ((1400, [0, 0]), (ladder + tasks + 1, [0, 0]), (ladder + tasks - 19, [20, 0])):
            await browser.resize(round(width), 1000)
            await browser.settle()
            assert await of_all(browser, ".pane", "e.scrollWidth - e.clientWidth") == cut
            if not any(cut):
                assert (await of_all(browser, ".pane", "e.clientWidth"))[0] == ladder
        await browser.resize(850, 1000)
        await browser.settle()
        assert (await of_all(browser, ".pane", "e.clientWidth"))[0] == pytest.approx(0.66 * 850, abs=1)


async def test_where_not_all_of_it_fits_the_button_says_so(tmp_path: Path) -> None:
    """Regression: it stopped at 89 % and said "fit"."""
    many = await trio.to_thread.run_sync(run, 20, 1)
    async with shown(many, tmp_path, 1400) as browser:
        assert await texts(browser, "#fit") == ["smallest"]
        await choose(browser, "client 2")
        assert await texts(browser, "#fit") == ["fit"]
        await choose(browser, "")
        assert await texts(browser, "#fit") == ["smallest"]
        await browser.resize(4000, 1000)
        await browser.settle()
        assert await texts(browser, "#fit") == ["fit"]


@pytest.mark.parametrize(("clients", "width"), [(3, 390), (20, 1400)])
async def test_what_is_made_to_fit_can_still_be_read(clients: int, width: int, tmp_path: Path) -> None:
    """Regression: on a phone the words were 5 pixels high."""
    many = await trio.to_thread.run_sync(run, clients, 2)
    async with shown(many, tmp_path, width, 844) as browser:
        before = await widths(browser)
        await browser.click(*await middle(browser, "#fit"))
        assert min(await of_all(browser, *WORDS)) == pytest.approx(8)
        assert all(now < width for now, width in zip(await widths(browser), before, strict=True))
        await picture(browser, f"page-{clients}-clients-{width}-fit")


async def test_zooming_keeps_what_is_under_the_pointer(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path) as browser:
        await browser.evaluate("document.getElementById('ladder').scrollTop = 400")
        await browser.settle()
        x, y = await middle(browser, "#ladder")
        at = f"(({y}) - document.querySelector('.ladder').getBoundingClientRect().top) / zoom"
        before = await browser.evaluate(at)
        await browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-100, modifiers=2)
        assert await browser.evaluate(at) == pytest.approx(before, abs=2)


async def test_dragging_moves_it_and_is_no_click(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path) as browser:
        x, _ = await middle(browser, ".bar.task > text")  # that of the main task, which is as tall as the picture
        _, y = await middle(browser, "#tasks")
        await browser.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        for down in (50, 100):
            await browser.mouse("mouseMoved", x, y - down, button="left", buttons=1)
        await browser.mouse("mouseReleased", x, y - 100, button="left", clickCount=1)
        await browser.settle()
        assert await of_all(browser, ".pane", "e.scrollTop") == [100, 100]
        assert await browser.evaluate("pinned") is None
        assert await count(browser, ".held") == 0
        await browser.click(x, y)
        assert await browser.evaluate("pinned !== null")


async def test_the_first_label_has_its_accents(tmp_path: Path) -> None:
    """Regression: what is upon the names covered the dots of "grüße", which was "gruße"."""
    sent = DatagramSent(10.0, CLIENT, SERVER, "Ünder Änderung".encode())
    async with shown(trace([Happened(sent, 1, None)]), tmp_path) as browser:
        [words] = await of_all(browser, "#ladder .label", "e.getBoundingClientRect().top")
        [head] = await of_all(browser, ".heads > .paper", "e.getBoundingClientRect().bottom")
        assert head <= words + 1  # above them the box of a letter is empty


async def test_names_stay_in_sight(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path) as browser:
        await browser.evaluate("document.getElementById('ladder').scrollTop = 500")
        await browser.settle()
        top = await browser.evaluate("document.getElementById('ladder').getBoundingClientRect().top")
        names = await of_all(browser, ".ladder > g:last-of-type > .name", "e.getBoundingClientRect().top")
        assert len(names) == 4
        assert all(top < name < top + 40 for name in names)
        lowest = await of_all(browser, ".bar.task > text", "e.getBoundingClientRect().top")
        assert max(lowest) >= top


async def test_times_stay_in_sight(tmp_path: Path) -> None:
    """Regression: with twenty clients one scrolls to the side, and nothing said any more when that was."""
    many = await trio.to_thread.run_sync(run, 20, 1)
    inside = "(b => [b.left >= p.left && b.right < p.left + 77, b.top])(e.getBoundingClientRect())"
    at = f"(p => {inside})(e.closest('.pane').getBoundingClientRect())"
    async with shown(many, tmp_path, 1400, 900) as browser:
        before = [await of_all(browser, f"#{pane} .time", at) for pane in ("ladder", "tasks")]
        await browser.evaluate("panes.forEach(pane => pane.scrollTo(300, 0))")
        await browser.settle()
        now = [await of_all(browser, f"#{pane} .time", at) for pane in ("ladder", "tasks")]
        assert await of_all(browser, ".pane", "e.scrollLeft") == [300, 300]
        assert all(len(times) > 20 and all(is_inside for is_inside, _ in times) for times in now)
        assert now == before, "each is as far down as it was"
        covered = "document.elementFromPoint(p.left + 40, p.top + 200).closest('.times') !== null"
        assert await of_all(browser, ".pane", f"(p => {covered})(e.getBoundingClientRect())") == [True, True]
        await choose(browser, "client 2")
        await choose(browser, "")
        assert await of_all(browser, ".pane .times", "e.querySelectorAll('.time').length > 20") == [True, True]


async def test_it_is_light_or_dark_as_the_system_is_or_as_its_button_says(recorded: Trace, tmp_path: Path) -> None:
    async with shown(recorded, tmp_path) as browser:

        async def colours() -> list[str]:
            of_pictures = await of_all(browser, "svg .paper", "getComputedStyle(e).fill")
            body: str = await browser.evaluate("getComputedStyle(document.body).backgroundColor")
            return [*set(of_pictures), body]

        await browser.media(prefers_color_scheme="light")
        light = await colours()
        await browser.media(prefers_color_scheme="dark")
        dark = await colours()
        assert len(light) == len(dark) == 2
        assert light[0] == light[1] != dark[0] == dark[1]
        assert await of_all(browser, "#theme", "e.getAttribute('aria-pressed')") == ["true"]
        await browser.click(*await middle(browser, "#theme"))
        assert await colours() == light
        assert await of_all(browser, "#theme", "e.getAttribute('aria-pressed')") == ["false"]


# -- what others have written ------------------------------------------------------------------------------------------

HOSTILE = [
    "<script>window.hit = 1</script>",
    "</script><script>window.hit = 1</script>",
    "<!--<script>",
    "]]><img src=x onerror=hit=1>",
    '"><svg onload=hit=1>',
    "</title></style></svg><img src=x onerror=hit=1>",
    "${alert(1)} $css \\u003cscript\\u003e",
    "\u202e\x00\x1b[2J",
]


def hostile_trace(text: str) -> Trace:
    """Everything that somebody else can write is this."""
    payload = text.encode()
    entries: list[Entry] = [
        TaskStarted(10.0, 1, text, None),
        Happened(DatagramSent(10.0, CLIENT, SERVER, payload), 1, text),
        Happened(DatagramReceived(10.1, SERVER, CLIENT, payload), 1, text),
        Happened(DatagramSent(10.2, SERVER, CLIENT, payload), 1, text),
        Happened(DatagramLost(10.3, SERVER, CLIENT, payload, text, 10.2), None, None),
    ]
    entries.append(Happened(DatagramSent(10.3, OTHER, SERVER, payload), 1, text))
    names = {"10.0.0.2": text, "10.0.0.3": f"other {text}", "10.0.0.1": f"server {text}"}
    return Trace(tuple(entries), 10.0, 11.0, names)


async def test_names_and_payloads_do_nothing(tmp_path: Path) -> None:
    async with shown(trace([]), tmp_path) as browser:
        for text in HOSTILE:
            page = tmp_path / "run.html"
            await trio.Path(page).write_text(html(hostile_trace(text)), encoding="utf-8")
            await browser.open(page)
            assert await browser.evaluate("things.length") == 4, text
            found = [await count(browser, what) for what in ("script", "img", ".pane svg", ".pane .datagram")]
            assert found == [1, 0, 2, 3], text
            await browser.mouse("mouseMoved", *await middle(browser, ".pane .datagram .hit"))
            assert len(await texts(browser, "#told p")) >= 4
            await choose(browser, (await of_all(browser, ".pane .datagram", "e.dataset.client"))[0])
            assert await count(browser, ".pane .datagram") == 2
            assert await browser.evaluate("window.hit === undefined"), text
            assert await browser.complaints() == []


async def test_the_policy_lets_no_other_script_run(recorded: Trace, tmp_path: Path) -> None:
    """Should something ever not be escaped. What is refused is said on the console, so it is not `shown` here."""
    page = tmp_path / "run.html"
    extra = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'></body>"
    await trio.Path(page).write_text(html(recorded).replace("</body>", extra), encoding="utf-8")
    async with open_browser(tmp_path / "profile") as browser:
        await browser.open(page)
        assert await browser.evaluate("window.hit === undefined")
        complaints = [event["params"].get("entry", {}).get("text", "") for event in await browser.complaints()]
        assert len([text for text in complaints if "Content Security Policy" in text]) >= 2


async def test_an_empty_trace_is_a_page_too(tmp_path: Path) -> None:
    async with shown(trace([]), tmp_path) as browser:
        assert await count(browser, "[data-entry]") == 0
        assert await texts(browser, ".caption") == ["No datagram was recorded.", "No task was recorded."]


async def test_without_a_datagram_the_timeline_has_the_page(tmp_path: Path) -> None:
    """Regression: two fifths of it were an empty ladder."""
    entries: list[Entry] = [entry for entry in runs.ENTRIES if not isinstance(entry, Happened)]
    for width in (1400, 390):
        async with shown(trace(entries), tmp_path, width=width) as browser:
            assert await of_all(browser, ".pane", "e.clientWidth") == [0, width]
            assert "No datagram was recorded" in (await texts(browser, "header p"))[0]
            await browser.click(*await middle(browser, "#larger"))
            await browser.mouse("mouseMoved", *await middle(browser, ".bar.scope > text"))
            assert (await texts(browser, "#told p"))[0] == "scope lunch"
            await browser.click(*await middle(browser, "#fit"))
            assert await browser.evaluate("panes[1].scrollWidth - panes[1].clientWidth") == 0
            await picture(browser, f"page-without-datagrams-{width}")


def test_on_a_page_that_was_cut_attempts_look_the_same_on_both_sides() -> None:
    """Regression: what ends after that was answered in the timeline, whatever became of it."""
    begin = AttemptStarted(10.0, CLIENT, SERVER, 1, 1, 9.0, b"1")
    entries: list[Entry] = [Happened(begin, 1, None)]
    entries += [Happened(DatagramSent(10.0 + n / 1000, CLIENT, SERVER, b"%d" % n), 1, None) for n in range(2001)]
    entries.append(Happened(AttemptTimedOut(19.0, CLIENT, SERVER, 1, 1), 1, None))
    page = html(trace(entries, ended=20.0))
    for kind in ("attempt", "bar attempt"):
        assert f'<g class="{kind} timed-out" data-entry="0" data-task="1"' in page
    assert "from 0.000000 s, to beyond what is drawn\ndeadline at 9.000000 s\ntimed out" in page


def test_what_was_forgotten_is_said() -> None:
    assert "2 tasks · 1,234 entries forgotten · drawn are the first " in html(
        Trace(trace().entries[:3], 10.0, 11.0, {}, 1234)
    )


def test_what_is_not_drawn_is_said() -> None:
    """The timeline goes as far as the ladder."""
    entries: list[Entry] = [TaskStarted(10.0, 1, "many", None)]
    entries += [Happened(DatagramSent(10.0 + n / 1000, CLIENT, SERVER, b"%d" % n), 1, None) for n in range(2001)]
    entries.append(TaskStarted(13.0, 2, "too late", None))
    page = html(trace(entries, ended=14.0))
    assert "4 s · 2,001 datagrams, 0 lost · 2 tasks · drawn are the first 2 s<" in page
    assert len(re.findall('class="datagram[^"]*" data-entry', page)) == 2000
    assert "task many" in page
    assert "too late" not in page


def test_a_full_recording_is_drawn_until_it_was_full() -> None:
    entries: list[Entry] = [TaskStarted(10.0, 1, "many", None)]
    entries += [Happened(DatagramSent(10.0 + n / 1000, CLIENT, SERVER, b"%d" % n), 1, None) for n in range(2009)]
    some, many = (html(Trace(tuple(entries[:number]), 10.0, 3610.0, {}, 5)) for number in (1001, 2010))
    assert "1,000 datagrams, 0 lost · 1 task · 5 entries forgotten · drawn are the first 999 ms<" in some
    assert some.count("The recording was full: 5 entries") == 2
    assert "still running when the recording was full" in some
    assert "drawn are the first 2 s<" in many
    assert many.count("The recording was full: 5 entries") == 1
    assert "still running at the end" in many


def test_it_asks_for_nothing(recorded: Trace) -> None:
    page = html(recorded)
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|\bsrc=", page)
