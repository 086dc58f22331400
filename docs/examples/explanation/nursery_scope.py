"""A nursery has a cancel scope already, and a task may be given one of its own."""

import trio
from trio.testing import MockClock


def say(what: str) -> None:
    print(f"{trio.current_time():g} s  {what}")


async def tick(name: str) -> None:
    try:
        await trio.sleep_forever()
    finally:
        say(f"{name} ends")


async def in_a_scope(name: str, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    with trio.CancelScope() as scope:
        task_status.started(scope)
        await tick(name)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        scope = await nursery.start(in_a_scope, "Ada")
        nursery.start_soon(tick, "Bob")
        await trio.sleep(1)
        scope.cancel()  # Ada alone
        await trio.sleep(1)
        nursery.cancel_scope.cancel()  # everybody in this nursery
    say("the nursery is closed")


trio.run(main, clock=MockClock(autojump_threshold=0))
