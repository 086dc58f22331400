"""Networks with a name, and where their figures come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ._link import Link
from ._rules import Rule, blackhole


@dataclass(frozen=True)
class Rebind:
    """When a NAT gives its clients new ports: ``first`` seconds after the start, then ``every`` so many seconds."""

    first: float
    every: float


@dataclass(frozen=True)
class Preset:
    """A network that somebody else has described.

    Args:
      source: who.
      forward: the link towards the server.
      backward: the link towards the client.
      make_rules: makes the rules that belong to it; they may count, so each network needs its own.
      rebind: when the client's address changes; None: never.
    """

    source: str
    forward: Link
    backward: Link
    make_rules: Callable[[], tuple[Rule, ...]] = tuple
    rebind: Rebind | None = None


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "interop-blackhole": Preset(
            "QUIC interop runner, blackhole",
            Link(delay=0.015, rate=10e6, queue=25),
            Link(delay=0.015, rate=10e6, queue=25),
            lambda: (blackhole(5.0, 2.0, repeat=1),),
        ),
    }
)
