"""``--trace FILE``: what a command does is recorded, and written when it ends, however it ends.

What is written goes by the file's ending, as a person expects it who names a file ``run.svg``. A typing error there, or
a folder that is not there, is said before the command does anything: a load test of ten minutes should not find out
afterwards.

Ctrl-C and failures come through here as exceptions. SIGTERM does not, nor does SIGHUP, which comes when the terminal is
closed: by itself either ends the process at once. So here they cancel the command, and are raised again when the file
has been written; whoever waits for the process sees no difference. A second signal does not end it before that, but a
third one does (`_stopping.Unfinished`).
"""

from __future__ import annotations

import argparse
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ._common import Failure, in_counts, printable_text, say
from ._stopping import Unfinished, ended_by_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .._address import Address
    from .._events import Event
    from ..testing import VirtualNetwork
    from ..tracing import Recording, Trace

    Namer = Callable[[Trace], Mapping[Address, str]]

# By a file's ending, the function of `trio_udp.tracing` that makes it; the first is for `save`.
LINES = ".jsonl"
VIEWS = {
    ".html": "html",
    ".svg": "ladder_svg",
    ".json": "chrome",
    ".mmd": "mermaid",
    ".txt": "ladder_text",
}
ENDINGS = (
    "a page (.html), a picture (.svg), for Perfetto (.json), Mermaid (.mmd), text (.txt) or lines of JSON (.jsonl)"
)

# What a virtual network has carried; nobody else knows it all.
CAPTURE = ".pcap"
FOR_WIRESHARK = f"; with --virtual for Wireshark, too ({CAPTURE})"


def add_trace(parser: argparse.ArgumentParser, *, virtual: bool = False) -> None:
    """Say what ``--trace`` takes; ``virtual``: may there be a virtual network?"""
    help = f"write what has happened when it ends: {ENDINGS}"
    if virtual:
        help += FOR_WIRESHARK
    read = virtual_trace_path if virtual else trace_path
    parser.add_argument("--trace", type=read, action=_Once, metavar="FILE", help=help)


class _Once(argparse.Action):
    """Of two files only one would be written, and nobody would say so."""

    def __call__(self, parser: object, namespace: argparse.Namespace, value: object, option: str | None = None) -> None:
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "there can be one file, and two were given")
        setattr(namespace, self.dest, value)


def trace_path(text: str) -> Path:
    """A file whose ending says what is to be in it."""
    return _trace_path(text, ENDINGS)


def _trace_path(text: str, endings: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (LINES, *VIEWS):
        raise argparse.ArgumentTypeError(f"its ending says what is to be written: {endings}, not {text!r}")
    return path


def virtual_trace_path(text: str) -> Path:
    """The same, or one for what a virtual network has carried."""
    return path if is_capture(path := Path(text)) else _trace_path(text, ENDINGS + FOR_WIRESHARK)


def is_capture(path: Path | None) -> bool:
    """Is it for what a virtual network has carried?"""
    return path is not None and path.suffix.lower() == CAPTURE


def view(trace: Trace, function: str, **options: int) -> str:
    """A trace as a page, a picture or a text; ``function`` is one of ``VIEWS``, the options are its own."""
    from .. import tracing

    text: str = getattr(tracing, function)(trace, **options)
    return text


@contextmanager
def traced(path: Path | None, names: Namer, *, quiet: bool = False) -> Iterator[None]:
    """While it lasts, record; then write the trace. None, or a capture: do nothing of the kind.

    Args:
      path: where to, as `trace_path` has it.
      names: what to call whom in pictures.
      quiet: do not say where it was written.

    Raises:
      Failure: the file cannot be written.
    """
    if path is None or is_capture(path):
        yield
        return
    from ..tracing import record  # which nobody else waits for at the start

    with record() as recording, _written(path, lambda: _write(recording, path, names), quiet):
        yield


@contextmanager
def captured(path: Path | None, network: VirtualNetwork, *, quiet: bool = False) -> Iterator[None]:
    """Afterwards what the network has carried is written, if the file is for that.

    Args:
      path: where to, as `virtual_trace_path` has it.
      network: which is running.
      quiet: do not say where it was written.

    Raises:
      Failure: the file cannot be written.
    """
    if path is None or not is_capture(path):
        yield
        return
    with _written(path, lambda: _write_capture(network, path), quiet):
        yield


@contextmanager
def _written(path: Path, write: Callable[[], None], quiet: bool) -> Iterator[None]:
    """However it ends, ``write()``; that it cannot be done is said now, if it is known."""
    if not path.is_fifo():  # whoever reads there would take this for the end
        with _explained(path), open(path, "ab"):
            pass
    name = printable_text(os.fspath(path))
    with Unfinished(name) as unfinished, ended_by_signals():
        try:
            yield
        except BaseException:
            try:
                with unfinished.being_written():
                    _write_and_say(name, write, quiet)
            except Failure as failure:  # not in the place of what has happened before
                say(str(failure))
            raise
        with unfinished.being_written():
            _write_and_say(name, write, quiet)


def _write_and_say(name: str, write: Callable[[], None], quiet: bool) -> None:
    write()
    if not quiet:
        say(f"trace: {name}")


def _write_capture(network: VirtualNetwork, path: Path) -> None:
    with _explained(path):
        network.write_pcap(path)
    if forgotten := network.forgotten:
        say(f"{os.fspath(path)!r} has the last {len(network.datagrams):,} datagrams; {forgotten:,} went before them")


def _write(recording: Recording, path: Path, names: Namer) -> None:
    from ..tracing import save

    for address, name in names(recording.trace()).items():
        recording.name(address, name)
    trace = recording.trace()
    kind = path.suffix.lower()
    text = "" if kind == LINES else view(trace, VIEWS[kind])
    with _explained(path):
        if kind == LINES:
            save(trace, path)
        else:
            write_text(path, text)
    if trace.forgotten:
        say(f"{os.fspath(path)!r} has the first {len(trace.entries):,} entries; {trace.forgotten:,} came after them")
    if recording.problems:
        wrong = in_counts(recording.problems)
        say(f"{os.fspath(path)!r} is not complete: while it was recorded, something went wrong: {wrong}")


def write_text(path: Path, text: str) -> None:
    """Write what is for people, whatever is in it."""
    from ..tracing._written import written

    with written(path, "utf-8", "backslashreplace") as file:
        file.write(text)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(f"cannot write {os.fspath(path)!r}: {error.strerror or error}") from None
    except ValueError as error:  # there are times that a format does not have
        raise Failure(f"cannot write {os.fspath(path)!r}: {error}") from None


# -- who is who --------------------------------------------------------------------------------------------------------


def client_and_server(trace: Trace) -> dict[Address, str]:
    """Who sends requests, and whom they are sent to; and who has answered any."""
    from .._events import AttemptStarted, HandlerStarted, PeerOpened

    names: dict[Address, str] = {}
    for event in _events(trace):
        if isinstance(event, AttemptStarted):
            names[event.local], names[event.remote] = "client", "server"
        elif isinstance(event, (HandlerStarted, PeerOpened)):
            names[event.local] = "server"
    return names


def clients_relay_and_server(trace: Trace) -> dict[Address, str]:
    """The clients in the order in which they begin; what is neither of them nor the server is a socket of the relay."""
    from .._events import AttemptStarted, HandlerStarted

    clients = dict.fromkeys(event.local for event in _events(trace) if isinstance(event, AttemptStarted))
    names = {address: f"client {number}" for number, address in enumerate(clients, 1)}
    names.update((event.local, "server") for event in _events(trace) if isinstance(event, HandlerStarted))
    for event in _events(trace):
        names.setdefault(event.local, "relay")
    if "server" not in names.values():  # nothing has come to it
        names.update({event.remote: "server" for event in _events(trace) if event.remote not in names})
    return names


def _events(trace: Trace) -> Iterator[Event]:
    from ..tracing import Happened

    return (entry.event for entry in trace.entries if isinstance(entry, Happened))
