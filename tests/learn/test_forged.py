"""Lesson 4: the forged reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, played, refused
from trio_udp.learn import find
from trio_udp.learn._look import sent

if TYPE_CHECKING:
    from pathlib import Path

EVE = (
    "That came from somebody else, to whom your program has sent nothing: from the port that the server has, on "
    "another host. An address is both, the host and the port. Anybody may send to yours, and one who has seen the "
    "question knows its number"
)
MALLORY = (
    "That has the server's address on it, but does not begin with the number of this question. Who sends a datagram "
    "can write any address on it; the number is known only to who has seen the question"
)


def test_the_exercise_believes_anybody(tmp_path: Path) -> None:
    assert refused("forged", find("forged").exercise, tmp_path) == f"16: question 2: ask has returned b'857612'. {EVE}"


def test_one_forges_the_servers_address_and_one_does_not(tmp_path: Path) -> None:
    run = played("forged", find("forged").solution, tmp_path)
    (forged,) = run.notes["forged"]
    assert [each.data[4:] for each in sent(run, "eve")][:2] == [forged["eve"][1], forged["eve"][3]]
    assert [each.data[4:] for each in sent(run, "server") if each.data[4:] in forged["mallory"]][:1] == [
        forged["mallory"][2]
    ]
    other_ports = [each.data[4:] for each in sent(run, "server") if each.source_port != 7]
    assert other_ports == [forged["neighbour"][5]]


ASK = """\
import trio
async def ask(server, number):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(number + b"?", server)
"""

RIGHT = {
    "solution": find("forged").solution,
    "library": """\
import trio, trio_udp

async def ask(server, number):
    async with await trio_udp.open_udp_client(*server) as client:
        with trio.move_on_after(2):
            reply = await client.request(number, accept=lambda reply: reply.startswith(number))
            return reply[4:]
""",
    "connected, and a task that looks": """\
import trio

async def look(sock, number, found):
    while not found:
        answer = await sock.recv(2000)
        if answer.startswith(number):
            found.append(answer.removeprefix(number))

async def ask(server, number):
    found = []
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.connect(server)
    await sock.send(number)
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + 2
        nursery.start_soon(look, sock, number, found)
    return found[0] if found else None
""",
    "asks again": """\
import trio

async def ask(server, number):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        until = trio.current_time() + 2
        while trio.current_time() < until:
            await sock.sendto(number, server)
            with trio.move_on_at(min(until, trio.current_time() + 0.75)):
                while True:
                    answer, address = await sock.recvfrom(100)
                    if (address, answer[:4]) == (server, number):
                        return answer[4:]
""",
    "asks four times, and each takes a hair longer": """\
import trio
async def ask(server, number):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for _ in range(4):
            await sock.sendto(number + b" who am I?", server)
            with trio.move_on_after(0.52):
                while True:
                    answer, address = await sock.recvfrom(65535)
                    if address == server and answer[:4] == number:
                        return answer[4:]
    return None
""",
    "waits in small steps": """\
import trio
async def ask(server, number):
      with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(number + b" who am I?", server)
        for _ in range(20):
            with trio.move_on_after(0.1):
                while True:
                    answer, address = await sock.recvfrom(65535)
                    if address == server and answer[:4] == number:
                        return answer[4:]
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_believes_the_server_alone_passes(name: str, tmp_path: Path) -> None:
    assert judged("forged", RIGHT[name], tmp_path) is None


def not_returned(line: int, answer: str) -> str:
    return (
        f"{line}: question 1: ask has returned None after 2 s. In this line it has read the server's answer at 0.52 s, "
        f"b'{answer}', which came from ('10.0.0.1', 7), and has not returned it. What is it compared with, and is that "
        "what has come, to the byte?\n"
    )


SILENT = (
    "{}: your program waits for ever in this line. Question 7 is one that nobody answers, neither the server nor "
    "anybody else: after 2 s `ask` was to return None. What your program does when something has come it never does "
    "then, so the wait itself has to end: `with trio.move_on_after(2):` around it\n"
)

WRONG = {
    "another socket for each attempt": (
        """\
import trio
async def ask(server, number):
    for _ in range(4):
      with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(number + b" who am I?", server)
        with trio.move_on_after(0.5):
                while True:
                    answer, address = await sock.recvfrom(65535)
                    if address == server and answer[:4] == number:
                        return answer[4:]
    return None
""",
        "5: question 1: ask has returned None after 2 s. In this line it has asked, at 0 s, with a socket that was "
        "closed when the server's answer came to it, at 0.52 s\n",
    ),
    "returns in a task": (
        """\
import trio
async def ask(server, number):
    async def wait():
        while True:
            answer, address = await sock.recvfrom(65535)
            if address == server and answer[:4] == number:
                return answer[4:]
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock, trio.move_on_after(2):
        await sock.sendto(number, server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
""",
        "5: question 1: ask has returned None after 0.52 s. In this line it has read the server's answer at 0.52 s, "
        "b'mfui530530', which came from ('10.0.0.1', 7), and has not returned it. The task that has read it is not the "
        "one that has asked: what a task's function returns nobody gets\n",
    ),
    "raises at what is forged": (
        find("forged").solution.replace("if address == server and", "assert address == server\n                if"),
        "23: your program raised AssertionError, when it had read what eve had forged, at 10.8 s. What is wrong says "
        "nothing about what may still come, so the wait should go on\n",
    ),
    "compares too little of it": (
        find("forged").solution.replace("answer[:4] == number", "answer[:3] == number"),
        not_returned(22, "mfui530530"),
    ),
    "compares the host with the address": (
        find("forged").solution.replace("address == server", "address[0] == server"),
        not_returned(22, "mfui530530"),
    ),
    "asks from another socket when something forged comes": (
        f"""{ASK}
        with trio.move_on_after(2):
            answer, address = await sock.recvfrom(100)
            if address == server and answer[:4] == number:
                return answer[4:]
            return await ask(server, number)
""",
        "4: question 2: ask has returned None after 2 s. The server's answer came at 11 s to the socket that had asked "
        "in this line, and nobody has read it there\n",
    ),
    "is in a hurry": (
        find("forged").solution.replace("move_on_after(2)", "move_on_after(0.3)"),
        "19: question 1: ask has returned None after 0.3 s, and the server's answer comes 0.52 s after the question\n",
    ),
    "looks for the number anywhere": (
        find("forged").solution.replace("answer[:4] == number", "number in answer"),
        "22: question 5: ask has returned b'925176'. That has the server's address on it, but does not begin with the "
        "number of this question. Who sends a datagram can write any address on it; the number is known only to who "
        "has seen the question. It begins with b'xxRP', and the number was b'RPPk': all four bytes have to be the same",
    ),
    "looks at the number alone": (
        f"""{ASK}
        with trio.move_on_after(2):
            while True:
                answer, _ = await sock.recvfrom(100)
                if answer[:4] == number:
                    return answer[4:]
""",
        f"8: question 2: ask has returned b'857612'. {EVE}",
    ),
    "looks at the address alone": (
        f"""{ASK}
        with trio.move_on_after(2):
            while True:
                answer, address = await sock.recvfrom(100)
                if address == server:
                    return answer[4:]
""",
        f"8: question 3: ask has returned b'600170'. {MALLORY}",
    ),
    "returns what it should throw away": (
        """\
import trio_udp
async def ask(server, number):
    async with await trio_udp.open_udp_client(*server) as client:
        return (await client.request(number))[4:]
""",
        f"4: question 3: ask has returned b'600170'. {MALLORY}",
    ),
    "looks at the host, and not at the port": (
        f"""{ASK}
        with trio.move_on_after(2):
            while True:
                answer, address = await sock.recvfrom(100)
                if address[0] == server[0] and answer[:4] == number:
                    return answer[4:]
""",
        "8: question 6: ask has returned b'",
    ),
    "looks at the port, and not at the host": (
        find("forged").solution.replace("address == server", "address[1] == server[1]"),
        f"22: question 2: ask has returned b'857612'. {EVE}",
    ),
    "returns nothing else than bytes": (
        find("forged").solution.replace("return None", "return b''"),
        "22: question 5: ask has returned b'', but the server has not answered, and without an answer it is to return "
        "None: `return None`\n",
    ),
    "sends a number of its own": (
        find("forged").solution.replace("    with trio.socket", "    number = b'abcd'\n    with trio.socket"),
        "20: question 1 begins with b'abcd', and was to begin with `number`, which is b'",
    ),
    "gives up": (
        f"""{ASK}
        with trio.move_on_after(2):
            answer, address = await sock.recvfrom(100)
            if address == server and answer[:4] == number:
                return answer[4:]
""",
        "7: question 2: ask has returned None after 0.27 s, and the server's answer comes 0.52 s after the question. "
        "What is wrong says nothing about what is still to come, so the wait should go on",
    ),
    "begins anew": (
        f"""{ASK}
        while True:
            with trio.move_on_after(2) as scope:
                answer, address = await sock.recvfrom(100)
                if address == server and answer[:4] == number:
                    return answer[4:]
            if scope.cancelled_caught:
                return None
""",
        "8: question 5: ask has returned after 9.64 s, and it was to wait for 2 s. The last datagram was read 2 s "
        "before that: each one that is forged begins the wait anew, so who forges decides how long your program waits",
    ),
    "begins anew, and never ends": (
        f"""{ASK}
        while True:
            with trio.move_on_after(2):
                answer, address = await sock.recvfrom(100)
                if address == server and answer[:4] == number:
                    return answer[4:]
""",
        "8: your program waits for ever in this line. Question 5 is one that the server does not answer: after 2 s "
        "`ask` was to return None",
    ),
    "has too much patience": (
        find("forged").solution.replace("move_on_after(2)", "move_on_after(3)"),
        "22: question 5: ask has returned after 3 s, and it was to wait for 2 s\n",
    ),
    "asks again at each that is forged": (
        f"""{ASK}
        with trio.move_on_after(2):
            while True:
                answer, address = await sock.recvfrom(65535)
                if address == server and answer[:4] == number:
                    return answer[4:]
                await sock.sendto(number + b"?", server)
""",
        "11: your program asks again in this line whenever something forged has come, here at 10.8 s: ",
    ),
    "sends without end": (
        f"{ASK}        while True:\n            await sock.sendto(number, server)\n",
        "6: your program sends without end",
    ),
    "takes the bytes of the number off wherever they are": (
        find("forged").solution.replace("return answer[4:]", "return answer.lstrip(number)"),
        "22: question 8: ask has returned b'",
    ),
    "takes the number off wherever it is": (
        find("forged").solution.replace("return answer[4:]", "return answer.replace(number, b'')"),
        "22: question 8: ask has returned b'",
    ),
    "knows how long an answer is": (
        find("forged").solution.replace("return answer[4:]", "return answer[-6:]"),
        "22: question 8: ask has returned b'",
    ),
    "takes the number for text": (
        find("forged").solution.replace("answer[:4] == number", "answer.decode().startswith(number.decode())"),
        "23: your program raised UnicodeDecodeError",
    ),
    "has no patience": (
        f"""{ASK}
        with trio.move_on_after(1):
            while True:
                answer, address = await sock.recvfrom(100)
                if address == server and answer[:4] == number:
                    return answer[4:]
""",
        "8: question 5: ask has returned after 1 s. For 2 s the server may still answer",
    ),
    "waits for ever": (
        f"""{ASK}
        while True:
            answer, address = await sock.recvfrom(100)
            if address == server and answer[:4] == number:
                return answer[4:]
""",
        "7: your program waits for ever in this line",
    ),
    "with the number": (
        find("forged").solution.replace("return answer[4:]", "return answer"),
        "22: question 1: ask has returned b'",
    ),
    "raises": (
        f"""{ASK}
        with trio.fail_after(2):
            while True:
                answer, address = await sock.recvfrom(100)
                if address == server and answer[:4] == number:
                    return answer[4:]
""",
        "6: your program raised TooSlowError. It is Trio's own: `except trio.TooSlowError` catches it; `except "
        "TimeoutError` does not, nor does `except socket.timeout`, which is the same. That was 2 s after question 5. "
        "When the server has said nothing for 2 s `ask` is to return None; `trio.move_on_after` raises nothing\n",
    ),
    "raises too early": (
        find("forged").solution.replace("move_on_after(2)", "fail_after(0.3)"),
        "20: your program raised TooSlowError. It is Trio's own: `except trio.TooSlowError` catches it; `except "
        "TimeoutError` does not, nor does `except socket.timeout`, which is the same. That was 0.3 s after question 1. "
        "When the server has said nothing for 2 s `ask` is to return None; `trio.move_on_after` raises nothing\n",
    ),
    "raises Trio's at what is forged": (
        find("forged").solution.replace(
            "                if",
            "                if address != server:\n                    raise trio.TooSlowError\n                if",
        ),
        "24: your program raised TooSlowError, when it had read what eve had forged, at 10.8 s. What is wrong says "
        "nothing about what may still come, so the wait should go on\n",
    ),
    "looks at the clock when something has come": (
        f"""{ASK}
        end = trio.current_time() + 2
        while trio.current_time() < end:
            answer, address = await sock.recvfrom(100)
            if address == server and answer[:4] == number:
                return answer[4:]
""",
        SILENT.format(8),
    ),
    "looks at the clock when something has come, before anything else": (
        f"""{ASK}
        end = trio.current_time() + 2
        while True:
            answer, address = await sock.recvfrom(100)
            if trio.current_time() > end:
                return None
            if address == server and answer[:4] == number:
                return answer[4:]
""",
        SILENT.format(8),
    ),
    "asks again for ever": (
        """\
import trio
async def ask(server, number):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            await sock.sendto(number + b"?", server)
            with trio.move_on_after(2):
                while True:
                    answer, address = await sock.recvfrom(100)
                    if address == server and answer[:4] == number:
                        return answer[4:]
""",
        "5: your program asks question 5 in this line again and again, at 132 s after the first time still. When the "
        "server has said nothing for 2 s `ask` is to return None; those are counted from the first time, whatever has "
        "been asked since\n",
    ),
    "raises what is Trio's": (
        find("forged").solution.replace("    return None", "    raise trio.TooSlowError"),
        "25: your program raised TooSlowError for question 5. When the server has said nothing for 2 s `ask` is to "
        "return None: `return None`\n",
    ),
    "asks nobody": (
        "async def ask(server, number):\n    return b'123456'\n",
        "1: your program has sent nothing to the server, so it cannot know what that answers\n",
    ),
    "makes it up": (
        f"""{ASK}
        await sock.recv(100)
        return b"123456"
""",
        "6: question 1: ask has returned b'123456', but the server has answered b'",
    ),
}


@pytest.mark.parametrize(
    "compared",
    [
        *(f"answer[{place}] == number[{place}]" for place in range(4)),
        "answer[:2] == number[:2]",
        "answer[1:4] == number[1:]",
        "(answer[0], answer[3]) == (number[0], number[3])",
        "answer[:4].lower() == number.lower()",
        "set(answer[:4]) == set(number)",
        "sorted(answer[:4]) == sorted(number)",
        "len(answer) > 4",
    ],
)
def test_who_does_not_compare_all_of_the_number_is_refused(compared: str, tmp_path: Path) -> None:
    source = find("forged").solution.replace("answer[:4] == number", compared)
    message = refused("forged", source, tmp_path)
    assert message.startswith("22: question ")
    assert f". {MALLORY}. It begins with b'" in message
    assert message.endswith("': all four bytes have to be the same")


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert f"{refused('forged', source, tmp_path)}\n".startswith(message)
