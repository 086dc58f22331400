"""``python -m tests.benchmarks``: all servers side by side, a table on standard output.

What trio_udp wants to reach: `trio` and `anyio` cost at least seven times the CPU time of
`serve_udp`. How much of that a machine has in it is told by the row `c`: with one `recvfrom` and one
`sendto` per datagram, nobody is cheaper than that.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from tempfile import TemporaryDirectory

from .compiled import compile_program, find_compiler
from .measure import Bench, BenchmarkFailed, Cores, Load, measure
from .report import as_json, as_markdown, make_rows
from .servers import SERVERS, why_missing

_LOADS = [Load(16, 16), Load(256, 1)]
_LONGEST = 20.0  # seconds of a measurement; with all loads well within servers.LIFE
_MOST_LOADS = 4


def _between(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value

    return number


def _load(text: str) -> Load:
    try:
        return Load.parse(text)
    except (ValueError, TypeError):
        message = f"{text} is not two numbers from 1 to 1000, as in 16x16"
        raise argparse.ArgumentTypeError(message) from None


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="CPU time per echo of UDP echo servers, side by side.",
    )
    add = parser.add_argument
    add("--rounds", type=_between(int, 1, 1000), default=5, metavar="N", help="how many; default %(default)s")
    seconds = _between(float, 0.01, _LONGEST)
    add("--seconds", type=seconds, default=1.0, metavar="S", help="of a measurement; default %(default)s")
    size = _between(int, 4, 65507)
    add("--size", type=size, default=64, metavar="BYTES", help="of each payload; default %(default)s")
    names = f"only this server, repeatable: {', '.join(SERVERS)}"
    add("--only", action="append", choices=SERVERS, metavar="NAME", help=names)
    loads = f"only this load, repeatable; without it {', '.join(map(str, _LOADS))}"
    add("--load", action="append", type=_load, metavar="CLIENTSxWINDOW", help=loads)
    add("--json", action="store_true", help="JSON instead of Markdown")
    return parser


def _parse_arguments() -> argparse.Namespace:
    parser = _make_parser()
    arguments = parser.parse_args()
    if len(arguments.load or ()) > _MOST_LOADS:
        parser.error(f"at most {_MOST_LOADS} loads")
    return arguments


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _describe(bench: Bench, rounds: int) -> str:
    packages = ", ".join(map(_version, ("trio", "anyio")))
    return (
        f"Python {platform.python_version()}, {packages}, Linux {platform.release()}; "
        f"server on core {bench.cores.server}, load on core {bench.cores.load}; "
        f"{bench.size} bytes; rounds of {bench.seconds:g} s: {rounds}"
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _check_machine() -> None:
    if sys.platform != "linux":
        raise BenchmarkFailed("the load is written for Linux")
    if find_compiler() is None:
        raise BenchmarkFailed("the load needs a C compiler (cc, gcc or clang)")


def _run(arguments: argparse.Namespace) -> None:
    _check_machine()
    chosen = [name for name in SERVERS if name in (arguments.only or SERVERS)]
    skipped = {name: reason for name in chosen if (reason := why_missing(name))}
    names = [name for name in chosen if name not in skipped]
    with TemporaryDirectory() as directory:
        program = compile_program("load", directory)
        bench = Bench(program, Cores.choose(), arguments.seconds, arguments.size)
        samples = measure(bench, names, arguments.load or _LOADS, arguments.rounds, _tell)
    report = (_describe(bench, arguments.rounds), make_rows(samples), skipped)
    lines = [json.dumps(as_json(*report))] if arguments.json else as_markdown(*report)
    print(*lines, sep="\n")


def main() -> None:
    """Measure what the command line asks for."""
    arguments = _parse_arguments()
    try:
        _run(arguments)
    except BenchmarkFailed as failure:
        sys.exit(f"nothing was measured: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
