"""The orders of this lesson, and what a run tells of one of them: when it came, when it was charged, what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..._look import arrivals, sent

if TYPE_CHECKING:
    from ..._played import Carried, Run

SERVER = ("10.0.0.1", 7)
DELAY = 0.05  # seconds, each way
PROMPT = 0.5  # seconds after which an order has been kept waiting


class Order(NamedTuple):
    """Who orders when, in seconds, and how long the bank needs."""

    customer: str
    time: float
    data: bytes
    bank: float


# The answer is lost. It comes again when the server has been there for a minute: for those who forget all of it then.
LATE = Order("ben", 59.0, b"ben 3 75", 0.5)

ORDERS = (
    Order("anna", 1.0, b"anna 1 250", 0.5),  # the answer is lost
    Order("ben", 2.0, b"ben 1 250", 5.0),  # asks again meanwhile
    Order("carla", 3.0, b"carla 1 990", 0.5),  # is doubled
    Order("anna", 20.0, b"anna 2 250", 5.0),  # the same once more, and meant; from the same socket
    Order("dora", 6.0, b"dora 1 470", 0.5),  # the answer is lost, twice; each time from another socket
    Order("ben", 20.5, b"ben 2 120", 5.0),  # with anna's bank at work
    Order("dora", 21.0, b"dora 2 300", 5.0),  # with two banks at work
    Order("carla", 21.5, b"carla 2 640", 0.5),  # with three
    Order("anna", 27.0, b"anna 3 80", 0.5),
    Order("anna", 30.0, b"anna 4 120", 0.5),
    # Doubled, too. Both come at one instant, and which task Trio lets go on first then is a matter of chance: who is
    # right only if it is a certain one is so with all of twelve in one play of some thousand.
    *(Order("carla", 21.0 + 3 * number, b"carla %d 15" % number, 0.1) for number in range(3, 13)),
    LATE,
)

# Sent once more when nearly all is over, from another socket: it was charged long ago, and others since then, three of
# them by the same customer.
AFTER = Order("anna", 55.0, b"anna 1 250", 0.5)


def next_time(order: Order) -> float:
    """When the same customer sends something else, or the same when nearly all is over."""
    return min(
        (each.time for each in (*ORDERS, AFTER) if each.customer == order.customer and each.time > order.time),
        default=1e9,
    )


def charges_of(run: Run, order: Order) -> list[tuple[float, bytes, int | None]]:
    """When it was charged, with which receipt, and in which line."""
    return [(time, receipt, line) for data, time, receipt, line in run.notes.get("charged", ()) if data == order.data]


def asked_for(run: Run, order: Order) -> list[Carried]:
    """How its customer has sent it, until something else was next."""
    mine = sent(run, order.customer, "server")
    return [each for each in mine if each.data == order.data and order.time <= each.time < next_time(order)]


def receipts_sent(run: Run, order: Order) -> list[Carried]:
    """What was sent of the receipt that was given first."""
    receipt = charges_of(run, order)[0][1]
    return [each for each in sent(run, "server", order.customer) if each.data == receipt]


def cuts_of(run: Run, order: Order) -> list[float]:
    """When the program has cancelled what waited for the bank."""
    return [time for data, time in run.notes.get("cut", ()) if data == order.data]


def when_it_came(run: Run, order: Order) -> list[float]:
    """Each time, also when nearly all is over."""
    return [time for time, each in arrivals(run, "server", order.customer) if each.data == order.data]
