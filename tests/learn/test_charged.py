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
        "19: anna has paid twice for the order `anna 1 250`: it was charged at 1.05 s, and again at 3.05 s. The "
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
    "a lock for each order": f"""\
import trio

async def serve(port, charge):
    locks, receipts = {{}}, {{}}
    async def handle(order, customer):
        async with locks.setdefault(order, trio.Lock()):
            if order not in receipts:
                receipts[order] = await charge(order)
        await sock.sendto(receipts[order], customer)
{LOOP}""",
    "a look now and then": f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def pay(order):
        receipts[order] = await charge(order)
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            nursery.start_soon(pay, order)
        while receipts[order] is None:
            await trio.sleep(0.25)
        await sock.sendto(receipts[order], customer)
{LOOP}""",
    "a list of who waits": """\
import trio

async def serve(port, charge):
    receipts, waiting = {}, {}
    async def pay(order):
        receipts[order] = await charge(order)
        for customer in waiting.pop(order):
            await sock.sendto(receipts[order], customer)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            while True:
                order, customer = await sock.recvfrom(65535)
                if order in receipts:
                    await sock.sendto(receipts[order], customer)
                elif order in waiting:
                    waiting[order].add(customer)
                else:
                    waiting[order] = {customer}
                    nursery.start_soon(pay, order)
""",
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
        "30: the order `anna 1 250` came at 1.05 s, and was never charged: it was taken for `ann`, and answered with "
        "the receipt of that",
    ),
    "one order for each address": (
        find("charged")
        .solution.replace("receipts[order]", "receipts[customer]")
        .replace("if order not in", "if customer not in"),
        "29: the order `anna 2 250` came at 20.1 s, and was never charged: it was taken for `anna 1 250`, and answered "
        "with the receipt of that",
    ),
    "an order for each address": (
        find("charged")
        .solution.replace("receipts[order]", "receipts[order, customer]")
        .replace("if order not in", "if (order, customer) not in"),
        "26: dora has paid twice for the order `dora 1 470`: it was charged at 6.05 s, and again at 8.05 s. The "
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
        "nobody knows it: the call was cancelled at 5.05 s, which gives nobody the money back: it was taken when "
        "`charge` was called",
    ),
    "calls again where it is slow": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = b""
            while not receipts[order]:
                with trio.move_on_after(3):
                    receipts[order] = await charge(order)
        if receipts[order]:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "10: ben has paid twice for the order `ben 1 250`: it was charged at 2.05 s, and again at 5.05 s. The call was "
        "cancelled at 5.05 s, which gives nobody the money back: it was taken when `charge` was called",
    ),
    "orders as text": (
        find("charged").solution.replace("charge(order)", "charge(order.decode())"),
        "26: your program raised TypeError: string argument without an encoding. Datagrams are bytes, and a str is "
        'text: b"..." is bytes, and so is text.encode()',
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
        "5: the order `anna 1 250` came at 1.05 s, and was never charged: this line has answered b'123456' to it, and "
        "what `charge` returns is the receipt",
    ),
    "charges what it knows": (
        find("charged")
        .solution.replace("if order not in", "if order in")
        .replace("receipt = receipts[order]", 'receipt = receipts.get(order, b"")'),
        "29: the order `anna 1 250` came at 1.05 s, and was never charged: this line has answered b'' to it, and what "
        "`charge` returns is the receipt",
    ),
    "reads, and does nothing": (
        f"import trio\n\nasync def serve(port, charge):\n    async def handle(order, customer):\n        pass\n{LOOP}",
        "11: the order `anna 1 250` came at 1.05 s, and was never charged. It was read in this line",
    ),
    "reads nothing": (
        """\
import trio

async def serve(port, charge):
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    await trio.sleep_forever()
""",
        "3: the order `anna 1 250` came at 1.05 s, and was never charged, and nobody has read it",
    ),
    "ends": (
        "async def serve(port, charge):\n    pass\n",
        "1: serve has returned, at 0 s. A server goes on",
    ),
    "one order, and no loop": (
        find("charged").solution.replace("            while True:", "            if True:"),
        "35: serve has returned, at 1.55 s. A server goes on. What it has read in this line, at 1.05 s, was the last: "
        "b'anna 1 250'",
    ),
    "binds nothing": (
        find("charged").solution.replace("        await sock.bind", "        # await sock.bind"),
        "19: the order `anna 1 250` was sent at 1 s, and was never charged: nobody was listening at 10.0.0.1 port 7 "
        "when it came. A socket hears there if `bind` has given it that port",
    ),
    "answers from another port": (
        find("charged").solution.replace(
            "            await sock.sendto(receipt, customer)",
            "            with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as another:\n"
            "                await another.sendto(receipt, customer)",
        ),
        "30: anna had sent the order `anna 1 250` to port 7, and was answered from port 32769: from another address. "
        "Who asks a server can believe only what comes from where the question went",
    ),
    "answers only who asks again": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        elif receipts[order]:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "8: the bank said yes to the order `anna 1 250` at 1.55 s, and nothing was sent to anna before the same order "
        "came again, at 3.05 s. Whoever has sent an order gets the receipt as soon as it is there, and does not have "
        "to ask twice",
    ),
    "a task that charges, and no more": (
        f"""\
import trio

async def serve(port, charge):
    known = set()
    async def handle(order, customer):
        if order not in known:
            known.add(order)
            nursery.start_soon(charge, order)
{LOOP}""",
        "8: anna has sent the order `anna 1 250` 6 times, and never got an answer. It was charged by a task that this "
        "line has started, and what the function of a task returns goes to nobody: the task that charges has to send "
        "the receipt",
    ),
    "one customer for all": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    last = None
    async def handle(order, customer):
        nonlocal last
        last = customer
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        if receipts[order]:
            await sock.sendto(receipts[order], last)
{LOOP}""",
        "13: this line sent ben's receipt, that for `ben 1 250`, to dora. What a task reads of its surroundings may be "
        "another's by the time that it gets there; what it is given as an argument stays its own",
    ),
    "sends what is not there yet": (
        find("charged").solution.replace("if receipt is not None", "if True"),
        "29: your program raised TypeError: memoryview: a bytes-like object is required, not 'NoneType'. What it "
        "was to send is None, and datagrams are bytes. Just then, at "
        "3.05 s, the order `carla 1 990` had come once more, and the bank was still at work for the first: it is "
        "known, and has no receipt yet. There is nothing to send then; the first will be answered",
    ),
    "looks for what is not there yet": (
        f"""\
import trio

async def serve(port, charge):
    receipts, known = {{}}, set()
    async def handle(order, customer):
        if order not in known:
            known.add(order)
            receipts[order] = await charge(order)
        await sock.sendto(receipts[order], customer)
{LOOP}""",
        "9: your program raised KeyError: b'carla 1 990'. Just then, at 3.05 s, the order `carla 1 990` had come once "
        "more, and the bank was still at work for the first: it is known, and has no receipt yet. There is nothing to "
        "send then; the first will be answered",
    ),
    "one after the other": (
        """\
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
        "10: carla's order `carla 1 990` came at 3.05 s, and was charged at 7.05 s: it had to wait for ben's bank, at "
        "work in this line from 2.05 s to 7.05 s. Nothing but the same order has to wait for that",
    ),
    "one lock for all": (
        f"""\
import trio

async def serve(port, charge):
    lock, receipts = trio.Lock(), {{}}
    async def handle(order, customer):
        async with lock:
            if order not in receipts:
                receipts[order] = await charge(order)
        await sock.sendto(receipts[order], customer)
{LOOP}""",
        "8: carla's order `carla 1 990` came at 3.05 s, and was charged at 7.05 s: it had to wait for ben's bank, at "
        "work in this line from 2.05 s to 7.05 s. Nothing but the same order has to wait for that",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("charged", source, tmp_path) == message
