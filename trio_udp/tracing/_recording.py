"""`record` and `Recording`: everything that happens while a program is looked at, in one list.

Three sources are brought together here: this library's events, by `observe`; Trio's tasks, by an instrument; and the
cancel scopes that a program marks. The first belong to a context, as always: what was opened inside the ``with``, or by
tasks started there, counts. The other two belong to the whole Trio run: a task that was there before is in the picture,
too, for a picture of nurseries in which some are missing is wrong.

A recording must not change what it records. So nothing of it raises into the program, what went wrong in it is counted,
and when it is full it forgets what comes, and counts that: how a run began is what explains the rest.
"""

from __future__ import annotations

import ipaddress
import sys
from contextlib import AbstractContextManager, ExitStack
from threading import get_ident
from typing import TYPE_CHECKING

import trio
from trio.lowlevel import enable_ki_protection

from .._address import format_address
from .._checks import check_count
from .._events import DatagramArrived, DatagramLost, observe
from ._instrument import Watch
from ._log import Log
from ._source import Sources
from ._trace import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._address import Address
    from .._events import Event

__all__ = ["Recording", "record"]

# An event is made in a function of the library's, handed to what `current_emit` has made, and from there to us.
_FRAMES_OF_OURS = 3

_recordings: trio.lowlevel.RunVar[tuple[Recording, ...]] = trio.lowlevel.RunVar("trio_udp recordings", default=())


def record(*, limit: int = 100_000, max_bytes: int = 64_000_000) -> AbstractContextManager[Recording, None]:
    """While the ``with`` lasts, gather what happens in this Trio run.

    ::

        with tracing.record() as recording:
            await whatever_it_does()
        tracing.save(recording.trace(), "run.jsonl")

    Events of the library count as for `trio_udp.observe`: of what is opened inside, also by tasks that are started
    inside; of other Trio runs, in other threads, nothing does. Tasks, nurseries and marked scopes (`scope`) of the
    whole run count, from wherever they were started. The tasks and nurseries that are there already are told of first;
    scopes that were entered before are not. Recordings may be nested, and there may be several at once.

    Args:
      limit: so many entries are kept, the first ones; what comes after them is counted.
      max_bytes: and so many bytes of payloads, counted at each entry that has one: a datagram that a server answers is
        in four, and on a virtual network in five. When the next does not fit, the recording is full. Beside its
        payloads an entry takes some 300 bytes, so both limits together keep a recording below 100 MB, whatever
        strangers send.

    Raises:
      ValueError: a limit is not a whole number of at least 1.
      RuntimeError: on entering: Trio is not running.
    """
    check_count("limit", limit)
    check_count("max_bytes", max_bytes)
    return _Recorder(limit, max_bytes)


class Recording:
    """What is gathered; made by `record`. It may be looked at, and names be given, at any time, also when it is over.

    An instrument of Trio's is at work as long as it lasts.
    """

    def __init__(self, limit: int, max_bytes: int) -> None:
        self._log = Log(limit, max_bytes)
        self._names: dict[str, str] = {}
        self._sources = Sources()
        self._watch = Watch(self._log)
        self._token = trio.lowlevel.current_trio_token()
        self._thread = get_ident()
        self._started = trio.current_time()
        self._ended: float | None = None

    def trace(self) -> Trace:
        """What has been gathered until now, as a value that stays as it is."""
        self._look()
        return Trace(self._log.entries(), self._started, self._now(), dict(self._names), self._log.forgotten)

    def name(self, address_or_host: Address | str, name: str) -> None:
        """Call an address, or all of a host's, by this name in pictures.

        Args:
          address_or_host: ``("10.0.0.1", 7)``, as sockets have it, or ``"10.0.0.1"``.
          name: what to call it.

        Raises:
          ValueError: one of them is something else.
        """
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"a name must be text, not {name!r}")
        if isinstance(address_or_host, str):
            self._names[_checked_host(address_or_host)] = name
        else:
            self._names[_checked_address(address_or_host)] = name

    @property
    def problems(self) -> Mapping[str, int]:
        """What went wrong in the recording itself, and how often, by the exception's name; nothing, if all is well.

        The program has not noticed, but entries are missing. ``"removed"``: Trio has removed the instrument.
        """
        return dict(self._watch.problems)

    # -- what is gathered ---------------------------------------------------------------------------------------------

    @enable_ki_protection
    def _happened(self, event: Event) -> None:
        if get_ident() != self._thread:  # a Trio run of its own, which has inherited the context, and has another clock
            return
        log = self._log
        try:
            kind = type(event)
            by_network = kind is DatagramLost or kind is DatagramArrived  # in whichever task comes to see to it
            task = None if by_network else self._watch.current(event.time)
            if len(log.kept) >= log.limit:
                log.forgotten += 1
            elif (size := len(getattr(event, "data", b""))) > log.room:
                log.forget()
            else:
                log.room -= size
                source = None if by_network else self._sources.of(sys._getframe(_FRAMES_OF_OURS))
                log.kept.append(event + (task, source, kind.__name__))  # noqa: RUF005 unpacking costs twice as much
        except Exception as problem:
            self._watch.note(problem)

    def _scope_entered(self, name: str, scope: trio.CancelScope) -> int | None:
        try:
            return None if self._log.is_closed else self._watch.entered(name, scope)
        except Exception as problem:
            self._watch.note(problem)
            return None

    def _scope_exited(self, number: int | None, scope: trio.CancelScope) -> None:
        try:
            if number is not None and not self._log.is_closed:
                self._watch.exited(number, scope)
        except Exception as problem:
            self._watch.note(problem)

    # -- its life -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        trio.lowlevel.add_instrument(self._watch)
        _recordings.set((*_recordings.get(), self))
        try:
            self._watch.begin()
        except Exception as problem:
            self._watch.note(problem)

    def _end(self) -> None:
        self._look()  # what it finds has happened before the end
        self._ended = self._now()
        if self._is_our_run():
            self._leave()
        elif self._watch.over_at is None:  # a guest, and we are with its host; or in another thread
            try:
                self._token.run_sync_soon(self._leave)
            except trio.RunFinishedError:
                pass
        self._log.is_closed = True
        self._watch.forget()

    def _look(self) -> None:
        """What the running task has just done is not seen before its step ends, unless one looks."""
        if not self._log.is_closed and self._is_our_run():
            try:
                self._watch.look()
            except Exception as problem:
                self._watch.note(problem)

    def _leave(self) -> None:
        """This Trio run has nothing of it any more."""
        _recordings.set(tuple(each for each in _recordings.get() if each is not self))
        try:
            trio.lowlevel.remove_instrument(self._watch)
        except KeyError:
            self._watch.problems["removed"] += 1

    def _now(self) -> float:
        """The time in the run that is recorded; when that is out of reach, the latest that is known."""
        if self._ended is not None:
            return self._ended
        if self._is_our_run():
            return trio.current_time()
        if self._watch.over_at is not None:
            return self._watch.over_at
        return self._started if self._log.latest is None else self._log.latest

    def _is_our_run(self) -> bool:
        try:
            return trio.lowlevel.current_trio_token() is self._token
        except RuntimeError:
            return False


class _Recorder:
    """The context manager. Ctrl-C waits until it has begun, or ended: what is left of a recording would go on."""

    def __init__(self, limit: int, max_bytes: int) -> None:
        self._limits = limit, max_bytes
        self._stack = ExitStack()
        self._entered = False

    @enable_ki_protection
    def __enter__(self) -> Recording:
        if self._entered:
            raise RuntimeError("a recording can be made only once: call record() anew")
        try:
            recording = Recording(*self._limits)
        except RuntimeError:
            raise RuntimeError("record() has to be entered inside Trio: in what trio.run runs") from None
        self._entered = True
        with ExitStack() as stack:
            stack.enter_context(observe(recording._happened))
            stack.callback(recording._end)
            recording._begin()
            self._stack = stack.pop_all()
        return recording

    @enable_ki_protection
    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


def _checked_address(address: object) -> str:
    if not isinstance(address, tuple) or len(address) not in (2, 4) or not isinstance(address[0], str):
        raise ValueError(f"an address is a host and a port, like ('10.0.0.1', 7), not {address!r}")
    host, port = address[:2]
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise ValueError(f"a port is from 0 to 65535, not {port!r}")
    return format_address((_checked_host(host), port))


def _checked_host(host: str) -> str:
    """As sockets write it."""
    family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
    numeric, percent, scope = host.partition("%")
    try:
        ipaddress.ip_address(numeric)
        return trio.socket.inet_ntop(family, trio.socket.inet_pton(family, numeric)) + percent + scope
    except (ValueError, OSError):
        raise ValueError(f"a host is an IP address here, like '10.0.0.1', not {host!r}") from None
