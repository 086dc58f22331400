"""Lesson 8: ask a second server when the first is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path


def test_the_exercise_gives_up_who_is_slow(tmp_path: Path) -> None:
    assert refused("hedging", find("hedging").exercise, tmp_path) == (
        "15: call 3 of 8, at 10.49 s (the best server is a bit slow, and the second one more so): ask has returned "
        "None, after 0.75 s. "
        "The best server's answer came at 10.91 s, 0.42 s after `ask` was called, and nobody listened"
    )


ONE = """\
import trio
async def one(server, found, everybody):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"?", server)
        answer = b"busy"
        while answer == b"busy":
            answer = await sock.recv(100)
        found.append(answer)
        everybody.cancel()
"""

RIGHT = {
    "solution": find("hedging").solution,
    "library": """\
import trio_udp

async def ask(servers):
    return (await trio_udp.first_reply(servers, b"?", accept=lambda data: data != b"busy")).data
""",
    "one socket": """\
import trio

async def ask(servers):
    waiting, until = list(servers), trio.current_time()
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            if waiting:
                await sock.sendto(b"?", waiting.pop(0))
                until += 0.25
            with trio.move_on_at(until if waiting else float("inf")):
                while True:
                    answer, _ = await sock.recvfrom(100)
                    if answer != b"busy":
                        return answer
""",
    "who is busy makes the next one begin at once": """\
import trio

async def one(servers, found, everybody):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"?", servers[0])
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0.25) as patience:
                answer = await sock.recv(100)
            if servers[1:] and (patience.cancelled_caught or answer == b"busy"):
                nursery.start_soon(one, servers[1:], found, everybody)
            if patience.cancelled_caught:
                answer = await sock.recv(100)
            if answer != b"busy":
                found.append(answer)
                everybody.cancel()

async def ask(servers):
    found = []
    with trio.CancelScope() as scope:
        await one(servers, found, scope)
    return found[0]
""",
    "a channel that nobody waits at any more": """\
import trio
async def ask(servers):
    send, receive = trio.open_memory_channel(0)
    async def one(server):
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.sendto(b"?", server)
            while True:
                await send.send(await sock.recv(100))
    async with trio.open_nursery() as nursery:
        for number, server in enumerate(servers):
            nursery.start_soon(one, server)
            with trio.move_on_after(0.25 if number < len(servers) - 1 else float("inf")):
                while True:
                    answer = await receive.receive()
                    if answer != b"busy":
                        nursery.cancel_scope.cancel()
                        return answer
""",
    "one that sends, one that reads": """\
import trio
async def ask(servers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        async with trio.open_nursery() as nursery:
            async def sender():
                for s in servers:
                    await sock.sendto(b"?", s)
                    await trio.sleep(0.25)
            await sock.bind(("0.0.0.0", 0))
            nursery.start_soon(sender)
            while True:
                answer = await sock.recv(10)
                if answer != b"busy":
                    nursery.cancel_scope.cancel()
                    return answer
""",
    "asks again, after a second": """\
import trio
async def one(server, found, everybody):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            await sock.sendto(b"?", server)
            with trio.move_on_after(1):
                while True:
                    a = await sock.recv(100)
                    if a != b"busy":
                        found.append(a); everybody.cancel()
async def ask(servers):
    found = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server, found, nursery.cancel_scope)
            await trio.sleep(0.25)
    return found[0]
""",
    "gives all up, when all have answered who will": """\
import trio
async def ask(servers):
    answer = None
    with trio.move_on_after(2):
      with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        async with trio.open_nursery() as nursery:
            async def sender():
                for s in servers:
                    await sock.sendto(b"?", s)
                    await trio.sleep(0.25)
            await sock.bind(("0.0.0.0", 0))
            nursery.start_soon(sender)
            while True:
                answer = await sock.recv(10)
                if answer != b"busy":
                    nursery.cancel_scope.cancel()
                    return answer
""",
    "a client for each": """\
import trio, trio_udp
async def ask(servers):
    found = []
    async with trio.open_nursery() as n:
        async def one(s):
            async with await trio_udp.open_udp_client(*s) as c:
                found.append(await c.request(b"?", accept=lambda d: d != b"busy"))
                n.cancel_scope.cancel()
        for s in servers:
            n.start_soon(one, s)
            await trio.sleep(.25)
    return found[0]
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_keeps_the_first_good_answer_passes(name: str, tmp_path: Path) -> None:
    assert judged("hedging", RIGHT[name], tmp_path) is None


READ = "ask has returned None, after 0.12 s. But the best server's answer was read in this line, at 0.12 s. "
REACHED = (
    "Where does `ask` return it? Once a nursery is cancelled, an `await` in it leaves it: what stands behind that, and "
    "still in the nursery, is not reached; and what a task returns goes to nobody"
)

WRONG = {
    "returns in the nursery that is cancelled": (
        find("hedging").solution.replace("    return found[0]", "        return found[0]"),
        f"19: call 1 of 8, at 0 s (all are well): {READ}{REACHED}\n",
    ),
    "forgets to return": (
        find("hedging").solution.replace("    return found[0]", ""),
        f"19: call 1 of 8, at 0 s (all are well): {READ}{REACHED}\n",
    ),
    "waits for the end of a pause": (
        f"""{ONE.replace("everybody.cancel()", "pass")}
async def ask(servers):
    found = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            if not found:
                nursery.start_soon(one, server, found, None)
                await trio.sleep(0.25)
    return found[0]
""",
        "7: call 1 of 8, at 0 s (all are well): ask has returned 0.13 s after the first good answer had come, which "
        "was read in this line at 0.12 s. With that there is nothing left to wait for\n",
    ),
    "all at once": (
        f"""{ONE}
async def ask(servers):
    found = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server, found, nursery.cancel_scope)
    return found[0]
""",
        "4: call 1 of 8, at 0 s (all are well): the second server was asked 0 s after `ask` was called. Those "
        "before it have 0.25 s each; if "
        "everybody asks all at once, all servers have three times the work",
    ),
    "cancels nobody": (
        f"""{ONE.replace("everybody.cancel()", "pass")}
async def ask(servers):
    found = []
    with trio.move_on_after(2) as scope:
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(one, server, found, scope)
                await trio.sleep(0.25)
    return found[0]
""",
        "4: call 1 of 8, at 0 s (all are well): the second server was asked 0.25 s after `ask` was called, and a "
        "good answer "
        "had come 0.12 s after it. Then nobody else has to be asked",
    ),
    "waits for all that were asked": (
        f"""{ONE.replace("everybody.cancel()", "everybody.set()")}
async def ask(servers):
    found, enough = [], trio.Event()
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server, found, enough)
            with trio.move_on_after(0.25):
                await enough.wait()
                break
    return found[0]
""",
        "7: call 2 of 8, at 5.12 s (the best server is very slow): ask has returned 2.65 s after the first good answer "
        "had come, which was read in this line at 5.49 s. With that there is nothing left to wait for",
    ),
    "the last one first": (
        find("hedging").solution.replace("in servers:", "in servers[::-1]:"),
        "17: call 1 of 8, at 0 s (all are well): the third server was asked before the second one. The best server "
        "comes first, as in the "
        "list that `ask` gets",
    ),
    "one after another": (
        find("hedging").exercise.replace("0.25", "1"),
        "15: call 2 of 8, at 5.12 s (the best server is very slow): the second server was asked 1 s after `ask` was "
        "called, and it was to be "
        "asked after 0.25 s, as no good answer had come",
    ),
    "takes any answer": (
        find("hedging").solution.replace('b"busy":', 'b"lazy":'),
        "19: call 4 of 8, at 15.91 s (the best server is busy): ask has returned b'busy', which is no answer: another "
        "server has one",
    ),
    "two are enough": (
        find("hedging").solution.replace("in servers:", "in servers[:2]:"),
        "28: call 5 of 8, at 21.28 s (two servers are down): the third server was never asked, and it was to be asked "
        "after 0.5 s, as no good answer had come. `ask` stood in this line then",
    ),
    "asks the best alone": (
        find("hedging").solution.replace("in servers:", "in servers[:1]:"),
        "28: call 2 of 8, at 5.12 s (the best server is very slow): the second server was never asked, and it was to "
        "be asked after 0.25 s, as no good answer had come. `ask` stood in this line then",
    ),
    "awaits each server": (
        f"""{ONE}
async def ask(servers):
    found = []
    with trio.CancelScope() as scope:
        for server in servers:
            await one(server, found, scope)
            await trio.sleep(0.25)
    return found[0]
""",
        "15: call 2 of 8, at 5.12 s (the best server is very slow): the second server was never asked, and it was to "
        "be asked after 0.25 s, as no good answer had come. `ask` stood in this line then",
    ),
    "waits for who is busy": (
        """\
import trio

async def ask(servers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
            with trio.move_on_after(0.25):
                answer = await sock.recv(100)
                if answer != b"busy":
                    return answer
                break
        while True:
            answer = await sock.recv(100)
            if answer != b"busy":
                return answer
""",
        "13: call 4 of 8, at 15.91 s (the best server is busy): the second server was never asked, and it was to be "
        "asked after 0.25 s, as no good answer had come. `ask` stood in this line then",
    ),
    "takes what start_soon returns for the answer": (
        f"""{ONE}
async def ask(servers):
    async with trio.open_nursery() as tasks:
        for server in servers:
            answer = tasks.start_soon(one, server, [], tasks.cancel_scope)
            await trio.sleep(0.25)
    return answer
""",
        f"7: call 1 of 8, at 0 s (all are well): {READ}{REACHED}. What `start_soon` returns in line 14 is None, always "
        "and at once: what the task returns later goes to nobody. The task itself has to do what is to be done with "
        "its result\n",
    ),
    "has an answer, and waits": (
        f"""{ONE.replace("everybody.cancel()", "await trio.sleep_forever()")}
async def ask(servers):
    found = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server, found, nursery.cancel_scope)
            await trio.sleep(0.25)
            if found:
                break
    return found[0]
""",
        "7: call 1 of 8, at 0 s (all are well): the best server's answer was read in this line, at 0.12 s, and ask has "
        "not returned: the nursery in line 13 ends when all its tasks have ended, also where a `return` leaves it, and "
        "they wait for ever, in line 9. Who has an answer has to cancel them\n",
    ),
    "returns in the nursery, and cancels nobody": (
        """\
import trio

async def ask(servers):
    send, receive = trio.open_memory_channel(0)
    async def one(server):
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.sendto(b"?", server)
            await send.send(await sock.recv(100))
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server)
            with trio.move_on_after(0.25):
                while True:
                    answer = await receive.receive()
                    if answer != b"busy":
                        return answer
        return await receive.receive()
""",
        "8: call 2 of 8, at 5.12 s (the best server is very slow): the second server's answer was read in this line, "
        "at 5.49 s, and ask has not returned: the nursery in line 9 ends when all its tasks have ended, also where a "
        "`return` leaves it, and they wait for ever, in line 8. Who has an answer has to cancel them\n",
    ),
    "one variable for all": (
        """\
import trio

async def ask(servers):
    found = []
    async with trio.open_nursery() as nursery:
        for place, server in enumerate(servers):
            async def one():
                await trio.sleep(0.25 * place)
                with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
                    await sock.sendto(b"?", server)
                    answer = await sock.recv(100)
                    if answer != b"busy":
                        found.append(answer)
                        nursery.cancel_scope.cancel()
            nursery.start_soon(one)
    return found[0]
""",
        "10: your program has not asked the best server: the first that this line has asked, at 0.5 s, is the third "
        "one, 3 times at once. What a task reads of its surroundings may be another's by the time that it gets there; "
        "what it is given as an argument stays its own\n",
    ),
    "begins with the second": (
        find("hedging").solution.replace("in servers:", "in servers[1:]:"),
        "17: your program has not asked the best server: the first that this line has asked, at 0 s, is the second "
        "one\n",
    ),
    "goes on at once, at the answer": (
        f"""{ONE.replace("everybody.cancel()", "everybody.set()")}
async def ask(servers):
    found, enough = [], trio.Event()
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server, found, enough)
            with trio.move_on_after(0.25):
                await enough.wait()
    return found[0]
""",
        "4: call 1 of 8, at 0 s (all are well): the second server was asked 0.12 s after `ask` was called, and a good "
        "answer had come 0.12 s after it. Then nobody else has to be asked\n",
    ),
    "each task gives up": (
        find("hedging").solution.replace("        while True:\n", "        with trio.move_on_after(0.25):\n"),
        "32: call 3 of 8, at 10.49 s (the best server is a bit slow, and the second one more so): your program raised "
        "IndexError: list index out of range. That was 0.75 s after `ask` was called; the best server's answer had "
        "come 0.42 s after it, and nobody listened\n",
    ),
    "asks nobody": ("async def ask(servers):\n    return b'123456'\n", "1: your program has not asked the best server"),
    "makes it up": (
        find("hedging").solution.replace("return found[0]", "return b'123456'"),
        "19: call 1 of 8, at 0 s (all are well): ask has returned b'123456', and the server has answered b'",
    ),
    "asks all again with each step": (
        f"""{ONE.replace("await sock.sendto", "await again(sock, server)  # ")}
async def again(sock, server):
    async def ask_on():
        while True:
            await sock.sendto(b"?", server)
            await trio.sleep(0.25)
    everybody.start_soon(ask_on)

async def ask(servers):
    global everybody
    found = []
    async with trio.open_nursery() as everybody:
        for server in servers:
            everybody.start_soon(one, server, found, everybody.cancel_scope)
            await trio.sleep(0.25)
    return found[0]
""",
        "14: call 2 of 8, at 5.12 s (the best server is very slow): the best server was asked again, 0.25 s "
        "after the first time, and 2 times in all. It has the question",
    ),
    "gives up": (
        f"""{ONE}
async def ask(servers):
    found = [None]
    async with trio.open_nursery() as nursery:
        for server in servers[:2]:
            nursery.start_soon(one, server, found, nursery.cancel_scope)
            await trio.sleep(0.25)
        nursery.cancel_scope.cancel()
    return found[-1]
""",
        "11: call 5 of 8, at 21.28 s (two servers are down): ask has returned None, after 0.5 s",
    ),
    "never asks the third, and gives up": (
        """\
import trio
async def ask(servers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server, wait in zip(servers, (0.25, 3)):
            await sock.sendto(b"?", server)
            with trio.move_on_after(wait):
                answer = b"busy"
                while answer == b"busy":
                    answer = await sock.recv(100)
                return answer
""",
        "9: call 5 of 8, at 21.28 s (two servers are down): the third server was never asked, and it was to be asked "
        "after 0.5 s, as no good answer had come. `ask` stood in this line then\n",
    ),
    "keeps its socket": (
        """\
import trio
sock = None
async def ask(servers):
    global sock
    if sock is None:
        sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    for server, wait in zip(servers, (0.25, 0.25, 9)):
        await sock.sendto(b"?", server)
        with trio.move_on_after(wait):
            answer = b"busy"
            while answer == b"busy":
                answer = await sock.recv(100)
            return answer
""",
        "6: call 3 of 8, at 10.49 s (the best server is a bit slow, and the second one more so): ask has returned "
        "b'132467', and no good answer had come. That is the best server's answer to call 2, which came at 8.14 s. A "
        "socket that outlives its call gets what comes too late for that\n",
    ),
    "keeps its answers": (
        f"found = []\n{find('hedging').solution.replace('    found: list[bytes] = []', '')}",
        "20: call 2 of 8, at 5.12 s (the best server is very slow): ask has returned b'237718', and the server has "
        "answered b'202497'. That is the best server's answer to call 1, which was read in this line, at 0.12 s. A "
        "call returns what its own question is answered with\n",
    ),
    "keeps an answer, and does not ask": (
        f"{find('hedging').solution.replace('async def ask(', 'async def ask_all(')}\n"
        """\
answers = []

async def ask(servers):
    if not answers:
        answers.append(await ask_all(servers))
    return answers[0]
""",
        "19: call 2 of 8, at 5.12 s (the best server is very slow): ask has returned b'237718', and no good answer had "
        "come. That is the best server's answer to call 1, which was read in this line, at 0.12 s. A call returns what "
        "its own question is answered with\n",
    ),
    "stops listening after the last question": (
        """\
import trio

async def ask(servers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
            with trio.move_on_after(0.25):
                answer, _ = await sock.recvfrom(65535)
                if answer != b"busy":
                    return answer
""",
        "6: call 6 of 8, at 26.77 s (all are slow): ask has returned None, after 0.75 s. The third server's answer",
    ),
    "busy ends everything": (
        f"""{ONE.replace("while", "if").replace("found.append", 'answer == b"busy" or found.append')}
async def ask(servers):
    found = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server, found, nursery.cancel_scope)
            await trio.sleep(0.25)
    return found[0] if found else None
""",
        "7: call 4 of 8, at 15.91 s (the best server is busy): ask has returned None, after 0.12 s. b'busy' was read "
        "in this line, at 16.03 s: that is no answer",
    ),
    "raises": (
        f"{ONE}\nasync def ask(servers):\n    await one(servers[0], [], None)\n",
        "9: call 1 of 8, at 0 s (all are well): your program raised",
    ),
    "each is given up after half a second": (
        find("hedging").solution.replace("as sock:\n", "as sock, trio.move_on_after(0.5):\n"),
        "32: call 7 of 8, at 32.82 s (the best server is slow, and the others are busy): your program raised "
        "IndexError: list index out of range. That was 1 s after `ask` was called; the best server's answer had come "
        "0.92 s after it, and nobody listened\n",
    ),
    "each is given up after a second": (
        find("hedging").solution.replace("as sock:\n", "as sock, trio.move_on_after(1):\n"),
        "32: call 8 of 8, at 38.74 s (the best server is very slow, and the others are down): your program "
        "raised IndexError: list index out of range. That was 1.5 s after `ask` was called; no good answer had come by "
        "then; the best server's comes 1.52 s after it\n",
    ),
    "all are given up after a second": (
        find("hedging")
        .solution.replace("    async with", "    with trio.move_on_after(1):\n      async with")
        .replace("return found[0]", "return found[0] if found else None"),
        "17: call 8 of 8, at 38.74 s (the best server is very slow, and the others are down): ask has "
        "returned None, after 1 s. The best server's answer came at 40.26 s, 1.52 s after `ask` was called, and nobody "
        "listened\n",
    ),
    "the last one is busy, and that is the end": (
        """\
import trio
async def ask(servers):
    waiting, until = list(servers), trio.current_time()
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            if waiting:
                await sock.sendto(b"?", waiting.pop(0))
                until += 0.25
            with trio.move_on_at(until if waiting else float("inf")):
                answer, who = await sock.recvfrom(100)
                if answer != b"busy":
                    return answer
                if who == servers[-1]:
                    return None
""",
        "7: call 7 of 8, at 32.69 s (the best server is slow, and the others are busy): ask has returned None, after "
        "0.49 s. The best server's answer came at 33.61 s, 0.92 s after `ask` was called, and nobody listened\n",
    ),
    "another socket each second": (
        """\
import trio
async def one(server, found, everybody):
    while True:
      with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"?", server)
        with trio.move_on_after(1):
          while True:
            a = await sock.recv(100)
            if a != b"busy":
                found.append(a); everybody.cancel()
async def ask(servers):
    found = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(one, server, found, nursery.cancel_scope)
            await trio.sleep(0.25)
    return found[0]
""",
        "5: call 8 of 8, at 38.74 s (the best server is very slow, and the others are down): ask has not "
        "returned. The best server's answer came at 40.26 s, 1.52 s after `ask` was called, and nobody listened\n",
    ),
    "a str": (
        find("hedging").solution.replace("append(answer)", "append(answer.decode())"),
        "19: call 1 of 8, at 0 s (all are well): ask has returned '237718', and the server has answered b'237718'. "
        "That is a str, and the answer is bytes: no bytes are equal to a str\n",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert f"{refused('hedging', source, tmp_path)}\n".startswith(message)
