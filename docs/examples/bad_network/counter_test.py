"""Three times "add one", over networks that Hypothesis makes up."""

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import Deliver, Drop, Verdict
from trio_udp.testing import VirtualNetwork

RETRY = Retry(attempts=9, jitter=0)


class Counter:
    count = 0

    async def add_one(self, datagram: Datagram) -> bytes:
        self.count += 1
        return datagram.data


async def add_three(counter: Counter, fates: list[Verdict | None]) -> None:
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with network.host(name="server"):
            await nursery.start(serve_udp, counter.add_one, 7)
        script = iter(fates)
        with network.rule(lambda flight: next(script, None)):
            async with await open_udp_client("server", 7) as client:
                for number in (b"1", b"2", b"3"):
                    await client.request(number, retry=RETRY, accept=number.__eq__)
            await trio.sleep(10)  # what is late arrives as well
        nursery.cancel_scope.cancel()


@settings(derandomize=True, database=None, deadline=None)
@given(st.lists(st.sampled_from([None, Drop("lost"), Deliver(5.0)]), max_size=8))
def test_three_are_three(fates: list[Verdict | None]) -> None:
    trio.run(add_three, counter := Counter(), fates, clock=MockClock(autojump_threshold=0))
    assert counter.count == 3
