"""A network to test against: hosts in memory, between them whatever a bad network does, all of it in virtual time.

A protocol that works on loopback has met a network that loses nothing, keeps every order and answers at once. What it
does on another one is seldom tested, since tests that wait and that roll dice are slow and fail for no reason. On this
network seconds cost nothing, and the same seed tells the same story.

    async with VirtualNetwork(link=Link(loss=0.3, delay=0.05), seed=7) as network:
        ...

    _network             hosts, links and rules; what was sent, and what became of it
    _stand_in  _ending   in the place of Trio's sockets; which exception comes out
    _wire  _way          how datagrams get from one host to another, in an order that is always the same
    _arrivals            who gets them, or does not
    _hosts  _host        all machines by name; one of them
    _lives  _nat         what runs on it until it crashes; how it looks from behind a NAT
    _socket  _handle     what a program has in its hands: sending and receiving; everything else
    _kernel  _buffers    what Linux decides in bind, connect and send; how receive buffers are filled
    _mailbox  _ports     what the network delivers to; who listens where
    _options  _ancillary what can be set, and what is told beside the data
    _groups              which groups a socket has joined ...
    _group_requests      ... and what was asked for, in the structures of C
    _resolver  _ip       names and addresses
    _record  _describe  _pcap     what happened: as objects, as text, for Wireshark
    plugin               the fixture ``virtual_network`` for pytest
"""

from ._host import Host
from ._network import VirtualNetwork
from ._record import RecordedDatagram

__all__ = ["VirtualNetwork", "Host", "RecordedDatagram"]
