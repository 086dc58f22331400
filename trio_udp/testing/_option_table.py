"""The socket options of Linux: names, numbers, what a new socket has, and what is kept of a value.

Other platforms have other numbers for the same names, and not all of the names.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
import sys
from collections.abc import Callable
from socket import IPPROTO_IP, IPPROTO_IPV6, SOL_SOCKET

# Names and Linux's numbers: asm-generic/socket.h, linux/in.h and linux/in6.h in include/uapi.
_LINUX = {
    SOL_SOCKET: """
        SO_DEBUG 1  SO_REUSEADDR 2  SO_TYPE 3  SO_ERROR 4  SO_DONTROUTE 5  SO_BROADCAST 6  SO_SNDBUF 7  SO_RCVBUF 8
        SO_KEEPALIVE 9  SO_OOBINLINE 10  SO_NO_CHECK 11  SO_PRIORITY 12  SO_LINGER 13  SO_REUSEPORT 15  SO_PASSCRED 16
        SO_PEERCRED 17  SO_RCVLOWAT 18  SO_SNDLOWAT 19  SO_RCVTIMEO 20  SO_SNDTIMEO 21  SO_BINDTODEVICE 25
        SO_ATTACH_FILTER 26  SO_DETACH_FILTER 27  SO_TIMESTAMP 29  SO_ACCEPTCONN 30  SO_SNDBUFFORCE 32
        SO_RCVBUFFORCE 33  SO_TIMESTAMPNS 35  SO_MARK 36  SO_TIMESTAMPING 37  SO_PROTOCOL 38  SO_DOMAIN 39
        SO_RXQ_OVFL 40  SO_PEEK_OFF 42  SO_BUSY_POLL 46  SO_MAX_PACING_RATE 47  SO_INCOMING_CPU 49  SO_ATTACH_BPF 50
        SO_ATTACH_REUSEPORT_CBPF 51  SO_ATTACH_REUSEPORT_EBPF 52  SO_MEMINFO 55  SO_COOKIE 57  SO_ZEROCOPY 60
        SO_TXTIME 61  SO_BINDTOIFINDEX 62
    """,
    IPPROTO_IP: """
        IP_TOS 1  IP_TTL 2  IP_OPTIONS 4  IP_RECVOPTS 6  IP_RETOPTS 7  IP_PKTINFO 8  IP_MTU_DISCOVER 10  IP_RECVERR 11
        IP_RECVTTL 12  IP_RECVTOS 13  IP_MTU 14  IP_FREEBIND 15  IP_TRANSPARENT 19  IP_RECVORIGDSTADDR 20  IP_MINTTL 21
        IP_CHECKSUM 23  IP_BIND_ADDRESS_NO_PORT 24  IP_RECVFRAGSIZE 25  IP_RECVERR_RFC4884 26  IP_MULTICAST_IF 32
        IP_MULTICAST_TTL 33  IP_MULTICAST_LOOP 34  IP_ADD_MEMBERSHIP 35  IP_DROP_MEMBERSHIP 36  IP_UNBLOCK_SOURCE 37
        IP_BLOCK_SOURCE 38  IP_ADD_SOURCE_MEMBERSHIP 39  IP_DROP_SOURCE_MEMBERSHIP 40  MCAST_JOIN_GROUP 42
        MCAST_LEAVE_GROUP 45  MCAST_JOIN_SOURCE_GROUP 46  MCAST_LEAVE_SOURCE_GROUP 47  IP_MULTICAST_ALL 49
        IP_UNICAST_IF 50  IP_LOCAL_PORT_RANGE 51
    """,
    IPPROTO_IPV6: """
        IPV6_UNICAST_HOPS 16  IPV6_MULTICAST_IF 17  IPV6_MULTICAST_HOPS 18  IPV6_MULTICAST_LOOP 19  IPV6_JOIN_GROUP 20
        IPV6_LEAVE_GROUP 21  IPV6_MTU_DISCOVER 23  IPV6_MTU 24  IPV6_RECVERR 25  IPV6_V6ONLY 26  IPV6_MULTICAST_ALL 29
        IPV6_RECVERR_RFC4884 31  IPV6_FLOWLABEL_MGR 32  IPV6_FLOWINFO_SEND 33  MCAST_JOIN_GROUP 42  MCAST_LEAVE_GROUP 45
        MCAST_JOIN_SOURCE_GROUP 46
        MCAST_LEAVE_SOURCE_GROUP 47  IPV6_RECVPKTINFO 49  IPV6_PKTINFO 50  IPV6_RECVHOPLIMIT 51  IPV6_HOPLIMIT 52
        IPV6_RECVPATHMTU 60  IPV6_PATHMTU 61  IPV6_DONTFRAG 62  IPV6_RECVTCLASS 66  IPV6_TCLASS 67
        IPV6_AUTOFLOWLABEL 70  IPV6_ADDR_PREFERENCES 72  IPV6_MINHOPCOUNT 73  IPV6_RECVORIGDSTADDR 74
        IPV6_TRANSPARENT 75  IPV6_UNICAST_IF 76  IPV6_RECVFRAGSIZE 77  IPV6_FREEBIND 78
    """,
}

INT_MAX = 2**31 - 1
# What a new IP_TOS makes of SO_PRIORITY, by two of its bits: ip_tos2prio in net/ipv4/route.c.
TOS_PRIORITY = 0, 2, 6, 4
MAX_BUFFER = 212_992  # bytes: net.core.rmem_max and wmem_max; the newest kernels have 4 MiB, the others this
_LEAST_RECEIVE_BUFFER = 2304  # SOCK_MIN_RCVBUF in include/net/sock.h, on 64 bits
_LEAST_SEND_BUFFER = 4608  # SOCK_MIN_SNDBUF
DO, PROBE = 2, 3  # IP_PMTUDISC_DO and _PROBE in linux/in.h: what is larger than the MTU is refused, not fragmented


def error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


# -- what is kept of a value that an option is set to ------------------------------------------------------------------


def _any(value: int) -> int:
    return value


def _switch(value: int) -> int:
    return int(value != 0)


def _byte(value: int) -> int:
    return value & 0xFF


def _between(least: int, most: int, default: int) -> Callable[[int], int]:
    """Whole numbers from ``least`` to ``most``; -1 is the default, unless that is itself out of range."""

    def kept(value: int) -> int:
        if value == -1 and default >= 0:
            return default
        if not least <= value <= most:
            raise error(errno.EINVAL)
        return value

    return kept


def _buffer(least: int) -> Callable[[int], int]:
    """Twice the size, to make room for the kernel's own bookkeeping (socket(7)); a negative one is the largest."""
    return lambda value: max(2 * min(value & 0xFFFFFFFF, MAX_BUFFER), least)


def _forced_buffer(least: int) -> Callable[[int], int]:
    return lambda value: max(2 * min(value, INT_MAX // 2), least)


KEPT: dict[str, Callable[[int], int]] = {
    "SO_REUSEADDR": _switch,
    "SO_REUSEPORT": _switch,
    "SO_BROADCAST": _switch,
    "SO_RXQ_OVFL": _switch,
    "SO_PRIORITY": _any,
    "SO_RCVBUF": _buffer(_LEAST_RECEIVE_BUFFER),
    "SO_SNDBUF": _buffer(_LEAST_SEND_BUFFER),
    "SO_RCVBUFFORCE": _forced_buffer(_LEAST_RECEIVE_BUFFER),
    "SO_SNDBUFFORCE": _forced_buffer(_LEAST_SEND_BUFFER),
    "IP_TOS": _byte,
    "IP_TTL": _between(1, 255, 64),
    "IP_PKTINFO": _switch,
    "IP_MTU_DISCOVER": _between(0, 5, -1),
    "IP_MULTICAST_TTL": _between(0, 255, 1),
    "IP_MULTICAST_LOOP": _switch,
    "IP_MULTICAST_ALL": _between(0, 1, -1),
    "IPV6_MULTICAST_HOPS": _between(0, 255, 1),
    "IPV6_MULTICAST_LOOP": _between(0, 1, -1),
    "IPV6_MULTICAST_ALL": _switch,
    "IPV6_V6ONLY": _switch,
    "IPV6_UNICAST_HOPS": _between(0, 255, 64),
    "IPV6_TCLASS": _between(0, 255, 0),
    "IPV6_MTU_DISCOVER": _between(0, 5, -1),
    "IPV6_DONTFRAG": _switch,
    "IPV6_RECVPKTINFO": _switch,
}

# What a new socket has, where it is not 0.
DEFAULTS = {
    "SO_RCVBUF": 212_992,  # net.core.rmem_default, bytes
    "SO_SNDBUF": 212_992,  # net.core.wmem_default, bytes
    "IP_TTL": 64,  # net.ipv4.ip_default_ttl
    "IP_MTU_DISCOVER": 1,  # IP_PMTUDISC_WANT: fragment what is too large
    "IP_MULTICAST_TTL": 1,  # RFC 1112 section 6.1
    "IP_MULTICAST_LOOP": 1,
    "IP_MULTICAST_ALL": 1,
    "IPV6_MULTICAST_HOPS": 1,  # RFC 3493 section 5.2
    "IPV6_MULTICAST_LOOP": 1,
    "IPV6_MULTICAST_ALL": 1,
    "IPV6_UNICAST_HOPS": 64,  # net.ipv6.conf.default.hop_limit
    "IPV6_MTU_DISCOVER": 1,
}

READ_ONLY = frozenset({"SO_TYPE", "SO_ERROR", "SO_ACCEPTCONN", "SO_PROTOCOL", "SO_DOMAIN", "SO_MEMINFO", "IP_MTU"})


def _named() -> dict[tuple[int, int], str]:
    """The names of this platform's options, by level and number."""
    names = {}
    for level, table in _LINUX.items():
        words = table.split()
        for name, linux in zip(words[::2], words[1::2], strict=True):
            number = getattr(stdlib_socket, name, int(linux) if sys.platform == "linux" else None)
            if number is not None:
                names[level, number] = name
    return names


NAMES = _named()
