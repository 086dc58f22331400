"""The schedule says when to send again, the caller's scope says when to give up."""

import trio
from trio.testing import MockClock

from trio_udp import AttemptStarted, Event, Retry, observe, open_udp_client
from trio_udp.testing import VirtualNetwork

RETRY = Retry(attempts=3, first=1, jitter=0)


def say(what: str) -> None:
    print(f"  {trio.current_time():3g} s  {what}")


def tell(event: Event) -> None:
    if isinstance(event, AttemptStarted):
        say(f"attempt {event.number} waits {event.timeout:g} s")


async def ask(deadline: float) -> None:
    print(f"a deadline of {deadline:g} s")
    async with VirtualNetwork(), await open_udp_client("10.0.0.99", 7) as client:
        try:
            with trio.fail_after(deadline):
                await client.request(b"hello", retry=RETRY)
        except trio.TooSlowError as error:  # NoReply is one, too
            say(type(error).__name__)


for seconds in (60, 2.5):
    with observe(tell):
        trio.run(ask, seconds, clock=MockClock(autojump_threshold=0))
