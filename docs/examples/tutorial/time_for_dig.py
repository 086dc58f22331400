"""Tells the time to dig, in the language of DNS, as a record of type TXT."""

import struct
import sys
import time
from functools import partial

import trio

from trio_udp import Datagram, log_errors, serve_udp

TXT, INTERNET = 16, 1


async def answer(datagram: Datagram) -> bytes | None:
    query = datagram.data
    number, flags, questions = struct.unpack("!HHH", query[:6])
    if flags & 0x8000 or questions != 1:
        return None  # this is an answer itself: two who answer answers never end
    question = query[12 : query.index(0, 12) + 5]  # a name, 0, a type and a class
    found = question.endswith(struct.pack("!HH", TXT, INTERNET))
    flags = 0x8400 | flags & 0x0100
    reply = struct.pack("!HHHHHH", number, flags, 1, found, 0, 0) + question
    if found:
        text = time.strftime("%H:%M:%S").encode()
        record = struct.pack("!HHHIHB", 0xC00C, TXT, INTERNET, 0, len(text) + 1, len(text))
        reply += record + text
    return reply


async def main(port: int = 9000) -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(serve_udp, log_errors(answer), port, host="127.0.0.1")
        endpoints = await nursery.start(serve)
        print("listening on port", endpoints[0].address[1])


if __name__ == "__main__":
    trio.run(partial(main, *map(int, sys.argv[1:])))
