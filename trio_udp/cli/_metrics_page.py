"""``serve --metrics``: a page over HTTP, for Prometheus and for whatever else wants to know whether the server lives.

prometheus_client has a server of its own. It runs in a thread, and has another thread for each connection, for as long
as who has opened it likes: nothing bounds them and nothing waits for them. So here Trio serves the page, in a nursery,
with bounds. And the statistics are read by the thread that writes them.

That has a consequence that is meant: a server whose loop hangs (``time.sleep`` where ``trio.sleep`` was meant) does not
answer here either. UDP has no handshake by which anybody could notice, so this is the check of its health.

It is no web server: HTTP/1.1 (RFC 9112) as far as a GET of one page needs it, and the connection ends with the answer.
"""

from __future__ import annotations

import traceback
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from .._address import format_address
from .._errors import bare_exceptions
from ._common import Failure, printable_text, say
from ._hosts import open_metrics_listeners

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from .._address import HostPort
    from .._endpoint import UDPEndpoint
    from .._guards import Guard
    from ._answering import Answering

PATH = "/metrics"

# Seconds for one answer, from the connection to its end: what Prometheus itself gives a scrape unless told otherwise.
PATIENCE = 10.0

# Connections at once, of which one Prometheus has one every some seconds; more are closed.
MOST_CONNECTIONS = 100

# Bytes of a request's head: a browser's are fewer, too.
LONGEST_HEAD = 8192

# Prometheus' text format
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"


@asynccontextmanager
async def metrics_page(address: HostPort | None) -> AsyncIterator[MetricsPage | None]:
    """A page at this address while the block lasts; None without an address.

    Raises:
      Failure: the port cannot be had, or prometheus_client is not installed.
    """
    if address is None:
        yield None
        return
    _check_extra()
    listeners = await open_metrics_listeners(address)
    page = MetricsPage([format_address(listener.socket.getsockname()) for listener in listeners])
    with bare_exceptions():
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            nursery.start_soon(trio.serve_listeners, page.answer, listeners)
            yield page
            nursery.cancel_scope.cancel()


def _check_extra() -> None:
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise Failure('--metrics needs prometheus_client: python -m pip install "trio_udp[metrics]"') from None


class MetricsPage:
    """What is answered to those who connect.

    Args:
      addresses: where they do.
    """

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._render: Callable[[], bytes] | None = None
        self._connections = 0

    def show(self, render: Callable[[], bytes]) -> None:
        """From now on the page is what this returns; and say where."""
        self._render = render
        say("metrics at " + " and ".join(f"http://{address}{PATH}" for address in self._addresses))

    def show_server(
        self,
        endpoints: Sequence[UDPEndpoint],
        answering: Answering,
        guarded: Guard,
        peers: Collection[object] | None = None,
    ) -> None:
        """Show what a server in this process counts; ``peers``: with whom there is a conversation."""
        from ._metrics import render  # needs the extra

        def show() -> bytes:
            sockets = [(format_address(each.address), each.statistics()) for each in endpoints]
            return render(sockets, answering, guarded, peers=peers)

        self.show(show)

    async def answer(self, stream: trio.abc.Stream) -> None:
        """One connection; nothing that happens to it ends the server."""
        with trio.move_on_after(PATIENCE), suppress(trio.BrokenResourceError):
            async with stream:
                if self._connections >= MOST_CONNECTIONS:
                    return
                self._connections += 1
                try:
                    await stream.send_all(self._response(await _head(stream)))
                finally:
                    self._connections -= 1

    def _response(self, head: bytes) -> bytes:
        method, path = _request(head)
        if path is None:
            return _http("400 Bad Request", "this is not HTTP\n")
        if method not in ("GET", "HEAD"):
            return _http("405 Method Not Allowed", "this page can be read only\n", "Allow: GET, HEAD\r\n")
        if path != PATH:
            return _http("404 Not Found", f"the metrics are at {PATH}\n")
        if self._render is None:
            return _http("503 Service Unavailable", "the server is not ready yet\n")
        try:
            page = self._render()
        except Exception as error:
            lines = "".join(traceback.format_exception(error)).splitlines()
            say("\n  ".join(["the metrics cannot be shown:", *map(printable_text, lines)]))
            return _http(
                "500 Internal Server Error", "the metrics cannot be shown; the server's standard error says why\n"
            )
        response = _http("200 OK", page, content_type=TEXT_FORMAT)
        return response if method == "GET" else response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


async def _head(stream: trio.abc.Stream) -> bytes:
    """What comes up to the empty line; less if the client ends before, or if there is none."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD:
        if not (data := await stream.receive_some(LONGEST_HEAD)):
            break
        head += data
    return head


def _request(head: bytes) -> tuple[str, str | None]:
    """Its method, and its path without what comes after a question mark; no path: this is no request."""
    line, end, _ = head.partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    if not end or b"\r\n\r\n" not in head or len(words) != 3 or not words[2].startswith("HTTP/1."):
        return "", None
    return words[0], words[1].partition("?")[0]


def _http(status: str, body: bytes | str, more: str = "", content_type: str = PLAIN) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}Connection: close\r\n\r\n".encode() + body
