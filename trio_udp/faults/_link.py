"""How one direction between two hosts behaves: a `Link`.

The values are what people say of networks: so much delay, so much loss. What they do not say is where models of
networks go wrong. Three of those places:

* Jitter. The usual model subtracts as often as it adds, and cuts off what would arrive before it was sent: then many
  datagrams arrive with exactly the smallest delay. Or it keeps them in order, and then those behind a late one arrive
  with it, all at once. Here jitter is only ever added, and datagrams may overtake each other, as they do.
* Loss. Real losses come in bursts (`GilbertElliott`), and a test with real chance fails now and then. So there is a
  loss that is exact: 3 of every 10, whichever 3.
* Rate. A link that is too slow has a queue, a queue has an end, and what comes when it is full is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ._checks import check_number, check_positive, check_probability, check_whole, is_whole

if TYPE_CHECKING:
    from typing_extensions import Self

SHAPES = ("uniform", "normal", "exponential")

# Bytes. What every link must carry without fragmenting it (RFC 791 section 3.2; RFC 8200 section 5 has 1280 for IPv6).
SMALLEST_MTU = 68

# Bytes of headers in front of the payload: UDP 8 (RFC 768), IPv4 20 (RFC 791), IPv6 40 (RFC 8200).
HEADERS_IPV4 = 28
HEADERS_IPV6 = 48


@dataclass(frozen=True)
class GilbertElliott:
    """Losses that come in bursts: the link is in a good state or in a bad one, and changes after each datagram.

    Gilbert's model with Elliott's extension (Bell System Technical Journal 39, 1960, and 42, 1963), in the notation of
    tc-netem(8): ``p`` is ``enter``, ``r`` is ``leave``, ``1-h`` is ``loss_in_bad``, ``1-k`` is ``loss_in_good``. It
    begins in the good state, so the first datagrams fare better than the average.

    Args:
      enter: the probability that the good state turns bad.
      leave: the probability that the bad state turns good; a bad state lasts ``1 / leave`` datagrams on average.
      loss_in_bad: the probability that a datagram is lost in the bad state.
      loss_in_good: and in the good one.

    Raises:
      ValueError: a value is not a probability; the message names it.
    """

    enter: float
    leave: float
    loss_in_bad: float = 1.0
    loss_in_good: float = 0.0

    def __post_init__(self) -> None:
        for name in ("enter", "leave", "loss_in_bad", "loss_in_good"):
            check_probability(name, getattr(self, name))

    @classmethod
    def average(cls, loss: float, length: float) -> Self:
        """Bursts of so many datagrams on average, in which everything is lost, and so much loss altogether.

        Args:
          loss: the part of all datagrams that is lost, below 1.
          length: datagrams in a burst, at least 1.

        Raises:
          ValueError: a value is out of range, or bursts as short as these cannot lose as much.
        """
        check_probability("loss", loss)
        check_number("length", length, 1)
        if loss == 1 or loss > length / (length + 1):
            raise ValueError(f"loss must be at most {length / (length + 1):.3g} for bursts of {length!r}, not {loss!r}")
        return cls(enter=min(loss / (length * (1 - loss)), 1.0), leave=1 / length)


@dataclass(frozen=True)
class Link:
    """How one direction between two hosts behaves. By default it is perfect.

    Times are seconds, probabilities are from 0 to 1 and independent of each other. What happens to a datagram happens
    in this order: ``mtu``, then ``rate`` and ``queue``, then the losses, the damages, and in the end ``duplicate`` and
    the delays.

    Args:
      delay: what every datagram takes.
      jitter: what it may take longer; datagrams may overtake each other.
      jitter_shape: ``"uniform"``: from 0 to ``jitter``. ``"normal"``: the distance from the middle of a bell curve
        whose standard deviation is ``jitter``. ``"exponential"``: ``jitter`` on average, rarely much longer.
      loss: the probability that a datagram is lost.
      burst: losses that come in bursts.
      exact_loss: ``(3, 10)``: of the first ten datagrams exactly three are lost, of the next ten as well, and so on.
        Which three is chance. What ``mtu`` or a full queue drops is not among the ten.
      in_a_row: chance loses or damages at most so many datagrams one after another; the next goes through unharmed.
        What ``exact_loss`` takes is neither counted nor spared.
      duplicate: the probability that a datagram arrives twice; each copy has its own jitter.
      reorder: the probability that a datagram is held back, so that those behind it overtake it; a second copy is not.
      reorder_delay: by how much; those that come within that time overtake it.
      corrupt: the probability that one bit is flipped. (Over a real network UDP's checksum finds that, and the datagram
        is lost. What gets through is what a protocol's own checks are for.)
      garble: the probability that a run of up to 8 bytes is replaced by random ones.
      truncate: the probability that the end is missing; how much of it is chance, 1 byte at least.
      rate: bits per second, headers included; None: no limit.
      queue: datagrams that may wait while another is being sent at that rate; what comes then is dropped.
      mtu: the largest IP packet in bytes, headers (28 for IPv4, 48 for IPv6) included; larger ones are dropped. A
        socket of the virtual network that forbids fragmentation is told so by EMSGSIZE when it sends.

    Raises:
      ValueError: a value makes no sense; the message names the field.
    """

    delay: float = 0.0
    jitter: float = 0.0
    jitter_shape: str = "uniform"
    loss: float = 0.0
    burst: GilbertElliott | None = None
    exact_loss: tuple[int, int] | None = None
    in_a_row: int | None = None
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_delay: float = 0.01
    corrupt: float = 0.0
    garble: float = 0.0
    truncate: float = 0.0
    rate: float | None = None
    queue: int = 100
    mtu: int | None = None

    def __repr__(self) -> str:
        values = [(each.name, getattr(self, each.name), each.default) for each in fields(self)]
        return f"Link({', '.join(f'{name}={value!r}' for name, value, default in values if value != default)})"

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder", "corrupt", "garble", "truncate"):
            check_probability(name, getattr(self, name))
        for name in ("delay", "jitter", "reorder_delay"):
            check_number(name, getattr(self, name), 0)
        if self.jitter_shape not in SHAPES:
            raise ValueError(f"jitter_shape must be one of {', '.join(SHAPES)}, not {self.jitter_shape!r}")
        if self.burst is not None and not isinstance(self.burst, GilbertElliott):
            raise ValueError(f"burst must be a GilbertElliott or None, not {self.burst!r}")
        if self.exact_loss is not None:
            _check_exact(self.exact_loss)
        if self.in_a_row is not None:
            check_whole("in_a_row", self.in_a_row, 1)
        if self.rate is not None:
            check_positive("rate", self.rate)
        check_whole("queue", self.queue, 0)
        if self.mtu is not None:
            check_whole("mtu", self.mtu, SMALLEST_MTU)


def headers(host: str) -> int:
    """Bytes of IP and UDP headers in front of what is sent to this address."""
    return HEADERS_IPV6 if ":" in host else HEADERS_IPV4


def _check_exact(value: object) -> None:
    match value:
        case tuple((lost, of)) if is_whole(lost) and is_whole(of) and 0 <= lost <= of and of > 0:
            return
    raise ValueError(f"exact_loss must be a pair like (3, 10), for 3 of every 10, not {value!r}")
