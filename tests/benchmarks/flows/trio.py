"""A plain Trio socket, ``await sendto`` and ``await recvfrom``."""

from __future__ import annotations

import trio

from . import MARK, MARK_PAUSE, PAYLOAD, marks, open_socket, passes, received, say_ready, swap_ports


async def _send() -> None:
    with trio.socket.from_stdlib_socket(open_socket()) as sock:
        peer = swap_ports(sock.getsockname()[1])
        say_ready()
        for sending in passes():
            while sending.goes_on():
                for _ in range(16):
                    await sock.sendto(PAYLOAD, peer)
                sending.sent += 16
            for _ in marks():
                await trio.sleep(MARK_PAUSE)
                await sock.sendto(MARK, peer)


async def _receive() -> None:
    with trio.socket.from_stdlib_socket(open_socket()) as sock:
        swap_ports(sock.getsockname()[1])
        say_ready()
        count = 0
        while True:
            data, _ = await sock.recvfrom(65535)
            count += 1
            if data == MARK:
                received(count)
                count = 0


def main(way: str) -> None:
    trio.run({"send": _send, "receive": _receive}[way])
