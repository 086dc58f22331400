"""Tells the time to whoever asks for it, and sends back everything else."""

import socket
import sys
import time


def answer(data: bytes) -> bytes:
    if data == b"time":
        time.sleep(1)  # stands for slow work: a large file, a database, another server
        return time.strftime("%H:%M:%S").encode()
    return data


def serve(port: int) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        print("listening on port", port)
        while True:
            data, address = sock.recvfrom(65535)
            sock.sendto(answer(data), address)


serve(int(sys.argv[1]))
