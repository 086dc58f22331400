"""Runs one program of the tutorial that uses Trio, and writes down what it said and what it did.

    python docs/_tutorial_stage.py OUT PROGRAM

What is written to OUT, `_tutorial_shown` says. Two programs that talk over real sockets are `_tutorial_talk`'s.

A page must not say something else each time it is built, and a build must not wait where a reader does. So a program
that uses Trio runs in virtual time, and its sockets are on a virtual network: one that it makes itself or, if it makes
none, one of ours, on which a datagram to the own host takes a microsecond and is never lost. Whose turn it is among
tasks that are all ready is drawn by lot in Trio; here it comes from a seed, as does what `random` gives. What waits for
ever is stopped, and the last line of its output says that we did it.
"""

from __future__ import annotations

import io
import random
import runpy
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import MockClock

from docs._tutorial_shown import PORT, PROGRAMS, numbered, stopped, write
from trio_udp import AttemptStarted, testing, tracing
from trio_udp._address import format_address
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import Happened, Trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from trio_udp.tracing import Entry

PATIENCE = 10  # seconds of virtual time; a program that is still there waits for ever


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
                        return await main(*args)
                finally:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                    self.trace = recording.trace()
                    if patience.cancelled_caught:
                        print(stopped(PATIENCE), end="")


def named(trace: Trace, networks: Sequence[VirtualNetwork]) -> Trace:
    """With names for hosts."""
    return replace(trace, names={**_names(networks, trace.entries), **trace.names})


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
    return names | dict.fromkeys(servers, "server") | dict(zip(clients, numbered("client", len(clients)), strict=True))


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


def main() -> None:
    """As the essay above says."""
    out, program = sys.argv[1:]
    path = Path(program).resolve()
    stage = Stage()
    said = stage.run_program(path)
    trace = stage.trace and named(stage.trace, stage.networks)
    write(Path(out), said, trace, path.parent)


if __name__ == "__main__":
    main()
