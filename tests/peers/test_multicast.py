"""Groups and broadcast with socat at the other end, on the loopback."""

from __future__ import annotations

import os
import sys
from functools import partial

import pytest
import trio

from tests.cli.child import PATIENCE, start
from tests.fakes import echo
from tests.peers.programs import need, on_a_free_port
from trio_udp import open_udp_endpoint, serve_endpoints

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the loopback of others may have no groups")

LOCAL = "127.0.0.1"
GROUP = f"239.249.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"


async def test_socat_is_a_member_and_answers() -> None:
    """What it sends back comes from its own address, not from the group's."""
    program, cat = need("socat"), need("cat")
    how = f"ip-add-membership={GROUP}:{LOCAL},fork"

    def command(port: str) -> list[str]:
        return [program, "-d", "-d", f"UDP4-RECVFROM:{port},{how}", f"EXEC:{cat}"]

    with on_a_free_port(command, "0.0.0.0", "receiving on") as (_, port), trio.fail_after(PATIENCE):
        async with await open_udp_endpoint("0.0.0.0") as endpoint:
            endpoint.set_multicast(interface=LOCAL)
            for data in (b"who is there?", b"and who else?"):
                await endpoint.send(data, (GROUP, port))
                assert await endpoint.receive() == (data, (LOCAL, port))


@pytest.mark.parametrize(
    ("place", "options"), [(GROUP, f"ip-multicast-if={LOCAL}"), ("127.255.255.255", "broadcast")], ids=["group", "all"]
)
async def test_socat_asks_a_group_or_everybody(place: str, options: str) -> None:
    program = need("socat")
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            endpoint = await open_udp_endpoint("0.0.0.0")
            endpoint.join_group(GROUP, interface=LOCAL)
            await nursery.start(serve_endpoints, echo, [endpoint])
            command = [program, "-", f"UDP4-DATAGRAM:{place}:{endpoint.address[1]},{options}"]
            with start(command=command) as socat:
                socat.type(b"who is there?\n")
                await trio.to_thread.run_sync(partial(socat.out.wait_for, "who is there[?]\n"))
        nursery.cancel_scope.cancel()
