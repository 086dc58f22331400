"""What ``import trio_udp`` adds to ``import trio`` in a fresh interpreter, where the files are compiled and cached."""

from __future__ import annotations

import sys

from ..process import running
from . import Bench, Figures, Measure, Subject

_INTERPRETERS = 4  # in a sample, of which the quickest counts: noise only adds, and the first has to compile
# The bytecode goes to a place of the benchmark's own: an installed package has it, a checkout need not.
_PROGRAM = """
import sys
import trio
from time import process_time
sys.dont_write_bytecode, sys.pycache_prefix = False, sys.argv[1]
before = process_time()
import trio_udp
print((process_time() - before) * 1e3)
"""


def _sample(bench: Bench) -> Figures:
    command = [sys.executable, "-c", _PROGRAM, bench.directory]
    samples = []
    for _ in range(_INTERPRETERS):
        with running("import trio_udp", command, bench.cores.server) as interpreter:
            samples.append(interpreter.hear())
    return {"import": min(samples)}


MEASURES = [
    Measure("import", "import", "import trio_udp, after import trio", {"trio_udp": Subject(_sample)}),
]
