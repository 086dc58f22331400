"""`Vacancies`: who may become a peer of a server.

Each peer costs a task, and one with DTLS some milliseconds of computing as well. Anybody can pretend to be many, so
there is a bound on all of them together. That alone would let the first who comes take all places and keep them. So
there may be a bound for each source, and a function that is asked about newcomers, which can count how often they come.
"""

from __future__ import annotations

from collections import Counter
from inspect import isawaitable
from typing import TYPE_CHECKING

from ._checks import check_count
from ._sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ._address import Address

__all__: list[str] = []

TOO_MANY = "too many peers"
TOO_MANY_OF_ONE = "too many of one source"
NOT_ADMITTED = "not admitted"


class Vacancies:
    """The places of a server, over all its endpoints.

    Args:
      max_peers: how many there are.
      max_per_source: how many of them one source may have; None: all.
      admit: asked about each newcomer for whom there is a place.

    Raises:
      ValueError: so many is no number of places.
      TypeError: ``admit`` is no function.
    """

    def __init__(self, max_peers: int, max_per_source: int | None, admit: Callable[[Address], bool] | None) -> None:
        check_count("max_peers", max_peers)
        if max_per_source is not None:
            check_count("max_peers_per_source", max_per_source)
        if not (admit is None or callable(admit)):
            raise TypeError(f"admit must be a function from an address to True or False, or None, not {admit!r}")
        self._left = max_peers
        self._max_per_source = max_per_source
        self._admit = admit
        self._sources = Sources()
        self._taken: Counter[Hashable] = Counter()  # by whom, if that is bounded

    def objection(self, address: Address) -> str:
        """Why this address cannot become a peer now; nothing if it can.

        Raises:
          TypeError: ``admit`` is an async function; or whatever else it raises.
        """
        if not self._left:
            return TOO_MANY
        if self._max_per_source is not None and self._taken[self._sources.of(address)] >= self._max_per_source:
            return TOO_MANY_OF_ONE
        if self._admit is None:
            return ""
        answer = self._admit(address)
        if isawaitable(answer):  # whatever it would have said, it would count as yes
            raise TypeError(f"admit must be a function that is not async; this one returned {answer!r}")
        return "" if answer else NOT_ADMITTED

    def take(self, address: Address) -> None:
        """It has a place from now on."""
        self._left -= 1
        if self._max_per_source is not None:
            self._taken[self._sources.of(address)] += 1

    def give_back(self, address: Address) -> None:
        """It has gone."""
        self._left += 1
        if self._max_per_source is not None:
            source = self._sources.of(address)
            self._taken[source] -= 1
            if not self._taken[source]:
                del self._taken[source]
