"""What a number must be that somebody gives us: how many, how often, for how long.

Each of these is a ValueError that names the argument and says what would be right. The obvious place is where the
argument comes in; but then the same sentence is written in every file that has one, and each forgets something else:
that True is an int, or that nan is above nothing and below nothing.
"""

from __future__ import annotations

import sys

# Of a float; a whole number may be larger, and then no float can be added to it.
LARGEST = sys.float_info.max


def is_count(value: object) -> bool:
    """Is it a whole number of at least 1? True is none, though Python counts with it."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_count(name: str, value: object) -> None:
    """Raise the ValueError that names the argument, unless it is a whole number of at least 1."""
    if not is_count(value):
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")


def check_positive(name: str, value: object) -> None:
    """Raise the ValueError that names the argument, unless it is a number above 0 that one can count with."""
    if not isinstance(value, (int, float)) or not 0 < value <= LARGEST:
        raise ValueError(f"{name} must be a finite number above 0, not {value!r}")
