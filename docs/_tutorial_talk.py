"""Runs two programs of the tutorial that talk over real sockets, and writes down what they said and what went by.

    python docs/_tutorial_talk.py OUT SERVER CLIENT SILENCE WORD...

OUT is of the client, and OUT_server.txt is what the server said; `_tutorial_shown` writes both. Blocking sockets can
neither be in virtual time nor tell what they do. So these programs have processes of their own, and real time; a relay
stands between them and sees what goes by. Its times are rounded to tenths of a second, and what happened within one
tenth is drawn one after the other: then a page is the same each time it is built.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter
from functools import partial
from itertools import groupby
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import TYPE_CHECKING

import trio

from docs._tutorial_shown import PORT, numbered, stopped, write
from trio_udp import DatagramArrived, DatagramReceived, DatagramSent
from trio_udp.relay import Relayed, serve_relay
from trio_udp.tracing import Happened, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trio_udp.tracing import Entry

PROMPT = 20  # of time that passes: so long a server may take to say that it is there
MOST = 50  # of time that passes: so long a client may take to begin


async def talk(server_path: Path, client_path: Path, silence: float, words: Sequence[str]) -> tuple[str, str, Trace]:
    """What the server and the client say, each in a process of its own, and what goes by between them.

    When no datagram has gone by for so many seconds since the latest, the client is stopped.
    """
    server_said, said = bytearray(), bytearray()
    went_by: list[Relayed] = []
    patience = trio.CancelScope(deadline=trio.current_time() + MOST)

    def tell(relayed: Relayed) -> None:
        went_by.append(relayed)
        patience.deadline = trio.current_time() + silence

    port = _free_port()
    server = await _start(server_path, port)
    try:
        with trio.move_on_after(PROMPT) as patience_with_server:
            await _listen(server, server_said, b"\n")  # a server of the tutorial says when it is there
        if patience_with_server.cancelled_caught:
            sys.exit(f"{server_path.name} has not said a line in {PROMPT} seconds; a server says when it is there")
        async with trio.open_nursery() as nursery:
            relay = await nursery.start(partial(serve_relay, "127.0.0.1", 0, "127.0.0.1", port, tell=tell))
            client = await _start(client_path, relay.address[1], *words)
            try:
                with patience:
                    await _listen(client, said)
            finally:
                client.kill()
            if patience.cancelled_caught:
                said += stopped(silence).encode()
            ended = trio.current_time()
            nursery.cancel_scope.cancel()
    finally:
        server.kill()
        with trio.CancelScope(shield=True):
            await server.wait()
    await _listen(server, server_said)
    return (
        server_said.decode().replace(str(port), str(PORT)),
        said.decode().replace(str(relay.address[1]), str(PORT)),
        _relayed_trace(went_by, ended),
    )


def _relayed_trace(went_by: Sequence[Relayed], ended: float) -> Trace:
    """As if the two had talked without the relay.

    Real time is different each time, but not by tenths of a second. When a datagram has arrived the relay knows. When
    the program has read it nobody does: that is told as if it were at once, of which pictures say nothing.
    """
    entries: list[Entry] = []
    first = went_by[0].time if went_by else ended
    server = ("127.0.0.1", PORT)
    for time, time_there, each in _spread(went_by, first):
        client = ("127.0.0.1", 50000 + each.client)
        here, there = (client, server) if each.forward else (server, client)
        entries.append(Happened(DatagramSent(time, here, there, each.data), None, None))
        if each.copies:
            entries.append(Happened(DatagramArrived(time_there, here, there, each.data, time), None, None))
            entries.append(Happened(DatagramReceived(time_there, there, here, each.data), None, None))
    clients = sorted({each.client for each in went_by})
    called = zip(clients, numbered("client", len(clients)), strict=True)
    names = {f"127.0.0.1:{50000 + client}": name for client, name in called}
    entries.sort(key=lambda entry: entry.time)
    ended = max([float(int(ended - first)), *(entry.time for entry in entries)])
    return Trace(tuple(entries), 0.0, ended, {f"127.0.0.1:{PORT}": "server", **names})


def _spread(went_by: Sequence[Relayed], first: float) -> Iterator[tuple[float, float, Relayed]]:
    """When each was sent and when it arrived, rounded to tenths of a second.

    In one tenth all questions are sent, and arrive, a millisecond apart, in the order of the clients; then all replies.
    """

    def tenth_and_direction(each: Relayed) -> tuple[float, bool]:
        return round(each.time - first, 1), not each.forward

    before: Counter[float] = Counter()  # milliseconds that are taken of each tenth
    in_order = sorted(went_by, key=lambda each: (*tenth_and_direction(each), each.client, each.n))
    for (tenth, _), group in groupby(in_order, key=tenth_and_direction):
        together = list(group)
        sent = tenth + before[tenth] / 1000
        for number, each in enumerate(together, 1):
            yield sent, sent + number / 1000, each
        before[tenth] += len(together) + 1


def _free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _start(path: Path, *arguments: object) -> trio.Process:
    command = [sys.executable, "-u", str(path), *map(str, arguments)]
    return await trio.lowlevel.open_process(command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)


async def _listen(process: trio.Process, said: bytearray, end: bytes | None = None) -> None:
    """Until it says this, or ends."""
    assert process.stdout is not None
    async for chunk in process.stdout:
        said += chunk
        if end is not None and end in said:
            break


def main() -> None:
    """As the essay above says."""
    out, server, client, silence, *words = sys.argv[1:]
    server_path, client_path = Path(server).resolve(), Path(client).resolve()
    server_said, said, trace = trio.run(talk, server_path, client_path, float(silence), words)
    write(Path(out), said, trace, client_path.parent)
    write(Path(f"{out}_server"), server_said, None, server_path.parent)


if __name__ == "__main__":
    main()
