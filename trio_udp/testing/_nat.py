"""`NAT`: what a host's addresses look like from outside, once a NAT has forgotten them and given new ones.

A client behind a NAT is not told. What it sends comes from a new port, or from a new address; what is sent to the old
one is lost. Ports come in sequence, and none comes again before all others have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._ip import Place

# The dynamic ports (RFC 6335 section 6).
FIRST_PORT, LAST_PORT = 49152, 65535


class NAT:
    """The addresses of one host, translated."""

    def __init__(self) -> None:
        self.address: str | None = None
        self._next = FIRST_PORT
        self._outside: dict[Place, Place] = {}
        self._inside: dict[Place, Place] = {}

    def rebind(self, address: str | None) -> None:
        """Forget everything that was given out; from now on use this address for its family, or the host's own."""
        self.address = address
        self._outside.clear()
        self._inside.clear()

    def outside(self, place: Place) -> Place:
        """Where a datagram that a host sends from ``place`` seems to come from."""
        if place not in self._outside:
            given = (self._address_for(place[0]), self._next)
            self._next = self._next + 1 if self._next < LAST_PORT else FIRST_PORT
            if given in self._inside:
                del self._outside[self._inside[given]]
            self._outside[place] = given
            self._inside[given] = place
        return self._outside[place]

    def _address_for(self, own: str) -> str:
        if self.address is None or (":" in self.address) != (":" in own):
            return own
        return self.address

    def inside(self, place: Place) -> Place | None:
        """Where a datagram that is sent to ``place`` goes; None: there is no such place any more."""
        return self._inside.get(place)
