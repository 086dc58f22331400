"""What strangers may do with a server of the command line.

Whoever starts ``serve`` to try something expects that everything is answered, and whoever measures it, that nothing is
held back. Whoever leaves it running on the internet must not become the weapon of somebody who forges addresses. So:

* A reply that is much larger than its request goes to this machine itself, but not to others, unless that is asked for.
  Nobody else can have a loopback address, so there is nothing to forge. But a relay or a load balancer on this machine
  has one, whoever stands behind it. Whether there is one cannot be seen from here, so it has to be said: with a factor
  that was typed, no address is an exception.
* A text of some bytes is no weapon, though an empty request may be answered with it: counted with its headers, which a
  forger has to send as well, the reply is not much larger. Without this exception an empty line typed in Ncat would not
  get its ``OK...`` from another machine.
* How often somebody may ask is limited only if that is asked for: nobody else knows what is too often.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, TypedDict

from .._address import is_loopback
from .._guards import limit_amplification
from .._rate import RateLimit, limit_rate
from ._common import LONGEST, ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._address import Address
    from .._batch import Datagram
    from .._guards import Guard
    from .._handler import Handler


class _Rates(TypedDict):
    rate: float
    burst: int
    total_rate: float | None


# Bytes around each payload, those of IPv4 and UDP (RFC 791, RFC 768); in IPv6 there are 20 more.
HEADERS = 28

# How many times its request's bytes a reply may have: as in RFC 9000 section 8.1.
FACTOR = 3


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Say what the limits are called."""
    parser.add_argument(
        "--amplification",
        type=_positive("a factor"),
        metavar="FACTOR",
        help="nobody gets a reply of more than so many times its request's bytes "
        f"(default: {FACTOR}, and this machine itself gets all)",
    )
    for option, who in (("--rate", "one address (IPv6: one /64)"), ("--total-rate", "all together")):
        parser.add_argument(
            option,
            type=_positive("a rate"),
            metavar="N",
            help=f"datagrams a second from {who}; more are dropped (default: no limit)",
        )


def limit_replies(handler: Handler, added: float, factor: float | None) -> Handler:
    """A handler that is no amplifier.

    Args:
      handler: what answers.
      added: how many bytes its replies have more than their requests, at most.
      factor: how many times its request's bytes a reply may have, whoever asks; None: nobody has said.
    """
    validated = _is_here if factor is None else None
    factor = FACTOR if factor is None else factor
    if added <= HEADERS * (factor - 1):
        return handler
    return limit_amplification(handler, factor=factor, validated=validated)


def limit_requests(guarded: Guard, args: argparse.Namespace) -> Guard:
    """A handler that is not asked too often.

    Raises:
      Failure: the limits do not go together.
    """
    return limit_rate(guarded, **rates) if (rates := _rates(args)) else guarded


def limit_newcomers(args: argparse.Namespace) -> Callable[[Address], bool] | None:
    """Of those with whom keys are to be agreed on, as many a second as of what is said afterwards.

    Raises:
      Failure: the limits do not go together.
    """
    return RateLimit(**rates).admit if (rates := _rates(args)) else None


def _rates(args: argparse.Namespace) -> _Rates | None:
    """What was asked for, if anything; as a burst, what may come in a second."""
    if args.rate is None:
        if args.total_rate is not None:
            raise Failure("--total-rate needs --rate N, too: what one address may send", ExitCode.USAGE)
        return None
    if args.total_rate is not None and args.total_rate < args.rate:
        raise Failure(f"--total-rate is at least --rate, {args.rate:g}, not {args.total_rate:g}", ExitCode.USAGE)
    return {"rate": args.rate, "burst": math.ceil(args.rate), "total_rate": args.total_rate}


def _is_here(datagram: Datagram) -> bool:
    return is_loopback(datagram.address)


def _positive(what: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number <= LONGEST:
            raise argparse.ArgumentTypeError(f"{what} is a number above 0, and at most {LONGEST:g}, not {text!r}")
        return number

    return read
