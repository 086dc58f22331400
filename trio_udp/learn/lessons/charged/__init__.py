"""Lesson 10: who gets no answer asks again, and what has an effect must not have it again.

Three things bring an order twice: its answer is lost, its answer takes longer than the customer waits, and the network
doubles it. Where it comes from says nothing: a customer's second order comes from the same port, and the same order
once more from another one, as from a program that was started anew. Nor does it say anything that later orders have
come: the first of all comes once more at the end. A receipt is a number of no pattern, another one each time that money
is taken.

For a while three banks are slow at once, for those who think that two may be: two workers, or a limiter. And one order
comes shortly before the server has been there for a minute, and again after that: for those who forget everything once
a minute, or end.
"""

from __future__ import annotations

from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING

import trio

from ....faults import Drop, Link
from ..._lesson import Lesson
from ..._serving import note_lines
from ._check import check
from ._orders import AFTER, DELAY, LATE, ORDERS, PROMPT, SERVER, next_time

if TYPE_CHECKING:
    from ....faults import InFlight
    from ..._learner import Learner
    from ._orders import Order

CUSTOMERS = {"anna": "10.0.0.2", "ben": "10.0.0.3", "carla": "10.0.0.4", "dora": "10.0.0.5"}
UNLUCKY = {CUSTOMERS["anna"]: 1, CUSTOMERS["dora"]: 2}  # so many first answers to each of them are lost
MOVES = "dora"
AGAIN = 2.0  # seconds that a customer waits before asking again
TRIES = 6

QUESTION = """\
`charge(order)` takes the money for an order, when it is called, and returns the
receipt, as soon as the bank has said yes. An order is bytes like `anna 1 250`:
who, which of the customer's orders, and how much. Your server sends the receipt
to whoever has sent the order; and nobody waits for another customer's bank.

A customer who has no answer after 2 seconds sends the same again, perhaps from
another port, and some pay twice. Take the money once for each order, and still
answer it each time that it comes: the customer may have missed all answers so
far. It may come again for a minute, also when the same customer has sent others
after it. `serve(port, charge)` goes on for ever.
"""

HINTS = (
    "A customer asks again. Which of these can have happened: the order was lost, the answer was lost, or the bank is "
    "slow? Can your server know?",
    "The same order is the same bytes. Keep the receipt of each in a dictionary, and look there before you charge.",
    "The bank takes its time, and the order may come again meanwhile. So put it into the dictionary before you await "
    "`charge`, with None for its receipt; whoever finds None has nothing to do, since the first will answer.",
)


async def stage(learner: Learner) -> None:
    random = Random(10)
    banks = {each.data: each.bank for each in ORDERS}

    async def charge(order: bytes) -> bytes:
        receipt = b"%06d" % random.randrange(10**6)
        learner.note("charged", [bytes(order), trio.current_time(), receipt, learner.line()])
        try:
            await trio.sleep(banks.get(bytes(order), 0))
        except trio.Cancelled:
            if not learner.is_over:
                learner.note("cut", [bytes(order), trio.current_time()])
            raise
        learner.note("paid", [bytes(order), trio.current_time()])
        return receipt

    async def serve(task_status: trio.TaskStatus[trio.lowlevel.Task]) -> None:
        task_status.started(trio.lowlevel.current_task())
        await learner.call("serve", SERVER[1], charge)
        learner.note("over", trio.current_time())

    note_lines(learner, SERVER[1], charge)
    learner.note("starts", learner.lines_like(r"\bstart_soon\((?:\w*\.?partial\()?\s*charge\b"))
    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        with network.host(SERVER[0], name="server"):
            server = await nursery.start(serve)
        nursery.start_soon(_look, learner, server)
        hosts = {name: network.host(address, name=name) for name, address in CUSTOMERS.items()}
        network.set_link("carla", "server", Link(delay=DELAY, duplicate=1.0))
        with network.rule(_lose_first_answers):
            async with trio.open_nursery() as customers:
                for name, host in hosts.items():
                    with host:
                        customers.start_soon(_buy, name)
                with hosts[AFTER.customer]:
                    customers.start_soon(_ask_once_more)
        learner.over()
        nursery.cancel_scope.cancel()


def _lose_first_answers(flight: InFlight) -> Drop | None:
    if flight.source[0] != SERVER[0]:
        return None
    is_first = flight.n <= UNLUCKY.get(flight.destination[0], 0)
    is_late = flight.destination[0] == CUSTOMERS[LATE.customer] and LATE.time < flight.time < LATE.time + AGAIN
    return Drop("loss") if is_first or is_late else None


async def _buy(customer: str) -> None:
    with ExitStack() as sockets:
        sock = _socket(sockets)
        for order in ORDERS:
            if order.customer == customer:
                await trio.sleep_until(order.time)
                for attempt in range(TRIES):
                    sock = _socket(sockets) if attempt and customer == MOVES else sock
                    if await _is_answered(order, sock):
                        break
                with trio.move_on_at(min(trio.current_time() + 3 * AGAIN, next_time(order))):
                    while True:
                        await sock.recvfrom(65535)


async def _look(learner: Learner, server: trio.lowlevel.Task) -> None:
    """Where the server stands when each order should have been charged."""
    for order in sorted(ORDERS, key=lambda each: each.time):
        await trio.sleep_until(order.time + PROMPT)
        learner.note("stands", [order.data, *([] if "over" in learner.notes else learner.waiting(server))])


async def _ask_once_more() -> None:
    with ExitStack() as sockets:
        await trio.sleep_until(AFTER.time)
        await _is_answered(AFTER, _socket(sockets))


async def _is_answered(order: Order, sock: trio.socket.SocketType) -> bool:
    await sock.sendto(order.data, SERVER)
    with trio.move_on_after(AGAIN):
        await sock.recvfrom(65535)
        return True
    return False


def _socket(sockets: ExitStack) -> trio.socket.SocketType:
    return sockets.enter_context(trio.socket.socket(type=trio.socket.SOCK_DGRAM))


LESSON = Lesson(
    number=10,
    name="charged",
    title="the duplicate that charged twice",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
