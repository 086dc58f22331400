"""Runs one program of the tutorial as its reader would, and writes down what it said and what it did.

    python docs/_tutorial_stage.py run OUT PROGRAM                          a program that uses Trio
    python docs/_tutorial_stage.py talk OUT SERVER CLIENT SILENCE WORD...   two programs that talk over real sockets

OUT.txt is the output, OUT.svg the ladder, and OUT.jsonl the trace that it is drawn from.

A page must not say something else each time it is built, and a build must not wait where a reader does. So a program
that uses Trio runs in virtual time, and its sockets are on a virtual network: one that it makes itself or, if it makes
none, one of ours, on which a datagram to the own host takes a microsecond and is never lost. Whose turn it is among
tasks that are all ready is drawn by lot in Trio; here it comes from a seed, as does what `random` gives. Plain sockets
tell of a datagram when the program reads it, which on these pages is often late, or never; so they are silent here, and
the record of the network, which knows when each arrived, is turned into events of the library. What waits for ever is
stopped, and the last line of its output says that we did it.

Two programs that talk have real sockets and real time. There a relay stands between them and sees what goes by. Its
times are rounded to tenths of a second, and what happened within one tenth is drawn one after the other.
"""

from __future__ import annotations

import io
import os
import random
import re
import runpy
import socket
import sys
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from types import TracebackType
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import MockClock

from trio_udp import AttemptStarted, DatagramLost, DatagramReceived, DatagramSent, testing, tracing
from trio_udp._address import format_address
from trio_udp._events import told_by_caller
from trio_udp.relay import Relayed, serve_relay
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import Happened, Trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

    from trio_udp import Event
    from trio_udp.tracing import Entry

PATIENCE = 10  # seconds of virtual time; a program that is still there waits for ever
PROMPT = 20  # of time that passes: so long a server may take to say that it is there
MOST = 50  # of time that passes: so long a client may take to begin
PORT = 9000  # on which all servers of the tutorial are
WILDCARDS = ("0.0.0.0", "::")
PROGRAMS = Path(__file__).resolve().parent / "examples" / "tutorial"

Place = tuple[str, int]


# -- a program that uses Trio ------------------------------------------------------------------------------------------


class Stage:
    """Stands in for ``trio.run`` while the program runs: the same, but recorded, on a network and in virtual time."""

    def __init__(self) -> None:
        self.networks: list[VirtualNetwork] = []
        self.trace: Trace | None = None

    def run_program(self, path: Path) -> str:
        """What it says, with what it raises."""
        stage = self

        class Seen(VirtualNetwork):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                stage.networks.append(self)

        testing.VirtualNetwork, trio_run = Seen, trio.run  # type: ignore[misc]
        trio.run = partial(self._run, trio_run)  # type: ignore[assignment]
        said = io.StringIO()
        sys.argv = [str(path), str(PORT)]
        with redirect_stdout(said), redirect_stderr(said):
            try:
                runpy.run_path(str(path), run_name="__main__")
            except SystemExit as end:
                if not isinstance(end.code, int | None):
                    print(end.code)  # as Python does
            except Exception as error:
                if _is_ours(error):
                    raise  # which ends the build: it is no part of what the program says
                traceback.print_exception(_only_lines_of(PROGRAMS, error))
        return said.getvalue()

    def _run(
        self,
        trio_run: Callable[..., Any],
        main: Callable[..., Awaitable[Any]],
        *args: Any,
        clock: object = None,
        **options: Any,
    ) -> Any:
        """Whatever clock the program asks for: it is this one."""
        trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # as Hypothesis does for tests with Trio
        trio._core._run._r.seed(0)
        random.seed(0)
        return trio_run(self._main, main, args, clock=MockClock(autojump_threshold=0), **options)

    async def _main(self, main: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        async with testing.VirtualNetwork():
            with tracing.record() as recording:
                try:
                    with trio.move_on_after(PATIENCE) as patience:
                        return await told_by_caller(None, main(*args))
                finally:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                    self.trace = recording.trace()
                    if patience.cancelled_caught:
                        print(_stopped(PATIENCE), end="")


def _stopped(seconds: float) -> str:
    return f"[still waiting after {seconds:g} seconds: stopped here]\n"


def whole_trace(trace: Trace, networks: Sequence[VirtualNetwork]) -> Trace:
    """With the datagrams of sockets that the library does not own, as the networks have recorded them."""
    told = {entry.event.local[:2] for entry in trace.entries if isinstance(entry, Happened)}
    seen = [Happened(event, None, None) for network in networks for event in _seen(network, told)]
    entries = sorted([*trace.entries, *seen], key=lambda entry: entry.time)  # which keeps the order of what is equal
    return replace(trace, entries=tuple(entries), names={**_names(networks, entries), **trace.names})


def _seen(network: VirtualNetwork, told: Collection[Place]) -> Iterator[Event]:
    """What the library would have told of these datagrams, had it been asked to carry them."""
    for each in network.datagrams:
        source, destination = each.source, each.destination
        if not _is_told(source, told):
            yield DatagramSent(each.time, source, destination, each.data)
            if each.dropped is not None:
                yield DatagramLost(each.time, source, destination, each.data, each.dropped, each.time)
        if not _is_told(destination, told):
            for time in each.delivered:
                yield DatagramReceived(time, destination, source, each.data)


def _is_told(place: Place, told: Collection[Place]) -> bool:
    return any((host, place[1]) in told for host in (place[0], *WILDCARDS))


def _names(networks: Sequence[VirtualNetwork], entries: Sequence[Entry]) -> dict[str, str]:
    """Hosts as the program calls them; on a single host, whoever is at the tutorial's port is the server.

    Sockets with requests are left out: of these the ladder knows itself which of them are one client.
    """
    names = {
        address: host.name
        for network in networks
        for host in network.hosts.values()
        for address in host.addresses
        if host.name not in ("localhost", address)
    }
    events = [entry.event for entry in entries if isinstance(entry, Happened)]
    asking = {event.local for event in events if isinstance(event, AttemptStarted)}
    ends = [end for event in events for end in (event.local, event.remote)]
    alone = dict.fromkeys(end for end in ends if end[0] not in names and end not in asking)  # as they appear
    clients = [format_address(place) for place in alone if place[1] != PORT]
    servers = [format_address(place) for place in alone if place[1] == PORT]
    return names | dict.fromkeys(servers, "server") | dict(zip(clients, _numbered("client", len(clients)), strict=True))


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name} {number}" for number in range(1, count + 1)]


def _is_ours(error: BaseException) -> bool:
    """Was it raised here, and not in the program or in what that has called?"""
    *_, last = _frames(error.__traceback__)
    return last.tb_frame.f_code.co_filename == __file__


def _only_lines_of(folder: Path, error: BaseException) -> BaseException:
    """Without the lines of Trio's own files, which say nothing to a beginner; the same for all exceptions inside."""
    lines = [each for each in _frames(error.__traceback__) if folder in Path(each.tb_frame.f_code.co_filename).parents]
    shorter: TracebackType | None = None
    for frame in reversed(lines):
        shorter = TracebackType(shorter, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    for inner in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        if inner is not None:
            _only_lines_of(folder, inner)
    return error.with_traceback(shorter)


def _frames(first: TracebackType | None) -> Iterator[TracebackType]:
    while first is not None:
        yield first
        first = first.tb_next


# -- two programs that talk over real sockets --------------------------------------------------------------------------


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
                said += _stopped(silence).encode()
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

    Real time is different each time, but not by tenths of a second.
    """
    entries: list[Entry] = []
    first = went_by[0].time if went_by else ended
    server = ("127.0.0.1", PORT)
    for time, time_there, each in _spread(went_by, first):
        client = ("127.0.0.1", 50000 + each.client)
        here, there = (client, server) if each.forward else (server, client)
        entries.append(Happened(DatagramSent(time, here, there, each.data), None, None))
        if each.copies:
            entries.append(Happened(DatagramReceived(time_there, there, here, each.data), None, None))
    clients = sorted({each.client for each in went_by})
    numbered = zip(clients, _numbered("client", len(clients)), strict=True)
    names = {f"127.0.0.1:{50000 + client}": name for client, name in numbered}
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


# -- what is written ---------------------------------------------------------------------------------------------------


def same_each_time(text: str, folder: Path) -> str:
    """Where the programs are, and what time it is, is different for everybody."""
    for part in (folder, PROGRAMS):
        text = text.replace(f"{part}{os.sep}", "")
    return re.sub(r"\b\d\d:\d\d:\d\d\b", "12:00:00", text)


def _same_data(trace: Trace) -> Trace:
    """The times of day in datagrams, too."""

    def same(entry: Entry) -> Entry:
        if not isinstance(entry, Happened):
            return entry
        event: Any = entry.event
        if "data" in event._fields:
            event = event._replace(data=re.sub(rb"\b\d\d:\d\d:\d\d\b", b"12:00:00", event.data))
        return entry._replace(event=event)

    return replace(trace, entries=tuple(map(same, trace.entries)))


def write(out: Path, said: str, trace: Trace | None, folder: Path) -> None:
    """The output, and if there is a trace, the ladder and the trace itself."""
    files = {".txt": same_each_time(said, folder)}
    if trace is not None:
        trace = _same_data(trace)
        files[".svg"] = tracing.ladder_svg(trace)
        tracing.save(trace, out.with_suffix(".jsonl"))
    for suffix, text in files.items():
        path = Path(f"{out}{suffix}")
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # what is as it was is not built again
            path.write_text(text, encoding="utf-8")


def main() -> None:
    """As the essay above says."""
    kind, out, program, *more = sys.argv[1:]
    path = Path(program).resolve()
    if kind == "run":
        stage = Stage()
        said = stage.run_program(path)
        trace = stage.trace and whole_trace(stage.trace, stage.networks)
        write(Path(out), said, trace, path.parent)
    else:
        client, silence, *words = more
        server_said, said, trace = trio.run(talk, path, Path(client).resolve(), float(silence), words)
        write(Path(out), said, trace, Path(client).parent)
        write(Path(f"{out}_server"), server_said, None, path.parent)


if __name__ == "__main__":
    main()
