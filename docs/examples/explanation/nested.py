"""A scope inside a scope: the earlier of the two deadlines counts."""

import trio
from trio.testing import MockClock


async def library() -> None:
    with trio.move_on_after(10):  # "ten seconds should do"
        left = trio.current_effective_deadline() - trio.current_time()
        print(f"in fact there are {left:g} s left")
        await trio.sleep(60)


async def main() -> None:
    for seconds in (3, 30):
        began = trio.current_time()
        with trio.move_on_after(seconds):
            await library()
        print(f"the caller gave {seconds} s, it took {trio.current_time() - began:g}")


trio.run(main, clock=MockClock(autojump_threshold=0))
