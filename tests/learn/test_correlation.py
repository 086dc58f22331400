"""Lesson 6: the late reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path


def test_the_exercise_takes_the_late_reply(tmp_path: Path) -> None:
    assert refused("correlation", find("correlation").exercise, tmp_path) == (
        "17: look_up says that `snow` means b'831877', but that is the answer to `rain`. It came at 0.375 s, "
        "and once more at 0.625 s, when your program waited for another one. Nobody has looked whose answer it is"
    )


NUMBERED = """\
import trio
async def look_up(server, words):
    found = []
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for number, word in enumerate(words):
            number = b"%02d" % number
            await sock.sendto(number + word, server)
"""

RIGHT = {
    "solution": find("correlation").solution,
    "all at once": """\
import trio, trio_udp

async def ask(client, word, found):
    found[word] = (await client.request(b"%02d" % len(found) + word))[2:]

async def look_up(server, words):
    found = dict.fromkeys(words)
    client = await trio_udp.open_udp_client(*server, correlate=lambda data: data[:2])
    async with client, trio.open_nursery() as nursery:
        for number, word in enumerate(words):
            nursery.start_soon(ask, client, b"%02d" % number, word, found)
    return list(found.values())
""".replace("client, word, found):", "client, number, word, found):").replace(
        'b"%02d" % len(found) + word', "number + word"
    ),
    "accept": find("correlation")
    .solution.replace(", correlate=number_of", "")
    .replace("client.request(question)", "client.request(question, accept=lambda answer: answer[:2] == question[:2])"),
    "a loop that looks": f"""{NUMBERED}
            while True:
                answer, _ = await sock.recvfrom(100)
                if answer.startswith(number):
                    found.append(answer[2:])
                    break
    return found
""",
    "a socket for each question": """\
import trio
async def look_up(server, words):
    found = []
    for word in words:
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.sendto(b"??" + word, server)
            found.append((await sock.recv(100))[2:])
    return found
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_looks_whose_reply_it_is_passes(name: str, tmp_path: Path) -> None:
    assert judged("correlation", RIGHT[name], tmp_path) is None


WRONG = {
    "text": (
        find("correlation").solution.replace("answer[2:]", "answer[2:].decode()"),
        "16: look_up says that `rain` means '831877', and the server has answered b'831877'. That is a str, and the ",
    ),
    "the text of bytes": (
        find("correlation").solution.replace('b"%02d" % number + word', 'f"{number:02}{word}".encode()'),
        "22: your program has not asked for `rain`, with two bytes in front: the last that it has asked is "
        "b\"00b'rain'\"",
    ),
    "returns after the first": (
        find("correlation").solution.replace("    return meanings", "            return meanings"),
        "16: your program has not asked for `snow`, with two bytes in front: look_up has returned [b'831877'] before",
    ),
    "a plain socket": (
        f"""{NUMBERED}
            found.append((await sock.recv(100))[2:])
    return found
""",
        "9: look_up says that `snow` means b'831877', but that is the answer to `rain`. ",
    ),
    "takes every other one": (
        f"""{NUMBERED}
            found.append((await sock.recv(100))[2:])
            await sock.recv(100)
    return found
""",
        "10: your program waits for ever in this line",
    ),
    "looks whether it had that before": (
        f"""{NUMBERED}
            answer = await sock.recv(100)
            if found and answer[2:] == found[-1]:
                answer = await sock.recv(100)
            found.append(answer[2:])
    return found
""",
        "9: look_up says that `frost` means b'",
    ),
    "looks whether it had that meaning before": (
        find("correlation")
        .solution.replace(", correlate=number_of", "")
        .replace("request(question)", "request(question, accept=lambda answer: answer[2:] not in meanings)"),
        "22: your program raised NoReply here, but the answer to b'04mist' came, at 1.88 s: b'04861881'. It was not "
        "taken for one. Only their first two bytes are the same",
    ),
    "looks at one of the bytes": (
        find("correlation").solution.replace("return data[:2]", "return data[1]"),
        "22: look_up says that `storm` means b'601693', but that is the answer to `snow`. It came at 0.75 s, and once "
        "more at 4.25 s, when your program waited for another one. Nobody has looked whose answer it is",
    ),
    "says that all are the same": (
        find("correlation").solution.replace("return meanings", "return meanings[2:3] * 12"),
        "16: look_up says that `rain` means b'861881', but that is the answer to `wind` and to `mist`. Answers may "
        "come in another order",
    ),
    "reads another socket": (
        """\
import trio
async def look_up(server, words):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for number, word in enumerate(words):
            await sock.sendto(b"%02d" % number + word, server)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock, trio.move_on_after(1):
        return [await sock.recv(100) for _ in words]
""",
        "2: look_up has returned None; it should return a list of 12 meanings, in order. The answer of `server`, sent "
        "at 0.563 s, came to nobody: it went to the socket that had asked in line 5, and that was closed by then. ",
    ),
    "waits until no copy can come": (
        find("correlation")
        .exercise.replace("import trio_udp", "import trio, trio_udp")
        .replace("            meanings", "            await trio.sleep(1)\n            meanings"),
        "17: look_up has taken 16.5 s, and the answers need 4.5. Here it asked at 0 s and then at 1.38 s. Who waits "
        "until no copy can be on its way any more never knows how long that is; who looks whose answer it is need not "
        "wait",
    ),
    "the same number for all": (
        find("correlation").solution.replace('b"%02d" % number', "b'01'"),
        "22: look_up says that `snow` means b'831877', but that is the answer to `rain`. ",
    ),
    "asks nobody": (
        "async def look_up(server, words):\n    return [b'123456'] * 12\n",
        "1: your program has not asked for `rain`, with two bytes in front: look_up has returned [b'123456', ",
    ),
    "without the bytes": (
        f"""{NUMBERED.replace("number + word", "word")}
            with trio.move_on_after(1):
                await sock.recv(100)
    return words
""",
        "2: your program has not asked for `rain`, with two bytes in front: look_up has returned [b'rain', ",
    ),
    "in no order": (
        find("correlation").solution.replace("return meanings", "return meanings[::-1]"),
        "16: look_up says that `rain` means b'614973', but that is the answer to `storm`. Answers may come in another "
        "order than the words have, and the meanings are to be in that of the words",
    ),
    "some are missing": (
        find("correlation").solution.replace("return meanings", "return meanings[1:]"),
        "16: look_up has returned [b'",
    ),
    "a dictionary": (
        find("correlation").solution.replace("return meanings", "return dict(zip(words, meanings))"),
        "16: look_up has returned a dict; it should return a list of 12 meanings, in order",
    ),
    "the whole answer": (
        find("correlation").solution.replace("answer[2:]", "answer"),
        "22: look_up says that `rain` means b'00831877'. That is the whole answer; its first two bytes are those of "
        "the question, and what comes after them is the meaning",
    ),
    "what they do not share": (
        find("correlation").solution.replace("return data[:2]", "return data[2:]"),
        "22: your program raised NoReply here, but the answer to b'00rain' came, at 0.375 s: b'00831877'. It was not "
        "taken for one. Only their first two bytes are the same",
    ),
    "accepts nothing": (
        find("correlation").solution.replace("request(question)", "request(question, accept=lambda answer: False)"),
        "22: your program raised NoReply here, but the answer to b'00rain' came, at 0.375 s: b'00831877'. It was not "
        "taken for one. Only their first two bytes are the same",
    ),
    "accepts with two arguments": (
        find("correlation").solution.replace("request(question)", "request(question, accept=lambda q, a: True)"),
        "22: your program raised NoReply here, but the answer to b'00rain' came, at 0.375 s: b'00831877'. It was not "
        "taken for one, since `accept` raised TypeError. It is called with one thing only, the bytes of an answer",
    ),
    "accepts by what an answer has not": (
        find("correlation").solution.replace("request(question)", "request(question, accept=lambda a: a[99])"),
        "22: your program raised NoReply here, but the answer to b'00rain' came, at 0.375 s: b'00831877'. It was not "
        "taken for one, since `accept` raised IndexError. It is called with",
    ),
    "an async function as key": (
        find("correlation").solution.replace("def number_of", "async def number_of"),
        "11: `number_of` has to be a plain function here, `def number_of(...)`, since it is called without `await`: "
        "what an async one returns is a coroutine object, which is always true, and equal to no other",
    ),
    "an async function that accepts": (
        find("correlation")
        .solution.replace("def number_of", "async def number_of")
        .replace(", correlate=number_of", "")
        .replace("request(question)", "request(question, accept=number_of)"),
        "11: `number_of` has to be a plain function here, `def number_of(...)`, since it is called without `await`: ",
    ),
    "has no time for an answer": (
        find("correlation").solution.replace(
            "request(question)", "request(question, retry=trio_udp.Retry(attempts=1, first=0.1))"
        ),
        "22: your program raised NoReply: no reply from 10.0.0.1 port 7",
    ),
    "asks for words only": (
        find("correlation").solution.replace('b"%02d" % number + word', "word"),
        "22: your program has not asked for `rain`, with two bytes in front",
    ),
    "asks again when another answer comes": (
        find("correlation")
        .solution.replace(", correlate=number_of", "")
        .replace(
            "            meanings.append",
            "            while answer[:2] != question[:2]:\n"
            "                answer = await client.request(question)\n            meanings.append",
        ),
        "24: this asks for `snow` at 0.375 s, and again at 0.625 s, when a late answer to another word has come. The "
        "answer to `snow` is still under way then: it takes 0.375 s, and nothing is lost here. Each question more "
        "brings one answer more, which comes late: ",
    ),
    "waits for less than an answer takes": (
        find("correlation").solution.replace("request(question)", "request(question, retry=trio_udp.Retry(first=0.1))"),
        "22: this asks for `rain` at 0 s, and again at ",
    ),
    "sends each question three times at once": (
        f"""{NUMBERED}
            await sock.sendto(number + word, server)
            await sock.sendto(number + word, server)
            while True:
                answer, _ = await sock.recvfrom(100)
                if answer.startswith(number):
                    found.append(answer[2:])
                    break
    return found
""",
        "9: this asks for `rain` at 0 s, and again at 0 s. The answer to `rain` is still under way then: it takes "
        "0.375 s, and nothing is lost here. Each question more brings one answer more, which comes late: 36 questions "
        "for 12 words",
    ),
    "in the order in which they come": (
        """\
import trio, trio_udp

async def ask(client, question, found):
    found.append((await client.request(question))[2:])

async def look_up(server, words):
    found = []
    async with await trio_udp.open_udp_client(*server, correlate=lambda data: data[:2]) as client:
        async with trio.open_nursery() as nursery:
            for number, word in enumerate(words):
                nursery.start_soon(ask, client, b"%02d" % number + word, found)
    return found
""",
        "6: look_up says that `rain` means b'601693', but that is the answer to `snow`",
    ),
    "makes it up": (
        find("correlation").solution.replace("return meanings", "return [b'?'] * 12"),
        "16: look_up says that `rain` means b'?', and the server has answered b'831877'",
    ),
    "has no key": (
        find("correlation").solution.replace("return data[:2]", "return None"),
        "22: your program raised ValueError: ",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("correlation", source, tmp_path).startswith(message)
