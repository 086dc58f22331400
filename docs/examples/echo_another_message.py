"""The same conversation with another message, shown as the bytes that it is.

A datagram carries bytes, not text: what they mean is up to the two who talk.
"""

from functools import partial

import trio

import trio_udp


async def echo(datagram: trio_udp.Datagram) -> bytes:
    print(f"server: received {datagram.data!r}")
    return datagram.data


async def main() -> None:
    message = b"What the network loses, the client asks again..."
    async with trio.open_nursery() as nursery:
        serve = partial(trio_udp.serve_udp, echo, 0, host="localhost")
        endpoints = await nursery.start(serve)
        host, port, *_ = endpoints[0].address
        async with await trio_udp.open_udp_client(host, port) as client:
            print(f"client: sending {len(message)} bytes: {message!r}")
            reply = await client.request(message)
            print(f"client: received {len(reply)} bytes: {reply!r}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
