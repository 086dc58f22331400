"""The obvious server, one loop, and how long three wait for it who ask at the same time."""

from collections.abc import Awaitable, Callable

import trio

from trio_udp import Address, Retry, open_udp_client

Handle = Callable[[bytes, Address], Awaitable[bytes]]


async def serve(handler: Handle, socket: trio.socket.SocketType) -> None:
    while True:
        data, address = await socket.recvfrom(65535)
        reply = await handler(data, address)
        await socket.sendto(reply, address)


async def one_second(data: bytes, _: Address) -> bytes:
    await trio.sleep(1)
    return data


async def ask(port: int) -> None:
    async with await open_udp_client("127.0.0.1", port) as client:
        began = trio.current_time()
        await client.request(b"how long?", retry=Retry(attempts=1, first=60))
        print(f"{trio.current_time() - began:.0f} s")


async def main() -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))
        async with trio.open_nursery() as serving:
            serving.start_soon(serve, one_second, socket)
            async with trio.open_nursery() as asking:
                for _ in range(3):
                    asking.start_soon(ask, socket.getsockname()[1])
            serving.cancel_scope.cancel()


trio.run(main)
