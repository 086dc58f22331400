# Ask all servers at once who they are; return the answers that come within a second.
#
# `ask_all(servers)` gives them as a list, a second after it was called. One server
# never answers. There is a timeout of one second, and yet this program waits for
# ever: where does it wait, and what is the timeout around? Make it end in time.

import trio


async def ask(server: tuple[str, int], answers: list[bytes]) -> None:
    """Ask one server, and put its answer with the others."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"who are you?", server)
        answer, address = await sock.recvfrom(65535)
        answers.append(answer)


async def ask_all(servers: list[tuple[str, int]]) -> list[bytes]:
    """Ask them all, and return who has answered within a second."""
    answers: list[bytes] = []
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
