"""Asks several questions at once, each from its own socket; then waits for the replies."""

import socket
import sys
import time


def ask(port: int, words: list[str]) -> None:
    started = time.monotonic()
    sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in words]
    for sock, word in zip(sockets, words, strict=True):
        sock.sendto(word.encode(), ("127.0.0.1", port))
    for sock, word in zip(sockets, words, strict=True):
        data, _ = sock.recvfrom(65535)
        print(f"{word}: {data.decode()}, after {time.monotonic() - started:.0f} s")
        sock.close()


ask(int(sys.argv[1]), sys.argv[2:])
