"""The page of the reference is written by hand, so that it has an order; here it is compared with what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from trio_udp import faults
from trio_udp.faults import PRESETS, Link, Preset

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "faults.rst").read_text("utf-8")

# How the page puts a field of Link that a preset sets; a preset that sets another needs a new line here.
PHRASES = {
    "delay": lambda value: f"{value * 1000:g} ms",
    "loss": lambda value: f"{value * 100:g} % lost",
    "garble": lambda value: f"{value * 100:g} % garbled",
    "in_a_row": lambda value: f"at most {value} in a row",
    "rate": lambda value: f"{value / 1e6:g} Mbit/s",
    "queue": lambda value: f"queue of {value}",
}


def describe_link(link: Link) -> str:
    own = [field.name for field in fields(link) if getattr(link, field.name) != field.default]
    return ", ".join(PHRASES[name](getattr(link, name)) for name in own)


def describe(preset: Preset) -> str:
    there, back = describe_link(preset.forward), describe_link(preset.backward)
    text = f"{there}, each way" if there == back else f"{there} to the server; {back} to the client"
    if preset.rebind is not None:
        text += f"; a new port after {preset.rebind.first:g} s, then every {preset.rebind.every:g} s"
    if preset.make_rules():
        text += "; works for 5 s, loses everything for 2 s, works again"
    return text


def entries() -> dict[str, str]:
    """The definition list of the page: what stands in the line below each term."""
    return dict(re.findall(r"^   ``([\w-]+)`` \((.+\)\n      .+)$", PAGE, re.MULTILINE))


def test_every_public_name_is_there_once() -> None:
    found = re.findall(r"^\.\. (?:autoclass|autofunction|data):: (\w+)", PAGE, re.MULTILINE)
    assert sorted(found) == sorted(faults.__all__)


def test_every_preset_is_there_as_it_is() -> None:
    expected = {name: f"{preset.source})\n      {describe(preset)}" for name, preset in PRESETS.items()}
    assert entries() == expected
    assert list(entries()) == list(PRESETS)
