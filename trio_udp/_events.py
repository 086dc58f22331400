"""What happens to datagrams and requests, as typed events, for those who asked to be told.

A program that retries hides its losses, which is its purpose, and makes them hard to learn from. So whoever wants to
see calls `observe`: a ladder diagram, a log and a test are three callbacks.

The obvious way is an "is anybody listening?" at every datagram. A server that handles one in 5 microseconds should not
pay for questions, so an endpoint asks once, when it is opened, and without an observer its loop has no trace of all
this. For the same reason events are NamedTuples: they are made per datagram while somebody watches.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ._address import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "AttemptStarted",
    "AttemptTimedOut",
    "DatagramArrived",
    "DatagramDropped",
    "DatagramLost",
    "DatagramReceived",
    "DatagramSent",
    "Event",
    "HandlerFinished",
    "HandlerStarted",
    "PeerClosed",
    "PeerOpened",
    "ReplyAccepted",
    "ReplyIgnored",
    "RequestFailed",
    "SocketExchanged",
    "observe",
]


class DatagramSent(NamedTuple):
    """The kernel took a datagram; whether it arrives is another matter.

    In every event ``time`` is seconds on Trio's clock, ``local`` the address of the socket, ``remote`` of its peer.
    """

    time: float
    local: Address
    remote: Address
    data: bytes


class DatagramReceived(NamedTuple):
    """A datagram was taken off the socket."""

    time: float
    local: Address
    remote: Address
    data: bytes


class DatagramDropped(NamedTuple):
    """A datagram ended here: ``outgoing`` ones were to be sent, the others had been received.

    ``reason`` is the key under which `UDPStatistics` counts it: in ``dropped``, or in ``errors`` for an errno's name.
    """

    time: float
    local: Address
    remote: Address
    data: bytes
    reason: str
    outgoing: bool


class DatagramLost(NamedTuple):
    """A virtual network lost a datagram, or one of two copies, that a socket at ``local`` sent to ``remote``.

    ``sent_at`` is when it was sent, and ``reason`` the one in the network's record. ``time`` is when it arrived where
    it could not be taken; what a rule or the link takes is lost when it is sent, or let go on. Whoever was told that it
    was sent is told, at that time or later. What a real network loses nobody tells.

    What is sent to a group, or to everybody, is lost for each host by itself; ``at`` is that host's address, on the
    sender's own host that of ``local``, and the port. It is None if no host was to have it, and for one to one host.
    """

    time: float
    local: Address
    remote: Address
    data: bytes
    reason: str
    sent_at: float
    at: Address | None = None


class DatagramArrived(NamedTuple):
    """A virtual network has brought a datagram, or one of two copies, from a socket at ``local`` to one at ``remote``.

    It waits there until somebody reads it, and then `DatagramReceived` is told. ``sent_at`` is when it was sent,
    ``data`` its payload as it was sent, and ``damaged`` what has arrived instead, None if it is the same. Whoever was
    told that it was sent is told; with a clock that does not wait for tasks, maybe a little before that. On a real
    network only its receiver can see that something has arrived.

    What is sent to a group, or to everybody, arrives at many; ``at`` is the address of the socket at which it has
    arrived. It is None for one to one host.
    """

    time: float
    local: Address
    remote: Address
    data: bytes
    sent_at: float
    damaged: bytes | None = None
    at: Address | None = None


class AttemptStarted(NamedTuple):
    """A request is about to be sent for the ``number``-th time (from 1) and will wait ``timeout`` seconds.

    ``request`` numbers the requests of one client, from 1; ``data`` is the payload.
    """

    time: float
    local: Address
    remote: Address
    request: int
    number: int
    timeout: float
    data: bytes


class AttemptTimedOut(NamedTuple):
    """An attempt's wait is over and no reply was believed.

    ``reason`` is ``"timeout"``, or the name of the errno with which the network has refused the attempt, as
    ``"ECONNREFUSED"`` where nobody listens. The last attempt does not wait on after that.
    """

    time: float
    local: Address
    remote: Address
    request: int
    number: int
    reason: str = "timeout"


class ReplyAccepted(NamedTuple):
    """A request has its reply, ``elapsed`` seconds after its latest attempt was sent: the round-trip time.

    With ``attempt`` above 1 the reply may belong to an earlier attempt, and the true time be longer (Karn's
    ambiguity, RFC 6298 section 3).
    """

    time: float
    local: Address
    remote: Address
    request: int
    attempt: int
    elapsed: float
    data: bytes


class ReplyIgnored(NamedTuple):
    """A datagram from the server was not believed; ``reason`` is its key in the client's ``dropped`` statistics.

    A client reads only while a request waits, so what comes between two requests is told at the second, and what comes
    after the last one never.
    """

    time: float
    local: Address
    remote: Address
    data: bytes
    reason: str


class RequestFailed(NamedTuple):
    """A request gave up or was cancelled; ``reason`` is the name of the exception that its caller got."""

    time: float
    local: Address
    remote: Address
    request: int
    attempts: int
    reason: str


class SocketExchanged(NamedTuple):
    """A client has a new socket, ``local``, in place of the one at ``former``; ``remote`` is whom it asks from now on.

    Either a late reply could have come to the former one, or another of the server's addresses is tried. A client of a
    relay does it, too.
    """

    time: float
    local: Address
    remote: Address
    former: Address


class HandlerStarted(NamedTuple):
    """A server's handler was called with a datagram of ``remote``."""

    time: float
    local: Address
    remote: Address
    data: bytes


class HandlerFinished(NamedTuple):
    """It ended; ``outcome`` is ``"replied"``, ``"silent"``, ``"cancelled"`` or the name of what it raised."""

    time: float
    local: Address
    remote: Address
    data: bytes
    outcome: str


class PeerOpened(NamedTuple):
    """A server has a new peer, ``remote``, and a handler is started for it."""

    time: float
    local: Address
    remote: Address


class PeerClosed(NamedTuple):
    """Its handler has ended.

    ``reason`` is ``"returned"``, or ``"idle"``, ``"server stopped"`` or, over DTLS, ``"ended by peer"`` if the channel
    had ended for that, or ``"cancelled"``, or the name of what the handler raised.
    """

    time: float
    local: Address
    remote: Address
    reason: str


Event: TypeAlias = (
    "DatagramSent | DatagramReceived | DatagramDropped | DatagramLost | DatagramArrived | AttemptStarted"
    " | AttemptTimedOut | ReplyAccepted | ReplyIgnored | RequestFailed | SocketExchanged | HandlerStarted"
    " | HandlerFinished | PeerOpened | PeerClosed"
)
"""Any of the events."""

Emit: TypeAlias = "Callable[[Event], None]"


class _Observer:
    __slots__ = ("callback",)

    def __init__(self, callback: Emit) -> None:
        self.callback: Emit | None = callback


_observers: ContextVar[tuple[_Observer, ...]] = ContextVar("trio_udp observers", default=())


@contextmanager
def observe(callback: Callable[[Event], None]) -> Iterator[None]:
    """Call ``callback(event)`` for everything that happens at endpoints and clients opened inside the ``with``.

    Tasks started inside count too, wherever they run. An endpoint keeps its observers for life, so one that was opened
    before the ``with`` says nothing, and one that outlives it falls silent at its end. Of plain Trio sockets those of a
    virtual network tell what is sent and received with them by tasks that are inside. Observers nest: each is called,
    the outermost first. The callback runs in the middle of sending and receiving, so it should be quick; what it
    raises comes out of there, and datagrams that were in hand at that moment are lost.
    """
    observer = _Observer(callback)
    outer = _observers.get()
    _observers.set((*outer, observer))
    try:
        yield
    finally:
        _observers.set(outer)
        observer.callback = None


def current_emit() -> Emit | None:
    """A function that hands an event to every observer of this context; None without any."""
    observers = _observers.get()
    if not observers:
        return None

    def emit(event: Event) -> None:
        for observer in observers:
            if observer.callback is not None:
                observer.callback(event)

    return emit
