"""`written`: a file that is there as a whole, or not at all.

To open a file for writing empties it. If the disk is full then, or somebody presses Ctrl-C, what was there is lost, and
what should be there is half of something that cannot be read. So the text goes into a file beside it, which takes its
place when it is complete.

What is no plain file of one's own is written as it stands, since another one cannot take its place: a device, a FIFO,
a link (``/dev/stdout`` is one), a file with a second name, or in a folder where nothing can be made.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@contextmanager
def written(path: str | os.PathLike[str], encoding: str, errors: str = "strict") -> Iterator[TextIO]:
    """While it lasts, text can be written; afterwards it is what the file has.

    Args:
      path: of the file.
      encoding: as `open` has it, and ``errors``, too; lines end as on Unix.

    Raises:
      OSError: it cannot be written.
    """
    path = os.fspath(path)
    before = _stat(path)
    beside = _open_beside(path, encoding, errors) if before is None or _can_be_replaced(before) else None
    if beside is None:
        with open(path, "w", encoding=encoding, errors=errors, newline="\n") as file:
            yield file
        return
    try:
        with beside:
            yield beside
        if before is not None:
            os.chmod(beside.name, stat.S_IMODE(before.st_mode))
        os.replace(beside.name, path)
    except BaseException:
        with suppress(FileNotFoundError):  # Ctrl-C came when it had its place already
            os.unlink(beside.name)
        raise


def _stat(path: str) -> os.stat_result | None:
    """Of the file itself, not of what it links to; None: there is none, or its name is none."""
    try:
        return os.lstat(path)
    except OSError:
        return None


def _can_be_replaced(before: os.stat_result) -> bool:
    is_ours = not hasattr(os, "geteuid") or before.st_uid == os.geteuid()
    return stat.S_ISREG(before.st_mode) and before.st_nlink == 1 and is_ours


def _open_beside(path: str, encoding: str, errors: str) -> TextIO | None:
    """A new file in the same folder; None: there can be none."""
    name = os.path.join(os.path.dirname(path), f".trio_udp-{token_hex(8)}")
    try:
        return open(name, "x", encoding=encoding, errors=errors, newline="\n")
    except OSError:
        return None
