"""Echo servers, one library in each file.

Each is the shortest server that a user of that library would write, in the way that its own documentation has it. What
it does beyond receiving and sending (Trio looks at the address in each ``sendto``, AnyIO converts it in each
``receive``) is what its users pay, too. ``main()`` listens on 127.0.0.1, prints the port and serves until it is killed.
"""

from __future__ import annotations

import os
import socket

HOST = "127.0.0.1"
RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes; what trio_udp asks for by itself


def announce(port: int) -> None:
    """Tell the benchmark where to ask, and have the same receive buffer as all others.

    Linux's default holds some 200 small datagrams; a server that loses more than others does less work. Not every
    library lets its user reach the socket, so this is done behind their backs.
    """
    for name in os.listdir("/proc/self/fd"):
        try:
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # no socket, or the descriptor of that very directory
            continue
        with sock:
            if sock.type == socket.SOCK_DGRAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    print(port, flush=True)
