"""Sells tickets, and remembers each order for five seconds."""

import trio

from trio_udp import open_udp_client

SERVER = ("127.0.0.1", 9000)


async def sell(task_status: trio.TaskStatus[None]) -> None:
    sold = 0
    replies: dict[bytes, tuple[float, bytes]] = {}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(SERVER)
        task_status.started()
        while True:
            order, address = await sock.recvfrom(65535)
            now = trio.current_time()
            replies = {key: old for key, old in replies.items() if old[0] > now - 5}
            if order not in replies:
                sold += 1
                replies[order] = now, b"ticket %d" % sold
            await sock.sendto(replies[order][1], address)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(sell)
        async with await open_udp_client(*SERVER) as client:
            began = trio.current_time()
            for seconds in (0, 1, 6):
                await trio.sleep(seconds)
                now = trio.current_time() - began
                print(f"at {now:.0f} s:", await client.request(b"Ada, order 1"))
        nursery.cancel_scope.cancel()


trio.run(main)
