# Nobody tells a program that a datagram was lost: all there is to see is that time goes by.
# So every wait has an end. `trio.move_on_after` cancels what is inside when its time is over,
# and the program goes on behind it. There the answer is still missing, and the loop asks again.
# An answer leaves by `return`, out of both.

import trio


async def ping(server: tuple[str, int]) -> bytes:
    """Ask the server, and return what it has answered."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            await sock.sendto(b"ping", server)
            with trio.move_on_after(0.5):
                answer, address = await sock.recvfrom(65535)
                return answer
