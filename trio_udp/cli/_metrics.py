"""The statistics of a server in the words of Prometheus: what ``serve --metrics`` shows.

Nothing is counted here a second time: what the endpoints and the handlers have counted is asked for when somebody reads
it. And nothing is told of single peers. A label with a peer's address would be a time series for each, in a program
that keeps them for weeks, and whoever can forge a source address would decide how many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .._guards import Guard
    from .._statistics import UDPStatistics
    from ..workers import Workers
    from ._answering import Answering

    Sockets = Sequence[tuple[str, UDPStatistics]]

PREFIX = "trio_udp_"


def render(
    sockets: Sockets,
    answering: Answering | None = None,
    guarded: Guard | None = None,
    workers: Workers | None = None,
    peers: Collection[object] | None = None,
) -> bytes:
    """What Prometheus reads, as text.

    Args:
      sockets: where each listens, and its statistics.
      answering: the handler, where it is in this process.
      guarded: the same with the guards around it.
      workers: the processes that it is in, where there are several.
      peers: with whom there is a conversation, where there are such.
    """
    return generate_latest(_Snapshot(sockets, answering, guarded, workers, peers))


class _Snapshot(Collector):
    def __init__(
        self,
        sockets: Sockets,
        answering: Answering | None,
        guarded: Guard | None,
        workers: Workers | None,
        peers: Collection[object] | None,
    ) -> None:
        self._sockets = sockets
        self._answering = answering
        self._guarded = guarded
        self._workers = workers
        self._peers = peers

    def collect(self) -> Iterator[Metric]:
        """All of it; each family with a line that says what it is."""
        yield from _totals(self._sockets)
        yield from _reasons(self._sockets)
        yield from _kernels(self._sockets)
        if self._answering is not None:
            yield from _handlers(self._answering)
        if self._guarded is not None:
            yield from _guards(self._guarded)
        if self._peers is not None:
            yield GaugeMetricFamily(f"{PREFIX}peers", "Peers in conversation.", len(self._peers))
        if self._workers is not None:
            yield from _processes(self._workers)


def _totals(sockets: Sockets) -> Iterator[Metric]:
    received = _counter("received_datagrams", "Datagrams taken off the socket.", "address")
    received_bytes = _counter("received_bytes", "Their payload.", "address")
    sent = _counter("sent_datagrams", "Datagrams that the kernel took.", "address")
    sent_bytes = _counter("sent_bytes", "Their payload.", "address")
    for address, statistics in sockets:
        received.add_metric([address], statistics.received)
        received_bytes.add_metric([address], statistics.received_bytes)
        sent.add_metric([address], statistics.sent)
        sent_bytes.add_metric([address], statistics.sent_bytes)
    yield from (received, received_bytes, sent, sent_bytes)


def _reasons(sockets: Sockets) -> Iterator[Metric]:
    dropped = _counter("dropped_datagrams", "Datagrams discarded by the server.", "address", "reason")
    errors = _counter("errors", "What the socket reported.", "address", "errno")
    for address, statistics in sockets:
        _add_each(dropped, [address], statistics.dropped)
        _add_each(errors, [address], statistics.errors)
    yield from (dropped, errors)


def _kernels(sockets: Sockets) -> Iterator[Metric]:
    drops = _counter(
        "kernel_drops", "Datagrams that the kernel received and dropped, mostly for want of room.", "address"
    )
    buffer = GaugeMetricFamily(
        f"{PREFIX}receive_buffer_bytes", "The room, as the kernel counts it.", labels=["address"]
    )
    for address, statistics in sockets:
        if statistics.kernel_drops is not None:
            drops.add_metric([address], statistics.kernel_drops)
        buffer.add_metric([address], statistics.receive_buffer)
    yield from (drops, buffer)


def _handlers(answering: Answering) -> Iterator[Metric]:
    yield GaugeMetricFamily(f"{PREFIX}handlers_busy", "Handlers that have begun and not ended.", answering.busy)
    failures = _counter("handler_failures", "Exceptions that handlers raised.", "type")
    _add_each(failures, [], answering.failures)
    yield failures


def _guards(guarded: Guard) -> Iterator[Metric]:
    stepped_in = _counter("guarded_datagrams", "Datagrams for which a guard stepped in.", "reason")
    _add_each(stepped_in, [], guarded.statistics())
    yield stepped_in


def _processes(workers: Workers) -> Iterator[Metric]:
    yield GaugeMetricFamily(f"{PREFIX}workers", "Processes that there are now.", len(workers.pids))
    restarts = _counter("worker_restarts", "Processes started in the place of one that had ended.")
    restarts.add_metric([], workers.restarts)
    yield restarts


def _counter(name: str, documentation: str, *labels: str) -> CounterMetricFamily:
    """Prometheus adds ``_total`` to the name."""
    return CounterMetricFamily(PREFIX + name, documentation, labels=labels)


def _add_each(counter: CounterMetricFamily, labels: list[str], counts: Mapping[str, int]) -> None:
    for what, count in counts.items():
        counter.add_metric([*labels, what], count)
