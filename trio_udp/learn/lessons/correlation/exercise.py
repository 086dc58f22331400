# Ask the server once for each word; return their meanings, in order.
#
# A question is two bytes and a word. The server sends the same two bytes back, and the
# meaning. But it sends some answers twice, since datagrams get lost, and the second one may
# come late: when this program waits for the answer to its next question. Then it is taken
# for that. The two bytes could say whose answer it is. Make somebody look at them, at once.

import trio_udp


async def look_up(server: tuple[str, int], words: list[bytes]) -> list[bytes]:
    """The meanings of the words."""
    meanings = []
    async with await trio_udp.open_udp_client(*server) as client:
        for number, word in enumerate(words):
            question = b"%02d" % number + word
            answer = await client.request(question)
            meanings.append(answer[2:])
    return meanings
