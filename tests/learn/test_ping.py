"""Lesson 1: a datagram gets lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path


def test_the_exercise_waits_for_ever(tmp_path: Path) -> None:
    assert refused("ping", find("ping").exercise, tmp_path) == (
        "14: your program waits for ever in this line. Its question, sent at 1.1 s, was lost on its way. "
        "So nothing will come, and nobody will ever say so"
    )


ASK = """\
import trio
async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
"""

RIGHT = {
    "solution": find("ping").solution,
    "library": """\
import trio_udp

async def ping(server):
    async with await trio_udp.open_udp_client(*server) as client:
        return await client.request(b"ping", retry=trio_udp.Retry(attempts=100))
""",
    "fail_after": """\
import itertools, trio

async def ask(sock, server):
    await sock.send(b"are you there?")
    with trio.fail_after(1):
        return await sock.recv(2000)

async def ping(server):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.connect(server)
    for _ in itertools.count():
        try:
            return await ask(sock, server)
        except trio.TooSlowError:
            print("once more")
""",
    "waits for as long as an answer takes": f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.1):
                return await sock.recv(100)
""",
    "waits twice as long each time": f"""{ASK}
        seconds = 0.5
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(seconds):
                return await sock.recv(100)
            seconds *= 2
""",
    "begins with five seconds": f"""{ASK}
        seconds = 5
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(seconds):
                return await sock.recv(100)
            seconds *= 3
""",
    "waits five seconds": f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(5):
                return await sock.recv(100)
""",
    "two tasks": """\
import trio

async def remind(sock, server):
    while True:
        await sock.sendto(b"ping", server)
        await trio.sleep(0.2)

async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(remind, sock, server)
            answer, _ = await sock.recvfrom(65535)
            nursery.cancel_scope.cancel()
            return answer
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_asks_until_it_is_answered_passes(name: str, tmp_path: Path) -> None:
    assert judged("ping", RIGHT[name], tmp_path) is None


CLOSED = (
    "The answer of `server`, sent at 0.05 s, came to nobody: it went to the socket that had asked in line 5, and that "
    "was closed by then. Whoever wants an answer reads the socket that has asked, and keeps it open until then"
)

UNTIL = "However many were lost, the next one may arrive: it is to ask until an answer has come"

WRONG = {
    "text": (
        find("ping").solution.replace("return answer", "return answer.decode()"),
        "15: ping 1 returned 'pong 140891', but the server has answered b'pong 140891'. That is a str, and the answer "
        "is bytes: no bytes are equal to a str\n",
    ),
    "all that recvfrom gives": (
        find("ping").solution.replace("answer, address =", "answer ="),
        "15: ping 1 returned (b'pong 140891', ('10.0.0.1', 7)), but the server has answered b'pong 140891'. That is "
        "what `recvfrom` gives, the answer and the address that it came from\n",
    ),
    "all that recvfrom gives, in a list": (
        find("ping").solution.replace("answer, address =", "answer =").replace("return answer", "return [answer]"),
        "15: ping 1 returned [(b'pong 140891', ('10.0.0.1', 7))], but the server has answered b'pong 140891'. That is "
        "what `recvfrom` gives, the answer and the address that it came from\n",
    ),
    "lets Trio read it, and returns": (
        f"""{ASK}
        async with trio.open_nursery() as nursery:
            await sock.sendto(b"ping", server)
            nursery.start_soon(sock.recv, 100)
""",
        "2: ping 1 returned None, but the server has answered b'pong 140891'. A task of its own has read that, which "
        "is nothing but a call of Trio's: what a task returns goes to nobody\n",
    ),
    "reads another socket": (
        f"""{ASK}
        await sock.sendto(b"ping", server)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        return await sock.recv(100)
""",
        f"7: your program waits for ever in this line. {CLOSED}\n",
    ),
    "reads another socket, again and again": (
        """\
import trio
def opened():
    return trio.socket.socket(type=trio.socket.SOCK_DGRAM)
async def ping(server):
    while True:
        with opened() as sock:
            await sock.sendto(b"ping", server)
        with opened() as sock, trio.move_on_after(0.5):
            return await sock.recv(100)
""",
        "7: ping 1 has no end: it has asked 2,342 times. The answer of `server`, sent at 0.05 s, came to nobody: ",
    ),
    "closes it, and makes something up": (
        f"""{ASK}
        await sock.sendto(b"ping", server)
    await trio.sleep(0.5)
    return b"pong"
""",
        f"5: ping 1 returned b'pong', but it has got no answer. {CLOSED}\n",
    ),
    "asks another port": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", (server[0], 8))
            with trio.move_on_after(0.5):
                return await sock.recv(100)
""",
        "6: ping 1 has no end: it has asked 4,000 times. Its questions go to port 8 of the server, where nobody "
        "listens, so nobody answers: `server` says which port it is, and that is 7\n",
    ),
    "asks another port, once": (
        f"""{ASK}
        await sock.sendto(b"ping", (server[0], 8))
        return await sock.recv(100)
""",
        "6: your program waits for ever in this line. Its questions go to port 8 of the server, where nobody listens, ",
    ),
    "lets Trio read it": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(sock.recv, 100)
                    await trio.sleep(1)
""",
        "6: ping 1 has no end: it has asked 2,342 times. An answer came at 0.1 s, and was read at 0.1 s; but your "
        "program has not returned it. The nursery of line ",
    ),
    "asks nobody": (
        "async def ping(server):\n    return b'pong 140891'\n",
        "1: your program has sent nothing to the server, so it cannot know what that answers",
    ),
    "has a task that asks, and does not cancel it": (
        """\
import trio
async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        async def again():
            while True:
                await sock.sendto(b"ping", server)
                await trio.sleep(0.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(again)
            answer, address = await sock.recvfrom(65535)
        return answer
""",
        "10: ping 1 has no end: it has asked ",
    ),
    "gives up": (
        f"""{ASK}
        for _ in range(4):
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                return await sock.recv(100)
""",
        "6: ping 8 returned None, but no answer had come: it has asked in this line at 13.2 s, and then given up",
    ),
    **{
        f"thinks that {times} are enough": (
            f"""{ASK}
        for _ in range({times}):
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                return await sock.recv(100)
""",
            f"6: ping 8 returned None, but no answer had come: it has asked in this line at {last} s, and then given "
            f"up, asking {times} times in all. {UNTIL}\n",
        )
        for times, last in ((8, 15.2), (20, 21.2), (25, 23.7))
    },
    "a dozen, by the library": (
        """\
import trio_udp
async def ping(server):
    async with await trio_udp.open_udp_client(*server) as client:
        return await client.request(b"ping", retry=trio_udp.Retry(attempts=12))
""",
        "4: ping 8 raised NoReply: ",
    ),
    "gives up on purpose": (
        f"""{ASK}
        for _ in range(7):
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                return await sock.recv(100)
    raise trio.TooSlowError("nobody there")
""",
        f"9: ping 8 raised TooSlowError: nobody there: it has asked 7 times, and then given up. {UNTIL}\n",
    ),
    "leaves that to the library": (
        """\
import trio_udp
async def ping(server):
    async with await trio_udp.open_udp_client(*server) as client:
        return await client.request(b"ping", retry=trio_udp.Retry(jitter=0))
""",
        "4: ping 8 raised NoReply: no reply from 10.0.0.1 port 7 to 5 attempts in 31 s: it has asked 5 times, and then "
        f"given up. {UNTIL}\n",
    ),
    "thinks that five are enough": (
        f"""{ASK}
        for _ in range(5):
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                return await sock.recv(100)
""",
        "6: ping 8 returned None, but no answer had come: it has asked in this line at 13.7 s, and then given up",
    ),
    "asks nobody the second time": (
        f"""{ASK}
        if not done:
            await sock.sendto(b"ping", server)
            done.append(1)
            return await sock.recv(100)
done = []
""",
        "2: ping 2 returned None, but no answer had come: it has not asked\n",
    ),
    "has too much patience": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(100):
                return await sock.recv(100)
""",
        "6: ping 2 asks again only 100 s after its first question, which was sent in this line. An answer takes 0.1 s; "
        "what has not come after half a second was lost",
    ),
    "waits a bit more than five seconds": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(5.1):
                return await sock.recv(100)
""",
        "6: ping 2 asks again only 5.1 s after its first question, which was sent in this line. An answer ",
    ),
    "sleeps, and then looks": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            await trio.sleep(30)
            with trio.move_on_after(0.01):
                return await sock.recv(100)
""",
        "6: ping 1 returned at 30 s, and the answer had been there since 0.1 s: your program was doing something else "
        "than waiting for it",
    ),
    "knows it already": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                await sock.recv(100)
                return b"pong 140891"
""",
        "8: ping 2 returned b'pong 140891', but the server has answered b'pong 888598'",
    ),
    "does not wait": (
        f"""{ASK}
        for _ in range(10):
            await sock.sendto(b"ping", server)
        return await sock.recv(100)
""",
        "6: your program asks again after 0 s, and no answer can be there in less than 0.1 s. "
        "If everybody does that, questions are what fills the network",
    ),
    "never stops": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
""",
        "6: your program asks again after 0 s, and no answer can be there in less than 0.1 s. "
        "If everybody does that, questions are what fills the network",
    ),
    "sleeps, and never looks": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                await trio.sleep(0.5)
                return await sock.recv(100)
""",
        "6: ping 1 has no end: it has asked 2,342 times. An answer came at 0.1 s, and nobody has read it: when it came "
        "no task was waiting for it, at the socket that had asked",
    ),
    "sleeps for ten minutes": (
        f"""{ASK}
        await sock.sendto(b"ping", server)
        await trio.sleep(600)
        return await sock.recv(100)
""",
        "5: ping 1 returned at 600 s, and the answer had been there since 0.1 s: ",
    ),
    "looks for ever, once a minute": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            await trio.sleep(60)
            with trio.move_on_after(0):
                return await sock.recv(100)
""",
        "6: ping 1 has no end: it has asked 60 times. An answer came at 0.1 s, and nobody has read it: ",
    ),
    "compares it with another one": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                answer = await sock.recv(100)
                if answer == b"pong":
                    return answer
""",
        "8: ping 1 has no end: it has asked 2,342 times. An answer came at 0.1 s, and was read in this line at 0.1 s; "
        "but your program has not returned it",
    ),
    "waits for something else": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                answer = await sock.recv(100)
                done.append(1)
                if len(done) >= 3:
                    await trio.sleep_forever()
                return answer
done = []
""",
        "8: ping 3 has no end: it has asked ",
    ),
    "raises another one": (
        f"""{ASK}
        while True:
            await sock.sendto(b"ping", server)
            try:
                with trio.fail_after(0.5):
                    return await sock.recv(100)
            except TimeoutError:
                pass
""",
        "8: your program raised TooSlowError. It is Trio's own: `except trio.TooSlowError` catches it; `except "
        "TimeoutError` does not, nor does `except socket.timeout`, which is the same\n",
    ),
    "raises": (
        f"""{ASK}
        await sock.sendto(b"ping", server)
        with trio.fail_after(0.5):
            return await sock.recv(100)
""",
        "6: your program raised TooSlowError",
    ),
    "its answer is lost": (
        f"""{ASK}
        for _ in range(2):
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                return await sock.recv(100)
        return await sock.recv(100)
""",
        "9: your program waits for ever in this line. The server's answer, sent at ",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert f"{refused('ping', source, tmp_path)}\n".startswith(message)


def test_who_waits_for_a_nursery_is_told_what_that_waits_for(tmp_path: Path) -> None:
    source, _ = WRONG["has a task that asks, and does not cancel it"]
    assert refused("ping", source, tmp_path).endswith(
        "but your program has not returned it. The nursery of line 8 waits until all its tasks have ended, and one "
        "goes on to ask: it ends if `nursery.cancel_scope.cancel()` is called with the answer there"
    )
