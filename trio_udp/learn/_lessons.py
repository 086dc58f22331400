"""`LESSONS`: all of them, in order. A folder in ``lessons`` is a lesson; there is no list to keep."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from . import lessons

if TYPE_CHECKING:
    from ._lesson import Lesson


def _load_all() -> tuple[Lesson, ...]:
    modules = (import_module(f"{lessons.__name__}.{found.name}") for found in iter_modules(lessons.__path__))
    return tuple(sorted((module.LESSON for module in modules), key=lambda lesson: lesson.number))


LESSONS = _load_all()


def find(name: str) -> Lesson:
    """The lesson of that name, or number, or file.

    Raises:
      ValueError: there is none.
    """
    wanted = name.strip().lower()
    for lesson in LESSONS:
        if wanted in (lesson.name, str(lesson.number), f"{lesson.number:02}", lesson.file, lesson.file[:-3]):
            return lesson
    raise ValueError(f"there is no lesson {name!r}; there are {', '.join(lesson.name for lesson in LESSONS)}")
