# Send a file in less than 12 seconds, where there and back takes half a second.
#
# This program does all right, but waits for each block before it sends the next one.
# Let up to 10 blocks be under way at a time.

import trio

BLOCK = 900


async def send(data: bytes, receiver: tuple[str, int]) -> None:
    """Send it, and return when it is there."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for number, start in enumerate(range(0, len(data) + BLOCK, BLOCK)):
            header = number.to_bytes(2, "big")
            arrived = False
            while not arrived:
                await sock.sendto(header + data[start : start + BLOCK], receiver)
                with trio.move_on_after(1):
                    while not arrived:
                        arrived = await sock.recv(65535) == header


async def receive(port: int) -> bytes:
    """Return what is sent to this port."""
    data, expected = b"", 0
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock, trio.CancelScope() as scope:
        await sock.bind(("0.0.0.0", port))
        while True:
            datagram, sender = await sock.recvfrom(65535)
            header, block = datagram[:2], datagram[2:]
            if header == expected.to_bytes(2, "big"):
                data += block
                expected += 1
                if not block:
                    scope.deadline = trio.current_time() + 5
            await sock.sendto(header, sender)
    return data
