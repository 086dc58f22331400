"""Networks with a name, and where their figures come from.

Everybody who tests on a bad network invents one: 5 % loss, 100 ms, as they look like a bad day. Such figures cannot be
compared, and nobody can say whether they are too hard or too easy. So every figure here is somebody else's, published
where you can read it, and the name says whose. What a source does not give is left as `Link` has it by default: a
profile for web pages that says nothing of loss has none here.

Sources speak of the round trip, we of each way: half of it goes there, half comes back. "Down" and "in" are towards the
client: ``backward``. ``mobile``, ``satellite`` and ``wifi`` are other names for one preset of that kind.

The simulator of the QUIC interop runner does some things otherwise. It drops and damages datagrams where they arrive;
ours is the same but for the blackhole, which takes what is sent within its time. Its times count from the start of the
simulator, those of our blackhole from the first datagram. It corrupts one byte among the first 51 of the payload and
leaves version negotiation alone, as it knows QUIC; ours replaces up to 8 bytes anywhere (``garble``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType

from ._checks import check_function, check_number
from ._link import Link
from ._rules import Rule, blackhole


@dataclass(frozen=True)
class Rebind:
    """When a NAT gives its clients new ports.

    Args:
      first: seconds from the start to the first time.
      every: seconds from each time to the next, at least a millisecond.

    Raises:
      ValueError: ``first`` is below 0, or ``every`` below 0.001; the message names the field.
    """

    first: float
    every: float

    def __post_init__(self) -> None:
        check_number("first", self.first, 0)
        check_number("every", self.every, 0.001)


@dataclass(frozen=True)
class Preset:
    """A network that somebody else has described.

    Args:
      source: who, and where.
      forward: the link towards the server.
      backward: the link towards the client.
      make_rules: makes the rules that belong to it; they may count, so each network needs its own.
      rebind: when the client's address changes; None: never.

    Raises:
      ValueError: a value is of another kind; the message names the field.
    """

    source: str
    forward: Link
    backward: Link
    make_rules: Callable[[], tuple[Rule, ...]] = tuple
    rebind: Rebind | None = None

    def __post_init__(self) -> None:
        for name in ("forward", "backward"):
            if not isinstance(getattr(self, name), Link):
                raise ValueError(f"{name} must be a Link, not {getattr(self, name)!r}")
        check_function("make_rules", self.make_rules)
        if not isinstance(self.rebind, Rebind | None):
            raise ValueError(f"rebind must be a Rebind or None, not {self.rebind!r}")


# github.com/quic-interop/quic-interop-runner, testcases_quic.py: what each test case asks of the simulator. Its models
# are in github.com/quic-interop/quic-network-simulator, sim/scenarios.
_INTEROP = Link(delay=0.015, rate=10e6, queue=25)

# Bytes of IP packet in which a buffer that is given in bytes is counted: Ethernet's MTU (RFC 894).
_FULL = 1500


def _interop(testcase: str, link: Link, *, rebind: Rebind | None = None) -> Preset:
    return Preset(f"QUIC interop runner, {testcase}", link, link, rebind=rebind)


def _webpagetest(section: str, down: float, up: float, round_trip: float) -> Preset:
    """github.com/WPO-Foundation/webpagetest, www/settings/connectivity.ini.sample; its agent halves latencies, too."""
    source = f"WebPageTest, connectivity.ini [{section}]"
    return Preset(source, Link(delay=round_trip / 2, rate=up), Link(delay=round_trip / 2, rate=down))


def _quic_4_sat(section: str, down: float, up: float, loss: float = 0.0) -> Preset:
    """draft-kuhn-quic-4-sat-06: 650 ms there and back, and buffers of the bandwidth-delay product."""

    def link(rate: float) -> Link:
        return Link(delay=0.325, rate=rate, queue=ceil(rate * 0.650 / 8 / _FULL), loss=loss)

    return Preset(f"draft-kuhn-quic-4-sat-06, section {section}", link(up), link(down))


_NAMED = {
    "interop-drop-rate": _interop("handshakeloss", replace(_INTEROP, loss=0.3, in_a_row=3)),
    "interop-transfer-loss": _interop("transferloss", replace(_INTEROP, loss=0.02, in_a_row=3)),
    "interop-corrupt-rate": _interop("handshakecorruption", replace(_INTEROP, garble=0.3, in_a_row=3)),
    "interop-transfer-corruption": _interop("transfercorruption", replace(_INTEROP, garble=0.02, in_a_row=3)),
    "interop-blackhole": Preset(
        "QUIC interop runner, blackhole", _INTEROP, _INTEROP, lambda: (blackhole(5.0, 2.0, repeat=1),)
    ),
    "interop-long-rtt": _interop("longrtt", replace(_INTEROP, delay=0.75)),
    "interop-rebind": _interop("rebind-port", _INTEROP, rebind=Rebind(first=1.0, every=5.0)),
    "webpagetest-3g": _webpagetest("3G", down=1.6e6, up=768e3, round_trip=0.300),
    "webpagetest-4g": _webpagetest("4G", down=9e6, up=9e6, round_trip=0.170),
    # Up and down again for stations at the edge of what the satellite sees; one straight below it has 239.6 ms.
    "rfc2488-satellite": Preset("RFC 2488, section 2", Link(delay=0.279), Link(delay=0.279)),
    "quic4sat-small": _quic_4_sat("4.1", down=10e6, up=2e6),
    "quic4sat-lossy": _quic_4_sat("4.7", down=250e6, up=3e6, loss=0.01),
    # Firefox's sources, devtools/docs/user/network_monitor/throttling/index.rst. The minimum latency, 2 ms, delays the
    # response to a request: a round trip.
    "firefox-wifi": Preset("Firefox, throttling: Wi-Fi", Link(delay=0.001, rate=15e6), Link(delay=0.001, rate=30e6)),
}

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        **_NAMED,
        "mobile": _NAMED["webpagetest-4g"],
        "satellite": _NAMED["quic4sat-small"],
        "wifi": _NAMED["firefox-wifi"],
    }
)
"""Networks by name; the reference has them as a table."""
