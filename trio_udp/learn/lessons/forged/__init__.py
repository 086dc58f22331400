"""Lesson 4: anybody may send to a port, and write any address on it.

There are three who forge. Eve sees the questions, as somebody on the same wireless network does, and knows their
numbers; but her provider lets nothing out that has another's address (RFC 2827 asks providers for that), so it is only
the port that she sends from which is the server's. Mallory's provider does, so she sends as the server; but she sees
nothing, and tries the number of the question before. When there is time for more she comes as near as one can: numbers
that differ in one byte, in each of the four, and one of the same bytes in another order. So whoever compares less than
all of them believes her. And she tries many numbers in one datagram, of which one is right by now: whoever looks for it
anywhere, and not in front alone, believes her as well. Both need the port of the program: Eve sees it, and Mallory is
taken to have guessed it, since there are few. The third, a neighbour, is on the server's own machine: her host is the
server's, and her port is not.

Once nobody sends anything, neither the server nor those who forge. Who ends the wait by a look at the clock when
something has come never ends it then: while they forge all the time nobody would see that.

Most numbers are letters, since pictures are for people. The last one is what such numbers are in fact, any four bytes,
and its answer has the same bytes in it once more: who takes them for text, or takes them off as often as they come,
finds out.
"""

from __future__ import annotations

from itertools import cycle, islice
from random import Random
from string import ascii_letters
from typing import TYPE_CHECKING

import trio

from ....faults import Link
from ....testing._ip import parse_ip
from ....testing._mailbox import Mailbox
from ..._lesson import Lesson
from ._check import DELAY, PATIENCE, ROUNDS, SERVER, WORK, check

if TYPE_CHECKING:
    from ....testing import Host
    from ..._learner import Learner

EVE = "10.0.0.66"
EVERY = 0.25  # seconds between two that are forged
BINARY = b"\xe9\x00 \xff"  # the number of the last round

# Seconds between two rounds: nothing that is forged in one comes in the next.
PAUSE = 10.0

QUESTION = f"""\
The server needs half a second for its answer. Meanwhile others answer, to the
port that your program has. Some have seen your question, but have to send from
addresses of their own: one from another host, at the port that the server has,
one from the server's host, at another port. One has not seen it, but sends with
the address of the server.

`ask(server, number)` sends four bytes that nobody can guess, and its question.
It is to return what the server has answered, without these bytes, or None when
the server has said nothing for {PATIENCE:.0f} seconds, a tenth of a second more or less,
whatever else has come, and if nothing has. It is called {len(ROUNDS)} times, with another
number each time.
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
        guesses = (numbers[place - 1], *near(question[:4]), b"xx" + question[:4])
        told = [number + mallorys[place] for number in guesses]
        seen = [question[:4] + eves[place]]
        with server:
            nursery.start_soon(_from_herself, client, question[:4] + neighbours[place], ROUNDS[place].neighbour)
        nursery.start_soon(_forge, eve, (EVE, SERVER[1]), client, seen, ROUNDS[place].eve)
        nursery.start_soon(_forge, mallory, SERVER, client, told, ROUNDS[place].mallory, EVERY / 2)
        await trio.sleep(WORK)
        if ROUNDS[place].answers:
            await sock.sendto(question[:4] + answers[place], client)

    async def serve() -> None:
        while True:
            nursery.start_soon(answer, *await sock.recvfrom(65535))

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        eve, mallory = network.host(EVE, name="eve"), network.host("10.0.0.99", name="mallory")
        with network.host(SERVER[0], name="server") as server, trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(SERVER)
            nursery.start_soon(serve)
            learner.note("stands in", learner.line_of(learner.function("ask", SERVER, b"")))
            with network.host("10.0.0.2", name="you"):
                for number in numbers:
                    learner.note("began", trio.current_time())
                    try:
                        learner.note("result", await learner.call("ask", SERVER, number))
                    finally:
                        learner.note("ended", trio.current_time())
                    await trio.sleep(PAUSE)
            learner.over(len(ROUNDS))
            nursery.cancel_scope.cancel()


async def _from_herself(client: tuple[str, int], data: bytes, times: int) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as own:
        for _ in range(times):
            await trio.sleep(EVERY)
            await own.sendto(data, client)


async def _forge(
    host: Host, source: tuple[str, int], client: tuple[str, int], forged: list[bytes], times: int, later: float = 0
) -> None:
    await trio.sleep(later)
    for data in islice(cycle(forged), times):
        await trio.sleep(EVERY)
        forge(host, source, client, data)


def near(number: bytes) -> list[bytes]:
    """Numbers that are not this one, and that who does not compare all of it takes for this one.

    A letter becomes the same letter in the other case.
    """
    other = [number[:place] + bytes([number[place] ^ 0x20]) + number[place + 1 :] for place in range(len(number))]
    return [*other, number[::-1]]


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
