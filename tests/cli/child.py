"""`python -m trio_udp` as the real program: started, talked to, waited for.

Nothing here sleeps. Whoever waits, waits for a line that the program says, with a limit so generous that only a program
that will never say it reaches the limit; and the failure shows what it said instead.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds
COMMAND = (sys.executable, "-m", "trio_udp")


def environment() -> dict[str, str]:
    """Ours, and this checkout can be imported from wherever the program is started."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


class Stream:
    """What a program has said so far, read by a thread as it comes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._said = bytearray()
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # EIO: how a pseudo-terminal says that the other end is closed
                data = b""
            with self._news:
                self._said += data
                self._ended = not data
                self._news.notify_all()
            if not data:
                return

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Until what was said matches."""
        with self._news:
            self._news.wait_for(lambda: self._ended or re.search(pattern, self.text), PATIENCE)
            found = re.search(pattern, self.text)
            assert found, f"{pattern!r} was not said, but:\n{self.text}"
            return found

    def all(self) -> bytes:
        """Everything, once the program has ended."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"still open after:\n{self.text}"
        return bytes(self._said)

    @property
    def text(self) -> str:
        return self._said.decode(errors="backslashreplace")


class Child:
    """A running program."""

    def __init__(self, command: Sequence[str], cwd: Path | None = None) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd or ROOT, env=environment(), start_new_session=True
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.stdin = self.process.stdin
        self.out = Stream(self.process.stdout.fileno())
        self.err = Stream(self.process.stderr.fileno())

    def type(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def ended(self) -> int:
        """The exit code, once there is one."""
        return self.process.wait(PATIENCE)

    def _end_group(self, number: signal.Signals) -> None:
        if sys.platform == "win32":
            self.process.kill()
        else:
            os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """End it, and what it has started itself."""
        if self.process.poll() is None:
            self._end_group(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._end_group(signal.SIGKILL)
        self.process.wait()
        self.out.all()
        self.err.all()
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            if file:
                with suppress(BrokenPipeError):
                    file.close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextmanager
def start(*arguments: str, cwd: Path | None = None, command: Sequence[str] = COMMAND) -> Iterator[Child]:
    """Run the program while the ``with`` lasts."""
    child = Child([*command, *arguments], cwd)
    try:
        yield child
    finally:
        child.stop()


@contextmanager
def serve(*arguments: str, cwd: Path | None = None) -> Iterator[tuple[Child, int]]:
    """``serve`` and the port that it says it listens on."""
    with start("serve", *arguments, cwd=cwd) as server:
        found = server.err.wait_for(r"(?:listening on|waiting on port).*:(\d+)\)?\r?\n")
        yield server, int(found[1])


@contextmanager
def relay(target_port: int, *arguments: str, host: str = "127.0.0.1") -> Iterator[tuple[Child, int]]:
    """``relay`` in front of a port of this machine, and the port that it says it listens on."""
    where = f"[{host}]" if ":" in host else host
    with start("relay", f"{where}:0", f"{where}:{target_port}", *arguments) as relay:
        found = relay.err.wait_for(r"relaying .*:(\d+) to .+\n")
        yield relay, int(found[1])


def run(*arguments: str, data: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end."""
    command = [*COMMAND, *arguments]
    return subprocess.run(
        command, input=data, capture_output=True, timeout=PATIENCE, cwd=cwd or ROOT, env=environment()
    )
