"""``serve --dtls`` and ``request --dtls``: the same as without it, to peers with whom keys are agreed on.

The library's server has a handler for each peer, and here a handler is asked about each datagram. So a peer's are
handled one after another, and those of different peers side by side. What a handshake failed with the library logs;
here it is told, as it is mostly a certificate, and the person can mend that.

A question over DTLS may get lost like any other, so it is sent again by the same schedule. A reply may be late as well,
and nothing in it tells which attempt it is for. So after a question that was sent more than once the next one has a
channel of its own.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
import traceback
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

import trio

from .._address import HostPort, format_address
from .._batch import Datagram
from .._errors import logger
from ._answering import make_answering
from ._common import ExitCode, Failure, plural, printable_text, say
from ._hosts import take_or_open
from ._limits import limit_newcomers, limit_requests
from ._stopping import STOP_SIGNALS, run_until_signal
from ._telling import say_failures, say_guards, say_statistics, say_where, say_who_is_busy

if TYPE_CHECKING:
    import argparse
    import signal
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from OpenSSL import SSL

    from .._channel import UDPChannel
    from .._handler import Handler
    from .._retry import Retry
    from ._metrics_page import MetricsPage

NOT_EMPTY = "DTLS carries no empty datagram"


def _room() -> ModuleType:
    """`trio_udp.dtls`, which needs what not everybody has installed."""
    try:
        from .. import dtls
    except ImportError as error:
        raise Failure(str(error)) from None
    return dtls


@contextmanager
def _reading_files() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(f"cannot read {error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise Failure(str(error)) from None


# -- serve -------------------------------------------------------------------------------------------------------------


async def serve_in_secret(args: argparse.Namespace, page: MetricsPage | None = None) -> signal.Signals | None:
    """Serve until a signal comes, which is returned; then say how it went.

    Args:
      args: what was typed.
      page: where the statistics are shown meanwhile.

    Raises:
      Failure: there is no such handler, a file is not what it should be, the port cannot be had, or systemd has passed
        none.
    """
    dtls = _room()
    answering = make_answering(args, amplification=math.inf)  # the handshake proves that a peer is where it says it is
    guarded, admit = limit_requests(answering, args), limit_newcomers(args)
    with _reading_files():
        context = dtls.server_context(*args.dtls)
    endpoints = await take_or_open(args.address)
    peers: set[UDPChannel] = set()

    async def serve() -> None:
        if page is not None:
            page.show_server(endpoints, answering, guarded, peers)
        say_where([endpoint.address for endpoint in endpoints], args.print_only)
        await dtls.serve_dtls(
            _in_conversation(guarded, peers),
            endpoints,
            context,
            max_peers=args.max_tasks,
            max_peers_per_source=args.max_each,
            admit=admit,
            grace_period=args.grace,
        )

    try:
        with _told_of_failures():
            return await run_until_signal(serve, *STOP_SIGNALS, heard=lambda: say_who_is_busy(answering, args.grace))
    finally:
        for endpoint in endpoints:
            say_statistics(format_address(endpoint.address), endpoint.statistics())
        say_guards(guarded)
        say_failures(answering.failures)


def _in_conversation(answering: Handler, peers: set[UDPChannel]) -> Callable[[UDPChannel], Awaitable[None]]:
    """A handler of channels around one of datagrams; ``peers`` are those who are in one."""

    async def converse(channel: UDPChannel) -> None:
        peers.add(channel)
        try:
            await answer_all(channel)
        finally:
            peers.remove(channel)

    async def answer_all(channel: UDPChannel) -> None:
        async for data in channel:
            reply = await answering(Datagram(data, channel.peer_address))
            if reply is not None:
                try:
                    await channel.send(reply)
                except ValueError as error:
                    say(f"not sent to {format_address(channel.peer_address)}: {error}")
                if not reply:
                    say(f"not sent to {format_address(channel.peer_address)}: {NOT_EMPTY}")

    return converse


@contextmanager
def _told_of_failures() -> Iterator[None]:
    """What the library logs, as lines for the person."""
    teller, level = _Teller(), logger.level
    logger.addHandler(teller)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(teller)
        logger.setLevel(level)


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines = [record.getMessage()]
        if record.exc_info:
            lines += ["  " + line for line in "".join(traceback.format_exception(*record.exc_info)).splitlines()]
        say("\n".join(map(printable_text, lines)))


# -- request -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def open_secret_asker(
    server: HostPort, retry: Retry, deadline: float | None, ca: str | None
) -> AsyncIterator[SecretAsker]:
    """A `SecretAsker` for a server; ``deadline``, in seconds, bounds each request; ``ca`` is a file."""
    dtls = _room()
    with _reading_files():
        context = dtls.client_context(ca)
    async with SecretAsker(dtls, server, context, retry, deadline) as asker:
        yield asker


class SecretAsker(trio.abc.AsyncResource):
    """An `_asker.Asker` over DTLS. The handshake is done when there is something to ask."""

    def __init__(
        self, dtls: ModuleType, server: HostPort, context: SSL.Context, retry: Retry, deadline: float | None
    ) -> None:
        self._dtls = dtls
        self._host = server.host or "localhost"
        self._port = server.port
        self._who = f"{self._host} port {self._port}"
        self._context = context
        self._retry = retry
        self._deadline = math.inf if deadline is None else deadline
        self._channel: UDPChannel | None = None

    async def ask(self, data: bytes) -> bytes:
        """The reply.

        Raises:
          Failure: there was none, the data cannot be sent, or the server is not to be believed.
        """
        if not data:
            raise Failure(f"{NOT_EMPTY}: there must be at least one byte")
        started, attempts = trio.current_time(), 0
        with trio.move_on_after(self._deadline):
            for wait in self._retry.timeouts():
                is_used = self._channel is not None and not attempts
                channel = self._channel or await self._open()
                attempts += 1
                reply = await self._try(channel, data, wait, is_used)
                if reply is not None:
                    if attempts > 1:
                        self._leave()
                    return reply
        self._leave()
        what = f"reply from {self._who} to {plural(attempts, 'attempt')}" if attempts else f"DTLS from {self._who}"
        raise Failure(f"no {what} in {trio.current_time() - started:.3g} s", ExitCode.NO_REPLY)

    async def _try(self, channel: UDPChannel, data: bytes, wait: float, is_used: bool = False) -> bytes | None:
        """One attempt; ``is_used``: the channel is that of the question before."""
        with trio.move_on_after(wait):
            try:
                await channel.send(data)
                return await channel.receive()
            except trio.EndOfChannel:
                self._leave()
                if not is_used:  # as good as a refusal: the server may do better in a while, and not at once
                    await trio.sleep_forever()
            except ValueError as error:
                raise Failure(str(error)) from None
        if is_used and self._channel is None:  # closed since then, as servers do with who is idle: that was no attempt
            return await self._try(await self._open(), data, wait)
        return None

    async def _open(self) -> UDPChannel:
        try:
            with trio.move_on_after(self._retry.span):
                self._channel = await self._dtls.open_dtls_channel(self._host, self._port, self._context)
        except ssl.SSLError as error:
            raise Failure(printable_text(str(error))) from None
        except ConnectionRefusedError:
            raise Failure(f"{self._who} refused: nobody listens on that port", ExitCode.REFUSED) from None
        except socket.gaierror as error:
            raise Failure(f"cannot find the host {self._host!r}: {error.strerror}") from None
        except OSError as error:
            raise Failure(f"cannot reach {self._host!r}: {error.strerror or error}") from None
        if self._channel is None:
            raise Failure(f"no DTLS from {self._who} in {self._retry.span:.3g} s", ExitCode.NO_REPLY)
        return self._channel

    def _leave(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def aclose(self) -> None:
        """Leave the server."""
        self._leave()
        await trio.lowlevel.checkpoint()
