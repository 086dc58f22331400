"""Chapters 7 to 11 of the tutorial: their programs, as tests/test_tutorial.py has those of the others."""

from __future__ import annotations

import re
import runpy
import signal
import socket
import struct
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from docs import _tutorial
from tests.cli.child import start
from tests.test_tutorial import ran
from trio_udp import AttemptTimedOut, Datagram, DatagramDropped, HandlerStarted, PeerClosed, ReplyAccepted
from trio_udp.tracing import Happened, ladder_svg

if TYPE_CHECKING:
    from pathlib import Path

    from trio_udp import Handler

HERE = ("127.0.0.1", 50000)


def handler_of(name: str) -> Handler:
    """The function ``answer`` of a program."""
    handler: Handler = runpy.run_path(str(_tutorial.PROGRAMS / f"{name}.py"))["answer"]
    return handler


def happened(name: str, kind: type) -> list[float]:
    """When, to a tenth of a second."""
    entries = [entry for entry in ran(name).trace.entries if isinstance(entry, Happened)]
    return [round(entry.event.time, 1) for entry in entries if isinstance(entry.event, kind)]


def pytest_says(name: str, folder: Path) -> str:
    """What pytest says of it."""
    _tutorial.run(name, folder)
    return (folder / f"{name}.txt").read_text(encoding="utf-8")


def test_a_reader_can_have_them_in_one_folder() -> None:
    """Those that import from each other say so; none may have the name of another one."""
    paths = list(_tutorial.PROGRAMS.rglob("*.py"))
    names = Counter(path.stem for path in paths)
    imports = re.compile(rf"^from ({'|'.join(names)}) import", re.MULTILINE)
    importing = [path for path in paths if imports.search(path.read_text(encoding="utf-8"))]
    assert len(importing) > 10
    assert [path for path in importing if names[path.stem] > 1] == []


@pytest.mark.parametrize("name", ["crew", "mistakes/one_loop", "mistakes/one_watch"])
def test_in_one_folder_and_in_real_time(name: str, tmp_path: Path) -> None:
    """As the reader runs them, over a real socket. How long it takes, and who is first, may differ a little."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    for program in ("crew", "peers", name):
        text = _tutorial.program(program).read_text(encoding="utf-8").replace("9000", port)
        (tmp_path / f"{program.rpartition('/')[2]}.py").write_text(text, encoding="utf-8")
    with start(command=[sys.executable, f"{name.rpartition('/')[2]}.py"], cwd=tmp_path) as child:
        assert child.ended() == 0
        assert without_times(child.out.all().decode()) == without_times(ran(name).said)


def without_times(said: str) -> list[str]:
    return sorted(re.sub(r"\d\.\d", "?", line) for line in said.splitlines())


# -- 7: many clients ---------------------------------------------------------------------------------------------------


def test_crew() -> None:
    assert ran("crew").said == "Bob: egg, after 0.2 s\nAda: tea, after 0.5 s\nCleo: toast, after 0.4 s\n"
    assert happened("crew", HandlerStarted) == [0, 0.1, 0.2]
    assert happened("crew", ReplyAccepted) == [0.3, 0.5, 0.6]


def test_mistakes_one_loop() -> None:
    assert ran("mistakes/one_loop").said == "Ada: tea, after 0.5 s\nBob: egg, after 0.6 s\nCleo: toast, after 0.9 s\n"
    assert happened("mistakes/one_loop", ReplyAccepted) == [0.5, 0.7, 1.1]
    picture = ladder_svg(ran("mistakes/one_loop").trace)  # "see how much later they are read"
    assert [float(wait) for wait in re.findall(r"1 \S+, read (\d+) ms later", picture)] == [400, 500]


def test_solutions_crew_1() -> None:
    assert ran("solutions/crew_1").said == "Bob: egg, after 0.2 s\nAda: tea, after 0.5 s\nCleo: toast, after 0.5 s\n"
    assert happened("solutions/crew_1", HandlerStarted) == [0, 0.1, 0.3]


def test_solutions_crew_2() -> None:
    assert ran("solutions/crew_2").said == "Bob: egg, after 0.2 s\nCleo: toast, after 0.4 s\nAda: tea, after 0.5 s\n"
    assert happened("solutions/crew_2", ReplyAccepted) == [0.2, 0.4, 0.5]


# -- 8: peers ----------------------------------------------------------------------------------------------------------


def test_peers() -> None:
    assert ran("peers").said == (
        "Bob: 0.5 s\nAda: 1.0 s\nBob: 1.0 s\nAda: 2.0 s\n"
        "server: Bob is silent, the watch is put away\nserver: Ada is silent, the watch is put away\n"
    )
    assert happened("peers", PeerClosed) == [3.3, 4.0]


def test_mistakes_one_watch() -> None:
    assert ran("mistakes/one_watch").said == "Bob: 0.5 s\nAda: 0.7 s\nBob: 1.0 s\nAda: 1.7 s\n"


def test_solutions_peers_1() -> None:
    assert ran("solutions/peers_1").said == "how long? 1.0 s\nstop 2.0 s\nhow long? 0.5 s\nstop 1.0 s\n"
    assert happened("solutions/peers_1", PeerClosed) == [2.0, 3.0]


def test_solutions_peers_2() -> None:
    assert ran("solutions/peers_2").said == "tick 1\ntick 2\ntick 3\n"
    assert happened("solutions/peers_2", PeerClosed) == [3.5]


# -- 9: stopping -------------------------------------------------------------------------------------------------------


def test_stopping() -> None:
    assert ran("stopping").said == (
        "the server is told to stop\nAda: tea\nBob: no reply\nthe server took 0.3 s to stop\n"
    )
    assert happened("stopping", ReplyAccepted) == [0.5]
    assert happened("stopping", HandlerStarted) == [0], "the question that comes after that is not begun"


def test_mistakes_no_grace() -> None:
    assert ran("mistakes/no_grace").said == (
        "the server is told to stop\nAda: no reply\nBob: no reply\nthe server took 0.0 s to stop\n"
    )
    assert happened("mistakes/no_grace", HandlerStarted) == [0]
    assert happened("mistakes/no_grace", ReplyAccepted) == []
    assert len(happened("mistakes/no_grace", DatagramDropped)) == 1
    assert len(happened("mistakes/no_grace", AttemptTimedOut)) == 4


def test_solutions_stopping_1() -> None:
    assert ran("solutions/stopping_1").said == (
        "Ada: egg\nserver: no time left for tea\nthe server has ended\nBob: no reply\n"
    )


def test_solutions_stopping_2() -> None:
    assert ran("solutions/stopping_2").said == "SIGINT: stopping\nAda: tea, after 0.5 s\nboth have ended\n"


# -- 10: virtual time --------------------------------------------------------------------------------------------------


def test_virtual() -> None:
    run = ran("virtual")
    assert run.said == "1.8 s: tea\n5.8 s: egg\n7.6 s: toast\n"
    assert [data for _, data in run.lost] == ["0.5 tea", "0.2 egg", "0.2 egg", "toast"], "the last is a reply"


def test_mistakes_real_sleep() -> None:
    assert ran("mistakes/real_sleep").said == "0.2 s: tea\n", "half a second passes, and Trio's clock does not know"


def test_test_crew(tmp_path: Path) -> None:
    said = pytest_says("test_crew", tmp_path)
    assert said.count("PASSED") == 2
    assert said.endswith("\n2 passed\n")


def test_the_tests_would_find_the_mistake(tmp_path: Path) -> None:
    """As the chapter says: with the sleep that is not Trio's, the exact time is not 0.7."""
    programs = {path.name: path.read_text(encoding="utf-8") for path in _tutorial.PROGRAMS.glob("*crew.py")}
    programs["crew.py"] = programs["crew.py"].replace("await trio.sleep(", "__import__('time').sleep(")
    for name, text in programs.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "takes_its_time"]
    with start(command=command, cwd=tmp_path) as child:
        assert child.ended() == 1
        assert re.search(r"assert 0\.2\d* == 0\.7", child.out.all().decode())


def test_solutions_test_lost_twice(tmp_path: Path) -> None:
    assert pytest_says("solutions/test_lost_twice", tmp_path).endswith("\n1 passed\n")


def test_solutions_test_cut_off(tmp_path: Path) -> None:
    assert pytest_says("solutions/test_cut_off", tmp_path).endswith("\n1 passed\n")


# -- 11: the real world ------------------------------------------------------------------------------------------------


def test_real_world() -> None:
    assert ran("real_world").said == "0 toast: toast, after 0 s\n1 egg: egg, after 1 s\n2 tea: tea, after 2 s\n"


@pytest.mark.parametrize("data", [b"soon, please", b"", b"\xff", b"nan tea", b"-1 tea", b"1e99 tea", b"inf"])
async def test_the_real_world_is_not_answered(data: bytes) -> None:
    assert await handler_of("real_world")(Datagram(data, HERE)) is None


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signal for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_real_world_stops_well(number: signal.Signals) -> None:
    with start(command=[sys.executable, "-u", str(_tutorial.PROGRAMS / "real_world.py"), "0"]) as server:
        server.out.wait_for(r"listening on port \d+\n")
        server.send_signal(number)
        assert server.ended() == 0
        assert server.out.text.endswith("stopped; kept away: {}\n")


def test_mistakes_believing() -> None:
    run = ran("mistakes/believing")
    assert 'File "crew.py"' in run.said
    assert "ExceptionGroup: Exceptions from Trio nursery (1 sub-exception)\n" in run.said
    assert run.said.count("ValueError: could not convert string to float: b'soon,'\n") == 1
    assert "Ada" not in run.said
    assert happened("mistakes/believing", ReplyAccepted) == []


def test_solutions_real_world_1() -> None:
    assert ran("solutions/real_world_1").said == "20 answered; kept away: {'over rate': 80}\n"


def test_solutions_real_world_2() -> None:
    assert ran("solutions/real_world_2").said == "9000 0.5 tea -> tea\n9001 0.5 tea -> 0.5 tea\nboth have ended\n"


QUESTION = b"\x04time\x07example\x00"


def query(*, flags: int = 0x0100, kind: int = 16) -> Datagram:
    data = struct.pack("!HHHHHH", 0xABCD, flags, 1, 0, 0, 0) + QUESTION + struct.pack("!HH", kind, 1)
    return Datagram(data, HERE)


async def test_time_for_dig() -> None:
    """dig itself asks it in tests/peers/test_tutorial.py."""
    reply = await handler_of("time_for_dig")(query())
    assert reply is not None
    assert re.fullmatch(
        re.escape(struct.pack("!HHHHHH", 0xABCD, 0x8500, 1, 1, 0, 0) + QUESTION + struct.pack("!HH", 16, 1))
        + re.escape(struct.pack("!HHHIHB", 0xC00C, 16, 1, 0, 9, 8))
        + rb"\d\d:\d\d:\d\d",
        reply,
    )


async def test_time_for_dig_says_whether_recursion_was_desired() -> None:
    """RFC 1035 section 4.1.1: RD is copied."""
    reply = await handler_of("time_for_dig")(query(flags=0))
    assert reply is not None
    assert reply[2:4] == b"\x84\x00"


async def test_time_for_dig_has_no_other_records() -> None:
    reply = await handler_of("time_for_dig")(query(kind=1))
    assert reply == struct.pack("!HHHHHH", 0xABCD, 0x8500, 1, 0, 0, 0) + QUESTION + struct.pack("!HH", 1, 1)


async def test_time_for_dig_does_not_answer_an_answer() -> None:
    assert await handler_of("time_for_dig")(query(flags=0x8400)) is None
