# Who has got no answer cannot know why, and asks again; so what comes twice must be done once. The
# server keeps the receipt of each order. An order is in the table from the moment at which it is
# taken, before the first `await`: later is too late, since a slow bank is just what makes a customer
# ask again. Who finds it there without a receipt does nothing: the first will answer. All others go
# on meanwhile; one lock around all of it would make them wait for the slowest bank.
#
# What is missing is an end: the table only grows. `trio_udp.cache_replies` forgets what is old:
#
#     handler = trio_udp.cache_replies(handler, key=lambda datagram: datagram.data)
#     await trio_udp.serve_udp(handler, port)

from collections.abc import Awaitable, Callable

import trio

Charge = Callable[[bytes], Awaitable[bytes]]


async def serve(port: int, charge: Charge) -> None:
    """Charge and answer on this port, for ever."""
    receipts: dict[bytes, bytes | None] = {}

    async def handle(order: bytes, customer: tuple[str, int]) -> None:
        if order not in receipts:
            receipts[order] = None
            receipts[order] = await charge(order)
        receipt = receipts[order]
        if receipt is not None:
            await sock.sendto(receipt, customer)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            while True:
                order, customer = await sock.recvfrom(65535)
                nursery.start_soon(handle, order, customer)
