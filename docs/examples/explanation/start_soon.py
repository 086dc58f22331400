"""Five seconds of work, and a timeout of one second in three places."""

import trio
from trio.testing import MockClock


async def work() -> None:
    await trio.sleep(5)


async def around_start_soon() -> None:
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):  # noqa: ASYNC100
            nursery.start_soon(work)


async def around_the_nursery() -> None:
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)


async def in_the_task() -> None:
    async def work_for_a_second() -> None:
        with trio.move_on_after(1):
            await work()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work_for_a_second)


async def main() -> None:
    for place in (around_start_soon, around_the_nursery, in_the_task):
        began = trio.current_time()
        await place()
        print(f"{place.__name__}: {trio.current_time() - began:g} s")


trio.run(main, clock=MockClock(autojump_threshold=0))
