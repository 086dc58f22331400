"""Lesson 5: two clients, one socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path

MIXED_UP = "What comes to a socket is taken by the task that reads first, whether it has asked for that or not"


def test_the_exercise_mixes_answers_up(tmp_path: Path) -> None:
    assert refused("two", find("two").exercise, tmp_path) == (
        f"16: ask_all says that `roof` has answered b'75.9 degrees', but `cellar` has, at 0.3 s. {MIXED_UP}"
    )


RIGHT = {
    "solution": find("two").solution,
    "library": """\
import trio, trio_udp

async def ask(server, answers):
    async with await trio_udp.open_udp_client(*server) as client:
        answers[server] = await client.request(b"?", retry=trio_udp.Retry(first=3))

async def ask_all(servers):
    answers = {}
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, server, answers)
    return answers
""",
    "one reader": """\
import trio

async def ask_all(servers):
    answers = {}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
        while len(answers) < len(servers):
            answer, address = await sock.recvfrom(65535)
            answers[address] = answer
    return answers
""",
    "one reader, and an event for each task": """\
import trio

async def read(sock, found, events):
    while True:
        answer, address = await sock.recvfrom(65535)
        found[address] = answer
        events[address].set()

async def ask(sock, server, events):
    await sock.sendto(b"?", server)
    await events[server].wait()

async def ask_all(servers):
    found, events = {}, {server: trio.Event() for server in servers}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", 0))
        async with trio.open_nursery() as reading:
            reading.start_soon(read, sock, found, events)
            async with trio.open_nursery() as asking:
                for server in servers:
                    asking.start_soon(ask, sock, server, events)
            reading.cancel_scope.cancel()
    return found
""",
    "the turns, and what is another's is put down for it": """\
import trio

async def ask(sock, server, turn, answers):
    await sock.sendto(b"?", server)
    async with turn:
        answer, address = await sock.recvfrom(65535)
        answers[address] = answer

async def ask_all(servers):
    answers, turn = {}, trio.Lock()
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, sock, server, turn, answers)
    return answers
""",
    "the last first": find("two").solution.replace("in servers:", "in reversed(servers):"),
    "any order, of a set": find("two").solution.replace(
        "        for server in servers:\n            nursery.start_soon(ask, server, answers)",
        "        todo = set(servers)\n        while todo:\n            nursery.start_soon(ask, todo.pop(), answers)",
    ),
    "a pause before each": find("two").solution.replace(
        """\
            nursery.start_soon(ask, server, answers)
            await trio.sleep(0.1)
""",
        """\
            await trio.sleep(0.1)
            nursery.start_soon(ask, server, answers)
""",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_knows_whose_answer_it_is_passes(name: str, tmp_path: Path) -> None:
    assert judged("two", RIGHT[name], tmp_path) is None


ONE = """\
import trio
async def ask(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"?", server)
        return await sock.recv(100)
"""

WRONG = {
    "text": (
        find("two").solution.replace("answers[server] = answer", "answers[server] = answer.decode()"),
        "16: ask_all says that `roof` has answered '63.7 degrees', and it has answered b'63.7 degrees'. That is a str, "
        "and the answer is bytes: no bytes are equal to a str",
    ),
    "without a lock": (
        """\
import trio
async def ask(sock, server, answers):
    await sock.sendto(b"?", server)
    answers[server] = await sock.recv(65535)

async def ask_all(servers):
    answers = {}
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, sock, server, answers)
    return answers
""",
        "4: your program raised BusyResourceError: another task is already reading this socket. Two of your "
        "tasks wait for datagrams of one socket, and Trio refuses that: whichever of them reads "
        "first would get what comes first, whether it has asked for that or not",
    ),
    "one after another": (
        f"""{ONE}
async def ask_all(servers):
    return {{server: await ask(server) for server in servers}}
""",
        "4: `garden` was asked after 1.6 s only. It should not have to wait until others have answered: an answer "
        "takes long, and asking takes no time",
    ),
    "the lock around all": (
        find("two").exercise.replace(
            '    await sock.sendto(b"how warm is it?", server)\n    async with turn:\n',
            '    async with turn:\n        await sock.sendto(b"how warm is it?", server)\n',
        ),
        "15: `garden` was asked after 1.6 s only. It should not have to wait until others have answered: an answer "
        "takes long, and asking takes no time",
    ),
    "one after another, the last first": (
        f"""{ONE}
async def ask_all(servers):
    return {{server: await ask(server) for server in reversed(servers)}}
""",
        "4: `roof` was asked after 1.2 s only. It should not have to wait until others have answered: an answer "
        "takes long, and asking takes no time",
    ),
    "pauses too long": (
        find("two").solution.replace("sleep(0.1)", "sleep(0.5)"),
        "15: `garden` was asked after 0.5 s only. Each is to be asked 0.1 s after the one before at the latest, "
        "whatever your program does besides",
    ),
    "the turns, and the last first": (
        find("two").exercise.replace("in servers:", "in reversed(servers):"),
        "16: the second time, ask_all says that `roof` has answered b'",
    ),
    "asks the first": (
        f"""{ONE}
async def ask_all(servers):
    return {{servers[0]: await ask(servers[0])}}
""",
        "4: your program has not asked the thermometer `garden`: what this line has asked last, at 0 s, is `roof`",
    ),
    "asks the last three times": (
        """\
import trio
async def ask_all(servers):
    answers = {}
    async with trio.open_nursery() as nursery:
        for server in servers:
            async def ask():
                with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
                    await sock.sendto(b"?", server)
                    answers[server] = await sock.recv(100)
            nursery.start_soon(ask)
    return answers
""",
        "8: your program has not asked the thermometer `roof`: what this line has asked last, at 0 s, is `cellar`, 3 "
        "times at once. What a task reads of its surroundings may be another's by the time that it gets there; ",
    ),
    "connects what all use": (
        """\
import trio
async def ask(sock, server, answers, turn):
    await sock.connect(server)
    await sock.send(b"?")
    async with turn:
        answers[server] = await sock.recv(100)
async def ask_all(servers):
    answers, turn = {}, trio.Lock()
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        async with trio.open_nursery() as nursery:
            for server in reversed(servers):
                nursery.start_soon(ask, sock, server, answers, turn)
    return answers
""",
        "4: your program has not asked the thermometer `",
    ),
    "asks nobody": (
        "async def ask_all(servers):\n    return {}\n",
        "1: your program has not asked the thermometer `roof`",
    ),
    "reads another socket": (
        find("two").solution.replace(
            "        answer, address",
            "    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:\n        answer, address",
        ),
        "17: your program waits for ever in this line, and in line 24. The answer of `roof`, sent at 1.55 s, came to "
        "nobody: it went to the socket that had asked in line 15, and that was closed by then. ",
    ),
    "does not wait": (
        """\
import trio
async def ask_all(servers):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    for server in servers:
        await sock.sendto(b"?", server)
    await trio.sleep(1.25)
    return {address: data for data, address in [await sock.recvfrom(100) for _ in servers[1:]]}
""",
        "5: the answer of `roof` is missing in what ask_all has returned, which is {('10.0.0.3', 7): b'75.9 degrees', "
        "('10.0.0.2', 7): b'26.1 degrees'}; it belongs there under ('10.0.0.1', 7). It came at 1.6 s, ",
    ),
    "gives up": (
        find("two")
        .solution.replace(
            "        answer, address =", "        with trio.move_on_after(1.2):\n          answer, address ="
        )
        .replace("        answers[server] =", "          answers[server] ="),
        "15: the answer of `roof` is missing in what ask_all has returned, which is {",
    ),
    "goes by hosts": (
        """\
import trio
async def ask_all(servers):
    answers = {}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
        while len(answers) < len(servers):
            answer, address = await sock.recvfrom(100)
            answers[address[0]] = answer
    return answers
""",
        "8: the answer of `roof` is missing in what ask_all has returned, which is {'10.0.0.3': b'75.9 degrees', "
        "'10.0.0.2': b'26.1 degrees', '10.0.0.1': b'63.7 degrees'}; it belongs there under ('10.0.0.1', 7). It was "
        "read in this line, at 1.6 s",
    ),
    "knows the order": (
        """\
import trio
async def ask_all(servers):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
        return {server: (await sock.recvfrom(100))[0] for server in reversed(servers)}
""",
        "6: the second time, ask_all says that `roof` has answered b'",
    ),
    "throws away what is another's": (
        find("two").exercise.replace(
            "        answer, address = await sock.recvfrom(65535)\n        answers[server] = answer\n",
            """\
        while server not in answers:
            answer, address = await sock.recvfrom(65535)
            if address == server:
                answers[server] = answer
""",
        ),
        "15: your program waits for ever in this line, and in lines 17 and 27. The answer of `cellar` was read at "
        "0.3 s, in line 17, by the task that has asked `roof`: whoever reads an answer takes it away from all others",
    ),
    "reads for ever": (
        """\
import trio

async def read(sock, answers):
    while True:
        answer, address = await sock.recvfrom(100)
        answers[address] = answer

async def ask_all(servers):
    answers = {}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, sock, answers)
            for server in servers:
                await sock.sendto(b"?", server)
    return answers
""",
        "5: your program waits for ever in this line, and in line 12. All answers had been read by 1.6 s, and nothing "
        "more will come",
    ),
    "no dict": (
        f"""{ONE}
async def note(server, answers):
    answers.append(await ask(server))

async def ask_all(servers):
    answers = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(note, server, answers)
    return len(answers)
""",
        "10: ask_all has returned 3; it should return a dict, of addresses and answers",
    ),
    "goes by the port": (
        find("two").solution.replace("answers[server]", "answers[address[1]]"),
        "16: the answer of `roof` is missing in what ask_all has returned, which is {7: b'63.7 degrees'}; it belongs "
        "there under ('10.0.0.1', 7). It was read in this line, at 1.6 s",
    ),
    "makes it up": (
        f"""{ONE}
async def ask_all(servers):
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, server)
    return dict.fromkeys(servers, b"20.0 degrees")
""",
        "5: ask_all says that `roof` has answered b'20.0 degrees', and it has answered b'",
    ),
    "sleeps": (
        find("two").solution.replace("    return answers", "    await trio.sleep(1)\n    return answers"),
        "16: ask_all has returned after 2.6 s, and is to return as soon as the last answer has come, which can be "
        "after 1.6 s. The last datagram was read in this line",
    ),
    "reads on for 5 s": (
        """\
import trio
async def ask_all(servers):
    answers = {}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for server in servers:
            await sock.sendto(b"?", server)
        with trio.move_on_after(5):
            while True:
                answer, address = await sock.recvfrom(65535)
                answers[address] = answer
    return answers
""",
        "9: ask_all has returned after 5 s, and is to return as soon as the last answer has come, which can be after "
        "1.6 s. The last datagram was read in this line",
    ),
    "waits for one more": (
        find("two").solution.replace(
            "        answers[server] = answer", "        answers[server] = answer\n        await sock.recv(100)"
        ),
        "18: your program waits for ever in this line",
    ),
    "raises": ("async def ask_all(servers):\n    return servers[3]\n", "2: your program raised IndexError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("two", source, tmp_path).startswith(message)
