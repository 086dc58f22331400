# A socket has one queue, and who reads first gets what came first. The socket does not know which
# task has asked whom. So each task gets a socket, with a port of its own, to which its server answers.
#
# Where there has to be one socket, one task reads it, and gives each answer to whom it belongs; here
# the address says to whom: `answers[address] = answer`. `trio_udp.serve_udp_peers` does that for servers.

import trio

Address = tuple[str, int]


async def ask(server: Address, answers: dict[Address, bytes]) -> None:
    """Ask one server, and put down its answer."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"how warm is it?", server)
        answer, address = await sock.recvfrom(65535)
        answers[server] = answer


async def ask_all(servers: list[Address]) -> dict[Address, bytes]:
    """What each of the servers has answered."""
    answers: dict[Address, bytes] = {}
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, server, answers)
            await trio.sleep(0.1)
    return answers
