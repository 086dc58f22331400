"""The processes of the benchmark: started on a core, spoken to in lines, their CPU time read from outside.

CPU time is read from the process's own clock, that of clock_getcpuclockid(3): user and system time of all its threads,
in nanoseconds. /proc/PID/stat would tell the same in ticks of 10 ms; from there comes only which share of it was spent
in the kernel.

Each process ends when this one does, however that comes (PR_SET_PDEATHSIG, see `launch` and the programs in ``c/``),
and after `launch.LIFE` seconds in any case: a benchmark that was killed leaves nobody behind.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_ROOT = Path(__file__).parents[2]
_ANSWER_WITHIN = 30  # seconds


class BenchmarkFailed(Exception):
    """There is no measurement: a process did not do its part."""


class Cores(NamedTuple):
    """A core for the process under test and another one for the load."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> Cores:
        """Take the last and the first core that this process may use.

        Neighbours may be two threads of one core.
        """
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise BenchmarkFailed("one core for the server and one for the load are needed")
        return cls(usable[-1], usable[0])


class Spent(NamedTuple):
    """CPU time of a process, in seconds."""

    cpu: float
    user: float  # in ticks of 10 ms, as the kernel's own
    kernel: float

    def since(self, before: Spent) -> Spent:
        """What was spent from then to now."""
        return Spent(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def kernel_share(self) -> float:
        """How much of it was spent in the kernel, 0 to 1."""
        return self.kernel / max(self.user + self.kernel, 0.01)


class Process:
    """A process that says and hears lines.

    Args:
      name: what to call it when it fails.
      started: the process itself, with pipes for standard input and output.

    """

    def __init__(self, name: str, started: subprocess.Popen[bytes]) -> None:
        assert started.stdin is not None
        assert started.stdout is not None
        self.name = name
        self.pid = started.pid
        self._input = started.stdin
        self._output = started.stdout

    def spent(self) -> Spent:
        """The CPU time that it has used."""
        # What clock_getcpuclockid(3) computes: the process's number with its bits turned, and 2 for "as the scheduler
        # counts". A process that has ended makes this an OSError.
        try:
            cpu = time.clock_gettime_ns((~self.pid << 3) | 2) / 1e9
            # proc_pid_stat(5): behind the name, which may hold anything, the 12th and 13th field are utime and stime.
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError as error:
            raise BenchmarkFailed(f"{self.name} ended while it was measured") from error
        user, kernel = (int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in fields[11:13])
        return Spent(cpu, user, kernel)

    def tell(self, line: object) -> None:
        """Say a line to it."""
        try:
            self._input.write(f"{line}\n".encode())
            self._input.flush()
        except BrokenPipeError as error:
            raise BenchmarkFailed(f"{self.name} ended too early; see its error above") from error

    def speaks(self, within: float) -> bool:
        """Whether it says something within so many seconds; `hear` has it then."""
        return bool(select.select([self._output], [], [], within)[0])

    def hear(self, within: float = _ANSWER_WITHIN) -> Any:
        """The next line that it says, read as JSON.

        Args:
          within: seconds, after which it has failed.

        """
        if not self.speaks(within):
            raise BenchmarkFailed(f"{self.name} said nothing for {within} s")
        line = self._output.readline()
        if not line:
            raise BenchmarkFailed(f"{self.name} ended too early; see its error above")
        try:
            return json.loads(line)
        except ValueError as error:
            raise BenchmarkFailed(f"{self.name} said {line!r}, which is no JSON") from error


@contextmanager
def running(name: str, command: Sequence[object], core: int) -> Iterator[Process]:
    """Start a command on `core`, and end it afterwards."""
    with _on_core(core):
        started = subprocess.Popen(
            [str(word) for word in command],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # select must see what is there
            start_new_session=True,  # out of reach of the terminal's Ctrl-C: this process gets it, and ends that one
        )
    with started:
        try:
            yield Process(name, started)
        finally:
            started.kill()


def python(module: str, *arguments: object) -> list[object]:
    """The command that runs ``tests.benchmarks.<module>.main(*arguments)``."""
    return [sys.executable, "-m", f"{__package__}.launch", module, *arguments]


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    # What is started inherits it, from its first instruction on.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
