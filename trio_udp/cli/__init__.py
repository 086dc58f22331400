"""The command line: ``python -m trio_udp``, or ``trio-udp`` once the package is installed.

One file per command. Each has ``add_parser(subparsers)``, which says what may be typed, and ``async def run(args)``,
which does it and returns the exit code. This file chooses between them, and sees to it that a person who has made a
mistake gets one line that says which, and not a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NoReturn, SupportsInt

import trio

from .. import __version__
from . import bench, demo, learn, ping, relay, request, serve, trace
from ._common import ExitCode, Failure, leaves, printable_text, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["main"]

# Valid everywhere, where `trio-udp` has to be on the PATH.
PROGRAM = "python -m trio_udp"

EPILOG = f"""\
Each command has a --help of its own, with examples: {PROGRAM} serve --help

examples:
  {PROGRAM}                       datagrams get lost, the answers come
  {PROGRAM} serve 10000           an echo server; Ctrl-C stops it
  {PROGRAM} request 10000 Hello   ask it
  {PROGRAM} ping 10000            how long does it take to answer?
  {PROGRAM} bench 10000           how many requests a second can it take?
  {PROGRAM} relay 10001 localhost:10000 --loss .3   a bad network before it
  {PROGRAM} demo --trace run.html   the demo as a picture
  {PROGRAM} learn                 lessons: broken programs to repair

Standard output carries what a command is asked for; everything else that is
said to you goes to standard error.

exit codes: 0 answered, 1 error, 2 usage, 3 no reply after all attempts,
4 refused, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
      argv: what follows the program's name; ``sys.argv`` unless given.

    Returns:
      The exit code.

    Raises:
      SystemExit: by argparse: after ``--help`` and ``--version``, and with 2 when it does not understand.
    """
    with _no_stream_missing():
        return _run(_parse(_with_command(sys.argv[1:] if argv is None else argv)))


def _with_command(arguments: Sequence[str]) -> Sequence[str]:
    """The demo is what runs when no command is named; its options may stand alone, too."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        return ["demo", *arguments]
    return arguments


def _run(args: argparse.Namespace) -> int:
    try:
        code = int(_in_its_time(args)(args.run, args))
        sys.stdout.flush()
    except BaseException as error:
        if (explained := _explain(error, args.command)) is None:
            raise
        return explained
    return code


def _in_its_time(args: argparse.Namespace) -> Callable[..., SupportsInt]:
    """``trio.run``, on the clock of the command if it has one of its own."""
    clock = args.clock(args) if "clock" in args else None
    return trio.run if clock is None else partial(trio.run, clock=clock)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = make_parser()
    args, rest = parser.parse_known_args(arguments)
    # Before 3.13 argparse settles for no DATA as soon as an option comes, and then does not know what to do with DATA:
    # `request 10000 --attempts 3 Hello` has to work wherever `request 10000 Hello --attempts 3` does.
    words = rest[1:] if rest[:1] == ["--"] else [word for word in rest if word == "-" or not word.startswith("-")]
    if len(words) == 1 and getattr(args, "data", "") is None:
        args.data = words[0]
        rest = [word for word in rest if word not in ("--", args.data)]
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


class Parser(argparse.ArgumentParser):
    """One that tells a mistake in a line; argparse itself would put four lines of usage above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(int(ExitCode.USAGE), f"{self.prog}: error: {printable_text(message)}; see --help\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog=PROGRAM,
        description="UDP servers, clients that retry, and bad networks to try them on.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"trio_udp {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for command in (demo, serve, request, ping, bench, relay, trace, learn):
        command.add_parser(subparsers)
    return parser


def _explain(error: BaseException, command: str) -> int | None:
    """Say what happened in a line and return the exit code; None: a bug of ours, which has a right to its traceback."""
    problems = list(leaves(error))
    if any(isinstance(problem, KeyboardInterrupt) for problem in problems):
        if sys.stderr.isatty():
            say("")  # the terminal has written ^C where it was
        return ExitCode.INTERRUPTED
    if any(isinstance(problem, BrokenPipeError) for problem in problems):
        _forget_stdout()
        return ExitCode.ERROR
    for problem in problems:
        if isinstance(problem, Failure):
            say(f"trio_udp {command}: {problem}")
            return problem.code
        if isinstance(problem, OSError):
            say(f"trio_udp {command}: {problem.strerror or problem}")
            return ExitCode.ERROR
    return None


@contextmanager
def _no_stream_missing() -> Iterator[None]:
    """For a program that was started with a stream closed (``>&-``), Python has None in its place."""
    with ExitStack() as stack:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:
                stack.callback(setattr, sys, name, None)
                setattr(sys, name, stack.enter_context(open(os.devnull, "w")))
        yield


def _forget_stdout() -> None:
    """Whoever read our output has gone (``| head``): Python must not complain about it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
