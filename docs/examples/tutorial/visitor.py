"""Asks the timer with a socket that knows nothing of Trio, as any program could."""

import socket
import sys

SERVER = ("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000)

with socket.socket(type=socket.SOCK_DGRAM) as sock:
    sock.settimeout(0.5)  # seconds
    for question in ("0.3 tea\n", "soon, please\n", "\n", "1e99 egg\n", "0 toast\n"):
        sock.sendto(question.encode(), SERVER)
        try:
            data, _ = sock.recvfrom(65535)
            print(repr(question), "->", data.decode().strip())
        except TimeoutError:
            print(repr(question), "-> no answer")
