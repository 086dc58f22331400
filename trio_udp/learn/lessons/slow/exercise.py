# Answer each question with what `work(question)` says, and let nobody wait for another.
#
# Most work is done at once; some takes five seconds. This server does one thing after
# the other. So whoever asks while it works for somebody else has to wait as well.
# Make it take the next question while the work at those before it goes on.

from collections.abc import Awaitable, Callable

import trio

Work = Callable[[bytes], Awaitable[bytes]]


async def serve(port: int, work: Work) -> None:
    """Answer on this port, for ever."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("0.0.0.0", port))
        while True:
            question, client = await sock.recvfrom(65535)
            answer = await work(question)
            await sock.sendto(answer, client)
