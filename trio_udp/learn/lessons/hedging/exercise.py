# Ask a second server when the first is slow; keep the first good answer, cancel the rest.
#
# This program asks a server, waits for a quarter of a second, and goes on to the next. With
# that it gives the one before up: its answer may come a moment later, and nobody listens.
# Ask the next one as well, and go on waiting for all that were asked. An answer b"busy" is
# none. It is called several times, with three servers, the best one first.

import trio


async def ask(servers: list[tuple[str, int]]) -> bytes | None:
    """The first good answer."""
    for server in servers:
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
            await sock.sendto(b"what time is it?", server)
            with trio.move_on_after(0.25):
                answer, address = await sock.recvfrom(65535)
                return answer
    return None
