"""Cookies: how a peer proves that it receives at its address, and the server remembers nothing for it.

The obvious proof is a random number for each peer, kept until it comes back. But whoever forges addresses makes the
server keep one for each, and that table is what the flood then fills. So the number is not kept, it is computed again:
a keyed hash of the address. DTLS (RFC 9147 section 5.1), QUIC (RFC 9000 section 8.1) and DNS (RFC 9018) all do this.

What belongs to the address: the host, and for a link-local one the link (the scope id). The port does not. What is
protected is a host that never asked, a client's next socket has another port, and a NAT may change it in between;
QUIC's tokens for later connections (RFC 9000 section 8.1.4) and DNS cookies (RFC 9018 section 4.4) are bound to the
host alone as well, which does not tell apart who is behind one NAT. Nor does IPv6's flow label, which a sender may
choose anew. An IPv4 address is the same one when it comes mapped, through an IPv6 socket.

What the hash is: HMAC-SHA-256, cut to 16 bytes, which is the half below which RFC 2104 section 5 would not go. Python's
``hashlib`` has a faster keyed hash (BLAKE2), but a cookie takes 3 microseconds as it is, no more than a system call,
and everybody knows what HMAC promises.

A cookie must not be good for ever: an address gets another owner. So time is cut into slices, and the number of the
slice is hashed as well, which is a new key for each. Cookies of this slice and of the one before are good.
"""

from __future__ import annotations

import hmac
import os
import struct
import time
from typing import TYPE_CHECKING, Final

import trio

from ._address import packed_host, scope_of
from ._checks import check_positive

if TYPE_CHECKING:
    from ._address import Address

__all__ = ["AddressCookies"]

_LEAST_KEY = 16  # bytes; a key should not be easier to guess than the cookie
_SLICE_AND_SCOPE = struct.Struct(">QI")


class AddressCookies:
    """Makes cookies for addresses, and knows its own again, without keeping any.

    A server sends the cookie to whoever asks, and takes a request that carries it as proof that its sender receives at
    this address; see `limit_amplification`. Somebody between the two can read cookies, and use them for as long as they
    are good: this is no encryption, and proves nothing else.

    Args:
      lifetime: seconds for which a cookie is good at least; at most it is twice that (1800: together no more than the
        hour of RFC 9018 section 4.3).
      key: a secret of at least 16 random bytes (``secrets.token_bytes(32)``). Processes that have the same key know
        each other's cookies, now and after a restart. The time is then the system's (``time.time``) instead of Trio's,
        which is another one in each process. None: a random key of its own.

    Raises:
      TypeError: the key is not bytes.
      ValueError: an argument makes no sense; the message names it.
    """

    SIZE: Final = 16
    """Bytes that a cookie has."""

    def __init__(self, *, lifetime: float = 1800.0, key: bytes | None = None) -> None:
        check_positive("lifetime", lifetime)
        if key is not None:
            if not isinstance(key, bytes):
                raise TypeError(f"key must be bytes, or None, not {type(key).__name__}")
            if len(key) < _LEAST_KEY:
                raise ValueError(f"key must have at least {_LEAST_KEY} random bytes, not {len(key)}")
        self._lifetime = lifetime
        self._is_shared = key is not None
        self._key = os.urandom(32) if key is None else key

    def make(self, address: Address) -> bytes:
        """The cookie for this address, `SIZE` bytes.

        Args:
          address: of its parts the host counts, and for a link-local one the link. The port does not: a client's next
            socket has another one, and is given the same cookie, as is who shares its NAT.

        Raises:
          ValueError: the host is a name.
        """
        return self._make(self._slice(), address)

    def check(self, address: Address, cookie: bytes) -> bool:
        """Was this cookie made for this address, not too long ago? Takes the same time for all that are wrong.

        Args:
          address: as in `make`; its port may be another one than then.
          cookie: what came with the request, of any size.

        Raises what `make` raises.
        """
        now = self._slice()
        return any(hmac.compare_digest(self._make(slice_, address), cookie) for slice_ in (now, now - 1))

    def _slice(self) -> int:
        """The number of the present slice of time; never 0, so that there is one before."""
        now = time.time() if self._is_shared else trio.current_time()
        return int(now // self._lifetime) + 1

    def _make(self, slice_: int, address: Address) -> bytes:
        message = _SLICE_AND_SCOPE.pack(slice_, scope_of(address)) + packed_host(address)
        return hmac.digest(self._key, message, "sha256")[: self.SIZE]
