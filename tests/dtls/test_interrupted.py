"""Ctrl-C: it comes out, wherever it falls, and leaves nothing open."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
import trio
from OpenSSL import SSL

from tests.cancelling import MANY, Cut, at_line, play
from tests.dtls.certificates import Authority, Pair
from tests.dtls.serving import LOCAL, serving, trios_tasks
from trio_udp._connection import connect
from trio_udp.dtls import _client, _server, client_context, open_dtls_channel, server_context
from trio_udp.dtls._line import DTLSLine

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def interrupting(connection: SSL.Connection, certificate: object, number: int, depth: int, ok: int) -> bool:
    """A callback for certificates."""
    interrupt()
    return bool(ok)


def test_while_a_client_looks_at_a_certificate(authority: Authority, pair: Pair) -> None:
    """Regression: pyOpenSSL has to swallow what its callbacks raise, so the certificate was not believed, and that was
    all.
    """
    context = client_context(authority.ca)
    context.set_verify(SSL.VERIFY_PEER, interrupting)

    async def main() -> None:
        async with serving(pair) as server:
            await open_dtls_channel(LOCAL, server.address[1], context)

    assert raised_by(partial(trio.run, main)) == {KeyboardInterrupt}


def test_while_a_server_looks_at_a_certificate(authority: Authority, pair: Pair) -> None:
    context = server_context(pair.certificate, pair.key)
    context.load_verify_locations(str(authority.ca))
    context.set_verify(SSL.VERIFY_PEER, interrupting)
    mine = authority.sign("interrupted")
    known = client_context(authority.ca)
    known.use_certificate_file(str(mine.certificate))
    known.use_privatekey_file(str(mine.key))

    async def main() -> None:
        async with serving(pair, context=context) as server:
            with suppress(OSError, trio.EndOfChannel):
                async with await open_dtls_channel(LOCAL, server.address[1], known) as channel:
                    await channel.receive()
            await trio.sleep(5)

    assert raised_by(partial(trio.run, main)) == {KeyboardInterrupt}


@pytest.mark.parametrize(
    "function",
    [
        *(open_dtls_channel, _client._open, connect, _client._shake_hands_unless_refused),
        *(_server.Server._listen, trio.DTLSEndpoint.serve, DTLSLine.close),
    ],
)
def test_at_every_line(function: Callable[..., object], authority: Authority, pair: Pair) -> None:
    """Regression: between two of them there was a socket, or an endpoint of Trio's, and nobody who would close it."""

    async def scenario(cut: Cut) -> None:
        cut.others_come_and_go = True
        async with serving(pair) as server:
            (await open_dtls_channel(LOCAL, server.address[1], client_context(authority.ca))).close()
        await trio.testing.wait_all_tasks_blocked()
        assert not trios_tasks()

    for line in range(1, MANY):
        with at_line(line, function, interrupt) as has_come:
            raised = raised_by(partial(play, scenario, "virtual", MANY))
        assert raised == ({KeyboardInterrupt} if has_come() else set())
        if not has_come():
            break
    assert 1 < line < MANY - 1


def raised_by(function: Callable[[], object]) -> set[type[BaseException]]:
    """What comes out of it, whatever the groups around it."""
    try:
        function()
    except BaseException as error:
        return leaves(error)
    return set()


def leaves(error: BaseException) -> set[type[BaseException]]:
    if isinstance(error, BaseExceptionGroup):
        return {kind for each in error.exceptions for kind in leaves(each)}
    return {type(error)}
