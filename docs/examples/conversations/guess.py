"""Guess a number: each player has a game of its own, and a task that plays it.

ncat -u localhost 10000
"""

import random
import sys

import trio

import trio_udp


async def play(channel: trio_udp.UDPChannel) -> None:
    number = random.randint(1, 100)
    async for guess in channel:
        if not guess.strip().isdigit():
            await channel.send(b"I think of a number from 1 to 100. Your guess?\n")
        elif int(guess) != number:
            await channel.send(b"more\n" if int(guess) < number else b"less\n")
        else:
            await channel.send(b"yes!\n")
            return


async def main(port: int) -> None:
    endpoints = await trio_udp.open_udp_endpoints(port, host="localhost")
    print("come and play at port", endpoints[0].address[1])
    await trio_udp.serve_peers(play, endpoints, idle_timeout=300)


if __name__ == "__main__":
    try:
        trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 10000)
    except KeyboardInterrupt:
        print("the server has ended")
