"""`Options`: what ``setsockopt`` and ``getsockopt`` know of one virtual socket, as Linux has it.

A fake that takes every option and does nothing with it lets a program believe that it has blocked a sender, or that its
receives time out. So there are three kinds of options here, and no fourth:

- those whose effect the virtual network shows: the socket reads them from the attributes;
- those that change nothing between hosts that are one hop apart, where no queue forms at the sender: TTL and hop limit,
  TOS and traffic class, priority, the size of the send buffer. They are kept and read back (the TTL of what is sent to
  groups is of the first kind: 0 stays on the host);
- all others that Linux has: NotImplementedError, with the name. What Linux does not have either is ENOPROTOOPT, and so
  is segmentation offload, as on a kernel that is too old for it.

On all platforms they do what they do on Linux.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from socket import AF_INET6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, SOCK_DGRAM, SOL_SOCKET
from typing import TYPE_CHECKING

from ._group_requests import is_for_groups
from ._groups import Groups
from ._ip import IP
from ._option_table import DEFAULTS, DO, INT_MAX, KEPT, NAMES, PROBE, READ_ONLY, TOS_PRIORITY, error

if TYPE_CHECKING:
    from typing_extensions import Buffer

_INT = struct.Struct("=i")
_MAX_ANSWER = 1024  # bytes; the most that Python's getsockopt asks for


class Options:
    """The options of one virtual UDP socket.

    Args:
      family: AF_INET or AF_INET6.
      drops: how many datagrams this socket has dropped, for SO_MEMINFO.
      take_error: the pending error, which it takes away, or 0; for SO_ERROR.
      path_mtu: bytes that fit in a datagram to the peer, IP header included, or None if there is no peer; for IP_MTU
        and IPV6_MTU, which are not implemented without it.
      interface_of: which interface of the host an address belongs to; see `Groups`.
    """

    bound = False
    """Set by the socket when it has got a port: then IPV6_V6ONLY is fixed."""

    def __init__(
        self,
        family: int,
        drops: Callable[[], int],
        take_error: Callable[[], int],
        path_mtu: Callable[[], int | None] | None = None,
        interface_of: Callable[[IP], int] = lambda ip: 0,
    ) -> None:
        self._family = family
        self.groups = Groups(interface_of)
        self._drops = drops
        self._path_mtu = path_mtu
        self._values = {name: DEFAULTS.get(name, 0) for name in KEPT if not name.endswith("FORCE")}
        if family == AF_INET6:
            self._values["IP_MULTICAST_ALL"] = 0  # inet6_create does not set it, as inet_create does
        self._asked: dict[str, Callable[[], int]] = {
            "SO_TYPE": lambda: SOCK_DGRAM,
            "SO_ERROR": take_error,
            "SO_ACCEPTCONN": lambda: 0,
            "SO_PROTOCOL": lambda: IPPROTO_UDP,
            "SO_DOMAIN": lambda: family,
            "IP_MTU": self._mtu,
            "IPV6_MTU": self._mtu,
        }

    # -- what the socket reads -----------------------------------------------------------------------------------------

    @property
    def receive_buffer(self) -> int:
        """Bytes, as the kernel counts them: its own bookkeeping included."""
        return self._values["SO_RCVBUF"]

    @property
    def v6only(self) -> bool:
        return bool(self._values["IPV6_V6ONLY"])

    def become_v6only(self) -> None:
        """As it happens to a socket that is bound to one IPv6 address."""
        self._values["IPV6_V6ONLY"] = 1

    @property
    def reuse_address(self) -> bool:
        return bool(self._values["SO_REUSEADDR"])

    @property
    def reuse_port(self) -> bool:
        return bool(self._values["SO_REUSEPORT"])

    @property
    def broadcast(self) -> bool:
        return bool(self._values["SO_BROADCAST"])

    def multicast_all(self, *, is_ipv4: bool) -> bool:
        """Does it hear groups that it has not joined, if another socket of its host has?"""
        return bool(self._values["IP_MULTICAST_ALL" if is_ipv4 else "IPV6_MULTICAST_ALL"])

    def multicast_loop(self, *, is_ipv4: bool) -> bool:
        """Do members on its own host hear what it sends to a group?"""
        return bool(self._values["IP_MULTICAST_LOOP" if is_ipv4 else "IPV6_MULTICAST_LOOP"])

    def multicast_ttl(self, *, is_ipv4: bool) -> int:
        """How many networks a datagram to a group may cross; 0: it stays on its host."""
        return self._values["IP_MULTICAST_TTL" if is_ipv4 else "IPV6_MULTICAST_HOPS"]

    @property
    def rxq_ovfl(self) -> bool:
        """Are the drops to be told with each datagram (SO_RXQ_OVFL)?"""
        return bool(self._values["SO_RXQ_OVFL"])

    @property
    def pktinfo(self) -> bool:
        """Is the address that a datagram was sent to to be told with it (IP_PKTINFO or IPV6_RECVPKTINFO)?"""
        return bool(self._values["IPV6_RECVPKTINFO" if self._family == AF_INET6 else "IP_PKTINFO"])

    @property
    def dont_fragment(self) -> bool:
        """Is what is larger than the MTU refused, when it goes to an address of the socket's own family?"""
        if self._family != AF_INET6:
            return self.dont_fragment_ipv4
        return bool(self._values["IPV6_DONTFRAG"]) or self._values["IPV6_MTU_DISCOVER"] in (DO, PROBE)

    @property
    def dont_fragment_ipv4(self) -> bool:
        """The same, for an IPv4 address: on an IPv6 socket too that is a matter of IP_MTU_DISCOVER."""
        return self._values["IP_MTU_DISCOVER"] in (DO, PROBE)

    # -- setsockopt ----------------------------------------------------------------------------------------------------

    def set(self, level: int, option: int, value: int | Buffer | None, optlen: int | None = None) -> None:
        """As ``socket.setsockopt``.

        Raises:
          OSError: as Linux has it.
          NotImplementedError: Linux has the option, and the virtual network does not.
          TypeError: the value is neither an int of C nor bytes.
        """
        data, length = _argument(value, optlen)
        name = self._name(level, option)
        if name is not None and is_for_groups(name):
            self.groups.set(name, level, data, length)
            return
        if name is not None and name not in KEPT and name not in READ_ONLY:
            raise _not_implemented(name)
        if name not in KEPT and level not in (SOL_SOCKET, IPPROTO_UDP):  # those two look at the value first
            raise error(errno.ENOPROTOOPT)
        number = _c_int(level, name, data, length)
        if name is None or name not in KEPT:
            raise error(errno.ENOPROTOOPT)
        if name == "IPV6_V6ONLY" and self.bound:
            raise error(errno.EINVAL)
        kept = KEPT[name](number)
        if name == "IP_TOS" and number != self._values["IP_TOS"]:  # Linux compares the int, not the byte it keeps
            self._values["SO_PRIORITY"] = TOS_PRIORITY[kept >> 3 & 3]
        self._values[name.removesuffix("FORCE")] = kept

    # -- getsockopt ----------------------------------------------------------------------------------------------------

    def get(self, level: int, option: int, buflen: int = 0) -> int | bytes:
        """As ``socket.getsockopt``: an int, or with ``buflen`` at most that many bytes.

        Raises:
          OSError: as Linux has it.
          NotImplementedError: Linux has the option, and the virtual network does not.
        """
        if not 0 <= buflen <= _MAX_ANSWER:
            raise OSError("getsockopt buflen out of range")
        name = self._name(level, option)
        if name is None or name.endswith("FORCE"):
            known = self._family == AF_INET6 or level in (SOL_SOCKET, IPPROTO_IP, IPPROTO_UDP)
            raise error(errno.ENOPROTOOPT if known else errno.EOPNOTSUPP)
        data = self._read(name)
        number: int = _INT.unpack_from(data)[0]
        if buflen == 0:
            return number
        if name != "IP_MULTICAST_IF" and level == IPPROTO_IP and buflen < _INT.size and 0 <= number <= 255:
            return bytes([number])  # it was a char once, and old programs must not notice
        return data[:buflen]

    def _read(self, name: str) -> bytes:
        if is_for_groups(name):
            return self.groups.get(name)
        return self._memory() if name == "SO_MEMINFO" else _INT.pack(self._number(name))

    def _number(self, name: str) -> int:
        if name in self._asked:
            return self._asked[name]()
        if name in self._values:
            return self._values[name]
        raise _not_implemented(name)

    def _memory(self) -> bytes:
        """SO_MEMINFO: nine u32 (linux/sock_diag.h), of which the network knows the two limits and the drops."""
        return struct.pack("=9I", 0, self.receive_buffer, 0, self._values["SO_SNDBUF"], 0, 0, 0, 0, self._drops())

    def _mtu(self) -> int:
        if self._path_mtu is None:
            raise _not_implemented("IP_MTU")
        mtu = self._path_mtu()
        if mtu is None:
            raise error(errno.ENOTCONN)
        return mtu

    def _name(self, level: int, option: int) -> str | None:
        """What the option is called; None if a socket of this family has no such option."""
        if level == IPPROTO_IPV6 and self._family != AF_INET6:
            return None
        name = NAMES.get((level, option))
        if name == "IP_PKTINFO" and self._family == AF_INET6:
            raise _not_implemented("IP_PKTINFO on an IPv6 socket (IPV6_RECVPKTINFO tells of IPv4, too)")
        return name


def _not_implemented(name: str) -> NotImplementedError:
    return NotImplementedError(f"the virtual network does not have the socket option {name}")


def _argument(value: int | Buffer | None, optlen: int | None) -> tuple[bytes | None, int]:
    """The bytes that the kernel gets, and how many it is told that they are; None is C's NULL."""
    if optlen is not None:
        if value is not None:
            raise TypeError("setsockopt() takes exactly 3 arguments (4 given)")
        if not 0 <= optlen <= INT_MAX:
            raise error(errno.EINVAL)
        return None, optlen
    try:
        data = _INT.pack(value)
    except struct.error:
        data = _bytes(value)
    return data, len(data)


def _bytes(value: object) -> bytes:
    try:
        return bytes(memoryview(value))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(value).__name__!r}") from None


def _c_int(level: int, name: str | None, data: bytes | None, length: int) -> int:
    """The number in a value: each level of Linux has its own idea of values that are too short, and of NULL."""
    if level == IPPROTO_IP and length == 0:
        if name in ("IP_MULTICAST_TTL", "IP_MULTICAST_LOOP", "IP_MULTICAST_ALL"):
            raise error(errno.EINVAL)
        return 0
    if length < _INT.size and level != IPPROTO_IP:
        if name == "IPV6_DONTFRAG":  # the only one that does not look
            return 0
        raise error(errno.EINVAL)
    if data is None:
        if level == IPPROTO_IPV6:
            return 0
        raise error(errno.EFAULT)
    number: int = data[0] if length < _INT.size else _INT.unpack_from(data)[0]
    return number
