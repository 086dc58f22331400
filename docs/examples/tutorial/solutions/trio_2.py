"""The server, which can be stopped by a datagram."""

import sys
import time

import trio


async def answer(data: bytes) -> bytes:
    if data == b"time":
        await trio.sleep(1)
        return time.strftime("%H:%M:%S").encode()
    return b"bye" if data == b"stop" else data


async def serve(port: int) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", port))
        print("listening on port", port)
        data = b""
        while data != b"stop":
            data, address = await sock.recvfrom(65535)
            await sock.sendto(await answer(data), address)
    print("stopped")


trio.run(serve, int(sys.argv[1]))
