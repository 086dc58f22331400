from __future__ import annotations

import errno
import gc
import logging
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from trio_udp import Retry, open_udp_channel, open_udp_endpoint, workers
from trio_udp.workers import Workers, _process, serve_workers
from trio_udp.workers._backoff import Backoff
from trio_udp.workers._process import how_it_ended

from .cancelling import Cut, at_every_moment
from .cli.child import environment, has_ipv6
from .fakes import OtherSockets
from .worker_handlers import Opened, count, exit_unless, fail, replace_stderr, who

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from trio_udp import Handler, UDPEndpoint

if sys.platform != "linux":
    pytest.skip("workers need Linux", allow_module_level=True)

LOCAL = "127.0.0.1"
PATIENCE = 60  # seconds; only a failure takes so long
AT_ONCE = Retry(attempts=1, first=0.0)
NEVER = Retry(attempts=1, first=3600.0, maximum=3600.0)


def children() -> set[int]:
    """The processes that this one has started and that are there, as zombies too; the resource tracker aside."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        if parent == os.getpid():
            found.add(int(stat.parent.name))
    return found - {resource_tracker._resource_tracker._pid}  # type: ignore[attr-defined]


def descriptors() -> Counter[str]:
    """What this process has open of the kinds that workers need."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(link))
        except OSError:  # the one with which this looks
            continue
    return Counter(link for link in links if link.startswith(("socket:", "pipe:", "anon_inode:[pidfd]")))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    resource_tracker.ensure_running()
    processes, opened = children(), descriptors()
    yield
    # What others had left to the garbage collector may go meanwhile: only what is new counts.
    assert not children() - processes
    assert not descriptors() - opened


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What has been logged, as it comes."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("trio_udp").addHandler(handler)
    yield lines
    logging.getLogger("trio_udp").removeHandler(handler)


@asynccontextmanager
async def serving(handler: Handler = who, count: int = 2, **options: Any) -> AsyncIterator[Workers]:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            options = {"host": LOCAL, "restart": AT_ONCE, **options}
            found: Workers = await nursery.start(partial(serve_workers, handler, 0, workers=count, **options))
            yield found
            nursery.cancel_scope.cancel()


async def serve_in_vain(handler: Handler = who, port: int = 0, **options: Any) -> None:
    """For what is over before it has begun."""
    with trio.fail_after(PATIENCE):
        await serve_workers(handler, port, **{"host": LOCAL, "workers": 2, **options})


async def ask(client: UDPEndpoint, found: Workers, data: bytes = b"who?") -> bytes:
    await client.send(data, found.addresses[0])
    return (await client.receive()).data


async def client_of(pid: int, found: Workers) -> UDPEndpoint:
    """A client whom the kernel gives to that worker; whoever has another port may be another one's."""
    while True:
        client = await open_udp_endpoint(LOCAL)
        if int(await ask(client, found)) == pid:
            return client
        client.close()


async def until(said: list[str], pattern: str) -> re.Match[str]:
    """Wait until a line matches."""
    while True:
        for line in said:
            if match := re.fullmatch(pattern, line):
                return match
        await trio.sleep(0.01)


# -- serving ----------------------------------------------------------------------------------------------------------


async def test_all_workers_answer_and_each_client_has_one() -> None:
    async with serving(count=3) as found:
        assert len(set(found.pids)) == 3
        assert os.getpid() not in found.pids
        for pid in found.pids:
            with await client_of(pid, found) as client:
                for _ in range(5):
                    assert int(await ask(client, found)) == pid
        assert found.restarts == 0


async def test_they_reply_from_the_address_that_was_asked() -> None:
    async with serving(host="0.0.0.0", reply_from_asked=True) as found:
        port = found.addresses[0][1]
        with await open_udp_endpoint(LOCAL) as client:
            for host in ("127.0.0.2", "127.0.0.1"):
                await client.send(b"who?", (host, port))
                assert (await client.receive()).address == (host, port)
        for host in ("127.0.0.2", "127.0.0.3"):
            async with await open_udp_channel(host, port) as channel:
                await channel.send(b"who?")
                assert int(await channel.receive()) in found.pids


async def test_or_not_where_nobody_asks_for_that() -> None:
    async with serving(host="0.0.0.0") as found:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"who?", ("127.0.0.2", found.addresses[0][1]))
            assert (await client.receive()).address[0] == LOCAL
        assert children() == set(found.pids)
    assert found.pids == []


async def test_as_many_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7})
    async with serving(count=None) as found:  # type: ignore[arg-type]
        assert len(found.pids) == 3


async def test_both_families() -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    async with serving(host=None) as found:
        assert len(found.addresses) == 2
        [port] = {address[1] for address in found.addresses}
        for host in (LOCAL, "::1"):
            with await open_udp_endpoint(host) as client:
                await client.send(b"who?", (host, port))
                assert int((await client.receive()).data) in found.pids


async def test_statistics_are_the_sum_and_outlive_the_workers() -> None:
    async with serving() as found:
        for pid in found.pids:
            with await client_of(pid, found) as client:
                await client.send(b"silence", found.addresses[0])
                await ask(client, found)
        while found.statistics().received == 0:  # until a worker's next report
            await trio.sleep(0.01)
        assert found.statistics().kernel_drops == 0
        with await open_udp_endpoint(LOCAL) as alone:
            assert found.statistics().receive_buffer == 2 * alone.statistics().receive_buffer
    ended = found.statistics()
    assert ended.received == ended.sent + 2
    assert ended.received_bytes == 4 * ended.sent + 2 * len(b"silence")
    assert ended.sent_bytes > 0
    assert ended.errors == ended.dropped == {}


async def test_what_all_workers_share_can_be_given_to_them() -> None:
    counter = multiprocessing.get_context("spawn").Value("i", 0)
    async with serving(partial(count, counter)) as found:
        for number in range(1, 20):
            with await open_udp_endpoint(LOCAL) as client:
                assert int(await ask(client, found)) == number


# -- workers that die -------------------------------------------------------------------------------------------------


async def test_a_killed_worker_is_replaced_and_what_waits_is_answered(said: list[str]) -> None:
    async with serving(restart=Retry(attempts=1, first=0.25, jitter=0)) as found:
        doomed, other = found.pids
        with await client_of(doomed, found) as orphan, await client_of(other, found) as neighbour:
            os.kill(doomed, signal.SIGKILL)
            await orphan.send(b"waits", found.addresses[0])
            assert int(await ask(neighbour, found)) == other
            heir = int((await orphan.receive()).data)
            assert heir not in (doomed, other)
            assert sorted(found.pids) == sorted([heir, other])
            assert int(await ask(neighbour, found)) == other
        assert found.restarts == 1
        assert said == [
            f"worker {doomed} was killed by SIGKILL; another one starts in 0.25 s",
            f"worker {heir} serves in the place of worker {doomed}",
        ]


@pytest.mark.parametrize(
    ("order", "how"),
    [
        (b"raise", r"ended with exit code 1: ValueError\('boom'\)"),
        (b"exit 3", "ended with exit code 3"),
        (b"exit 0", "ended with exit code 0"),
    ],
)
async def test_a_handler_that_ends_its_worker(
    order: bytes, how: str, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(count=1) as found:
        [pid] = found.pids
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(order, found.addresses[0])
            await until(said, rf"worker {pid} {how}; another one starts in 0 s")
            heir = int(await ask(client, found))
            assert heir != pid
    assert ('raise ValueError("boom")' in capfd.readouterr().err) == (order == b"raise")


@pytest.mark.parametrize("junk", [b"\0\0\0\5junk!", b"\0\0\x10\0half a message"], ids=["junk", "half"])
async def test_a_handler_that_scribbles_over_the_pipe_to_the_parent(said: list[str], junk: bytes) -> None:
    """Regression: it ended all workers, in a group, or the parent waited for the rest and did nothing else."""
    async with serving(count=1) as found:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"scribble " + junk.hex().encode(), found.addresses[0])
            while not found.restarts:
                await trio.sleep(0.01)
            assert int(await ask(client, found)) in found.pids or found.restarts
    assert "what it reported cannot be read" in said[0]


async def test_a_handler_whose_module_replaces_standard_error() -> None:
    """Regression: a worker could not even be told to stop, and outlived its parent."""
    started = time.monotonic()
    async with serving(Opened(replace_stderr), count=1, grace_period=60) as found:
        with await open_udp_endpoint(LOCAL) as client:
            assert int(await ask(client, found)) in found.pids
    assert time.monotonic() - started < PATIENCE


async def test_sigterm_drains_one_worker_and_it_is_replaced(said: list[str]) -> None:
    async with serving(grace_period=PATIENCE) as found:
        pid, other = found.pids
        with await client_of(pid, found) as client:
            await client.send(b"wait 0.3", found.addresses[0])
            await ask(client, found)
            os.kill(pid, signal.SIGTERM)
            assert int((await client.receive()).data) == pid
            await until(said, f"worker {pid} ended with exit code 0; another one starts in 0 s")
            assert int(await ask(client, found)) not in (pid, other)
        assert other in found.pids


async def test_a_successor_that_fails_at_its_start_is_replaced_as_well(said: list[str], tmp_path: Path) -> None:
    file = tmp_path / "open"
    file.touch()
    async with serving(Opened(exit_unless, str(file), 5), count=1) as found:
        file.unlink()
        os.kill(found.pids[0], signal.SIGKILL)
        await until(said, r"worker \d+ ended with exit code 5; another one starts in 0 s")
        file.touch()
        await until(said, r"worker \d+ serves in the place of worker \d+")
        with await open_udp_endpoint(LOCAL) as client:
            await ask(client, found)
        assert found.restarts >= 2


async def test_a_system_that_starts_no_process_for_a_while(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = _process._start
    refusals = 2

    def refuse(process: Any) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        real(process)

    async with serving(count=1) as found:
        monkeypatch.setattr(_process, "_start", refuse)
        os.kill(found.pids[0], signal.SIGKILL)
        await until(said, r"worker \d+ serves in the place of worker \d+")
    refused = f"a worker could not be started: {os.strerror(errno.EAGAIN)}; another one starts in 0 s"
    assert said[1:3] == [refused] * 2


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_what_was_begun_is_answered() -> None:
    async with serving(grace_period=PATIENCE) as found:
        client = await open_udp_endpoint(LOCAL)
        await client.send(b"wait 0.5", found.addresses[0])
        first = await ask(client, found)  # so the one before has begun
    with trio.fail_after(PATIENCE), client:
        assert (await client.receive()).data == first


async def test_but_not_for_longer_than_the_grace_period() -> None:
    async with serving(grace_period=0.2) as found:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"wait 3600", found.addresses[0])
            await ask(client, found)
        started = trio.current_time()
    assert trio.current_time() - started < 30


async def test_a_handler_that_blocks_its_worker_is_ended_and_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_process, "PATIENCE", 30)  # it is the worker that looks after itself
    async with serving(count=1) as found:
        with await open_udp_endpoint(LOCAL) as client:
            await client.send(b"block 3600", found.addresses[0])
            told = ""
            while "blocked\n" not in told:
                await trio.sleep(0.01)
                told += capfd.readouterr().err
    told = capfd.readouterr().err
    assert told.startswith("Timeout (0:00:02)!")
    assert re.search(r'worker_handlers\.py", line \d+ in who\n', told)


async def test_a_worker_that_does_not_even_do_that_is_killed(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(_process, "PATIENCE", 0.05)
    async with serving(count=1) as found:
        [pid] = found.pids
        os.kill(pid, signal.SIGSTOP)
    assert said == [f"worker {pid} did not end when it was told to, and is killed"]


async def test_a_program_that_does_not_bury_its_children(said: list[str]) -> None:
    """With SIGCHLD ignored the kernel does, and then nobody knows the exit code."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        async with serving(count=1) as found:
            [pid] = found.pids
            os.kill(pid, signal.SIGKILL)
            await until(said, rf"worker {pid} ended; another one starts in 0 s")
            await until(said, rf"worker \d+ serves in the place of worker {pid}")
    finally:
        signal.signal(signal.SIGCHLD, before)
        multiprocessing.process._children.clear()  # type: ignore[attr-defined]  # it still waits for them
        gc.collect()


async def test_cancelled_while_workers_start() -> None:
    before = children()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_in_vain, Opened(time.sleep, 3600), grace_period=3600))
            while len(children() - before) < 2:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()


def test_cancelled_at_every_moment() -> None:
    """No process is left, and no socket. One worker starts, answers once, and ends."""

    async def scenario(cut: Cut) -> None:
        cut.others_come_and_go = True
        before = children()
        send, receive = trio.open_memory_channel[Workers](1)

        class Started(trio.TaskStatus[Workers]):
            def started(self, value: Workers | None = None) -> None:
                assert value is not None
                send.send_nowait(value)

        async def ask_once() -> None:
            found = await receive.receive()
            with await open_udp_endpoint(LOCAL) as client, trio.move_on_after(1):
                await ask(client, found)
            cut.end()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_once)
            await cut(serve_workers, who, 0, workers=1, host=LOCAL, restart=NEVER, task_status=Started())
            nursery.cancel_scope.cancel()
        assert children() == before

    assert at_every_moment(scenario, "real") > 0


async def test_cancelled_before_anything() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await serve_in_vain()


async def test_cancelled_while_a_place_is_empty(said: list[str]) -> None:
    async with serving(restart=NEVER) as found:
        doomed, other = found.pids
        os.kill(doomed, signal.SIGKILL)
        await until(said, rf"worker {doomed} was killed by SIGKILL; another one starts in .+ s")
        assert found.pids == [other]


PARENT = """
import sys
from functools import partial

import trio

from tests.worker_handlers import who
from trio_udp.workers import serve_workers


async def main():
    async with trio.open_nursery() as nursery:
        serve = partial(serve_workers, who, 0, workers=2, host="127.0.0.1", grace_period=float(sys.argv[1]))
        workers = await nursery.start(serve)
        print(workers.addresses[0][1], *workers.pids, flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
"""


FORK = """
def fork():
    import os, time
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(20)  # nobody waits for it
        os._exit(0)
"""


class Parent:
    """A program with two workers, in a process of its own; killed when the ``with`` ends."""

    def __init__(self, folder: Path, grace_period: float, code: str = PARENT) -> None:
        (folder / "parent.py").write_text(code)
        pipe = subprocess.PIPE
        command = [sys.executable, str(folder / "parent.py"), str(grace_period)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(), text=True)

    def __enter__(self) -> Parent:
        return self

    def __exit__(self, *_: object) -> None:
        self.killed()

    def line(self, stream: IO[str] | None) -> str:
        assert stream
        return stream.readline()

    def started(self) -> tuple[int, list[int]]:
        """The port and the workers."""
        port, *pids = map(int, self.line(self.process.stdout).split())
        return port, pids

    def killed(self) -> str:
        """Kill it; what was said on standard error until its workers had ended, too."""
        self.process.kill()
        return self.process.communicate(timeout=PATIENCE)[1]


def alive(pid: int) -> bool:
    """Is it there, and no zombie that nobody has buried?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(pids: list[int]) -> None:
    for pid in pids:
        for _ in range(PATIENCE * 100):
            if not alive(pid):
                break
            time.sleep(0.01)
        else:
            pytest.fail(f"{pid} is still there")


@pytest.fixture
def busy() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        yield client


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with Parent(tmp_path, grace_period=0) as parent:
        _, pids = parent.started()
        assert parent.killed() == ""
        wait_for_end(pids)


def test_even_if_a_child_of_the_parent_lives_on(tmp_path: Path) -> None:
    """Regression: it has inherited the parent's end of the pipes, whose end was all that told the workers."""
    code = PARENT.replace("print(workers.", "fork()\n        print(workers.").replace(
        "import trio\n", f"import trio\n{FORK}", 1
    )
    with Parent(tmp_path, 0, code) as parent:
        _, pids = parent.started()
        assert parent.killed() == ""
        wait_for_end(pids)


def test_even_if_a_handler_blocks(tmp_path: Path, busy: socket.socket) -> None:
    with Parent(tmp_path, grace_period=0) as parent:
        port, pids = parent.started()
        busy.sendto(b"block 3600", (LOCAL, port))
        assert parent.line(parent.process.stderr) == "blocked\n"
        assert " in who\n" in parent.killed()
        wait_for_end(pids)


def test_who_kills_it_while_workers_finish_waits_no_longer(tmp_path: Path, busy: socket.socket) -> None:
    with Parent(tmp_path, grace_period=3600) as parent:
        port, pids = parent.started()
        busy.sendto(b"wait 3600", (LOCAL, port))
        busy.sendto(b"who?", (LOCAL, port))
        waits = int(busy.recv(100))
        assert parent.process.stdin
        parent.process.stdin.write("stop\n")
        parent.process.stdin.flush()
        wait_for_end([pid for pid in pids if pid != waits])
        assert alive(waits)
        assert parent.killed() == ""
        wait_for_end(pids)


# -- what does not even begin -----------------------------------------------------------------------------------------


async def test_a_worker_that_cannot_open_its_handler(capfd: pytest.CaptureFixture[str]) -> None:
    handler: Any = Opened(fail, "not in this process")
    with pytest.raises(ChildProcessError) as caught:
        await serve_in_vain(handler)
    why = "ended with exit code 1: ValueError('not in this process')"
    assert str(caught.value) == f"a worker {why} before it served anything"
    assert "not in this process" in capfd.readouterr().err


async def test_a_worker_that_ends_at_its_start(tmp_path: Path) -> None:
    handler: Any = Opened(exit_unless, str(tmp_path / "missing"), 5)
    with pytest.raises(ChildProcessError, match=r"^a worker ended with exit code 5 before it served anything$"):
        await serve_in_vain(handler)


async def test_a_system_that_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(_process, "_start", refuse)
    with pytest.raises(BlockingIOError):
        await serve_in_vain()


async def test_no_descriptor_for_a_process_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        await serve_in_vain(workers=1)
    gc.collect()  # what multiprocessing has open for a process goes with it


async def test_a_handler_that_cannot_be_pickled(caplog: pytest.LogCaptureFixture) -> None:
    """Regression: the second worker failed with the same, which was logged."""

    async def local(_: object) -> None: ...

    with pytest.raises(TypeError, match=r"local.* cannot be given to another process, .*: .*; define it at the top of"):
        await serve_in_vain(local)
    assert not caplog.records


def test_a_program_without_its_main_guard_ends(tmp_path: Path) -> None:
    with Parent(tmp_path, 0, PARENT.replace('if __name__ == "__main__":', "if True:")) as parent:
        told = parent.process.communicate(timeout=PATIENCE)[1]
        assert parent.process.returncode == 1
    assert "ChildProcessError: a worker ended with exit code 1 before it served anything" in told


async def test_a_port_in_use_even_if_others_share_it() -> None:
    async with serving(count=1) as found:
        with pytest.raises(OSError, match=f"cannot open UDP 127.0.0.1:{found.addresses[0][1]}: ") as caught:
            await serve_in_vain(port=found.addresses[0][1])
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("platform", ["darwin", "win32"])
async def test_another_platform(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(OSError, match=f"need Linux, .* on {platform} run one process") as caught:
        await serve_in_vain()
    assert caught.value.errno == errno.EOPNOTSUPP


async def test_sockets_that_are_not_the_systems() -> None:
    trio.socket.set_custom_socket_factory(OtherSockets())
    with pytest.raises(OSError, match=r"workers need sockets of the system"):
        await serve_in_vain()


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"workers": 0}, ValueError, "workers must be a whole number of at least 1, or None for one per core, not 0"),
        ({"workers": 2.0}, ValueError, "workers must be .*, not 2.0"),
        ({"workers": True}, ValueError, "workers must be .*, not True"),
        ({"max_tasks": 0}, ValueError, "max_tasks must be a whole number of at least 1, not 0"),
        ({"grace_period": -1}, ValueError, "grace_period must be .*, not -1"),
        ({"restart": 3}, ValueError, "restart must be a Retry, not 3"),
        ({"handler": 5}, TypeError, "a handler must be an async function, not 5"),
    ],
)
async def test_what_makes_no_sense(options: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        await serve_in_vain(**options)


# -- parts ------------------------------------------------------------------------------------------------------------


def test_backoff_goes_on_with_its_last_wait_and_begins_anew_after_a_long_life() -> None:
    backoff = Backoff(Retry(attempts=4, first=1, multiplier=3, maximum=20, jitter=0))
    assert [backoff.wait_after(0) for _ in range(6)] == [1, 3, 9, 20, 20, 20]
    assert [backoff.wait_after(served) for served in (20, 20.1, 0, 21, 21)] == [20, 1, 3, 1, 1]


@pytest.mark.parametrize(
    ("code", "how"),
    [(7, "ended with exit code 7"), (-9, "was killed by SIGKILL"), (-63, "was killed by signal 63")],
)
def test_how_it_ended(code: int, how: str) -> None:
    assert how_it_ended(code) == how


@pytest.mark.parametrize("missing_in", ["kernel", "Python"])
async def test_without_pidfds(missing_in: str, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if missing_in == "kernel":
        monkeypatch.setattr(os, "pidfd_open", refuse)
    else:
        monkeypatch.delattr(os, "pidfd_open")
    async with serving(count=1) as found:
        os.kill(found.pids[0], signal.SIGKILL)
        await until(said, r"worker \d+ serves in the place of worker \d+")


def test_the_page_of_the_reference_has_every_public_name() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reference" / "workers.rst").read_text("utf-8")
    assert sorted(re.findall(r"^\.\. auto(?:class|function):: (\w+)", page, re.MULTILINE)) == sorted(workers.__all__)
