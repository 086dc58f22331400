"""How Sphinx builds these pages: `python -m sphinx -W -b html docs docs/_build/html`.

Nothing is fetched while building. Names of this package are checked (``nitpicky``); names of Trio and
of the standard library are printed but not linked, as a link would need their inventories.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util import logging

if TYPE_CHECKING:
    from docutils.nodes import Element, reference
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))  # this checkout, whatever else is installed
sys.path.insert(1, str(root / "docs"))

import trio_udp  # noqa: E402

project = "trio_udp"
author = "the trio_udp authors"
copyright = f"2026 {author}"
version = release = trio_udp.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "_tutorial_directives"]
exclude_patterns = ["_build", "examples"]
default_role = "py:obj"  # `name` in a docstring is a link, and a name that is not there an error
highlight_language = "python3"
html_theme = "furo"
html_title = f"trio_udp {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
pygments_dark_style = "a11y-high-contrast-dark"  # Furo's own for light; Pygments' for dark underlines
html_favicon = "_static/favicon.svg"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"  # a command of two lines is copied as two

add_module_names = False
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("Address", "Event", "Handler")}
made_by_functions = {"trio_udp.UDPClient"}  # classes whose own arguments are nobody's business
autodoc_default_options = {"exclude-members": "__init__, __new__"}
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Cancellation", "Error handling", "Resource handling"]

nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!trio_udp\.)\w+(\.\w+)+"),  # a dotted name of another package
    (r"py:.*", r"Random"),  # random.Random, imported for the type checker only
    (r"py:exc", r".*\s.*"),  # "As send": a phrase under Raises, not a name
]

logger = logging.getLogger(__name__)


def write_help(app: Sphinx) -> None:
    """Let the command line describe itself: reference/cli.rst includes what this writes."""
    folder = Path(app.srcdir, "reference", "_help")
    folder.mkdir(exist_ok=True)
    for command in ("", "demo", "serve", "request", "ping", "bench", "relay", "trace", "learn"):
        text = subprocess.run(
            [sys.executable, "-m", "trio_udp", *command.split(), "--help"],
            cwd=root,
            env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        ).stdout
        path = folder / f"{command or 'trio_udp'}.txt"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def show_lessons(app: Sphinx) -> None:
    """What `learn` says to somebody who begins: tutorial/lessons.rst shows that."""
    folder = Path(app.srcdir, "_pictures")
    folder.mkdir(exist_ok=True)
    learn = [sys.executable, "-m", "trio_udp", "learn"]
    with tempfile.TemporaryDirectory() as empty:
        run = partial(
            subprocess.run,
            cwd=empty,
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONUTF8": "1", "COLUMNS": "80", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what to do next, as on a terminal
            encoding="utf-8",
        )
        (folder / "lessons.txt").write_text(run(learn, check=True).stdout, encoding="utf-8")
        run([*learn, "start"], check=True)
        (folder / "first_check.txt").write_text(run([*learn, "check"], check=False).stdout, encoding="utf-8")


def draw_still(app: Sphinx) -> None:
    """The live view as the real program shows it: index.rst and howto/live.rst have it."""
    from trio_udp.cli._live_still import still_svg, take_still

    folder = Path(app.srcdir, "_pictures")
    folder.mkdir(exist_ok=True)
    path, picture = folder / "live.svg", still_svg(take_still())
    if not path.exists() or path.read_text(encoding="utf-8") != picture:
        path.write_text(picture, encoding="utf-8")


def draw_pictures(app: Sphinx) -> None:
    """Let the program of howto/see.rst draw what that page shows."""
    folder = Path(app.srcdir, "_pictures")
    folder.mkdir(exist_ok=True)
    text = subprocess.run(
        [sys.executable, Path(app.srcdir, "examples", "tracing", "see.py"), folder],
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    ).stdout
    (folder / "see.txt").write_text(text, encoding="utf-8")


def resolve_defining_module(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: Element
) -> reference | None:
    """Annotations say trio_udp._endpoint.UDPEndpoint, or UDPEndpoint; these pages, trio_udp.UDPEndpoint."""
    name = re.sub(r"^trio_udp\.(_\w+\.)?", "", node["reftarget"])
    public = f"trio_udp.{name}"
    if node["refdomain"] != "py" or name.partition(".")[0] not in trio_udp.__all__:
        return None
    # "obj": what an annotation takes for a class may be documented as data, as Handler is.
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, contnode)


def tidy_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Sphinx keeps the names in autodoc_type_aliases, but shows those in a union as its own stand-in."""
    if name in made_by_functions:
        return "", None
    stand_in = r"TypeAliasForwardRef\('(\w+)'\)"
    return signature and re.sub(stand_in, r"\1", signature), returns and re.sub(stand_in, r"\1", returns)


def check_every_name_is_documented(app: Sphinx, env: BuildEnvironment) -> None:
    """The reference is written by hand, name by name, so that it has an order; none may be missing."""
    documented = env.domains["py"].objects
    for name in trio_udp.__all__:
        if not name.startswith("__") and f"trio_udp.{name}" not in documented:
            logger.warning("trio_udp.%s is public but not in docs/reference/", name)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_help)
    app.connect("builder-inited", show_lessons)
    app.connect("builder-inited", draw_still)
    app.connect("builder-inited", draw_pictures)
    app.connect("autodoc-process-signature", tidy_signature)
    app.connect("missing-reference", resolve_defining_module)
    app.connect("env-check-consistency", check_every_name_is_documented)
