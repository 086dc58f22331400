"""What the live view of the demo knows, and how it looks: events in, lines out."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trio_udp import (
    AttemptStarted,
    AttemptTimedOut,
    DatagramReceived,
    DatagramSent,
    Event,
    ReplyAccepted,
    ReplyIgnored,
    RequestFailed,
)
from trio_udp.cli._live_look import ASCII, LINES
from trio_udp.cli._live_scene import STORY_LINES, Asking, Scene, WatchedStory
from trio_udp.cli._live_scene_page import attempt_line, client_lines, draw_scene, told_in, totals_in_short, totals_lines
from trio_udp.cli._live_scroll import Scroll
from trio_udp.cli._live_tree import Node
from trio_udp.faults._passage import Copy
from trio_udp.relay import Relayed

HERE, THERE = ("127.0.0.1", 1001), ("127.0.0.1", 7)
TREE = (Node("nursery", (Node("client 1"), Node("relay"), Node("server")), is_nursery=True),)


def sends(time: float, request: int = 1, attempt: int = 1, timeout: float = 0.5) -> list[Event]:
    data = b"request %d" % request
    return [
        AttemptStarted(time, HERE, THERE, request, attempt, timeout, data),
        DatagramSent(time, HERE, THERE, data),
    ]


def relayed(
    time: float, *, forward: bool = True, delay: float | None = 0.0, data: bytes = b"request 1", damaged: bool = False
) -> Relayed:
    copies = () if delay is None else (Copy(time + delay, data + b"?" if damaged else data),)
    return Relayed(time, 1, HERE, forward, 1, data, copies, "loss" if delay is None else None)


def scene_after(*happened: Event | Relayed, clients: int = 1, requests: int = 2) -> Scene:
    scene = Scene(clients, requests, started=100.0)
    for each in happened:
        if isinstance(each, Relayed):
            scene.relayed(each)
        else:
            scene.client_event(1, each)
    return scene


def row(scene: Scene, now: float, width: int = 80) -> str:
    return client_lines(scene, now, 10, width, LINES, Scroll())[1].plain


ANSWERED = ReplyAccepted(102.0, HERE, THERE, 1, 1, 2.0, b"request 1")


def test_a_deadline_counts_down() -> None:
    scene = scene_after(*sends(100.0, attempt=12, timeout=2.0))
    assert row(scene, 100.0) == "client 1  1/2  attempt 12 ▇▇▇▇▇▇▇▇▇▇  2.00 s  ━━━━━━━━▶·······┊·················"
    assert row(scene, 101.5) == "client 1  1/2  attempt 12 ▇▇▁▁▁▁▁▁▁▁  0.50 s  ━━━━━━━━▶·······┊·················"
    assert "▁▁▁▁▁▁▁▁▁▁  0.00 s" in row(scene, 103.0)
    assert row(scene, 101.5, width=40) == "client 1  1/2  #12 0.50 s  ━━━▶··┊······"


@pytest.mark.parametrize(
    ("happened", "outcome"),
    [
        ([], "not yet"),
        ([*sends(100.0), AttemptTimedOut(100.5, HERE, THERE, 1, 1)], "timed out"),
        ([*sends(100.0), ANSWERED], "answered"),
        ([*sends(100.0, request=2), ANSWERED], "done"),
        ([*sends(100.0), RequestFailed(100.5, HERE, THERE, 1, 5, "NoReply")], "gave up"),
        ([*sends(100.0, request=2), RequestFailed(100.5, HERE, THERE, 2, 5, "NoReply")], "gave up"),
    ],
)
def test_how_it_ended(happened: list[Event], outcome: str) -> None:
    scene = scene_after(*happened)
    assert scene.clients[1].outcome == outcome
    assert f"/2  {outcome} " in row(scene, 101.0)


def test_an_attempt_without_any_time() -> None:
    asking = Asking(request=1, attempt=1, deadline=5.0, timeout=0.0)
    assert attempt_line(asking, 5.0, narrow=False, look=ASCII).plain == "attempt 1  ..........  0.00 s"


def test_only_what_can_be_seen_is_an_event_of_its_own() -> None:
    scene = Scene(1, 2, started=100.0)
    started, sent = sends(100.0)
    assert scene.client_event(1, started)
    assert not scene.client_event(1, sent)
    assert not scene.client_event(1, DatagramReceived(100.0, HERE, THERE, b""))
    assert scene.relayed(relayed(100.0))
    assert not scene.relayed(relayed(100.0)._replace(address=("127.0.0.1", 9)))  # a stranger's
    assert scene.client_event(1, ANSWERED)


def test_the_lines_are_those_of_the_story() -> None:
    scene = scene_after(*sends(100.0), relayed(100.25, delay=None))
    assert list(scene.lines) == [
        ' 0.000 s  client 1  -> sends "request 1"',
        " 0.250 s  client 1   x request 1 is lost on its way to the server",
    ]
    assert scene.latest == scene.lines[-1]


def test_what_passes_the_relay_is_told_too() -> None:
    scene = scene_after(*sends(100.0), relayed(100.25))
    assert scene.latest == " 0.250 s  client 1  -> request 1 passes the relay"
    scene.relayed(relayed(100.5, forward=False))
    assert scene.latest == " 0.500 s  client 1  <- the reply to request 1 passes the relay"
    assert len(scene.lines) == 1


def test_a_reply_that_is_not_believed() -> None:
    scene = scene_after(*sends(100.0), relayed(100.0, damaged=True), relayed(100.25, forward=False))
    assert scene.client_event(1, ReplyIgnored(100.5, HERE, THERE, b"?", "unknown"))
    assert scene.latest == " 0.500 s  client 1   x a reply is not believed: unknown"
    assert row(scene, 100.5).endswith("  ✗ unknown ━━━━━━━━━━━━━━━━━━━━━━━━")
    assert scene.clients[1].outcome == "waiting"


def test_lines_do_not_grow_without_end() -> None:
    scene = scene_after(*(event for _ in range(STORY_LINES + 5) for event in sends(100.0)))
    assert len(scene.lines) == STORY_LINES
    assert scene.lines_in_all == STORY_LINES + 5


def test_the_totals() -> None:
    scene = scene_after(*sends(100.0), relayed(100.0, delay=None), AttemptTimedOut(100.5, HERE, THERE, 1, 1))
    assert [line.plain for line in totals_lines(scene)] == [
        "answered            0 of 2",
        "attempts            1",
        "timed out           1",
        "lost to the server  1",
        "lost to the clients 0",
    ]
    scene.relayed(relayed(101.0, forward=False, damaged=True))
    assert totals_lines(scene)[-1].plain == "damaged             1"
    assert totals_in_short(scene) == "0/2 answered, 1 lost"


def test_those_that_are_not_done_come_first_where_not_all_have_room() -> None:
    scene = scene_after(*sends(100.0, request=2), ANSWERED, clients=12)
    lines = [line.plain for line in client_lines(scene, 100.0, 4, 80, LINES, Scroll())]
    assert [line[:20] for line in lines[1:4]] == [
        "client 2   0/2  not ",
        "client 3   0/2  not ",
        "client 4   0/2  not ",
    ]
    assert lines[4:] == ["… 9 more: 1 done, 8 not yet"]
    assert len(client_lines(scene, 100.0, 0, 80, LINES, Scroll())) == 1


def test_the_others_can_be_scrolled_to() -> None:
    scene = Scene(20, 4, 0.0)
    scroll = Scroll("keys")

    def shown() -> list[str]:
        _, *clients, more = [line.plain for line in client_lines(scene, 0.0, 6, 80, LINES, scroll)]
        return [*(client.split()[1] for client in clients), more]

    assert shown() == ["1", "2", "3", "4", "5", "… 15 more: 15 not yet    keys"]
    scroll.by(2)
    assert shown() == ["3", "4", "5", "6", "7", "… 15 more, 2 of them above: 15 not yet    keys"]
    scroll.by(100)
    assert shown() == ["16", "17", "18", "19", "20", "… 15 more, 15 of them above: 15 not yet    keys"]
    scroll.by(-1)
    assert shown()[0] == "15"  # it had not gone further than to the end
    scroll.by(-100)
    assert shown()[0] == "1"
    assert len(client_lines(scene, 0.0, 20, 80, LINES, scroll)) == 21


def test_whatever_does_not_fit_can_be_scrolled_to() -> None:
    """Regression: with eight clients or fewer nothing did, and the rest of the tree nobody could ever see."""
    scene, scroll = Scene(6, 4, 0.0), Scroll("keys")
    tree = (Node("nursery", tuple(Node(name) for name in "abcdefg"), is_nursery=True),)
    assert not scroll.needed.is_set()
    seen = set()
    for _ in range(20):
        screen = draw_scene(scene, tree, 0.0, 80, 10, LINES, "title", scroll=scroll).plain
        seen |= {word for line in screen.splitlines() for word in (line[:8].rstrip(), line[52:70].rstrip())}
        scroll.by(1)
    assert scroll.needed.is_set()
    assert {f"client {number}" for number in range(1, 7)} <= seen
    assert {*(f"├─ {name}" for name in "abcdef"), "╰─ g"} <= seen
    assert {"answered", "attempts", "timed", "lost"} <= {word.partition(" ")[0] for word in seen}
    assert "lost to the client" in seen
    assert "… 6 more lines, 6 above" in screen
    assert "… 3 more, 3 of them above: 6 not yet" not in screen
    draw_scene(scene, tree, 0.0, 80, 60, LINES, "title", scroll=scroll)
    assert scroll.first == 0, "all has room now"


def test_where_the_tree_alone_is_cut_off_it_says_which_keys_scroll() -> None:
    """Regression: the keys stood below the clients only, when not all of those had room."""
    tree = (Node("nursery", tuple(Node(f"task {name}") for name in "abcdefgh"), is_nursery=True),)
    keys = "j, k, arrows: scroll"

    def cut_off(width: int, clients: int, keys: str = keys) -> list[str]:
        page = draw_scene(Scene(clients, 4, 0.0), tree, 0.0, width, 10, LINES, "title", scroll=Scroll(keys)).plain
        return [line.partition("│")[0].rstrip() for line in page.splitlines() if line.startswith("…")]

    assert cut_off(80, 2) == [f"… 5 more lines    {keys}"]
    assert cut_off(40, 2) == [f"… 5 more lines    {keys}"]
    assert cut_off(38, 2) == [f"… 5 more lines    {keys}"]
    assert cut_off(37, 2) == [f"… 5 more    {keys}"]
    assert cut_off(80, 2, "") == ["… 5 more lines"]
    assert cut_off(80, 6) == ["… 7 more lines", f"… 3 more: 3 not yet    {keys}"]


def test_a_single_line_can_be_scrolled_too() -> None:
    scene, scroll = Scene(3, 4, 0.0), Scroll("keys")
    for number in (1, 2, 3, 3):
        [_, row] = client_lines(scene, 0.0, 1, 80, LINES, scroll)
        assert row.plain.startswith(f"client {number} ")
        scroll.by(1)


@pytest.mark.parametrize(
    ("width", "last"),
    [
        (80, "… 15 more, 2 of them above: 15 not yet    j, k, arrows: scroll"),
        (60, "… 15 more, 2 of them above    j, k, arrows: scroll"),
        (40, "… 15 more    j, k, arrows: scroll"),
    ],
)
def test_how_to_scroll_is_said_on_a_narrow_screen_too(width: int, last: str) -> None:
    scene, scroll = Scene(20, 4, 0.0), Scroll("j, k, arrows: scroll")
    client_lines(scene, 0.0, 6, width, LINES, scroll)
    scroll.by(2)
    assert client_lines(scene, 0.0, 6, width, LINES, scroll)[-1].plain == last


def test_no_total_is_cut() -> None:
    """Regression: it was "0 of 10000…"."""
    for width in (64, 80, 120):
        screen = draw_scene(Scene(10_000, 1000, 0.0), TREE, 0.0, width, 24, LINES, "title").plain.splitlines()
        assert screen[2].endswith("│ answered            0 of 10000000")
        assert screen[2].startswith("nursery  ")


def test_no_deadline_is_cut() -> None:
    scene = scene_after(*sends(100.0, attempt=12, timeout=123456.0))
    assert "attempt 12 ▇▇▇▇▇▇▇▇▇▇ 123456 s " in row(scene, 100.0)
    assert "#12 123456 s" in row(scene, 100.0, width=40)


IN_FULL = " 3.202 s  client 2  <- has the reply to request 4, 800.004 ms after attempt 12"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        (IN_FULL, 79, IN_FULL),
        (IN_FULL, 76, " 3.202 s  client 2  <- reply to request 4, 800.004 ms after attempt 12"),
        (IN_FULL, 60, " 3.202 s  client 2  <- reply 4, 800.004 ms after attempt 12"),
        (IN_FULL, 52, " 3.202 s  client 2  <- reply 4, 800.004 ms after #12"),
        (IN_FULL, 51, " 3.202 s  client 2  <- reply 4, 800.004 ms after…"),
        (IN_FULL, 43, " 3.202 s  client 2  <- reply 4, 800.004 ms…"),
        (IN_FULL, 42, " 3.202 s  client 2  <- reply 4,…"),
        (IN_FULL, 19, " 3.202 s  client…"),
        (IN_FULL, 8, "…"),
        (
            " 0.470 s  client 3     hears nothing: attempt 1 of request 1 has timed out",
            60,
            " 0.470 s  client 3     attempt 1 of request 1 has timed out",
        ),
        (
            " 0.470 s  client 3   x request 1 is lost on its way to the server",
            60,
            " 0.470 s  client 3   x request 1 is lost",
        ),
        (
            " 0.470 s  client 3   x the reply to request 1 is lost on its way back",
            54,
            " 0.470 s  client 3   x the reply to request 1 is lost",
        ),
        (" 0.470 s  client 3  -> request 1 passes the relay", 48, " 0.470 s  client 3  -> request 1 at the relay"),
    ],
)
def test_what_happened_is_told_in_fewer_words_where_there_is_not_room(text: str, width: int, shown: str) -> None:
    """Regression: the attempt's number was cut off at 80 columns."""
    assert told_in(width, text, LINES) == shown


def test_what_happens_now_is_told_in_fewer_words() -> None:
    scene = scene_after(*sends(100.0, attempt=12), ReplyAccepted(100.8, HERE, THERE, 1, 12, 0.800004, b"?"))
    page = draw_scene(scene, TREE, 101.0, 80, 24, LINES, "title", "press!").plain.splitlines()
    assert page[-2].rstrip() == "now  0.800 s  client 1  <- reply to request 1, 800.004 ms after attempt 12"
    assert page[-13].rstrip() == " 0.800 s  client 1  <- has the reply to request 1, 800.004 ms after attempt 12"


TITLE = "trio_udp demo, 0.25 times as fast, seed 1: the network loses 30% and takes 0.1 to 0.15 s each way"


@pytest.mark.parametrize(("width", "height", "lines"), [(120, 40, 1), (80, 24, 2), (60, 20, 2), (40, 10, 3)])
def test_the_title_is_there_whole(width: int, height: int, lines: int) -> None:
    """Regression: at 80x24 it was "the network loses 30% and ta…"."""
    screen = draw_scene(Scene(3, 4, 0.0), TREE, 1.0, width, height, LINES, TITLE).plain.splitlines()
    assert screen[0].endswith(" 1.000 s")
    assert " ".join([screen[0].removesuffix(" 1.000 s"), *screen[1:lines]]).split() == TITLE.split()
    assert screen[lines].startswith("── ")
    assert len(screen) == height


SCREEN = """\
a title                                                                  1.250 s
── nurseries and tasks ───────────────────────────┬─ totals ────────────────────
nursery                                           │ answered            0 of 2
├─ client 1                                       │ attempts            1
├─ relay                                          │ timed out           0
╰─ server                                         │ lost to the server  1
                                                  │ lost to the clients 0
── clients ────────────────────────────────── client ────── relay ─────── server
client 1  1/2  attempt 1  ▇▇▇▇▇▁▁▁▁▁  1.25 s  ━━━━━━━━━━━━━━━━✗ loss ···········
── what happened ───────────────────────────────────────────────────────────────
 0.000 s  client 1  -> sends "request 1"
 0.000 s  client 1   x request 1 is lost on its way to the server
"""


def lost() -> Scene:
    return scene_after(*sends(100.0, timeout=2.5), relayed(100.0, delay=None))


def test_the_whole_screen() -> None:
    console = Console(width=80, height=12, file=io.StringIO(), color_system=None)
    console.print(draw_scene(lost(), TREE, 101.25, 80, 12, LINES, "a title"))
    assert isinstance(console.file, io.StringIO)
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == SCREEN.splitlines()


def test_where_one_presses_keys_what_happened_stands_above_them() -> None:
    page = draw_scene(lost(), TREE, 101.25, 80, 12, LINES, "a title", "press!").plain.splitlines()
    assert page[-2].rstrip() == "now  0.000 s  client 1   x request 1 is lost on its way to the server"
    assert page[-1] == "press!".ljust(80)


@pytest.mark.parametrize("look", [LINES, ASCII])
@pytest.mark.parametrize("keys", ["", "press!"])
def test_every_size_has_so_many_lines_of_so_many_cells(look: object, keys: str) -> None:
    scene = scene_after(*sends(100.0, timeout=2.5), relayed(100.0, delay=None), clients=30)
    for width in (*range(1, 30), 40, 63, 64, 65, 80, 200):
        for height in (1, 2, 3, 4, 5, 6, 9, 10, 24, 60):
            page = draw_scene(scene, TREE, 101.0, width, height, LINES if look is LINES else ASCII, "title", keys)
            lines = page.split("\n", allow_blank=True)
            assert len(lines) == height
            assert {line.cell_len for line in lines} == {width}
            assert look is LINES or page.plain.isascii()


async def test_a_story_that_is_watched_counts_as_ever_and_tells_the_scene() -> None:
    scene = Scene(1, 2, started=100.0)
    story = WatchedStory(lambda happening: happening(scene))
    watch = story.watch(1)
    for event in sends(100.0):
        watch(event)
    story.relayed(relayed(100.0, delay=None))
    watch(AttemptTimedOut(100.5, HERE, THERE, 1, 1))
    for each in (story, scene.story):
        assert (each.attempts, each.timed_out, each.lost) == (1, 1, {"to_server": 1, "to_client": 0})
    assert len(scene.lines) == 3
