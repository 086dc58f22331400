"""The server, which also counts: it tells how many datagrams have come."""

import socket
import sys
import time


def answer(data: bytes, count: int) -> bytes:
    if data == b"time":
        time.sleep(1)
        return time.strftime("%H:%M:%S").encode()
    if data == b"count":
        return b"%d" % count
    return data


def serve(port: int) -> None:
    count = 0
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        print("listening on port", port)
        while True:
            data, address = sock.recvfrom(65535)
            count += 1
            sock.sendto(answer(data, count), address)


serve(int(sys.argv[1]))
