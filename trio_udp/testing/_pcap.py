"""What went over the virtual network, as a file that Wireshark opens.

The format is the oldest one that every tool reads (draft-ietf-opsawg-pcap): a header, then for each datagram its time,
its length, and the bytes that would have been on the wire. No library is needed for that; only IP and UDP headers are
missing, with checksums that are right, because a reader marks wrong ones in red. There is no Ethernet in between:
LINKTYPE_RAW begins with the IP header, and the first four bits say which version.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator

from .._address import Address
from ._ip import parse_ip

# Section 4 of the draft: the magic number of files with nanoseconds, version 2.4, two unused fields, the longest
# capture (tcpdump's 262,144 bytes; 65,575 is the most that comes here), and the link type from tcpdump.org/linktypes.
_FILE = struct.Struct("<IHHIIII")
_NANOSECONDS, _SNAP_LENGTH, _LINKTYPE_RAW = 0xA1B23C4D, 262144, 101
_RECORD = struct.Struct("<IIII")  # section 5: seconds, nanoseconds, bytes here, bytes on the wire

_UDP = struct.Struct("!HHHH")  # RFC 768
_IPV4 = struct.Struct("!BBHHHBBH4s4s")  # RFC 791 section 3.1
_IPV6 = struct.Struct("!IHBB16s16s")  # RFC 8200 section 3
_HOPS = 64  # the initial TTL that RFC 1700 recommends, and Linux has
_HOPS_TO_GROUPS = 1  # unless a program says otherwise (RFC 1112 section 6.1), which the record does not know
_DONT_FRAGMENT = 0x4000  # RFC 6864: such a datagram needs no identification


def pcap(datagrams: Iterable[tuple[float, Address, Address, bytes]]) -> Iterator[bytes]:
    """A pcap file, piece by piece.

    Args:
      datagrams: of each one the time in seconds from 0, the source, the destination and the payload.

    Raises:
      ValueError: a time is later than the format has numbers for, which is 136 years.
    """
    yield _FILE.pack(_NANOSECONDS, 2, 4, 0, 0, _SNAP_LENGTH, _LINKTYPE_RAW)
    for time, source, destination, payload in datagrams:
        wire = _on_the_wire(source, destination, payload)
        seconds, nanoseconds = divmod(round(time * 1e9), 10**9)
        if seconds >= 2**32:
            raise ValueError(f"a pcap file has no time beyond {2**32} s, and a datagram was sent at {time} s")
        yield _RECORD.pack(seconds, nanoseconds, len(wire), len(wire)) + wire


def _on_the_wire(source: Address, destination: Address, payload: bytes) -> bytes:
    is_ipv4, from_ip = _packed(source)
    _, to_ip = _packed(destination)
    hops = _HOPS_TO_GROUPS if parse_ip(destination[0]).is_multicast else _HOPS
    length = _UDP.size + len(payload)
    pseudo = struct.pack("!4s4sHH" if is_ipv4 else "!16s16sII", from_ip, to_ip, socket.IPPROTO_UDP, length)
    bare = _UDP.pack(source[1], destination[1], length, 0)
    udp = _UDP.pack(source[1], destination[1], length, _udp_checksum(pseudo + bare + payload)) + payload
    return (_ipv4_header if is_ipv4 else _ipv6_header)(from_ip, to_ip, length, hops) + udp


def _packed(address: Address) -> tuple[bool, bytes]:
    ip = parse_ip(address[0])
    return ip.is_ipv4, socket.inet_pton(socket.AF_INET if ip.is_ipv4 else socket.AF_INET6, ip.text)


def _ipv4_header(source: bytes, destination: bytes, length: int, hops: int) -> bytes:
    total = _IPV4.size + length
    fields = (0x45, 0, total, 0, _DONT_FRAGMENT, hops, socket.IPPROTO_UDP)
    checksum = _checksum(_IPV4.pack(*fields, 0, source, destination))
    return _IPV4.pack(*fields, checksum, source, destination)


def _ipv6_header(source: bytes, destination: bytes, length: int, hops: int) -> bytes:
    return _IPV6.pack(6 << 28, length, socket.IPPROTO_UDP, hops, source, destination)


def _checksum(data: bytes) -> int:
    """RFC 1071: the complement of the ones' complement sum of all 16-bit words.

    That sum is the remainder of division by 65535, because 65536 leaves 1; of its two zeros a sum of words that are not
    all zero is 65535.
    """
    return 0xFFFF - (int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF or 0xFFFF)


def _udp_checksum(data: bytes) -> int:
    return _checksum(data) or 0xFFFF  # RFC 768: 0 would mean that there is none
