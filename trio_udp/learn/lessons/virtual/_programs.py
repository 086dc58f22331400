"""The programs that the learner's tests are run with: right ones, and those that each break one promise of `ask`.

Each wrong one does what is wrong so that it can be measured, exactly: who asks too often gives up in time. And a right
one with a way of its own has no other: so what fails it alone minds that way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

import trio

Address: TypeAlias = tuple[str, int]
Ask: TypeAlias = Callable[[Address], Awaitable[object]]

WAIT = 0.5  # seconds between two attempts
LIFE = 2.0  # seconds, after which a right one has ended
ATTEMPTS = 4

# Seconds, for who is in a hurry: as many of them as make two seconds to a hair.
HURRY = 0.0625


def _socket() -> trio.socket.SocketType:
    return trio.socket.socket(type=trio.socket.SOCK_DGRAM)


async def _answer(sock: trio.socket.SocketType, server: Address) -> bytes:
    """What comes from there; what comes from anybody else is none."""
    with _socket() as another:
        await another.connect(server)  # sends nothing, and looks up a name
        numeric = another.getpeername()
    while True:
        answer, sender = await sock.recvfrom(65535)
        if sender == numeric:
            return answer


async def _right(
    server: Address, attempts: int = ATTEMPTS, wait: float = WAIT, last: float | None = None, word: bytes = b"ask"
) -> bytes:
    with _socket() as sock:
        for left in reversed(range(attempts)):
            await sock.sendto(word, server)
            with trio.move_on_after(wait if left or last is None else last):
                return await _answer(sock, server)
    raise trio.TooSlowError


async def _right_with_another_word(server: Address) -> bytes:
    return await _right(server, word=b"please")


async def _right_with_a_task_that_asks(server: Address) -> bytes:
    async def remind() -> None:
        for _ in range(ATTEMPTS):
            await sock.sendto(b"ask", server)
            await trio.sleep(WAIT)

    with _socket() as sock, trio.fail_after(ATTEMPTS * WAIT):
        await sock.bind(("0.0.0.0", 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(remind)
            answer = await _answer(sock, server)
            nursery.cancel_scope.cancel()
    return answer


async def _right_from_many_ports(server: Address) -> bytes:
    answers: list[bytes] = []

    async def attempt() -> None:
        with _socket() as sock:
            await sock.sendto(b"ask", server)
            answers.append(await _answer(sock, server))
            nursery.cancel_scope.cancel()

    with trio.fail_after(ATTEMPTS * WAIT):
        async with trio.open_nursery() as nursery:
            for _ in range(ATTEMPTS):
                nursery.start_soon(attempt)
                await trio.sleep(WAIT)
    return answers[0]


async def _waits(server: Address) -> bytes:
    with _socket() as sock:
        await sock.sendto(b"ask", server)
        return await _answer(sock, server)


async def _gives_up(server: Address) -> bytes:
    return await _right(server, attempts=1)


async def _hurries(server: Address) -> bytes:
    return await _right(server, attempts=int(ATTEMPTS * WAIT / HURRY), wait=HURRY)


async def _never_gives_up(server: Address) -> bytes:
    return await _right(server, attempts=10**6)


async def _asks_nobody(server: Address) -> bytes:
    return b"pong"


async def _returns_too_much(server: Address) -> tuple[bytes, Address]:
    return await _right(server), server


async def _asks_too_seldom(server: Address) -> bytes:
    return await _right(server, attempts=ATTEMPTS - 1)


async def _asks_too_often(server: Address) -> bytes:
    return await _right(server, attempts=ATTEMPTS + 1)


async def _does_not_wait(server: Address) -> bytes:
    return await _right(server, last=0)


async def _returns_none(server: Address) -> bytes | None:
    try:
        return await _right(server)
    except trio.TooSlowError:
        return None


async def _raises_another(server: Address) -> bytes:
    try:
        return await _right(server)
    except trio.TooSlowError:
        raise TimeoutError from None


class Program(NamedTuple):
    """One to be tested; ``fault`` is what is wrong with it, empty if nothing is.

    ``when`` is when that shows, and ``where`` what it shows in then. Whether it has come to that is seen by what a play
    has noted, one of `SEEN`; empty: by nothing but a failed test. ``way`` is what a right one does in a way of its own.
    """

    ask: Ask
    fault: str = ""
    when: str = ""
    where: str = ""
    noted: str = ""
    way: str = ""


# What a play notes of a program, in words.
SEEN = {"lost": "Something was lost", "returned": "An answer has come", "gave up": "Nobody has answered"}

LOST = "its question or the answer gets lost"
NOBODY = "nobody answers"
GIVES_UP = "when `ask` gives up"

PROGRAMS = (
    Program(_right),
    Program(_waits, "asks once, and then waits for ever", LOST, "whether `ask` ends", "lost"),
    Program(_gives_up, "asks once, and gives up after half a second", LOST, "when `ask` ends", "lost"),
    Program(_right_with_another_word, way="asks with the word b'please'"),
    Program(
        _hurries,
        f"asks every {HURRY} seconds, {int(ATTEMPTS * WAIT / HURRY)} times",
        "an answer is long in coming, or none comes",
        "when it has asked, and so in when a late answer comes",
        "lost",
    ),
    Program(_never_gives_up, "asks for ever", NOBODY),
    Program(_asks_nobody, "asks nobody, and returns b'pong'", "the server has something else to say"),
    Program(
        _returns_too_much,
        "returns what recvfrom gives, the answer and the address",
        "an answer comes",
        "what `ask` returns",
        "returned",
    ),
    Program(_asks_too_seldom, "asks 3 times, and gives up after 1.5 seconds", NOBODY, GIVES_UP, "gave up"),
    Program(_right_from_many_ports, way="asks from a new socket each time, and listens at all of them"),
    Program(_right_with_a_task_that_asks, way="asks in one task, and listens in another"),
    Program(_asks_too_often, "asks 5 times, and gives up after 2.5 seconds", NOBODY, GIVES_UP, "gave up"),
    Program(
        _does_not_wait,
        "asks 4 times, and gives up as soon as it has asked the last time, after 1.5 seconds",
        NOBODY,
        GIVES_UP,
        "gave up",
    ),
    Program(
        _returns_none, "returns None after 2 seconds, and raises nothing", NOBODY, "whether `ask` raises", "gave up"
    ),
    Program(
        _raises_another,
        "raises TimeoutError, which is not trio.TooSlowError",
        NOBODY,
        "what `ask` raises",
        "gave up",
    ),
    Program(_right),
)
