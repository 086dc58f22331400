"""A hundred clients at once and one slow server, without threads.

Together they take about as long as one alone. Each has a socket of its own and gets its own
replies; the handlers wait side by side.
"""

from functools import partial

import trio

import trio_udp


async def slow_echo(datagram: trio_udp.Datagram) -> bytes:
    await trio.sleep(0.5)
    return b"for you: " + datagram.data


async def ask(host: str, port: int, name: bytes) -> None:
    async with await trio_udp.open_udp_client(host, port) as client:
        reply = await client.request(name)
    print(f"{name.decode()} got {reply!r}")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(trio_udp.serve_udp, slow_echo, 0, host="localhost")
        endpoints = await nursery.start(serve)
        host, port, *_ = endpoints[0].address
        started = trio.current_time()
        async with trio.open_nursery() as clients:
            for number in range(100):
                clients.start_soon(ask, host, port, b"client %d" % number)
        seconds = trio.current_time() - started
        print(f"100 clients of half a second each took {seconds:.2f} seconds")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
