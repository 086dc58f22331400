"""What `serve --metrics` shows, read as Prometheus' own parser reads it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, cast

from prometheus_client.parser import text_string_to_metric_families

from tests.cli.child import ROOT
from trio_udp import Datagram, Guard, UDPStatistics, limit_rate
from trio_udp.cli._answering import Answering
from trio_udp.cli._metrics import render

if TYPE_CHECKING:
    from trio_udp.workers import Workers

IPV4 = UDPStatistics(1, 20, 3, 40, {"server stopped": 5, "no room": 6}, {"EPERM": 7}, 8, 212_992)
IPV6 = UDPStatistics(0, 0, 0, 0, {}, {}, None, 425_984)


def samples(page: bytes) -> dict[tuple[str, ...], float]:
    """Names and label values, and the value."""
    families = list(text_string_to_metric_families(page.decode()))
    assert all(family.documentation for family in families)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_sockets() -> None:
    assert samples(render([("127.0.0.1:7", IPV4), ("[::1]:7", IPV6)])) == {
        ("trio_udp_received_datagrams_total", "127.0.0.1:7"): 1,
        ("trio_udp_received_datagrams_total", "[::1]:7"): 0,
        ("trio_udp_received_bytes_total", "127.0.0.1:7"): 20,
        ("trio_udp_received_bytes_total", "[::1]:7"): 0,
        ("trio_udp_sent_datagrams_total", "127.0.0.1:7"): 3,
        ("trio_udp_sent_datagrams_total", "[::1]:7"): 0,
        ("trio_udp_sent_bytes_total", "127.0.0.1:7"): 40,
        ("trio_udp_sent_bytes_total", "[::1]:7"): 0,
        ("trio_udp_dropped_datagrams_total", "127.0.0.1:7", "server stopped"): 5,
        ("trio_udp_dropped_datagrams_total", "127.0.0.1:7", "no room"): 6,
        ("trio_udp_errors_total", "127.0.0.1:7", "EPERM"): 7,
        ("trio_udp_kernel_drops_total", "127.0.0.1:7"): 8,
        ("trio_udp_receive_buffer_bytes", "127.0.0.1:7"): 212_992,
        ("trio_udp_receive_buffer_bytes", "[::1]:7"): 425_984,
    }


def test_names_and_types() -> None:
    page = render([("127.0.0.1:7", IPV4)]).decode()
    assert 'trio_udp_dropped_datagrams_total{address="127.0.0.1:7",reason="server stopped"} 5.0\n' in page
    assert 'trio_udp_errors_total{address="127.0.0.1:7",errno="EPERM"} 7.0\n' in page
    assert "# TYPE trio_udp_kernel_drops_total counter\n" in page
    assert "# TYPE trio_udp_receive_buffer_bytes gauge\n" in page


async def fail(_: Datagram) -> None:
    raise ValueError


def answering_badly() -> Answering:
    answering = Answering(fail, lambda *_: None)
    answering.busy = 2
    answering.failures = Counter(ValueError=3, KeyError=4)
    return answering


def limited() -> Guard:
    guard = limit_rate(answering_badly(), rate=1, burst=1)
    guard._counts["over rate"] = 5
    return guard


def test_guards() -> None:
    assert samples(render([], guarded=limited())) == {("trio_udp_guarded_datagrams_total", "over rate"): 5}


def test_handlers() -> None:
    answering = answering_badly()
    assert samples(render([], answering)) == {
        ("trio_udp_handlers_busy",): 2,
        ("trio_udp_handler_failures_total", "ValueError"): 3,
        ("trio_udp_handler_failures_total", "KeyError"): 4,
    }


class TwoOfThree:
    pids = (11, 12)
    restarts = 5


def test_workers() -> None:
    page = render([], workers=cast("Workers", TwoOfThree()))
    assert samples(page) == {("trio_udp_workers",): 2, ("trio_udp_worker_restarts_total",): 5}


def test_the_page_about_them_has_all_names_and_the_alerts_have_no_others() -> None:
    page = render([("127.0.0.1:7", IPV4)], answering_badly(), limited(), cast("Workers", TwoOfThree()), ["a peer"])
    names = {name for name, *_ in samples(page)}
    docs = ROOT / "docs"
    told = (docs / "howto" / "operate.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"^``(trio_udp_\w+)``  ", told, re.MULTILINE)) == names
    alerts = (docs / "examples" / "operate" / "alerts.yml").read_text(encoding="utf-8")
    assert len(found := set(re.findall(r"trio_udp_\w+", alerts))) == 5
    assert found <= names
