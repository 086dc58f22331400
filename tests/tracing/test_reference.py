"""The page of the reference is written by hand, so that it has an order; here it is compared with what there is."""

from __future__ import annotations

import re
from pathlib import Path

from trio_udp import tracing

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "tracing.rst").read_text("utf-8")


def test_every_public_name_is_there_once() -> None:
    found = re.findall(r"^\.\. (?:auto(?:class|function|data)|data):: (\w+)", PAGE, re.MULTILINE)
    assert sorted(found) == sorted(tracing.__all__)
