"""Traces for the tests: short ones written by hand, and of programs that ran on a virtual network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
