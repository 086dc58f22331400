"""Addresses: as text that people type, as tuples that sockets take.

Text has one trap, the colon: ``::1:53`` may be an address or an address and a port. So an IPv6 address that is followed
by a port stands in brackets, as RFC 3986 section 3.2.2 has it for URLs, and we never guess.

Names have another: one name may stand for several addresses, and ``localhost`` is ``::1`` here and ``127.0.0.1`` there.
`resolve` gives all of them in the system's order, and those who call it decide what to do with the second.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, cast

import trio

__all__ = ["Address"]

IPV4_MAPPED = bytes(10) + b"\xff\xff"  # what an IPv4 address has before it in IPv6, RFC 4291 section 2.5.5.2

Address: TypeAlias = "tuple[str, int] | tuple[str, int, int, int]"
"""A peer or a local end, as the ``socket`` module has them: ``(host, port)``, or for IPv6
``(host, port, flow_info, scope_id)``."""


class SharedAddress(tuple[Any, ...]):
    """A local address that each virtual host has, the wildcard or one of loopback, and which its host has of its own.

    It equals the plain address, as the ``socket`` module has it, and hashes and prints like it.
    """

    own: tuple[str, ...] = ()

    def of_host(self, address: Address) -> Address:
        """What others call it, or another such address on the same host; as it is where that is not clear."""
        host = address[0]
        own = [own for own in self.own if ("." in own) == ("." in host)]
        if len(own) != 1:
            return address
        mapped = "::ffff:" if host.startswith("::ffff:") else ""
        return cast("Address", (mapped + own[0], *address[1:]))


class HostPort(NamedTuple):
    """What a person typed; ``host`` is None when only a port was given."""

    host: str | None
    port: int


class Target(NamedTuple):
    """One address that a name stands for, with the family of socket that can reach it."""

    family: int
    address: Address


def parse_host_port(text: str, least: int = 0) -> HostPort:
    """Read ``"PORT"``, ``"HOST:PORT"`` or ``"[IPV6]:PORT"``, with a port of at least so much.

    Raises:
      ValueError: the text is none of these; says what was wrong and what would be right.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        return HostPort(None, parse_port(port, least))
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError(f"brackets are for IPv6 addresses: write {host}:{port}, not {text!r}")
    elif ":" in host or "[" in host or "]" in host:
        raise ValueError(f"an IPv6 address before a port stands in brackets, like [::1]:10000, not {text!r}")
    if not host or any(character.isspace() for character in host):
        raise ValueError(f"a host must come before the colon, like localhost:10000, not {text!r}")
    return HostPort(host, parse_port(port, least))


def parse_port(text: str, least: int = 0) -> int:
    """Read a port number, 0 to 65535; ``least``: 1 where it is to be sent to.

    Raises:
      ValueError: it is not one.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or not least <= int(text) <= 65535:
        raise ValueError(f"a port is a number from {least} to 65535, not {text!r}")
    return int(text)


def check_peer_port(port: int) -> None:
    """Raise the ValueError for the one port that can be bound and not be sent to; `resolve` knows the others."""
    if port == 0:
        raise ValueError("port 0 cannot be sent to: a port is a number from 1 to 65535")


def format_address(address: Address) -> str:
    """``127.0.0.1:53`` or ``[::1]:53``: what `parse_host_port` reads back."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def packed_host(address: Address) -> bytes:
    """The host's 16 bytes; an IPv4 address has those that it is mapped to in IPv6 (RFC 4291 section 2.5.5.2).

    So a peer is the same one whether it comes through an IPv4 socket or through an IPv6 socket that takes both.

    Raises:
      ValueError: the host is a name, or nonsense.
    """
    host = address[0]
    try:
        if ":" in host:
            return trio.socket.inet_pton(trio.socket.AF_INET6, host.partition("%")[0])
        return IPV4_MAPPED + trio.socket.inet_pton(trio.socket.AF_INET, host)
    except OSError:
        raise ValueError(f"a numeric IPv4 or IPv6 address is needed here, like 192.0.2.1, not {host!r}") from None


def is_loopback(address: Address) -> bool:
    """Is it this machine's own? Systems drop what comes from a network and says so (RFC 1122 section 3.2.1.3)."""
    packed = packed_host(address)
    return packed.startswith(IPV4_MAPPED + b"\x7f") or packed == bytes(15) + b"\x01"


def scope_of(address: Address) -> int:
    """The scope id: on which link a link-local IPv6 address is; 0 for all others."""
    return address[3] if len(address) == 4 else 0


async def resolve(host: str | None, port: int, *, passive: bool = False) -> list[Target]:
    """All addresses that a host name stands for, each once, in the system's order.

    Args:
      host: a name or an address; None means this machine's own: the loopback addresses, or with ``passive`` the
        wildcard addresses.
      port: 0 to 65535.
      passive: the addresses are to be bound, not sent to.

    Raises:
      OSError: (``socket.gaierror``) the name could not be resolved.
      ValueError: the port is out of range.
    """
    await trio.lowlevel.checkpoint()
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535, not {port!r}")
    flags = trio.socket.AI_PASSIVE if passive else 0
    try:
        answers = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_DGRAM, flags=flags)
    except ValueError as error:
        raise not_a_name(host, error) from None
    families = (trio.socket.AF_INET, trio.socket.AF_INET6)
    targets = [Target(int(family), _as_address(sockaddr)) for family, *_, sockaddr in answers if family in families]
    return list(dict.fromkeys(targets))


def not_a_name(host: str | None, error: ValueError) -> OSError:
    """The error for a text that is no host name, where Python raises another: UnicodeError for "a..b", by IDNA."""
    return trio.socket.gaierror(trio.socket.EAI_NONAME, f"{host!r} cannot be a host name: {error}")


def _as_address(sockaddr: tuple[str | int | bytes, ...]) -> Address:
    """What getaddrinfo gives, for the type checker: (host, port) or (host, port, flow, scope)."""
    return sockaddr  # type: ignore[return-value]


def payload_size(data: bytes) -> int:
    """How many bytes a payload has; ``len`` of a memoryview, or of an array, counts items, whatever their size.

    Raises:
      TypeError: these are no bytes.
    """
    return len(data) if type(data) is bytes else memoryview(data).nbytes


def payload_limit(family: int, host: str = "") -> int:
    """The largest payload of a datagram in bytes: 65,535 less the headers that count (RFC 768, 791 and 8200).

    An IPv6 socket sends to an IPv4 address, ``::ffff:192.0.2.1``, by IPv4.
    """
    return 65527 if family == trio.socket.AF_INET6 and not host.lower().startswith("::ffff:") else 65507
