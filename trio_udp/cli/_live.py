"""Is it to be the live view, or plain lines?

The view needs a terminal that can be drawn on, rich to draw with, and nobody who has asked for plain text. This file
finds out, without importing rich: lines should not have to wait for it.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, TextIO

from ._common import ExitCode, Failure

if TYPE_CHECKING:
    import argparse

INSTALL = 'python -m pip install "trio_udp[cli]"'


def has_rich() -> bool:
    """Is it installed?"""
    return find_spec("rich") is not None


def why_plain(stream: TextIO) -> str | None:
    """Why nothing can be drawn there, or should not; None: it can."""
    if not stream.isatty():
        return f"standard {'output' if stream is sys.stdout else 'error'} is not one"
    if os.environ.get("NO_COLOR"):  # https://no-color.org: "when present and not an empty string"
        return "NO_COLOR asks for plain lines"
    if os.environ.get("TERM", "") in ("dumb", "unknown"):
        return f"one that is {os.environ['TERM']} cannot be drawn on"
    if not has_rich():
        return f"rich, which is not installed: {INSTALL}"
    return None


def demo_is_live(args: argparse.Namespace) -> bool:
    """Does the demo draw, or print?

    Raises:
      Failure: options do not go together, or ``--step`` with what there is here.
    """
    if args.step:
        for given, option in ((args.json, "--json"), (args.plain, "--plain"), (args.speed is not None, "--speed")):
            if given:
                why = "time stands still" if option == "--speed" else "it is for the live view"
                raise Failure(f"--step and {option} do not go together, as {why}: leave one out", ExitCode.USAGE)
        if reason := why_plain(sys.stdout):
            raise Failure(f"--step needs a terminal for the live view, and {reason}", ExitCode.USAGE)
        from ._live_keys import check_keys

        check_keys()
    return not (args.json or args.plain or why_plain(sys.stdout))


def check_live(args: argparse.Namespace) -> None:
    """If ``--live`` was typed: can it be had? From here on it is ``--quiet`` as well: the view has no room for lines.

    Raises:
      Failure: it cannot.
    """
    if not args.live:
        return
    if args.quiet:
        raise Failure("--live shows datagrams, and --quiet does not want to see any: leave one out", ExitCode.USAGE)
    if reason := why_plain(sys.stderr):
        raise Failure(f"--live needs a terminal, and {reason}", ExitCode.USAGE)
    args.quiet = True


class View:
    """Of a server that is not shown: nothing to give back."""

    def release(self) -> None:
        """Give the terminal back, whatever hangs: signal handlers may call this."""

    def close(self) -> None:
        """The end of the view; what was said meanwhile is said now."""
