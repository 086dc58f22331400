"""`Watched`: waits until one of some files is saved, or taken away.

Every system has its own way to be told; looking every fifth of a second works on all, on folders of other machines too,
and costs nothing that one could measure. Editors do not simply write: some empty the file first, some write another one
and put it in its place, so that for a moment there is none or half of one. So what has changed is told once it has
stayed the same from one look to the next. So has a file that is not there any more: who waits for it should know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import trio

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Looks: TypeAlias = "dict[Path, tuple[int, ...] | None]"

# Seconds between two looks.
EVERY = 0.2


class Watched:
    """Some files, as they are when this is made.

    Args:
      paths: of them.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known: Looks = {path: _look(path) for path in paths}

    async def changed(self) -> list[Path]:
        """Wait; returns those that were saved or removed since, and have stayed so for a moment, the latter last."""
        before = self._known
        while True:
            await trio.sleep(EVERY)
            now: Looks = {path: _look(path) for path in self._known}
            changed = [path for path, look in now.items() if look != self._known[path] and look == before[path]]
            before = now
            if changed:
                self._known.update((path, now[path]) for path in changed)
                return sorted(changed, key=lambda path: now[path] is None)


def _look(path: Path) -> tuple[int, ...] | None:
    """What is another one once the file has been saved; None: it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
