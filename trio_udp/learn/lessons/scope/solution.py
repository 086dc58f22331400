# `start_soon` starts a task and goes on at once. The waiting is done at the end of the nursery's
# `async with`, which is left when all its tasks are over. So that is what the timeout goes around.
# A task can be cancelled by what is around its nursery, wherever it was started.
#
# A nursery has a cancel scope of its own, too. Inside of the `async with` this does the same:
#     nursery.cancel_scope.deadline = trio.current_time() + 1
# A scope is for one `with`. That is why it is made here, anew in each call, and not once for all.

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
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(ask, server, answers)
    return answers
