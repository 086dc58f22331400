"""What remains of a coroutine whose first step was taken by hand, as something to await.

``coroutine.send(None)`` runs a coroutine up to the first thing that it wants of the scheduler, and gives that thing: a
way to learn whether it waits at all. If it does, somebody has to await the rest of it. But ``await coroutine`` would
start by sending None into it, and it waits for Trio's answer to what it has yielded already. So the first thing asked
of us gives that, and everything afterwards is the coroutine's.

The ``cr_`` attributes let ``trio.lowlevel.Task.iter_await_frames`` look through us at the coroutine's frames: tools
that print the tasks of a program see where it waits.
"""

from __future__ import annotations

from collections.abc import Generator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self

Coroutine: TypeAlias = "CoroutineType[Any, Any, None]"


class Remainder(Generator[object, object, None]):
    """The rest of a coroutine.

    Args:
      coroutine: has taken its first step.
      step: what that has yielded.
    """

    __slots__ = ("_begun", "_coroutine", "_step")

    def __init__(self, coroutine: Coroutine, step: object) -> None:
        self._coroutine = coroutine
        self._step = step
        self._begun = False

    def __await__(self) -> Self:
        return self

    def __next__(self) -> object:
        if self._begun:  # somebody else drives it than Trio, who answers with more than None
            return self._coroutine.send(None)
        self._begun = True
        return self._step

    def send(self, answer: object) -> object:
        return self._coroutine.send(answer)

    def throw(self, *error: Any) -> object:
        return self._coroutine.throw(*error)

    @property
    def cr_frame(self) -> FrameType | None:
        return self._coroutine.cr_frame

    @property
    def cr_await(self) -> object:
        return self._coroutine.cr_await
