# Ask a server, over a network that loses 3 of 10 datagrams, and return its answer.
#
# As long as nothing is lost, this program works. When its question or the answer gets
# lost, it waits for ever. Make it ask again, within 5 seconds, until an answer has come.
# An answer takes 0.1 seconds, so one that has not come after half a second is lost.

import trio


async def ping(server: tuple[str, int]) -> bytes:
    """Ask the server, and return what it has answered."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"ping", server)
        answer, address = await sock.recvfrom(65535)
        return answer
