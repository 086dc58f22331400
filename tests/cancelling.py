"""A call that is cancelled at one moment after another: what `test_cancellation` is done with.

A cancellation, or Ctrl-C, may come whenever a task is about to take a step, or has just taken one. Trio tells of these
moments, of all tasks and not only of the one that calls, to an instrument. So each can be tried, without any luck.
"""

from __future__ import annotations

import inspect
import socket as stdlib_socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, TypeVar

import trio
import trio.testing

from trio_udp.testing import VirtualNetwork

from .fakes import OtherSocket

T = TypeVar("T")

# Moments that no scenario comes near, and virtual seconds: what has not ended by then does not end.
MANY = 3000
LONG = 10**6

PATIENCE = 60  # seconds that are no virtual ones; only a failure takes so long


class Moment(trio.abc.Instrument):
    """Does something at the n-th moment from now, if that comes."""

    def __init__(self, n: int, act: Callable[[], object]) -> None:
        self._left = n
        self._act = act

    @property
    def has_come(self) -> bool:
        return self._left <= 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()

    after_task_step = before_task_step


@dataclass(frozen=True)
class Result(Generic[T]):
    """What a call has returned."""

    value: T


class Cut:
    """Makes a call, and does something to it at the n-th moment, if it is not over by then: it is cancelled.

    Args:
      n: at which moment, from 1.
      sockets: those that there are.
      act: what is to be done instead of cancelling it.
    """

    def __init__(self, n: int, sockets: Sockets, act: Callable[[], object] | None = None) -> None:
        self._scope = trio.CancelScope()
        self._moment = Moment(n, act or self._scope.cancel)
        self._sockets = sockets
        self.others_come_and_go = False  # sockets, and system tasks of Trio's for DTLS: the scenario looks at its own

    async def __call__(self, function: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> Result[T] | None:
        """What it returns; None if it was cancelled. It has left nothing behind."""
        tasks, sockets = self._tasks(), len(self._sockets.open())
        result = None
        trio.lowlevel.add_instrument(self._moment)
        try:
            with self._scope:
                result = Result(await function(*args, **options))
        finally:
            trio.lowlevel.remove_instrument(self._moment)
            assert self._tasks() <= tasks, "it has left a task"
            assert result or self.others_come_and_go or len(self._sockets.open()) <= sockets, (
                "it has left a socket open"
            )
        assert result or self._scope.cancelled_caught
        return result

    def _tasks(self) -> set[object]:
        """Where a call could leave a task: in a nursery that it has opened, or in Trio's own."""
        root = trio.lowlevel.current_root_task()
        assert root is not None
        system = [task for nursery in root.child_nurseries for task in nursery.child_tasks]
        return {*trio.lowlevel.current_task().child_nurseries, *(() if self.others_come_and_go else system)}

    @property
    def has_come(self) -> bool:
        """Was the call still going on at that moment?"""
        return self._moment.has_come

    def end(self) -> None:
        """For the other tasks of a scenario: a call that would go on for ever has done so for long enough."""
        self._scope.cancel()


class Sockets(trio.abc.SocketFactory):
    """Makes sockets, and remembers them."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._made: list[trio.socket.SocketType] = []

    def socket(self, family: Any = None, type: Any = None, proto: int = 0) -> trio.socket.SocketType:
        self._made.append(self._make(family, type, proto))
        return self._made[-1]

    def open(self) -> set[trio.socket.SocketType]:
        return {socket for socket in self._made if _is_open(socket)}


def _is_open(socket: trio.socket.SocketType) -> bool:
    return (socket.inner if isinstance(socket, OtherSocket) else socket).fileno() != -1


@contextmanager
def at_line(n: int, function: Callable[..., object], act: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Do something at the n-th line that a function runs, if that comes; gives what tells whether it has."""
    code, left = inspect.unwrap(function).__code__, n

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        left -= event == "line"
        if left == 0 and event == "line":
            act()
        return trace

    before = sys.gettrace()
    sys.settrace(lambda frame, event, _: trace if frame.f_code is code else None)
    try:
        yield lambda: left <= 0
    finally:
        sys.settrace(before)


# -- where it is done -------------------------------------------------------------------------------------------------

KINDS = "virtual", "fast", "portable"


@asynccontextmanager
async def _stage(kind: str) -> AsyncIterator[Sockets]:
    """A virtual network, or loopback with Trio's own sockets or with somebody else's."""
    async with AsyncExitStack() as stack:
        make: Callable[..., Any] = {"fast": _trios_own, "portable": _others}.get(kind, _trios_own)
        if kind == "virtual":
            make = (await stack.enter_async_context(VirtualNetwork())).socket
        before = trio.socket.set_custom_socket_factory(sockets := Sockets(make))
        try:
            yield sockets
        finally:
            trio.socket.set_custom_socket_factory(before)


def _trios_own(*args: Any) -> trio.socket.SocketType:
    return trio.socket.from_stdlib_socket(stdlib_socket.socket(*args))


def _others(*args: Any) -> trio.socket.SocketType:
    return OtherSocket(_trios_own(*args))


def play(
    scenario: Callable[[Cut], Awaitable[None]], kind: str, n: int, act: Callable[[], object] | None = None
) -> bool:
    """Play a scenario in virtual time, with its n-th moment; False if that did not come.

    One that is "real" has sockets and time as they are: it starts processes, which know of no other time. No socket is
    left open, whatever comes out of it.
    """
    made: list[tuple[Sockets, Cut]] = []

    async def main() -> None:
        with trio.fail_after(LONG if clock else PATIENCE):
            async with _stage(kind) as sockets:
                made.append((sockets, cut := Cut(n, sockets, act)))
                await scenario(cut)

    clock = None if kind == "real" else trio.testing.MockClock(autojump_threshold=0)
    try:
        trio.run(main, clock=clock)
    finally:
        for sockets, _ in made:
            assert not sockets.open(), "sockets are left open"
    return made[0][1].has_come


def at_every_moment(
    scenario: Callable[[Cut], Awaitable[None]], kind: str, attempt: Callable[[int], bool] | None = None
) -> int:
    """Play it once for each moment; returns how many there were."""
    for n in range(1, MANY):
        try:
            if not (attempt(n) if attempt else play(scenario, kind, n)):
                return n - 1
        except BaseException as error:
            error.args = (*error.args, f"(at moment {n})")
            raise
    raise AssertionError(f"it does not end: there are {MANY} moments")
