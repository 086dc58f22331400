"""Lesson 3: how often to ask, and when to give up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path


def test_the_exercise_asks_every_10_ms(tmp_path: Path) -> None:
    assert refused("backoff", find("backoff").exercise, tmp_path) == (
        "15: your program asks the server `up` again after 0.01 s, and it has asked 11 times in all. "
        "An answer takes 0.1 s: what comes of the first question cannot be here yet"
    )


ASK = """\
import trio
async def ask(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
"""

RIGHT = {
    "solution": find("backoff").solution,
    "library": """\
import trio_udp

async def ask(server):
    async with await trio_udp.open_udp_client(*server) as client:
        try:
            return await client.request(b"hello")
        except trio_udp.NoReply:
            return None
""",
    "a list of waits, and a function": """\
import trio

async def attempt(server, wait):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.connect(server)
    await sock.send(b"?")
    with trio.fail_after(wait):
        return await sock.recv(100)

async def ask(server):
    for wait in 1, 2, 3, 4, 5:
        try:
            return await attempt(server, wait)
        except trio.TooSlowError:
            pass
""",
    "a socket for each question": """\
import trio

async def ask(server, wait=0.25, left=5):
    if not left:
        return None
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"?", server)
        with trio.move_on_after(wait):
            return await sock.recv(100)
    return await ask(server, wait * 1.25, left - 1)
""",
    "two tasks": """\
import trio

async def remind(sock, server, scope):
    for wait in 0.125, 0.25, 0.5, 1, 2:
        await sock.sendto(b"ping", server)
        await trio.sleep(wait)
    scope.cancel()

async def ask(server):
    answer = None
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(remind, sock, server, nursery.cancel_scope)
            answer = await sock.recv(65535)
            nursery.cancel_scope.cancel()
    return answer
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_asks_ever_more_seldom_passes(name: str, tmp_path: Path) -> None:
    assert judged("backoff", RIGHT[name], tmp_path) is None


# The loop opens a socket to ask with, and another one to wait at.
TWO_SOCKETS = (
    "            with trio.move_on",
    "            sock.close()\n            sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)\n"
    "            with trio.move_on",
)
CLOSED = (
    "the answer of the server `up` came at 0.1 s, when the socket that had asked in this line was closed. An answer "
    "comes to the socket that has asked, and only while that is open\n"
)

WRONG = {
    "another socket to wait at": (
        find("backoff").solution.replace(*TWO_SOCKETS),
        f"19: {CLOSED}",
    ),
    "another socket to wait at, for ever": (
        f"""{ASK}
        await sock.sendto(b"?", server)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        return await sock.recv(100)
""",
        f"5: {CLOSED}",
    ),
    "waits without a socket": (
        """\
import trio
async def ask(server):
    for wait in 0.5, 1, 2, 4, 8:
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.sendto(b"?", server)
        await trio.sleep(wait)
""",
        f"5: {CLOSED}",
    ),
    "leaves the loop, and not the function": (
        find("backoff").solution.replace("return answer", "break"),
        "21: ask has returned None, but the server `up` has answered b'fine 249523'\n",
    ),
    "for ever": (
        f"""{ASK}
        wait = 0.5
        while True:
            wait *= 2
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
""",
        "8: your program asks the server `down` for the 6th time at 48.2 s, and 12 times in all. After 5 questions it "
        "should give up: nobody says that a server is down, so the program has to decide",
    ),
    "always the same wait": (
        f"""{ASK}
        for _ in range(5):
            await sock.sendto(b"?", server)
            with trio.move_on_after(1):
                return await sock.recv(100)
""",
        "6: your program waits 1 s for an answer of the server `troubled`, and then 1 s. The longer a server has not "
        "answered, the longer it should be left alone; each wait is to be a quarter longer than the one before, at "
        "least",
    ),
    "gives up too early": (
        f"""{ASK}
        for wait in 1, 2, 3:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
""",
        "6: the server `troubled` was asked 3 times, and ask has returned None, without an answer. It should ask 5 "
        "times before it gives up",
    ),
    "gives up at once": (
        f"""{ASK}
        for wait in 1, 2:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
            return None
""",
        "6: the server `troubled` was asked once, and ask has returned None, without an answer. It should ask 5 times ",
    ),
    "has five attempts for all": (
        f"""{ASK}
        while attempts:
            await sock.sendto(b"?", server)
            with trio.move_on_after(attempts.pop()):
                return await sock.recv(100)
attempts = [16, 8, 4, 2, 1]
""",
        "6: the server `down` was not asked, and ask has returned None. What asks the others stands in this line: this "
        "call did not come to it\n",
    ),
    "does not wait for the last one": (
        f"""{ASK}
        for wait in 0.5, 1, 2, 4, 0:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
""",
        "6: ask gives up 0 s after its last question to the server `down`. No answer can be here in less than 0.1 s: "
        "why did it ask?",
    ),
    "takes its time": (
        f"""{ASK}
        for wait in 1, 3, 9, 27, 81:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
""",
        "6: ask has returned 121 s after it was called, for the server `down`. A minute is what a call may take: "
        "nobody waits for longer. It has waited 1, 3, 9, 27, 81 s",
    ),
    "takes ten times as long": (
        f"""{ASK}
        for wait in 10, 20, 40, 80, 160:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
""",
        "6: ask has returned 70.1 s after it was called, for the server `troubled`. A minute is what a call may take",
    ),
    "sleeps, and looks afterwards": (
        f"""{ASK}
        for wait in 0.5, 1, 2, 4, 8:
            await sock.sendto(b"?", server)
            await trio.sleep(wait)
            with trio.move_on_after(0.01):
                return await sock.recv(100)
""",
        "6: the answer of the server `up` had come at 0.1 s, and ask has returned 0.4 s later. To wait is to wait for "
        "the answer, and to be there when it comes",
    ),
    "asks on when the answer has come": (
        f"""{ASK}
        answer = None
        for wait in 0.5, 1, 2, 4, 8:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                answer = await sock.recv(100)
        return answer
""",
        "7: the answer of the server `up` had come at 0.1 s, and your program asks it once more at 0.2 s. With an "
        "answer there is nothing left to ask",
    ),
    "is in a hurry in the end": (
        f"""{ASK}
        for wait in 0.5, 1, 2, 4, 0.15:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
""",
        "6: your program waits 4 s for an answer of the server `down`, and then 0.15 s. The longer a server",
    ),
    "asks nobody": (
        "async def ask(server):\n    return b'fine 123456'\n",
        "the server `up` was not asked, and ask has returned b'fine 123456'\n",
    ),
    "makes an answer up": (
        f"""{ASK}
        for wait in 1, 2, 3, 4, 5:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
    return b"fine 123456"
""",
        "6: ask has returned b'fine 123456' for the server `down`, which has never answered",
    ),
    "does not look at the answer": (
        f"""{ASK}
        for wait in 1, 2, 3, 4, 5:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                await sock.recv(100)
                return b"fine 123456"
""",
        "8: ask has returned b'fine 123456', but the server `up` has answered b'fine ",
    ),
    "raises": (
        """\
import trio_udp

async def ask(server):
    async with await trio_udp.open_udp_client(*server) as client:
        return await client.request(b"hello", retry=trio_udp.Retry(jitter=0))
""",
        "5: your program raised NoReply: no reply from 10.0.0.3 port 7 to 5 attempts in 31 s, when the server `down` "
        "was asked 5 times. It is to be asked 5 times, and ",
    ),
    "raises what is Trio's": (
        find("backoff").solution.replace("    return None", "    raise trio.TooSlowError"),
        "24: your program raised TooSlowError, when the server `down` was asked 5 times. It is to be asked 5 times, "
        "and when no answer has come to any of these, `ask(server)` returns None: `return None`\n",
    ),
    "raises what is its own": (
        find("backoff").solution.replace("    return None", "    raise Exception('no answer')"),
        "24: your program raised Exception: no answer, when the server `down` was asked 5 times. It is to be asked 5 "
        "times, and when no answer has come to any of these, `ask(server)` returns None: `return None`\n",
    ),
    "raises what is Python's, too early": (
        find("backoff").solution.replace("    return None", "    raise TimeoutError('no')").replace("(5)", "(3)"),
        "24: your program raised TimeoutError: no, when the server `troubled` was asked 3 times. It is to be ",
    ),
    "lets a timeout raise": (
        find("backoff").solution.replace("move_on_after", "fail_after"),
        "20: your program raised TooSlowError. It is Trio's own: `except trio.TooSlowError` catches it; ",
    ),
    "nothing for an answer": (
        f"""{ASK}
        for wait in 1, 2, 3, 4, 5:
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                return await sock.recv(100)
    return b""
""",
        "6: ask has returned b'' for the server `down`, which has never answered",
    ),
    "waits for ever": (
        f"""{ASK}
        await sock.sendto(b"?", server)
        return await sock.recv(100)
""",
        "6: your program waits for ever in this line",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert f"{refused('backoff', source, tmp_path)}\n".startswith(message)
