from __future__ import annotations

import sys

import pytest

from trio_udp import _statistics as statistics_module
from trio_udp import open_udp_endpoint
from trio_udp._statistics import Tally, kernel_drops


async def test_a_platform_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with await open_udp_endpoint("127.0.0.1") as endpoint:
        assert endpoint.statistics().kernel_drops is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_kernels_that_do_not_know_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    with await open_udp_endpoint("127.0.0.1") as endpoint:
        assert kernel_drops(endpoint.socket) == 0
        monkeypatch.setattr(statistics_module, "_SO_MEMINFO", 9999)  # ENOPROTOOPT, as before Linux 4.12
        assert kernel_drops(endpoint.socket) is None


async def test_statistics_are_a_copy() -> None:
    with await open_udp_endpoint("127.0.0.1") as endpoint:
        tally = Tally()
        before = tally.statistics(endpoint.socket)
        tally.dropped["reason"] += 1
        tally.sent += 1
        assert (before.sent, before.dropped) == (0, {})
        with pytest.raises(AttributeError):
            before.sent = 5  # type: ignore[misc]
