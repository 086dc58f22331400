"""Rules: what must happen to which datagram, whatever chance says.

Chance finds the faults that nobody thought of. A rule is for the one that you have in mind: the first two requests are
lost, the third answer comes late, these two hosts cannot see each other. Any function from a datagram in flight to a
verdict is a rule; None passes the datagram on to the next rule and in the end to the link, and the first rule that
decides, decides. The functions here make the usual ones. Those that count do so from 1, over all datagrams that the
rule is asked about, and start anew with each call of the function.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Protocol, TypeAlias

from .._address import Address
from ._checks import check_function, check_number, check_positive, check_whole


class InFlight(NamedTuple):
    """A datagram on its way, as rules see it.

    Args:
      time: when it was sent, seconds on Trio's clock.
      source: the address that it comes from.
      destination: the address that it goes to.
      n: its number, from 1, among the datagrams from one host to the other; in a relay, from or to one client.
      data: its payload.
      refusal: True: this is no datagram but the news that one found nobody listening (ICMP port unreachable), on its
        way back; ``n`` and ``data`` are those of the datagram that was refused. The ready-made rules that count or
        choose datagrams leave it alone; `blackhole` and `partition` stop it as well.
      receiver: of a datagram to a group or to everybody, the host that this copy of it goes to, by its address; None
        for all others. The virtual network asks about each copy; a relay has none.
    """

    time: float
    source: Address
    destination: Address
    n: int
    data: bytes
    refusal: bool = False
    receiver: str | None = None


class Deliver(NamedTuple):
    """The verdict: it arrives unharmed, ``delay`` seconds after it was sent, whatever the link is like."""

    delay: float = 0.0


class Drop(NamedTuple):
    """The verdict: it is lost; ``reason`` is the name under which it is recorded and counted."""

    reason: str = "rule"


class Held(NamedTuple):
    """The verdict of `hold`: whoever carries the datagram hands over a function that lets it go on.

    ``keep(go_on)`` returns whether there was room; if not, the datagram is dropped.
    """

    keep: Callable[[Callable[[], None]], bool]


Verdict: TypeAlias = Deliver | Drop | Held
"""What a rule may say, beside None."""

Rule: TypeAlias = Callable[[InFlight], "Verdict | None"]
"""Any function from a datagram in flight to a verdict, or None to pass it on."""

Predicate: TypeAlias = Callable[[InFlight], object]


class _Addressed(Protocol):
    @property
    def addresses(self) -> Collection[str]: ...


Hosts: TypeAlias = str | Collection[str] | _Addressed


def first_verdict(rules: Iterable[Rule], flight: InFlight) -> Verdict | None:
    """What the first rule that decides says; None if none does.

    Raises:
      TypeError: a rule returned something else. (A rule that returns True has decided nothing that we could do.)
      ValueError: a delay makes no sense.
    """
    for rule in rules:
        verdict = rule(flight)
        if verdict is None:
            continue
        if not isinstance(verdict, (Deliver, Drop, Held)):
            raise TypeError(f"a rule returns Deliver(...), Drop(...) or None, not {verdict!r}: {rule!r}")
        if isinstance(verdict, Deliver):
            check_number(f"delay of {rule!r}", verdict.delay, 0)
        if isinstance(verdict, Drop) and not isinstance(verdict.reason, str):
            raise TypeError(f"the reason of Drop is text, not {verdict.reason!r}: {rule!r}")
        return verdict
    return None


def drop_nth(*numbers: int, match: Predicate | None = None) -> Rule:
    """Lose the datagrams with these numbers, counted from 1 over all that ``match``.

    Args:
      numbers: which ones; ``drop_nth(1, 3)`` loses the first and the third.
      match: which datagrams count; all of them unless given.

    Raises:
      ValueError: there is no number, or one below 1, or ``match`` is no function.
    """
    if not numbers:
        raise ValueError("drop_nth needs a number: drop_nth(1) loses the first datagram")
    for number in numbers:
        check_whole("number", number, 1)
    return _drop_counted(frozenset(numbers).__contains__, match, "drop_nth")


def drop_first(count: int, *, match: Predicate | None = None) -> Rule:
    """Lose the first datagrams, counted over all that ``match``.

    Args:
      count: how many, at least 1.
      match: which datagrams count; all of them unless given.

    Raises:
      ValueError: the count is below 1, or ``match`` is no function.
    """
    check_whole("count", count, 1)
    return _drop_counted(lambda number: number <= count, match, "drop_first")


def _drop_counted(chosen: Callable[[int], bool], match: Predicate | None, reason: str) -> Rule:
    if match is not None:
        check_function("match", match)
    seen = 0

    def rule(flight: InFlight) -> Drop | None:
        nonlocal seen
        if flight.refusal or (match is not None and not match(flight)):
            return None
        seen += 1
        return Drop(reason) if chosen(seen) else None

    return rule


def drop_if(predicate: Predicate, reason: str = "drop_if") -> Rule:
    """Lose every datagram for which ``predicate(flight)`` is true.

    Raises:
      ValueError: the predicate is no function, or the reason no text.
    """
    check_function("predicate", predicate)
    if not isinstance(reason, str):
        raise ValueError(f"reason must be text, not {reason!r}")

    def rule(flight: InFlight) -> Drop | None:
        return Drop(reason) if not flight.refusal and predicate(flight) else None

    return rule


def blackhole(on: float, off: float, *, repeat: int | None = None) -> Rule:
    """A network that works for ``on`` seconds, loses everything for ``off`` seconds, works again, and so on.

    The time counts from the first datagram that the rule is asked about.

    Args:
      on: seconds, at least 0.
      off: seconds, above 0.
      repeat: how often it fails; None: for ever.

    Raises:
      ValueError: a value is out of range.
    """
    check_number("on", on, 0)
    check_positive("off", off)
    if repeat is not None:
        check_whole("repeat", repeat, 1)
    began: float | None = None

    def rule(flight: InFlight) -> Drop | None:
        nonlocal began
        if began is None:
            began = flight.time
        period, within = divmod(flight.time - began, on + off)
        return Drop("blackhole") if within >= on and (repeat is None or period < repeat) else None

    return rule


def partition(a: Hosts, b: Hosts, *, both: bool = True) -> Rule:
    """Two parts of the network that cannot see each other.

    Args:
      a: an IP address, several, or a host of the virtual network, which stands for the addresses that it has now.
      b: the same.
      both: False: only what goes from ``a`` to ``b`` is lost.

    Raises:
      ValueError: this is no IP address, or there is none.
    """
    here, there = _addresses(a), _addresses(b)

    def rule(flight: InFlight) -> Drop | None:
        source, destination = flight.source[0], flight.receiver or flight.destination[0]
        cut = (source in here and destination in there) or (both and source in there and destination in here)
        return Drop("partition") if cut else None

    return rule


def _addresses(hosts: Hosts) -> frozenset[str]:
    several = getattr(hosts, "addresses", hosts)
    if isinstance(several, str) or not isinstance(several, Collection):
        several = [several]
    if not several:
        raise ValueError("partition needs an address on each side")
    return frozenset(_canonical(address) for address in several)


def _canonical(address: object) -> str:
    try:
        if isinstance(address, str):  # ip_address() takes numbers, too
            return str(ipaddress.ip_address(address))
    except ValueError:
        pass
    raise ValueError(f"partition takes IP addresses, or a Host for its own; {address!r} is neither")


class hold:
    """A rule that lets datagrams wait until you release them; they are neither lost nor on their way.

    Args:
      match: which datagrams; all of them unless given.
      limit: how many may wait; a datagram beyond it is dropped as ``"hold full"``.

    Raises:
      ValueError: the limit is below 1, or ``match`` is no function.
    """

    def __init__(self, match: Predicate | None = None, *, limit: int = 1000) -> None:
        check_whole("limit", limit, 1)
        if match is not None:
            check_function("match", match)
        self._match = match
        self._limit = limit
        self._waiting: deque[Callable[[], None]] = deque()

    def __call__(self, flight: InFlight) -> Held | None:
        if flight.refusal or (self._match is not None and not self._match(flight)):
            return None
        return Held(self._keep)

    def _keep(self, go_on: Callable[[], None]) -> bool:
        if len(self._waiting) >= self._limit:
            return False
        self._waiting.append(go_on)
        return True

    def __len__(self) -> int:
        """How many are waiting."""
        return len(self._waiting)

    def __bool__(self) -> bool:
        return True  # a rule is one also when nothing waits in it

    def release(self, count: int | None = None) -> int:
        """Let the first ``count`` go on, or all: now they are sent over the link. Returns how many those were.

        Raises:
          ValueError: the count is below 0.
        """
        if count is not None:
            check_whole("count", count, 0)
        released = len(self) if count is None else min(count, len(self))
        for _ in range(released):
            self._waiting.popleft()()
        return released
