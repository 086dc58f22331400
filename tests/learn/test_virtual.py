"""Lesson 13: tests in virtual time, which the learner writes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import judged, played, refused
from trio_udp.learn import find
from trio_udp.learn._ending import GROUPED, NO_RAISE
from trio_udp.learn._verdict import excerpt, judge

if TYPE_CHECKING:
    from pathlib import Path

SOLUTION = find("virtual").solution


def test_the_exercise_loses_nothing(tmp_path: Path) -> None:
    assert refused("virtual", find("virtual").exercise, tmp_path) == (
        "32: your tests are passed by a program that asks once, and then waits for ever. That shows when its "
        "question or "
        "the answer gets lost: is there a test in which this happens?"
    )


HEAD = """\
import pytest, trio, trio_udp
from trio_udp.faults import Drop, Link, drop_first

async def late(datagram):
    await trio.sleep(1)
    return b"late"

"""

RIGHT = {
    "solution": SOLUTION,
    "one for all, with pytest and links": f"""{HEAD}
async def test_all(ask, network):
    server, you = network.host(name="server"), network.host(name="you")
    address = server.addresses[0], 9
    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            with server:
                await nursery.start(trio_udp.serve_udp, late, 9)
            with you:
                began = trio.current_time()
                assert await ask(address) == b"late"
                assert trio.current_time() - began == 1.25
                network.set_link(server, you, Link(loss=1))
                began = trio.current_time()
                with pytest.raises(trio.TooSlowError):
                    await ask(address)
                assert trio.current_time() - began == 2.0
                sent = [each.time - began for each in network.datagrams if each.source[0] == you.addresses[0]]
                assert sent[-4:] == [0.0, 0.5, 1.0, 1.5]
            nursery.cancel_scope.cancel()
""",
    "answers whom it has heard three times": """\
import trio
async def test_third(ask, network):
    async def serve(task_status):
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as s:
            await s.bind(("10.0.0.1", 7)); task_status.started()
            for _ in range(3): q, c = await s.recvfrom(99)
            await s.sendto(b"third", c)
            await trio.sleep_forever()
    async with trio.open_nursery() as n:
        with network.host("10.0.0.1"): await n.start(serve)
        t = trio.current_time()
        with network.host("10.0.0.2"), trio.fail_after(9):
            assert await ask(("10.0.0.1", 7)) == b"third"
        assert trio.current_time() == t + 1.25
        n.cancel_scope.cancel()
async def test_never(ask, network):
    network.host("10.0.0.1"); t = trio.current_time()
    try:
        with network.host("10.0.0.2"):
          with trio.fail_after(1000): await ask(("10.0.0.1", 7))
    except trio.TooSlowError: pass
    else: assert 0
    assert trio.current_time() == t + 2
""",
    "loses the answers": """\
import trio, trio_udp
from trio_udp.faults import Link
async def test_answer_lost(ask, network):
    a, b = network.host("10.0.0.1"), network.host("10.0.0.2")
    async def echo(d): return b"r%d" % 77
    async with trio.open_nursery() as n:
        with a: await n.start(trio_udp.serve_udp, echo, 7)
        network.set_link(a, b, Link(loss=1))
        async def heal():
            await trio.sleep(0.9)
            network.set_link(a, b, Link(delay=.125))
        n.start_soon(heal)
        t = trio.current_time()
        with b, trio.fail_after(100): assert await ask(("10.0.0.1", 7)) == b"r77"
        assert abs(trio.current_time() - t - 1.25) < 0.01
        n.cancel_scope.cancel()
async def test_dead(ask, network):
    network.host("10.0.0.1"); t = trio.current_time()
    with network.host("10.0.0.2"):
        with trio.move_on_after(100):
            try: await ask(("10.0.0.1", 7))
            except trio.TooSlowError: assert 1.9 < trio.current_time() - t < 2.1; return
    assert False
""",
    "loses one more each time": """\
import trio, trio_udp
from trio_udp.faults import drop_first
async def test_all(ask, network):
    async def h(d): return b"42!"
    async with trio.open_nursery() as n:
        with network.host("10.0.0.1"): await n.start(trio_udp.serve_udp, h, 7)
        with network.host("10.0.0.2"):
            for k in range(1, 5):
                t = trio.current_time()
                with network.rule(drop_first(k)), trio.move_on_after(50) as sc:
                    try:
                        assert await ask(("10.0.0.1", 7)) == b"42!"
                        assert k < 4 and trio.current_time() - t == k * .5 + .25
                    except trio.TooSlowError:
                        assert k == 4 and trio.current_time() - t == 2
                assert not sc.cancelled_caught
        n.cancel_scope.cancel()
""",
}


RIGHT["counts from 0"] = SOLUTION.replace(" - began", "")
RIGHT["keeps a list in its module"] = "seen = []\n" + SOLUTION.replace(
    "await sock.sendto", "seen.append(question)\n            await sock.sendto"
).replace("== 1.25", "== 1.25 and len(seen) == 1")
RIGHT["has a stranger answer"] = (
    RIGHT["answers whom it has heard three times"].replace(
        "await n.start(serve)\n", "await n.start(serve)\n        with network.host('10.0.0.66'): n.start_soon(forge)\n"
    )
    + """
async def forge():
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for _ in range(9):
            await trio.sleep(0.1)
            for port in range(32768, 32776):
                await sock.sendto(b"forged", ("10.0.0.2", port))
"""
)
RIGHT["asks by a name"] = SOLUTION.replace("await ask(server)", 'await ask(("server", 7))')
RIGHT["each by the other's name"] = re.sub(
    r"\b(ask|network)\b", lambda name: "ask" if name[0] == "network" else "network", SOLUTION
)
RIGHT["names that are no functions"] = f"import trio.testing as test_tools\ntest_server = ('10.0.0.1', 7)\n{SOLUTION}"


@pytest.mark.parametrize("name", RIGHT)
def test_what_tells_right_from_wrong_passes(name: str, tmp_path: Path) -> None:
    assert judged("virtual", RIGHT[name], tmp_path) is None


NOT_ASYNC = (
    "1: test_ask has to be an async function: async def test_ask(...). `await` and `async with` can stand only in a "
    "function that begins with `async def`"
)
COROUTINE = (
    "`ask(...)` without `await` does nothing: it gives a coroutine object, which is always true, and equal to no "
    "answer. Python's words for that are: coroutine '_run.<locals>.ask' was never awaited"
)

WRONG = {
    "fails all": (
        "async def test_ask(ask, network):\n    await ask(('10.0.0.1', 7))\n",
        "2: your test fails here with a program that is right: TooSlowError",
    ),
    "fails all without asking": (
        "async def test_ask(ask, network):\n    assert False\n",
        "2: your test fails here with a program that is right: AssertionError",
    ),
    "has no end": (
        SOLUTION.replace(", trio.fail_after(60)", ""),
        "36: your test waits for ever in this line, with a program that asks once, and then waits for ever. "
        "A test has to come to an end, whatever it tests",
    ),
    "can be guessed": (
        SOLUTION.replace("pong 271828", "pong")
        .replace("trio.current_time() - began == 1.25", "len(network.datagrams) < 6")
        .replace("raise Ass", "print; Ass"),
        "47: your tests are passed by a program that asks nobody, and returns b'pong'. That shows when the server has "
        "something else to say: is there a test in which this happens?",
    ),
    "does not look at the time": (
        SOLUTION.replace(" - began == 1.25", " > 0").replace(" - began == 2", " > 0"),
        "47: your tests are passed by a program that asks every 0.0625 seconds, 32 times. Something was "
        "lost in your tests, and then it shows in when it has asked, and so in when a late answer comes: does a test "
        "look at that?",
    ),
    "does not look at when it gives up": (
        """\
import pytest, trio

async def test_never(ask, network):
    network.host("10.0.0.1")
    with network.host("10.0.0.2"), trio.fail_after(60):
        with pytest.raises(trio.TooSlowError):
            await ask(("10.0.0.1", 7))
""",
        "7: your tests are passed by a program that asks once, and gives up after half a second. Something was lost in "
        "your tests, and then it shows in when `ask` ends: does a test look at that?",
    ),
    "does not look at when a late answer comes": (
        SOLUTION.replace(" - began == 1.25", " > 0"),
        "47: your tests are passed by a program that asks every 0.0625 seconds, 32 times. Something was "
        "lost in your tests, and then it shows in when it has asked, and so in when a late answer comes: does a test "
        "look at that?",
    ),
    "does not look at how it gives up": (
        SOLUTION.replace("            assert trio.current_time() - began == 2\n", "            pass\n"),
        "47: your tests are passed by a program that asks 3 times, and gives up after 1.5 seconds. Nobody has answered "
        "in your tests, and then it shows in when `ask` gives up: does a test look at that?",
    ),
    "looks at whether it gives up too soon only": (
        SOLUTION.replace(" - began == 2\n", " - began >= 2\n"),
        "47: your tests are passed by a program that asks 5 times, and gives up after 2.5 seconds. Nobody has answered "
        "in your tests, and then it shows in when `ask` gives up: does a test look at that?",
    ),
    "knows that it asks 4 times, and not for how long": (
        SOLUTION.replace(
            "            assert trio.current_time() - began == 2\n",
            "            await trio.sleep(1); assert len(network.datagrams) == 4\n",
        ),
        "47: your tests are passed by a program that asks 4 times, and gives up as soon as it has asked the last time, "
        "after 1.5 seconds. Nobody has answered in your tests, and then it shows in when `ask` gives up: does a test "
        "look at that?",
    ),
    "takes a return for giving up": (
        SOLUTION.replace('        else:\n            raise AssertionError("somebody has answered")\n', ""),
        "47: your tests are passed by a program that returns None after 2 seconds, and raises nothing. Nobody has "
        "answered in your tests, and then it shows in whether `ask` raises: does a test look at that?",
    ),
    "takes any exception for giving up": (
        SOLUTION.replace("except trio.TooSlowError:", "except Exception:").replace(
            "        else:\n", "        if 0:\n"
        ),
        "47: your tests are passed by a program that returns None after 2 seconds, and raises nothing. Nobody has "
        "answered in your tests, and then it shows in whether `ask` raises: does a test look at that?",
    ),
    "takes another exception for giving up": (
        SOLUTION.replace("except trio.TooSlowError:", "except Exception:"),
        "47: your tests are passed by a program that raises TimeoutError, which is not trio.TooSlowError. Nobody has "
        "answered in your tests, and then it shows in what `ask` raises: does a test look at that?",
    ),
    "has nobody who is silent, and loses all but the last": (
        """\
import trio, trio_udp
from trio_udp.faults import drop_first

async def late(datagram):
    return b"late"

async def test_late(ask, network):
    with network.host("10.0.0.1"), trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(trio_udp.serve_udp, late, 9)
            began = trio.current_time()
            with network.host("10.0.0.2"), network.rule(drop_first(3)):
                assert await ask(("10.0.0.1", 9)) == b"late"
            assert trio.current_time() - began == 1.75
            nursery.cancel_scope.cancel()
""",
        "13: your tests are passed by a program that asks for ever. That shows when nobody answers: is there a test in "
        "which this happens?",
    ),
    "another order": (
        SOLUTION.replace("ask: Ask, network: VirtualNetwork", "network, ask"),
        "29: test_late is called with an `ask` and a network, in this order, whatever it calls them, and here "
        "`network` comes first. So it fails: AttributeError: 'function' object has no attribute 'host'",
    ),
    "no arguments": (
        SOLUTION + "\n\nasync def test_more():\n    pass\n",
        "54: the lesson calls each test with 2 arguments, an `ask` and a network, and so test_more: too many "
        "positional arguments",
    ),
    "does not look at the answer": (
        SOLUTION.replace("assert await ask(server) == b", "assert await ask(server), b"),
        "36: your tests are passed by a program that returns what recvfrom gives, the answer and the address. An "
        "answer has come in your tests, and then it shows in what `ask` returns: does a test look at that?",
    ),
    "has nobody who is silent": (
        SOLUTION.replace("async def test_never", "async def never"),
        "36: your tests are passed by a program that asks for ever. That shows when nobody answers: "
        "is there a test in which this happens?",
    ),
    "minds what is asked": (
        SOLUTION.replace("recvfrom(65535)\n", "recvfrom(65535)\n            assert question == b'ask'\n"),
        "26: your test fails here with a program that is right: AssertionError. It differs from others that "
        "are right, as it asks with the word b'please'. It may: that is its own business",
    ),
    "wants one port": (
        """\
import trio, pytest
async def test_silent(ask, network):
    network.host("10.0.0.1")
    began = trio.current_time()
    with network.host("10.0.0.2"), trio.fail_after(60), pytest.raises(trio.TooSlowError):
        await ask(("10.0.0.1", 7))
    assert trio.current_time() - began == 2
    assert len({d.source for d in network.datagrams}) == 1
""",
        "8: your test fails here with a program that is right: AssertionError. It differs from others that are right, "
        "as it asks from a new socket each time, and listens at all of them. It may: that is its own business",
    ),
    "knows a client by its port": (
        """\
import trio
async def test_third(ask, network):
    async def serve(task_status):
        seen = {}
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as s:
            await s.bind(("10.0.0.1", 7)); task_status.started()
            while True:
                q, c = await s.recvfrom(99)
                seen[c] = seen.get(c, 0) + 1
                if seen[c] == 3: await s.sendto(b"third", c)
    async with trio.open_nursery() as n:
        with network.host("10.0.0.1"): await n.start(serve)
        t = trio.current_time()
        with network.host("10.0.0.2"), trio.move_on_after(9):
            assert await ask(("10.0.0.1", 7)) == b"third"
        assert trio.current_time() == t + 1.25
        n.cancel_scope.cancel()
""",
        "15: your test fails here with a program that is right: TooSlowError. "
        f"{GROUPED.format('TooSlowError')}{NO_RAISE}"
        ". It differs from others that are right, as it asks from a new socket each time, and listens at all of them. "
        "It may: that is its own business",
    ),
    "has a deadline inside of what catches it": (
        SOLUTION.replace('"you"), trio.fail_after(60):\n        try', '"you"):\n        try')
        .replace("            await ask(", "            with trio.fail_after(60): await ask(")
        .replace("assert trio.current_time() - began == 2", "assert trio.current_time() - began >= 2"),
        "47: your tests are passed by a program that asks for ever. Your own deadline ended it here, and its "
        "TooSlowError looks like that of `ask`: who catches it inside of the test cannot tell them apart",
    ),
    "has a deadline when a right one gives up": (
        SOLUTION.replace("            await ask(", "          with trio.fail_after(2):\n            await ask("),
        "47: your tests are passed by a program that asks for ever. Your own deadline ended it here, and its "
        "TooSlowError looks like that of `ask`: who catches it inside of the test cannot tell them apart",
    ),
    "has a deadline that raises nothing": (
        SOLUTION.replace(
            'name="you"), trio.fail_after(60):\n        try', 'name="you"), trio.move_on_after(9):\n        try'
        ),
        "45: your tests are passed by a program that asks for ever. Your own deadline ended it here, and nothing of "
        "that makes the test fail",
    ),
    "makes a host twice": (
        f"""{SOLUTION}
async def test_twice(ask, network):
    with network.host("10.0.0.1", name="you"):
        pass
    with network.host("10.0.0.1", name="you"):
        pass
""",
        "56: your test fails here with a program that is right: ValueError: 10.0.0.1 is you's already. An address is "
        "one host's, and a host is made once: keep what `network.host(...)` returns, and enter that again, `with "
        "server:`",
    ),
    "leaves it to a system task": (
        """\
import trio
async def test_ask(ask, network):
    trio.lowlevel.spawn_system_task(ask, ("10.0.0.1", 7))
""",
        "3: this line starts a system task, which is in no nursery of your program: who cancels `ask` does not end it, "
        "nobody waits for it, and if it raises anything Trio itself ends. Tasks belong in a nursery",
    ),
    "looks at what it is called with and not at what that does": (
        """\
async def test_ask(ask, network):
    (program, *_) = [each.cell_contents for each in ask.__closure__ if hasattr(each.cell_contents, "fault")]
    assert not program.fault
""",
        "your tests have judged a program, and never called `ask`: they can know nothing of it",
    ),
    "no test": (
        "async def tset_ask(ask, network):\n    pass\n",
        "no function in this file has a name that begins with `test_`: the lesson calls those that have",
    ),
    "not async": ("def test_ask(ask, network):\n    pass\n", NOT_ASYNC),
    "not async, and so without await": (
        "def test_ask(ask, network):\n    assert ask(('10.0.0.1', 7)) == b''\n",
        NOT_ASYNC,
    ),
    "not async, and with await": (
        "def test_ask(ask, network):\n    assert await ask(('10.0.0.1', 7))\n",
        f"2: this is no Python: 'await' outside async function. {NOT_ASYNC.partition('(...). ')[2]}",
    ),
    "runs Trio in Trio": (
        "import trio\ndef test_ask(ask, network):\n    assert trio.run(ask, ('10.0.0.1', 7))\n",
        "3: trio.run is called here, and the lesson has called it already, for all of your program. Inside of it an "
        "async function is called with `await`, in a function that is `async def` itself",
    ),
    "compares what was not awaited": (SOLUTION.replace("await ask(server) ==", "ask(server) =="), f"36: {COROUTINE}"),
    "asserts what was not awaited": (SOLUTION.replace("await ask(server) == b", "ask(server), b"), f"36: {COROUTINE}"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_is_refused(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    assert source != SOLUTION
    assert refused("virtual", source, tmp_path) == message


def test_the_picture_is_of_the_run_that_is_meant(tmp_path: Path) -> None:
    """Not of all tests with all programs, which have the same hosts."""
    lesson = find("virtual")
    run = played("virtual", SOLUTION.replace("async def test_never", "async def never"), tmp_path)
    finding = judge(lesson, run)
    assert finding is not None
    assert finding.within == "test_late with program 5"
    assert [row.split("│")[0].strip() for row in excerpt(run, replace(finding, within=""))[1:2]] == ["0.000000"]
    rows = excerpt(run, finding)
    assert [row.split("│")[0].strip() for row in rows[1:]] == ["0.000000", "0.500000", "1.000000", "1.125000"]
    assert "?" not in "".join(rows)
