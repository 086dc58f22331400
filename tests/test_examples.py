"""Runs every program of docs/examples as a child process and talks to it; a program without a test here fails."""

from __future__ import annotations

import errno
import os
import re
import runpy
import shlex
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from difflib import unified_diff
from functools import partial
from pathlib import Path
from subprocess import PIPE, STDOUT
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.dtls.certificates import Authority, Pair
from tests.test_explanation import PROGRAMS as EXPLAINED
from trio_udp import Datagram, Retry, UDPChannel, UDPClient, open_udp_client, serve_udp
from trio_udp.cli import main
from trio_udp.dtls import client_context, open_dtls_channel, serve_dtls_peers, server_context
from trio_udp.faults import PRESETS, Link
from trio_udp.testing import VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from trio_udp import Handler

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
BAD_NETWORK = EXAMPLES / "bad_network"
PATIENCE = 60  # seconds; only a failure takes so long

SERVERS = {"echo_server": "localhost", "fixed_reply_server": None, "ok_server": None, "receive_only_server": None}
"""What never ends by itself, and where it listens."""

# Runs a program in virtual time, which passes at once when it waits for nothing but the clock.
FAST_FORWARD = """
import functools, runpy, sys, trio, trio.testing
trio.run = functools.partial(trio.run, clock=trio.testing.MockClock(autojump_threshold=0))
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Program:
    """A child process, and what it has said so far, on either stream."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.stdin: trio.abc.SendStream = process.stdin
        self._stdout: trio.abc.ReceiveStream = process.stdout
        self._said = b""
        self._read = 0

    async def line_with(self, text: str) -> str:
        """The next line that contains the text; waits for it."""
        while True:
            while (end := self._said.find(b"\n", self._read)) >= 0:
                line, self._read = self._said[self._read : end].decode(), end + 1
                if text in line:
                    return line.rstrip("\r")
            chunk = await self._stdout.receive_some()
            assert chunk, f"ended without saying {text!r}:\n{self._said.decode()}"
            self._said += chunk

    async def says(self, text: str) -> None:
        """Waits until that is the last thing that it has said."""
        while not self._said.decode(errors="ignore").endswith(text):
            chunk = await self._stdout.receive_some()
            assert chunk, f"ended without saying {text!r}:\n{self._said.decode()}"
            self._said += chunk

    async def ends(self, code: int = 0, *, tracebacks: bool = False) -> str:
        """All that it said, once it has ended by itself, with this exit code and without a traceback."""
        await self.stdin.aclose()
        async for chunk in self._stdout:
            self._said += chunk
        transcript = self._said.decode().replace("\r\n", "\n")
        assert await self.process.wait() == code, transcript
        assert tracebacks or "Traceback" not in transcript, transcript
        return transcript

    async def ends_at_ctrl_c(self) -> str:
        if sys.platform == "win32":  # it has no SIGINT for one process
            self.process.terminate()
            return await self.ends(1)
        self.process.send_signal(signal.SIGINT)
        await self.process.wait()  # with its standard input still open: the end of input would end it as well
        return await self.ends()


@asynccontextmanager
async def running(
    name: str,
    *arguments: object,
    fast_forward: bool = False,
    folder: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Program]:
    command = *(["-c", FAST_FORWARD] if fast_forward else []), EXAMPLES / f"{name}.py", *arguments
    async with running_python(*command, folder=folder, settings=settings) as program:
        yield program


@asynccontextmanager
async def running_python(
    *arguments: object, folder: Path | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Program]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-u", *map(str, arguments)],
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1", **settings},
    )
    try:
        with trio.fail_after(PATIENCE):
            yield Program(process)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()


async def transcript_of(name: str, *arguments: object, fast_forward: bool = False) -> str:
    async with running(name, *arguments, fast_forward=fast_forward) as program:
        return await program.ends()


async def port_of(server: Program) -> int:
    """The port that a server says it listens on."""
    return int((await server.line_with("port")).split()[-1])


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A server for the clients among the programs, on ``localhost``; its port."""
    async with trio.open_nursery() as nursery:
        endpoints = await nursery.start(partial(serve_udp, handler, 0, host="localhost"))
        yield endpoints[0].address[1]
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True, scope="module")
def heard_interrupts() -> Iterator[None]:
    """In a shell's background SIGINT is ignored, and what is ignored is so in child processes as well."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket on which nobody answers, on the address that ``localhost`` means first."""
    family, _, _, _, address = socket.getaddrinfo("localhost", 0, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind(address)
        bound.setblocking(False)
        yield bound


def datagrams_at(bound: socket.socket) -> list[bytes]:
    datagrams = []
    while True:
        try:
            datagrams.append(bound.recv(65535))
        except BlockingIOError:
            return datagrams


# The tutorial's have tests/test_tutorial.py.
PROGRAMS = sorted(path for path in EXAMPLES.rglob("*.py") if "tutorial" not in path.parts)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_there_is_a_test_for(path: Path) -> None:
    assert f"test_{path.stem}" in globals() or path in NETWORK_TESTS or path in EXPLAINED


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_fits_on_a_slide(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    # That one is there to be run; it has to stand what servers do that hang, end and say too much.
    assert len([line for line in lines if line]) <= (70 if path.stem == "handover" else 36)
    assert max(map(len, lines)) <= 92, "more than a page of the documentation shows without scrolling"


# -- all servers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_servers_survive_empty_datagrams_and_end_at_ctrl_c(
    name: str, address: str, request: pytest.FixtureRequest
) -> None:
    if address == "::1":
        request.getfixturevalue("ipv6")
        names = [answer[4][0] for answer in socket.getaddrinfo(SERVERS[name], 0, flags=socket.AI_PASSIVE)]
        if not {"::1", "::"} & set(names):
            pytest.skip("localhost is not ::1 here")
    async with running(name, 0) as server:
        port = await port_of(server)
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
            for data in (b"", b"", b"still there?"):
                client.sendto(data, (address, port))
            await server.line_with(str(client.getsockname()[1]))
            await server.line_with(str(client.getsockname()[1]))
            await server.line_with(str(client.getsockname()[1]))
        await server.ends_at_ctrl_c()


# -- one by one --------------------------------------------------------------------------------------------------------


async def test_echo_server() -> None:
    async with running("echo_server", 0) as server, await client_of(server) as client:
        assert await client.request(b"x" * 8000) == b"x" * 8000, "the classic cuts off at 4096"
        assert await client.request(b"") == b""
        transcript = await server.ends_at_ctrl_c()
    assert "8000 bytes came from 127.0.0.1 port" in transcript or "8000 bytes came from ::1 port" in transcript
    assert "\n0 bytes came from" in transcript


async def client_of(server: Program) -> UDPClient:
    return await open_udp_client("localhost", await port_of(server))


async def test_echo_client() -> None:
    received: list[bytes] = []

    async def lose_the_first(datagram: Datagram) -> bytes | None:
        received.append(datagram.data)
        return datagram.data if len(received) > 1 else None

    async with serving(lose_the_first) as port:
        transcript = await transcript_of("echo_client", port)
    assert received == [b"This is the message.  It will be repeated."] * 2
    assert "42 bytes came back: This is the message.  It will be repeated." in transcript


async def test_server_and_client() -> None:
    transcript = await transcript_of("server_and_client")
    events = [
        "server: listening",
        "client: sending 42 bytes",
        "server: 42 bytes",
        "client: 42 bytes",
        "both have ended",
    ]
    places = [transcript.index(event) for event in events]
    assert places == sorted(places)
    assert "This is the message.  It will be repeated." in transcript


async def test_echo_another_message() -> None:
    transcript = await transcript_of("echo_another_message")
    sent, seen, received = re.findall(r"b'[^']*'", transcript)
    assert sent == seen == received
    assert len(sent) == 48 + len("b''")
    assert transcript.count("48 bytes") == 2


async def test_fixed_reply_server() -> None:
    async with running("fixed_reply_server", 0) as server, await client_of(server) as client:
        for question in (b"May I?", b"", b"x" * 8000):
            assert await client.request(question) == b"Get off my lawn!"
        await server.ends_at_ctrl_c()


async def test_one_shot_client() -> None:
    """The classic, an unconnected socket that receives once, would print the stranger's answer: it comes first."""

    async def with_a_stranger(datagram: Datagram) -> bytes:
        assert datagram.data == b"Hello World"
        with socket.socket(
            socket.AF_INET6 if ":" in datagram.address[0] else socket.AF_INET, socket.SOCK_DGRAM
        ) as other:
            other.sendto(b"forged", datagram.address)
        return b"Get off my lawn!"

    async with serving(with_a_stranger) as port:
        transcript = await transcript_of("one_shot_client", "localhost", port)
    assert transcript == "b'Get off my lawn!'\n"


async def test_receive_only_server() -> None:
    async with running("receive_only_server", 0) as server:
        line = await server.line_with("port")
        assert re.fullmatch(r"waiting on port: \d+", line)
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", int(line.split()[-1])))
            for data in (b"one\x1b[2J", b"", b"three"):
                client.send(data)
            await server.line_with("b'three'")
            transcript = await server.ends_at_ctrl_c()
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(65535)
    assert "says b'one\\x1b[2J'\n" in transcript
    assert "says b''\n" in transcript


async def test_ok_server() -> None:
    async with running("ok_server", 0) as server:
        port = await port_of(server)
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as client:
            await client.bind(("127.0.0.1", 0))
            for data in (b"hello", b"", b"  it's \xff\x1b[2J\n"):
                await client.sendto(data, ("127.0.0.1", port))
                assert await client.recv(65535) == b"OK..." + data
            name = "127.0.0.1:{}".format(*client.getsockname()[1:])
        transcript = await server.ends_at_ctrl_c()
    assert transcript.splitlines()[1:] == [
        f"Message[{name}] - hello",
        f"Message[{name}] - ",
        rf"Message[{name}] - it's \xff\x1b[2J",
    ]


async def test_ok_server_without_its_port_says_why() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        async with running("ok_server", port) as server:
            transcript = await server.ends(1)
    [line] = transcript.splitlines()
    assert f":{port}: {os.strerror(errno.EADDRINUSE)}" in line


async def test_interactive_client() -> None:
    received: list[bytes] = []

    async def lose_the_first(datagram: Datagram) -> bytes | None:
        received.append(datagram.data)
        return b"OK..." + datagram.data if len(received) > 1 else None

    async with serving(lose_the_first) as port, running("interactive_client", port) as client:
        await client.stdin.send_all("grüß dich\n\nand again\n".encode())
        transcript = await client.ends()
    assert received == ["grüß dich".encode()] * 2 + [b"", b"and again"]
    prompt, reply = "Enter message to send : ", "Server reply : OK..."
    assert transcript == f"{prompt}{reply}grüß dich\n{prompt}{reply}\n{prompt}{reply}and again\n{prompt}"


async def test_interactive_client_ends_at_ctrl_c() -> None:
    """With input(), Python died of a lock: "could not acquire lock for <_io.BufferedReader name='<stdin>'>"."""
    prompt = "Enter message to send : "
    async with running("interactive_client", 1) as client:
        await client.says(prompt)
        assert await client.ends_at_ctrl_c() == prompt


async def test_many_clients() -> None:
    transcript = await transcript_of("many_clients")
    replies = dict(re.findall(r"^(client \d+) got b'for you: (.*)'$", transcript, re.MULTILINE))
    assert replies == {f"client {number}": f"client {number}" for number in range(100)}
    [seconds] = re.findall(r"took ([\d.]+) seconds", transcript)
    assert 0.5 <= float(seconds) < 100 * 0.5 / 2, "one after the other takes 50 seconds, at any speed of the machine"


async def test_guess() -> None:
    async with running("conversations/guess", 0) as server:
        port = await port_of(server)
        players = [await open_udp_client("localhost", port) for _ in range(2)]
        for player in players:
            assert (await player.request(b"hello\n")).startswith(b"I think of a number")
        ranges = dict.fromkeys(players, (1, 100))
        while ranges:
            for player, (least, most) in list(ranges.items()):
                guess = (least + most) // 2
                answer = await player.request(b"%d\n" % guess)
                ranges[player] = (guess + 1, most) if answer == b"more\n" else (least, guess - 1)
                if answer == b"yes!\n":
                    del ranges[player]
        for player in players:
            player.close()
        await server.ends_at_ctrl_c()


@pytest.mark.skipif(sys.platform != "linux", reason="workers need Linux")
async def test_primes() -> None:
    async with running("more_cores/primes", 0) as server, await client_of(server) as client:
        answer = await client.request(b"30", retry=Retry(first=PATIENCE))
        assert re.fullmatch(rb"10 primes, counted by process \d+", answer)
        assert int(answer.split()[-1]) != server.process.pid
        transcript = await server.ends_at_ctrl_c()
    assert re.fullmatch(r"\d+ processes at port \d+\nall of them together answered 1 times\n", transcript)


HANDED_SERVER = EXAMPLES / "operate" / "handed_server.py"


async def test_handed_server() -> None:
    """Started by itself, it has no socket; with one it is in test_handover, and in tests/peers/test_systemd.py."""
    async with running("operate/handed_server") as server:
        assert "there is nothing to serve" in await server.ends(1, tracebacks=True)


@asynccontextmanager
async def handing_over(*command: object, patience: float = PATIENCE) -> AsyncIterator[tuple[Program, int]]:
    """The program that hands a socket over, and its port; it ends, and what it has started."""
    async with running("operate/handover", 0, *command, settings={"PATIENCE": str(patience)}) as program:
        try:
            yield program, await port_of(program)
        finally:
            with trio.CancelScope(shield=True):
                program.process.terminate()
                await program.process.wait()


async def serving_process(program: Program) -> int:
    return int((await program.line_with("serves")).split()[1])


async def has_ended(process: int) -> None:
    """Waits until there is no such process."""
    with suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
            await trio.sleep(0.01)


class Asker:
    """Asks numbered questions, some at once and each once only, and knows which process has answered which."""

    def __init__(self, client: trio.socket.SocketType) -> None:
        self.asked = 0
        self.answered: dict[int, int] = {}
        self._client = client
        self._places = trio.CapacityLimiter(20)  # what waits in a socket is then far from filling it
        self._news = trio.Condition()

    async def ask(self) -> None:
        while True:
            await self._places.acquire_on_behalf_of(self.asked)
            await self._client.send(b"%d" % self.asked)
            self.asked += 1

    async def hear(self) -> None:
        while True:
            number, process = map(int, (await self._client.recv(100)).split(b", by process "))
            assert number not in self.answered
            self.answered[number] = process
            self._places.release_on_behalf_of(number)
            async with self._news:
                self._news.notify_all()

    async def wait_for_all(self) -> None:
        async with self._news:
            while len(self.answered) < self.asked:
                await self._news.wait()

    async def wait_for_answers_of(self, process: int, number: int) -> None:
        async with self._news:
            while list(self.answered.values()).count(process) < number:
                await self._news.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not pass sockets on like this")
async def test_handover() -> None:
    """Restarts under load: every question is answered though none is asked twice, by one process after another."""
    async with handing_over(sys.executable, HANDED_SERVER) as (program, port):
        processes = [await serving_process(program)]
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as client:
            await client.connect(("127.0.0.1", port))
            asker = Asker(client)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asker.hear)
                async with trio.open_nursery() as asking:
                    asking.start_soon(asker.ask)
                    for _ in range(3):
                        await asker.wait_for_answers_of(processes[-1], 100)
                        program.process.send_signal(signal.SIGHUP)
                        processes.append(await serving_process(program))
                    await asker.wait_for_answers_of(processes[-1], 100)
                    asking.cancel_scope.cancel()
                await asker.wait_for_all()
                nursery.cancel_scope.cancel()
        program.process.terminate()
        await program.ends()
    assert sorted(asker.answered) == [*range(asker.asked)]
    assert set(asker.answered.values()) == set(processes)
    assert len(set(processes)) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not pass sockets on like this")
async def test_handover_to_a_server_that_does_not_start(tmp_path: Path) -> None:
    broken, tried = tmp_path / "broken", tmp_path / "tried"
    start = f"if test -e {broken}; then touch {tried}; exit 1; fi; exec {sys.executable} {HANDED_SERVER}"
    async with handing_over("sh", "-c", start) as (program, port):
        process = await serving_process(program)
        async with await open_udp_client("127.0.0.1", port) as client:
            broken.touch()
            program.process.send_signal(signal.SIGHUP)
            while not tried.exists():
                assert await client.request(b"hello") == b"hello, by process %d" % process
            broken.unlink()
            program.process.send_signal(signal.SIGHUP)
            process = await serving_process(program)
            while await client.request(b"hello") != b"hello, by process %d" % process:
                pass


TALKATIVE_SERVER = """
import socket
print("serving", flush=True)
server = socket.socket(fileno=3)
while True:
    data, address = server.recvfrom(100)
    print("x" * int(data), flush=True)
    server.sendto(data, address)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not pass sockets on like this")
async def test_handover_to_a_server_that_says_much() -> None:
    """Regression: its output was read once; when a pipe was full of it, it stood still in ``print``."""
    async with handing_over(sys.executable, "-c", TALKATIVE_SERVER) as (program, port):
        await serving_process(program)

        async def read() -> None:
            for number in range(5):
                await program.line_with("x" * (70_000 + number))

        async with trio.open_nursery() as nursery, await open_udp_client("127.0.0.1", port) as client:
            nursery.start_soon(read)
            for number in range(5):
                question = b"%d" % (70_000 + number)
                assert await client.request(question, retry=Retry(first=PATIENCE)) == question


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not pass sockets on like this")
async def test_handover_of_the_command_line() -> None:
    """Regression: it says where it listens on standard error, which was not read, so it was waited for without end and
    two of them stayed.
    """
    async with handing_over(sys.executable, "-m", "trio_udp", "serve", "systemd", "--prefix", "OK...") as (
        program,
        port,
    ):
        process = await serving_process(program)
        async with await open_udp_client("127.0.0.1", port) as client:
            for _ in range(2):
                assert await client.request(b"hello") == b"OK...hello"
                program.process.send_signal(signal.SIGHUP)
                before, process = process, await serving_process(program)
                await program.line_with("statistics")  # the last words of the one before
                await has_ended(before)
            assert await client.request(b"hello") == b"OK...hello"
        program.process.terminate()
        assert "statistics" in (await program.ends()).rpartition("serves")[2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not pass sockets on like this")
async def test_handover_to_a_server_that_is_never_ready(tmp_path: Path) -> None:
    slow, quick = tmp_path / "slow", shlex.join(["exec", sys.executable, "-S", "-c", TALKATIVE_SERVER])
    start = f"if test -e {slow}; then echo still serving nobody; exec sleep 60; fi; {quick}"
    async with handing_over("sh", "-c", start, patience=3) as (program, port):
        process = await serving_process(program)
        slow.touch()
        program.process.send_signal(signal.SIGHUP)
        said = await program.line_with("was not ready after 3 s, and is ended")
        async with await open_udp_client("127.0.0.1", port) as client:
            assert await client.request(b"1") == b"1"
        os.kill(process, 0)
        await has_ended(int(said.split()[1]))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not pass sockets on like this")
async def test_handover_ends_while_a_server_starts() -> None:
    """Regression: signals were heard again only when it had started, and one that hung could not be ended."""
    async with running("operate/handover", 0, "sh", "-c", "echo starting >&2; exec sleep 60") as program:
        await program.line_with("starting")
        program.process.terminate()
        assert "the server did not start" in await program.ends(1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not pass sockets on like this")
async def test_handover_without_any_server() -> None:
    async with running("operate/handover", 0, "false") as program:
        assert "the server did not start" in await program.ends(1)


async def test_ticket_office() -> None:
    def request(data: bytes, times: int = 1) -> bytes:
        for _ in range(times):
            client.sendto(data, ("127.0.0.1", port))
        [reply] = {client.recv(65535) for _ in range(times)}
        return reply

    async with running("guards/ticket_office", 0) as office:
        port = await port_of(office)
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            cookie = request(bytes(16) + b"Ada")
            assert request(b"x" * 16 + b"Ada") == cookie, "anything else is as good as zeros"
            assert request(cookie + b"Ada", times=3).startswith(b"Ada has ticket 1. Valid on")
            assert request(cookie + b"Bob").startswith(b"Bob has ticket 2. Valid on")
            client.sendto(cookie + b"\xff", ("127.0.0.1", port))
            await office.line_with("UnicodeDecodeError: ")
            client.sendto(b"what?", ("127.0.0.1", port))
            client.sendto(cookie + b"Bob", ("127.0.0.1", port))
            assert client.recv(65535).startswith(b"Bob has ticket 2."), "of 16 bytes for 5 there is nothing to be seen"
            office.process.send_signal(signal.SIGINT)
            transcript = await office.ends(tracebacks=True)
    assert "the handler raised UnicodeDecodeError at 17 bytes from 127.0.0.1:" in transcript
    assert transcript.splitlines()[-1] == "{'UnicodeDecodeError': 1, 'amplifying reply': 1, 'duplicate': 3}"


@pytest.fixture
def certificates(authority: Authority, pair: Pair, tmp_path: Path) -> Path:
    """A folder with what the how-to makes."""
    for file, name in ((authority.ca, "ca.pem"), (pair.certificate, "cert.pem"), (pair.key, "key.pem")):
        (tmp_path / name).write_bytes(file.read_bytes())
    return tmp_path


async def test_secret_server(certificates: Path) -> None:
    async with running("dtls/secret_server", 0, folder=certificates) as server:
        context = client_context(certificates / "ca.pem")
        async with await open_dtls_channel("localhost", await port_of(server), context) as channel:
            for _ in range(2):
                await channel.send(b"hello")
                assert await channel.receive() == b"HELLO"
        await server.ends_at_ctrl_c()


async def test_limited_server(certificates: Path) -> None:
    async with running("dtls/limited_server", 0, folder=certificates) as server:
        port, context = await port_of(server), client_context(certificates / "ca.pem")
        for _ in range(5):
            async with await open_dtls_channel("localhost", port, context) as channel:
                await channel.send(b"hello")
                assert await channel.receive() == b"HELLO"
        await server.ends_at_ctrl_c()


async def test_secret_client(certificates: Path) -> None:
    received: list[bytes] = []

    async def lose_the_first(channel: UDPChannel) -> None:
        async for data in channel:
            received.append(data)
            if len(received) > 1:
                await channel.send(data.upper())

    async with trio.open_nursery() as nursery:
        context = server_context(certificates / "cert.pem", certificates / "key.pem")
        serve = partial(serve_dtls_peers, lose_the_first, 0, context, host="localhost")
        [endpoint, *_] = await nursery.start(serve)
        async with running("dtls/secret_client", endpoint.address[1], folder=certificates) as client:
            assert await client.ends() == "b'QUESTION 1'\nb'QUESTION 2'\nb'QUESTION 3'\n"
        nursery.cancel_scope.cancel()
    assert received == [b"question 1", b"question 1", b"question 2", b"question 3"]


async def test_known_clients(authority: Authority, certificates: Path, tmp_path: Path) -> None:
    mine = authority.sign("me", ("me.example",))
    (tmp_path / "me.pem").write_bytes(mine.certificate.read_bytes())
    (tmp_path / "me.key").write_bytes(mine.key.read_bytes())
    async with running("dtls/known_clients", folder=certificates) as program:
        mine_is_believed, without = (await program.ends()).splitlines()
    assert mine_is_believed == "b'IT IS ME'"
    assert re.fullmatch(r"no DTLS with \S+:\d+: .*handshake failure", without)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is nobody")
async def test_two_addresses() -> None:
    transcript = await transcript_of("several_addresses/two_addresses", fast_forward=True)
    without, with_it = transcript.splitlines()
    assert re.fullmatch(r"reply_from_asked=False: no reply from 127\.0\.0\.2 port \d+ to 2 attempts in .* s", without)
    assert with_it == "reply_from_asked=True: hello"


async def test_lossy_network() -> None:
    transcript = await transcript_of("lossy_network")
    answered = re.findall(r"^answered: question (\d+)$", transcript, re.MULTILINE)
    assert sorted(map(int, answered)) == list(range(1, 11))
    lost = transcript.count("lost: question")
    [sent] = re.findall(r"^10 questions, (\d+) datagrams sent, 10 answers$", transcript, re.MULTILINE)
    assert lost >= 1
    assert int(sent) >= 10 + lost


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere two on one machine cannot share the group's port so")
async def test_who_is_there() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    transcript = await transcript_of("discovery/who_is_there", port)
    assert sorted(transcript.splitlines()) == ["lamp at 127.0.0.1", "printer at 127.0.0.1"]


async def test_who_is_there_on_a_virtual_network(
    virtual_network: VirtualNetwork, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Each host by its own link; who answers after the deadline is not found, and who hears nothing neither."""
    example = runpy.run_path(str(EXAMPLES / "discovery" / "who_is_there.py"))
    links = [("lamp", Link(delay=0.25)), ("door", Link(delay=0.75)), ("clock", Link(loss=1)), ("oven", Link(delay=0.4))]
    for name, link in links:
        with (host := virtual_network.host(name=name)):
            await nursery.start(example["answer"], name.encode(), 27027)
        virtual_network.set_link("localhost", host, link, both=True)
    found = await example["discover"](27027)
    assert found == {b"lamp": ("10.0.0.1", 27027), b"oven": ("10.0.0.4", 27027)}
    assert trio.current_time() == 1.0
    asked = [each for each in virtual_network.datagrams if each.destination[0] == "239.255.27.27"]
    assert {each.receiver: each.dropped or each.delivered for each in asked} == {
        "10.0.0.1": [0.25],
        "10.0.0.2": [0.75],
        "10.0.0.3": "loss",
        "10.0.0.4": [0.4],
    }


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the loopback has no broadcast, or the port one owner")
async def test_broadcast() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    assert await transcript_of("discovery/broadcast", port) == "lamp\nprinter\n"


async def test_broadcast_on_a_virtual_network(
    virtual_network: VirtualNetwork, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """To the address that the page shows."""
    example = runpy.run_path(str(EXAMPLES / "discovery" / "broadcast.py"))
    for name in ("lamp", "door"):
        with virtual_network.host(name=name):
            await nursery.start(example["answer"], name.encode(), 27027)
    virtual_network.set_link("localhost", "door", Link(delay=1.5))
    assert await example["discover"](27027) == {b"lamp": ("10.0.0.1", 27027)}
    assert {each.destination[0] for each in virtual_network.datagrams if each.data == example["QUESTION"]} == {
        "255.255.255.255"
    }


async def test_one_loop() -> None:
    assert await transcript_of("crew/one_loop", fast_forward=True) == "1 s\n2 s\n3 s\n"


async def test_readme_example() -> None:
    """As it stands, but for its port, which somebody else may have."""
    text = (EXAMPLES / "readme_example.py").read_text(encoding="utf-8")
    assert text.count("10000") == 2
    async with serving(echo) as port:  # it has found one that is free on all addresses of localhost
        pass
    async with running_python("-c", text.replace("10000", str(port))) as program:
        assert await program.ends() == "b'LOST'\nb'DATAGRAMS'\nb'ARE'\nb'SENT'\nb'AGAIN'\n"


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def test_see(tmp_path: Path) -> None:
    """What it says is what docs/howto/see.rst tells of it: a lost question, two lost answers, and nobody unanswered."""
    transcript = await transcript_of("tracing/see", tmp_path)
    assert transcript.splitlines()[0].split() == ["Ada", "Bob", "server"]
    assert re.findall(r"✕.*(ADA|BOB): (\w+), lost", transcript) == [("ADA", "HELLO"), ("BOB", "GOODBYE")]
    assert re.findall(r"(Ada|Bob): (\w+), lost.*✕", transcript) == [("Bob", "goodbye")]
    assert transcript.count("answered after") == 4 + transcript.count("loop ")  # the attempt, and the whole request
    picture = (tmp_path / "see.svg").read_text(encoding="utf-8")
    assert picture.count('class="cross"') == 3
    assert "see.py:24" in picture
    assert picture.count("attempt timed-out") == 3
    assert "a minute for all" in (tmp_path / "see.html").read_text(encoding="utf-8")


# -- on a bad network --------------------------------------------------------------------------------------------------

# These are tests themselves, and there to pass; what is shown of the others is how they fail.
NETWORK_TESTS = {
    BAD_NETWORK / f"{name}.py"
    for name in (
        "counter_repaired",
        "crashes_test",
        "exact_loss_test",
        "exact_times_test",
        "first_test",
        "partitions_test",
        "presets_test",
        "what_happened_test",
    )
}


async def pytest_says(*arguments: object, code: int = 0) -> str:
    """As whoever reads the page would run it; with the options of this repository, trio_mode among them."""
    async with running_python("-m", "pytest", "-p", "no:cacheprovider", "--color=no", *arguments) as program:
        return await program.ends(code, tracebacks=True)


def as_shown(name: str) -> str:
    return (BAD_NETWORK / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", [0, 2])
async def test_on_a_bad_network(seed: int) -> None:
    """Whatever the seed, which says that none of them passes by luck."""
    transcript = await pytest_says("-v", "--udp-seed", seed, *sorted(NETWORK_TESTS))
    passed = re.findall(r"^docs/examples/bad_network/(\w+)\.py::\S+ PASSED", transcript, re.MULTILINE)
    assert {BAD_NETWORK / f"{name}.py" for name in passed} == NETWORK_TESTS
    assert len(passed) == len(NETWORK_TESTS) - 1 + len(PRESETS)


async def test_five_attempts() -> None:
    """Enough for one seed and not for another; what the report says of that one is on the page."""
    path = BAD_NETWORK / "five_attempts.py"
    assert "1 passed" in await pytest_says(path)
    assert as_shown("five_attempts") in await pytest_says(path, "--udp-seed", 2, code=1)


async def test_counter_test() -> None:
    """What Hypothesis finds is the same every time, and so is how it puts it, but for one word in older versions."""
    transcript = await pytest_says(BAD_NETWORK / "counter_test.py", code=1)
    transcript = transcript.replace("Falsifying example: ", "Failing test case: ")
    lines = iter(transcript.splitlines())
    assert all(line in lines for line in as_shown("counter_test").splitlines()), transcript


def test_twins_differ_only_where_the_page_says_so() -> None:
    assert differences("first_test", "five_attempts") == [
        "-from trio_udp import Datagram, Retry, open_udp_client, serve_udp",
        "+from trio_udp import Datagram, open_udp_client, serve_udp",
        '-                reply = await client.request(b"word %d" % number, retry=Retry(attempts=20))',
        '+                reply = await client.request(b"word %d" % number)',
    ]
    assert differences("counter_test", "counter_repaired") == [
        "-    count = 0",
        "+    count = last = 0",
        "-        self.count += 1",
        "+        if int(datagram.data) > self.last:",
        "+            self.last = int(datagram.data)",
        "+            self.count += 1",
    ]


def differences(one: str, other: str) -> list[str]:
    """What is on one page and not on the other, below the first line, which says what it is about."""
    this, that = ((BAD_NETWORK / f"{name}.py").read_text(encoding="utf-8").splitlines()[1:] for name in (one, other))
    return [line for line in unified_diff(this, that, n=0) if not line.startswith(("---", "+++", "@@"))]


async def test_relay_in_code() -> None:
    transcript = await transcript_of("bad_network/relay_in_code")
    [(came, went)] = re.findall(r"^b'HELLO'\n(\d+) came, (\d+) went on, \{'drop_first': 1\}\n$", transcript)
    assert int(came) == int(went) + 1


# -- what the pages show ----------------------------------------------------------------------------------

PAGES = sorted(path for path in (ROOT / "docs").rglob("*.rst") if "_build" not in path.parts)
COMMANDS = re.compile(r"python -m trio_udp\b([^\n`]*)")


# What Sphinx would show as Python: a block that says so, one after "::", which is Python unless said otherwise, and a
# session at the interpreter. No page may have one. README.rst, which cannot include, has one that is the text of a
# file: tests/test_readme.py sees to that.
CODE = re.compile(
    r"""^[ ]* (?: \.\.\ (?:code|code-block|sourcecode)::\ *(?:python3?|py3?|pycon|ipython3?|default)?\ *$
          | \.\.\ (?:testcode|doctest|highlight|jupyter-execute)::
          | (?![ ]*\.\.\ ) .* ::$
          | >>>\  )""",
    re.MULTILINE | re.VERBOSE,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_show_programs_that_are_run(page: Path) -> None:
    assert CODE.findall(page.read_text(encoding="utf-8")) == [], "make it a file in docs/examples, and include that"


@pytest.mark.parametrize(
    "text",
    [
        ".. code-block:: python\n\n   x\n",
        "   .. code-block:: py\n",
        ".. code::\n",
        ".. sourcecode:: python3\n",
        "So it goes::\n\n   x = 1\n",
        "::\n\n   x = 1\n",
        "   >>> 1 + 1\n",
    ],
)
def test_that_would_find_one(text: str) -> None:
    assert CODE.search(f"Words.\n\n{text}")


def test_but_not_what_is_no_python() -> None:
    assert not CODE.search(
        ".. code-block:: console\n\n   $ x\n\n.. toctree::\n\n.. literalinclude:: x.py\n\n.. _a: b::c\n"
    )


def commands_of(page: Path) -> list[str]:
    """What follows ``python -m trio_udp``, also where an inline literal goes on in the next line."""
    text = re.sub(r"(?<=\S)\n(?=\S)", " ", page.read_text(encoding="utf-8"))
    return sorted({words.strip() for words in COMMANDS.findall(text)})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio, "run", lambda *_, **__: 0)  # understood, and not done
    for words in commands_of(page):
        assert main(shlex.split(words, comments=True)) == 0


def test_each_classic_has_its_command() -> None:
    page = EXAMPLES.parent / "howto" / "classics.rst"
    sections = page.read_text(encoding="utf-8").split("literalinclude")[1:]
    assert len(sections) == len(list(EXAMPLES.glob("*.py"))) - 1, "all but the README's"
    for section in sections:
        assert "$ python -m trio_udp" in section


# -- clients whom nobody answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["echo_client", "one_shot_client"])
async def test_clients_say_that_nobody_answers(name: str, silent: socket.socket) -> None:
    port = silent.getsockname()[1]
    arguments = ["localhost", port] if name == "one_shot_client" else [port]
    async with running(name, *arguments, fast_forward=True) as client:
        transcript = await client.ends(1)
    assert f"port {port} to 5 attempts" in transcript.splitlines()[-1]
    assert len(datagrams_at(silent)) == 5


async def test_interactive_client_goes_on_when_nobody_answers(silent: socket.socket) -> None:
    async with running("interactive_client", silent.getsockname()[1], fast_forward=True) as client:
        await client.stdin.send_all(b"one\ntwo\n")
        transcript = await client.ends()
    assert transcript.count("no reply from") == 2
    assert datagrams_at(silent) == [b"one"] * 3 + [b"two"] * 3
