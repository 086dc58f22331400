"""The page of the reference is written by hand, so that it has an order; here it is compared with what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from trio_udp import testing
from trio_udp.testing import plugin

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "testing.rst").read_text("utf-8")


def test_every_public_name_is_there_once() -> None:
    found = re.findall(r"^\.\. autoclass:: (\w+)", PAGE, re.MULTILINE)
    assert sorted(found) == sorted(testing.__all__)


def test_the_fixture_and_the_option_are_there() -> None:
    source = inspect.getsource(plugin)
    fixtures = re.findall(r"^@pytest\.fixture\n(?:async )?def ([a-z]\w+)", source, re.MULTILINE)
    options = re.findall(r'addoption\("([^"]+)"', source)
    assert re.findall(r"^\.\. describe:: ([\w-]+)", PAGE, re.MULTILINE) == [*fixtures, *options]
    assert fixtures
    assert options
