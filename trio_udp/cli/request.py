"""``request``: ask a server from the shell, and know whether it answered.

``echo hi | nc -u host port`` sends a datagram and tells nothing: not whether it arrived, not whether an answer was
lost. This sends again until a reply comes, writes that reply and nothing else to standard output, and says by its exit
code how it went. One datagram, one per line of a file (``--lines``), or as a conversation with a person.

The bytes are the user's, exactly. What a shell or a terminal cannot carry goes through ``--bytes-hex``; replies that
are only to be looked at are readable with ``--repr``.
"""

from __future__ import annotations

import argparse
import socket
import sys
from contextlib import AbstractAsyncContextManager

from .._address import payload_limit
from .._retry import Retry
from ._asker import Asker, open_asker
from ._common import ExitCode, Failure, count, say, seconds, server_port, text_bytes, write, write_line
from ._dtls import SecretAsker, open_secret_asker
from ._input import Input, stdin_is_terminal
from ._trace_file import add_trace, client_and_server, traced

DESCRIPTION = """\
Send a datagram, wait for the reply, send again when it does not come.

The reply, and only the reply, goes to standard output.
"""

EPILOG = f"""\
Without DATA: on a terminal you are asked for lines, and Ctrl-D ends that;
otherwise all of standard input is one datagram, as with "-".

The wait after the first attempt is --first seconds, twice that after the
second, and so on, up to a minute; each wait is stretched by up to half at
random. The defaults take up to {Retry().span:g} seconds to give up. A server that refuses
(nobody listens on that port) gets the same attempts: it may be starting up.

With --lines a request is one line of standard input, without its newline, and
its reply is one line of standard output. A line without a reply leaves an
empty line, so that the two stay side by side. A reply that is itself several
lines needs --bytes-hex or --repr for that.

With --dtls the datagrams are encrypted, and the server has to show that it is
the host that was typed: by a certificate that somebody has signed whom this
machine trusts, or --ca. Needs the extra: pip install "trio_udp[dtls]".

Repeating means that a server may do twice what it was asked once: when it was
the reply that got lost.

examples:
  python -m trio_udp request 10000 "This is the message.  It will be repeated."
  python -m trio_udp request localhost:10000 --attempts 3 --first 0.2 Hello
  python -m trio_udp request "[::1]:10000" < question.bin > answer.bin
  python -m trio_udp request localhost:10000 --bytes-hex "de ad be ef"
  python -m trio_udp request localhost:10000 --repr Hello           # b'Hello'
  seq 100 | python -m trio_udp request localhost:10000 --lines --deadline 5
  python -m trio_udp request localhost:8888                # a conversation
  python -m trio_udp request localhost:4433 --dtls --ca ca.pem Hello
  python -m trio_udp request 10000 --trace run.svg Hello   # the attempts, drawn

exit codes: 0 answered, 1 error, 2 usage, 3 no reply, 4 refused, 130
interrupted; with --lines that of the first line that was not answered
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what ``request`` takes."""
    parser = subparsers.add_parser(
        "request",
        help="send a datagram and print the reply",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("server", type=server_port, metavar="[HOST:]PORT", help="whom to ask; localhost without a host")
    parser.add_argument("data", nargs="?", metavar="DATA", help='the payload as text (UTF-8); "-": standard input')
    parser.add_argument(
        "--attempts", type=count, default=Retry.attempts, metavar="N", help="datagrams sent at most (default: 5)"
    )
    parser.add_argument(
        "--first", type=seconds, default=Retry.first, metavar="SECONDS", help="the first attempt's wait (default: 1)"
    )
    parser.add_argument(
        "--deadline", type=seconds, metavar="SECONDS", help="give a request up after this time, whatever the attempts"
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--bytes-hex", action="store_true", help="data and replies are hexadecimal digits")
    shown.add_argument("--repr", action="store_true", help="replies are shown as Python's bytes literals, like b'\\n'")
    parser.add_argument("--lines", action="store_true", help="a request per line of input, a reply per line of output")
    parser.add_argument("--dtls", action="store_true", help="encrypted, and the server shows a certificate")
    parser.add_argument("--ca", metavar="FILE", help="with --dtls: the certificates of those who may sign, PEM")
    add_trace(parser)
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    """Ask once, or line by line, or in a conversation."""
    data = None if args.data == "-" else args.data
    if args.lines and data is not None:
        raise Failure("--lines reads standard input: leave DATA out", ExitCode.USAGE)
    if args.ca is not None and not args.dtls:
        raise Failure("--ca is for --dtls: without it there are no certificates", ExitCode.USAGE)
    encoding = Hexadecimal() if args.bytes_hex else Literal() if args.repr else Plain()
    question = None if data is None else encoding.read(text_bytes(data), ExitCode.USAGE)
    # Retry caps each wait at a minute, jitter included. Who asks for a longer first one means it.
    retry = Retry(attempts=args.attempts, first=args.first, maximum=max(Retry.maximum, args.first * 1.5))
    with traced(args.trace, client_and_server):
        return await _ask(args, retry, encoding, question)


async def _ask(args: argparse.Namespace, retry: Retry, encoding: Plain, question: bytes | None) -> ExitCode:
    async with _open_asker(args, retry) as asker:
        if args.lines:
            return await _lines(asker, encoding)
        if args.data is None and stdin_is_terminal():
            return await _conversation(asker, encoding)
        return await _once(asker, encoding, question)


def _open_asker(args: argparse.Namespace, retry: Retry) -> AbstractAsyncContextManager[Asker | SecretAsker]:
    if args.dtls:
        return open_secret_asker(args.server, retry, args.deadline, args.ca)
    return open_asker(args.server, retry, args.deadline)


# -- three ways of asking --------------------------------------------------------------------------------------------


async def _once(asker: Asker | SecretAsker, encoding: Plain, question: bytes | None) -> ExitCode:
    if question is None:
        question = encoding.read(await Input(encoding.longest).all())
    reply = encoding.show(await asker.ask(question))
    # A prompt behind the last word of a reply is the terminal's business, so this is for terminals only.
    ending = b"\n" if sys.stdout.isatty() and not reply.endswith(b"\n") else b""
    write(reply + (ending or encoding.ending))
    return ExitCode.ANSWERED


async def _lines(asker: Asker | SecretAsker, encoding: Plain) -> ExitCode:
    """One reply per line; the exit code is the first one that is not ANSWERED."""
    lines = Input(encoding.longest)
    result = ExitCode.ANSWERED
    while (line := await lines.line()) is not None:
        try:
            reply = encoding.show(await asker.ask(encoding.read(line)))
        except Failure as failure:
            say(str(failure))
            result = result or failure.code
            reply = b""
        write_line(reply.removesuffix(b"\n"))
    return result


async def _conversation(asker: Asker | SecretAsker, encoding: Plain) -> ExitCode:
    lines = Input(encoding.longest)
    while True:
        say("Enter message to send : ", end="")
        if (line := await lines.line()) is None:
            say("")  # Ctrl-D leaves the cursor behind the prompt
            return ExitCode.ANSWERED
        try:
            reply = encoding.show(await asker.ask(encoding.read(line)))
        except Failure as failure:
            say(str(failure))
        else:
            say("Server reply : ", end="")
            write_line(reply.removesuffix(b"\n"))


# -- bytes as the person has them ------------------------------------------------------------------------------------


class Plain:
    """The bytes themselves.

    ``longest`` is how many bytes of input a datagram can take; ``ending`` ends what is shown.
    """

    longest = payload_limit(socket.AF_INET6)
    ending = b""

    def read(self, data: bytes, _: ExitCode = ExitCode.ERROR) -> bytes:
        return data

    def show(self, data: bytes) -> bytes:
        return data


class Hexadecimal(Plain):
    """Two digits a byte; white space between bytes does not matter."""

    longest = 4 * Plain.longest  # a pair of digits, and two more for a CRLF behind each pair
    ending = b"\n"

    def read(self, data: bytes, wrong: ExitCode = ExitCode.ERROR) -> bytes:
        try:
            return bytes.fromhex(data.decode())
        except ValueError:
            raise Failure("--bytes-hex takes pairs of hexadecimal digits, like 'de ad 01'", wrong) from None

    def show(self, data: bytes) -> bytes:
        return data.hex().encode()


class Literal(Plain):
    """The bytes as they are; replies as Python would write them."""

    ending = b"\n"

    def show(self, data: bytes) -> bytes:
        return repr(data).encode()
