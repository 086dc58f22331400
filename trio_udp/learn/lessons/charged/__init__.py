"""Lesson 10: who gets no answer asks again, and what has an effect must not have it again.

Three things bring an order twice: its answer is lost, its answer takes longer than the customer waits, and the network
doubles it. Where it comes from says nothing: a customer's second order comes from the same port, and the same order
once more from another one, as from a program that was started anew. A receipt is a number of no pattern, another one
each time that money is taken.
"""

from __future__ import annotations

from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import trio

from ....faults import Drop, Link
from ..._lesson import Lesson
from ..._look import arrivals, lost, sent
from ..._verdict import Finding, went_wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....faults import InFlight
    from ..._learner import Learner
    from ..._played import Carried, Run

SERVER = ("10.0.0.1", 7)
CUSTOMERS = {"anna": "10.0.0.2", "ben": "10.0.0.3", "carla": "10.0.0.4", "dora": "10.0.0.5"}
UNLUCKY = (CUSTOMERS["anna"], CUSTOMERS["dora"])  # the first answer to each of them is lost
MOVES = "dora"
DELAY = 0.05  # seconds, each way
AGAIN = 2.0  # seconds that a customer waits before asking again
TRIES = 6


class Order(NamedTuple):
    """Who orders when, in seconds, and how long the bank needs."""

    customer: str
    time: float
    data: bytes
    bank: float


ORDERS = (
    Order("anna", 1.0, b"anna 1 250", 0.5),  # the answer is lost
    Order("ben", 2.0, b"ben 1 250", 5.0),  # asks again meanwhile
    Order("carla", 3.0, b"carla 1 990", 0.5),  # is doubled
    Order("anna", 20.0, b"anna 2 250", 0.5),  # the same once more, and meant; from the same socket
    Order("dora", 6.0, b"dora 1 470", 0.5),  # the answer is lost; each time from another socket
)

QUESTION = """\
`charge(order)` takes the money for an order, when it is called, and returns the
receipt, as soon as the bank has said yes. An order is bytes like `anna 1 250`:
who, which of the customer's orders, and how much. Your server sends the receipt
to whoever has sent the order.

A customer who has no answer after 2 seconds sends the same again, perhaps from
another port, and some pay twice. Take the money once for each order, and still
answer each customer, who may have missed the first answer. `serve(port,
charge)` goes on for ever.
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
        await trio.sleep(banks.get(bytes(order), 0))
        return receipt

    async def serve() -> None:
        await learner.call("serve", SERVER[1], charge)
        learner.note("over", trio.current_time())

    async with learner.network(Link(delay=DELAY)) as network, trio.open_nursery() as nursery:
        with network.host(SERVER[0], name="server"):
            nursery.start_soon(serve)
        hosts = {name: network.host(address, name=name) for name, address in CUSTOMERS.items()}
        network.set_link("carla", "server", Link(delay=DELAY, duplicate=1.0))
        with network.rule(_lose_the_first_answer):
            async with trio.open_nursery() as customers:
                for name, host in hosts.items():
                    with host:
                        customers.start_soon(_buy, name)
        learner.over()
        nursery.cancel_scope.cancel()


def _lose_the_first_answer(flight: InFlight) -> Drop | None:
    is_first = flight.source[0] == SERVER[0] and flight.destination[0] in UNLUCKY and flight.n == 1
    return Drop("loss") if is_first else None


async def _buy(customer: str) -> None:
    with ExitStack() as sockets:
        sock = _socket(sockets)
        for order in ORDERS:
            if order.customer == customer:
                await trio.sleep_until(order.time)
                for attempt in range(TRIES):
                    sock = _socket(sockets) if attempt and customer == MOVES else sock
                    await sock.sendto(order.data, SERVER)
                    with trio.move_on_after(AGAIN):
                        await sock.recvfrom(65535)
                        break
                with trio.move_on_after(3 * AGAIN):
                    while True:
                        await sock.recvfrom(65535)


def _socket(sockets: ExitStack) -> trio.socket.SocketType:
    return sockets.enter_context(trio.socket.socket(type=trio.socket.SOCK_DGRAM))


def check(run: Run) -> Iterator[Finding]:
    yield from went_wrong(run, "raised", "floods", "spins")
    for time in run.notes.get("over", ()):
        yield Finding(f"serve has returned, at {time:.3g} s. A server goes on", time=time)
    for order in ORDERS:
        yield from _charged_once(run, order)
        yield from _answered(run, order)


def _charges(run: Run, order: Order) -> list[tuple[float, bytes, int | None]]:
    """When it was charged, with which receipt, and in which line."""
    return [(time, receipt, line) for data, time, receipt, line in run.notes.get("charged", ()) if data == order.data]


def _sent(run: Run, order: Order) -> list[Carried]:
    return [each for each in sent(run, order.customer, "server") if each.data == order.data]


def _charged_once(run: Run, order: Order) -> Iterator[Finding]:
    charges, what = _charges(run, order), order.data.decode()
    came = [time for time, each in arrivals(run, "server", order.customer) if each.data == order.data]
    if not charges:
        when = (
            f"came at {came[0]:.3g} s, and was"
            if came
            else f"was sent at {order.time:.3g} s, when nobody listened, and"
        )
        why, line = _taken_for_another(run, order)
        yield Finding(f"the order `{what}` {when} never charged{why}", line or run.ending.line, order.time)
    if len(charges) > 1:
        (first, _, _), (second, _, line) = charges[:2]
        yield Finding(
            f"{order.customer} has paid twice for the order `{what}`: it was charged at {first:.3g} s, and again at "
            f"{second:.3g} s. {_why(run, order, second)}",
            line,
            second,
        )


def _taken_for_another(run: Run, order: Order) -> tuple[str, int | None]:
    """Which order it was answered as, and in which line; nothing, if it was not."""
    receipts = {receipt: data.decode() for data, _, receipt, _ in run.notes.get("charged", ())}
    for time, answer in arrivals(run, order.customer, "server"):
        if time > order.time and answer.data in receipts:
            another = receipts[answer.data]
            return f": it was taken for `{another}`, and answered with the receipt of that", answer.line
    return "", None


def _why(run: Run, order: Order, second: float) -> str:
    gone = [each for each in lost(run, "server", order.customer) if each.time < second]
    ports = {each.source_port for each in _sent(run, order) if each.time < second}
    if gone and len(ports) > 1:
        return (
            f"The answer, sent at {gone[0].time:.3g} s, was lost, so the same order was sent again, from another port: "
            "a program that is started anew has a new one. Which order it is stands in the order"
        )
    if gone:
        return (
            f"The answer, sent at {gone[0].time:.3g} s, was lost, so the same order was sent again. That somebody has "
            "seen no answer does not mean that nothing was done"
        )
    if any(each.data == order.data and len(each.delivered) > 1 for each in sent(run, order.customer)):
        return "It was sent once, and the network has delivered it twice, as networks do at times"
    return "The same order was sent again, since the bank was still at work for the first: known already, but not done"


def _answered(run: Run, order: Order) -> Iterator[Finding]:
    questions, what = _sent(run, order), order.data.decode()
    until = min(
        (each.time for each in ORDERS if each.customer == order.customer and each.time > order.time), default=1e9
    )
    answers = [(time, each) for time, each in arrivals(run, order.customer, "server") if order.time < time < until]
    if not answers:
        yield _never_answered(run, order)
    elif not any(_is_at_the_port_that_asks(time, answer, questions) for time, answer in answers):
        time, answer = answers[-1]
        yield Finding(
            f"{order.customer} asks for the order `{what}` from another port each time, and was answered at one that "
            "it had left: send the receipt to whoever has sent this datagram, not to whoever was first",
            answer.line,
            time,
        )
    for time, answer in answers:
        if answer.data not in [receipt for _, receipt, _ in _charges(run, order)]:
            yield Finding(
                f"{order.customer} was answered {answer.data!r} to `{what}`, which is not what charge has returned "
                "for it",
                answer.line,
                time,
            )


def _never_answered(run: Run, order: Order) -> Finding:
    """At the line that has sent the only answer, which was lost; or that has charged, if there was none."""
    words = (
        f"{order.customer} has sent the order `{order.data.decode()}` {len(_sent(run, order))} times, and never got "
    )
    time, receipt, line = _charges(run, order)[-1]
    for gone in lost(run, "server", order.customer):
        if gone.data == receipt:
            words += f"an answer: what this line sent at {gone.time:.3g} s was lost, and not sent again. "
            return Finding(f"{words}It was charged, and nobody knows it", gone.line, gone.time)
    return Finding(f"{words}an answer. It was charged in this line, and nobody knows it", line, time)


def _is_at_the_port_that_asks(time: float, answer: Carried, questions: Sequence[Carried]) -> bool:
    asked = [each.source_port for each in questions if each.time <= time]
    return not asked or answer.destination_port == asked[-1]


LESSON = Lesson(
    number=10,
    name="charged",
    title="the duplicate that charged twice",
    question=QUESTION,
    hints=HINTS,
    stage=stage,
    check=check,
)
