"""The client of the first chapter, with Trio."""

import sys

import trio


async def ask(port: int, words: list[str]) -> None:
    started = trio.current_time()
    sockets = [trio.socket.socket(type=trio.socket.SOCK_DGRAM) for _ in words]
    for sock, word in zip(sockets, words, strict=True):
        await sock.sendto(word.encode(), ("127.0.0.1", port))
    for sock, word in zip(sockets, words, strict=True):
        data, _ = await sock.recvfrom(65535)
        print(f"{word}: {data.decode()}, after {trio.current_time() - started:.0f} s")
        sock.close()


trio.run(ask, int(sys.argv[1]), sys.argv[2:])
