"""``trace``: look at what ``--trace run.jsonl``, or a program of one's own, has recorded."""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ._common import ExitCode, Failure, count, write
from ._trace_file import VIEWS, view, write_text

if TYPE_CHECKING:
    from ..tracing import Trace

NARROWEST = 20  # columns, as the ladder wants them
WIDEST = 10_000  # more is only more blanks

STANDARD = Path("-")  # standard input, or output

DESCRIPTION = """\
Make a page, a picture or a text of a recorded run: who sent what to whom, what
was lost, which attempts that took, and which tasks lived in which nurseries.
"""

EPILOG = """\
The file has lines of JSON. They come from --trace FILE.jsonl of demo, serve and
request, or from a program of yours:

  from trio_udp import tracing

  with tracing.record() as recording:
      ...
  tracing.save(recording.trace(), "run.jsonl")

The page needs no network and no other files. What --chrome writes can be
opened at https://ui.perfetto.dev, what --mermaid writes is understood where
Mermaid is, as on GitHub. --text is as wide as the terminal, or as COLUMNS or
--width say; with -o it has 80 columns.

examples:
  python -m trio_udp demo --trace run.jsonl
  python -m trio_udp trace run.jsonl --text
  python -m trio_udp trace run.jsonl --text --width 120 | less -S
  python -m trio_udp trace run.jsonl --html -o run.html
  python -m trio_udp trace run.jsonl --svg > run.svg
  zcat run.jsonl.gz | python -m trio_udp trace - --text

exit codes: 0 done, 1 the file cannot be read or written, 2 usage
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what ``trace`` takes."""
    parser = subparsers.add_parser(
        "trace",
        help="look at a run that was recorded",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="what was recorded; - for standard input")
    kinds = parser.add_mutually_exclusive_group(required=True)

    def kind(option: str, ending: str, help: str) -> None:
        kinds.add_argument(option, dest="view", action="store_const", const=VIEWS[ending], help=help)

    kind("--html", ".html", "a page with both pictures, to zoom, filter and point at")
    kind("--svg", ".svg", "the ladder diagram as a picture")
    kind("--chrome", ".json", "for Perfetto, and chrome://tracing")
    kind("--mermaid", ".mmd", "a sequence diagram as text for Mermaid")
    kind("--text", ".txt", "the ladder diagram as text")
    parser.add_argument(
        "--width", type=text_width, metavar="N", help="columns of --text (default: the terminal's, or 80)"
    )
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="where to; standard output unless given")
    parser.set_defaults(run=run)


def text_width(text: str) -> int:
    """A number of columns that a ladder fits in."""
    if (number := count(text)) < NARROWEST:
        raise argparse.ArgumentTypeError(f"a ladder needs at least {NARROWEST} columns, not {text}")
    return min(number, WIDEST)


async def run(args: argparse.Namespace) -> int:
    """Read the trace, and write it as what was asked for."""
    if args.output == STANDARD:
        args.output = None
    _check_output(args.file, args.output)
    text = view(_load(args.file), args.view, **_options(args))
    if args.output is None:
        write(text.encode("utf-8", "backslashreplace"))
        return ExitCode.ANSWERED
    try:
        write_text(args.output, text)
    except OSError as error:
        raise Failure(f"cannot write {str(args.output)!r}: {error.strerror or error}") from None
    return ExitCode.ANSWERED


def _check_output(file: Path, output: Path | None) -> None:
    """A picture must not take the place of what it is made of: that cannot be made of the picture."""
    try:
        read = os.stat(sys.stdin.fileno() if file == STANDARD and sys.stdin is not None else file)
        is_read = output is not None and stat.S_ISREG(read.st_mode) and os.path.samestat(read, os.stat(output))
    except OSError:
        return  # one of them is not there, which is seen when it is needed
    if is_read:
        raise Failure(
            f"-o {str(output)!r} is the file that is read, and would be lost: give another name", ExitCode.USAGE
        )


def _options(args: argparse.Namespace) -> dict[str, int]:
    """Of the view: how wide it is."""
    if args.view != VIEWS[".txt"]:
        if args.width is not None:
            raise Failure("--width is for --text: a page and a picture take the room that they need", ExitCode.USAGE)
        return {}
    if args.width is not None:
        return {"width": args.width}
    if args.output is not None:
        return {}
    return {"width": min(max(NARROWEST, shutil.get_terminal_size().columns), WIDEST)}


def _load(path: Path) -> Trace:
    from ..tracing import load  # which nobody else waits for at the start
    from ..tracing._jsonlines import read

    try:
        if path != STANDARD:
            return load(path)
        if sys.stdin is None:
            raise Failure("there is no standard input to read")
        return read(sys.stdin.buffer, "standard input")
    except OSError as error:
        raise Failure(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except ValueError as error:
        raise Failure(str(error)) from None
