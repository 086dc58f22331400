"""Lost and reordered datagrams, which every text names and no classic handles.

The server answers half of what comes, later or sooner. The client asks again, and tells the
replies apart by number: each request gets its own.
"""

from functools import partial
from random import Random

import trio

import trio_udp

random = Random(7)


async def lossy_echo(datagram: trio_udp.Datagram) -> bytes | None:
    if random.random() < 0.5:
        print(f"  lost: {datagram.data.decode()}")
        return None
    await trio.sleep(random.uniform(0, 0.05))  # so that some overtake others
    return datagram.data


async def ask(client: trio_udp.UDPClient, question: bytes) -> None:
    retry = trio_udp.Retry(attempts=40, first=0.1, maximum=0.5)
    reply = await client.request(question, retry=retry)
    print(f"answered: {reply.decode()}")


async def main() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(trio_udp.serve_udp, lossy_echo, 0, host="localhost")
        endpoints = await nursery.start(serve)
        host, port, *_ = endpoints[0].address
        async with await trio_udp.open_udp_client(host, port, correlate=bytes) as client:
            async with trio.open_nursery() as requests:
                for number in range(1, 11):
                    requests.start_soon(ask, client, b"question %d" % number)
            print(f"10 questions, {client.statistics().sent} datagrams sent, 10 answers")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
