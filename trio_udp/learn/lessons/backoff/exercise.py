# Ask a server until it answers, five times if it does not; then return None. Let each wait be
# a quarter longer than the one before, at least, and all of them a minute at most.
#
# This program asks every 10 ms, for ever. An answer takes 0.1 seconds to come, so most questions
# are for nothing; and a server that is down is asked for as long as the program lives. So is one
# that is only overloaded, by all its clients at once: that is how it stays overloaded.

import trio


async def ask(server: tuple[str, int]) -> bytes | None:
    """Ask the server; its answer, or None if there is none."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        while True:
            await sock.sendto(b"how are you?", server)
            with trio.move_on_after(0.01):
                answer, address = await sock.recvfrom(65535)
                return answer
