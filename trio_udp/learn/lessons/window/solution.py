# A task for each block, which sends it until it has been acknowledged; a semaphore lets there be ten
# at a time. That is all of a window: nobody counts or shifts anything. One socket has one reader,
# which sets the event of the block that was acknowledged. When all blocks are there, the inner
# nursery ends, and what reads is cancelled.
#
# Blocks come in any order. So the receiver keeps them by their numbers, and each datagram tells how
# many there are. It stays for a while, as in lesson 11.

import trio

BLOCK = 900


async def send(data: bytes, receiver: tuple[str, int]) -> None:
    """Send it, and return when it is there."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)] or [b""]
    arrived = [trio.Event() for _ in blocks]
    window = trio.Semaphore(10)

    async def listen() -> None:
        while True:
            arrived[int.from_bytes(await sock.recv(65535), "big")].set()

    async def deliver(number: int) -> None:
        header = number.to_bytes(2, "big") + len(blocks).to_bytes(2, "big")
        while not arrived[number].is_set():
            await sock.sendto(header + blocks[number], receiver)
            with trio.move_on_after(1):
                await arrived[number].wait()
        window.release()

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", 0))
        async with trio.open_nursery() as listening:
            listening.start_soon(listen)
            async with trio.open_nursery() as delivering:
                for number in range(len(blocks)):
                    await window.acquire()
                    delivering.start_soon(deliver, number)
            listening.cancel_scope.cancel()


async def receive(port: int) -> bytes:
    """Return what is sent to this port."""
    blocks: dict[int, bytes] = {}
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock, trio.CancelScope() as scope:
        await sock.bind(("0.0.0.0", port))
        while True:
            datagram, sender = await sock.recvfrom(65535)
            blocks[int.from_bytes(datagram[:2], "big")] = datagram[4:]
            if len(blocks) == int.from_bytes(datagram[2:4], "big"):
                scope.deadline = trio.current_time() + 5
            await sock.sendto(datagram[:2], sender)
    return b"".join(block for _, block in sorted(blocks.items()))
