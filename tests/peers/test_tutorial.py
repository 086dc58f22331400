"""The last chapter of the tutorial, with Ncat and dig: what its page shows is what they say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.cli.child import PATIENCE, ROOT, start
from tests.peers.programs import need

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ROOT / "docs" / "examples" / "tutorial"


@contextmanager
def serving(name: str) -> Iterator[int]:
    """One of the programs, and the port that it says it listens on."""
    with start(command=[sys.executable, "-u", str(PROGRAMS / f"{name}.py"), "0"]) as server:
        yield int(server.out.wait_for(r"listening on port (\d+)\r?\n")[1])


def shown(name: str, port: int) -> tuple[list[str], list[str]]:
    """The command that the page shows, and the lines below it."""
    first, *lines = (PROGRAMS / name).read_text(encoding="utf-8").splitlines()
    program, *arguments = shlex.split(first.removeprefix("$ ").replace("9000", str(port)))
    return [need(program), *arguments], lines


def test_ncat() -> None:
    """And what is no question ends nothing: there is an answer for the next who comes."""
    with serving("real_world") as port:
        command, lines = shown("ncat.txt", port)
        assert lines == ["0.5 tea", "tea", "0 egg", "egg", "soon, please", "^C"]
        with start(command=command) as peer:
            peer.type(b"0.5 tea\n")
            peer.out.wait_for(r"^tea\n$")
            peer.type(b"0 egg\n")
            peer.out.wait_for(r"^tea\negg\n$")
            peer.type(b"soon, please\n")
            with start(command=command) as another:
                another.type(b"0 toast\n")
                another.out.wait_for(r"^toast\n$")
            assert peer.out.text == "tea\negg\n"


def test_dig() -> None:
    with serving("time_for_dig") as port:
        command, [line] = shown("dig.txt", port)
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE, encoding="utf-8").stdout
    time_of_day = r'"\d\d:\d\d:\d\d"'
    assert re.fullmatch(time_of_day, line)
    assert re.fullmatch(time_of_day, said.strip())
