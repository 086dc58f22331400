"""Lesson 9: the graceful stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path


def test_the_exercise_cuts_its_clients_off(tmp_path: Path) -> None:
    assert refused("stop", find("stop").exercise, tmp_path) == (
        "18: ben had asked `job 2` at 1 s, and the work for it was cancelled at 3 s, when the server was told to stop. "
        "It had been taken, so ben still waits for the answer"
    )


HEAD = """\
from functools import partial
import trio, trio_udp

async def answer(sock, question, client, work):
    await sock.sendto(await work(question), client)

async def listen(sock, nursery, work):
    while True:
        question, client = await sock.recvfrom(65535)
        nursery.start_soon(answer, sock, question, client, work)

async def bound(port):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    return sock

"""

LIBRARY = """
async def serve(port, work, stop):
    async def handler(datagram):
        return await work(datagram.data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio_udp.serve_udp, handler, port, grace_period=GRACE))
        await stop.wait()
        nursery.cancel_scope.cancel()
"""

RIGHT = {
    "solution": find("stop").solution,
    "library": f"{HEAD}GRACE = 10{LIBRARY}",
    "a scope for listening": f"""{HEAD}
async def end(stop, scope):
    await stop.wait()
    scope.cancel()

async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as listening:
            nursery.start_soon(end, stop, listening)
            await listen(sock, nursery, work)
    sock.close()
""",
    "each answer in a shield": f"""{HEAD}
async def shielded(sock, question, client, work):
    with trio.CancelScope(shield=True):
        await answer(sock, question, client, work)

async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        async def hear():
            while True:
                question, client = await sock.recvfrom(65535)
                nursery.start_soon(shielded, sock, question, client, work)
        nursery.start_soon(hear)
        await stop.wait()
        nursery.cancel_scope.cancel()
""",
    "a channel that ends with the last work": """\
import trio
async def serve(port, work, stop):
    send, receive = trio.open_memory_channel(100)
    async def answer(question, client, send):
        async with send:
            await send.send((await work(question), client))
    async def sender():
        async for r, c in receive: await sock.sendto(r, c)
    async def listen():
        while True:
            question, client = await sock.recvfrom(65535)
            working.start_soon(answer, question, client, send.clone())
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as working:
            working.start_soon(sender)
            async with send, trio.open_nursery() as listening:
                listening.start_soon(listen)
                await stop.wait()
                listening.cancel_scope.cancel()
""",
    "says so to who comes too late": """\
import trio
async def serve(port, work, stop):
    count = 0
    async def answer(question, client):
        nonlocal count
        if stop.is_set():
            await sock.sendto(b"sorry", client)
            return
        count += 1
        await sock.sendto(await work(question), client)
        count -= 1
        if stop.is_set() and not count: done.set()
    done = trio.Event()
    async def listen():
        while True:
            question, client = await sock.recvfrom(65535)
            working.start_soon(answer, question, client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as working:
            working.start_soon(listen)
            await stop.wait()
            if count: await done.wait()
            working.cancel_scope.cancel()
""",
    "a pool of workers": """\
import trio
async def serve(port, work, stop):
    send, receive = trio.open_memory_channel(0)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async def worker():
            async for question, client in receive:
                await sock.sendto(await work(question), client)
        async with trio.open_nursery() as nursery:
            for _ in range(8): nursery.start_soon(worker)
            async with trio.open_nursery() as inner:
                @inner.start_soon
                async def listen():
                    while True:
                        await send.send(await sock.recvfrom(9999))
                await stop.wait()
                inner.cancel_scope.cancel()
            send.close()
""",
    "looks twenty times a second": """\
import trio
async def serve(port, work, stop):
    async def answer(question, client):
        await sock.sendto(await work(question), client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as working:
            while not stop.is_set():
                with trio.move_on_after(.05):
                    working.start_soon(answer, *await sock.recvfrom(65535))
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_finishes_what_it_has_taken_passes(name: str, tmp_path: Path) -> None:
    assert judged("stop", RIGHT[name], tmp_path) is None


WRONG = {
    "ignores it": (
        f"""{HEAD}
async def serve(port, work, stop):
    async with trio.open_nursery() as nursery:
        await listen(await bound(port), nursery, work)
""",
        "5: ben asked `job 5` at 3.5 s, and your server has begun to work at it. It was told to stop at 3 s; "
        "if it takes what comes later, it need never end",
    ),
    "looks between two questions": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        while not stop.is_set():
            nursery.start_soon(answer, sock, *await sock.recvfrom(65535), work)
""",
        "5: ben asked `job 5` at 3.5 s, and your server has begun to work at it. It was told to stop at 3 s; "
        "if it takes what comes later, it need never end",
    ),
    "throws away, and never ends": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        while True:
            question, client = await sock.recvfrom(65535)
            if not stop.is_set():
                nursery.start_soon(answer, sock, question, client, work)
""",
        "22: your server waits for ever in this line. It was told to stop at 3 s, and had answered all that it had "
        "taken at 6.01 s: nothing is left to wait for",
    ),
    "waits a fixed time": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as listening:
            listening.start_soon(listen, sock, nursery, work)
            await stop.wait()
            listening.cancel_scope.cancel()
        await trio.sleep(10)
""",
        "25: serve has returned at 13 s. The last answer was sent at 6.01 s, and nothing was left to do. At 6.11 s it "
        "waited in this line",
    ),
    "answers late": (
        find("stop").solution.replace(
            "await sock.sendto(await work(question), client)",
            "result = await work(question)\n        await trio.sleep(1)\n        await sock.sendto(result, client)",
        ),
        "26: the work for `job 1` was done at 0.51 s, and this line has sent its result at 1.51 s: what is done can be "
        "answered at once",
    ),
    "waits for one question more": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        while True:
            question, client = await sock.recvfrom(65535)
            if stop.is_set():
                return
            nursery.start_soon(answer, sock, question, client, work)
""",
        "22: your server waits for ever in this line. It was told to stop at 43 s, and had answered all that it had "
        "taken at 45 s: nothing is left to wait for",
    ),
    "awaits the work in the loop": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    while not stop.is_set():
        question, client = await sock.recvfrom(65535)
        await sock.sendto(await work(question), client)
""",
        "22: carla asked `job 3` at 2 s, before the server was told to stop at 3 s, and was never answered. When it "
        "came, what receives in your server waited in this line for the work for `job 2`, and so did not hear it. Who "
        "awaits the work hears nobody meanwhile; each work can have a task of its own",
    ),
    "one work after the other": (
        f"""{HEAD}
async def locked(sock, question, client, work):
    async with lock:
        await answer(sock, question, client, work)

async def serve(port, work, stop):
    global lock
    lock = trio.Lock()
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        async def hear():
            while True:
                nursery.start_soon(locked, sock, *await sock.recvfrom(65535), work)
        async with trio.open_nursery() as listening:
            listening.start_soon(hear)
            await stop.wait()
            listening.cancel_scope.cancel()
""",
        "5: `job 3` came at 2.01 s, and the work for it was begun in this line at 6.01 s, when that for `job 2` was "
        "done. One after the other they take longer: serve has returned at 8.26 s, and working at all of them at the "
        "same time it could at 6.01 s",
    ),
    "cancels the work and begins it again": (
        """
import trio
async def serve(port, work, stop):
    pending = []
    async def answer(question, client):
        pending.append((question, client))
        await sock.sendto(await work(question), client)
        pending.remove((question, client))
    async def hear():
        while True:
            nursery.start_soon(answer, *await sock.recvfrom(65535))
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            await stop.wait()
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            for question, client in list(pending):
                nursery.start_soon(answer, question, client)
""",
        "7: the work for `job 2` was begun at 1.01 s, and in this line again at 3 s: what was done of it until then is "
        "lost, and takes its time once more. What is begun is finished, and not cancelled",
    ),
    "one variable for all": (
        find("stop")
        .solution.replace("answer(question: bytes, client: tuple[str, int])", "answer()")
        .replace("answer, question, client", "answer")
        .replace("        while True:", "        nonlocal question, client\n        while True:")
        .replace("    async def answer", '    question, client = b"", None\n\n    async def answer'),
        "26: this line sent ben's answer, that to `job 2`, to dora. What a task reads of its surroundings may be "
        "another's by the time that it gets there",
    ),
    "does not wait for the stop": (
        find("stop").solution.replace("await stop.wait()", "listening.start_soon(stop.wait)"),
        "36: this line waits for nothing: it starts a task that waits for `stop`. So serve has returned at 0 s, but "
        "nobody had told it to stop",
    ),
    "one answer, and no loop": (
        find("stop").solution.replace("await stop.wait()", "await trio.sleep(1)"),
        "28: serve has returned at 1 s, but nobody had told it to stop. What it has read in this line, at 0.51 s, was "
        "the last: b'job 1'",
    ),
    "binds nothing": (
        find("stop").solution.replace("        await sock.bind", "        # await sock.bind"),
        "20: anna asked `job 1` at 0.5 s, before the server was told to stop at 3 s, and was never answered: nobody "
        "was listening at 10.0.0.1 port 7 when it came. A socket hears there if `bind` has given it that port",
    ),
    "always binds the same port": (
        find("stop").solution.replace('"0.0.0.0", port', '"0.0.0.0", 7'),
        "32: carla asked `job 7` at 21 s, before the server was told to stop at 23 s, and was never answered: nobody "
        "was listening at 10.0.0.1 port 8 when it came. A socket hears the port that it is bound to",
    ),
    "listens for two only": (
        find("stop").solution.replace("while True:", "for _ in range(2):"),
        "28: carla asked `job 3` at 2 s, before the server was told to stop at 3 s, and was never answered, and "
        "nobody has read it. What was read last before it, in this line, at 1.01 s, is b'job 2'",
    ),
    "the socket ends before the work": (
        f"""{HEAD}
async def serve(port, work, stop):
    async with trio.open_nursery() as nursery:
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(("0.0.0.0", port))
            async with trio.open_nursery() as listening:
                listening.start_soon(listen, sock, nursery, work)
                await stop.wait()
                listening.cancel_scope.cancel()
""",
        "5: your program raised OSError: [Errno 9] Bad file descriptor. The socket is closed: before this line its "
        "`with` was left, or its close() called",
    ),
    "too short a grace": (
        f"{HEAD}GRACE = 2{LIBRARY}",
        "20: ben had asked `job 2` at 1 s, and the work for it was cancelled at 5 s, after the stop at 3 s. It "
        "had been taken, so ben still waits for the answer",
    ),
    "closes the socket at once": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as listening:
            listening.start_soon(listen, sock, nursery, work)
            await stop.wait()
            listening.cancel_scope.cancel()
        sock.close()
""",
        "5: your program raised OSError: [Errno 9] Bad file descriptor",
    ),
    "works, and answers nobody": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        with trio.move_on_at(3):
            while True:
                question, client = await sock.recvfrom(65535)
                nursery.start_soon(work, question)
""",
        "24: anna never got an answer to `job 1`, though the work for it ended at 0.51 s: `work` had a task to itself, "
        "and what the function of a task returns goes to nobody. The task that works has to send the answer, too",
    ),
    "answers without work": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    with trio.move_on_at(3):
        while True:
            question, client = await sock.recvfrom(65535)
            await sock.sendto(b"123456", client)
""",
        "23: anna had asked `job 1`, and what came for it is b'123456', and `work` was not called for it",
    ),
    "ends too soon": (
        "async def serve(port, work, stop):\n    pass\n",
        "1: serve has returned at 0 s, but nobody had told it to stop",
    ),
    "throws results away": (
        find("stop").solution.replace("await sock.sendto(await work(question), client)", "await work(question)"),
        "24: anna never got an answer to `job 1`, though the work for it ended at 0.51 s. It was called in this line, "
        "and its result never came to anna",
    ),
    "cuts its work off, whether it is stopped or not": (
        find("stop").solution.replace(
            "    await sock.sendto(await work(question), client)",
            "    with trio.move_on_after(1):\n            await sock.sendto(await work(question), client)",
        ),
        "25: ben had asked `job 2` at 1 s, and the work for it was cancelled at 2.01 s, before anybody had told the "
        "server to stop. It had been taken, so ben still waits for the answer",
    ),
    "waits as long as the work of one play takes": (
        f"{HEAD}GRACE = 3.05{LIBRARY}",
        "20: carla had asked `job 7` at 21 s, and the work for it was cancelled at 26.1 s, after the stop at 23 s. It "
        "had been taken",
    ),
    "looks twice a second": (
        f"""{HEAD}
async def serve(port, work, stop):
    sock = await bound(port)
    async with trio.open_nursery() as nursery:
        while not stop.is_set():
            with trio.move_on_after(0.5):
                nursery.start_soon(answer, sock, *await sock.recvfrom(65535), work)
""",
        "5: ben asked `job 9` at 23.2 s, and your server has begun to work at it. It was told to stop at 23 s",
    ),
    "answers from another port": (
        find("stop").solution.replace(
            "await sock.sendto(await work(question), client)",
            "with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as another:\n"
            "            await another.sendto(await work(question), client)",
        ),
        "25: anna had asked port 7, and the answer to `job 1` came from port 32768: from another address. Who asks a "
        "server can believe only what comes from where the question went",
    ),
    "answers twice": (
        find("stop").solution.replace(
            "await sock.sendto(await work(question), client)",
            "result = await work(question)\n        for _ in range(2):\n            await sock.sendto(result, client)",
        ),
        "26: anna got more than one answer to `job 1`",
    ),
    "shields the work, and not the answer": (
        find("stop").exercise.replace(
            "        await sock.sendto(await work(question), client)",
            "        with trio.CancelScope(shield=True):\n            result = await work(question)\n"
            "        await sock.sendto(result, client)",
        ),
        "19: ben never got an answer to `job 2`, though the work for it ended at 6.01 s, after the stop. If that has "
        "cancelled its task, the next `await` in it raises trio.Cancelled, that of `sendto` too",
    ),
    "does not send when it is told to stop": (
        find("stop").solution.replace(
            "await sock.sendto(await work(question), client)",
            "result = await work(question)\n        if not stop.is_set():\n"
            "            await sock.sendto(result, client)",
        ),
        "25: ben never got an answer to `job 2`, though the work for it ended at 6.01 s, after the stop, and nobody "
        "has sent its result. At 6.01 s this line has asked whether `stop` is set, and it was. That is for who takes "
        "questions; those that have been taken are answered after the stop as well",
    ),
    "who sends ends at the stop": (
        """\
import trio
async def serve(port, work, stop):
    send, receive = trio.open_memory_channel(100)
    async def answer(question, client):
        await send.send((await work(question), client))
    async def sender():
        while not stop.is_set():
            await sock.sendto(*await receive.receive())
    async def listen():
        while True:
            question, client = await sock.recvfrom(65535)
            working.start_soon(answer, question, client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as working:
            working.start_soon(sender)
            async with trio.open_nursery() as listening:
                listening.start_soon(listen)
                await stop.wait()
                listening.cancel_scope.cancel()
""",
        "7: ben never got an answer to `job 2`, though the work for it ended at 6.01 s, after the stop, and nobody has "
        "sent its result. At 4.01 s this line has asked whether `stop` is set, and it was. That is for who takes "
        "questions; those that have been taken are answered after the stop as well",
    ),
    "who sends is cancelled with who listens": (
        """\
import trio
async def serve(port, work, stop):
    send, receive = trio.open_memory_channel(100)
    async def answer(question, client):
        await send.send((await work(question), client))
    async def sender():
        async for r, c in receive: await sock.sendto(r, c)
    async def listen():
        while True:
            question, client = await sock.recvfrom(65535)
            working.start_soon(answer, question, client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as working:
            async with trio.open_nursery() as listening:
                listening.start_soon(sender)
                listening.start_soon(listen)
                await stop.wait()
                listening.cancel_scope.cancel()
""",
        "5: ben never got an answer to `job 2`, though the work for it ended at 6.01 s, after the stop, and nobody has "
        "sent its result. What has been taken before the stop is answered after it as well: is what sends it cancelled "
        "then, or does it send nothing once it was told to stop?",
    ),
    "sends nothing, after the stop": (
        find("stop").solution.replace(
            "await work(question), client", "await work(question) * (not stop.is_set()), client"
        ),
        "24: ben had asked `job 2`, and what came for it is b''. That is not what `work` returns for it, b'643002'",
    ),
    "looks once a second": (
        """\
import trio
async def serve(port, work, stop):
    async def answer(question, client):
        await sock.sendto(await work(question), client)
    async def listen():
        while True:
            with trio.move_on_after(1) as sc:
                question, client = await sock.recvfrom(65535)
            if sc.cancelled_caught:
                if stop.is_set(): return
                continue
            if not stop.is_set():
                working.start_soon(answer, question, client)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as working:
            working.start_soon(listen)
""",
        "8: serve has returned at 55 s. It was told to stop at 54.3 s, and had answered all that it had taken at 53 s. "
        "At 54.4 s it waited in this line. Is anything to be waited for then?",
    ),
    "answers when all is done": (
        """\
import trio
async def serve(port, work, stop):
    held = []
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async def answer(question, client):
            held.append((await work(question), client))
        async with trio.open_nursery() as working:
            with trio.CancelScope() as scope:
                async def w():
                    await stop.wait(); scope.cancel()
                working.start_soon(w)
                while True:
                    working.start_soon(answer, *await sock.recvfrom(999))
        for each in held: await sock.sendto(*each)
""",
        "15: the work for `job 1` was done at 0.51 s, and this line has sent its result at 6.01 s: what is done can be "
        "answered at once",
    ),
    "works in tasks of no nursery": (
        """\
import trio
async def serve(port, work, stop):
    async def answer(question, client):
        await sock.sendto(await work(question), client)
    async def listen():
        while True:
            trio.lowlevel.spawn_system_task(answer, *await sock.recvfrom(65535))
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as listening:
        listening.start_soon(listen)
        await stop.wait()
        listening.cancel_scope.cancel()
""",
        "7: this line starts a system task, which is in no nursery of your program: who cancels `serve` does",
    ),
    "ends all when the first one is done": (
        """\
import trio
async def serve(port, work, stop):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        done = trio.Event()
        async def answer(question, client):
            await sock.sendto(await work(question), client)
            if stop.is_set(): done.set()
        async with trio.open_nursery() as working:
            async def listen():
                while True:
                    working.start_soon(answer, *await sock.recvfrom(999))
            working.start_soon(listen)
            await stop.wait()
            await done.wait()
            working.cancel_scope.cancel()
""",
        "7: ben had asked `job 2` at 1 s, and the work for it was cancelled at 3.76 s, after the stop at 3 s. It had "
        "been taken, so ben still waits for the answer",
    ),
    "has room for half of a question": (
        find("stop").solution.replace("65535", "3"),
        "28: `work` was called with b'job', which nobody has asked. This line takes 3 bytes of a datagram, and the "
        "rest is thrown away: what came is b'job 1'",
    ),
    "works at something else": (
        find("stop").solution.replace("work(question)", "work(question.upper())"),
        "24: `work` was called with b'JOB 1', which nobody has asked",
    ),
    "works at nothing": (
        find("stop").solution.replace("work(question)", 'work(b"")'),
        "24: `work` was called with b'', which nobody has asked",
    ),
    "gives the work a str": (
        find("stop").solution.replace("work(question)", "work(question.decode())"),
        "24: your program raised TypeError: `work` takes the bytes of a question, and was given a str: `text.encode()` "
        "is bytes",
    ),
    "works at the same for all": (
        find("stop").solution.replace("work(question)", 'work(b"job 1")'),
        "24: ben had asked `job 2`, and what came for it is b'",
    ),
    "reads, and does nothing": (
        find("stop").solution.replace("await sock.sendto(await work(question), client)", "pass"),
        "28: anna asked `job 1` at 0.5 s, before the server was told to stop at 3 s, and was never answered: it was "
        "read in this line, and `work` was not called for it",
    ),
    "says first that it has heard": (
        find("stop").solution.replace(
            "await sock.sendto(await work(question), client)",
            'await sock.sendto(b"taken", client)\n        await sock.sendto(await work(question), client)',
        ),
        "24: anna had asked `job 1`, and what came for it is b'taken', besides what `work` returns for it, b'485498'. "
        "A question is answered once",
    ),
    "connects its socket, to answer": (
        find("stop").solution.replace(
            "await sock.sendto(await work(question), client)",
            "result = await work(question)\n        await sock.connect(client)\n        await sock.send(result)",
        ),
        "25: ben asked `job 2` at 1 s, before the server was told to stop at 3 s, and was never answered. At 0.51 s "
        "this line has connected the server's socket to port 32768 of anna, and a connected socket hears nobody else",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("stop", source, tmp_path).startswith(message)
