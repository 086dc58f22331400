"""`Fate`: what Trio has made of a datagram that it was given, and why nothing, if that is so.

Trio's DTLS says nothing about what it throws away: a record from an address with which there is no conversation, a
hello that cannot be read, one that has come before. Nothing that is lost here may be lost in silence, so it has to be
found out. The obvious way, to judge each datagram by its bytes beforehand, would be a second opinion, and wrong
whenever Trio's is another one. But Trio's task is done with one datagram before it asks for the next. So then it is
looked at what has come of it: an answer, a new peer, or a place in a peer's queue. Only why nothing has come of it is
read from its bytes.

What is in a peer's queue is judged where it is decrypted (`_receiving`). In a handshake OpenSSL takes what is in there,
and does not tell a part of a message that it waits for from nonsense. So what comes then, in the name of that peer, is
counted only if the handshake ends without having asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    import trio

    from .._address import Address

NO_CONVERSATION = "no conversation"
BAD_HELLO = "bad hello"
BAD_COOKIE = "bad cookie"
HELLO_AGAIN = "hello again"
HANDSHAKE_OVER = "handshake over"

HANDSHAKE = 22  # a kind of record: RFC 5246 section 6.2.1
CLIENT_HELLO = 1  # a kind of handshake message, the first byte behind the header: RFC 5246 section 7.4
KIND = 13  # where that is: RFC 6347 section 4.1

# Where a hello says how long its session id is, behind which is its cookie: the headers of the record and the message
# (RFC 6347 section 4.2.2), the version and 32 random bytes (section 4.2.1).
SESSION_ID = 13 + 12 + 2 + 32


class Fate:
    """Of one datagram after the other.

    Args:
      endpoint: Trio's, which is given them.
    """

    def __init__(self, endpoint: trio.DTLSEndpoint) -> None:
        self._channels: MutableMapping[Address, trio.DTLSChannel] = endpoint._streams
        self._given: _Given | None = None
        self.answered = False  # something was sent since

    def given(self, data: bytes, address: Address) -> None:
        """Trio gets this one."""
        channel = self._channels.get(address)
        self._given = _Given(data, address, channel, channel is not None and channel._did_handshake)
        self.answered = False

    def swallowed(self) -> tuple[bytes, Address, str] | None:
        """Trio is done with it: the datagram and why nothing has come of it, if that is so."""
        given, self._given = self._given, None
        if given is None or not (reason := self._reason(given)):
            return None
        return given.data, given.address, reason

    def _reason(self, given: _Given) -> str:
        if _is_hello(given.data):
            return self._reason_of_hello(given)
        if given.channel is None:
            return NO_CONVERSATION
        of_handshake = given.data[3:5] == b"\0\0"  # the epoch: Trio asks the same
        return HANDSHAKE_OVER if given.was_done and of_handshake and not self.answered else ""

    def _reason_of_hello(self, given: _Given) -> str:
        cookie = _cookie(given.data)
        if self.answered:  # with a cookie, which somebody who has none is asked to come with
            return BAD_COOKIE if cookie else ""
        if self._channels.get(given.address) is not given.channel:
            return ""  # it is welcome
        before = given.channel and given.channel._client_hello
        return HELLO_AGAIN if before and before[0] == cookie else BAD_HELLO


class _Given(NamedTuple):
    data: bytes
    address: Address
    channel: trio.DTLSChannel | None  # with that address, when it was given
    was_done: bool  # its handshake


def _is_hello(data: bytes) -> bool:
    return data[0] == HANDSHAKE and data[KIND : KIND + 1] == bytes([CLIENT_HELLO])


def _cookie(hello: bytes) -> bytes:
    """The cookie of a hello; nothing if there is none, or no such place."""
    at = SESSION_ID + 1 + int.from_bytes(hello[SESSION_ID : SESSION_ID + 1], "big")
    size = int.from_bytes(hello[at : at + 1], "big")
    return hello[at + 1 : at + 1 + size]
