# A block may come twice, and so may its acknowledgement; only a number tells which one is meant. The
# receiver keeps a block if it is next in line, and acknowledges all: one that it has already comes
# again because the acknowledgement was lost. The sender goes on when that of its block has come.
#
# The last acknowledgement may get lost too, and no message can change that: the last one can always
# get lost. So the receiver stays for a while, and answers those who ask again. Five seconds are ten
# attempts, of which half get through there and back. How many are enough is a matter of taste.

import trio

BLOCK = 500


async def send(data: bytes, receiver: tuple[str, int]) -> None:
    """Send it, and return when it is there."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for number, start in enumerate(range(0, len(data) + BLOCK, BLOCK)):
            header = number.to_bytes(2, "big")
            arrived = False
            while not arrived:
                await sock.sendto(header + data[start : start + BLOCK], receiver)
                with trio.move_on_after(0.5):
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
