"""What docs/howto/relay.rst shows, done as it is shown, but for the ports and the server, which are found here."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

from tests.cli.child import PATIENCE, ROOT, relay
from tests.peers.programs import atftpd, need, unbound

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "howto" / "relay.rst").read_text(encoding="utf-8")


def section(title: str) -> str:
    [text] = re.findall(rf"^{title}\n-+\n(.*?)(?=^[^\n]+\n---|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert isinstance(text, str)
    return text


def commands(title: str) -> tuple[list[str], list[str]]:
    """The options of the relay, and the command of the client."""
    relaying, asking = (shlex.split(line) for line in re.findall(r"^   \$ (.*)$", section(title), re.MULTILINE))
    assert relaying[:4] == ["python", "-m", "trio_udp", "relay"]
    return relaying[6:], asking


def shown(title: str) -> list[str]:
    """What the relay says."""
    [block] = re.findall(r"^\.\. code-block:: none\n\n((?:   .*\n)+)", section(title), re.MULTILINE)
    return comparable(block)


def comparable(said: str) -> list[str]:
    """Without what differs from one run, or one version of a program, to the next."""
    said = re.sub(r"(relaying) .* to .*", r"\1", said)
    return [re.sub(r":\d+|\d+ bytes", "#", line.strip()) for line in said.splitlines()]


def output(command: list[str]) -> bytes:
    program = [need(command[0]), *command[1:]]
    return subprocess.run(program, stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout


def test_dns(tmp_path: Path) -> None:
    options, dig = commands("DNS")
    with unbound(tmp_path) as server, relay(server, *options) as (child, port):
        answer = output([word.replace("5300", str(port)) for word in dig]).decode()
        assert re.search(r"^www\.example\.\s+60\s+IN\s+A\s+192\.0\.2\.1$", answer, re.MULTILINE)
        child.err.wait_for("client 2, .*\n")
        assert comparable(child.err.text) == shown("DNS")


def test_tftp(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4
    (tmp_path / "file").write_bytes(data)
    options, curl = commands("TFTP")
    with atftpd(tmp_path) as server, relay(server, *options) as (_, port):
        assert output([word.replace("6900", str(port)) for word in curl]) == data
