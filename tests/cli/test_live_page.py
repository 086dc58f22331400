from __future__ import annotations

import pytest
from rich.text import Text

from trio_udp.cli._live_look import ASCII, LINES, beside, fitted, heading, line, look_for, page
from trio_udp.cli._live_page import share
from trio_udp.cli._live_tree import Node, size

CREW = (Node("nursery", tuple(Node(f"client {number}") for number in range(1, 21)), is_nursery=True),)


@pytest.mark.parametrize(
    ("room", "rows", "shares"),
    [
        (21, 3, (8, 3, 9)),  # 80x24, three clients: each task has a line
        (37, 20, (8, 20, 8)),  # 120x40, twenty
        (21, 20, (8, 13, 0)),  # 80x24, twenty: some clients have no row
        (7, 20, (3, 4, 0)),
        (1, 20, (0, 1, 0)),
        (0, 20, (0, 0, 0)),
    ],
)
def test_who_gets_how_many_lines(room: int, rows: int, shares: tuple[int, int, int]) -> None:
    """The totals have eight; the tree has two where its clients are put together."""
    few = (Node("nursery", (Node("client 1"), Node("client 2")), is_nursery=True),)
    assert share(room, few, 8, rows)[:3] == shares


def test_what_happened_has_four_lines_on_an_ordinary_screen() -> None:
    """Regression: at 80x24 a tree of three clients took 15 lines, and the story had one."""
    tall = (Node("nursery", tuple(Node(name) for name in "abcdefghijklmn"), is_nursery=True),)
    assert share(21, tall, 5, 3)[:3] == (15, 3, 2)
    assert share(21, tall, 5, 3, 4)[:3] == (13, 3, 4)
    assert share(19, tall, 5, 20, 4)[:3] == (7, 7, 4)  # with two lines of keys, as --step has
    assert share(18, tall, 5, 3, 4)[:3] == share(18, tall, 5, 3)[:3]  # a smaller one
    assert share(37, tall, 5, 3, 4)[:3] == (15, 3, 18)  # what is left over is its own as well


def test_the_tree_is_tight_before_clients_go_without() -> None:
    assert size(share(37, CREW, 5, 20).tree) == 2
    assert size(share(60, CREW, 5, 20).tree) == 21


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 5, "abc  "),
        ("abcdef", 5, "abcd…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日 …"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_so_many_cells(text: str, width: int, shown: str) -> None:
    assert fitted(Text(text), width, LINES).plain == shown
    assert fitted(Text(text), width, ASCII).cell_len == width


def test_pieces() -> None:
    assert heading("a", 9, LINES).plain == "── a ────"
    assert heading("a", 9, LINES, "┬").plain == "┬─ a ────"
    assert heading("a long one", 9, ASCII).plain == "-- a l..."
    blocks = beside([Text("a"), Text("b")], [Text("1")], 4, 9, LINES)
    assert [each.plain for each in blocks] == ["a   │ 1", "b   │ "]
    assert len(beside([Text("a"), Text("b")], [], 4, 1, LINES)) == 1
    assert page([Text("a"), Text("b"), Text("c")], 2, 2, LINES).plain == "a \nb "


def test_markup_is_text() -> None:
    assert line("[red]a[/red]").plain == "[red]a[/red]"


def test_which_characters() -> None:
    assert look_for("utf-8") is look_for("UTF-8") is LINES
    assert look_for("ascii") is look_for("latin-1") is ASCII
    assert all(each.isascii() for each in ASCII)
