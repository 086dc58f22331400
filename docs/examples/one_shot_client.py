"""Ask a server once, and print its answer: python one_shot_client.py [HOST [PORT]].

The classic believes a reply from anyone. This one hears nobody but the server it asked.
"""

import sys
from functools import partial

import trio

import trio_udp


async def main(host: str = "localhost", port: str = "10000") -> None:
    async with await trio_udp.open_udp_client(host, int(port)) as client:
        print(await client.request(b"Hello World"))


if __name__ == "__main__":
    try:
        trio.run(partial(main, *sys.argv[1:]))
    except (trio_udp.NoReply, OSError) as problem:
        sys.exit(str(problem))
