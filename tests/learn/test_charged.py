"""Lesson 10: the duplicate that charged twice."""

from __future__ import annotations

import re
from random import Random
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
    "a customer's orders one after the other": f"""\
import trio

async def serve(port, charge):
    receipts, locks = {{}}, {{}}
    async def handle(order, customer):
        name = order.split()[0]
        async with locks.setdefault(name, trio.Lock()):
            if order not in receipts:
                receipts[order] = await charge(order)
        await sock.sendto(receipts[order], customer)
{LOOP}""",
    "forgets after a minute": f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def forget(order):
        await trio.sleep(60)
        del receipts[order]
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
            nursery.start_soon(forget, order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
    "somebody for each customer": """\
import trio

async def serve(port, charge):
    channels = {}
    async def work(jobs):
        receipts = {}
        async for order, customer in jobs:
            if order not in receipts:
                receipts[order] = await charge(order)
            await sock.sendto(receipts[order], customer)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        while True:
            order, customer = await sock.recvfrom(65535)
            name = order.split()[0]
            if name not in channels:
                channels[name], jobs = trio.open_memory_channel(100)
                nursery.start_soon(work, jobs)
            await channels[name].send((order, customer))
""",
    "who has asked last": f"""\
import trio

async def serve(port, charge):
    receipts, where = {{}}, {{}}
    async def handle(order, customer):
        where[order] = customer
        if order in receipts:
            if receipts[order]:
                await sock.sendto(receipts[order], customer)
            return
        receipts[order] = None
        receipts[order] = await charge(order)
        await sock.sendto(receipts[order], where[order])
{LOOP}""",
    "an event in the place of a receipt": f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = trio.Event()
            receipt = await charge(order)
            receipts[order].set()
            receipts[order] = receipt
        elif isinstance(receipts[order], trio.Event):
            await receipts[order].wait()
        await sock.sendto(receipts[order], customer)
{LOOP}""",
    "says it three times": f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        if receipts[order] is not None:
            for _ in range(3):
                await sock.sendto(receipts[order], customer)
{LOOP}""",
    "keeps the last hundred": f"""\
import trio
from collections import OrderedDict

async def serve(port, charge):
    receipts = OrderedDict()
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            while len(receipts) > 128:
                receipts.popitem(last=False)
            receipts[order] = await charge(order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
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
    "two at a time": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    limit = trio.CapacityLimiter(2)
    async def handle(order, customer):
        async with limit:
            if order not in receipts:
                receipts[order] = None
                receipts[order] = await charge(order)
            if receipts[order] is not None:
                await sock.sendto(receipts[order], customer)
{LOOP}""",
        "10: dora's order `dora 2 300` came at 21.1 s, and was charged at 25.1 s: it had to wait for anna's bank, at "
        "work in this line from 20.1 s to 25.1 s, while ben's was at work, too. Nothing but the same order has to "
        "wait for that",
    ),
    "three banks at a time": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    limit = trio.CapacityLimiter(3)
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            async with limit:
                receipts[order] = await charge(order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "10: carla's order `carla 2 640` came at 21.6 s, and was charged at 25.1 s: it had to wait for anna's bank, "
        "at work in this line from 20.1 s to 25.1 s, while ben's and dora's were at work, too. Nothing but the same "
        "order has to wait for that",
    ),
    "two that work": (
        """\
import trio

async def serve(port, charge):
    lock = trio.Lock()
    receipts = {}
    async def work():
        while True:
            async with lock:
                order, customer = await sock.recvfrom(65535)
            if order not in receipts:
                receipts[order] = None
                receipts[order] = await charge(order)
            if receipts[order] is not None:
                await sock.sendto(receipts[order], customer)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(work)
""",
        "12: dora's order `dora 2 300` came at 21.1 s, and was charged at 25.1 s: it had to wait for anna's bank, at "
        "work in this line from 20.1 s to 25.1 s, while ben's was at work, too. Nothing but the same order has to "
        "wait for that",
    ),
    "two that charge": (
        """\
import trio

async def serve(port, charge):
    receipts = {}
    put, get = trio.open_memory_channel(100)
    async def work():
        async for order, customer in get:
            receipts[order] = await charge(order)
            await sock.sendto(receipts[order], customer)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(work)
        while True:
            order, customer = await sock.recvfrom(65535)
            if order not in receipts:
                receipts[order] = None
                await put.send((order, customer))
            elif receipts[order]:
                await sock.sendto(receipts[order], customer)
""",
        "8: dora's order `dora 2 300` came at 21.1 s, and was charged at 25.1 s: it had to wait for anna's bank, at "
        "work in this line from 20.1 s to 25.1 s, while ben's was at work, too. Nothing but the same order has to "
        "wait for that",
    ),
    "keeps the last of each customer": (
        f"""\
import trio

async def serve(port, charge):
    last = {{}}
    async def handle(order, customer):
        name = order.split()[0]
        if last.get(name, (None, None))[0] != order:
            last[name] = order, None
            last[name] = order, await charge(order)
        if last[name][0] == order and last[name][1]:
            await sock.sendto(last[name][1], customer)
{LOOP}""",
        "9: anna has paid twice for the order `anna 1 250`: it was charged at 1.05 s, and again at 55 s. Then it had "
        "come again, from another port, when others had come after it. That may happen for a minute: for so long each "
        "receipt has to be kept, whatever comes meanwhile",
    ),
    "keeps three": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            if len(receipts) > 3:
                del receipts[next(iter(receipts))]
            receipts[order] = await charge(order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "10: anna has paid twice for the order `anna 2 250`: it was charged at 20.1 s, and again at 22.1 s. The same "
        "order was sent again, since the bank was still at work for the first: known already, but not done",
    ),
    "forgets after 3 seconds": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def forget(order):
        await trio.sleep(3)
        del receipts[order]
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
            nursery.start_soon(forget, order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "11: dora has paid twice for the order `dora 1 470`: it was charged at 6.05 s, and again at 10.1 s. Its "
        "receipt was still there when it came again before, and was sent at 8.05 s; then it was forgotten. The order "
        "may come again for a minute, however often it was answered",
    ),
    "forgets after half a minute": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def forget(order):
        await trio.sleep(30)
        del receipts[order]
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
            nursery.start_soon(forget, order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "11: anna has paid twice for the order `anna 1 250`: it was charged at 1.05 s, and again at 55 s. Then it had "
        "come again, from another port, when others had come after it. That may happen for a minute: for so long each "
        "receipt has to be kept, whatever comes meanwhile",
    ),
    "answers once more, and forgets": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
            await sock.sendto(receipts[order], customer)
        elif receipts[order]:
            await sock.sendto(receipts.pop(order), customer)
{LOOP}""",
        "8: dora has paid twice for the order `dora 1 470`: it was charged at 6.05 s, and again at 10.1 s. Its "
        "receipt was still there when it came again before, and was sent at 8.05 s; then it was forgotten. The order "
        "may come again for a minute, however often it was answered",
    ),
    "knows only what it is at": (
        f"""\
import trio

async def serve(port, charge):
    busy = set()
    async def handle(order, customer):
        if order not in busy:
            busy.add(order)
            receipt = await charge(order)
            busy.discard(order)
            await sock.sendto(receipt, customer)
{LOOP}""",
        "8: anna has paid twice for the order `anna 1 250`: it was charged at 1.05 s, and again at 3.05 s. The "
        "answer, sent at 1.55 s, was lost, so the same order was sent again. That somebody has seen no answer does "
        "not mean that nothing was done",
    ),
    "says it twice, and no more": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    count = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        elif not receipts[order]:
            return
        count[order] = count.get(order, 0) + 1
        if count[order] < 3:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "14: dora has sent the order `dora 1 470` 6 times, and never got an answer: what this line sent at 6.55 s and "
        "8.05 s was lost, and not sent once more. It was charged, and nobody knows it",
    ),
    "says nothing when all is over": (
        f"""\
import trio

async def serve(port, charge):
    receipts, seen = {{}}, {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            seen[order] = trio.current_time()
            receipts[order] = await charge(order)
        if receipts[order] and trio.current_time() - seen[order] < 30:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "17: anna has sent the order `anna 1 250` once more at 55 s, and got no answer. It was charged at 1.05 s, and "
        "its receipt has to be kept for a minute: who asks has missed all answers so far. It was read in this line",
    ),
    "says something else when all is over": (
        f"""\
import trio

async def serve(port, charge):
    receipts, seen = {{}}, {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            seen[order] = trio.current_time()
            receipts[order] = await charge(order)
        if receipts[order] and trio.current_time() - seen[order] < 30:
            await sock.sendto(receipts[order], customer)
        elif receipts[order]:
            await sock.sendto(b'long paid', customer)
{LOOP}""",
        "13: anna has sent the order `anna 1 250` once more at 55 s, and was answered b'long paid', which is not what "
        "charge has returned for it",
    ),
    "thinks that a later order ends the one before": (
        f"""\
import trio

async def serve(port, charge):
    receipts, newest = {{}}, {{}}
    async def handle(order, customer):
        name, number, _ = order.split()
        if int(number) < newest.get(name, 0):
            return
        newest[name] = int(number)
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        if receipts[order]:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "20: anna has sent the order `anna 1 250` once more at 55 s, and got no answer. It was charged at 1.05 s, and "
        "its receipt has to be kept for a minute: who asks has missed all answers so far. It was read in this line",
    ),
    "the last receipt of a customer": (
        f"""\
import trio

async def serve(port, charge):
    receipts, last = {{}}, {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = last[order.split()[0]] = await charge(order)
        if receipts[order] is not None:
            await sock.sendto(last[order.split()[0]], customer)
{LOOP}""",
        "10: anna has sent the order `anna 1 250` once more at 55 s, and was answered b'515161', which is not what "
        "charge has returned for it",
    ),
    "charges twice by itself": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
            receipts[order] = await charge(order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "9: anna has paid twice for the order `anna 1 250`: it was charged at 1.05 s, and again at 1.55 s. It had "
        "come once, at 1.05 s: your program has called `charge` a second time by itself",
    ),
    "answers in the order of coming": (
        """\
import trio

async def serve(port, charge):
    receipts = {}
    queue, jobs = trio.open_memory_channel(1000)
    async def pay(order, done):
        receipts[order] = await charge(order)
        done.set()
    async def answer():
        async for order, customer, done in jobs:
            await done.wait()
            await sock.sendto(receipts[order], customer)
    events = {}
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        while True:
            order, customer = await sock.recvfrom(65535)
            if order not in events:
                events[order] = trio.Event()
                nursery.start_soon(pay, order, events[order])
            await queue.send((order, customer, events[order]))
""",
        "7: the bank said yes to the order `carla 1 990` at 3.55 s, and nothing was sent to carla before the same "
        "order came again, at 5.05 s. Whoever has sent an order gets the receipt as soon as it is there, and does not "
        "have to ask twice",
    ),
    "the last two of each customer": (
        f"""\
import trio

async def serve(port, charge):
    receipts = {{}}
    async def handle(order, customer):
        mine = receipts.setdefault(order.split()[0], {{}})
        if order not in mine:
            mine[order] = None
            while len(mine) > 2:
                mine.pop(next(iter(mine)))
            mine[order] = await charge(order)
        if mine[order] is not None:
            await sock.sendto(mine[order], customer)
{LOOP}""",
        "11: anna has paid twice for the order `anna 1 250`: it was charged at 1.05 s, and again at 55 s. Then it had "
        "come again, from another port, when others had come after it. That may happen for a minute: for so long each "
        "receipt has to be kept, whatever comes meanwhile",
    ),
    "forgets all after a minute": (
        f"""\
import trio

async def serve(port, charge):
    receipts, began = {{}}, trio.current_time()
    async def handle(order, customer):
        if trio.current_time() > began + 60:
            receipts.clear()
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        if receipts[order] is not None:
            await sock.sendto(receipts[order], customer)
{LOOP}""",
        "10: ben has paid twice for the order `ben 3 75`: it was charged at 59 s, and again at 61 s. The answer, sent "
        "at 59.5 s, was lost, so the same order was sent again. Others that came again were known still, and this one "
        "was not: each order has to be kept for a minute from when it came, whatever is forgotten meanwhile",
    ),
    "ends after a minute": (
        find("charged")
        .solution.replace("            while True:", "            while trio.current_time() < began + 58:")
        .replace("    receipts: dict", "    began = trio.current_time()\n    receipts: dict"),
        "36: serve has returned, at 59.5 s. A server goes on. What it has read in this line, at 59 s, was the last: "
        "b'ben 3 75'",
    ),
    "looks for text": (
        f"""\
import trio

async def serve(port, charge):
    receipts, done = {{}}, {{}}
    async def handle(order, customer):
        if order not in done:
            done[order] = trio.Event()
            receipts[order] = await charge(order)
            done[order].set()
        else:
            await done[order.decode()].wait()
        await sock.sendto(receipts[order], customer)
{LOOP}""",
        "11: your program raised KeyError: 'anna 1 250'",
    ),
    "begins anew": (
        f"""\
import trio

async def serve(port, charge):
    receipts, busy = {{}}, {{}}
    async def handle(order, customer):
        if order in busy:
            busy[order].cancel()
        with trio.CancelScope() as busy[order]:
            receipts[order] = await charge(order)
        await sock.sendto(receipts[order], customer)
{LOOP}""",
        "9: carla has paid twice for the order `carla 1 990`: it was charged at 3.05 s, and again at 3.05 s. The call "
        "was cancelled at 3.05 s, which gives nobody the money back: it was taken when `charge` was called",
    ),
    "answers to a port of its own choice": (
        find("charged").solution.replace("sendto(receipt, customer)", "sendto(receipt, (customer[0], 5000))"),
        "29: anna has sent the order `anna 1 250` 6 times, and never got an answer: what this line sent at 3.05 s went "
        "to port 5000 of anna, and nobody is there. The order came from port 32768 of anna",
    ),
    "answers to itself": (
        find("charged").solution.replace("sendto(receipt, customer)", 'sendto(receipt, ("127.0.0.1", customer[1]))'),
        "29: anna has sent the order `anna 1 250` 6 times, and never got an answer: what this line sent at 1.55 s went "
        "to port 32768 of 127.0.0.1, and nobody is there. The order came from port 32768 of anna",
    ),
    "answers once more, and never again": (
        f"""\
import trio

async def serve(port, charge):
    known, receipts = set(), {{}}
    async def handle(order, customer):
        if order not in known:
            known.add(order)
            receipts[order] = await charge(order)
            await sock.sendto(receipts[order], customer)
        elif order in receipts:
            await sock.sendto(receipts.pop(order), customer)
{LOOP}""",
        "11: dora has sent the order `dora 1 470` 6 times, and never got an answer: what your program sent at 6.55 s "
        "and 8.05 s, in lines 9 and 11, was lost, and not sent once more. It was charged, and nobody knows it",
    ),
    "waits where it reads": (
        """\
import trio

async def serve(port, charge):
    receipts, done = {}, {}
    async def handle(order, customer):
        receipts[order] = await charge(order)
        done[order].set()
        await sock.sendto(receipts[order], customer)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        while True:
            order, customer = await sock.recvfrom(65535)
            if order in done:
                await done[order].wait()
                await sock.sendto(receipts[order], customer)
            else:
                done[order] = trio.Event()
                nursery.start_soon(handle, order, customer)
""",
        "15: dora's order `dora 1 470` came at 6.05 s, and was charged at 7.05 s: it had to wait for ben's bank, at "
        "work in line 6 from 2.05 s to 7.05 s. What reads the orders was waiting in this line. Nothing but the same "
        "order has to wait for that",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert refused("charged", source, tmp_path) == message


RACES = {
    "the task enters it": """\
import trio

async def serve(port, charge):
    done, receipts = {}, {}
    async def handle(order, customer):
        done[order] = trio.Event()
        receipts[order] = await charge(order)
        done[order].set()
        await sock.sendto(receipts[order], customer)
    async def again(order, customer):
        await done[order].wait()
        await sock.sendto(receipts[order], customer)
    sock = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await sock.bind(("0.0.0.0", port))
    async with trio.open_nursery() as nursery:
        while True:
            order, customer = await sock.recvfrom(65535)
            nursery.start_soon(again if order in done else handle, order, customer)
""",
    "a checkpoint in between": f"""\
import trio

async def serve(port, charge):
    done, receipts = {{}}, {{}}
    async def handle(order, customer):
        if order in done:
            await done[order].wait()
        else:
            await trio.lowlevel.checkpoint()
            done[order] = trio.Event()
            receipts[order] = await charge(order)
            done[order].set()
        await sock.sendto(receipts[order], customer)
{LOOP}""",
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", RACES)
def test_what_goes_well_only_by_chance_is_refused(
    name: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One doubled order was charged once in half of the plays, and two in a quarter of them."""
    monkeypatch.setattr("trio._core._run._r", Random(seed))
    assert re.search(r"`carla .*the network has delivered it twice", refused("charged", RACES[name], tmp_path))
