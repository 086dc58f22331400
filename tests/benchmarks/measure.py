"""One server under one load, measured; and the rounds in which all are measured.

CPU time is read from the server's process clock, the clock of clock_getcpuclockid(3): user and
system time of all its threads, in nanoseconds. /proc/PID/stat would tell the same in ticks
of 10 ms.

The load asks all the time, so the server should never be idle. `Sample.busy`, its CPU time over the
time that passed, shows whether that was so. Where it is well below 1, the load was not fast enough
or one of the two cores was taken by somebody else, and the server was measured with more wake-ups
and smaller bursts than meant.

A server is started afresh for each round: which addresses its memory happens to get makes some per
cent of difference, and the rounds are there to show such spread. Before it is measured it is warmed
up, because Python specializes its bytecode while it runs.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[2]
_WARM_UP = 0.2  # seconds
_START_WITHIN = 30  # seconds, the C server's compilation included
_LOAD_GRACE = 10  # seconds that the load may take beyond what it was told


class BenchmarkFailed(Exception):
    """There is no measurement: a server or the load did not do its part."""


class Load(NamedTuple):
    """How much is asked at once: so many clients, each with so many requests in flight."""

    clients: int
    window: int

    def __str__(self) -> str:
        return f"{self.clients}x{self.window}"

    @classmethod
    def parse(cls, text: str) -> Load:
        """Read ``16x16``; a ValueError if it is not two numbers from 1 to 1000."""
        load = cls(*(int(number) for number in text.split("x", 1)))
        if not all(1 <= number <= 1000 for number in load):
            raise ValueError(text)
        return load


class Cores(NamedTuple):
    """A core for the server and another one for the load."""

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


@dataclass(frozen=True)
class Sample:
    """What one measurement said."""

    microseconds: float  # of CPU time, user and system, per echo
    echoes_per_second: float
    busy: float  # the server's CPU time over elapsed time, 0 to 1
    lost: int  # requests that were never answered
    refilled: int  # times that a client heard nothing for 50 ms and asked anew


@dataclass(frozen=True)
class Bench:
    """What is the same for all measurements of a run."""

    program: Path  # load.c, compiled
    cores: Cores
    seconds: float  # of each measurement
    size: int  # bytes of payload

    def sample(self, pid: int, port: int, load: Load) -> Sample:
        """Warm the server up, then measure it for `seconds`."""
        self._ask(port, load, _WARM_UP)
        before = _cpu_nanoseconds(pid)
        told = self._ask(port, load, self.seconds)
        used = _cpu_nanoseconds(pid) - before
        replies, elapsed = told["replies"], told["seconds"]
        if not replies or told["wrong"]:
            raise BenchmarkFailed(f"no echo server answers on port {port}: {told}")
        return Sample(
            microseconds=used / 1e3 / replies,
            echoes_per_second=replies / elapsed,
            busy=used / 1e9 / elapsed,
            lost=int(told["lost"]),
            refilled=int(told["refilled"]),
        )

    def _ask(self, port: int, load: Load, seconds: float) -> dict[str, float]:
        numbers = (port, *load, seconds, self.size, self.cores.load)
        command = [str(self.program), *map(str, numbers)]
        try:
            ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + _LOAD_GRACE)
        except subprocess.SubprocessError as error:
            raise BenchmarkFailed(f"the load failed: {error}") from error
        told: dict[str, float] = json.loads(ended.stdout)
        return told


def _cpu_nanoseconds(pid: int) -> int:
    # What clock_getcpuclockid(3) computes: the process's number with its bits turned, and 2 for "as
    # the scheduler counts". A process that has ended makes this an OSError.
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError as error:
        raise BenchmarkFailed("the server ended while it was measured") from error


@contextmanager
def running_server(name: str, core: int) -> Iterator[tuple[int, int]]:
    """Start the server `name` on `core`, yield its process number and its port, and end it."""
    command = [sys.executable, "-m", f"{__package__}.servers", name, "--core", str(core)]
    # Out of reach of the terminal's Ctrl-C: this process gets it, and ends the server.
    with subprocess.Popen(
        command,
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as server:
        try:
            yield server.pid, _read_port(name, server)
        finally:
            server.kill()


def _read_port(name: str, server: subprocess.Popen[bytes]) -> int:
    assert server.stdout is not None
    if not select.select([server.stdout], [], [], _START_WITHIN)[0]:
        raise BenchmarkFailed(f"{name} told no port within {_START_WITHIN} s")
    line = server.stdout.readline()
    if not line:
        raise BenchmarkFailed(f"{name} ended before it told its port; see its error above")
    return int(line)


Samples = dict[tuple[Load, str], list[Sample]]


def measure(
    bench: Bench,
    names: Sequence[str],
    loads: Sequence[Load],
    rounds: int,
    tell: Callable[[str], None],
) -> Samples:
    """Measure each server under each load, `rounds` times, in turns.

    Args:
      bench: what is the same for all.
      names: the servers, of ``servers.SERVERS``.
      loads: what is asked of each.
      rounds: how often; all servers take their turn in each round.
      tell: gets one line of progress at a time.

    """
    samples: Samples = {(load, name): [] for load in loads for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            with running_server(name, bench.cores.server) as (pid, port):
                for load in loads:
                    sample = bench.sample(pid, port, load)
                    samples[load, name].append(sample)
                    tell(f"round {number}: {name}, {load}: {sample.microseconds:.2f} us")
    return samples
