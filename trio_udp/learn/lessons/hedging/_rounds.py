"""`ROUNDS`: what the servers do in each call, and how long everything takes."""

from __future__ import annotations

from typing import NamedTuple

STAGGER = 0.25  # seconds after which the next server is asked
DELAY = 0.01  # seconds, each way
EXACT = 0.05  # seconds: what a program may be late
PAUSE = 5.0  # seconds between two rounds
AGAIN = 1.0  # seconds after which a server may be asked again: so does the library's client, that knows of losses
BUSY = b"busy"
SERVERS = ("best", "second", "third")


class Round(NamedTuple):
    """After how many seconds each server answers, in their order, None: never; and who answers that it is busy."""

    story: str
    waits: tuple[float | None, ...]
    busy: tuple[str, ...] = ()


ROUNDS = (
    Round("all are well", (0.1, 0.1, 0.1)),
    Round("the best server is very slow", (3.0, 0.1, 0.1)),
    Round("the best server is a bit slow, and the second one more so", (0.4, 0.9, 0.9)),
    Round("the best server is busy", (0.1, 0.1, 0.1), busy=("best",)),
    Round("two servers are down", (None, None, 0.1)),
    Round("all are slow", (3.0, 2.0, 0.4)),
    Round("the best server is slow, and the others are busy", (0.9, 0.1, 0.1), busy=("second", "third")),
    Round("the best server is very slow, and the others are down", (1.5, None, None)),
)
