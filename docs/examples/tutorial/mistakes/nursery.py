"""Server and client in one program; the client does not wait until the server is there."""

import trio

SERVER = ("127.0.0.1", 9000)


async def serve() -> None:
    await trio.sleep(0.1)  # reads its settings first
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        while True:
            data, address = await sock.recvfrom(65535)
            await sock.sendto(data, address)


async def ask(word: bytes) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(word, SERVER)
        print("asked:", word)
        reply, _ = await sock.recvfrom(65535)
        print("answered:", reply)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await ask(b"hello")
        nursery.cancel_scope.cancel()


trio.run(main)
