"""The live view of a server: whatever happens, the terminal is given back."""

from __future__ import annotations

import io
import sys

import pytest

from trio_udp.cli import _live_server
from trio_udp.cli._live_server import live_server


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


async def test_ctrl_c_while_it_opens_gives_the_streams_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: what was said from then on was kept, and nobody ever saw it."""
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    def interrupted(terminal: object) -> None:
        assert terminal is err
        assert sys.stderr is not err
        print("said meanwhile")
        raise KeyboardInterrupt

    monkeypatch.setattr(_live_server, "Screen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        async with live_server(lambda *_: pytest.fail("there is no screen")):
            pytest.fail("it was not opened")
    assert (sys.stdout, sys.stderr) == (out, err)
    assert err.getvalue() == "said meanwhile\n"
