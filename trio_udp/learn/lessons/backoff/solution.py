# Each wait is twice as long as the one before it. So a question that was lost is asked again
# soon, and a server that is down is asked ever more seldom. The first wait is longer than an
# answer takes. And there is an end: after the fifth wait the caller is told that there is nothing.
#
# What is missing is chance. A thousand clients that a server has lost in the same moment all come
# back in the same moments, again and again. `trio_udp` adds up to half to each wait, and raises:
#
#     async with await trio_udp.open_udp_client(*server) as client:
#         return await client.request(b"how are you?", retry=trio_udp.Retry(attempts=5, first=0.5))

import trio


async def ask(server: tuple[str, int]) -> bytes | None:
    """Ask the server; its answer, or None if there is none."""
    wait = 0.5
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for _ in range(5):
            await sock.sendto(b"how are you?", server)
            with trio.move_on_after(wait):
                answer, address = await sock.recvfrom(65535)
                return answer
            wait *= 2
    return None
