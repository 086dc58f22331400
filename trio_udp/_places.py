"""How many handlers of a server may wait for something at once, over all its endpoints.

Each endpoint may always run one: else a server on IPv4 and IPv6 with one slow client on each side would leave one of
the two unread. So what is shared are the places beyond those. Who finds none is asked again when there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._crew import Crew


class Places:
    """How many members may be up at once, beside the one that each crew always has."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: dict[Crew, None] = {}

    def take(self, crew: Crew) -> bool:
        """A place for this crew; if there is none it is asked again when there is one."""
        if self._free > 0:
            self._free -= 1
            return True
        self._waiting[crew] = None
        return False

    def give_back(self) -> None:
        self._free += 1
        while self._free and self._waiting:
            crew = next(iter(self._waiting))
            del self._waiting[crew]
            crew.hand_over()
