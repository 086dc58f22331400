# Ask three thermometers, some slow; return who has answered what, as soon as the last one has.
#
# This program begins with one every 0.1 seconds, and waits for their answers in a task
# for each. But all use one socket. `turn` is there since Trio lets only one task at a time
# wait for it. Still the answers get mixed up: find out why, and let each have its own.

import trio

Address = tuple[str, int]


async def ask(sock: trio.socket.SocketType, server: Address, turn: trio.Lock, answers: dict[Address, bytes]) -> None:
    """Ask one server, and put down its answer."""
    await sock.sendto(b"how warm is it?", server)
    async with turn:
        answer, address = await sock.recvfrom(65535)
        answers[server] = answer


async def ask_all(servers: list[Address]) -> dict[Address, bytes]:
    """What each of the servers has answered."""
    answers: dict[Address, bytes] = {}
    turn = trio.Lock()
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, sock, server, turn, answers)
                await trio.sleep(0.1)
    return answers
