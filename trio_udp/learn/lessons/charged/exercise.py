# Take the money for each order once, however often the order comes.
#
# Customers who get no answer send their order again, some from another port. This server
# charges whatever comes. So who has missed an answer, or has a slow bank, pays twice. Make
# it charge each order once, and answer with the same receipt each time that it comes, for a
# minute. Nobody waits for another customer's bank, and that has to stay so.

from collections.abc import Awaitable, Callable

import trio

Charge = Callable[[bytes], Awaitable[bytes]]


async def serve(port: int, charge: Charge) -> None:
    """Charge and answer on this port, for ever."""

    async def handle(order: bytes, customer: tuple[str, int]) -> None:
        receipt = await charge(order)
        await sock.sendto(receipt, customer)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        async with trio.open_nursery() as nursery:
            while True:
                order, customer = await sock.recvfrom(65535)
                nursery.start_soon(handle, order, customer)
