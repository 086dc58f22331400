"""Lesson 7: the slow client for whom all others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.learn.judged import judged, refused
from trio_udp.learn import find
from trio_udp.learn._elsewhere import NOT_ASYNCIO
from trio_udp.learn._run import run_lesson
from trio_udp.learn._verdict import SURROUNDINGS, judge

if TYPE_CHECKING:
    from pathlib import Path


STOOD = (
    "what receives in your server stood in this line then, and did not hear it: it must wait for nothing but the next "
    "question"
)
TO_NOBODY = (
    "None, always and at once: what the task returns later goes to nobody. The task itself has to do what is to be "
    "done with its result"
)
STRAY = (
    "9: this line starts a system task, which is in no nursery of your program: who cancels `serve` does not end it, "
    "nobody waits for it, and if it raises anything Trio itself ends. Tasks belong in a nursery"
)


def test_the_exercise_makes_others_wait(tmp_path: Path) -> None:
    assert refused("slow", find("slow").exercise, tmp_path) == (
        f"20: carla asked `quick 2` at 3 s, and was answered 4.02 s later, though the work takes 0 s: {STOOD}"
    )


SERVE = """\
import trio

async def serve(port, work):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        while True:
            question, client = await sock.recvfrom(65535)
"""

RIGHT = {
    "solution": find("slow").solution,
    "library": """\
import trio_udp

async def serve(port, work):
    async def handler(datagram):
        return await work(datagram.data)

    await trio_udp.serve_udp(handler, port)
""",
    "the work at a question that two ask is done once": """\
import trio

async def serve(port, work):
    asked = {}
    async def answer(question):
        result = await work(question)
        for client in asked.pop(question):
            await sock.sendto(result, client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            while True:
                question, client = await sock.recvfrom(65535)
                if question not in asked:
                    nursery.start_soon(answer, question)
                asked.setdefault(question, []).append(client)
""",
    "workers and a queue": """\
import trio

async def worker(sock, queue, work):
    async for question, client in queue:
        await sock.sendto(await work(question), client)

async def serve(port, work):
    give, take = trio.open_memory_channel(10)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("10.0.0.1", port))
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(worker, sock, take, work)
        while True:
            give.send_nowait(await sock.recvfrom(65535))
""",
    "a crew of twenty": """\
import trio
async def serve(port, work):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        s, r = trio.open_memory_channel(10)
        async def worker():
            async for question, client in r:
                await sock.sendto(await work(question), client)
        async with trio.open_nursery() as n:
          for _ in range(20): n.start_soon(worker)
          while True:
            await s.send(await sock.recvfrom(65535))
""",
    "each task starts the next one": """\
import trio
async def serve(port, work):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as n:
            async def one():
                q, c = await sock.recvfrom(9999)
                n.start_soon(one)
                await sock.sendto(await work(q), c)
            n.start_soon(one)
""",
    "a channel for each peer, and a nursery in it": """\
import trio_udp, trio
async def serve(port, work):
    async def h(ch):
        async with trio.open_nursery() as n:
            async def one(q): await ch.send(await work(q))
            async for q in ch: n.start_soon(one, q)
    await trio_udp.serve_udp_peers(h, port)
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_lets_nobody_wait_passes(name: str, tmp_path: Path) -> None:
    assert judged("slow", RIGHT[name], tmp_path) is None


WRONG = {
    "answers without work": (
        f"{SERVE}            await sock.sendto(b'123456', client)\n",
        "9: the answer to `quick 1` is b'123456', which is not what work has returned",
    ),
    "gives slow work up": (
        f"""{SERVE}
            nursery.start_soon(answer, sock, question, client, work)

async def answer(sock, question, client, work):
    with trio.move_on_after(1):
        await sock.sendto(await work(question), client)
""",
        "14: the question `slow 1` of ben was never answered, and its work, which was called in this line, "
        "was not done: it was cancelled at 3.01 s",
    ),
    "keeps it to itself": (
        f"            {SERVE}            nursery.start_soon(work, question)\n".lstrip(),
        "9: the question `quick 1` of anna was never answered, though its work was done: `work` had a task to itself, "
        "and what the function of a task returns goes to nobody. The task that works has to send the answer, too",
    ),
    "awaits the work in the call": (
        f"{SERVE}            nursery.start_soon(sock.sendto, await work(question), client)\n",
        f"9: carla asked `quick 2` at 3 s, and was answered 4.02 s later, though the work takes 0 s: {STOOD}",
    ),
    "awaits each task": (
        f"""{SERVE}            await nursery.start(answer, sock, question, client, work)

async def answer(sock, question, client, work, task_status):
    await sock.sendto(await work(question), client)
    task_status.started()
""",
        f"9: carla asked `quick 2` at 3 s, and was answered 4.02 s later, though the work takes 0 s: {STOOD}",
    ),
    "a nursery for each question": (
        find("slow").solution.replace(
            """\
        async with trio.open_nursery() as nursery:
            while True:
""",
            """\
        while True:
            async with trio.open_nursery() as nursery:
""",
        ),
        "29: carla asked `quick 2` at 3 s, and was answered 4.02 s later, though the work takes 0 s: what receives in "
        "your server stood in this line then, and did not hear it: a nursery ends when all its tasks have ended",
    ),
    "takes what start_soon returns for the result": (
        f"""{SERVE}
            result = nursery.start_soon(work, question)
            await sock.sendto(result, client)
""",
        "10: your program raised TypeError: memoryview: a bytes-like object is required, not 'NoneType'. What it was "
        "to send is None, and datagrams are bytes. What "
        f"`start_soon` returns in this line is {TO_NOBODY}",
    ),
    "hands on what start_soon returns": (
        f"{SERVE}            nursery.start_soon(sock.sendto, nursery.start_soon(work, question), client)\n",
        "9: your program raised TypeError: memoryview: a bytes-like object is required, not 'NoneType'. What it was "
        "to send is None, and datagrams are bytes. What "
        f"`start_soon` returns in this line is {TO_NOBODY}",
    ),
    "waits until work has started": (
        f"{SERVE}            result = await nursery.start(work, question)\n",
        "9: your program raised TypeError: work() got an unexpected keyword argument 'task_status'. "
        "`nursery.start` waits until what it starts calls `task_status.started()`, and gives it that argument. What "
        "does not take it is started with `start_soon`, which does not wait",
    ),
    "one question, and no loop": (
        SERVE.replace("while True", "if True"),
        "8: serve has returned, at 1.01 s. A server goes on. What it has read in this line, at 1.01 s, was the "
        "last: b'quick 1'",
    ),
    "binds nothing": (
        find("slow").solution.replace("        await sock.bind", "        # await sock.bind"),
        "20: the question `quick 1` of anna was never answered: nobody was listening at 10.0.0.1 port 7 when it came. "
        "A socket hears there if `bind` has given it that port",
    ),
    "one variable for all": (
        f"""{SERVE}
            async def answer():
                result = await work(question)
                await sock.sendto(result, client)
            nursery.start_soon(answer)
""",
        "12: the question `slow 1` of ben was never answered: what work has returned for it was sent to port 32768 of "
        "dora",
    ),
    "goes by the question, of which there may be two": (
        f"""{SERVE}
            clients[question] = client
            nursery.start_soon(answer, sock, question, work)

clients = {{}}

async def answer(sock, question, work):
    result = await work(question)
    await sock.sendto(result, clients[question])
""",
        "17: the question `slow 5` of anna was never answered: what work has returned for it was sent to port 32769 of "
        f"ben. ben has asked the same. {SURROUNDINGS}",
    ),
    "answers no question twice": (
        f"""{SERVE}
            if question not in seen:
                seen.add(question)
                nursery.start_soon(answer, sock, question, client, work)

seen = set()

async def answer(sock, question, client, work):
    await sock.sendto(await work(question), client)
""",
        "8: the question `slow 5` of ben was never answered: it was read in this line, and `work` was not called with "
        "it. anna had asked the same before, and each is to be answered",
    ),
    "answers nothing again that it has answered": (
        f"""{SERVE}
            if question not in done:
                nursery.start_soon(answer, sock, question, client, work)

done = set()

async def answer(sock, question, client, work):
    await sock.sendto(await work(question), client)
    done.add(question)
""",
        "8: the question `slow 5` of carla was never answered: it was read in this line, and `work` was not called "
        "with it. anna had asked the same before, and each is to be answered",
    ),
    "answers no address twice": (
        f"""{SERVE}
            if client not in answered:
                nursery.start_soon(answer, sock, question, client, work)

answered = set()

async def answer(sock, question, client, work):
    await sock.sendto(await work(question), client)
    answered.add(client)
""",
        "8: the question `quick 5` of dora was never answered: it was read in this line, and `work` was not called "
        "with it",
    ),
    "answers each address what it has answered before": (
        f"""{SERVE}
            if client in answered:
                await sock.sendto(answered[client], client)
            else:
                nursery.start_soon(answer, sock, question, client, work)

answered = {{}}

async def answer(sock, question, client, work):
    answered[client] = await work(question)
    await sock.sendto(answered[client], client)
""",
        "11: dora got more than one answer to `slow 2`, the second one when `quick 5` had come from the same port. "
        "Each question has an answer of its own, whoever asks it: `work` is to be called with it",
    ),
    "gives the work a datagram": (
        "import trio_udp\nasync def serve(port, work):\n    await trio_udp.serve_udp(work, port)\n",
        "3: your program raised TypeError: `work` takes the bytes of a question, and was given a Datagram",
    ),
    "gives the work the client, too": (
        find("slow").solution.replace("work(question)", "work((question, client))"),
        "24: your program raised TypeError: `work` takes the bytes of a question, and was given a tuple",
    ),
    "sleeps in the loop": (
        f"""{SERVE}            nursery.start_soon(answer, sock, question, client, work)
            await trio.sleep(1)

async def answer(sock, question, client, work):
    await sock.sendto(await work(question), client)
""",
        f"10: dora asked `slow 2` at 3.5 s, and was answered 5.52 s later, though the work takes 5 s: {STOOD}",
    ),
    "bound to itself": (
        find("slow").solution.replace("0.0.0.0", "127.0.0.1"),
        "27: the question `quick 1` of anna was never answered: nobody was listening at 10.0.0.1 port 7 when "
        "it came. A socket hears the port that it is bound to, until it is closed; at 127.0.0.1 its own host alone",
    ),
    "hears, and does nothing": (
        SERVE,
        "8: the question `quick 1` of anna was never answered: it was read in this line, and `work` was not called "
        "with it",
    ),
    "reads nothing": (
        SERVE.replace("question, client = await sock.recvfrom(65535)", "await trio.sleep(1)"),
        "8: the question `quick 1` of anna was never answered: it was not read, and `work` not called with it; "
        "meanwhile your server stood in this line",
    ),
    "works, and says nothing": (
        f"""{SERVE}            nursery.start_soon(answer, question, work)

async def answer(question, work):
    await work(question)
""",
        "12: the question `quick 1` of anna was never answered, though its work, which was called in this line, was "
        "done",
    ),
    "a socket for each answer": (
        f"""{SERVE}            nursery.start_soon(answer, question, client, work)

async def answer(question, client, work):
    result = await work(question)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(result, client)
""",
        "14: the answer to `quick 1` came from port 32768 of the server, and anna had asked port 7. What comes from "
        "another port comes from somebody else, as far as a client can know",
    ),
    "one at a time for each client": (
        f"""{SERVE}            nursery.start_soon(answer, sock, question, client, work)

locks = {{}}

async def answer(sock, question, client, work):
    async with locks.setdefault(client, trio.Lock()):
        await sock.sendto(await work(question), client)
""",
        "15: dora asked `quick 4` at 5 s, and was answered 3.52 s later, though the work takes 0 s: your "
        "server heard it "
        "at 5.01 s, and called `work` at 8.51 s only",
    ),
    "works at once, and answers later": (
        f"""{SERVE}            nursery.start_soon(answer, sock, question, client, work)

async def answer(sock, question, client, work):
    result = await work(question)
    await trio.sleep(1)
    await sock.sendto(result, client)
""",
        "14: anna asked `quick 1` at 1 s, and was answered 1.02 s later, though the work takes 0 s: the work "
        "was called "
        "at once, and its result not sent when it was there",
    ),
    "answers twice": (
        f"""{SERVE}
            nursery.start_soon(answer, sock, question, client, work)

async def answer(sock, question, client, work):
    result = await work(question)
    await sock.sendto(result, client)
    await sock.sendto(result, client)
""",
        "15: anna got more than one answer to `quick 1`",
    ),
    "ends": (
        """\
import trio

async def serve(port, work):
    await trio.sleep(1)
""",
        "3: serve has returned, at 1 s. A server goes on",
    ),
    "raises": (
        f"{SERVE}            raise ValueError(question)\n",
        "9: your program raised ValueError: b'quick 1'",
    ),
    "some workers around one lock": (
        """\
import trio

async def serve(port, work):
    turn = trio.Lock()
    async def worker():
        while True:
            async with turn:
                question, client = await sock.recvfrom(65535)
            await sock.sendto(await work(question), client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(worker)
""",
        f"9: carla asked `slow 4` at 4.5 s, and was answered 7.52 s later, though the work takes 5 s: {STOOD}",
    ),
    "two at a time": (
        """\
import trio

async def serve(port, work):
    limit = trio.CapacityLimiter(2)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async def answer(question, client):
        async with limit:
            await sock.sendto(await work(question), client)
    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(answer, *await sock.recvfrom(65535))
""",
        "9: anna asked `quick 3` at 4 s, and was answered 3.02 s later, though the work takes 0 s: "
        "your server heard it at 4.01 s, and called `work` at 7.01 s only",
    ),
    "tasks that are in no nursery of its own": (
        """\
import trio
async def serve(port, work):
    async def answer(question, client):
        await sock.sendto(await work(question), client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        while True:
            question, client = await sock.recvfrom(65535)
            trio.lowlevel.spawn_system_task(answer, question, client)
""",
        STRAY,
    ),
    "and by another name": (
        """\
from trio.lowlevel import spawn_system_task as go
import trio
async def serve(port, work):
    async def answer(question, client):
        await sock.sendto(await work(question), client)
    async def run():
        while True:
            question, client = await sock.recvfrom(65535)
            go(answer, question, client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        await run()
""",
        STRAY,
    ),
    "has room for half of a question": (
        find("slow").solution.replace("65535", "4"),
        "30: `work` was called with b'quic', which nobody has asked. This line takes 4 bytes of a datagram, and the "
        "rest is thrown away: what came is b'quick 1'",
    ),
    "has room for half of a question, and no line for its size": (
        find("slow").solution.replace("65535", "len(b'quic')"),
        "24: `work` was called with b'quic', which nobody has asked",
    ),
    "takes as much as it needs, and cuts it off later": (
        find("slow").solution.replace("65535", "7").replace("work(question)", "work(question[:4])"),
        "24: `work` was called with b'quic', which nobody has asked",
    ),
    "has a task work at half of a question": (
        f"{SERVE}            nursery.start_soon(work, question[:4])\n",
        "9: `work` was called with b'quic', which nobody has asked",
    ),
    "works at some, and a cut comes later": (
        find("slow").solution.replace("65535", "6"),
        "30: `work` was called with b'quick ', which nobody has asked. This line takes 6 bytes of a datagram, and the "
        "rest is thrown away: what came is b'quick 1'",
    ),
    "gives the work a str, and catches what comes of it": (
        f"""{SERVE}            nursery.start_soon(answer, sock, question, client, work)

async def answer(sock, question, client, work):
    try:
        await sock.sendto(await work(question.decode()), client)
    except Exception:
        pass
""",
        "13: `work` takes the bytes of a question, and was given a str: `text.encode()` is bytes. It has raised "
        "TypeError, and something has caught that",
    ),
    "connects its socket, to answer": (
        f"""{SERVE}            nursery.start_soon(answer, sock, question, client, work)

async def answer(sock, question, client, work):
    await sock.connect(client)
    await sock.send(await work(question))
""",
        "12: the question `slow 1` of ben was never answered. At 1.01 s this line has connected the server's socket to "
        "port 32768 of anna, and a connected socket hears nobody else. `sendto` answers whoever has asked, without "
        "that",
    ),
    "does not ask for the work that goes on": (
        f"""{SERVE}            nursery.start_soon(answer, sock, question, client, work)

busy = set()

async def answer(sock, question, client, work):
    if question not in busy:
        busy.add(question)
        await sock.sendto(await work(question), client)
        busy.remove(question)
""",
        "8: the question `slow 5` of ben was never answered: it was read in this line, and `work` was not called with "
        "it. anna had asked the same before, and each is to be answered",
    ),
    "works once for two, and for the third for nothing": (
        f"""{SERVE}
            if question not in asked:
                nursery.start_soon(answer, sock, question, work)
            asked.setdefault(question, []).append(client)

asked = {{}}

async def answer(sock, question, work):
    result = await work(question)
    for client in asked.pop(question):
        if trio.current_time() < 20:
            await sock.sendto(result, client)
""",
        "17: the question `slow 5` of carla was never answered, though its work, which was called in this line, was "
        "done",
    ),
    "goes on for ten seconds": (
        find("slow").solution.replace(
            "        async with trio", "        with trio.move_on_after(10):\n         async with trio"
        ),
        "28: serve has returned, at 10 s. A server goes on, and the scope of this line ends after 10 s, with all that "
        "is in it",
    ),
    "connects, and binds nothing": (
        find("slow").solution.replace('sock.bind(("0.0.0.0", port))', 'sock.connect(("10.0.0.2", 7))'),
        "20: the question `quick 1` of anna was never answered: nobody was listening at 10.0.0.1 port 7 when it came. "
        "A socket hears there if `bind` has given it that port",
    ),
    "goes on until nobody has asked for a while": (
        """\
import trio

async def serve(port, work):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    while True:
        with trio.move_on_after(2.5) as scope:
            await sock.recvfrom(65535)
        if scope.cancelled_caught:
            return
""",
        "7: serve has returned, at 7.51 s. A server goes on, and the scope of this line ends after 2.5 s, with all "
        "that is in it",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("slow", source, tmp_path) == message


GIVEN_TO_ASYNCIO = """\
import asyncio
import trio
loop = asyncio.new_event_loop()
async def serve(port, work):
    async def answer(question, client):
        await sock.sendto(await work(question), client)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    while True:
        asyncio.ensure_future(answer(*await sock.recvfrom(65535)), loop=loop)
"""


async def test_asyncio_that_was_given_the_work_is_told(tmp_path: Path) -> None:
    """What a loop that nobody runs was given it keeps, and nothing is raised. In a process of its own, as it stays."""
    with trio.fail_after(120):
        run = await run_lesson(find("slow"), tmp_path / "07_slow.py", GIVEN_TO_ASYNCIO.encode(), limit=60)
    finding = judge(find("slow"), run)
    assert finding is not None
    assert (finding.line, finding.message) == (
        10,
        "the question `quick 1` of anna was never answered: `work` was not called with it, but given to asyncio in "
        f"this line. {NOT_ASYNCIO}",
    )
