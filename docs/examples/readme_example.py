from functools import partial

import trio

from trio_udp import Datagram, open_udp_client, serve_udp


async def shout(datagram: Datagram) -> bytes:
    return datagram.data.upper()


async def main() -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_udp, shout, 10000, host="localhost"))
        with trio.fail_after(10):  # seconds for all of this: the deadline is yours
            async with await open_udp_client("localhost", 10000) as client:
                for word in (b"lost", b"datagrams", b"are", b"sent", b"again"):
                    print(await client.request(word))
        nursery.cancel_scope.cancel()  # the server ends here


if __name__ == "__main__":
    trio.run(main)
