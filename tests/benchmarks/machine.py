"""The machine: what it is, what runs on it, and what others took of it meanwhile."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from .process import BenchmarkFailed, Cores
from .programs import find_compiler

_PACKAGES = (
    "trio_udp",
    "trio",
    "anyio",
    "uvloop",
    "asyncudp",
    "asyncio-dgram",
    "easynetwork",
    "twisted",
    "gevent",
)


def check() -> None:
    """Raise BenchmarkFailed where nothing can be measured."""
    if sys.platform != "linux":
        raise BenchmarkFailed("the load is written for Linux")
    if find_compiler() is None:
        raise BenchmarkFailed("the load needs a C compiler (cc, gcc or clang)")
    Cores.choose()


def describe() -> dict[str, str]:
    """What a number is worth nothing without."""
    cores = Cores.choose()
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(filter(None, map(_package, _PACKAGES))),
        "cores": f"subject on core {cores.server}, load on core {cores.load}",
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _package(name: str) -> str | None:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


class Usage(NamedTuple):
    """Seconds, of all cores together."""

    by_anybody: float  # the hypervisor's other guests included
    by_us: float  # and by the processes that we have started and that have ended
    passed: float

    @classmethod
    def now(cls) -> Usage:
        """Since the machine, or this process, was started."""
        # proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal, in ticks.
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        seconds = [count / os.sysconf("SC_CLK_TCK") for count in ticks]
        return cls(sum(seconds) - seconds[3] - seconds[4], sum(os.times()[:4]), sum(seconds))


def watch_others() -> Callable[[], float]:
    """From now on; what is returned tells the share of the cores' time that others have used, 0 to 1."""
    before = Usage.now()

    def used_by_others() -> float:
        by_anybody, by_us, passed = (now - then for now, then in zip(Usage.now(), before, strict=True))
        return max(0.0, by_anybody - by_us) / max(1.0, passed)

    return used_by_others
