"""Datagrams for structured concurrency: what ``trio.open_tcp_stream`` and ``trio.serve_tcp`` are to TCP, done for UDP.

    async def shout(datagram):
        return datagram.data.upper()

    await trio_udp.serve_udp(shout, 10000)

    async with await trio_udp.open_udp_client("localhost", 10000) as client:
        print(await client.request(b"hello"))

Where things are; each file imports only from those above it:

    _errors  _address  _checks              failures, addresses, what a number must be
    _events  _told  _retry                  what can be observed, who tells of it, when to send again
    faults                                  what a bad network does to datagrams
    _statistics  _counted                   what goes through a socket is counted
    _asked                                  from which of our addresses to reply
    _offload  _reading  _batch              many datagrams per wake-up, and per system call
    _multicast                              one datagram to many: groups and broadcast
    _endpoint  _opening  _connection        a socket that talks to anybody; opening one; one that talks to a server
    _systemd                                sockets that somebody else has opened
    _channel                                a conversation with one peer
    _handler  _remainder  _outgoing         what answers; awaiting what has begun; replies on their way out
    _shelter  _places  _usage               stopping; how many at once; what this thread has done itself
    _member  _crew                          the tasks that run a handler
    _serve                                  serve_udp
    _sources  _vacancies                    whose address; who may become a peer
    _idle  _peer  _peers                    who is waited for; one peer; serve_udp_peers
    _request  _waiting  _replies            what is asked; until when; whose reply is it
    _attempts                               one request, sent again until it has one
    _client  _first_reply                   open_udp_client; ask several servers
    _guards  _refused  _rate                handlers around handlers, for servers that strangers can reach
    _reply_cache  _cookies                  requests that come twice; who has shown where it is
    testing  relay                          the bad network in virtual time; and between real programs
    workers                                 one port, several processes
    dtls                                    peers with certificates, in secret
    tracing                                 what a program has done: a recording, and pictures of it
    learn                                   lessons: what runs of broken programs show
    cli                                     python -m trio_udp
"""

from ._address import Address
from ._batch import Datagram
from ._channel import UDPChannel, open_udp_channel
from ._client import UDPClient, open_udp_client
from ._cookies import AddressCookies
from ._endpoint import UDPEndpoint
from ._errors import DatagramTooLarge, NoReply
from ._events import (
    AttemptStarted,
    AttemptTimedOut,
    DatagramArrived,
    DatagramDropped,
    DatagramLost,
    DatagramReceived,
    DatagramSent,
    Event,
    HandlerFinished,
    HandlerStarted,
    PeerClosed,
    PeerOpened,
    ReplyAccepted,
    ReplyIgnored,
    RequestFailed,
    SocketExchanged,
    observe,
)
from ._first_reply import first_reply
from ._guards import Guard, limit_amplification, log_errors
from ._handler import Handler
from ._opening import open_udp_endpoint, open_udp_endpoints
from ._peers import PeerHandler, serve_peers, serve_udp_peers
from ._rate import RateLimit, limit_rate
from ._reply_cache import cache_replies
from ._retry import Retry, RoundTripEstimate
from ._serve import serve_endpoints, serve_udp
from ._statistics import UDPStatistics
from ._systemd import endpoints_from_systemd

__version__ = "0.1.0"

__all__ = [
    "Address",
    "AddressCookies",
    "AttemptStarted",
    "AttemptTimedOut",
    "Datagram",
    "DatagramArrived",
    "DatagramDropped",
    "DatagramLost",
    "DatagramReceived",
    "DatagramSent",
    "DatagramTooLarge",
    "Event",
    "Guard",
    "Handler",
    "HandlerFinished",
    "HandlerStarted",
    "NoReply",
    "PeerClosed",
    "PeerHandler",
    "PeerOpened",
    "RateLimit",
    "ReplyAccepted",
    "ReplyIgnored",
    "RequestFailed",
    "Retry",
    "RoundTripEstimate",
    "SocketExchanged",
    "UDPChannel",
    "UDPClient",
    "UDPEndpoint",
    "UDPStatistics",
    "cache_replies",
    "endpoints_from_systemd",
    "first_reply",
    "limit_amplification",
    "limit_rate",
    "log_errors",
    "observe",
    "open_udp_channel",
    "open_udp_client",
    "open_udp_endpoint",
    "open_udp_endpoints",
    "serve_endpoints",
    "serve_peers",
    "serve_udp",
    "serve_udp_peers",
]
