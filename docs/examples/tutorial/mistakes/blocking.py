"""Reads a reply in pieces, as one reads from a file. A datagram is not read in pieces."""

import socket
import sys

with socket.socket(type=socket.SOCK_DGRAM) as sock:
    sock.sendto(b"hello", ("127.0.0.1", int(sys.argv[1])))
    first, _ = sock.recvfrom(4)
    print("the first four bytes:", first)
    rest, _ = sock.recvfrom(4)
    print("and the rest:", rest)
