"""Waiting for a file to be saved, in all the ways in which editors do it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from trio_udp.learn._watch import EVERY, Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio.testing import MockClock


def write(path: Path, text: str = "new text") -> None:
    path.write_text(text)


def replace(path: Path) -> None:
    other = path.with_suffix(".swp")
    other.write_text("old!")  # as long as it was
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # and as old
    other.replace(path)


def touch(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


@pytest.mark.parametrize("save", [write, replace, touch])
async def test_a_file_that_is_saved_is_told_once(
    save: Callable[[Path], None], tmp_path: Path, autojump_clock: MockClock
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, "old")
    write(other, "old.")
    watched = Watched([one, other])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(later, 10 * EVERY + 0.01, partial(save, other))
        assert await watched.changed() == [other]
        assert trio.current_time() == pytest.approx(12 * EVERY)
    with trio.move_on_after(100):
        await watched.changed()
        raise AssertionError("nothing has changed")


async def later(seconds: float, do: Callable[[], object]) -> None:
    await trio.sleep(seconds)
    do()


async def test_what_is_written_in_two_steps_is_told_when_it_is_whole(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "one"
    write(path, "old")
    watched = Watched([path])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(later, 0.01, partial(write, path, ""))
        nursery.start_soon(later, EVERY + 0.01, partial(write, path, "whole"))
        assert await watched.changed() == [path]
        assert path.read_text() == "whole"
        assert trio.current_time() == pytest.approx(3 * EVERY)


async def test_a_file_that_is_gone_for_a_while(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "one"
    write(path, "old")
    watched = Watched([path])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(later, 0.01, path.unlink)
        nursery.start_soon(later, 5 + 0.01, partial(write, path, "it is back"))
        assert await watched.changed() == [path]
        assert trio.current_time() < 3 * EVERY
        assert await watched.changed() == [path]
        assert 5 < trio.current_time() < 5 + 3 * EVERY


async def test_a_file_that_is_gone_for_a_moment(tmp_path: Path, autojump_clock: MockClock) -> None:
    """As with an editor that removes it, and then writes it anew."""
    path = tmp_path / "one"
    write(path, "old")
    watched = Watched([path])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(later, EVERY - 0.01, path.unlink)
        nursery.start_soon(later, EVERY + 0.01, partial(write, path, "it is back"))
        assert await watched.changed() == [path]
        assert path.exists()


async def test_what_was_saved_comes_before_what_is_gone(tmp_path: Path, autojump_clock: MockClock) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, "old")
    write(other, "old")
    watched = Watched([one, other])
    one.unlink()
    write(other)
    assert await watched.changed() == [other, one]


async def test_a_file_that_was_never_there(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "one"
    watched = Watched([path])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(later, 1, partial(write, path))
        assert await watched.changed() == [path]


async def test_what_was_saved_meanwhile_is_not_missed(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A check takes a second, in which a person goes on."""
    path = tmp_path / "one"
    write(path, "old")
    watched = Watched([path])
    write(path, "while it was checked")
    assert await watched.changed() == [path]
