"""Nginx in front of two servers, as docs/howto/operate.rst has it."""

from __future__ import annotations

import signal
import sys
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from tests.cli.child import PATIENCE, ROOT, Child, serve
from tests.peers.programs import nginx
from trio_udp import Retry, open_udp_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trio_udp import UDPClient

if sys.platform == "win32":
    pytest.skip("Nginx for Windows has no UDP", allow_module_level=True)

CONFIGURATION = (ROOT / "docs" / "examples" / "operate" / "nginx.conf").read_text(encoding="utf-8")
CLIENTS = 40

# Quick for a test, and patient on a slow machine: 50 attempts, the later ones a second apart.
RETRY = Retry(attempts=50, first=0.2, maximum=1.0)
ONCE = Retry(attempts=1, first=PATIENCE)


@contextmanager
def balanced(folder: Path, configuration: str) -> Iterator[tuple[dict[bytes, Child], int]]:
    """Two servers, by what each says before its answers; and the port of Nginx in front of them."""
    with ExitStack() as stack:
        a, port_a = stack.enter_context(serve("127.0.0.1:0", "--quiet", "--prefix", "A"))
        b, port_b = stack.enter_context(serve("127.0.0.1:0", "--quiet", "--prefix", "B"))
        port = stack.enter_context(nginx(folder, configuration, {"10001": port_a, "10002": port_b}))
        yield {b"A": a, b"B": b}, port


class Asking:
    """Clients that ask all the time, each from its own port, and what they have heard."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.rounds = [0] * CLIENTS
        self.servers: list[set[bytes]] = [set() for _ in range(CLIENTS)]
        self._stopping = False
        self._news = trio.Condition()

    async def ask(self, which: int, client: UDPClient) -> None:
        while not self._stopping:
            question = b" client %d, question %d" % (which, self.rounds[which])
            # Where a server refuses, Nginx (1.22) sends the client an empty datagram, which is no server's answer.
            answer = await client.request(question, retry=self._retry, accept=bool)
            assert answer[1:] == question
            self.servers[which].add(answer[:1])
            self.rounds[which] += 1
            async with self._news:
                self._news.notify_all()

    async def wait_for_rounds(self, more: int) -> None:
        """Until each client has had so many more answers."""
        wanted = [done + more for done in self.rounds]
        async with self._news:
            while any(done < want for done, want in zip(self.rounds, wanted, strict=True)):
                await self._news.wait()

    def forget_servers(self) -> list[set[bytes]]:
        before, self.servers = self.servers, [set() for _ in range(CLIENTS)]
        return before

    def stop(self) -> None:
        self._stopping = True


async def test_one_of_two_servers_is_killed_and_every_client_gets_its_answers(tmp_path: Path) -> None:
    asking = Asking(RETRY)
    with balanced(tmp_path, CONFIGURATION) as (servers, port):
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(await open_udp_client("127.0.0.1", port)) for _ in range(CLIENTS)
            ]
            with trio.fail_after(2 * PATIENCE):
                async with trio.open_nursery() as nursery:
                    for which, client in enumerate(clients):
                        nursery.start_soon(asking.ask, which, client)
                    await asking.wait_for_rounds(5)
                    before = asking.forget_servers()
                    servers[b"A"].send_signal(signal.SIGKILL)
                    servers[b"A"].ended()
                    await asking.wait_for_rounds(2)  # what was asked before it died may be answered after it
                    asking.forget_servers()
                    await asking.wait_for_rounds(5)
                    asking.stop()
    assert set().union(*before) == {b"A", b"B"}
    assert asking.servers == [{b"B"}] * CLIENTS


async def test_a_client_is_one_servers(tmp_path: Path) -> None:
    """As long as both live: by its address and port."""
    asking = Asking(ONCE)  # a second attempt may come from another port
    patient = CONFIGURATION.replace("proxy_timeout 2s", f"proxy_timeout {PATIENCE:.0f}s")
    assert patient != CONFIGURATION
    with balanced(tmp_path, patient) as (_, port):
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            for which in range(CLIENTS):
                client = await stack.enter_async_context(await open_udp_client("127.0.0.1", port))
                nursery.start_soon(asking.ask, which, client)
            await asking.wait_for_rounds(3)
            asking.stop()
    assert all(len(heard) == 1 for heard in asking.servers)
    assert set().union(*asking.servers) == {b"A", b"B"}
