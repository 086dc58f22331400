"""How a play has ended, told by what was raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.learn.judged import refused
from trio_udp.learn._elsewhere import TWO_READ

if TYPE_CHECKING:
    from pathlib import Path

NOT_ASYNCIO = (
    "That is asyncio's, and your program runs in Trio, where nothing of asyncio works: use what is Trio's, such as "
    "trio.sleep, trio.fail_after, or a nursery"
)
NO_TIMEOUT = (
    ". Neither Trio's sockets nor what they do have a timeout: an `await` that may take too long is put inside of "
    "`with trio.move_on_after(seconds):`, or of `with trio.fail_after(seconds):`"
)
NO_SELECT = (
    ". `select` and its like stop all tasks, and know nothing of the lesson's network. To wait for a datagram is "
    "`await sock.recvfrom(...)`, inside of `with trio.move_on_after(seconds):` if not for ever"
)
NO_VALUE = (
    ". No line that gives it a value has come to its end. A timeout, for one, leaves the line that waits, and goes on "
    "behind its `with`"
)
SCOPE = ". Scopes need no await: it is `with trio.move_on_after(seconds):`, without `async` and without `await`"
DEADLINE = (
    ". What ends a scope in time is its `deadline`, a time of the clock: one second from now is `trio.current_time() + "
    "1`. What takes seconds is `trio.move_on_after(seconds)`"
)
BYTES = '. Datagrams are bytes, and a str is text: b"..." is bytes, and so is text.encode()'


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("sock.settimeout(1)", NO_TIMEOUT),
        ("sock.gettimeout()", NO_TIMEOUT),
        ("await sock.recv(100, timeout=1)", NO_TIMEOUT),
        ("await trio.wait_for(sock.recv(100), 1)", NO_TIMEOUT),
        ("sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVTIMEO, bytes(16))", NO_TIMEOUT),
        ("sock.setblocking(False)", ". A Trio socket never blocks the other tasks: nothing has to be set"),
        ("raise trio.TimeoutError", ". Trio's is trio.TooSlowError"),
        ("raise trio.socket.timeout", ". Trio's is trio.TooSlowError"),
        ("trio.create_task(trio.sleep(1))", ". Trio's tasks are started in a nursery"),
        ("await trio.move_on_after(1)", SCOPE),
        ("trio.move_on_after(1)(1)", DEADLINE),
        ("trio.move_on_after(1).timeout = 1", DEADLINE),
        ("trio.CancelScope(timeout=1)", DEADLINE),
        ("trio.CancelScope(1)", DEADLINE),
        (
            "trio.CancelScope().start_soon(trio.sleep, 1)",
            ". A scope starts nothing, and ends what is inside of it: tasks are started in a nursery",
        ),
        ("await sock.sendto('ping', server)", BYTES),
        ("await sock.sendto(b'' + 'ping', server)", BYTES),
        ("b'ping'.startswith('p')", BYTES),
        ("await sock.sendto(None, server)", ". What it was to send is None, and datagrams are bytes"),
        (
            "await sock.close()",
            ". What is called here has returned None, and is no async function: it needs no `await`",
        ),
        (
            "sock.close(); await sock.recv(9)",
            ". The socket is closed: before this line its `with` was left, or its close() called",
        ),
        ("print(late); late = 1", NO_VALUE),
        ("selectors.DefaultSelector().register(sock, selectors.EVENT_READ)", NO_SELECT),
    ],
)
def test_what_is_right_in_trio_is_told(line: str, right: str, tmp_path: Path) -> None:
    source = f"""\
import selectors, trio
async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"", server)
        {line}
"""
    message = refused("ping", source, tmp_path)
    assert message.startswith("5: your program raised ")
    assert message.endswith(right)


def test_a_scope_has_a_plain_with(tmp_path: Path) -> None:
    """Python 3.10 does not say what it is that has no `__aenter__`."""
    source = "import trio\nasync def ping(server):\n    async with trio.move_on_after(1):\n        pass\n"
    message = refused("ping", source, tmp_path)
    assert message.endswith(
        (SCOPE, ". This is for a plain `with`, as scopes and sockets are, and not for `async with`")
    )


def test_so_has_a_timeout_that_raises_and_so_has_a_socket(tmp_path: Path) -> None:
    plain = ". This is for a plain `with`, as scopes and sockets are, and not for `async with`"  # Python 3.10
    for opened, right in (
        ("trio.fail_after(1)", SCOPE),
        (
            "trio.socket.socket(type=trio.socket.SOCK_DGRAM)",
            ". Trio's sockets are opened by a plain `with`, without `async`",
        ),
    ):
        source = f"import trio\nasync def ping(server):\n    async with {opened}:\n        pass\n"
        assert refused("ping", source, tmp_path).endswith((right, plain))
    assert refused("ping", "import trio\nasync def ping(server):\n    await trio.fail_after(1)\n", tmp_path).endswith(
        SCOPE
    )


@pytest.mark.filterwarnings("ignore:Async generator", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_scope_around_a_yield_is_told_without_trios_inside(tmp_path: Path) -> None:
    source = """\
import trio
async def attempts(sock, server):
    while True:
        await sock.sendto(b"ping", server)
        with trio.move_on_after(0.5):
            yield await sock.recv(100)  # the first yield
            return
        yield None
async def ping(server):
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        async for answer in attempts(sock, server):
            if answer is not None:
                return answer
"""
    assert refused("ping", source, tmp_path) == (
        "6: your program raised RuntimeError: Cancel scope stack corrupted. A scope or a nursery was left before one "
        "that was opened inside of it. That is so with a `with trio.move_on_after(...)` around a `yield`, as whoever "
        "takes the values goes on in the middle of it: put the `yield` behind the `with`, or do without a generator"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("await asyncio.sleep(1)", "RuntimeError: no running event loop"),
        ("asyncio.get_running_loop()", "RuntimeError: no running event loop"),
        ("await asyncio.wait_for(trio.sleep(1), 0.5)", "RuntimeError: "),
        ("asyncio.create_task(trio.sleep(1))", "RuntimeError: no running event loop"),
        (
            "await type('Future', (), {'__await__': lambda self: iter([self])})()",
            "TypeError: trio.run received unrecognized yield",
        ),
    ],
)
def test_what_is_asyncios_is_said_to_be(line: str, words: str, tmp_path: Path) -> None:
    source = f"import asyncio, trio\nasync def ping(server):\n    {line}\n"
    message = refused("ping", source, tmp_path)
    assert message.startswith(f"3: your program raised {words}")
    assert message.endswith(f". {NOT_ASYNCIO}")


def test_what_is_not_is_not(tmp_path: Path) -> None:
    source = "import asyncio\nasync def ping(server):\n    raise asyncio.TimeoutError\n"
    assert refused("ping", source, tmp_path) == "3: your program raised TimeoutError"


GROUPED = """\
import trio

class Found(Exception):
    pass

async def find():
    raise Found

async def ping(server):
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(find)
    except Found:
        return b""
"""


def test_what_is_in_a_group_and_meant_to_be_caught_is_said_to_be(tmp_path: Path) -> None:
    assert refused("ping", GROUPED, tmp_path) == (
        "7: your program raised Found. It comes out of a nursery in an ExceptionGroup, which `except Found` around the "
        "nursery does not catch; `except*` does, from Python 3.11 on, and so does a plain `except` in the task that "
        "raises it"
    )


def test_what_is_not_meant_to_be_caught_is_not(tmp_path: Path) -> None:
    source = GROUPED.replace("except Found:", "except KeyError:")
    assert refused("ping", source, tmp_path) == "7: your program raised Found"


def test_what_is_in_no_group_of_the_programs_is_not(tmp_path: Path) -> None:
    source = GROUPED.replace("    try:\n", "    await find()\n    try:\n")
    assert refused("ping", source, tmp_path) == "7: your program raised Found"


def test_a_group_of_trios_timeout_is_not_said_to_be_caught_by_its_name(tmp_path: Path) -> None:
    source = GROUPED.replace("except Found", "except trio.TooSlowError").replace(
        "raise Found", "raise trio.TooSlowError"
    )
    message = refused("ping", source, tmp_path)
    assert message.startswith("7: your program raised TooSlowError. It comes out of a nursery in an ExceptionGroup")
    assert message.endswith(". `trio.move_on_after` ends in time as well, and raises nothing")
    assert "catches it" not in message


def test_nor_is_one_that_nothing_means_to_catch_yet(tmp_path: Path) -> None:
    source = GROUPED.replace("raise Found", "with trio.fail_after(1):\n        await trio.sleep(2)")
    message = refused("ping", source, tmp_path)
    assert message.startswith("7: your program raised TooSlowError. It comes out of a nursery in an ExceptionGroup")
    assert "catches it" not in message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("with trio.Lock():\n        pass", "Where one may have to wait, as for a lock, it is `async with`"),
        (
            "scope = trio.CancelScope()\n    for _ in range(2):\n        with scope:\n            pass",
            "A scope is for one `with`: make it anew in each call, and inside of the loop if there is one",
        ),
        ("raise trio.BusyResourceError('another task is already reading this socket')", TWO_READ),
    ],
)
def test_what_python_alone_says_has_what_would_be_right(body: str, words: str, tmp_path: Path) -> None:
    message = refused("ping", f"import trio\nasync def ping(server):\n    {body}\n", tmp_path)
    assert "your program raised " in message
    if "plain `with`" not in message:  # Python 3.10 has other words for it
        assert message.endswith(f". {words}")
