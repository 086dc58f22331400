"""A blocking socket: what Python can do with one datagram per system call."""

from __future__ import annotations

import socket

from . import HOST, announce


def main() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        announce(sock.getsockname()[1])
        while True:
            data, address = sock.recvfrom(65535)
            sock.sendto(data, address)
