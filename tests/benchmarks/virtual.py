"""``python -m tests.benchmarks.virtual``: how fast time goes by on the virtual network.

Each scenario runs in a process of its own, and the rounds are interleaved, so a machine that is slow for a while is
slow for all. Counted are datagrams delivered per second of CPU time. The same echo runs on Trio's private fake network,
as it is (it delivers at once, so no time passes) and with a task per datagram that sleeps as long as our link takes.

What is wanted: 35,000 a second with ten clients, 12,000 with jitter and with one client, where each datagram costs a
jump of the clock; an hour with ten clients, each of which asks once a second, in 5 seconds, and in 25 on a bad network.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import trio
import trio.testing

from trio_udp import Datagram, Retry, open_udp_client, serve_udp
from trio_udp.faults import Link
from trio_udp.testing import VirtualNetwork

_ROOT = Path(__file__).parents[2]
_DELAY = 0.05  # seconds
_PAYLOAD = b"x" * 50
_SERVER = ("10.0.0.1", 7)

Scenario = Callable[[], Awaitable[int]]  # runs, and returns how many datagrams were delivered


async def _serve_echo() -> None:
    socket = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    await socket.bind(_SERVER)
    while True:
        data, address = await socket.recvfrom(65535)
        await socket.sendto(data, address)


async def _ask(host: str, rounds: int) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as socket:
        await socket.bind((host, 0))
        for _ in range(rounds):
            await socket.sendto(_PAYLOAD, _SERVER)
            await socket.recvfrom(65535)


def _client_host(number: int) -> str:
    return f"10.0.1.{number + 1}"


async def _echo_on_ours(link: Link, clients: int, rounds: int) -> int:
    async with VirtualNetwork(link, record_limit=1000) as network, trio.open_nursery() as nursery:
        with network.host(_SERVER[0]):
            nursery.start_soon(_serve_echo)
        async with trio.open_nursery() as asking:
            for number in range(clients):
                with network.host(_client_host(number)):
                    asking.start_soon(_ask, _client_host(number), rounds)
        nursery.cancel_scope.cancel()
    return 2 * clients * rounds


async def _echo_on_trios(delay: float, clients: int, rounds: int) -> int:
    from trio.testing._fake_net import FakeNet  # private, and the only thing that there is to compare with

    network = FakeNet()
    network.enable()
    async with trio.open_nursery() as nursery:

        async def deliver_later(packet: Any) -> None:
            await trio.sleep(delay)
            network.deliver_packet(packet)

        if delay:
            network.route_packet = lambda packet: nursery.start_soon(deliver_later, packet)  # type: ignore[assignment]
        nursery.start_soon(_serve_echo)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as asking:
            for number in range(clients):
                asking.start_soon(_ask, _client_host(number), rounds)
        nursery.cancel_scope.cancel()
    return 2 * clients * rounds


async def _an_hour(link: Link, seconds: int = 3600) -> int:
    async def echo(datagram: Datagram) -> bytes:
        return datagram.data

    async def ask(client: int) -> None:
        async with await open_udp_client(*_SERVER) as udp_client:
            for second in range(seconds):
                data = b"%d %d" % (client, second)
                await udp_client.request(data, accept=data.__eq__, retry=Retry(attempts=100, first=0.3))
                if trio.current_time() < second + 1:
                    await trio.sleep_until(second + 1)

    async with VirtualNetwork(link, record_limit=10**6) as network, trio.open_nursery() as nursery:
        with network.host(_SERVER[0]):
            await nursery.start(serve_udp, echo, _SERVER[1])
        async with trio.open_nursery() as asking:
            for number in range(10):
                with network.host(_client_host(number)):
                    asking.start_soon(ask, number)
        nursery.cancel_scope.cancel()
        return sum(len(datagram.delivered) for datagram in network.datagrams)


def _scenarios(rounds: int) -> dict[str, Scenario]:
    steady, shaking = Link(delay=_DELAY), Link(delay=_DELAY, jitter=_DELAY)
    return {
        "10 clients": partial(_echo_on_ours, steady, 10, rounds),
        "10 clients, Trio's fake network": partial(_echo_on_trios, 0.0, 10, rounds),
        "10 clients, Trio's fake network with that delay": partial(_echo_on_trios, _DELAY, 10, rounds),
        "10 clients, jitter": partial(_echo_on_ours, shaking, 10, rounds),
        "1 client": partial(_echo_on_ours, steady, 1, 5 * rounds),
        "1 client, Trio's fake network with that delay": partial(_echo_on_trios, _DELAY, 1, 5 * rounds),
        "an hour": partial(_an_hour, steady, 18 * rounds // 5),
        "an hour, 30 % loss, jitter": partial(_an_hour, Link(delay=_DELAY, jitter=_DELAY, loss=0.3), 18 * rounds // 5),
    }


SCENARIOS = list(_scenarios(1))


def run_one(name: str, rounds: int) -> tuple[int, float]:
    """Run a scenario here; returns the datagrams delivered and the CPU seconds."""
    scenario = _scenarios(rounds)[name]
    started = time.process_time()
    delivered = trio.run(scenario, clock=trio.testing.MockClock(autojump_threshold=0))
    return delivered, time.process_time() - started


def _run_apart(name: str, rounds: int) -> tuple[int, float]:
    command = [sys.executable, "-m", "tests.benchmarks.virtual", "--one", name, "--requests", str(rounds)]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=600, check=True)
    delivered, seconds = json.loads(ended.stdout)
    return delivered, seconds


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.virtual", description="Speed of virtual time.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how many; default %(default)s")
    parser.add_argument(
        "--requests", type=int, default=1000, metavar="N", help="of each client; default %(default)s, for whole hours"
    )
    parser.add_argument("--one", metavar="NAME", help="run this scenario once, here")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(arguments.one, arguments.requests)))
        return
    names = list(_scenarios(arguments.requests))
    samples: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            samples[name].append(_run_apart(name, arguments.requests))
    print("| scenario | delivered per CPU second | best | CPU seconds |")
    print("|---|---:|---:|---:|")
    for name, runs in samples.items():
        rates = [delivered / seconds for delivered, seconds in runs]
        print(f"| {name} | {median(rates):,.0f} | {max(rates):,.0f} | {median(seconds for _, seconds in runs):.2f} |")


if __name__ == "__main__":
    main()
