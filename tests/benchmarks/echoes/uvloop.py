"""uvloop: the same protocol on libuv's event loop."""

from __future__ import annotations

import uvloop

from .asyncio import serve


def main() -> None:
    uvloop.run(serve())
