"""Lesson 10: the duplicate that charged twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, refused
from trio_udp.learn import find

if TYPE_CHECKING:
    from pathlib import Path


def test_the_exercise_charges_twice(tmp_path: Path) -> None:
    assert refused("charged", find("charged").exercise, tmp_path) == (
        "18: anna has paid twice for the order `anna 1 250`: it was charged at 1.05 s, and again at 3.05 s. The "
        "answer, "
        "sent at 1.55 s, was lost, so the same order was sent again. That somebody has seen no answer does not mean "
        "that nothing was done"
    )


LOOP = """
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(handle, *await sock.recvfrom(65535))
"""

LIBRARY = """\
import trio_udp

async def serve(port, charge):
    async def handler(datagram):
        return await charge(datagram.data)

    await trio_udp.serve_udp(GUARDED, port)
"""

RIGHT = {
    "solution": find("charged").solution,
    "library": LIBRARY.replace("GUARDED", "trio_udp.cache_replies(handler, key=lambda one: one.data)"),
    "one after the other": """\
import trio

async def serve(port, charge):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    receipts = {}
    while True:
        order, customer = await sock.recvfrom(65535)
        if order not in receipts:
            receipts[order] = await charge(order)
        await sock.sendto(receipts[order], customer)
""",
    "who comes again waits": f"""\
import trio

class Sale:
    def __init__(self):
        self.receipt, self.done = b"", trio.Event()

async def serve(port, charge):
    sales = {{}}
    async def handle(order, customer):
        key = tuple(order.split()[:2])
        if key in sales:
            await sales[key].done.wait()
        else:
            sale = sales[key] = Sale()
            sale.receipt = await charge(order)
            sale.done.set()
        await sock.sendto(sales[key].receipt, customer)
{LOOP}""",
}


def test_who_asks_from_another_port_is_answered_there(tmp_path: Path) -> None:
    first = f"""\
import trio

async def serve(port, charge):
    receipts, first = {{}}, {{}}
    async def handle(order, customer):
        first.setdefault(order, customer)
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        if receipts[order]:
            await sock.sendto(receipts[order], first[order])
{LOOP}"""
    assert refused("charged", first, tmp_path) == (
        "11: dora asks for the order `dora 1 470` from another port each time, and was answered at one that it had "
        "left: send the receipt to whoever has sent this datagram, not to whoever was first"
    )


@pytest.mark.parametrize("name", RIGHT)
def test_what_charges_once_passes(name: str, tmp_path: Path) -> None:
    assert judged("charged", RIGHT[name], tmp_path) is None


REMEMBER = f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        key = KEY
        if key not in receipts:
            receipts[key] = await charge(order)
        await sock.sendto(receipts[key], customer)
{LOOP}"""

WRONG = {
    "remembers too late": (
        REMEMBER.replace("KEY", "order"),
        "8: ben has paid twice for the order `ben 1 250`: it was charged at 2.05 s, and again at 4.05 s. The same "
        "order "
        "was sent again, since the bank was still at work for the first: known already, but not done",
    ),
    "holds only those that wait": (
        f"""\
import trio

async def serve(port, charge):
    locks, receipts = {{}}, {{}}
    async def handle(order, customer):
        if order.startswith(b"carla"):
            await sock.sendto(await charge(order), customer)
        else:
            async with locks.setdefault(order, trio.Lock()):
                if order not in receipts:
                    receipts[order] = await charge(order)
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "7: carla has paid twice for the order `carla 1 990`: it was charged at 3.05 s, and again at 3.05 s. It was "
        "sent "
        "once, and the network has delivered it twice, as networks do at times",
    ),
    "one order for each customer": (
        find("charged").solution.replace("if order not in", "order = order[:3]\n        if order not in"),
        "29: the order `anna 1 250` came at 1.05 s, and was never charged: it was taken for `ann`, and answered with "
        "the receipt of that",
    ),
    "one order for each address": (
        find("charged")
        .solution.replace("receipts[order]", "receipts[customer]")
        .replace("if order not in", "if customer not in"),
        "28: the order `anna 2 250` came at 20.1 s, and was never charged: it was taken for `anna 1 250`, and answered "
        "with the receipt of that",
    ),
    "an order for each address": (
        find("charged")
        .solution.replace("receipts[order]", "receipts[order, customer]")
        .replace("if order not in", "if (order, customer) not in"),
        "25: dora has paid twice for the order `dora 1 470`: it was charged at 6.05 s, and again at 8.05 s. The "
        "answer, "
        "sent at 6.55 s, was lost, so the same order was sent again, from another port: a program that is started "
        "anew has a new one. Which order it is stands in the order",
    ),
    "the library's, for each address": (
        LIBRARY.replace("GUARDED", "trio_udp.cache_replies(handler, key=lambda one: (one.address, one.data))"),
        "5: dora has paid twice for the order `dora 1 470`: it was charged at 6.05 s, and again at 8.05 s. The answer, "
        "sent at 6.55 s, was lost, so the same order was sent again, from another port: a program that is started "
        "anew has a new one. Which order it is stands in the order",
    ),
    "one number for all": (
        f"""\
import trio

async def serve(port, charge):
    known = {{}}
    async def handle(order, customer):
        key = order.split()[1]
        if key not in known:
            known[key] = None
            known[key] = await charge(order)
        if known[key] is not None:
            await sock.sendto(known[key], customer)
{LOOP}""",
        "11: the order `ben 1 250` came at 2.05 s, and was never charged: it was taken for `anna 1 250`, and answered "
        "with the receipt of that",
    ),
    "says nothing the second time": (
        f"""\
import trio

async def serve(port, charge):
    known = set()
    async def handle(order, customer):
        if order not in known:
            known.add(order)
            await sock.sendto(await charge(order), customer)
{LOOP}""",
        "8: anna has sent the order `anna 1 250` 6 times, and never got an answer: what this line sent at 1.55 s was "
        "lost, and not sent again. It was charged, and nobody knows it",
    ),
    "has no time for a slow bank": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = b""
            with trio.move_on_after(3):
                receipts[order] = await charge(order)
        if receipts[order]:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "9: ben has sent the order `ben 1 250` 6 times, and never got an answer. It was charged in this line, and "
        "nobody knows it",
    ),
    "another receipt the second time": (
        f"""\
import trio

async def serve(port, charge):
    known = set()
    async def handle(order, customer):
        if order in known:
            await sock.sendto(b"you have paid", customer)
        else:
            known.add(order)
            await sock.sendto(await charge(order), customer)
{LOOP}""",
        "7: anna was answered b'you have paid' to `anna 1 250`, which is not what charge has returned for it",
    ),
    "charges nobody": (
        f"""\
import trio

async def serve(port, charge):
    async def handle(order, customer):
        await sock.sendto(b"123456", customer)
{LOOP}""",
        "the order `anna 1 250` came at 1.05 s, and was never charged",
    ),
    "ends": (
        "async def serve(port, charge):\n    pass\n",
        "serve has returned, at 0 s. A server goes on",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("charged", source, tmp_path) == message
