"""What holds for every lesson."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, played
from trio_udp.learn import LESSONS, find
from trio_udp.learn._verdict import excerpt, judge

if TYPE_CHECKING:
    from pathlib import Path

    from trio_udp.learn._lesson import Lesson
    from trio_udp.learn._played import Carried

every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def test_they_have_numbers_and_names_of_their_own() -> None:
    assert [lesson.number for lesson in LESSONS] == sorted({lesson.number for lesson in LESSONS})
    assert len({lesson.name for lesson in LESSONS}) == len(LESSONS)
    assert all(re.fullmatch(r"[a-z]+", lesson.name) for lesson in LESSONS)


@every_lesson
def test_the_start_fails_and_the_solution_passes(lesson: Lesson, tmp_path: Path) -> None:
    finding = judged(lesson.name, lesson.exercise, tmp_path)
    assert finding is not None
    assert not finding.message.endswith(".")  # a line, which is followed by others
    assert judged(lesson.name, lesson.solution, tmp_path) is None


@every_lesson
def test_the_start_tells_the_task_and_is_short(lesson: Lesson) -> None:
    lines = lesson.exercise.splitlines()
    comment = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    assert 3 <= comment <= 6
    assert 15 <= len(lines) <= 40
    assert lesson.solution.startswith("#")  # why it is right


@every_lesson
def test_there_are_a_question_and_hints(lesson: Lesson) -> None:
    question = lesson.question.splitlines()
    assert 5 <= len(question) <= 12
    assert max(map(len, question)) <= 80
    assert 2 <= len(lesson.hints) <= 4
    assert len(lesson.title) <= 60


@every_lesson
def test_the_same_file_tells_the_same_story(lesson: Lesson, tmp_path: Path) -> None:
    """But for which of two tasks comes first in one moment: that is chance, and so is which of them has which port."""
    one, other = (played(lesson.name, lesson.solution, tmp_path) for _ in range(2))
    assert [told(each) for each in one.datagrams] == [told(each) for each in other.datagrams]
    assert one.notes.keys() == other.notes.keys()


def told(each: Carried) -> tuple[object, ...]:
    return each.time, each.source, each.destination, each.data, each.delivered, each.lost


@every_lesson
def test_a_program_that_does_nothing_is_refused(lesson: Lesson, tmp_path: Path) -> None:
    """Not even if it has all functions that the lesson calls."""
    names = [node.name for node in ast.parse(lesson.exercise).body if isinstance(node, ast.AsyncFunctionDef)]
    source = "".join(f"async def {name}(*args, **kwargs):\n    pass\n" for name in names)
    assert judged(lesson.name, source, tmp_path) is not None


@every_lesson
@pytest.mark.parametrize("what", ["name", "number", "file"])
def test_it_is_found(lesson: Lesson, what: str) -> None:
    assert find(str(getattr(lesson, what))) is lesson


def test_what_is_no_lesson_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"^there is no lesson 'pong'; there are ping, "):
        find("pong")


@every_lesson
def test_what_is_wrong_at_first_is_told_with_a_line_and_a_ladder(lesson: Lesson, tmp_path: Path) -> None:
    """Columns, and not a list, on a terminal of 80 columns; and with its labels whole, but for bytes of a file."""
    run = played(lesson.name, lesson.exercise, tmp_path)
    finding = judge(lesson, run)
    assert finding is not None
    assert finding.line is not None
    rows = excerpt(run, finding, 80)
    assert all("│" in row for row in rows if re.match(r" *\d+\.\d{6} ", row))
    assert any("│" in row for row in rows)
    assert max(map(len, rows)) <= 80
    if lesson.name not in ("transfer", "window"):
        assert not any("…" in row for row in rows)
