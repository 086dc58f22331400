"""Asks every tenth of a second, and believes whatever comes."""

import trio

SERVER = ("127.0.0.1", 9000)


async def serve(task_status: trio.TaskStatus[None]) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            data, address = await sock.recvfrom(65535)
            await trio.sleep(0.35)  # slow work
            await sock.sendto(data, address)


async def ask(sock: trio.socket.SocketType, word: bytes) -> bytes | None:
    for _ in range(100):
        await sock.sendto(word, SERVER)
        with trio.move_on_after(0.1):
            reply, _ = await sock.recvfrom(65535)
            return reply
    return None


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            for word in (b"one", b"two", b"three"):
                print(word, "->", await ask(sock, word))
        nursery.cancel_scope.cancel()


trio.run(main)
