"""The pages as a reader has them: built once, all links followed, and looked at in a browser at a desk and on a phone.

They come from a server on this machine, for what a browser refuses a page that is a file: the search loads what it has
found. Screenshots of the first page are left where those of ``tests/tracing/`` are.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
import trio

from tests.test_pages import PAGES, blocks_of
from tests.tracing.browser import Browser, open_browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# Sphinx 8 does not find what annotations mean by Rule and Verdict; the newest for Python 3.10 is one of those.
pytest.importorskip(
    "sphinx", minversion="9", reason="the docs need the extra docs, and Sphinx 9 to build without warnings"
)
pytest.importorskip("furo", reason="the docs need the extra docs")
pytest.importorskip("sphinx_copybutton", reason="the docs need the extra docs")

ROOT = Path(__file__).parent.parent
PICTURES = Path(os.environ.get("TRIO_UDP_PICTURES", ROOT / "build" / "pictures"))
PATIENCE = 600  # seconds; only a failure takes so long
DESK, PHONE, SMALL_PHONE = (1400, 900), (390, 844), (320, 568)
LEGIBLE = 9  # pixels of a letter


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the pages; a warning while they are built fails whoever asks for them.

    Who has built them just before, without warnings, says in ``TRIO_UDP_SITE`` where they are.
    """
    if built := os.environ.get("TRIO_UDP_SITE"):
        return Path(built)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "doctrees")]
    command += ["docs", str(folder / "html")]
    run = subprocess.run(command, cwd=ROOT, timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout.decode()
    return folder / "html"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A page that is not there is found by who asked for it."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where a browser finds them."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def pages_of(site: Path) -> list[str]:
    """What a reader can come to, the index and the search among them."""
    paths = sorted(path.relative_to(site) for path in site.rglob("*.html"))
    return [path.as_posix() for path in paths if not path.parts[0].startswith("_")]


# -- links -------------------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Where a page leads to, what it is made of, and the places in it that can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value is not None and name in ("href", "src"):
                self.targets.append(value)
            elif value is not None and (name == "id" or (tag == "a" and name == "name")):
                self.places.add(value)


@cache
def links_of(page: Path) -> Links:
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


def missing(page: Path, target: str) -> bool:
    """Does a page link to what is not there? What is elsewhere on the internet nobody asks."""
    if urlsplit(target).scheme:
        return False
    path, place = urldefrag(target)
    file = Path(unquote(urlsplit(urljoin(page.as_uri(), path)).path)) if path else page
    if not file.is_file():
        return True
    return bool(place) and file.suffix == ".html" and unquote(place) not in links_of(file).places


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = [site / page for page in pages_of(site)]
    count = sum(len(links_of(page).targets) for page in pages)
    assert count > 1000
    assert [(page.name, target) for page in pages for target in links_of(page).targets if missing(page, target)] == []


@pytest.mark.parametrize("target", ["nothing.html", "other.html#nowhere", "#nowhere", "sub/"])
def test_that_would_find_one(target: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<p id="here"></p>')
    (tmp_path / "other.html").write_text("<p></p>")
    (tmp_path / "sub").mkdir()
    assert missing(tmp_path / "page.html", target)
    assert not missing(tmp_path / "page.html", "other.html")
    assert not missing(tmp_path / "other.html", "page.html?what#here")


# -- in a browser ------------------------------------------------------------------------------------------------------

# What sticks out of the window although nothing around it scrolls. That the whole page does, with all its words, is no
# way to read it.
STICKING_OUT = """
[...document.querySelectorAll("article *")].filter(element => {
    const box = element.getBoundingClientRect()
    if (box.width === 0 || box.right <= innerWidth + 1) return false
    for (let outer = element; outer.tagName !== "ARTICLE"; outer = outer.parentElement)
        if (["auto", "scroll"].includes(getComputedStyle(outer).overflowX)) return false
    return true
}).map(element => `${element.tagName} ${element.textContent.slice(0, 40)}`)
"""


# Code that is below its button, at its beginning or scrolled to its end.
COVERED = """
[...document.querySelectorAll("div.highlight")].filter(block => {
    const code = block.querySelector("pre"), letters = document.createRange()
    const button = block.querySelector("button.copybtn").getBoundingClientRect()
    const edge = code.getBoundingClientRect().right
    letters.selectNodeContents(code)
    return [100000, 0].some(place => {
        code.scrollLeft = place
        return [...letters.getClientRects()].some(
            box => box.top < button.bottom && Math.min(box.right, edge) > button.left)
    })
}).map(block => `has a button on the code ${block.textContent.slice(0, 40)}`)
"""

# Code that scrolls, and no shade tells of it: one that stays at the edge, and what is on top of it at the end.
UNSHADED = """
[...document.querySelectorAll("div.highlight pre")].filter(code => {
    const style = getComputedStyle(code)
    const isShaded = style.backgroundAttachment === "local, scroll" && /gradient.*gradient/.test(style.backgroundImage)
    return code.scrollWidth > code.clientWidth && !isShaded
}).map(code => `has no shade on the code ${code.textContent.slice(0, 40)}`)
"""


@asynccontextmanager
async def browsing(address: str, folder: Path, size: tuple[int, int] = DESK) -> AsyncIterator[Browser]:
    """A browser; the pages that are opened may ask nobody else for anything."""
    async with open_browser(folder / "profile") as browser:
        await browser.resize(*size)
        yield browser
        elsewhere = {url for url in browser.requested() if not url.startswith((address, "data:"))}
        assert elsewhere == set()


async def of_all(browser: Browser, selector: str, what: str) -> list[Any]:
    """The value of an expression of ``e`` for each of these."""
    found: list[Any] = await browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(e => {what})")
    return found


async def test_every_page_can_be_read_at_a_desk_and_on_a_phone(site: Path, address: str, tmp_path: Path) -> None:
    faults: dict[str, list[str]] = defaultdict(list)
    async with browsing(address, tmp_path) as browser:
        for page in pages_of(site):
            await browser.resize(*DESK)
            await browser.open(address + page)
            for size in (DESK, PHONE, SMALL_PHONE):
                await browser.resize(*size)
                await browser.settle()
                if await browser.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
                    faults[page].append(f"is wider than {size[0]}")
                for what in (STICKING_OUT, COVERED, UNSHADED):
                    faults[page] += await browser.evaluate(what)
            buttons = await of_all(browser, "div.highlight", "e.querySelectorAll('button.copybtn').length")
            if not all(count == 1 for count in buttons):
                faults[page].append(f"has blocks of code with {buttons} buttons to copy them")
            if set(await of_all(browser, "button.copybtn", "getComputedStyle(e).opacity")) - {"1"}:
                faults[page].append("has buttons that are not seen until something hovers over them")
            faults[page] += map(str, await browser.complaints())
    assert len(faults) > 30
    assert {page: found for page, found in faults.items() if found} == {}


# Of each picture, in the page or in a file of its own: how large are its smallest letters, by how much is it wider than
# what it is in, does that scroll, and does a shade tell of it?
DRAWINGS = """
Promise.all([...document.querySelectorAll("article svg.ladder, article img")].map(async drawing => {
    const svg = drawing.tagName === "IMG" ? await (await fetch(drawing.src)).text() : drawing.outerHTML
    const letters = [...svg.matchAll(/font-size[:=]\\s*"?([\\d.]+)/g)].map(found => Number(found[1]))
    const scale = drawing.getBoundingClientRect().width / Number(svg.match(/viewBox="\\S+ \\S+ (\\S+)/)[1])
    let outer = drawing.parentElement
    while (outer.tagName !== "ARTICLE" && !["auto", "scroll"].includes(getComputedStyle(outer).overflowX))
        outer = outer.parentElement
    outer.scrollLeft = 10000
    const hidden = outer.scrollWidth - outer.clientWidth
    const shade = getComputedStyle(outer, "::after")
    const isSeen = shade.position === "sticky" && shade.right === "0px" && parseFloat(shade.width) >= 16
    return [drawing.tagName, scale * Math.min(...letters), hidden, outer.scrollLeft, isSeen]
}))
"""


async def test_pictures_stay_readable_on_a_phone(site: Path, address: str, tmp_path: Path) -> None:
    """Regression: ladders shrank to half, and their words to 4.5 pixels; the terminal's to 7.2, the plots' to 6.4.

    Then they scrolled, and nothing told that. Where there is room for all, there is nothing to tell.
    """
    drawn = re.compile('class="ladder"|<img')
    pages = [page for page in pages_of(site) if drawn.search((site / page).read_text(encoding="utf-8"))]
    count: Counter[str] = Counter()
    async with browsing(address, tmp_path, PHONE) as browser:
        for page in pages:
            await browser.open(address + page)
            await browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
            for tag, letters, hidden, scrolled, is_seen in await browser.evaluate(DRAWINGS):
                count[tag] += 1
                assert letters >= LEGIBLE, f"{page}: words are of {letters:.1f} pixels"
                assert hidden > 0, f"{page}: it needs room that a phone does not have"
                assert scrolled == pytest.approx(hidden, abs=1), f"{page}: it does not scroll in itself"
                assert is_seen, f"{page}: nothing tells that it scrolls"
        await browser.resize(*DESK)
        await browser.settle()
        assert not any(is_seen for *_, is_seen in await browser.evaluate(DRAWINGS))
    assert count["svg"] > 10
    assert count["IMG"] == 7  # the terminal on two pages, and five plots


async def test_that_would_find_what_cannot_be_read(address: str, tmp_path: Path) -> None:
    wide = '<p style="width: 3000px">wide</p>'
    async with browsing(address, tmp_path) as browser:
        for added, sticks_out in ((f'<div style="overflow-x: auto">{wide}</div>', False), (wide, True)):
            await browser.open(address)
            assert await browser.evaluate(STICKING_OUT) == []
            await browser.evaluate(f"document.querySelector('article').insertAdjacentHTML('beforeend', {added!r})")
            assert (await browser.evaluate(STICKING_OUT) != []) == sticks_out
        await browser.resize(*PHONE)
        await browser.open(address)
        for what, style in (
            (COVERED, "div.highlight { padding: 0 }"),
            (UNSHADED, "div.highlight pre { background: none }"),
        ):
            assert await browser.evaluate(what) == []
            await browser.evaluate(f"document.head.insertAdjacentHTML('beforeend', '<style>{style}</style>')")
            assert len(await browser.evaluate(what)) > 0
        await browser.evaluate("fetch('nothing').then(() => console.log('not there'))")
        assert len(await browser.complaints()) == 2


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_first_page(address: str, theme: str, size: tuple[int, int], tmp_path: Path) -> None:
    """And a picture of it, as long as it is, is kept."""
    async with browsing(address, tmp_path, size) as browser:
        await browser.media(prefers_color_scheme=theme)
        await browser.open(address)
        example = await browser.evaluate("document.querySelector('div.highlight pre').textContent")
        assert example == (ROOT / "docs" / "examples" / "readme_example.py").read_text(encoding="utf-8")
        [demo] = await of_all(browser, "article img", "[e.src, e.naturalWidth]")
        assert demo[0].endswith("live.svg")
        assert demo[1] > 0
        links_in = "[...e.querySelectorAll('a')].map(a => a.getAttribute('href'))"
        doors = await of_all(browser, ".door", f"[e.children[0].textContent, {links_in}]")
        assert [name for name, _ in doors] == ["Learn", "Do", "Look up", "Understand"]
        links = [link for _, links in doors for link in links]
        wanted = ["howto/index.html", "reference/index.html", "explanation/index.html"]
        if (ROOT / "docs" / "tutorial" / "index.rst").exists():
            wanted.append("tutorial/index.html")
        assert set(wanted) <= set(links)
        inks = await browser.evaluate(
            "(style => [style.color, style.backgroundColor])(getComputedStyle(document.body))"
            ".map(color => color.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765)"
        )
        assert abs(inks[0] - inks[1]) > 0.7, "hard to read"
        assert (inks[0] < inks[1]) == (theme == "light")
        await browser.resize(size[0], await browser.evaluate("document.documentElement.scrollHeight"))
        await browser.settle()
        await trio.Path(PICTURES).mkdir(parents=True, exist_ok=True)
        await browser.screenshot(PICTURES / f"site-{size[0]}-{theme}.png")
        assert await browser.complaints() == []


async def test_the_search_finds(address: str, tmp_path: Path) -> None:
    async with browsing(address, tmp_path) as browser:
        await browser.open(f"{address}search.html?q=serve_udp")
        place = "reference/index.html#trio_udp.serve_udp"
        with trio.fail_after(PATIENCE):
            while place not in await of_all(browser, "#search-results li a", "e.getAttribute('href')"):
                await trio.sleep(0.05)
        assert await browser.complaints() == []


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("cancel scope reuse", "tutorial/04_lost.html"),
        ("cancel scope reuse", "explanation/timeouts.html"),
        ("at most once", "tutorial/06_duplicates.html"),
    ],
)
async def test_the_search_finds_what_learners_ask(question: str, page: str, address: str, tmp_path: Path) -> None:
    """Regression: nobody had said "reuse" but the reference; words as short as "at" are found in titles alone."""
    words = question.replace(" ", "+")
    async with browsing(address, tmp_path) as browser:
        await browser.open(f"{address}search.html?q={words}")
        with trio.fail_after(PATIENCE):
            while page not in await of_all(browser, "#search-results li a", "e.pathname.slice(1)"):
                await trio.sleep(0.05)


async def test_what_is_copied_can_be_run(address: str, tmp_path: Path) -> None:
    """The command without the prompt before it."""
    async with browsing(address, tmp_path) as browser:
        await browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        await browser.open(address)
        await browser.evaluate("document.querySelector('.highlight-console button.copybtn').click()")
        copied = await browser.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == 'python -m pip install -e ".[cli]" && python -m trio_udp'


def commands_in(block: str) -> str:
    """The block's commands without their prompts, with the lines that continue them."""
    return "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)", block, re.MULTILINE))


CONTINUED = sorted(page for page in PAGES if any("\\\n" in text for _, text in blocks_of(page)))


@pytest.mark.parametrize("page", CONTINUED)
async def test_a_command_of_two_lines_is_copied_whole(page: str, address: str, tmp_path: Path) -> None:
    """Regression: only its first line was, which ends in a backslash."""
    written = [commands_in(text) for language, text in blocks_of(page) if language == "console"]
    async with browsing(address, tmp_path) as browser:
        await browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        await browser.open(address + page.replace(".rst", ".html"))
        copied = []
        for number in range(len(written)):
            button = f"document.querySelectorAll('.highlight-console button.copybtn')[{number}]"
            await browser.evaluate(f"navigator.clipboard.writeText('').then(() => {button}.click())")
            copied.append((await browser.evaluate("navigator.clipboard.readText()")).strip())
    assert copied == written
    assert any("\\\n" in text for text in copied)


def test_there_are_commands_of_two_lines() -> None:
    assert {"contributing.rst", "explanation/performance.rst"} <= set(CONTINUED)
