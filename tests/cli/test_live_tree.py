from __future__ import annotations

import math
from contextlib import AsyncExitStack

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_udp.cli._live_look import ASCII, LINES, Look
from trio_udp.cli._live_scroll import Scroll
from trio_udp.cli._live_tree import (
    Node,
    fitting,
    grouped,
    nursery_of,
    short_name,
    size,
    tree_lines,
    tree_of,
    with_nurseries_beside,
)


def task(name: str, *children: Node) -> Node:
    return Node(name, children)


def nursery(*tasks: Node) -> Node:
    return Node("nursery", tasks, is_nursery=True)


def drawn(nodes: tuple[Node, ...], height: int = 100) -> list[str]:
    return [line.plain for line in tree_lines(nodes, 80, height, LINES, Scroll())]


DEMO = (
    nursery(
        *(task(f"client {number}") for number in range(1, 6)),
        task("relay", nursery(task("relay, client 1"), task("relay, client 2"), task("relay, delays"))),
    ),
)


async def test_what_is_there_is_shown() -> None:
    async def parent() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever, name="worker 2")
            inner.start_soon(trio.sleep_forever, name="worker 10")
            inner.start_soon(trio.sleep_forever)

    async with trio.open_nursery() as outer:
        outer.start_soon(parent, name="trio_udp parent\x1b[2J")
        await wait_all_tasks_blocked()
        skip = len(trio.lowlevel.current_task().child_nurseries) - 1
        assert nursery_of(trio.lowlevel.current_task(), skip) == (
            nursery(
                task("parent\\x1b[2J", nursery(task("sleep_forever"), task("worker 2"), task("worker 10"))),
            ),
        )
        assert nursery_of(trio.lowlevel.current_task(), skip + 1) == ()
        outer.cancel_scope.cancel()


async def test_a_nursery_inside_another_is_drawn_inside_it() -> None:
    """Regression: both stood side by side, though the outer one cannot end before the inner one."""
    main = trio.lowlevel.current_task()
    skip = len(main.child_nurseries)
    assert tree_of(main, skip) == ()
    async with trio.open_nursery() as outer, trio.open_nursery() as inner:
        outer.start_soon(trio.sleep_forever, name="z of the outer")
        inner.start_soon(trio.sleep_forever, name="a of the inner")
        assert drawn(tree_of(main, skip)) == [
            "nursery of the main task",
            "├─ z of the outer",
            "╰─ nursery",
            "   ╰─ a of the inner",
        ]
        outer.cancel_scope.cancel()


async def test_nurseries_inside_each_other_do_not_go_on_for_ever_either() -> None:
    async with AsyncExitStack() as stack:
        for _ in range(50):
            await stack.enter_async_context(trio.open_nursery())
        assert size(nursery_of(trio.lowlevel.current_task())) < 30


async def test_it_does_not_go_down_for_ever() -> None:
    async def deeper(levels: int) -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(deeper, levels - 1) if levels else inner.start_soon(trio.sleep_forever)

    async with trio.open_nursery() as outer:
        outer.start_soon(deeper, 100)
        await wait_all_tasks_blocked()
        assert size(nursery_of(trio.lowlevel.current_task())) < 30
        outer.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("trio_udp._serve.serve_udp", "serve_udp"),
        ("trio_udp handlers at 127.0.0.1:7", "handlers at 127.0.0.1:7"),
        ("trio_udp.cli.demo.play.<locals>.inner", "inner"),
        ("__main__.main", "main"),
        ("main", "main"),
        ("client 1", "client 1"),
        ("<lambda>", "lambda>"),
        ("", ""),
    ],
)
def test_names(name: str, short: str) -> None:
    assert short_name(name) == short


def test_the_tree() -> None:
    assert drawn(DEMO) == [
        "nursery",
        "├─ client 1",
        "├─ client 2",
        "├─ client 3",
        "├─ client 4",
        "├─ client 5",
        "╰─ relay",
        "   ╰─ nursery",
        "      ├─ relay, client 1",
        "      ├─ relay, client 2",
        "      ╰─ relay, delays",
    ]
    assert [line.plain for line in tree_lines((nursery(task("a"), task("b")),), 80, 9, ASCII, Scroll())] == [
        "nursery",
        "|- a",
        "`- b",
    ]


def test_less_room_is_less_detail() -> None:
    assert fitting(DEMO, 11) == DEMO
    assert drawn(fitting(DEMO, 10)) == [
        "nursery",
        "├─ client 1-5 × 5",
        "╰─ relay",
        "   ╰─ nursery",
        "      ├─ relay, client 1",
        "      ├─ relay, client 2",
        "      ╰─ relay, delays",
    ]
    assert drawn(fitting(DEMO, 6)) == [
        "nursery",
        "├─ client 1-5 × 5",
        "╰─ relay",
        "   ╰─ nursery",
        "      ├─ relay, client 1-2 × 2",
        "      ╰─ relay, delays",
    ]
    assert drawn(fitting(DEMO, 5)) == [
        "nursery",
        "├─ client 1-5 × 5",
        "╰─ relay (nursery)",
        "   ├─ relay, client 1-2 × 2",
        "   ╰─ relay, delays",
    ]
    assert drawn(fitting(DEMO, 3), 3) == ["nursery", "├─ client 1-5 × 5", "… 3 more lines"]
    assert drawn(fitting(DEMO, 1), 1) == ["… 5 more lines"]
    assert drawn(fitting(DEMO, 0), 0) == []


def test_a_crew_of_a_hundred_is_a_line() -> None:
    crew = tuple(task("handlers at 127.0.0.1:7") for _ in range(100))
    assert drawn(fitting((nursery(*crew),), 1000)) == ["nursery", "╰─ handlers at 127.0.0.1:7 × 100"]


def test_names_are_cut_and_numbers_are_not() -> None:
    """Regression: at 80x24 there were "handlers at 127.0.0.1:19091 ×…", and nobody knew how many."""
    crew = tuple(task("handlers at 127.0.0.1:19091") for _ in range(1000))
    tree = (nursery(*crew, task("a name without a number at its end")),)

    def lines(width: int, look: Look = LINES) -> list[str]:
        return [line.plain for line in tree_lines(fitting(tree, 9), width, 9, look, Scroll())]

    assert lines(37)[1:] == ["├─ handlers at 127.0.0.1:19091 × 1000", "╰─ a name without a number at its end"]
    assert lines(36)[1:] == ["├─ handlers at 127.0.0…:19091 × 1000", "╰─ a name without a number at its e…"]
    assert lines(24, ASCII)[1:] == ["|- handl...:19091 x 1000", "`- a name without a n..."]
    assert lines(16)[1:] == ["├─…:19091 × 1000", "╰─ a name witho…"]
    clients = (nursery(*(task(f"client {number}") for number in range(1, 201))),)
    assert tree_lines(fitting(clients, 2), 16, 9, LINES, Scroll())[1].plain == "╰─ c…1-200 × 200"


def test_only_those_that_are_alike_are_put_together() -> None:
    different = (task("client 1"), task("client 2", nursery(task("inner"))), task("client 3"))
    assert grouped(different, 1) == different
    with_inner = tuple(task(f"client {number}", nursery(task(f"inner {number}"))) for number in (1, 2))
    assert grouped(with_inner, 1) == (Node("client 1-2", (nursery(task("inner 1")),), alike=2),)
    two_numbers = (task("relay 1 of 2"), task("relay 2 of 3"))
    assert grouped(two_numbers, 1) == (Node("relay N of N", alike=2),)
    assert grouped(two_numbers, math.inf) == two_numbers


def test_a_task_shares_its_line_with_its_nursery_where_that_is_the_only_one() -> None:
    one, two = task("one", nursery(task("a"), nursery(task("b")))), task("two", nursery(task("a")), nursery(task("b")))
    both = Node("one", (task("a"), nursery(task("b"))), has_nursery=True)
    assert with_nurseries_beside((one, two)) == (both, two)
    inside = (nursery(task("b", nursery(nursery(task("c"))))),)
    assert with_nurseries_beside(inside) == (nursery(Node("b", (nursery(task("c")),), has_nursery=True)),)


def test_the_tree_still_tells_of_nurseries_where_they_have_no_line() -> None:
    """Regression: on a small terminal it was a tree of tasks."""
    relays = (task(f"relay at 10.0.0.1:{number}", nursery(task("delays"))) for number in (7, 8))
    tree = (nursery(task("client 1"), task("client 2"), *relays, task("server", nursery())),)
    assert drawn(fitting(tree, 5)) == [
        "nursery",
        "├─ client 1-2 × 2",
        "├─ relay at 10.0.0.1:7-8 (nursery) × 2",
        "│  ╰─ delays",
        "╰─ server (nursery)",
    ]
    [line] = [line for line in tree_lines(fitting(tree, 5), 30, 5, LINES, Scroll()) if "relay" in line.plain]
    assert line.plain == "├─ relay at…:7-8 (nursery) × 2"
    apart = (task("idle"), task("idle", nursery()))
    assert grouped(with_nurseries_beside(apart), 1) == (task("idle"), Node("idle", has_nursery=True))


def test_nothing_is_left() -> None:
    assert drawn(()) == ["all tasks have ended"]
    assert drawn((), 0) == []
