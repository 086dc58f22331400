"""``trace``: from what was recorded to what can be looked at."""

from __future__ import annotations

import os
import re
import subprocess
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
    def fake(trace: Trace, *, width: int = 80) -> str:
        assert trace == TRACE
        return f"{option} – \udcff\n"

    monkeypatch.setattr(tracing, VIEWS[OPTIONS[option]], fake, raising=False)
    output = tmp_path / "output"
    assert main(["trace", str(recorded), option, *(["-o", str(output)] if to_file else [])]) == 0
    written = f"{option} – \\udcff\n".encode()
    told = capsysbinary.readouterr()
    assert (told.out, told.err) == (b"" if to_file else written, b"")
    assert output.read_bytes() == written if to_file else not output.exists()


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A run that needs a ladder 64 columns wide, if it is given as many."""
    sent = DatagramSent(1.0, ("127.0.0.1", 5), ("127.0.0.1", 7), b"x" * 200)
    save(Trace((Happened(sent, None, None),), 0.0, 2.0), tmp_path / "wide.jsonl")
    return tmp_path / "wide.jsonl"


def width_of(text: str) -> int:
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("options", [[], ["--width", "70"]])
def test_text_is_as_wide_as_columns_says_unless_width_does(
    wide: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """Whether it is a terminal or not; `shutil.get_terminal_size` asks that."""
    widest = []
    for columns in ("5", "50", "120", "9" * 20):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["trace", str(wide), "--text", *options]) == 0
        widest.append(width_of(capsys.readouterr().out))
    assert widest == ([64] * 4 if options else [20, 50, 64, 64])  # as wide as it can be, and then as it needs to be


def test_a_file_is_as_wide_as_was_typed(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    widest = []
    for options in ([], ["--width", "50"]):
        assert main(["trace", str(wide), "--text", "-o", str(tmp_path / "run.txt"), *options]) == 0
        widest.append(width_of((tmp_path / "run.txt").read_text("utf-8")))
    assert widest == [64, 50]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--text", "--width", "19"], "a ladder needs at least 20 columns, not 19"),
        (["--text", "--width", "wide"], "this has to be a whole number, 1 or more, not 'wide'"),
        (["--svg", "--width", "90"], "--width is for --text: a page and a picture take the room that they need"),
    ],
)
def test_a_width_that_is_none(recorded: Path, options: list[str], said: str) -> None:
    ended = child.run("trace", str(recorded), *options)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert said in ended.stderr.decode()


def test_the_demo_can_be_read_on_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: of 80 datagrams 59 did not say which request they were, and 8 not how long they took."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo", "--virtual", "--trace", str(tmp_path / "run.jsonl")]) == 0
    capsys.readouterr()
    assert main(["trace", str(tmp_path / "run.jsonl"), "--text"]) == 0
    lines = capsys.readouterr().out.splitlines()
    arrows = [line for line in lines if "─>" in line or "<─" in line or "✕" in line]
    assert len(arrows) == 80
    for line in arrows:
        assert re.search(r"client [123] request [1234]\b", line)
        assert " 1 µs " in line or " lost" in line
    assert " ".join(lines[0].split()) == "client 1 client 2 client 3 relay server"  # columns, as in a picture
    assert max(map(len, lines)) <= 80


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
    [(b"nonsense\n", "FILE.jsonl or tracing.save() has written is wanted"), (None, "No such file or directory")],
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


@pytest.mark.parametrize(
    ("file", "output"),
    [
        ("run.jsonl", "run.jsonl"),
        ("run.jsonl", "./run.jsonl"),
        ("run.jsonl", "symbolic"),
        ("symbolic", "run.jsonl"),
        ("run.jsonl", "hard"),
        ("-", "../here/run.jsonl"),
    ],
)
def test_what_is_read_is_not_written_over(recorded: Path, file: str, output: str) -> None:
    """Regression: the recording was gone, a page in its place, and nobody said a word."""
    here = recorded.parent / "here"
    here.mkdir()
    path = recorded.rename(here / "run.jsonl")
    (here / "symbolic").symlink_to(path)
    os.link(path, here / "hard")
    before = path.read_bytes()
    command = [*child.COMMAND, "trace", file, "--text", "-o", output]
    with path.open("rb") as stdin:
        ended = subprocess.run(command, stdin=stdin, capture_output=True, cwd=here, env=child.environment())
    why = "is the file that is read, and would be lost: give another name"
    assert ended.stderr.decode() == f"trio_udp trace: -o {str(Path(output))!r} {why}\n"
    assert (ended.returncode, path.read_bytes()) == (2, before)


def test_another_file_is_written_over(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_bytes(recorded.read_bytes())
    assert main(["trace", str(recorded), "--text", "-o", str(tmp_path / "run.txt")]) == 0
    assert (tmp_path / "run.txt").read_bytes() == child.run("trace", str(recorded), "--text").stdout


@pytest.mark.parametrize("options", [[], ["-o", "-"]])
def test_standard_input(recorded: Path, options: list[str]) -> None:
    ended = child.run("trace", "-", "--text", *options, data=recorded.read_bytes())
    assert ended.stdout == child.run("trace", str(recorded), "--text").stdout
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_standard_input_that_is_no_recording() -> None:
    ended = child.run("trace", "-", "--text", data=b"nonsense\n")
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.decode().startswith("trio_udp trace: standard input is no recording: what --trace FILE.jsonl ")


def test_where_it_cannot_be_written(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "html", lambda trace: "", raising=False)
    assert main(["trace", str(recorded), "--html", "-o", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"trio_udp trace: cannot write {str(tmp_path)!r}: Is a directory\n"
