"""What a server on the command line answers, and what keeps a mistake in a handler from ending it.

The library's rule is that a handler's exception ends the server: in a program that is right, a bug should not hide. A
server that was started by hand to be talked to is better off going on. So the handler here is wrapped in another one,
`Answering`, that keeps what goes wrong away from the server, shows it with its traceback and counts it; and that tells
the person about every datagram.

That is `trio_udp.log_errors` for a person instead of a log: what a stranger has sent is made harmless for a terminal,
and the counts have a line of their own at the end.
"""

from __future__ import annotations

import math
import traceback
from collections import Counter
from typing import TYPE_CHECKING

import trio

from .._address import format_address
from .._errors import failure_and_cancellation, raise_as_it_was
from .._guards import Guard
from .._handler import Handler, reply_of
from ._common import plural, printable_text, say, write_line
from ._limits import limit_replies
from ._load_handler import load_handler
from ._telling import choose_tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from .._address import Address
    from .._batch import Datagram
    from ._telling import Tell


def make_answering(
    args: argparse.Namespace, write: Callable[[bytes], None] = write_line, *, amplification: float | None = None
) -> Answering:
    """The handler that was asked for.

    Args:
      args: what was typed.
      write: for data that goes to standard output.
      amplification: how many times its request's bytes a reply may have; None: as was typed.

    Raises:
      Failure: there is no such handler.
    """
    return Answering(
        limit_replies(*_choose_handler(args), amplification or args.amplification), choose_tell(args, write)
    )


class Answering(Guard):
    """A handler around a handler: what goes wrong inside is shown and counted, and does not end the server.

    Args:
      handler: the one inside.
      tell: called when a handler has ended, with the datagram and the reply, or in words how else it ended, unless it
        raised. What ``tell`` raises does end the server: nobody is reading any more.
    """

    def __init__(self, handler: Handler, tell: Tell) -> None:
        super().__init__(handler)
        self._tell = tell
        self.busy = 0  # handlers that have begun and not ended
        self.failures: Counter[str] = Counter()
        self.tell_failure: Callable[[Address, Exception], None] = lambda *_: None

    async def __call__(self, datagram: Datagram) -> bytes | None:
        """What the inner handler returns; None if it raised, or if that is not a reply."""
        self.busy += 1
        try:
            reply = await reply_of(self._handler, datagram)
        except Exception as error:
            self._failed(datagram, error)
            return None
        except BaseException as error:  # it goes on its way, but no datagram is without its line
            if (parts := failure_and_cancellation(error)) is None:
                self._tell(datagram, _how_it_ended(error))
                raise
            self._failed(datagram, parts[0])
            raise_as_it_was(parts[1])
        finally:
            self.busy -= 1
        self._tell(datagram, reply)
        return reply

    def _failed(self, datagram: Datagram, error: Exception) -> None:
        self.failures[type(error).__name__] += 1
        self.tell_failure(datagram.address, error)
        what = plural(len(datagram.data), "byte")
        lines = [f"{format_address(datagram.address)} -> {what}, and the handler raised {type(error).__name__}:"]
        # A stranger's bytes are often part of the message, and the terminal would obey them there too.
        for line in "".join(traceback.format_exception(error)).splitlines():
            lines.append("  " + printable_text(line))
        say("\n".join(lines))


def _how_it_ended(error: BaseException) -> str:
    # Not by the error's type: a nursery of the handler's own may have wrapped what cancelled it in a group.
    cancelled = trio.current_effective_deadline() == -math.inf
    return "cancelled" if cancelled else f"ended by {type(error).__name__}"


def _choose_handler(args: argparse.Namespace) -> tuple[Handler, float]:
    """What answers, and how many bytes its replies have more than their requests, at most."""
    if args.handler is not None:
        return load_handler(*args.handler), math.inf
    if args.print_only:
        return _stay_silent, 0
    if args.reply is not None:
        return _replying(args.reply), len(args.reply)
    if args.prefix is not None:
        return _prefixing(args.prefix), len(args.prefix)
    return _echo, 0


async def _echo(datagram: Datagram) -> bytes:
    return datagram.data


async def _stay_silent(_: Datagram) -> None:
    pass


def _replying(text: bytes) -> Handler:
    async def reply(_: Datagram) -> bytes:
        return text

    return reply


def _prefixing(prefix: bytes) -> Handler:
    async def reply(datagram: Datagram) -> bytes:
        return prefix + datagram.data

    return reply
