"""Prints a line every 0.3 seconds while the client waits."""

import trio

SERVER = ("127.0.0.1", 9000)


async def serve(task_status: trio.TaskStatus[None]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            data, address = await sock.recvfrom(65535)
            await trio.sleep(1)
            await sock.sendto(data, address)


async def show_that_we_live() -> None:
    while True:
        await trio.sleep(0.3)
        print("still here")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        nursery.start_soon(show_that_we_live)
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.sendto(b"hello", SERVER)
            reply, _ = await sock.recvfrom(65535)
            print("answered:", reply)
        nursery.cancel_scope.cancel()


trio.run(main)
