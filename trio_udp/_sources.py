"""`Sources`: who counts as one, where somebody is counted who may have many addresses.

An address of IPv4 is one machine, or a house full of them behind one. Of IPv6 each network has 2**64 addresses, and
each of its hosts may use any number of them (RFC 8981): who counts by address there counts nothing. So the leading bits
make a source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._address import IPV4_MAPPED, packed_host, scope_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._address import Address

__all__: list[str] = []


class Sources:
    """Finds the source of an address.

    Args:
      ipv4_prefix: how many leading bits of an IPv4 address make one; mapped addresses (``::ffff:192.0.2.1``) are IPv4.
      ipv6_prefix: the same for IPv6; the link-local addresses of one link are one source then.

    Raises:
      ValueError: there are not so many bits.
    """

    def __init__(self, ipv4_prefix: int = 32, ipv6_prefix: int = 64) -> None:
        ipv4_mask = _mask("ipv4_prefix", ipv4_prefix, 32)
        self._masks = ipv4_mask, _mask("ipv6_prefix", ipv6_prefix, 128)
        self._each_ipv4_is_one = ipv4_mask & 1 == 1

    def of(self, address: Address) -> Hashable:
        """The same for two addresses of one source."""
        # To take an address apart is more than half of what a rate limit costs, and most often there is no need to.
        host = address[0].removeprefix("::ffff:")  # as inet_ntop(3) writes what is mapped
        if ":" not in host and self._each_ipv4_is_one:
            return host
        packed = packed_host(address)
        prefix = int.from_bytes(packed, "big") & self._masks[not packed.startswith(IPV4_MAPPED)]
        return prefix | scope_of(address) << 128


def _mask(name: str, prefix: int, bits: int) -> int:
    """What a 128-bit address is cut to, of whose last bits so many can vary."""
    if not isinstance(prefix, int) or isinstance(prefix, bool) or not 0 <= prefix <= bits:
        raise ValueError(f"{name} must be a whole number from 0 to {bits}, not {prefix!r}")
    return (1 << 128) - (1 << bits - prefix)
