"""Lesson 11: a file over a network that loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path

SOLUTION = find("transfer").solution


def test_the_exercise_brings_another_file(tmp_path: Path) -> None:
    assert refused("transfer", find("transfer").exercise, tmp_path) == (
        "20: file 1 has 5,711 bytes, and what has come has 5,500; from byte 1,000 on it is another one. "
        "send has read b'ok' in this line, at 0.2 s, and gone on to what is next. But what it had sent "
        "last, at 0.2 s, was lost: so that was the answer to something before it"
    )


HEAD = """\
import struct
import trio, trio_udp

def socket():
    return trio.socket.socket(type=trio.socket.SOCK_DGRAM)

async def ask(sock, datagram, receiver, header):
    while True:
        await sock.sendto(datagram, receiver)
        with trio.move_on_after(0.5):
            while await sock.recv(100) != header:
                pass
            return

async def send(data, receiver):
    sock = socket()
    for start in range(0, len(data), 900):
        header = struct.pack("!II", start, len(data))
        await ask(sock, header + data[start:start+900], receiver, header)
    if not data:
        await ask(sock, struct.pack("!II", 0, 0), receiver, struct.pack("!II", 0, 0))

"""

ONE_BIT = (
    SOLUTION.replace("number.to_bytes(2", "(number % 2).to_bytes(1")
    .replace("expected.to_bytes(2", "expected.to_bytes(1")
    .replace("datagram[:2], datagram[2:]", "datagram[:1], datagram[1:]")
    .replace("expected += 1", "expected = 1 - expected")
)

# The end is a word.
WORD = """\
import trio

BLOCK = 500


async def ask(sock, datagram, receiver, ok):
    while True:
        await sock.sendto(datagram, receiver)
        with trio.move_on_after(0.5):
            while True:
                if ok(await sock.recv(100)):
                    return

async def send(data, receiver):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    for number, start in enumerate(range(0, len(data), BLOCK)):
        header = number.to_bytes(2, "big")
        await ask(sock, header + data[start:start + BLOCK], receiver, lambda answer: answer == header)
    await ask(sock, b"END", receiver, lambda answer: answer == b"END")
async def receive(port):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    parts = {}
    with trio.CancelScope() as scope:
        while True:
            datagram, sender = await sock.recvfrom(2000)
            if datagram == b"END":
                scope.deadline = min(scope.deadline, trio.current_time() + 5)
                await sock.sendto(b"END", sender)
            else:
                parts[datagram[:2]] = datagram[2:]
                await sock.sendto(datagram[:2], sender)
    sock.close()
    return b"".join(part for _, part in sorted(parts.items()))
"""

RIGHT = {
    "solution": SOLUTION,
    "a word for the end": WORD,
    "places instead of numbers": f"""{HEAD}
async def receive(port):
    parts, rest = {{}}, None
    sock = socket()
    await sock.bind(("0.0.0.0", port))
    while rest != 0:
        datagram, sender = await sock.recvfrom(2000)
        start, size = struct.unpack("!II", datagram[:8])
        parts[start] = datagram[8:]
        rest = size - sum(map(len, parts.values()))
        await sock.sendto(datagram[:8], sender)
    with trio.move_on_after(4):
        while True:
            datagram, sender = await sock.recvfrom(2000)
            await sock.sendto(datagram[:8], sender)
    sock.close()
    return bytearray().join(part for _, part in sorted(parts.items()))
""",
    "one bit for a number": ONE_BIT,
    "library": """\
import trio, trio_udp

async def send(data, receiver):
    retry = trio_udp.Retry(attempts=30, first=0.25, multiplier=1.0, jitter=0.0)
    parts = [data[start:start + 900] for start in range(0, len(data), 900)]
    async with await trio_udp.open_udp_client(*receiver, correlate=lambda data: data[:2]) as client:
        for number, part in enumerate([*parts, b""]):
            await client.request(number.to_bytes(2, "big") + part, retry=retry)

async def receive(port):
    parts = {}
    async def handler(datagram):
        header, part = datagram.data[:2], datagram.data[2:]
        parts[header] = part
        if not part:
            nursery.cancel_scope.deadline = min(nursery.cancel_scope.deadline, trio.current_time() + 6)
        return header
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio_udp.serve_udp, handler, port)
    return b"".join(part for _, part in sorted(parts.items()))
""",
    "a mark for the last block": """\
import trio
async def send(data, receiver):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    blocks = [data[start:start + 800] for start in range(0, len(data), 800)] or [b""]
    for number, block in enumerate(blocks):
        head = bytes([number, number == len(blocks) - 1])
        while True:
            await sock.sendto(head + block, receiver)
            with trio.move_on_after(0.3):
                while await sock.recv(10) != head:
                    pass
                break
async def receive(port):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    data, expected, end = b"", 0, float("inf")
    while True:
        with trio.move_on_at(end) as scope:
            datagram, sender = await sock.recvfrom(2000)
            if datagram[0] == expected:
                data += datagram[2:]
                expected += 1
                if datagram[1]:
                    end = trio.current_time() + 4
            await sock.sendto(datagram[:2], sender)
        if scope.cancelled_caught:
            sock.close()
            return data
""",
    "the size first": """\
import trio
async def ask(sock, to, datagram):
    while True:
        await sock.sendto(datagram, to)
        with trio.move_on_after(0.4):
            while (await sock.recv(100)) != datagram[:5]:
                pass
            return
async def send(data, receiver):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await ask(sock, receiver, b"S0000" + b"%d" % len(data))
    for start in range(0, len(data), 600):
        await ask(sock, receiver, b"D%04d" % start + data[start:start + 600])
async def receive(port):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    size, got = None, {}
    async def listen():
        nonlocal size
        while True:
            datagram, sender = await sock.recvfrom(2000)
            if datagram[:1] == b"S":
                size = int(datagram[5:])
            else:
                got[int(datagram[1:5])] = datagram[5:]
            await sock.sendto(datagram[:5], sender)
            if size == sum(map(len, got.values())):
                done.set()
    done = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await done.wait()
        await trio.sleep(6)
        nursery.cancel_scope.cancel()
    sock.close()
    return b"".join(got[start] for start in sorted(got))
""",
    "the whole block for an answer": SOLUTION.replace(
        "== header\n", "== header + data[start : start + BLOCK]\n", 1
    ).replace("sendto(header, sender)", "sendto(datagram, sender)"),
    "in another form": "import base64\n\n"
    + SOLUTION.replace(
        "receiver: tuple[str, int]) -> None:\n",
        "receiver: tuple[str, int]) -> None:\n    data = base64.b85encode(data)\n",
        1,
    ).replace("return data\n", "return base64.b85decode(data)\n"),
    "small blocks": SOLUTION.replace("BLOCK = 500", "BLOCK = 50"),
    "the solution of lesson 12": find("window").solution,
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_brings_the_same_file_passes(name: str, tmp_path: Path) -> None:
    assert judged("transfer", RIGHT[name], tmp_path) is None


ANY_ANSWER = SOLUTION.replace("arrived = await sock.recv(65535) == header", "await sock.recv(65535); arrived = True")


STAYS_BRIEFLY = SOLUTION.replace("+ 5", "+ 1")

GIVES_UP = SOLUTION.replace(
    "            while not arrived:\n                await",
    "            for _ in range(6):\n                if arrived: break\n                await",
)

FLOOD = """\
import trio

async def send(data, receiver):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    for number, start in enumerate(range(0, len(data) + 500, 500)):
        for _ in range(10):
            await sock.sendto(number.to_bytes(2, "big") + data[start:start+500], receiver)

async def receive(port):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    parts, last = {}, None
    while last is None or len(parts) <= last:
        datagram = await sock.recv(2000)
        number = int.from_bytes(datagram[:2], "big")
        parts[number] = datagram[2:]
        last = number if not datagram[2:] else last
    sock.close()
    return b"".join(part for _, part in sorted(parts.items()))
"""

END_ANY = SOLUTION.replace("await sock.recv(65535) == header", "await sock.recv(65535) == header or start >= len(data)")

WRONG = {
    "never sends the rest": (
        SOLUTION.replace(
            "range(0, len(data) + BLOCK, BLOCK)", "[*range(0, len(data) // BLOCK * BLOCK, BLOCK), len(data)]"
        ),
        "21: file 1 has 5,711 bytes, and what has come has 5,500. Bytes 5,500 to 5,710 of it were never "
        "sent: in this line send has sent 5,500 of 5,711 bytes",
    ),
    "fills the last block": (
        SOLUTION.replace(
            "data[start : start + BLOCK]",
            '(data[start : start + BLOCK].ljust(BLOCK, b".") if start < len(data) else b"")',
        ),
        "33: file 1 has 5,711 bytes, and what has come has 6,000. It is all there, and at its end stands "
        "b'......................................",
    ),
    "sorts numbers as text": (
        SOLUTION.replace('data, expected = b"", 0', 'data, expected, blocks = b"", 0, {}')
        .replace("data += block", "blocks[str(expected)] = block")
        .replace("return data", 'return b"".join(block for _, block in sorted(blocks.items()))'),
        "33: file 1 has 5,711 bytes, and what has come has 5,711; from byte 1,000 on it is another one. "
        "Some of it is not in its place",
    ),
    "stays for minutes": (
        SOLUTION.replace("trio.current_time() + 5", "trio.current_time() + 200"),
        "33: receive stays for too long: it returned 200 s after send, with another file, and with file 3, "
        "which is empty, it still waits at 600 s, when the lesson ends. Some seconds are enough for who "
        "asks again",
    ),
    "says all often, and reads nothing": (
        """\
import trio

async def send(data, receiver):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for number, start in enumerate(range(0, len(data) + 500, 500)):
            for _ in range(30):
                await sock.sendto(number.to_bytes(2, "big") + data[start : start + 500], receiver)
                await trio.sleep(0.2)

"""
        + SOLUTION[SOLUTION.index("async def receive") :],
        "7: file 1: send has returned at 78 s, when it had read none of the 255 answers that had come. So "
        "it cannot know that the file is there",
    ),
    "never sends the first block": (
        SOLUTION.replace("range(0, len", "range(BLOCK, len"),
        "21: file 1 has 5,711 bytes, and what has come has 5,211; from byte 0 on it is another one. Bytes 0 "
        "to 499 of it were never sent: in this line send has sent 5,211 of 5,711 bytes",
    ),
    "never sends the first block, and says how many come": (
        RIGHT["places instead of numbers"].replace("range(0, len(data), 900)", "range(900, len(data), 900)"),
        "9: receive waits for ever, for file 1. Bytes 0 to 899 of it were never sent: in this line send has "
        "sent 4,811 of 5,711 bytes; send has returned at 5.6 s",
    ),
    "sends no more than the first block": (
        SOLUTION.replace("data[start : start + BLOCK]", "data[start:BLOCK]"),
        "21: file 1 has 5,711 bytes, and what has come has 500. Bytes 500 to 5,710 of it were never sent: in "
        "this line send has sent 500 of 5,711 bytes",
    ),
    "does not keep the first block": (
        SOLUTION.replace("data += block", "data += block if expected else b''"),
        "33: file 1 has 5,711 bytes, and what has come has 5,211; from byte 0 on it is another one. Something"
        " is missing, though all that was sent had arrived: receive has not kept it",
    ),
    "keeps what stands in front of a block": (
        SOLUTION.replace("data += block", "data += datagram"),
        "33: file 1 has 5,711 bytes, and what has come has 5,737; from byte 0 on it is another one. Each "
        "block has 2 bytes more: b'\\x00\\x00' stands before byte 0, b'\\x00\\x01' before byte 500. That was in "
        "front of them in the datagrams: receive has kept it",
    ),
    "keeps a part of what stands in front of a block": (
        SOLUTION.replace("data += block", "data += datagram[1:]"),
        "33: file 1 has 5,711 bytes, and what has come has 5,724; from byte 0 on it is another one. Each "
        "block has 1 byte more: b'\\x00' stands before byte 0, b'\\x01' before byte 500. That was in front of "
        "them in the datagrams: receive has kept it",
    ),
    "keeps what stands in front, and what comes twice": (
        SOLUTION.replace("data += block", "data += datagram").replace(
            'if header == expected.to_bytes(2, "big")', "if True"
        ),
        "33: file 1 has 5,711 bytes, and what has come has 7,243; from byte 0 on it is another one. The same "
        "502 bytes came at 3.75 s and at 3.75 s",
    ),
    "puts something between blocks": (
        SOLUTION.replace("data += block", "data += block + b'\\n'"),
        "33: file 1 has 5,711 bytes, and what has come has 5,724; from byte 500 on it is another one. Each "
        "block has 1 byte more: b'\\n' stands before byte 500, b'\\n' before byte 1,000",
    ),
    "small blocks, and keeps what stands in front of them": (
        SOLUTION.replace("BLOCK = 500", "BLOCK = 10").replace("data += block", "data += datagram"),
        "33: file 1 has 5,711 bytes, and what has come has 6,857; from byte 0 on it is another one. Each "
        "block has 2 bytes more: b'\\x00\\x00' stands before byte 0, b'\\x00\\x01' before byte 10. That was in "
        "front of them in the datagrams: receive has kept it",
    ),
    "small blocks, and never sends the first": (
        SOLUTION.replace("BLOCK = 500", "BLOCK = 10").replace("range(0, len", "range(BLOCK, len"),
        "33: file 1 has 5,711 bytes, and what has come has 5,701; from byte 0 on it is another one. Something"
        " is missing, though all that was sent had arrived: was it sent, and has receive kept it?",
    ),
    "sends blocks that overlap": (
        SOLUTION.replace("start + BLOCK]", "start + BLOCK + 7]"),
        "21: file 1 has 5,711 bytes, and what has come has 5,788; from byte 507 on it is another one. Each "
        "block has 7 bytes more: the blocks that are sent in this line overlap, and bytes 500 to 506 are at "
        "the end of one and at the beginning of the next",
    ),
    "answers nothing": (
        SOLUTION.replace("            await sock.sendto(header, sender)\n", ""),
        "33: 948 datagrams have come to receiver, from 0.05 s on, and it has answered none of them. What "
        "comes is read in this line: sender cannot know that it is there",
    ),
    "leaves too soon": (
        SOLUTION.replace("+ 5", "+ 0.01"),
        "24: send waits for ever in this line, with file 2. At 16.5 s receive has returned, and is gone; but "
        "its last answer was lost, and who asks again now asks nobody",
    ),
    "leaves too soon, and asks often": (
        SOLUTION.replace("+ 5", "+ 0.01").replace("move_on_after(0.5)", "move_on_after(0.11)"),
        "21: send goes on for ever in this line, with file 2. At 9.05 s receive has returned, and is gone; "
        "but its last answer was lost, and who asks again now asks nobody",
    ),
    "stays for a second": (
        STAYS_BRIEFLY,
        "24: send waits for ever in this line, with file 3, which is empty. At 44.5 s receive has returned, "
        "and is gone; but its last answer was lost, and who asks again now asks nobody",
    ),
    "gives up after the sixth attempt": (
        GIVES_UP,
        "22: receive waits for ever, for file 1: what sender sent in this line, 6 times until 2.7 s, was "
        "lost, and not sent again; send has returned at 8.2 s. It has never come, and no answer that send has"
        " read since then can have said so: it has to be sent until one does",
    ),
    "asks again before an answer can be there": (
        SOLUTION.replace("move_on_after(0.5)", "move_on_after(0.01)"),
        "21: sender sends all of its 21 datagrams again before an answer can be there: this one after 0.01 s."
        " An answer takes 0.1 s, so until then nobody can know whether it is needed: who sends again waits "
        "for longer than that",
    ),
    "has no end but a shorter block": (
        SOLUTION.replace("len(data) + BLOCK, BLOCK", "max(len(data), 1), BLOCK")
        .replace("not block:", "len(block) < BLOCK:")
        .replace("BLOCK = 500", "BLOCK = 600"),
        "33: receive waits for ever in this line, for file 2; send has returned at 20.5 s, and all that it "
        "has sent has come, once at least: is there nothing that says where the end is, or was it thrown "
        "away, or does receive stay for so long?",
    ),
    "sends nothing of nothing": (
        SOLUTION.replace("len(data) + BLOCK, BLOCK", "len(data) + BLOCK if data else 0, BLOCK"),
        "33: receive waits for ever in this line, for file 3, which is empty; send has returned at 51.4 s, "
        "and has sent nothing: how is receive to know that there is nothing?",
    ),
    "takes three seconds for everything": (
        SOLUTION.replace("trio.CancelScope() as scope", "trio.move_on_after(3) as scope"),
        "33: file 1 has 5,711 bytes, and what has come has 1,000. Something is missing: receive has returned "
        "at 3 s, before it had come",
    ),
    "has no end but silence": (
        SOLUTION.replace("len(data) + BLOCK, BLOCK", "len(data), BLOCK").replace(
            "            datagram, sender = await sock.recvfrom(65535)\n",
            "            scope.deadline = trio.current_time() + 5\n"
            "            datagram, sender = await sock.recvfrom(65535)\n",
        ),
        "14: file 3, which is empty: send has returned at 51.2 s, when nothing had been sent. So it cannot "
        "know that the file is there",
    ),
    "takes a silence for the end": (
        SOLUTION.replace("                if not block:\n    ", "").replace(
            "        while True:\n            datagram",
            "        while True:\n            scope.deadline = trio.current_time() + 5\n            datagram",
        ),
        "24: send waits for ever in this line, with file 3, which is empty. receive has returned at 36.9 s, "
        "when nothing of it had been sent, and is gone",
    ),
    "takes zeros for nothing": (
        SOLUTION.replace("return data\n", "return data.strip(bytes(1))\n"),
        "33: file 2 has 3,000 bytes, and what has come has 0. Something is missing, though all that was sent had "
        "arrived: receive has not kept it",
    ),
    "an answer that names no block": (
        SOLUTION.replace("== header\n", "== b'ok'\n", 1).replace("sendto(header, sender)", "sendto(b'ok', sender)"),
        "24: send has read b'ok' in this line, at 0.2 s, and gone on to what is next. But what it had sent "
        "last, at 0.2 s, was lost: so that was the answer to something before it. Now receive waits for ever,"
        " for file 1",
    ),
    "an answer that names a block, and nobody looks": (
        ANY_ANSWER,
        "24: send has read b'\\x00\\x01' in this line, at 0.2 s, and gone on to what is next. But what it had "
        "sent last, at 0.2 s, was lost: so that was the answer to something before it. Now receive waits for "
        "ever, for file 1",
    ),
    "an answer that is never equal": (
        SOLUTION.replace("== header\n", "== number\n", 1),
        "24: the same 502 bytes were sent 1,201 times, from 0 s on. Meanwhile 734 answers came, and one was "
        "read in this line at 0.1 s: b'\\x00\\x00'. But send went on as if none had come",
    ),
    "an answer that is never equal, and not waited for": (
        SOLUTION.replace("== header\n", "== number\n", 1).replace("move_on_after(0.5)", "move_on_after(0.11)"),
        "24: the same 502 bytes were sent 2,243 times, from 0 s on. Meanwhile 1,346 answers came, and one was"
        " read in this line at 0.1 s: b'\\x00\\x00'. But send went on as if none had come",
    ),
    "an answer that nobody reads": (
        SOLUTION.replace("                with trio.move_on_after(0.5):\n", "                await trio.sleep(0.5)\n")
        .replace("                    while not arrived:\n", "")
        .replace("                        arrived = await sock.recv(65535) == header\n", ""),
        "21: the same 502 bytes were sent 1,201 times, from 0 s on. Meanwhile 255 answers came, and nobody has "
        "read one",
    ),
    "knows a block by what is in it": (
        """\
import trio

async def send(data, receiver):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    for start in range(0, len(data) + 500, 500):
        block, arrived = data[start:start+500], False
        while not arrived:
            await sock.sendto(block, receiver)
            with trio.move_on_after(0.5):
                while not arrived:
                    arrived = await sock.recv(2000) == block

async def receive(port):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    blocks = []
    with trio.CancelScope() as scope:
        while True:
            block, sender = await sock.recvfrom(2000)
            if block not in blocks:
                blocks.append(block)
            if not block:
                scope.deadline = trio.current_time() + 5
            await sock.sendto(block, sender)
    sock.close()
    return b"".join(blocks)
""",
        "19: file 2 has 3,000 bytes, and what has come has 500. Something is missing, though all that was sent "
        "had arrived: receive has not kept it",
    ),
    "all in one": (
        SOLUTION.replace("BLOCK = 500", "BLOCK = 5000"),
        "21: this sends a datagram of 5,002 bytes, and 1,000 are the most that it may have",
    ),
    "sends once": (
        SOLUTION.replace("trio.move_on_after(0.5)", "trio.move_on_after(1000)"),
        "21: what sender sent in this line, at 0.2 s, was lost, and nobody sends it again. So your program "
        "waits for ever, in lines 24 and 33",
    ),
    "asks nobody whether it is there": (
        SOLUTION.replace("await sock.recv(65535) == header", "True"),
        "21: send has returned at 0 s, when what sender sent in this line, at 0 s, was still on its way: nobody can "
        "have said that it is there. Now receive waits for ever, for file 1",
    ),
    "sends all ten times, and asks nobody": (
        FLOOD,
        "7: file 1: send has returned at 0 s, when nothing had arrived. So it cannot know that the file is there",
    ),
    "sends all ten times, and waits a while": (
        FLOOD.replace("async def receive", "    await trio.sleep(5)\n\nasync def receive"),
        "7: file 1: send has returned at 5 s, when no answer had arrived. So it cannot know that the file is there",
    ),
    "gives up after the third attempt": (
        SOLUTION.replace(
            "            while not arrived:\n                await",
            "            for _ in range(3):\n                if arrived: break\n                await",
        ),
        "22: receive waits for ever, for file 1: what sender sent in this line, 3 times until 1.2 s, was "
        "lost, and not sent again; send has returned at 5.7 s. It has never come, and no answer that send has"
        " read since then can have said so: it has to be sent until one does",
    ),
    "answers only what is new": (
        SOLUTION.replace("            await sock.sendto(header, sender)\n", "").replace(
            "                expected += 1\n",
            "                expected += 1\n                await sock.sendto(header, sender)\n",
        ),
        "38: what receiver answered at 4.65 s was lost. So the same 502 bytes came again, at 5.15 s for the "
        "first time, and were not answered any more: sender cannot know that they are there already",
    ),
    "answers only what it has, and takes any answer": (
        ANY_ANSWER.replace(
            "            await sock.sendto(header, sender)\n",
            "            if int.from_bytes(header, 'big') < expected:\n"
            "                await sock.sendto(header, sender)\n",
        ),
        "24: send has read b'\\x00\\x01' in this line, at 0.2 s, and gone on to what is next. But what it had "
        "sent last, at 0.2 s, was lost: so that was the answer to something before it. Now both wait for ever",
    ),
    "one bit for a number, and takes any answer": (
        ONE_BIT.replace("arrived = await sock.recv(65535) == header", "await sock.recv(65535); arrived = True"),
        "24: send has read b'\\x01' in this line, at 0.2 s, and gone on to what is next. But what it had sent "
        "last, at 0.2 s, was lost: so that was the answer to something before it. Now receive waits for ever,"
        " for file 1",
    ),
    "one bit for a number, and an answer without one": (
        ONE_BIT.replace("== header\n", "== b'ok'\n", 1).replace("sendto(header, sender)", "sendto(b'ok', sender)"),
        "24: send has read b'ok' in this line, at 0.2 s, and gone on to what is next. But what it had sent "
        "last, at 0.2 s, was lost: so that was the answer to something before it. Now receive waits for ever,"
        " for file 1",
    ),
    "one bit for a number, and a receiver that looks at none": (
        ONE_BIT.partition("async def receive")[0].replace("== header", "!= b''")
        + "async def receive"
        + find("transfer").exercise.partition("async def receive")[2],
        "24: send has read b'ok' in this line, at 0.2 s, and gone on to what is next. But what it had sent "
        "last, at 0.2 s, was lost: so that was the answer to something before it. Now receive waits for ever,"
        " for file 1",
    ),
    "takes any answer, and a receiver that keeps what is new": (
        find("transfer").exercise.replace("data += block", "data += block if block not in data else b''"),
        "20: file 1 has 5,711 bytes, and what has come has 4,500; from byte 1,000 on it is another one. send "
        "has read b'ok' in this line, at 0.2 s, and gone on to what is next. But what it had sent last, at "
        "0.2 s, was lost: so that was the answer to something before it",
    ),
    "never answers": (
        SOLUTION.replace("            await sock.sendto(header, sender)\n", ""),
        "33: 948 datagrams have come to receiver, from 0.05 s on, and it has answered none of them. What "
        "comes is read in this line: sender cannot know that it is there",
    ),
    "never reads": (
        SOLUTION.replace("        while True:\n", "        while True:\n            await trio.sleep_forever()\n"),
        "27: 159 datagrams have come to receiver, from 0.05 s on, and it has read none of them",
    ),
    "answers at its own port": (
        SOLUTION.replace("sendto(header, sender)", "sendto(header, (sender[0], port))"),
        "40: the answers that were sent in this line went to port 7 of sender, where nobody listens, 666 "
        "times. What they are the answers to came from port 32768",
    ),
    "listens at another port": (
        SOLUTION.replace('bind(("0.0.0.0", port))', 'bind(("0.0.0.0", 0))'),
        "27: nobody listens at port 7 of receiver, which receive was called with: 859 datagrams have come "
        "there, and were refused",
    ),
    "returns something else": (
        SOLUTION.replace("return data\n", "return len(data)\n"),
        "27: receive has returned 5711 at 15.2 s; it should return the file, as bytes",
    ),
    "adds something": (
        SOLUTION.replace("return data\n", "return data or b'!'\n"),
        "33: file 3 has 0 bytes, and what has come has 1",
    ),
    "writes nothing": (
        find("transfer").exercise.replace("            data += block", "            data += b''"),
        "30: file 1 has 5,711 bytes, and what has come has 0. Something is missing, though a part of it had arrived",
    ),
    "takes any answer for that to the end": (
        END_ANY,
        "24: send has read b'\\x00\\x0b' in this line, at 9.7 s, and returned. But what it had sent last, at "
        "9.7 s, was lost: so that was the answer to something before it. Now receive waits for ever, for file"
        " 1",
    ),
    "a word for the end, and takes any answer to it": (
        WORD.replace('answer == b"END"', "True"),
        "11: send has read b'\\x00\\x0b' in this line, at 9.7 s, and returned. But what it had sent last, at "
        "9.7 s, was lost: so that was the answer to something before it. Now receive waits for ever, for file"
        " 1",
    ),
    "a word for the end, said once": (
        WORD.replace(
            '    await ask(sock, b"END", receiver, lambda answer: answer == b"END")\n',
            '    await sock.sendto(b"END", receiver)\n',
        ),
        "19: receive waits for ever, for file 1: what sender sent in this line, at 9.7 s, was lost, and not "
        "sent again; send has returned at 9.7 s",
    ),
    "a word for the end, said five times": (
        WORD.replace(
            '    await ask(sock, b"END", receiver, lambda answer: answer == b"END")\n',
            '    for _ in range(5):\n        await sock.sendto(b"END", receiver)\n        await trio.sleep(0.2)\n',
        ),
        "20: file 3, which is empty: send has returned at 54.1 s, when no answer had arrived. So it cannot "
        "know that the file is there",
    ),
    "takes any answer for that to the last block": (
        RIGHT["places instead of numbers"]
        .replace("!= header:", "!= header and not last:")
        .replace("receiver, header):", "receiver, header, last=False):")
        .replace("start+900], receiver, header)", "start+900], receiver, header, start + 900 >= len(data))"),
        "11: send has read b'\\x00\\x00\\x11\\x94\\x00\\x00\\x16O' in this line, at 5.1 s, and returned. But what it"
        " had sent last, at 5.1 s, was lost: so that was the answer to something before it. Now receive waits"
        " for ever, for file 1",
    ),
    "one time for all attempts": (
        SOLUTION.replace(
            "            while not arrived:\n                await", "            if True:\n                await"
        ),
        "21: receive waits for ever, for file 1: what sender sent in this line, at 2.4 s, was lost, and not "
        "sent again; send has returned at 2.9 s",
    ),
    "an answer that names what is next": (
        SOLUTION.replace("sendto(header, sender)", 'sendto(expected.to_bytes(2, "big"), sender)'),
        "24: the same 502 bytes were sent 1,201 times, from 0 s on. Meanwhile 734 answers came, and one was "
        "read in this line at 0.1 s: b'\\x00\\x01'. But send went on as if none had come",
    ),
    "begins with one": (
        SOLUTION.replace('b"", 0', 'b"", 1'),
        "33: file 1 has 5,711 bytes, and what has come has 5,211; from byte 0 on it is another one. Something"
        " is missing, though all that was sent had arrived: receive has not kept it",
    ),
    "the last block first": (
        SOLUTION.replace("data += block", "data = block + data"),
        "33: file 1 has 5,711 bytes, and what has come has 5,711; from byte 0 on it is another one. Some of "
        "it is not in its place",
    ),
    "an answer to something before": (
        SOLUTION.replace("== header\n", "<= header\n", 1),
        "24: send has read b'\\x00\\x01' in this line, at 0.2 s, and gone on to what is next. But what it had "
        "sent last, at 0.2 s, was lost: so that was the answer to something before it. Now receive waits for "
        "ever, for file 1",
    ),
    "one file for all": (
        SOLUTION.replace('    data, expected = b"", 0\n', "    global data, expected\n").replace(
            "BLOCK = 500\n", 'BLOCK = 500\ndata, expected = b"", 0\n'
        ),
        "34: receive waits for ever in this line, for file 2; send has returned at 22 s, and all that it has "
        "sent has come, once at least: is there nothing that says where the end is, or was it thrown away, or"
        " does receive stay for so long?",
    ),
    "ends with ten answers": (
        SOLUTION.replace(
            "                    scope.deadline = trio.current_time() + 5\n",
            "                    for _ in range(10):\n"
            "                        await sock.sendto(header, sender)\n"
            "                    break\n",
        ),
        "24: send waits for ever in this line, with file 1. At 10.2 s receive has returned, and is gone; but "
        "its last answer was lost, and who asks again now asks nobody",
    ),
    "does not close its socket": (
        WORD.replace("    sock.close()\n", ""),
        "22: your program raised OSError: [Errno 98] Address already in use: the socket that received the file before "
        "was bound to this port, and is still open. A socket is closed where the `with` ends that it is opened in",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert source != SOLUTION
    assert refused("transfer", source, tmp_path) == message


def test_another_way_than_the_network_is_refused(tmp_path: Path) -> None:
    source = """\
import trio
there = trio.Event()

async def send(data, receiver):
    global file
    file = data
    there.set()

async def receive(port):
    await there.wait()
    return file
"""
    assert refused("transfer", source, tmp_path) == (
        "9: receive has returned 5,711 bytes, and datagrams have brought 0: over a network there is no other way"
    )


LEAVES = SOLUTION.replace(
    "                    scope.deadline = trio.current_time() + 5\n",
    "                    await sock.sendto(header, sender)\n                    break\n",
)


@pytest.mark.parametrize("wait", ["0.2", "2.2"])
@pytest.mark.parametrize("size", ["100", "700", "990"])
@pytest.mark.parametrize("source", [ANY_ANSWER, END_ANY, LEAVES], ids=["any answer", "any to the end", "leaves"])
def test_no_luck_lets_a_mistake_pass(source: str, size: str, wait: str, tmp_path: Path) -> None:
    """With large blocks there are few of them, and chance alone would spare some programs what they are wrong about."""
    source = source.replace("BLOCK = 500", f"BLOCK = {size}").replace("move_on_after(0.5)", f"move_on_after({wait})")
    assert source.count(size) == 1
    assert judged("transfer", source, tmp_path) is not None


@pytest.mark.parametrize("seed", range(1, 6))
def test_on_other_networks_the_solution_passes_and_the_mistakes_do_not(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trio_udp.learn.lessons.transfer.SEED", seed)
    assert judged("transfer", SOLUTION, tmp_path) is None
    for source in ANY_ANSWER, END_ANY, LEAVES, STAYS_BRIEFLY, GIVES_UP:
        assert judged("transfer", source, tmp_path) is not None
