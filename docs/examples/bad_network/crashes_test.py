"""The server crashes, forgets everything, and starts again."""

import pytest
import trio

from trio_udp import Datagram, NoReply, Retry, open_udp_client, serve_udp
from trio_udp.testing import VirtualNetwork


async def count_requests(*, task_status: trio.TaskStatus[object]) -> None:
    count = 0

    async def handler(datagram: Datagram) -> bytes:
        nonlocal count
        count += 1
        return b"%d" % count

    await serve_udp(handler, 7, task_status=task_status)


async def test_a_restarted_server_counts_from_one(
    virtual_network: VirtualNetwork,
    autojump_clock: object,
    nursery: trio.Nursery,
) -> None:
    server = virtual_network.host(name="server")
    await nursery.start(server.run, count_requests)
    async with await open_udp_client("server", 7) as client:
        assert [await client.request(b"") for _ in range(3)] == [b"1", b"2", b"3"]
        server.crash()
        with pytest.raises(NoReply):
            await client.request(b"", retry=Retry(attempts=2))
        server.restart()
        assert await client.request(b"") == b"1"
