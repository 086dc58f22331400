"""What a value must be. Each refusal is a ValueError that names the field: a person typed it."""

from __future__ import annotations

from typing import TypeGuard

# Not infinity: an int can be larger than every float and yet finite, and would overflow when it meets one. Nor the
# largest float: times are added and multiplied.
_LARGEST = 1e300


def check_probability(name: str, value: object) -> None:
    """From 0 to 1."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability from 0 to 1, not {value!r}")


def check_number(name: str, value: object, least: float) -> None:
    """Finite, and at least this."""
    if not is_number(value) or not least <= value <= _LARGEST:
        raise ValueError(f"{name} must be a finite number, at least {least}, not {value!r}")


def check_positive(name: str, value: object) -> None:
    """Finite, and above 0."""
    if not is_number(value) or not 0 < value <= _LARGEST:
        raise ValueError(f"{name} must be a finite number above 0, not {value!r}")


def check_whole(name: str, value: object, least: int) -> None:
    """A whole number, and at least this."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, not {value!r}")


def check_function(name: str, value: object) -> None:
    """Something to call."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, not {value!r}")


def check_seed(value: object) -> None:
    """A whole number of any size: anything else might be written in another way in each run."""
    if not is_whole(value):
        raise ValueError(f"seed must be a whole number, not {value!r}")


def is_whole(value: object) -> TypeGuard[int]:
    """True is none, though Python counts with it."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Of any kind that Trio's clock can be asked to wait for."""
    return isinstance(value, float) or is_whole(value)
