"""Twisted, the protocol of its documentation."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol

from . import HOST, announce


class Echo(DatagramProtocol):
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.transport.write(datagram, addr)


def main() -> None:
    port = reactor.listenUDP(0, Echo(), interface=HOST)
    announce(port.getHost().port)
    reactor.run()
