from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import pytest

from trio_udp.faults import PRESETS, GilbertElliott, InFlight, Link, Passage, Preset, Rebind

INTEROP: dict[str, Any] = {"delay": 0.015, "rate": 10_000_000, "queue": 25}

# From the sources themselves, direction by direction: towards the server, towards the client.
EXPECTED = {
    "interop-drop-rate": (Link(**INTEROP, loss=0.3, in_a_row=3),) * 2,
    "interop-transfer-loss": (Link(**INTEROP, loss=0.02, in_a_row=3),) * 2,
    "interop-corrupt-rate": (Link(**INTEROP, garble=0.3, in_a_row=3),) * 2,
    "interop-transfer-corruption": (Link(**INTEROP, garble=0.02, in_a_row=3),) * 2,
    "interop-blackhole": (Link(**INTEROP),) * 2,
    "interop-long-rtt": (Link(**{**INTEROP, "delay": 0.75}),) * 2,
    "interop-rebind": (Link(**INTEROP),) * 2,
    "webpagetest-3g": (Link(0.15, rate=768_000), Link(0.15, rate=1_600_000)),
    "webpagetest-4g": (Link(0.085, rate=9_000_000), Link(0.085, rate=9_000_000)),
    "rfc2488-satellite": (Link(0.279), Link(0.279)),
    # 650 ms at 2 Mbit/s are 162,500 bytes, 108.3 datagrams of 1500; at 10 Mbit/s 541.7.
    "quic4sat-small": (Link(0.325, rate=2_000_000, queue=109), Link(0.325, rate=10_000_000, queue=542)),
    "quic4sat-lossy": (
        Link(0.325, rate=3_000_000, queue=163, loss=0.01),
        Link(0.325, rate=250_000_000, queue=13542, loss=0.01),
    ),
    "firefox-wifi": (Link(0.001, rate=15_000_000), Link(0.001, rate=30_000_000)),
}

ALIASES = {"mobile": "webpagetest-4g", "satellite": "quic4sat-small", "wifi": "firefox-wifi"}


def test_the_figures_are_those_of_the_sources() -> None:
    assert {
        name: (preset.forward, preset.backward) for name, preset in PRESETS.items() if name not in ALIASES
    } == EXPECTED


def test_the_plain_words_are_presets() -> None:
    assert {*EXPECTED, *ALIASES} == set(PRESETS)
    for word, name in ALIASES.items():
        assert PRESETS[word] is PRESETS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_source_and_works(name: str) -> None:
    preset = PRESETS[name]
    assert preset.source
    for link in (preset.forward, preset.backward):
        passage = Passage(link, 7, name)
        fates = [passage.fate(n / 10, n, bytes(1200), 28) for n in range(100)]
        assert sum(bool(fate.copies) for fate in fates) > 50


def test_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PRESETS["mine"] = PRESETS["wifi"]  # type: ignore[index]


def test_rules_are_made_anew_each_time() -> None:
    preset = PRESETS["interop-blackhole"]
    (one,), (other,) = preset.make_rules(), preset.make_rules()

    def dark(time: float) -> bool:
        return one(InFlight(time, ("10.0.0.1", 1), ("10.0.0.2", 2), 1, b"")) is not None

    assert one is not other
    assert [dark(time) for time in (0.0, 4.9375, 5.0, 6.9375, 7.0, 12.0, 1000.0)] == [False, False, True, True] + [
        False
    ] * 3


def test_only_the_blackhole_has_rules_and_only_rebind_rebinds() -> None:
    assert [name for name, preset in PRESETS.items() if preset.make_rules()] == ["interop-blackhole"]
    rebinding = {name: preset.rebind for name, preset in PRESETS.items() if preset.rebind}
    assert rebinding == {"interop-rebind": Rebind(first=1.0, every=5.0)}


def test_drop_rate_drops_as_the_simulator_does() -> None:
    """30 % each, and after three in a row one goes through: rounds of 1 + .3 + .09 + .027 datagrams, all but 1 lost."""
    passage = Passage(PRESETS["interop-drop-rate"].forward, 7, "there")
    fates = [passage.fate(n * 1.0, n, bytes(1200), 28) for n in range(1, 20_001)]
    runs = [len(list(run)) for lost, run in groupby(fates, key=lambda fate: fate.dropped == "loss") if lost]
    assert max(runs) == 3
    assert sum(runs) / 20_000 == pytest.approx(0.417 / 1.417, abs=0.02)


def test_a_preset_of_your_own() -> None:
    preset = Preset("me", Link(burst=GilbertElliott.average(0.1, 5)), Link())
    assert (preset.make_rules(), preset.rebind) == ((), None)


@pytest.mark.parametrize("wrong", [-1, math.inf, math.nan, "1", None, True])
def test_rebind_times_that_are_none(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^first must be a finite number, at least 0, not "):
        Rebind(wrong, 1)
    with pytest.raises(ValueError, match=r"^every must be a finite number, at least 0.001, not "):
        Rebind(1, wrong)


def test_rebinding_all_the_time() -> None:
    assert Rebind(0, 0.5).first == 0
    for too_short in (0, 1e-17):
        with pytest.raises(ValueError, match=r"^every must be a finite number, at least 0.001, not "):
            Rebind(1, too_short)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (("me", 1, Link()), "forward must be a Link, not 1"),
        (("me", Link(), None), "backward must be a Link, not None"),
        (("me", Link(), Link(), ()), r"make_rules must be a function, not \(\)"),
        (("me", Link(), Link(), tuple, 5.0), "rebind must be a Rebind or None, not 5.0"),
    ],
)
def test_what_is_no_preset(values: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        Preset(*values)
