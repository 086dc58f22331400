"""The C programs in ``c/``, compiled when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent / "c"
_COMPILE_SECONDS = 60
NAMES = ("load", "echo", "flow")


def find_compiler() -> str | None:
    """The path of a C compiler, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compile_program(name: str, directory: str) -> Path:
    """Compile ``c/<name>.c`` into `directory` and return the program's path.

    Raises:
      FileNotFoundError: there is no C compiler.
      subprocess.CalledProcessError: it refused the program; what it said went to standard error.

    """
    compiler = find_compiler()
    if compiler is None:
        raise FileNotFoundError("no C compiler (cc, gcc or clang) was found")
    program = Path(directory, name)
    command = [compiler, "-O2", "-o", str(program), str(_SOURCES / f"{name}.c"), "-lm"]
    subprocess.run(command, check=True, timeout=_COMPILE_SECONDS)
    return program
