"""`ROUNDS`: what is asked, how long the work at it takes, and when the server is told to stop."""

from __future__ import annotations

from typing import NamedTuple

SERVER = "10.0.0.1"
DELAY = 0.01  # seconds, each way
CLIENTS = "anna", "ben", "carla", "dora"

# Seconds: what a server may do after its last answer before it returns, and before it begins to work.
PROMPT = 0.1


class Asked(NamedTuple):
    """A question: who asks it when, in seconds, and how long the work at it takes."""

    client: str
    time: float
    question: bytes
    work: float

    @property
    def soon(self) -> float:
        """When it has come, and the work at it been begun, at the latest."""
        return self.time + DELAY + PROMPT


class Round(NamedTuple):
    """A server from its beginning to its end; what is asked before it is told to stop, and what comes too late."""

    port: int
    stop: float
    until: float
    accepted: tuple[Asked, ...]
    too_late: tuple[Asked, ...] = ()

    @property
    def done(self) -> float:
        """When all that was taken can be answered, and the server told to stop."""
        return max(self.stop, *(each.time + each.work + DELAY for each in self.accepted))


ROUNDS = (
    Round(
        port=7,
        stop=3.0,
        until=20.0,
        accepted=(
            Asked("anna", 0.5, b"job 1", 0.0),
            Asked("ben", 1.0, b"job 2", 5.0),
            Asked("carla", 2.0, b"job 3", 2.0),
            Asked("dora", 2.5, b"job 4", 0.25),
        ),
        too_late=(Asked("ben", 3.5, b"job 5", 0.25), Asked("anna", 5.0, b"job 6", 4.0)),
    ),
    Round(
        port=8,
        stop=23.0,
        until=40.0,
        accepted=(Asked("carla", 21.0, b"job 7", 9.0), Asked("dora", 22.9, b"job 8", 0.5)),
        too_late=(Asked("ben", 23.2, b"job 9", 0.25),),
    ),
    Round(
        port=9,
        stop=43.0,
        until=50.0,
        accepted=(Asked("anna", 41.0, b"job 10", 0.5), Asked("ben", 42.0, b"job 11", 3.0)),
    ),
    Round(
        port=10,
        stop=54.3,
        until=58.0,
        accepted=(Asked("carla", 51.0, b"job 12", 2.0), Asked("dora", 52.0, b"job 13", 0.5)),
    ),
)
