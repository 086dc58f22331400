"""The bad network between real sockets: put it in front of any program that speaks UDP.

    client  ->  relay  ->  server
    client  <-  relay  <-  server

    bad_network = partial(serve_relay, "localhost", 5001, "localhost", 5000, forward=Link(loss=0.3))
    relay = await nursery.start(bad_network)

The clients are told the relay's address instead of the server's, and nothing else changes for either of them. What
Linux has for this (netem) is root's only, and one sequence of fates for all that goes through it: which of them a
client meets hangs on what the others do. Here the same `Link` and the same rules as in the virtual network work on the
datagrams of programs that nobody can change.

Two ways of doing it are wrong. One socket towards the server for all clients: then nobody knows whose an answer is. And
fates that hang on addresses: a client's port is another one in each run. So each client has a socket of its own towards
the server, as behind a NAT, and a datagram's fate hangs on the number of its client, in the order in which they first
appeared, and on its own number among that client's datagrams in that direction. The same seed loses the same ones.

What a client cannot see through it is that the server refuses (ICMP): its datagrams go to the relay, and that listens.
Refusals are counted.

    _later               datagrams that wait for their time, and the task that sends them then
    _way                 one direction of one client: what becomes of its datagrams
    _client              one client: its socket towards the target, until it is idle
    _statistics          what has gone through, and what has not
    _relay  _serve       who listens, and admits clients; serve_relay, relay_endpoints
"""

from ._relay import Relay
from ._serve import relay_endpoints, serve_relay
from ._statistics import RelayStatistics, WayStatistics
from ._way import Relayed

__all__ = ["serve_relay", "relay_endpoints", "Relay", "RelayStatistics", "WayStatistics", "Relayed"]
