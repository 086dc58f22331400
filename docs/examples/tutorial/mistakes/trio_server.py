"""The same server again. One word is missing: no reply is ever sent."""

import sys
import time

import trio


async def answer(data: bytes) -> bytes:
    if data == b"time":
        await trio.sleep(1)  # stands for slow work
        return time.strftime("%H:%M:%S").encode()
    return data


async def serve(port: int) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", port))
        print("listening on port", port)
        while True:
            data, address = await sock.recvfrom(65535)
            reply = await answer(data)
            sock.sendto(reply, address)


trio.run(serve, int(sys.argv[1]))
