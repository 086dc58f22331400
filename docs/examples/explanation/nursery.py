"""Two tasks in a nursery: the block ends when both have ended."""

import trio
from trio.testing import MockClock


def say(what: str) -> None:
    print(f"{trio.current_time():g} s  {what}")


async def work(name: str, seconds: float) -> None:
    await trio.sleep(seconds)
    say(f"{name} is done")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, "the slow one", 2)
        nursery.start_soon(work, "the quick one", 1)
        say("both are started")
    say("the nursery is closed")


trio.run(main, clock=MockClock(autojump_threshold=0))
