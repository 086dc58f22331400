"""``python -m tests.benchmarks.launch MODULE [ARGUMENT ...]``: a Python process of the benchmark.

It calls ``main(*arguments)`` of that module of this package, and ends with the process that started it.
"""

from __future__ import annotations

import ctypes
import importlib
import signal
import sys

LIFE = 120  # seconds
_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Run what the command line names."""
    module, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.alarm(LIFE)  # its default action ends the process, however busy
    importlib.import_module(f"{__package__}.{module}").main(*arguments)


if __name__ == "__main__":
    main()
