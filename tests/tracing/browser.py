"""A headless Chromium, driven over the DevTools protocol: what a page does is seen where it is read.

The protocol needs no library: JSON texts, each ended by a zero byte, over two pipes that Chromium has as its files 3
and 4 (``--remote-debugging-pipe``). So there is no port that anybody could connect to, either. A command has a number,
and its answer the same; what has none is an event. https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import trio

from tests.peers.programs import need

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

PATIENCE = 180  # seconds for anything; it starts in one or two, and beside much other work has taken over 60

# A profile of its own, and nothing on its own account. As root Chromium refuses to have its sandbox.
OPTIONS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
    *("--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-background-networking"),
    *("--hide-scrollbars", "--force-color-profile=srgb"),
]


class Browser:
    """Started by `open_browser`. Each command waits for its answer."""

    def __init__(self, to_browser: trio.abc.SendStream, from_browser: trio.abc.ReceiveStream) -> None:
        self._to_browser = to_browser
        self._from_browser = from_browser
        self._numbers = count(1)
        self._unread = bytearray()
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give a command, and return its result."""
        message = {"id": next(self._numbers), "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        with trio.fail_after(PATIENCE):
            await self._to_browser.send_all(json.dumps(message).encode() + b"\0")
            while (answer := await self._receive()).get("id") != message["id"]:
                self.events.append(answer)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    async def _receive(self) -> dict[str, Any]:
        while (end := self._unread.find(b"\0")) < 0:
            chunk = await self._from_browser.receive_some()
            assert chunk, "Chromium has ended"
            self._unread += chunk
        message: dict[str, Any] = json.loads(self._unread[:end])
        del self._unread[: end + 1]
        return message

    async def attach(self) -> None:
        """Talk to a new tab from here on, and hear what it has to complain of."""
        target = await self.command("Target.createTarget", url="about:blank")
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.command(f"{domain}.enable")

    async def resize(self, width: int, height: int) -> None:
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def media(self, **features: str) -> None:
        """What the system says it prefers, as ``prefers_color_scheme="dark"``."""
        pairs = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        await self.command("Emulation.setEmulatedMedia", features=pairs)
        await self.settle()

    async def open(self, page: Path | str) -> None:
        """Load a page, of a file or of an address, and wait until it is complete."""
        self.events.clear()
        await self.command("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        with trio.fail_after(PATIENCE):
            while await self.evaluate("document.readyState") != "complete":
                await trio.sleep(0.01)

    async def evaluate(self, expression: str) -> Any:
        """The value of some JavaScript; its exception is ours."""
        result = await self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def settle(self) -> None:
        """Wait until what was asked for has been drawn."""
        await self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    async def mouse(self, kind: str, x: float, y: float, **more: object) -> None:
        """A real one: kind is mouseMoved, mousePressed, mouseReleased or mouseWheel."""
        await self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
        await self.settle()

    async def click(self, x: float, y: float) -> None:
        await self.mouse("mousePressed", x, y, button="left", clickCount=1)
        await self.mouse("mouseReleased", x, y, button="left", clickCount=1)

    async def tap(self, x: float, y: float) -> None:
        """With a finger."""
        await self.command("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        await self.command("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        await self.settle()

    async def key(self, key: str, **more: object) -> None:
        text = {"text": key} if len(key) == 1 else {}
        await self.command("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **more)
        await self.command("Input.dispatchKeyEvent", type="keyUp", key=key, **more)
        await self.settle()

    async def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """What the window shows, or the whole page."""
        picture = await self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await trio.Path(path).write_bytes(base64.b64decode(picture["data"]))

    async def complaints(self) -> list[dict[str, Any]]:
        """What went to the console, what was raised, and what the browser itself found wrong, since `open`."""
        await self.settle()
        bad = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        return [event for event in self.events if event["method"] in bad]

    def requested(self) -> list[str]:
        """The addresses that the page was loaded from, and asked for."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]


@asynccontextmanager
async def open_browser(profile: Path) -> AsyncIterator[Browser]:
    """A Chromium for as long as the block lasts; the test is skipped where there is none."""
    program = need("chromium")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # Bash can give a file another number, which Python can only do in a function between fork and exec.
    command = ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', program, *OPTIONS]
    command.append(f"--user-data-dir={profile}")
    async with trio.lowlevel.FdStream(ours_out) as to_browser, trio.lowlevel.FdStream(ours_in) as from_browser:
        process = await _start(command, [theirs_in, theirs_out])
        try:
            browser = Browser(to_browser, from_browser)
            await browser.attach()
            yield browser
        finally:
            with trio.move_on_after(PATIENCE, shield=True):
                await to_browser.aclose()  # which ends it, and its children with it
                await process.wait()
            process.kill()


async def _start(command: Sequence[str], theirs: Sequence[int]) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            command, pass_fds=theirs, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    finally:
        for file in theirs:
            os.close(file)
