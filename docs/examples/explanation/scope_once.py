"""A cancel scope is for one block: the second time is an error."""

import trio
from trio.testing import MockClock


def say(what: object) -> None:
    print(f"{trio.current_time():g} s  {what}")


async def main() -> None:
    scope = trio.move_on_after(1)
    try:
        for number in (1, 2):
            with scope:
                await trio.sleep(5)
            say(f"round {number} is over")
    except RuntimeError as error:
        say(error)

    for number in (1, 2):
        with trio.move_on_after(1):  # a new one each time
            await trio.sleep(5)
        say(f"round {number} is over")


trio.run(main, clock=MockClock(autojump_threshold=0))
