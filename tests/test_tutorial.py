"""Runs every program of the tutorial as the build of its pages does, and looks at what the pages say of them.

What a page relies on is asserted twice: in what the program says, and in which datagrams were sent and what became of
them. Those come from the trace that the page's ladder is drawn from. A program without a test fails.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import pytest

from docs import _tutorial
from trio_udp import (
    DatagramLost,
    DatagramReceived,
    DatagramSent,
    NoReply,
    ReplyIgnored,
    Retry,
    cache_replies,
    open_udp_client,
    serve_udp,
    tracing,
)
from trio_udp.faults import drop_nth
from trio_udp.tracing import Happened, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import trio

    from trio_udp import Datagram
    from trio_udp.testing import VirtualNetwork

PAGES = sorted((_tutorial.DOCS / "tutorial").glob("[0-9]*.rst"))
PROGRAMS = sorted(_tutorial.PROGRAMS.rglob("*.py"))
STOPPED = "[still waiting after 10 seconds: stopped here]\n"


class Ran(NamedTuple):
    """A run: what was said, what went by, and all the rest; of a talk, ``said`` is the client's."""

    said: str
    server_said: str
    sent: list[tuple[float, str]]
    lost: list[tuple[float, str]]
    arrived: list[tuple[float, str]]
    trace: Trace


@cache
def ran(name: str) -> Ran:
    """As the build runs it; times in seconds, to a hundredth."""
    return talks()[name] if name in _tutorial.TALKS else run_now(name)


@cache
def talks() -> dict[str, Ran]:
    """Those that take real time, several at once: they wait, mostly."""
    with ThreadPoolExecutor(4) as threads:
        return dict(zip(_tutorial.TALKS, threads.map(run_now, _tutorial.TALKS), strict=True))


def run_now(name: str) -> Ran:
    with TemporaryDirectory() as folder:
        out = Path(folder, name)
        _tutorial.run(name, Path(folder))
        said, picture = (out.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".txt", ".svg"))
        trace = tracing.load(out.with_suffix(".jsonl"))
        server = Path(f"{out}_server.txt")
        server_said = server.read_text(encoding="utf-8") if server.exists() else ""
    assert picture == tracing.ladder_svg(trace)
    events = [entry.event for entry in trace.entries if isinstance(entry, Happened)]
    sent, lost, arrived = (
        [(round(event.time, 2), event.data.decode()) for event in events if isinstance(event, kind)]
        for kind in (DatagramSent, DatagramLost, DatagramReceived)
    )
    return Ran(said, server_said, sent, lost, arrived, trace)


def without(name: str, function: str) -> str:
    """A program as Python reads it, without its first line and one of its functions."""
    tree = ast.parse(_tutorial.program(name).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body[1:] if getattr(node, "name", "") != function]
    return ast.dump(tree)


def differences(one: str, other: str) -> list[str]:
    """Between two programs, below their first lines, which say what they are about."""
    this, that = (_tutorial.program(name).read_text(encoding="utf-8").splitlines()[1:] for name in (one, other))
    return [line for line in unified_diff(this, that, n=0) if not line.startswith(("---", "+++", "@@"))]


# -- the programs, chapter by chapter ----------------------------------------------------------------------------------


# Where two programs talk in real time, what is asserted does not hang on how fast they are: the client waits for both
# replies, the server sleeps for a second before the first.


def in_order(datagrams: list[tuple[float, str]]) -> list[str]:
    return [data for _, data in datagrams]


def test_blocking_server() -> None:
    """It keeps ``hello`` waiting, as the page says."""
    assert ran("blocking_client").server_said == "listening on port 9000\n"


def test_blocking_client() -> None:
    run = ran("blocking_client")
    assert re.fullmatch(r"time: 12:00:00, after \d+ s\nhello: hello, after \d+ s\n", run.said)
    assert in_order(run.sent) == ["time", "hello", "12:00:00", "hello"]
    assert min(time for time, _ in run.sent[2:]) >= 1


def test_mistakes_blocking() -> None:
    run = ran("mistakes/blocking")
    assert run.said == "the first four bytes: b'hell'\n[still waiting after 3 seconds: stopped here]\n"
    assert in_order(run.arrived) == ["hello", "hello"]


def test_solutions_blocking_1() -> None:
    """Unless the client itself is held up for longer than the server sleeps, which may happen, but not each time."""
    neither = "time: no answer yet\nhello: no answer yet\n"
    assert ran("solutions/blocking_1").said == neither or run_now("solutions/blocking_1").said == neither


def test_solutions_blocking_2() -> None:
    said = ran("solutions/blocking_2").said
    assert re.fullmatch(r"(hello: hello, after \d+ s\n){2}count: 3, after \d+ s\n", said)


def test_trio_server() -> None:
    """All is as it was."""
    run, before = ran("trio_server"), ran("blocking_client")
    assert re.fullmatch(r"time: 12:00:00, after \d+ s\nhello: hello, after \d+ s\n", run.said)
    assert in_order(run.sent) == in_order(before.sent)
    assert min(time for time, _ in run.sent[2:]) >= 1


def test_mistakes_trio_server() -> None:
    run = ran("mistakes/trio_server")
    assert run.said == "[still waiting after 3 seconds: stopped here]\n"
    assert in_order(run.sent) == ["time", "hello"]
    assert "sendto' was never awaited" in run.server_said
    assert differences("trio_server", "mistakes/trio_server") == [
        "-            await sock.sendto(reply, address)",
        "+            sock.sendto(reply, address)",
    ]


def test_solutions_trio_1() -> None:
    assert in_order(ran("solutions/trio_1").sent) == in_order(ran("trio_server").sent)


def test_solutions_trio_2() -> None:
    run = ran("solutions/trio_2")
    assert re.fullmatch(r"hello: hello, after \d+ s\nstop: bye, after \d+ s\n", run.said)
    assert run.server_said == "listening on port 9000\nstopped\n"


def test_nursery() -> None:
    run = ran("nursery")
    assert run.said == "b'time' -> b'12:00:00'\nb'hello' -> b'hello'\n"
    assert run.sent == [(0, "time"), (1, "12:00:00"), (1, "hello"), (1, "hello")]


def test_start_soon_passes_no_task_status() -> None:
    """The page says what becomes of it."""
    text = _tutorial.program("nursery").read_text(encoding="utf-8")
    program = text.replace("await nursery.start(serve)", "nursery.start_soon(serve)")
    assert program != text
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=60)
    [error] = re.findall(r"^[ |]*(TypeError: .*)$", run.stderr, re.MULTILINE)
    assert f"``{error}``" in (_tutorial.DOCS / "tutorial" / "03_nursery.rst").read_text(encoding="utf-8")


def test_mistakes_nursery() -> None:
    run = ran("mistakes/nursery")
    assert run.said == "asked: b'hello'\n" + STOPPED
    assert (run.sent, run.lost) == ([(0, "hello")], [(0, "hello")])


def test_solutions_nursery_1() -> None:
    """Whose turn it is first is not promised; who has ended when, is."""
    *replies, last = ran("solutions/nursery_1").said.splitlines()
    assert sorted(replies) == [f"{name} has got b'{name} {number}'" for name in ("Ada", "Bob") for number in (1, 2)]
    assert last == "both have ended"


def test_solutions_nursery_2() -> None:
    assert ran("solutions/nursery_2").said == 3 * "still here\n" + "answered: b'hello'\n"


@pytest.mark.parametrize(
    ("blocking", "lines"), [("__import__('time').sleep(1)", 0), ("trio.lowlevel.current_clock().jump(1)", 1)]
)
def test_solutions_nursery_2_that_blocks(blocking: str, lines: int, tmp_path: Path) -> None:
    """What changes with ``time.sleep``: nobody has a turn, and a second later one line is due at best, not three.

    The virtual clock does not see that sleep. In the second run it moves on as the real one would.
    """
    text = _tutorial.program("solutions/nursery_2").read_text(encoding="utf-8")
    program = tmp_path / "nursery_2.py"
    program.write_text(text.replace("await trio.sleep(1)", blocking), encoding="utf-8")
    assert blocking in program.read_text(encoding="utf-8")
    assert run_now(str(program.with_suffix(""))).said == lines * "still here\n" + "answered: b'hello'\n"


def test_lost() -> None:
    run = ran("lost")
    assert run.said == "b'one' -> b'one'\n" + STOPPED
    assert run.sent == [(0, "one"), (0, "one"), (0, "two")]
    assert run.lost == [(0, "two")]
    assert run.trace.ended - run.trace.started == pytest.approx(10)


def test_saved() -> None:
    run = ran("saved")
    assert run.said == "b'one' -> b'one'\nb'two' -> no reply\nb'three' -> b'three'\n"
    assert run.sent == [(0, "one"), (0, "one"), (0, "two"), (1, "three"), (1, "three")]
    assert run.lost == [(0, "two")]


def test_mistakes_lost() -> None:
    run = ran("mistakes/lost")
    assert run.said == "the timeout is over already\nb'one' -> b'one'\n" + STOPPED
    assert run.lost == [(0, "two")]


def test_mistakes_scope() -> None:
    said = ran("mistakes/scope").said.splitlines()
    assert said[0] == "slept for 0.5"
    assert said[-1] == "RuntimeError: Each CancelScope may only be used for a single 'with' block"
    assert all("scope.py" in line for line in said if line.startswith("  File")), "nothing of Trio's"


def test_solutions_lost_1() -> None:
    run = ran("solutions/lost_1")
    assert run.said == "b'one' -> b'one'\nthe server does not answer\n"
    assert in_order(run.sent) == ["one", "one", "two"]


def test_solutions_lost_2() -> None:
    run = ran("solutions/lost_2")
    assert run.said == "b'one' -> b'one'\nthat was all, in 1.0 s\n"
    assert in_order(run.sent) == ["one", "one", "two"]


HELLO_AT_LAST = [(0, "hello"), (0.5, "hello"), (0.5, "hello"), (1.5, "hello"), (1.5, "hello")]


def test_retries() -> None:
    run = ran("retries")
    assert run.said == "no reply in 0.5 s\nno reply in 1 s\nb'hello'\n"
    assert run.sent == HELLO_AT_LAST
    assert run.lost == [(0, "hello"), (0.5, "hello")]


def test_patient() -> None:
    """Datagram for datagram the same."""
    run = ran("patient")
    assert run.said == "b'hello'\n"
    assert (run.sent, run.lost) == (HELLO_AT_LAST, ran("retries").lost)


def test_mistakes_retries() -> None:
    run = ran("mistakes/retries")
    assert run.said == "b'one' -> b'one'\nb'two' -> b'one'\nb'three' -> b'one'\n"
    assert not run.lost
    assert [data for time, data in run.sent if time < 0.35] == 4 * ["one"]


def test_solutions_retries_1() -> None:
    run = ran("solutions/retries_1")
    assert run.said == "no reply to 4 attempts in 7.5 s\n"
    assert [time for time, _ in run.sent] == [0, 0.5, 1.5, 3.5]


def test_solutions_retries_2() -> None:
    run = ran("solutions/retries_2")
    assert run.said == "gave up after 3.0 s\n"
    assert [time for time, _ in run.sent] == [0, 0.2, 0.6, 1.4]


def test_duplicates() -> None:
    run = ran("duplicates")
    assert run.said == (
        "sold: b'ticket 1' for b'Ada, order 1'\n"
        "b'Ada, order 1' -> b'ticket 1'\n"
        "sold: b'ticket 2' for b'Ada, order 2'\n"
        "b'Ada, order 2' -> b'ticket 2'\n"
    )
    one, two = ["Ada, order 1", "ticket 1"], ["Ada, order 2", "ticket 2"]
    assert in_order(run.sent) == [*one, *one, *two]
    assert in_order(run.lost) == ["ticket 1"]


def test_mistakes_duplicates() -> None:
    run, right = ran("mistakes/duplicates"), ran("duplicates")
    assert run.said.count("sold: ") == 3
    assert run.said.count("for b'Ada, order 1'") == 2
    assert [time for time, _ in run.sent] == [time for time, _ in right.sent], "the page says: datagram for datagram"
    assert Retry().span == 46.5, "as it says, too"


TWO_TICKETS = """\
sold: b'Ada, order 1: ticket 1'
b'Ada, order 1' -> b'Ada, order 1: ticket 1'
sold: b'Ada, order 2: ticket 2'
b'Ada, order 2' -> b'Ada, order 2: ticket 2'
"""


def test_solutions_duplicates_1() -> None:
    run = ran("solutions/duplicates_1")
    assert run.said == TWO_TICKETS
    events = [entry.event for entry in run.trace.entries if isinstance(entry, Happened)]
    assert any(isinstance(event, ReplyIgnored) for event in events)


@pytest.mark.parametrize("seed", range(1, 6))
def test_solutions_duplicates_1_on_other_networks(seed: int, tmp_path: Path) -> None:
    """Regression: it relied on copies that come at the same moment. Without ``correlate`` no seed goes well."""

    def tell(old: str, new: str) -> str:
        text = _tutorial.program("solutions/duplicates_1").read_text(encoding="utf-8")
        assert "VirtualNetwork()" in text
        assert old in text
        program = tmp_path / "program.py"
        text = text.replace("VirtualNetwork()", f"VirtualNetwork(seed={seed})").replace(old, new)
        program.write_text(text, encoding="utf-8")
        return run_now(str(program.with_suffix(""))).said

    assert tell("", "") == TWO_TICKETS
    assert "b'Ada, order 2' -> b'Ada, order 1: ticket 1'\n" in tell(", correlate=order_in", "")


@pytest.mark.parametrize(
    ("key", "sold"), [(lambda datagram: datagram.data, 1), (lambda datagram: (datagram.address, datagram.data), 2)]
)
async def test_what_the_key_of_an_order_decides(
    key: Callable[[Datagram], Hashable],
    sold: int,
    virtual_network: VirtualNetwork,
    autojump_clock: object,
    nursery: trio.Nursery,
) -> None:
    """As the page of duplicates says: who gives up and orders again buys twice, or a stranger gets her ticket."""
    tickets = count(1)

    async def sell(_: Datagram) -> bytes:
        return b"ticket %d" % next(tickets)

    async def order() -> bytes:
        async with await open_udp_client("server", 9000) as client:
            return await client.request(b"Ada, order 1", retry=Retry(attempts=1))

    with virtual_network.host(name="server"):
        await nursery.start(serve_udp, cache_replies(sell, key=key), 9000)
    with virtual_network.rule(drop_nth(2)), pytest.raises(NoReply):  # the reply
        await order()
    assert await order() == b"ticket %d" % sold
    with virtual_network.host(name="stranger"):
        assert (await order() == b"ticket 1") == (sold == 1)


def test_solutions_duplicates_2() -> None:
    said = "at 0 s: b'ticket 1'\nat 1 s: b'ticket 1'\nat 7 s: b'ticket 2'\n"
    assert ran("solutions/duplicates_2").said == said


# -- what the pages tell the reader to do ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown", "base"),
    [
        ("saved", "ask", "lost"),
        ("mistakes/lost", "main", "lost"),
        ("mistakes/trio_server", "serve", "trio_server"),
        ("mistakes/duplicates", "sell", "duplicates"),
    ],
)
def test_of_a_program_all_is_shown_that_is_new(name: str, shown: str, base: str) -> None:
    """Where a page shows one function, the rest is that of a program which the reader has."""
    assert without(name, shown) == without(base, shown)


@cache
def in_real_time() -> dict[str, str]:
    """What programs say that are run as the reader runs them, in a folder that has nothing else."""

    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])

    def say(name: str) -> str:
        text = _tutorial.program(name).read_text(encoding="utf-8").replace("9000", port)
        with TemporaryDirectory() as folder:
            Path(folder, "program.py").write_text(text, encoding="utf-8")
            ran = subprocess.run(
                [sys.executable, "program.py"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(_tutorial.DOCS.parent), "PYTHONUTF8": "1"},
                capture_output=True,
                encoding="utf-8",
                timeout=60,
                check=True,
            )
        return re.sub(r"\d\d:\d\d:\d\d", "12:00:00", ran.stdout)

    names = ("nursery", "saved", "retries", "patient", "duplicates")
    with ThreadPoolExecutor(len(names)) as threads:
        return dict(zip(names, threads.map(say, names), strict=True))


@pytest.mark.parametrize("name", ["nursery", "saved", "retries", "patient", "duplicates"])
def test_in_real_time_it_says_the_same(name: str) -> None:
    """The first over a real socket; the others bring their network, and their waits are real."""
    assert in_real_time()[name] == ran(name).said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_shown_is_whole_and_is_run(page: Path) -> None:
    """A reader who saves what is shown has a program, and below it the page has the command that runs it."""
    text = page.read_text(encoding="utf-8")
    assert ":pyobject:" not in text
    assert ":lines:" not in text
    shown = list(re.finditer(r":caption: (\S+\.py)$", text, re.MULTILINE))
    assert shown
    for each in shown:
        command = rf"^   \$ python (-m pytest -v )?{re.escape(each[1])}\b"
        assert re.search(command, text[each.end() :], re.MULTILINE), each[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_output_is_of_the_command_above_it(page: Path) -> None:
    """The client's, where two programs talk, with the words that the build gives it."""
    told: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("   $ python "):
            told.append(line.removeprefix("   $ python "))
        elif (output := re.match(r"\.\. literalinclude:: ../_pictures/tutorial/(\S+)\.txt", line)) is not None:
            name = output[1] if output[1] in _tutorial.names() else output[1].removesuffix("_server")
            if (talk := _tutorial.TALKS.get(name)) is not None:
                assert shlex.split(told[-1]) == [f"{talk.client}.py", "9000", *talk.words]
            else:
                assert told[-1].endswith(f"{name}.py") or told[-1] == f"{Path(name).name}.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_typed_has_been_shown(page: Path) -> None:
    """Each ``python program.py`` on a page is for a file that this page, or one before it, has."""
    texts = [each.read_text(encoding="utf-8") for each in PAGES if each <= page]
    shown = set(re.findall(r":caption: (\S+)", "".join(texts)))
    assert set(re.findall(r"^   \$ python (\S+\.py)", texts[-1], re.MULTILINE)) <= shown


# -- all of them -------------------------------------------------------------------------------------------------------


def name_of(path: Path) -> str:
    return path.relative_to(_tutorial.PROGRAMS).with_suffix("").as_posix()


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_there_is_a_test_for(path: Path) -> None:
    """Here, or in a file beside this one."""
    files = Path(__file__).parent.glob("test_tutorial*.py")
    tests = {name for file in files for name in re.findall(r"def test_(\w+)\(", file.read_text(encoding="utf-8"))}
    assert name_of(path).replace("/", "_") in tests


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_is_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < (45 if path.parent.name == "solutions" else 40)
    assert max(map(len, lines)) <= 92, "more than a page shows without scrolling"


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_is_shown(path: Path) -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    name = name_of(path)
    words = (f".. solution:: {path.stem}\n",) if name.startswith("solutions/") else (f"tutorial/{name}.py\n",)
    assert any(word in text for text in texts for word in words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_chapter_has_all_its_parts(page: Path) -> None:
    """A program, its output, its ladder, the common mistake with what it looks like, two exercises with solutions."""
    text = page.read_text(encoding="utf-8")
    story, mistake, exercises = re.split(r"^(?:The common mistakes?|Exercises)\n-+$", text, flags=re.MULTILINE)
    assert "/examples/tutorial/" in story
    assert re.search(r"_pictures/tutorial/\w+\.txt", story)
    assert ".. ladder:: " in story
    assert "/examples/tutorial/mistakes/" in mistake
    assert re.search(r"_pictures/tutorial/mistakes/\w+\.txt|ladder:: mistakes/", mistake)
    assert exercises.count(".. solution:: ") >= 2
    assert 60 <= text.count("\n") <= 160


@pytest.mark.parametrize(
    ("number", "explanation"),
    [
        ("03", "structured_concurrency"),
        ("04", "timeouts"),
        ("04", "datagrams"),
        ("05", "retries"),
        ("06", "retries"),
        ("07", "crew"),
    ],
)
def test_a_chapter_leads_to_the_page_on_its_question(number: str, explanation: str) -> None:
    [page] = [page for page in PAGES if page.stem.startswith(number)]
    assert f":doc:`../explanation/{explanation}`" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_is_made(page: Path) -> None:
    """Output and ladders that the build makes, by the names by which it makes them."""
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"_pictures/tutorial/([\w/]+)\.txt|ladder:: ([\w/]+)", text)
    made = {*_tutorial.names(), *(f"{talk}_server" for talk in _tutorial.TALKS)}
    assert {name for pair in shown for name in pair if name} <= made
