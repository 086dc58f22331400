from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import pytest

from trio_udp.cli._common import Failure
from trio_udp.cli._load_handler import HandlerName, handler_name, load_handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES = {
    "fine": (
        "async def answer(datagram): return b''\n"
        "class Answerer:\n    async def __call__(self, datagram): return b''\n"
        "obj = Answerer()\n"
    ),
    "wrapped": (
        "import functools\nasync def inner(d): return b''\n@functools.wraps(inner)\ndef answer(d): return inner(d)\n"
    ),
    "wrong": "def sync(datagram): return b''\nclass Kind: pass\nnumber = 5\nasync def generator(d): yield b''",
    "imports_missing": "import there_is_no_such_module",
    "raises": "def f():\n    raise ValueError('two\\nlines')\nf()",
    "exits": "import sys\nsys.exit('stopped')",
    "syntax": "def f(:",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("name", ["fine:answer", "fine:obj", "fine:obj.__call__", "wrapped:answer"])
def test_what_is_a_handler(name: str) -> None:
    assert callable(load_handler(*handler_name(name)))


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere:answer", "cannot import nowhere: No module named 'nowhere'"),
        ("fine.py:answer", "cannot import fine.py: No module named 'fine.py'; 'fine' is not a package"),
        ("fine:missing", "cannot use the handler fine:missing: the module has no 'missing'"),
        ("wrong:sync", "cannot use the handler wrong:sync: it must be an async function"),
        ("wrong:Kind", "must be an async function"),
        ("wrong:number", "must be an async function"),
        ("wrong:generator", "must be an async function"),
        ("os:getcwd", "must be an async function"),
        (
            "imports_missing:answer",
            "ModuleNotFoundError: No module named 'there_is_no_such_module' (imports_missing.py, line 1)",
        ),
        ("raises:answer", "cannot import raises: ValueError: two lines (raises.py, line 2)"),
        ("exits:answer", "cannot import exits: SystemExit: stopped (exits.py, line 2)"),
        ("syntax:answer", "cannot import syntax: SyntaxError:"),
    ],
)
def test_what_is_none_is_told_in_a_line(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Failure) as told:
        load_handler(*handler_name(name))
    text = str(told.value).replace(f"{tmp_path.resolve()}/", "").replace(f"{tmp_path}/", "")
    assert why in text
    assert "\n" not in text


def test_dots_are_allowed_in_a_handlers_name() -> None:
    assert handler_name("a.b:c.d") == HandlerName("a.b", "c.d")


@pytest.mark.parametrize("name", ["", "module", "module:", ":function", "my-module:f", "a:b:c", "a..b:c"])
def test_what_is_no_handlers_name_is_a_usage_error(name: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="MODULE:FUNCTION"):
        handler_name(name)
