"""Groups of IPv6, in a network namespace with an interface named ``here``: run by test_multicast.py."""

from __future__ import annotations

import socket

import pytest
import trio

from trio_udp import UDPEndpoint, open_udp_endpoint

GROUP, OTHER = "ff15::7475", "ff15::7476"
ONE, TWO = "fd00:7475::1", "fd00:7475::2"


async def heard(endpoint: UDPEndpoint) -> list[bytes]:
    """What it has heard, once the last datagram, which is sent to it alone, has come.

    What goes round through the other end of the pair comes a second time: a set would do, an order is not asserted.
    """
    await trio.sleep(0.1)
    with await open_udp_endpoint(ONE) as last:
        await last.send(b"last", (ONE, endpoint.address[1]))
        data: list[bytes] = []
        while b"last" not in data:
            data += [each.data for each in await endpoint.receive_many()]
    return sorted(set(data) - {b"last"})


async def main() -> None:
    index = socket.if_nametoindex("here")
    with trio.fail_after(30), await open_udp_endpoint("::") as member, await open_udp_endpoint(ONE) as one:
        with await open_udp_endpoint(TWO) as two:
            port = member.address[1]
            for sender in (one, two):
                sender.set_multicast(interface="here", ttl=1)

            async def say() -> None:
                for name, sender in ((b"one", one), (b"two", two)):
                    for group in (GROUP, OTHER):
                        await sender.send(name + b" to " + group.encode(), (group, port))

            for interface in ("here", index, None):
                member.join_group(GROUP, interface=interface)
                await say()
                assert await heard(member) == [b"one to " + GROUP.encode(), b"two to " + GROUP.encode()]
                member.leave_group(GROUP, interface=interface)
                await say()
                assert await heard(member) == []
            member.join_group(GROUP, interface="here", source=TWO)
            await say()
            assert await heard(member) == [b"two to " + GROUP.encode()]
            with pytest.raises(OSError, match="is a member already"):
                member.join_group(GROUP, interface="here", source=TWO)
            with pytest.raises(OSError, match="is no member"):
                member.leave_group(GROUP, interface="here", source=ONE)
            member.leave_group(GROUP, interface="here", source=TWO)
            member.join_group(GROUP, interface="here")
            two.set_multicast(loopback=False, ttl=0)
            await say()
            assert await heard(member) == [b"one to " + GROUP.encode()]
            with await open_udp_endpoint(GROUP) as bound:
                bound.join_group(GROUP, interface="here")
                await one.send(b"to the group", (GROUP, bound.address[1]))
                await one.send(b"to it alone", (ONE, bound.address[1]))
                assert (await bound.receive()).data == b"to the group"
    print("all is well")


if __name__ == "__main__":
    trio.run(main)
