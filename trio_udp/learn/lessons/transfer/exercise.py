# Send a file, a block at a time, over a network that loses and doubles datagrams.
#
# Each block is sent until an `ok` has come; an empty block is the end. That works as
# long as nothing gets lost. Here it brings another file than was sent, and the sender
# may wait for ever. Make both ends agree on which block is meant, and on the end.

import trio

BLOCK = 500


async def send(data: bytes, receiver: tuple[str, int]) -> None:
    """Send it, and return when it is there."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for start in range(0, len(data) + BLOCK, BLOCK):
            arrived = False
            while not arrived:
                await sock.sendto(data[start : start + BLOCK], receiver)
                with trio.move_on_after(0.5):
                    await sock.recvfrom(65535)
                    arrived = True


async def receive(port: int) -> bytes:
    """Return what is sent to this port."""
    data = b""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        while True:
            block, sender = await sock.recvfrom(65535)
            await sock.sendto(b"ok", sender)
            if not block:
                return data
            data += block
