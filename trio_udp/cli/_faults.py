"""The options that say what a network is like, for every command that has one.

Each field of `Link` is an option of the same name, so what can be said in a program can be said here, and the other way
round. A preset is a network that somebody else has described; options beside it say what is different here.
"""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from ..faults import PRESETS, GilbertElliott, Link, Preset, Rebind, Rule, drop_first
from ..faults._link import SHAPES, SMALLEST_MTU
from ._common import LONGEST, ExitCode, Failure, count, probability, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

NO_PRESET = Preset("", Link(), Link())

PRESET_LINES = "\n".join(f"  {name:<28} {preset.source}" for name, preset in PRESETS.items())

PREFIXES = {"k": 1e3, "M": 1e6, "G": 1e9}  # of the SI; a kilobit is 1000 bits

# Fields of `Link` that say how, and those of which one has to say that at all.
NEEDS = {
    "jitter_shape": ("jitter",),
    "reorder_delay": ("reorder",),
    "queue": ("rate",),
    "in_a_row": ("loss", "burst", "corrupt", "garble", "truncate"),
}


@dataclass(frozen=True)
class Network:
    """What the command line says about the network."""

    forward: Link
    backward: Link
    forward_rules: tuple[Rule, ...]
    backward_rules: tuple[Rule, ...]
    rebind: Rebind | None


def add_preset(parser: argparse._ActionsContainer, where: str) -> None:
    """``--preset``; ``where`` says where the names are listed."""
    parser.add_argument("--preset", choices=PRESETS, metavar="NAME", help=f"a network that has a name, {where}")


def add_link_options(parser: argparse._ActionsContainer, *names: str) -> None:
    """Options for these fields of `Link`, or for all."""
    for name in names or _OPTIONS:
        parser.add_argument(_option(name), **_OPTIONS[name])


def read_network(args: argparse.Namespace) -> Network:
    """The network that was asked for; options that the command does not have were not given.

    Raises:
      Failure: an option would do nothing without another one or beside it, or a number is too large.
    """
    given = vars(args)
    said = {field.name: given[field.name] for field in fields(Link) if given.get(field.name) is not None}
    preset = PRESETS[args.preset] if args.preset else NO_PRESET
    try:
        forward, backward = replace(preset.forward, **said), replace(preset.backward, **said)
    except ValueError as error:
        raise Failure(str(error), ExitCode.USAGE) from None
    _refuse_what_does_nothing(said, (forward, backward))
    rules = preset.make_rules()
    drops = (drop_first(given["drop_first"]),) if given.get("drop_first") else ()
    rebind = given.get("rebind")
    if given.get("backward_only"):
        if rebind:
            raise Failure("--rebind is on the way to the server: leave --backward-only out", ExitCode.USAGE)
        return Network(Link(), backward, (), drops + rules, None)
    if given.get("forward_only"):
        return Network(forward, Link(), drops + rules, (), rebind or preset.rebind)
    return Network(forward, backward, drops + rules, rules, rebind or preset.rebind)


def _refuse_what_does_nothing(said: Collection[str], links: Sequence[Link]) -> None:
    for name, needed in NEEDS.items():
        if name in said and not any(getattr(link, each) for link in links for each in needed):
            *most, last = map(_option, needed)
            wanted = f"{', '.join(most)} or {last}" if most else last
            raise Failure(f"{_option(name)} needs {wanted}", ExitCode.USAGE)


def _option(name: str) -> str:
    """How a field of `Link` is typed."""
    return f"--{name.replace('_', '-')}"


# -- what a person may type ------------------------------------------------------------------------------------------


def burst(text: str) -> GilbertElliott:
    """``0.1,4``: a tenth is lost, four in a row on average."""
    try:
        loss, length = map(float, text.split(","))
    except ValueError:
        wanted = "a burst is LOSS,LENGTH, like 0.1,4 for 10 % lost, 4 in a row"
        raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}") from None
    try:
        return GilbertElliott.average(loss, length)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def exact_loss(text: str) -> tuple[int, int]:
    """``3/10``: three of every ten."""
    lost, of = map(_whole, text.partition("/")[::2])
    if lost is None or of is None or not lost <= of or not of:
        raise argparse.ArgumentTypeError(f"exact loss is LOST/OF, like 3/10 for 3 of every 10, not {text!r}")
    return lost, of


def _whole(text: str) -> int | None:
    """A number of at most 18 digits, None if it is none: about one of 5000 `int` would raise."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def bit_rate(text: str) -> float:
    """``9600``, ``64k``, ``1.5M``, ``1G``: bits per second."""
    number, factor = (text[:-1], PREFIXES[text[-1]]) if text[-1:] in PREFIXES else (text, 1.0)
    try:
        rate = float(number) * factor
    except ValueError:
        rate = 0.0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"a rate is bits per second above 0, like 64k or 1.5M, not {text!r}")
    return rate


def at_least(least: int) -> Callable[[str], int]:
    """A whole number that is not below this."""

    def whole(text: str) -> int:
        if (number := _whole(text)) is None or number < least:
            raise argparse.ArgumentTypeError(f"this has to be a whole number, {least} or more, not {text!r}")
        return number

    return whole


def positive_seconds(text: str) -> float:
    """A time above 0."""
    with suppress(argparse.ArgumentTypeError):
        if number := seconds(text):
            return number
    wanted = f"a time is a number of seconds above 0 and at most {LONGEST:g} here, like 0.5"
    raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}")


def rebind_every(text: str) -> Rebind:
    """Seconds from the start to the first time, and between two times."""
    try:
        return Rebind(every := positive_seconds(text), every)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


_CHANCE = {"type": probability, "metavar": "P"}
_TIME = {"type": seconds, "metavar": "SECONDS"}

_OPTIONS: dict[str, dict[str, Any]] = {
    "loss": {**_CHANCE, "help": "lose a datagram with this probability, 0 to 1"},
    "burst": {"type": burst, "metavar": "LOSS,LENGTH", "help": "lose this part of all, so many in a row on average"},
    "exact_loss": {"type": exact_loss, "metavar": "LOST/OF", "help": "lose exactly so many of every so many: 3/10"},
    "in_a_row": {"type": count, "metavar": "N", "help": "lose or damage at most so many one after another by chance"},
    "delay": {**_TIME, "help": "what every datagram takes"},
    "jitter": {**_TIME, "help": "what it may take longer; datagrams may overtake each other"},
    "jitter_shape": {"choices": SHAPES, "metavar": "SHAPE", "help": f"{', '.join(SHAPES)} (default: {SHAPES[0]})"},
    "duplicate": {**_CHANCE, "help": "deliver a datagram twice"},
    "reorder": {**_CHANCE, "help": "hold a datagram back, so that others overtake it"},
    "reorder_delay": {**_TIME, "help": f"for how long (default: {Link.reorder_delay:g})"},
    "corrupt": {**_CHANCE, "help": "flip one bit"},
    "garble": {**_CHANCE, "help": "replace up to 8 bytes by random ones"},
    "truncate": {**_CHANCE, "help": "cut off the end"},
    "rate": {"type": bit_rate, "metavar": "BITS", "help": "bits per second, headers included: 64k, 1.5M"},
    "queue": {
        "type": at_least(0),
        "metavar": "N",
        "help": f"datagrams that may wait for that rate (default: {Link.queue})",
    },
    "mtu": {
        "type": at_least(SMALLEST_MTU),
        "metavar": "BYTES",
        "help": "drop larger ones; 28 bytes of headers count, 48 for IPv6",
    },
}
