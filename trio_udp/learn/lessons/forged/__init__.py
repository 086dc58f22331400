"""Lesson 4: anybody may send to a port, and write any address on it.

There are three who forge. Eve sees the questions, as somebody on the same wireless network does, and knows their
numbers; but her provider lets nothing out that has another's address (RFC 2827 asks providers for that). Mallory's
provider does, so she sends as the server; but she sees nothing, and tries the number of the question before. Both need
the port of the program: Eve sees it, and Mallory is taken to have guessed it, since there are few. The third, a
neighbour, is on the server's own machine: her host is the server's, and her port is not.

Most numbers are letters, since pictures are for people. The last one is what such numbers are in fact, any four bytes,
and its answer has the same bytes in it once more: who takes them for text, or takes them off as often as they come,
finds out.
"""

from __future__ import annotations

from random import Random
from string import ascii_letters
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ....testing._ip import parse_ip
from ....testing._mailbox import Mailbox
from ..._lesson import Lesson
from ._check import PATIENCE, ROUNDS, SERVER, WORK, check

if TYPE_CHECKING:
    from ....testing import Host
    from ..._learner import Learner

DELAY = 0.01  # seconds, each way
EVERY = 0.25  # seconds between two that are forged
BINARY = b"\xe9\x00 \xff"  # the number of the last round

# Seconds between two rounds: nothing that is forged in one comes in the next.
PAUSE = 10.0

QUESTION = f"""\
The server needs half a second for its answer. Meanwhile others answer, to the
port that your program has. Some have seen your question, but have to send from
addresses of their own; one of them is on the server's host, at another port.
One has not seen it, but sends with the address of the server.

`ask(server, number)` sends four bytes that nobody can guess, and its question.
It is to return what the server has answered, without these bytes, or None when
the server has said nothing for {PATIENCE:.0f} seconds, whatever else has come.
It is called {len(ROUNDS)} times, with another number each time.
"""

HINTS = (
    "How does your program know that the server has sent what it returns?",
    "`recvfrom` gives two things. Compare the address with the server's, and the first four bytes of the answer with "
    "the number. And then? What is wrong says nothing about what may still come.",
    "Receive in a loop, `while True:`, inside of the `move_on_after`; return only if `address == server and "
    "answer[:4] == number`.",
)


async def stage(learner: Learner) -> None:
    random = Random(4)
    numbers = ["".join(random.choices(ascii_letters, k=4)).encode() for _ in ROUNDS[:-1]] + [BINARY]
    answers, eves, mallorys, neighbours = ([b"%06d" % random.randrange(10**6) for _ in ROUNDS] for _ in range(4))
    answers[-1] = BINARY + answers[-1]
    learner.note("numbers", numbers)
    learner.note("answers", answers)
    learner.note("forged", {"eve": eves, "mallory": mallorys, "neighbour": neighbours})

    async def answer(question: bytes, client: tuple[str, int]) -> None:
        if question[:4] not in numbers:
            return
        place = numbers.index(question[:4])
        with eve:
            nursery.start_soon(_from_herself, client, question[:4] + eves[place], ROUNDS[place].eve)
        with server:
            nursery.start_soon(_from_herself, client, question[:4] + neighbours[place], ROUNDS[place].neighbour)
        with mallory:
            nursery.start_soon(
                _as_the_server, mallory, client, numbers[place - 1] + mallorys[place], ROUNDS[place].mallory
            )
        await trio.sleep(WORK)
        if ROUNDS[place].answers:
            await sock.sendto(question[:4] + answers[place], client)

    async def serve() -> None:
        while True:
            nursery.start_soon(answer, *await sock.recvfrom(65535))

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        eve, mallory = network.host("10.0.0.66", name="eve"), network.host("10.0.0.99", name="mallory")
        with network.host(SERVER[0], name="server") as server, trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(SERVER)
            nursery.start_soon(serve)
            with network.host("10.0.0.2", name="you"):
                for number in numbers:
                    began = trio.current_time()
                    learner.note("rounds", [began, await learner.call("ask", SERVER, number), trio.current_time()])
                    await trio.sleep(PAUSE)
            learner.over(len(ROUNDS))
            nursery.cancel_scope.cancel()


async def _from_herself(client: tuple[str, int], data: bytes, times: int) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as own:
        for _ in range(times):
            await trio.sleep(EVERY)
            await own.sendto(data, client)


async def _as_the_server(host: Host, client: tuple[str, int], data: bytes, times: int) -> None:
    await trio.sleep(EVERY / 2)
    for _ in range(times):
        await trio.sleep(EVERY)
        forge(host, SERVER, client, data)


def forge(host: Host, source: tuple[str, int], destination: tuple[str, int], data: bytes) -> None:
    """Send a datagram that says it comes from somewhere else; in pictures it comes from there.

    Whoever may use raw sockets can do that wherever nobody prevents it (RFC 2827 asks providers to). A plain socket
    cannot, so the host is handed a datagram of one that is none of its own.
    """
    mailbox = Mailbox(host, trio.socket.AF_INET, 0)
    mailbox.listen_at(parse_ip(source[0]), source[1])
    host.send(mailbox, source, parse_ip(destination[0]), destination[1], data)


LESSON = Lesson(
    number=4,
    name="forged",
    title="the forged reply",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
