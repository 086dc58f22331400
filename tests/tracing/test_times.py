"""Times in the margin: one for each moment, as far as there is room."""

from __future__ import annotations

import re

from trio_udp.tracing._times import draw_times


def drawn(moments: list[tuple[float, float]], silences: list[tuple[float, float]] | None = None) -> list[str]:
    """What is written, and how far down."""
    lines = "\n".join(draw_times(moments, silences or []))
    return [f"{text} at {float(y) - 3.5:g}" for y, text in re.findall(r'y="([\d.]+)">([^<]*)<', lines)]


def test_each_stands_at_its_moment() -> None:
    assert drawn([(0.0, 0.0), (12.0, 1.0)]) == ["0.000 at 0", "1.000 at 12"]
    assert 'd="M71 12.0h5"' in "".join(draw_times([(12.0, 1.0)], []))


def test_what_is_too_close_stands_a_little_lower_with_a_hair_line() -> None:
    """Regression: the second one was left out."""
    assert drawn([(0.0, 0.0), (8.0, 0.2), (20.0, 0.6)]) == ["0.000 at 0", "0.200 at 12", "0.600 at 24"]
    lines = "".join(draw_times([(0.0, 0.0), (8.0, 0.2)], []))
    assert re.findall(r'd="([^"]*)"', lines) == ["M71 0.0h5", "M69 12.0L73 8.0h3"]


def test_it_does_not_stand_far_away() -> None:
    moments = [(4.0 * number, float(number)) for number in range(9)]
    assert drawn(moments) == ["0.000 at 0", "1.000 at 12", "3.000 at 24", "6.000 at 36"]


def test_nor_upon_a_silence() -> None:
    moments = [(0.0, 0.0), (8.0, 0.25), (38.0, 9.25)]
    assert drawn(moments, [(23.0, 9.0)]) == ["0.000 at 0", "9.250 at 38", "⋮ 9 s at 23"]
    assert drawn(moments, [(24.0, 9.0)]) == ["0.000 at 0", "0.250 at 12", "9.250 at 38", "⋮ 9 s at 24"]


def test_they_have_as_many_digits_as_they_need() -> None:
    assert drawn([(0.0, 0.0), (20.0, 0.000001)]) == ["0.000000 at 0", "0.000001 at 20"]
