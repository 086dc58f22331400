"""`Resolver`: ``getaddrinfo`` and ``getnameinfo`` for the hosts of the virtual network.

Between a name and its addresses ``getaddrinfo`` decides a hundred small things: which kinds of socket, which number
"domain" stands for, what a port above 65535 means, which of eight errors comes first. Writing that down again would be
a copy with mistakes. So the system is asked, with an address in the place of the name: whoever gives it AI_NUMERICHOST
gets all of those decisions, and no question ever leaves the machine. What is left for us is the names themselves, and
the order of their addresses.

Never asked is what this machine's own network is like, so AI_ADDRCONFIG means the host of the virtual network. Names
that are no host of the network do not exist, whatever the real DNS says.
"""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable, Sequence
from socket import AF_INET, AF_INET6, AddressFamily, SocketKind
from typing import TYPE_CHECKING, Literal, TypeAlias

import idna
import trio

from ._ip import parse_ip

if TYPE_CHECKING:
    Answer: TypeAlias = (
        tuple[Literal[AddressFamily.AF_INET], SocketKind, int, str, tuple[str, int]]
        | tuple[Literal[AddressFamily.AF_INET6], SocketKind, int, str, tuple[str, int, int, int] | tuple[int, bytes]]
    )

LOOPBACK = ("::1", "127.0.0.1")  # RFC 6761 section 6.3; in the order that glibc has without a name: IPv6 first


def _flag(name: str) -> int:
    """A flag as a plain number, in which -1 keeps all its bits; 0 where the platform has none (trio #3133)."""
    return int(getattr(stdlib_socket, name, 0))


_AI_CANONNAME, _AI_NUMERICHOST, _AI_NUMERICSERV = map(_flag, ("AI_CANONNAME", "AI_NUMERICHOST", "AI_NUMERICSERV"))
_AI_ADDRCONFIG, _AI_V4MAPPED, _AI_ALL = map(_flag, ("AI_ADDRCONFIG", "AI_V4MAPPED", "AI_ALL"))
_EAI_NODATA = getattr(stdlib_socket, "EAI_NODATA", stdlib_socket.EAI_NONAME)


def normal_name(name: str | bytes) -> str:
    """A host name as it is looked up: in ASCII (IDNA 2008, as Trio has it), lower case, without the dot at the end.

    Raises:
      UnicodeError: it cannot be a host name.
    """
    if isinstance(name, str) and not name.isascii():
        name = idna.encode(name, uts46=True)
    text = name if isinstance(name, str) else bytes(name).decode("ascii", "backslashreplace")
    return text.lower().removesuffix(".")


class Resolver(trio.abc.HostnameResolver):
    """Knows the hosts of the network, and nobody else.

    Args:
      lookup: the addresses of a host, by its name as `normal_name` has it; None: there is no such host.
      reverse: the name of the host with this address; None: it has none.
      own_name: the name of the host that asks, for AI_ADDRCONFIG, NI_NOFQDN, and the order of answers.
    """

    def __init__(
        self,
        lookup: Callable[[str], Sequence[str] | None],
        reverse: Callable[[str], str | None],
        own_name: Callable[[], str],
    ) -> None:
        self._lookup = lookup
        self._reverse = reverse
        self._own_name = own_name

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Answer]:
        """As ``socket.getaddrinfo``.

        Raises:
          OSError: (``socket.gaierror``) as glibc has it.
        """
        await trio.lowlevel.checkpoint()
        try:
            return _ask(host, port, family, type, proto, flags & ~_AI_ADDRCONFIG)
        except stdlib_socket.gaierror as error:
            is_name = error.errno == stdlib_socket.EAI_NONAME and not flags & _AI_NUMERICHOST
            if host is None or not is_name:
                raise
            name = normal_name(host)
            addresses = self._addresses(name)
            if addresses is None:
                raise
        # Any address will do to learn the kinds of socket and the number of the port.
        kinds = _ask("0.0.0.0", port, AF_INET, type, proto, flags & _AI_NUMERICSERV)
        wanted = self._wanted(addresses, family, flags)
        answers = [_answer(address, kind, "") for address in wanted for kind in kinds]
        if flags & _AI_CANONNAME:
            answers[0] = _answer(wanted[0], kinds[0], name)  # and only there, as everywhere
        return answers

    def _addresses(self, name: str) -> Sequence[str] | None:
        """All addresses of a host, the ones that the asking host would try first in front.

        That is RFC 6724 section 6 as far as it matters here: first what can be reached (rule 1), then IPv6 (rule 6).
        """
        if name == "localhost" or name.endswith(".localhost"):
            return LOOPBACK
        found = self._lookup(name)
        if found is None:
            return None
        here = self._families()
        return sorted(found, key=lambda address: (_family(address) not in here, ":" not in address))

    def _families(self) -> set[AddressFamily]:
        """Of which families the asking host has addresses."""
        addresses = self._lookup(normal_name(self._own_name()))
        return {_family(address) for address in addresses or LOOPBACK}

    def _wanted(self, addresses: Sequence[str], family: int, flags: int) -> Sequence[str]:
        """Those of a host's addresses that the flags and the family ask for.

        Raises:
          OSError: (``socket.gaierror``) there are none.
        """
        if flags & _AI_ADDRCONFIG:
            here = self._families()
            if family and family not in here:
                raise _no_name()
            if len(here) == 1:
                (family,) = here
        chosen = [address for address in addresses if family in (0, _family(address))]
        if family == AF_INET6 and flags & _AI_V4MAPPED and (flags & _AI_ALL or not chosen):
            chosen += ["::ffff:" + address for address in addresses if ":" not in address]
        if not chosen:
            raise stdlib_socket.gaierror(_EAI_NODATA, "No address associated with hostname")
        return chosen

    async def getnameinfo(self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int) -> tuple[str, str]:
        """As ``socket.getnameinfo``.

        Raises:
          OSError: (``socket.gaierror``) a name is required (NI_NAMEREQD), and there is none.
        """
        await trio.lowlevel.checkpoint()
        numeric = (flags | stdlib_socket.NI_NUMERICHOST) & ~stdlib_socket.NI_NAMEREQD
        host, service = stdlib_socket.getnameinfo(sockaddr, numeric)
        name = None if flags & stdlib_socket.NI_NUMERICHOST else self._name(host)
        if name is None and flags & stdlib_socket.NI_NAMEREQD:
            raise _no_name()
        if name is not None and flags & stdlib_socket.NI_NOFQDN:
            name = self._without_our_domain(name)
        return host if name is None else name, service

    def _name(self, host: str) -> str | None:
        address = parse_ip(host).text
        return "localhost" if address in LOOPBACK else self._reverse(address)

    def _without_our_domain(self, name: str) -> str:
        domain = self._own_name().partition(".")[2]
        return name.removesuffix("." + domain)


def _ask(
    host: str | bytes | None, port: bytes | str | int | None, family: int, type: int, proto: int, flags: int
) -> list[Answer]:
    return stdlib_socket.getaddrinfo(host, port, family, type, proto, flags | _AI_NUMERICHOST)


def _answer(address: str, example: Answer, canonical: str) -> Answer:
    """The example's kind of socket and port, at this address."""
    _, kind, protocol, _, (_, port, *_) = example
    if ":" in address:
        return AddressFamily.AF_INET6, kind, protocol, canonical, (address, int(port), 0, 0)
    return AddressFamily.AF_INET, kind, protocol, canonical, (address, int(port))


def _family(address: str) -> AddressFamily:
    return AF_INET6 if ":" in address else AF_INET


def _no_name() -> stdlib_socket.gaierror:
    return stdlib_socket.gaierror(stdlib_socket.EAI_NONAME, "Name or service not known")
