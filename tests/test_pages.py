"""Nothing on a page was typed and believed: each block is a file, or a line that a test knows.

Python is in files which tests run (`tests/test_examples.py` says that there is no other). Here is the rest: where files
come from that are shown, what a console line needs to work, and what is shown of what programs say.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.rst"))
    if "_build" not in path.parts
}
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def blocks_of(page: str) -> list[tuple[str, str]]:
    """The language and the text of each block that is written into the page itself."""
    found = re.findall(
        r"^( *)\.\. code-block:: *(\w+)\n(?:\1   :.*\n)*\n((?:\1   .*\n|\n)+)", PAGES[page], re.MULTILINE
    )
    return [(language, dedent(text).strip("\n") + "\n") for _, language, text in found]


def lines_in(language: str) -> list[tuple[str, str]]:
    return [(page, text) for page in PAGES for found, text in blocks_of(page) if found == language]


def test_blocks_are_of_these_kinds() -> None:
    assert {language for page in PAGES for language, _ in blocks_of(page)} == {"console", "none", "toml"}
    directives = sum(len(re.findall(r"^ *\.\. code-block::", text, re.MULTILINE)) for text in PAGES.values())
    assert directives == sum(len(blocks_of(page)) for page in PAGES), "one that is not found here is not tested"


# -- files -------------------------------------------------------------------------------------------------------------

INCLUDES = [
    (page, name)
    for page, text in PAGES.items()
    for name in re.findall(
        r"^ *\.\. (?:literalinclude|include|csv-table|raw|image|figure)::(?: html\n *:file:)? +(\S+)$", text, re.M
    )
]
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("*.py")))


@pytest.mark.parametrize(("page", "name"), sorted(set(INCLUDES)), ids=lambda word: word)
def test_a_file_that_is_shown_is_made_or_tested(page: str, name: str) -> None:
    beside = DOCS if name.startswith("/") else (DOCS / page).parent  # as Sphinx has it
    path = beside.joinpath(name.lstrip("/")).resolve().relative_to(DOCS)
    if path.parts[0] == "examples" and path.suffix == ".py":
        return  # tests/test_examples.py demands a test for each
    if path.parts[0] == "examples":
        assert path.name in TESTS or (DOCS / path.with_suffix(".py")).is_file(), "no test knows this file"
    elif path.parts[:2] != ("explanation", "performance"):  # those are written by the benchmarks
        assert {"_help", "_pictures"} & set(path.parts), "nobody makes this file"


FILES = [
    (page, name, options)
    for page, text in PAGES.items()
    if page.startswith("howto/")
    for name, options in re.findall(r"^ *\.\. literalinclude:: +(\S+/examples/\S+)\n((?: +:.*\n)*)", text, re.M)
    if not name.endswith(".txt") and ":pyobject:" not in options
]


def test_there_are_files_to_save() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize(("page", "name", "options"), FILES, ids=lambda word: Path(word).name)
def test_a_file_to_save_has_its_name_above_it(page: str, name: str, options: str) -> None:
    """Regression: a test was to be run with pytest, which does not find it under any name; and no page told that."""
    path = (DOCS / page).parent / name
    assert re.search(rf"^ *:caption: (\S+/)?{re.escape(path.name)}$", options, re.MULTILINE)
    if re.search(r"^(async )?def test_", path.read_text(encoding="utf-8"), re.MULTILINE):
        assert path.name.startswith("test_") or path.name.endswith("_test.py")


# -- consoles ----------------------------------------------------------------------------------------------------------

COMMANDS = sorted(
    {
        (page, command.strip())
        for page, block in lines_in("console")
        for line in re.sub(r"\\\n *", " ", block).splitlines()
        if line.startswith("$ ")
        for command in re.split(r"&&|\|", re.sub(r"\s#\s.*", "", line[2:]))
    }
)

# Other people's programs: tests/peers/ talks to them, and .ci/run sees that they are there.
OF_OTHERS = {"ncat", "dig", "curl", "openssl", "systemd-socket-activate"}
# What .ci/run does itself, or the like.
OF_CI = ("python -m pytest", "python -m coverage", "python -m sphinx", "mypy --strict", "ruff ", "bash .ci/run")
OUR_TESTS_WITH = {"pytest", "pytest-trio"}  # no test would run without
# What changes the reader's machine or shell: nobody tries that.
UNTRIED = {"sysctl", "sudo", "echo", "kill", "mkdir", "cd", "."}


def knows_benchmark(module: str, options: list[str]) -> bool:
    said = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, check=True, timeout=60, stdout=subprocess.PIPE
    )
    return all(option in said.stdout.decode() for option in options if option.startswith("--"))


def is_known(command: str) -> bool:
    """Is there something which sees to it that this works?"""
    match shlex.split(command):
        case ["python", "-m", "pip", "install", *whats] if whats and set(whats) <= OUR_TESTS_WITH:
            return True
        case ["python", "-m", "pip", "install", *_, what]:
            package, _, extras = what.partition("[")
            known = all(re.search(rf"^{extra} = \[", PROJECT, re.MULTILINE) for extra in re.findall(r"\w+", extras))
            # A clone, where one is or where it lies: no index has this package, so its bare name installs nothing.
            return known and (package == "." or ("/" in package and Path(package).name == "trio_udp"))
        case ["python", "-m", "trio_udp" | "venv", *_]:
            return True  # tests/test_examples.py has all of the first kind understood
        case ["python", "-m", module, *options] if module.startswith("tests.benchmarks"):
            return knows_benchmark(module, options)
        case ["python", program, *_] if program.endswith(".py"):
            return any((DOCS / "examples").rglob(Path(program).name))
        case ["apt-get", "install", *packages]:
            return set(packages) == set(CI.partition("peer_packages=(")[2].partition(")")[0].split())
        case [program, *_] if program in OF_OTHERS:
            return program in CI.partition("peers=(")[2].partition(")")[0].split()
    return command.split()[0] in UNTRIED or command.startswith(OF_CI)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 60


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda word: word)
def test_a_console_line_is_known(page: str, command: str) -> None:
    assert is_known(command)


HELPED = sorted(
    (path.name, command)
    for path in (ROOT / "trio_udp" / "cli").glob("*.py")
    for command in re.findall(r"^  (python -m trio_udp .*?)(?:\s#.*)?$", path.read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize(("page", "command"), [*COMMANDS, *HELPED], ids=lambda word: word)
def test_a_command_is_quoted_for_every_shell(page: str, command: str) -> None:
    """Regression: cmd.exe passes single quotes on; and zsh takes what stands between ``!`` and a quote for history."""
    assert "'" not in command
    assert "!" not in command


def test_the_command_line_has_examples() -> None:
    assert len(HELPED) > 20


@pytest.mark.parametrize(
    "command",
    [
        "python -m pip install trio-upd",
        'python -m pip install -e ".[clo]"',
        "python -m pip install trio_udp",
        'python -m pip install "trio_udp[cli]"',
        "python -m tests.benchmarks.peers --minutes 5",
        "python nobody.py",
        "apt-get install ncat",
        "nmap localhost",
    ],
)
def test_another_one_would_not_be(command: str) -> None:
    assert not is_known(command)


# -- what programs say -------------------------------------------------------------------------------------------------

# Compared with what the program says by tests that read the page.
COMPARED = {
    "howto/load.rst": "tests/cli/test_bench.py",
    "howto/relay.rst": "tests/peers/test_howto.py",
    "howto/dtls.rst": "tests/peers/test_dtls.py",
}
# Others are known line by line: test_two_addresses, test_ticket_office and tests/cli/test_workers.py see them said.
SAID = [
    r"reply_from_asked=False: no reply from 127\.0\.0\.2 port \d+ to 2 attempts in .* s",
    r"reply_from_asked=True: hello",
    r"\{'UnicodeDecodeError': 1, 'amplifying reply': 1, 'duplicate': 3\}",
    r"worker \d+ was killed by SIGKILL; another one starts in 0\.1\d* s",
    r"worker \d+ serves in the place of worker \d+",
]


@pytest.mark.parametrize(("page", "block"), lines_in("none"), ids=lambda word: word.splitlines()[0])
def test_what_is_said_is_known(page: str, block: str) -> None:
    if page in COMPARED:
        assert page.split("/")[1] in (ROOT / COMPARED[page]).read_text(encoding="utf-8")
    else:
        assert [line for line in block.splitlines() if not any(re.fullmatch(known, line) for known in SAID)] == []


def test_settings_are_our_own() -> None:
    [(_, block)] = lines_in("toml")
    for line in block.splitlines():
        assert f"\n{line.partition('#')[0].strip()}\n" in PROJECT
