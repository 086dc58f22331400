"""What the tutorial's pages are written with, and when its programs are run: Sphinx' side of ``_tutorial.py``.

::

    .. ladder:: saved

    .. solution:: saved_1

It is apart from that, which the tests use as well, as it needs docutils, and who runs the tests may not have that.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar

from _tutorial import PICTURES, names, run
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def run_all(app: Sphinx) -> None:
    """At the beginning of a build. Child processes wait, mostly, so that threads are enough."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(lambda name: run(name, PICTURES), names()))


class Ladder(Directive):
    """The ladder of a program's run; where it is wider than the page, it scrolls in itself."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        picture = PICTURES / f"{self.arguments[0]}.svg"
        self.state.document.settings.record_dependencies.add(str(picture))
        svg = picture.read_text(encoding="utf-8")
        return [
            nodes.raw(
                "", f'<div class="tutorial-ladder" style="overflow-x: auto" tabindex="0">{svg}</div>', format="html"
            )
        ]


class Solution(Directive):
    """The program that solves an exercise, folded: the reader opens it. What is below it is said behind the program."""

    required_arguments = 1
    has_content = True
    summary: ClassVar[str] = '<details class="tutorial-solution"><summary>A solution</summary>'

    def run(self) -> list[nodes.Node]:
        name = f"solutions/{self.arguments[0]}"
        shown = [f".. literalinclude:: /examples/tutorial/{name}.py", f"   :caption: {self.arguments[0]}.py"]
        shown += ["", "It prints:", ""]
        shown += [f".. literalinclude:: /_pictures/tutorial/{name}.txt", "   :language: none", "", *self.content]
        inside = nodes.container()
        self.state.nested_parse(StringList(shown, source=f"solution {name}"), self.content_offset, inside)
        return [
            nodes.raw("", self.summary, format="html"),
            *inside.children,
            nodes.raw("", "</details>", format="html"),
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Run the programs at the beginning of a build, and have the directives."""
    app.connect("builder-inited", run_all)
    app.add_directive("ladder", Ladder)
    app.add_directive("solution", Solution)
    return {"parallel_read_safe": True}
