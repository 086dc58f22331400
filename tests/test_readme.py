"""What README.rst shows is true: its example runs, its commands exist, its transcript is what the program says."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

import trio_udp
from trio_udp.cli import make_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text(encoding="utf-8")
PATIENCE = 60  # seconds; only a failure takes so long

COMMANDS = re.findall(r"python -m trio_udp\b([^\n`]*)", re.sub(r"(?<=\S)\n(?=\S)", " ", README))


def code_blocks(language: str) -> list[str]:
    blocks = re.findall(rf"^\.\. code-block:: {language}\n\n((?: {{4}}.*\n|\n)+)", README, re.MULTILINE)
    return [dedent(block).strip() + "\n" for block in blocks]


def test_the_example_is_the_file() -> None:
    """Which tests/test_examples.py runs."""
    [example] = code_blocks("python")
    assert example == (ROOT / "docs" / "examples" / "readme_example.py").read_text(encoding="utf-8")
    assert len([line for line in example.splitlines() if line]) == 15


@pytest.mark.parametrize(
    "command",
    [
        'python -m pip install -e ".[cli]" && python -m trio_udp',
        'python -m pip install -e ".[tests]" && python -m pytest',
    ],
)
def test_the_two_commands_are_there(command: str) -> None:
    assert f"\n\n    {command}\n\n" in README


def test_commands_are_found() -> None:
    assert {"demo", "serve", "request", "ping"} <= {words.split()[0] for words in COMMANDS if words.strip()}


@pytest.mark.parametrize("words", sorted({words.strip() for words in COMMANDS}))
def test_commands_are_understood(words: str) -> None:
    arguments = shlex.split(words, comments=True)
    make_parser().parse_args(arguments or ["demo"])


@pytest.mark.parametrize("option", sorted(set(re.findall(r"``(--[a-z-]+)", README))))
def test_options_exist(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("demo", "serve", "request", "ping"):
        with pytest.raises(SystemExit):
            make_parser().parse_args([command, "--help"])
    assert re.search(rf"(?<!\S){option}\b", capsys.readouterr().out)


def test_names_are_public() -> None:
    """``Retry`` and the like, in the text."""
    names = set(re.findall(r"``([A-Z][a-z]+[A-Za-z]+|UDP[A-Za-z]+)``", README))
    assert {"Retry", "NoReply", "UDPEndpoint"} <= names <= set(trio_udp.__all__)


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """In a shell's background SIGINT is ignored, and what is ignored is so in child processes as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.usefixtures("heard_interrupts")
def test_the_transcript_is_true() -> None:
    """Ncat types; here the same datagrams come from a socket. Ports, and the terminal's ^C, are not compared."""
    [transcript] = [block for block in code_blocks("console") if "--prefix OK..." in block]
    [peer] = [block for block in code_blocks("console") if block.startswith("$ ncat")]
    typed = ["hello", "", "how are you?"]
    said = [line for line in peer.splitlines() if not line.startswith(("$", "Ncat:"))]
    assert said == [line for text in typed for line in (text, f"OK...{text}")]
    command = [sys.executable, "-m", "trio_udp", "serve", "127.0.0.1:0", "--prefix", "OK..."]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT, env=os.environ, text=True) as server,
        socket.socket(type=socket.SOCK_DGRAM) as client,
    ):
        try:
            assert server.stderr is not None
            told = server.stderr.readline()
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", int(told.rpartition(":")[2])))
            for text in typed:
                client.send(f"{text}\n".encode())
                assert client.recv(65535) == f"OK...{text}\n".encode()
            server.send_signal(signal.SIGINT)
            told += server.communicate(timeout=PATIENCE)[1]
        finally:
            server.kill()
    assert comparable(told) == comparable(transcript)[1:]


def comparable(transcript: str) -> list[str]:
    without_ports = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", transcript)
    return [line.rstrip() for line in without_ports.splitlines() if line != "^C"]


def test_the_ladder_is_true(tmp_path: Path) -> None:
    [command] = [block for block in code_blocks("console") if "--trace run.txt" in block]
    blocks = re.findall(r"code-block:: text\n\n((?: {4}.*\n)+)", README)
    [shown] = [block for block in blocks if "attempt 1: waits" in block]
    program, environment = [sys.executable, *shlex.split(command)[2:]], {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(program, cwd=tmp_path, env=environment, timeout=PATIENCE, check=True, capture_output=True)
    drawn = (tmp_path / "run.txt").read_text(encoding="utf-8")
    assert [line[4:] for line in shown.splitlines()] == drawn.splitlines()


def test_it_is_plain_restructuredtext() -> None:
    """What a package index shows: no directive or role that only Sphinx has, and not one warning."""
    core = pytest.importorskip("docutils.core")
    writer = pytest.importorskip("docutils.writers").get_writer_class("html5")()
    settings = {"report_level": 1, "halt_level": 1, "syntax_highlight": "none", "output_encoding": "unicode"}
    assert "<table" in core.publish_string(README, writer=writer, settings_overrides=settings)
