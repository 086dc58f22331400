"""What to try next: beside each other where there is room, else below each other."""

from __future__ import annotations

import math

import pytest

from trio_udp.cli._next import next_lines

WIDE = """\
Try next:  python -m trio_udp demo --loss 0.5 --seed 7     a worse network, another story
           python -m trio_udp serve 10000                  a server of your own, and beside it
           python -m trio_udp ping localhost:10000         how long does it take to answer?
           python -m trio_udp relay 10001 localhost:10000 --loss 0.5   a bad network in front of it
           python -m pip install "trio_udp[cli]"           and then the demo again, live"""


@pytest.mark.parametrize("width", [math.inf, 99])
def test_where_there_is_room(width: float) -> None:
    assert "\n".join(next_lines(width, could_be_live=True)) == WIDE
    assert list(next_lines(width, could_be_live=False)) == WIDE.splitlines()[:-1]


def test_where_there_is_not() -> None:
    lines = list(next_lines(98, could_be_live=True))
    assert lines[:4] == [
        "Try next:  python -m trio_udp demo --loss 0.5 --seed 7",
        "               a worse network, another story",
        "           python -m trio_udp serve 10000",
        "               a server of your own, and beside it",
    ]
    assert len(lines) == 10
    assert max(map(len, lines)) <= 70
