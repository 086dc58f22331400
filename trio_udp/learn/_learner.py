"""`Learner`: the learner's file, as a stage has it in its hands.

A file that somebody is learning with is wrong in more ways than a lesson is about: it does not parse, the function has
another name, it takes something else, it is no async function. None of that is what the lesson's check should have to
think of. So a stage never touches the module itself; it calls functions by their names, here, and what is not as the
lesson needs it is a `NotAsAsked` with the line that says so.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import trio
from trio.testing import MockClock

from ..testing import VirtualNetwork
from ..tracing import record
from ._played import plain
from ._source import check_text
from ._source import lines as lines_of
from ._where import raised_line, running_line, standing_line, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..faults import Link
    from ..tracing import Recording
    from ._played import Waiting

# The learner's file is a module of this name while it is played. Dataclasses look their module up.
MODULE = "trio_udp_lesson"


# Where `await` may stand.
ASYNC_ONLY = "`await` and `async with` can stand only in a function that begins with `async def`"

GENERATOR = (
    "`yield` makes a generator of {0}: its call runs none of it, and gives something that hands out one value after "
    "another, if somebody asks for them. Nobody does: the lesson awaits {0}, for what it returns, so it has to be "
    "`return`"
)


class NotAsAsked(Exception):
    """The file has not what the lesson calls.

    Args:
      words: what was wrong, and what would be right.
      line: of the file.
    """

    def __init__(self, words: str, line: int | None = None) -> None:
        super().__init__(words)
        self.line = line


class Learner:
    """Made by `play`, for one play.

    Args:
      path: the learner's file.
      source: what was in it when it was read.
    """

    def __init__(self, path: Path, source: bytes) -> None:
        self.path = path
        self.source = source
        self.module = ModuleType(MODULE)
        self.networks: list[VirtualNetwork] = []
        self.parts: dict[str, tuple[Recording, int]] = {}
        self.notes: dict[str, list[Any]] = {}
        self.is_loaded = False
        self.is_over = False
        self._returned = 0

    def load(self) -> None:
        """Run the file, as an import does; again, and all of it is as new.

        Raises:
          BaseException: whatever is wrong with it.
        """
        check_text(self.source)
        code = compile(self.source, str(self.path), "exec", dont_inherit=True)
        self.module = sys.modules[MODULE] = ModuleType(MODULE)
        self.module.__file__ = str(self.path)
        exec(code, self.module.__dict__)
        self.is_loaded = True

    def network(self, link: Link, *, seed: int = 0) -> VirtualNetwork:
        """A network to play on: ``async with learner.network(Link(loss=0.3), seed=3) as network:``."""
        network = VirtualNetwork(link, seed=seed)
        self.networks.append(network)
        return network

    @contextmanager
    def anew(self, name: str) -> Iterator[None]:
        """A part of the play, in which time begins at 0 again, as it does in each test under pytest-trio.

        What still waits from before waits as much longer; nothing should.

        Args:
          name: of this part, for ``Finding(within=name)``.
        """
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        MockClock.__init__(clock, autojump_threshold=0)  # it goes forwards only; made again, it begins again
        with record() as recording:  # a trace is in order of time, so that of all parts would mix them
            self.parts[name] = recording, len(self.networks)
            yield

    def note(self, word: str, value: object = None) -> None:
        """Keep something for the check: ``run.notes[word]`` is a list of what was noted."""
        kept = [plain(each) for each in value] if isinstance(value, list) else plain(value)
        self.notes.setdefault(word, []).append(kept)

    async def call(self, name: str, *args: object) -> Any:
        """Call an async function of the learner's, in this task, on the host that the task is in.

        Raises:
          NotAsAsked: there is none, or it takes something else, or it is not async.
        """
        function = self.function(name, *args)
        asked = NotAsAsked(
            f"{name} has to be an async function: async def {name}(...). {ASYNC_ONLY}", self.line_of(function)
        )
        try:
            result = function(*args)
        except Exception as problem:  # no async function raises before it is awaited
            if _is_for_want_of_await(problem):
                raise asked from None
            raise
        if inspect.isasyncgen(result) or (inspect.isgenerator(result) and not inspect.isawaitable(result)):
            raise NotAsAsked(GENERATOR.format(name), self._yield_of(function))
        if not inspect.isawaitable(result):
            raise asked
        try:
            returned = await result
        except trio.Cancelled as problem:
            if trio.current_effective_deadline() == float("-inf"):
                raise
            words = "your program raises Cancelled here, and nobody has cancelled it: only Trio may raise that"
            raise NotAsAsked(words, raised_line(problem, self.path)) from None
        self._returned += 1
        return returned

    def over(self, calls: int = 0) -> None:
        """The stage has come to its end, as far as it knows: only then has the program passed.

        It cannot see what ends it early. A program may cancel a scope that is not its own, or raise what Trio raises in
        what it has cancelled, and the stage's nurseries take that for the end of theirs.

        Args:
          calls: how many of `call` must have returned by now.
        """
        self.is_over = self._returned >= calls

    def function(self, name: str, *args: object) -> Callable[..., Any]:
        """A function of the learner's that can be called with these arguments, to be handed on: a handler, say.

        Raises:
          NotAsAsked: there is none, or it takes something else.
        """
        function: Any = getattr(self.module, name, None)
        if function is None:
            functions = [word for word, value in vars(self.module).items() if inspect.isfunction(value)]
            similar = difflib.get_close_matches(name, functions, 1)
            instead = f"; there is {similar[0]}" if similar else ""
            line = self.line_of(getattr(self.module, similar[0])) if similar else None
            raise NotAsAsked(f"there is no function {name} in this file, which the lesson calls{instead}", line)
        if not callable(function):
            raise NotAsAsked(f"{name} has to be a function: async def {name}(...), not {type(function).__name__}")
        try:
            inspect.signature(function).bind(*args)
        except TypeError as problem:
            given = "1 argument" if len(args) == 1 else f"{len(args)} arguments"
            line = self.line_of(function)
            raise NotAsAsked(f"the lesson calls {name} with {given}, as it was at first: {problem}", line) from None
        except ValueError:  # something built in, which has no signature to look at
            pass
        return cast("Callable[..., Any]", function)

    def lines_like(self, pattern: str) -> list[int]:
        """Where the text of the file is like this: for a finding to point at, and never for what is found."""
        return [number for number, _ in self.parts_like(pattern)]

    def parts_like(self, pattern: str) -> list[tuple[int, str]]:
        """The same lines, each with what stands there for the last group of the pattern."""
        lines = enumerate(lines_of(self.source.decode("utf-8", "replace")), 1)
        found = ((number, re.search(pattern, line.partition("#")[0])) for number, line in lines)
        return [(number, match[match.re.groups] or "") for number, match in found if match]

    def _yield_of(self, function: object) -> int | None:
        """The line with its first `yield`, or that of its definition."""
        begins = self.line_of(function)
        return next((line for line in self.lines_like(r"\byield\b") if line >= (begins or 1)), begins)

    def line(self) -> int | None:
        """Where the learner's program is now: the line that has called whoever asks."""
        return running_line(self.path)

    def waiting(self, task: trio.lowlevel.Task) -> list[Waiting]:
        """Where in the file a task waits just now, and those below it, children before their parents."""
        return list(waiting(task, self.path))

    def stands(self, task: trio.lowlevel.Task) -> int | None:
        """In which line the function waits that this task has called: the outermost one, if it waits in another."""
        return standing_line(task, self.path)

    def line_of(self, function: object) -> int | None:
        """Where it is defined, if that is in the learner's file."""
        code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
        return code.co_firstlineno if code is not None and code.co_filename == str(self.path) else None


def _is_for_want_of_await(problem: Exception) -> bool:
    """A coroutine object is no tuple, has no length, and is equal to no answer."""
    return isinstance(problem, AssertionError) or "coroutine" in str(problem)
