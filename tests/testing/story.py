"""Busy networks whose record must be the same in every run: run as a program, this prints one of them.

python -m tests.testing.story busy
"""

from __future__ import annotations

import sys
from random import Random
from typing import TYPE_CHECKING

import trio
from trio.testing import MockClock

from tests.testing.hosts import echo_for_ever, udp
from trio_udp import (
    Datagram,
    NoReply,
    Retry,
    UDPEndpoint,
    first_reply,
    open_udp_client,
    open_udp_endpoint,
    serve_udp,
)
from trio_udp.faults import Link, blackhole, drop_nth
from trio_udp.testing import Host, VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BAD = Link(delay=0.05, jitter=0.04, loss=0.3, duplicate=0.1)
ROUND = Link(delay=0.5)


async def slow_echo(datagram: Datagram) -> bytes:
    await trio.sleep(0.5 * (datagram.data[-1] % 2))
    return datagram.data


async def asks_one_after_another(number: int, server: str, retry: Retry) -> None:
    async with await open_udp_client(server, 7, random=Random(number)) as client:
        for question in range(4):
            try:
                await client.request(b"%d asks %d" % (number, question), retry=retry)
            except NoReply:
                await trio.sleep(0.5)


async def asks_plainly(number: int, server: str, patience: float) -> None:
    """What one writes without a library, in a loop: send, wait, send again."""
    socket = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await socket.bind(("0.0.0.0", 0))
    for question in range(4):
        for _ in range(4):
            await socket.sendto(b"%d asks %d plainly" % (number, question), (server, 7))
            with trio.move_on_after(patience):
                await socket.recvfrom(65535)
                break
    socket.close()


async def asks_several(number: int, retry: Retry) -> None:
    try:
        await first_reply([("server", 7), ("plain", 7), ("moody", 7)], b"%d asks several" % number, retry=retry)
    except NoReply:
        pass


async def asks_nobody(number: int, server: str) -> None:
    """Refused, and not even that."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as socket:
        await socket.connect((server, 9))
        for _ in range(6):
            try:
                await socket.send(b"%d asks nobody" % number)
                with trio.move_on_after(0.5):
                    await socket.recv(65535)
            except ConnectionRefusedError:
                await socket.sendto(b"%d asks less than nobody" % number, ("10.9.9.9", 9))


async def talks_to_itself(host: Host, number: int) -> None:
    """On 127.0.0.1, as on all the other hosts, at the same moments."""
    server, client = await udp(host, 7, "127.0.0.1"), await udp(host, 8, "127.0.0.1")
    for _ in range(3):
        await client.sendto(b"%d talks to itself" % number, ("127.0.0.1", 7))
        with trio.move_on_after(1):
            await server.recvfrom(65535)
        await trio.sleep(1)


async def accidents(network: VirtualNetwork) -> None:
    await trio.sleep(1.1)  # not when the server wakes: whether that would take its turn before the crash is chance
    network.hosts["client12"].rebind()
    network.hosts["moody"].crash()
    await trio.sleep(1)
    network.hosts["moody"].restart()
    network.set_link("client3", "server", Link(delay=0.25), both=True)
    await trio.sleep(1)
    network.hosts["client12"].rebind("198.51.100.1")


async def story(link: Link, retry: Retry, patience: float) -> VirtualNetwork:
    """Three servers, seventeen clients, and what happens to them."""
    network = VirtualNetwork(link, seed=11)
    async with network, trio.open_nursery() as servers:
        with network.host("10.0.0.1", name="server"):
            await servers.start(serve_udp, slow_echo, 7)
        servers.start_soon(echo_for_ever, await udp(network.host("10.0.0.2", name="plain"), 7))
        await servers.start(network.host("10.0.0.3", name="moody").run, serve_udp, slow_echo, 7)
        with network.rule(drop_nth(5, 9), blackhole(2, 0.5, repeat=1)):
            async with trio.open_nursery() as clients:
                clients.start_soon(accidents, network)
                for number in range(17):
                    with network.host(f"10.0.1.{number}", name=f"client{number}") as host:
                        if number < 6:
                            clients.start_soon(asks_one_after_another, number, "server", retry)
                        elif number < 9:
                            clients.start_soon(asks_one_after_another, number, "moody", retry)
                        elif number < 12:
                            clients.start_soon(asks_plainly, number, "10.0.0.2", patience)
                        elif number < 14:
                            clients.start_soon(asks_nobody, number, "10.0.0.2")
                        elif number < 16:
                            clients.start_soon(asks_several, number, Retry(attempts=3, jitter=0))
                        clients.start_soon(talks_to_itself, host, number)
        servers.cancel_scope.cancel()
    return network


async def neighbours() -> VirtualNetwork:
    """Twelve hosts in two groups, which all ask who is there at the same moments, now and then everybody."""
    network = VirtualNetwork(BAD, seed=11)

    async def live(number: int) -> None:
        with network.host(f"10.0.0.{number}", name=f"neighbour{number}"):
            endpoint = await open_udp_endpoint("0.0.0.0", 7, reuse_port=True)
        endpoint.join_group(f"239.255.0.{number % 2}")
        endpoint.allow_broadcast()
        async with trio.open_nursery() as tasks:
            tasks.start_soon(answers, endpoint, number)
            for place in ("239.255.0.0", "239.255.0.1", "255.255.255.255"):
                await trio.sleep(1)
                await endpoint.send(b"%d asks" % number, (place, 7))
            endpoint.leave_group(f"239.255.0.{number % 2}")
            await trio.sleep(1)
            tasks.cancel_scope.cancel()

    async with network, trio.open_nursery() as nursery:
        for number in range(1, 13):
            nursery.start_soon(live, number)
    return network


async def answers(endpoint: UDPEndpoint, number: int) -> None:
    async for data, address in endpoint:
        if data.endswith(b"asks"):
            await endpoint.send(b"%d to %s" % (number, data.split()[0]), address)


STORIES: dict[str, Callable[[], Awaitable[VirtualNetwork]]] = {
    "busy": lambda: story(BAD, Retry(attempts=4, first=0.2, jitter=0.5), patience=0.3),
    # Replies arrive at the very moment at which those who wait for them give up.
    "round": lambda: story(ROUND, Retry(attempts=4, first=1.0, multiplier=1.0, jitter=0), patience=1.0),
    "neighbours": neighbours,
}


def tell(name: str) -> str:
    """A story as text: the whole record."""
    network = trio.run(STORIES[name], clock=MockClock(autojump_threshold=0))
    return "\n".join(map(repr, network.datagrams))


if __name__ == "__main__":
    print(tell(sys.argv[1]))
