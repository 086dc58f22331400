# Ask a server five times at most, wait longer each time, and give up within a minute.
#
# This program asks again every 10 ms, for ever. A question that was lost gets its answer
# like that. But an answer takes 0.1 seconds to come, so most questions are for nothing;
# and a server that is down is asked for as long as the program lives. So is one that is
# only overloaded, by all its clients at once: that is how it stays overloaded.

import trio


async def ask(server: tuple[str, int]) -> bytes | None:
    """Ask the server; its answer, or None if there is none."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            await sock.sendto(b"how are you?", server)
            with trio.move_on_after(0.01):
                answer, address = await sock.recvfrom(65535)
                return answer
