"""Lesson 2: the timeout in the wrong place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find
from trio_udp.learn._run import run_lesson
from trio_udp.learn._verdict import SURROUNDINGS, judge

if TYPE_CHECKING:
    from pathlib import Path


NEVER = (
    "your program waits for ever in this line, for an answer of the server `silent`. A timeout cancels what is inside "
    "of its `with`, unless that is shielded. A task is inside of its nursery, wherever it was started, and where the "
    "nursery ends it is waited for"
)


def test_the_exercise_waits_for_ever(tmp_path: Path) -> None:
    assert refused("scope", find("scope").exercise, tmp_path) == f"14: {NEVER}"


async def test_what_is_shielded_is_told_so(tmp_path: Path) -> None:
    """In a child, as nothing can cancel it."""
    shielded = find("scope").solution.replace("with trio.socket", "with trio.CancelScope(shield=True), trio.socket")
    finding = judge(find("scope"), await run_lesson(find("scope"), tmp_path / "02_scope.py", shielded.encode()))
    assert finding is not None
    assert (finding.line, finding.message) == (16, NEVER)


ASK = """\
import trio
async def ask(server, answers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"who are you?", server)
        answers.append(await sock.recv(65535))
"""

INTO = ASK.replace("server, answers", "server, answers, place").replace("append(", "__setitem__(place, ")

RIGHT = {
    "solution": find("scope").solution,
    "the nursery's own scope": f"""{ASK}
async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + 1
        for server in servers:
            nursery.start_soon(ask, server, answers)
    return answers
""",
    "a timeout in each task": f"""{ASK}
async def ask_in_time(server, answers):
    with trio.move_on_after(1):
        await ask(server, answers)

async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask_in_time, server, answers)
    return answers
""",
    "one socket": """\
import trio
async def ask_all(servers):
    answers = []
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
        with trio.move_on_after(1):
            while True:
                answers.append((await sock.recvfrom(65535))[0])
    return answers
""",
    "a tuple": find("scope").solution.replace("return answers", "return tuple(answers)"),
    "without those that are None": f"""{INTO}
async def ask_all(servers):
    answers = [None] * len(servers)
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for place, server in enumerate(servers):
                nursery.start_soon(ask, server, answers, place)
    return [answer for answer in answers if answer]
""",
    "the library's clients": """\
import trio, trio_udp
async def ask(server, answers):
    async with await trio_udp.open_udp_client(*server) as client:
        answers.append(await client.request(b"who are you?"))

async def ask_all(servers):
    answers = []
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
    "cancelled from inside": f"""{ASK}
async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, server, answers)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return answers
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_ends_in_time_passes(name: str, tmp_path: Path) -> None:
    assert judged("scope", RIGHT[name], tmp_path) is None


NOT_REACHED = (
    "Where does it return one? Who returns inside of a `with` waits at the end of its nursery first; if the timeout "
    "cancels it there, it goes on behind that `with`, and has not returned"
)

TWO_SOCKETS = (
    "        answer, address",
    "    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:\n        answer, address",
)
CLOSED = (
    "when the socket that had asked in this line was closed. An answer comes to the socket that has asked, and only "
    "while that is open"
)

WRONG = {
    "returns in the nursery": (
        find("scope").solution.replace("    return answers", "            return answers"),
        f"27: ask_all has returned None; it should return a list, of the answers. {NOT_REACHED}",
    ),
    "awaits each": (
        find("scope").solution.replace("nursery.start_soon(ask, server, answers)", "await ask(server, answers)"),
        "15: the server `slow` was asked 0.1 s after the others. All are to be asked at once, so that all have the "
        "whole second",
    ),
    "asks one": (
        find("scope").solution.replace("answers)\n    return", "answers)\n                break\n    return"),
        "15: your program has not asked the server `slow` and `silent` and `late`. What asks the others stands in this "
        "line",
    ),
    "text": (
        find("scope").solution.replace("answers.append(answer)", "answers.append(answer.decode())"),
        "16: the answer b'prompt 905035' came in time, but ask_all has not returned it, and has returned 'prompt "
        "905035'. That is a str, and the answer is bytes: no bytes are equal to a str. It was read in this line, at "
        "0.1 s",
    ),
    "recvfrom's pairs": (
        find("scope").solution.replace("append(answer)", "append((answer, address))"),
        "16: the answer b'prompt 905035' came in time, but ask_all has not returned it, and has returned (b'prompt "
        "905035', ('10.0.0.1', 7)). That is what `recvfrom` gives, the answer and the address that it came from. It "
        "was read in this line, at 0.1 s",
    ),
    "None for who has not answered": (
        f"""{INTO}
async def ask_all(servers):
    answers = [None] * len(servers)
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for place, server in enumerate(servers):
                nursery.start_soon(ask, server, answers, place)
    return answers
""",
        "13: there is None in the list that ask_all has returned, and only answers belong there: it is [b'prompt "
        "905035', b'slow 993869', None, None]",
    ),
    "a view": (
        f"""{INTO}
async def ask_all(servers):
    answers = {{}}
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers, server)
    return answers.values()
""",
        "13: ask_all has returned dict_values([b'prompt 905035', b'slow 993869']), of type dict_values; it should "
        "return a list, of the answers",
    ),
    "a generator": (
        find("scope").solution.replace("return answers", "return (answer for answer in answers)"),
        "27: ask_all has returned an object of type generator; it should return a list, of the answers",
    ),
    "one of them, as text": (
        find("scope").solution.replace("return answers", "return str(answers[0])"),
        """27: ask_all has returned "b'prompt 905035'", of type str; it should return a list, of the answers""",
    ),
    "another socket to wait at": (
        find("scope").solution.replace(*TWO_SOCKETS),
        f"15: the answer of the server `prompt` came at 0.1 s, {CLOSED}",
    ),
    "another socket to wait at, for ever": (
        find("scope").exercise.replace(*TWO_SOCKETS),
        f"13: the answer of the server `prompt` came at 0.1 s, {CLOSED}",
    ),
    "leaves before one has answered": (
        f"""{ASK}
async def ask_shortly(server, answers):
    with trio.move_on_after(0.5):
        await ask(server, answers)

async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask_shortly, server, answers)
        await trio.sleep(1)
    return answers
""",
        f"4: the answer of the server `slow` came at 0.7 s, {CLOSED}",
    ),
    "waits for no answer": (
        """\
import trio
async def ask_all(servers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
        await trio.sleep(1)
    return []
""",
        "5: the answer b'prompt 905035' came in time, but ask_all has not returned it. It came to the socket that had "
        "asked in this line, and nobody has read it there. What ask_all has returned is []",
    ),
    "the loop's variable": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                async def ask_it():
                    await ask(server, answers)
                nursery.start_soon(ask_it)
    return answers
""",
        "4: your program has asked the server `late` 4 times at once, and not the server `prompt` and `slow` and "
        f"`silent`. {SURROUNDINGS}",
    ),
    "the nursery's own scope, once more": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        with nursery.cancel_scope:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
        "10: your program enters a scope that is entered already: a nursery enters its own. A scope is for one `with`: "
        "set the deadline of this one, or make another one",
    ),
    "an open channel": (
        f"""{ASK}
class Out:
    def __init__(self, channel):
        self.append = channel.send_nowait

async def ask_in_time(server, answers):
    with trio.move_on_after(1):
        await ask(server, answers)

async def ask_all(servers):
    answers = []
    send, receive = trio.open_memory_channel(9)
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask_in_time, server, Out(send))
        async for answer in receive:
            answers.append(answer)
    return answers
""",
        "21: your program waits for ever in this line. What it waits for is a memory channel, from which nothing more "
        "comes. It comes to an end, and a loop over it, when all its send channels are closed, and not all are",
    ),
    "an event": (
        f"""{ASK}
async def ask_in_time(server, answers, everybody):
    with trio.move_on_after(1):
        await ask(server, answers)
        if len(answers) == 4:
            everybody.set()

async def ask_all(servers):
    answers = []
    everybody = trio.Event()
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask_in_time, server, answers, everybody)
        await everybody.wait()
    return answers
""",
        "19: your program waits for ever in this line. What it waits for is an event, and nobody has called its "
        "`set()`",
    ),
    "sleeps behind a timeout that is right": (
        find("scope").solution.replace("    return answers", "    await trio.sleep(1)\n    return answers"),
        "27: ask_all has returned after 2 s; it should after 1 s, whoever has not answered. When the second was over, "
        "your program was waiting in this line",
    ),
    "the first answer is enough": (
        """\
import trio
async def ask_all(servers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
        with trio.move_on_after(1):
            return [await sock.recv(65535)]
""",
        "7: ask_all has returned after 0.1 s. Until the second is over an answer may come. That was when an answer had "
        "been read in this line",
    ),
    "a second that is none": (
        f"""{ASK}
SECOND = 1.25
async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + SECOND
        for server in servers:
            nursery.start_soon(ask, server, answers)
    return answers
""",
        "11: ask_all has returned after 1.25 s; it should after 1 s, whoever has not answered. The timeout stands in "
        "this line",
    ),
    "a scope twice": (
        f"""{ASK}
scope = trio.move_on_after(1)
async def ask_all(servers):
    answers = []
    with scope:
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
        "10: your program uses a cancel scope a second time. A scope is for one `with`: make a new one in each call",
    ),
    "one after the other": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    for server in servers:
        with trio.move_on_after(1):
            await ask(server, answers)
    return answers
""",
        "4: the server `slow` was asked 0.1 s after the others. All are to be asked at once, so that all have the "
        "whole second",
    ),
    "a deadline that is no time of the clock": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = 1
        for server in servers:
            nursery.start_soon(ask, server, answers)
    return answers
""",
        "10: the second call of ask_all has returned after 0 s, and what it had started was cancelled at once. A "
        "deadline is a time of the clock, which was 6 s then, and not how long to wait: one second from now is "
        "`trio.current_time() + 1`",
    ),
    "another one, of a scope around it": (
        f"""{ASK}
SECOND = 1
async def ask_all(servers):
    answers = []
    with trio.move_on_at(SECOND):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
        "10: the second call of ask_all has returned after 0 s, and what it had started was cancelled at once. A "
        "deadline is a time of the clock, which was 6 s then, and not how long to wait: one second from now is "
        "`trio.current_time() + 1`",
    ),
    "cancels behind the timeout": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            for server in servers:
                nursery.start_soon(ask, server, answers)
        nursery.cancel_scope.cancel()
    return answers
""",
        "13: ask_all has returned after 0 s: its tasks were cancelled before their first step. `start_soon` does not "
        "wait for them, and `cancel()`, or a deadline that has passed, ends all that is inside at once",
    ),
    "nothing the second time": (
        f"""{ASK}
done = []
async def ask_all(servers):
    if done:
        return []
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, done)
    return done
""",
        "8: your program has not asked the server `prompt` and `slow` and `silent` and `late` in the second "
        "call of "
        "ask_all, which returned after 0 s",
    ),
    "too early": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    with trio.move_on_after(0.8):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
        "9: ask_all has returned after 0.8 s. Until the second is over an answer may come. The timeout stands "
        "in this line",
    ),
    "cancels when two have answered": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, server, answers)
        while len(answers) < 2:
            await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    return answers
""",
        "14: ask_all has returned after 0.8 s. Until the second is over an answer may come. What cancels stands "
        "in this line",
    ),
    "too late": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    with trio.move_on_after(2):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
        "9: ask_all has returned after 2 s; it should after 1 s, whoever has not answered. The timeout stands "
        "in this line",
    ),
    "asks nobody": (
        "import trio\nasync def ask_all(servers):\n    await trio.sleep(1)\n    return [b'prompt 905035']\n",
        "2: your program has not asked the server `prompt` and `slow` and `silent` and `late`",
    ),
    "asks those who answer": (
        f"""{ASK}
async def ask_all(servers):
    answers = []
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers[:2]:
                nursery.start_soon(ask, server, answers)
            await trio.sleep(1)
    return answers
""",
        "4: your program has not asked the server `silent` and `late`. What asks the others stands in this line",
    ),
    "knows the answers": (
        f"""{ASK}
async def ask_all(servers):
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, [])
    return [b"prompt", b"slow"]
""",
        "5: the answer b'prompt 905035' came in time, but ask_all has not returned it. It was read in this "
        "line, at 0.1 s. What ask_all has returned is [b'prompt', b'slow']",
    ),
    "adds one": (
        f"""{ASK}
async def ask_all(servers):
    answers = [b"silent"]
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
        "13: ask_all has returned b'silent', which no server has sent by then",
    ),
    "keeps them from call to call": (
        f"""{ASK}
answers = []
async def ask_all(servers):
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
""",
        "5: ask_all has returned b'prompt 905035', which was an answer to the call before this one, and was read in "
        "this line, at 0.1 s. It is still in a list that is older than the call",
    ),
    "twice the same": (
        find("scope").solution.replace("return answers", "return answers + answers[:1]"),
        "16: ask_all has returned b'prompt 905035', more often than it has come",
    ),
    "forgets to return": (
        f"""{ASK}
async def ask_all(servers):
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, [])
""",
        f"7: ask_all has returned None; it should return a list, of the answers. {NOT_REACHED}",
    ),
    "raises": (
        f"""{ASK}
async def ask_all(servers):
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, [])
""",
        "8: your program raised TooSlowError. It is Trio's own: `except trio.TooSlowError` catches it; `except "
        "TimeoutError` does not, nor does `except socket.timeout`, which is the same",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("scope", source, tmp_path) == message
