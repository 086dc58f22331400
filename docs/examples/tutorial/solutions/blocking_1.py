"""The client, with a little patience: a fifth of a second for each reply."""

import socket
import sys
import time


def ask(port: int, words: list[str]) -> None:
    started = time.monotonic()
    sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in words]
    for sock, word in zip(sockets, words, strict=True):
        sock.sendto(word.encode(), ("127.0.0.1", port))
    for sock, word in zip(sockets, words, strict=True):
        sock.settimeout(0.2)
        try:
            data, _ = sock.recvfrom(65535)
            print(f"{word}: {data.decode()}, after {time.monotonic() - started:.0f} s")
        except TimeoutError:
            print(f"{word}: no answer yet")
        sock.close()


ask(int(sys.argv[1]), sys.argv[2:])
