"""Two clients at the same time, in a nursery of their own."""

import trio

SERVER = ("127.0.0.1", 9000)


async def serve(task_status: trio.TaskStatus[None]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            data, address = await sock.recvfrom(65535)
            await sock.sendto(data, address)


async def ask(name: str) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for number in (1, 2):
            await sock.sendto(f"{name} {number}".encode(), SERVER)
            reply, _ = await sock.recvfrom(65535)
            print(name, "has got", reply)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with trio.open_nursery() as clients:
            clients.start_soon(ask, "Ada")
            clients.start_soon(ask, "Bob")
        print("both have ended")
        nursery.cancel_scope.cancel()


trio.run(main)
