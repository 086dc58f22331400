"""A blocking socket, ``sendto`` and ``recvfrom``."""

from __future__ import annotations

import time

from . import MARK, MARK_PAUSE, PAYLOAD, marks, open_socket, passes, received, say_ready, swap_ports


def _send() -> None:
    with open_socket() as sock:
        peer = swap_ports(sock.getsockname()[1])
        say_ready()
        for sending in passes():
            while sending.goes_on():
                for _ in range(16):
                    sock.sendto(PAYLOAD, peer)
                sending.sent += 16
            for _ in marks():
                time.sleep(MARK_PAUSE)
                sock.sendto(MARK, peer)


def _receive() -> None:
    with open_socket() as sock:
        swap_ports(sock.getsockname()[1])
        say_ready()
        count = 0
        while True:
            data, _ = sock.recvfrom(65535)
            count += 1
            if data == MARK:
                received(count)
                count = 0


def main(way: str) -> None:
    {"send": _send, "receive": _receive}[way]()
