"""Three requests of up to two seconds each, by a caller who has two seconds."""

import trio
from trio.testing import MockClock


def say(what: str) -> None:
    print(f"{trio.current_time():3g} s  {what}")


async def look_up(name: str, timeout: float = float("inf")) -> None:  # noqa: ASYNC109
    """As many libraries have it: the time is for this call alone."""
    with trio.fail_after(timeout):
        await trio.sleep(1.5)  # the server is slow today
    say(f"found {name}")


async def a_parameter() -> None:
    for name in ("Ada", "Bob", "Eve"):
        await look_up(name, timeout=2)
    say("done, with timeout=2")


async def a_scope() -> None:
    try:
        with trio.fail_after(2):
            for name in ("Ada", "Bob", "Eve"):
                await look_up(name)
    except trio.TooSlowError:
        say("given up, with fail_after(2)")


for way in (a_parameter, a_scope):
    trio.run(way, clock=MockClock(autojump_threshold=0))
