# Return the server's answer, and nobody else's.
#
# This program takes whatever comes first. But anybody may send to its port, and an address
# can be forged as well. So each question has a number, four bytes that nobody can guess,
# and the server repeats them in front of its answer. Believe only what comes from the server
# and has the number. If the server has not answered after two seconds, return None.

import trio


async def ask(server: tuple[str, int], number: bytes) -> bytes | None:
    """Ask with this number; the server's answer without it, or None if there is none."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(number + b" who am I?", server)
        with trio.move_on_after(2):
            answer, address = await sock.recvfrom(65535)
            return answer[4:]
    return None
