"""``trace``: from what was recorded to what can be looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli import child
from trio_udp import DatagramSent, tracing
from trio_udp.cli import main
from trio_udp.cli._trace_file import VIEWS
from trio_udp.tracing import Happened, Trace, save

TRACE = Trace((Happened(DatagramSent(1.0, ("127.0.0.1", 5), ("127.0.0.1", 7), b"hi"), None, None),), 0.0, 2.0)
OPTIONS = {"--html": ".html", "--svg": ".svg", "--chrome": ".json", "--mermaid": ".mmd", "--text": ".txt"}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    save(TRACE, tmp_path / "run.jsonl")
    return tmp_path / "run.jsonl"


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("to_file", [True, False])
def test_each_view(
    recorded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    option: str,
    to_file: bool,
) -> None:
    def fake(trace: Trace) -> str:
        assert trace == TRACE
        return f"{option} – \udcff\n"

    monkeypatch.setattr(tracing, VIEWS[OPTIONS[option]], fake, raising=False)
    output = tmp_path / "output"
    assert main(["trace", str(recorded), option, *(["-o", str(output)] if to_file else [])]) == 0
    written = f"{option} – \\udcff\n".encode()
    told = capsysbinary.readouterr()
    assert (told.out, told.err) == (b"" if to_file else written, b"")
    assert output.read_bytes() == written if to_file else not output.exists()


def test_text_is_as_wide_as_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = DatagramSent(1.0, ("127.0.0.1", 5), ("127.0.0.1", 7), b"x" * 200)
    save(Trace((Happened(sent, None, None),), 0.0, 2.0), tmp_path / "run.jsonl")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    widest = []
    for columns in ("5", "50", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["trace", str(tmp_path / "run.jsonl"), "--text"]) == 0
        widest.append(max(map(len, capsys.readouterr().out.splitlines())))
    assert widest == [20, 50, 64]  # as wide as it can be, and then as it needs to be


# Those that are there; at the merge of the views this is all of OPTIONS.
@pytest.mark.parametrize("option", [option for option, kind in OPTIONS.items() if hasattr(tracing, VIEWS[kind])])
def test_each_view_in_truth(recorded: Path, option: str) -> None:
    ended = child.run("trace", str(recorded), option)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert len(ended.stdout) > 20


def test_every_view_has_an_option() -> None:
    assert sorted(OPTIONS.values()) == sorted(VIEWS)


@pytest.mark.parametrize("options", [[], ["--html", "--svg"]])
def test_exactly_one_kind(recorded: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["trace", str(recorded), *options])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"nonsense\n", "line 1: this is no JSON"), (None, "No such file or directory")],
)
def test_a_file_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "run.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert main(["trace", str(path), "--text"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("trio_udp trace: ")
    assert said.endswith(f"{complaint}\n")
    assert str(path) in said
    assert said.count("\n") == 1


def test_where_it_cannot_be_written(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "html", lambda trace: "", raising=False)
    assert main(["trace", str(recorded), "--html", "-o", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"trio_udp trace: cannot write {str(tmp_path)!r}: Is a directory\n"
