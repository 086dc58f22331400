"""A thousand datagrams to a program which is busy with something else for a second."""

import trio
from trio.testing import MockClock

from trio_udp import UDPEndpoint, open_udp_endpoint
from trio_udp.testing import VirtualNetwork


async def overrun(endpoint: UDPEndpoint) -> None:
    for number in range(1000):
        await endpoint.send(b"%d" % number, endpoint.address)  # to itself
    print(f"all are sent at {trio.current_time():g} s")
    await trio.sleep(1)
    with trio.move_on_after(1):
        async for data, _ in endpoint:
            last = data
    statistics = endpoint.statistics()
    print(f"{statistics.received} came, the last of them number {last.decode()}")
    print(f"the kernel dropped {statistics.kernel_drops}")


async def main() -> None:
    async with VirtualNetwork():
        # The kernel doubles this; the sum is what Linux gives to those who do not ask.
        endpoint = await open_udp_endpoint("192.0.2.1", receive_buffer=106_496)
        async with endpoint:
            await overrun(endpoint)


trio.run(main, clock=MockClock(autojump_threshold=0))
