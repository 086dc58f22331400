"""One test on every network that somebody else has measured or standardised."""

import pytest
import trio

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import PRESETS, Rebind
from trio_udp.testing import Host, VirtualNetwork


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def rebind(phone: Host, when: Rebind) -> None:
    await trio.sleep(when.first)
    while True:
        phone.rebind()
        await trio.sleep(when.every)


@pytest.mark.parametrize("name", PRESETS)
async def test_one_request_a_second(
    name: str,
    virtual_network: VirtualNetwork,
    autojump_clock: object,
    nursery: trio.Nursery,
) -> None:
    preset = PRESETS[name]
    server, phone = virtual_network.host(name="server"), virtual_network.host(name="phone")
    virtual_network.set_link(phone, server, preset.forward)
    virtual_network.set_link(server, phone, preset.backward)
    await nursery.start(server.run, serve_udp, echo, 7)
    if preset.rebind:
        nursery.start_soon(rebind, phone, preset.rebind)
    with virtual_network.rule(*preset.make_rules()), phone:
        async with await open_udp_client("server", 7) as client:
            for number in range(20):
                await client.request(b"question %d" % number, retry=Retry(attempts=20))
                await trio.sleep(1)
