# Each server has a task of its own, which is in no hurry: it waits for a good answer as long as it
# lives. What begins them waits a quarter of a second in between. Who has a good answer puts it
# down and cancels the nursery, and with it everybody: tasks that wait, and the loop that would
# begin more. So nobody is asked for whom there is no need, and nothing is left behind.
#
# `trio_udp.first_reply` does this, and sends again what gets lost:
#
#     reply = await trio_udp.first_reply(servers, b"what time is it?", accept=lambda data: data != b"busy")
#     return reply.data

import trio


async def ask_one(server: tuple[str, int], found: list[bytes], everybody: trio.CancelScope) -> None:
    """Ask one server; end all when it has a good answer."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"what time is it?", server)
        while True:
            answer, address = await sock.recvfrom(65535)
            if answer != b"busy":
                found.append(answer)
                everybody.cancel()


async def ask(servers: list[tuple[str, int]]) -> bytes | None:
    """The first good answer."""
    found: list[bytes] = []
    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask_one, server, found, nursery.cancel_scope)
            await trio.sleep(0.25)
    return found[0]
