"""One task fails: the other one is cancelled, and whoever opened the nursery is told."""

import trio
from trio.testing import MockClock


def say(what: str) -> None:
    print(f"{trio.current_time():g} s  {what}")


async def patient() -> None:
    try:
        await trio.sleep(60)
    finally:
        say("the patient one cleans up")


async def unlucky() -> None:
    await trio.sleep(1)
    raise OSError("the disk is full")


async def main() -> None:
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(patient)
            nursery.start_soon(unlucky)
    except Exception as error:
        say(repr(error))


trio.run(main, clock=MockClock(autojump_threshold=0))
