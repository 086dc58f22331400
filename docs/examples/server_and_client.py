"""Server and client together, their transcripts side by side.

One terminal, not two: one nursery runs both, and stops both.
"""

from functools import partial

import trio

import trio_udp


async def echo(datagram: trio_udp.Datagram) -> bytes:
    data, (_, port, *_) = datagram
    print(f"{'':38}server: {len(data)} bytes from port {port}, sending them back")
    return data


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(trio_udp.serve_udp, echo, 0, host="localhost")
        endpoints = await nursery.start(serve)
        host, port, *_ = endpoints[0].address
        print(f"{'':38}server: listening on {host} port {port}")
        async with await trio_udp.open_udp_client(host, port) as client:
            message = b"This is the message.  It will be repeated."
            print(f"client: sending {len(message)} bytes")
            reply = await client.request(message)
            print(f"client: {len(reply)} bytes came back:\n  {reply.decode()}")
        nursery.cancel_scope.cancel()
    print("both have ended")


if __name__ == "__main__":
    trio.run(main)
