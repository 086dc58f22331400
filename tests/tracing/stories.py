"""Traces for the tests: short ones written by hand, and of programs that ran on a virtual network."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio
import trio.testing

import trio_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork
from trio_udp.tracing import Happened, NurseryClosed, NurseryOpened, TaskEnded, TaskStarted, Trace

if TYPE_CHECKING:
    from trio_udp.tracing import Entry
