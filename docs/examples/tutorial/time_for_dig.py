"""Tells the time to dig, in the language of DNS, as a record of type TXT."""

import struct
import sys
import time
from functools import partial

import trio

from trio_udp import Datagram, log_errors, serve_udp

TXT, INTERNET = 16, 1  # 3.2.2 and 3.2.4


async def answer(datagram: Datagram) -> bytes | None:
    number, flags, questions = struct.unpack("!HHH", datagram.data[:6])  # 4.1.1: ID
    if flags & 0x8000 or questions != 1:  # QR: this is an answer itself
        return None  # two who answer answers never end
    question = datagram.data[12 : datagram.data.index(0, 12) + 5]  # 4.1.2; 0 ends a name
    found = question.endswith(struct.pack("!HH", TXT, INTERNET))
    flags = 0x8400 | flags & 0x0100  # QR, an answer; AA, by who has to know; RD as it was
    reply = struct.pack("!HHHHHH", number, flags, 1, found, 0, 0) + question  # 4.1.1
    if found:
        text = time.strftime("%H:%M:%S").encode()
        # 4.1.3: NAME (4.1.4: as at byte 12), TYPE, CLASS, TTL, RDLENGTH; 3.3: length
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
