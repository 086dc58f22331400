"""socketserver, the handler of its documentation."""

from __future__ import annotations

import socketserver

from . import HOST, announce


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        sock.sendto(data, self.client_address)


def main() -> None:
    with socketserver.UDPServer((HOST, 0), Echo) as server:
        announce(server.server_address[1])
        server.serve_forever()
