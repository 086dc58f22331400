"""gevent: its DatagramServer, which runs the handler in a greenlet per datagram."""

from __future__ import annotations

from gevent.server import DatagramServer

from . import HOST, announce


class Echo(DatagramServer):
    def handle(self, data: bytes, address: tuple[str, int]) -> None:
        self.socket.sendto(data, address)


def main() -> None:
    server = Echo((HOST, 0))
    server.start()
    announce(server.server_port)
    server.serve_forever()
