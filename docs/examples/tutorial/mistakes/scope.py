"""Wants to have one patience for all: but a cancel scope can be entered once."""

import trio


async def main() -> None:
    patience = trio.move_on_after(1)
    for seconds in (0.5, 2, 0.5):
        with patience:
            await trio.sleep(seconds)
            print("slept for", seconds)


trio.run(main)
