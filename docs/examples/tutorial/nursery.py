"""Server and client in one program: the server is a task, and the client runs beside it."""

import time

import trio

SERVER = ("127.0.0.1", 9000)


async def serve(task_status: trio.TaskStatus[None]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            data, address = await sock.recvfrom(65535)
            if data == b"time":
                await trio.sleep(1)  # slow work
                data = time.strftime("%H:%M:%S").encode()
            await sock.sendto(data, address)


async def ask(words: list[bytes]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for word in words:
            await sock.sendto(word, SERVER)
            reply, _ = await sock.recvfrom(65535)
            print(word, "->", reply)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        await ask([b"time", b"hello"])
        nursery.cancel_scope.cancel()


trio.run(main)
