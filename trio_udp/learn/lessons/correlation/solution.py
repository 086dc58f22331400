# `correlate` is given each question and each answer, and says which belong together: those for
# which it returns the same. An answer to which no question belongs any more is ignored.
#
# That is worth more than to be safe from late answers: with it a client can have many questions
# on their way at once, from many tasks, over one socket. DNS, STUN and CoAP have such a
# number in each of their datagrams.

import trio_udp


def number_of(data: bytes) -> bytes:
    """What a question and its answer share."""
    return data[:2]


async def look_up(server: tuple[str, int], words: list[bytes]) -> list[bytes]:
    """The meanings of the words."""
    meanings = []
    async with await trio_udp.open_udp_client(*server, correlate=number_of) as client:
        for number, word in enumerate(words):
            question = b"%02d" % number + word
            answer = await client.request(question)
            meanings.append(answer[2:])
    return meanings
