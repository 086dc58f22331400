"""Says when it gives up, instead of answering None."""

import trio

from trio_udp.faults import drop_first
from trio_udp.testing import VirtualNetwork

SERVER = ("127.0.0.1", 9000)


async def ask(word: bytes) -> bytes:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        for seconds in (0.5, 1, 2, 4):
            await sock.sendto(word, SERVER)
            with trio.move_on_after(seconds):
                reply, _ = await sock.recvfrom(65535)
                return reply
    raise TimeoutError("no reply to 4 attempts")


async def main() -> None:
    async with VirtualNetwork() as network:
        with network.rule(drop_first(100)):
            started = trio.current_time()
            try:
                print(await ask(b"hello"))
            except TimeoutError as error:
                print(error, f"in {trio.current_time() - started:.1f} s")


trio.run(main)
