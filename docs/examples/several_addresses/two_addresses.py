"""A server with two addresses, a client that asks the second, and who hears whom.

127.0.0.1 and 127.0.0.2 are both this machine (on macOS: sudo ifconfig lo0 alias 127.0.0.2).
"""

from functools import partial

import trio

from trio_udp import Datagram, NoReply, Retry, open_udp_client, serve_udp


async def echo(datagram: Datagram) -> bytes:
    return datagram.data


async def ask(port: int) -> str:
    async with await open_udp_client("127.0.0.2", port) as client:
        try:
            return (await client.request(b"hello", retry=Retry(attempts=2))).decode()
        except NoReply as problem:
            return str(problem)


async def main() -> None:
    for asked in (False, True):
        async with trio.open_nursery() as nursery:
            serve = partial(serve_udp, echo, 0, host="0.0.0.0", reply_from_asked=asked)
            [endpoint] = await nursery.start(serve)
            print(f"reply_from_asked={asked}:", await ask(endpoint.address[1]))
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
