"""``python -m tests.benchmarks.peers``: what a peer costs who is waited for, in memory and in opening it.

So many addresses of 127/8 send a datagram each to `serve_udp_peers`, whose handler waits for more. Beside it as many
tasks that are started with ``start_soon`` and wait, and what one writes by hand: a task for each peer with a memory
channel and ``move_on_after``. Each in a process of its own, rounds interleaved, the least of each.

What is wanted, with 100,000: at most 3.5 KiB of resident memory a peer, and 3 times the CPU of the bare tasks. Linux.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import trio

from trio_udp import Datagram, UDPChannel, UDPEndpoint, open_udp_endpoint, serve_peers

_ROOT = Path(__file__).parents[2]
_LOAD = """
import socket, sys, time
count, port = map(int, sys.argv[1:])
for number in range(count):
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind((f"127.{1 + number // 40000}.{1 + number // 200 % 200}.{1 + number % 200}", 0))
        one.sendto(b"hello", ("127.0.0.1", port))
    if number % 100 == 99:
        time.sleep(0.006)  # or the buffer of the server overflows
"""


def resident() -> int:
    """Bytes of memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def _wait() -> None:
    await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)


async def bare(count: int, nursery: trio.Nursery) -> int:
    """Tasks that do nothing, in batches as a server gets them."""
    for number in range(count):
        nursery.start_soon(_wait)
        if number % 64 == 63:
            await trio.lowlevel.checkpoint()
    return count


async def ours(count: int, nursery: trio.Nursery) -> int:
    """`serve_peers`."""

    async def handler(channel: UDPChannel) -> None:
        async for _ in channel:
            pass

    endpoint = await open_udp_endpoint("127.0.0.1")
    nursery.start_soon(partial(serve_peers, handler, [endpoint], max_peers=count, idle_timeout=3600))
    return await _load(count, endpoint)


async def by_hand(count: int, nursery: trio.Nursery) -> int:
    """What one writes."""
    inboxes: dict[Any, trio.MemorySendChannel[bytes]] = {}

    async def handler(inbox: trio.MemoryReceiveChannel[bytes]) -> None:
        while True:
            with trio.move_on_after(3600) as scope:
                await inbox.receive()
            if scope.cancelled_caught:
                return

    async def serve(endpoint: UDPEndpoint) -> None:
        while True:
            for data, address in await endpoint.receive_many():
                if address not in inboxes:
                    inboxes[address], inbox = trio.open_memory_channel[bytes](10)
                    nursery.start_soon(handler, inbox)
                inboxes[address].send_nowait(data)

    endpoint = await open_udp_endpoint("127.0.0.1")
    nursery.start_soon(serve, endpoint)
    return await _load(count, endpoint)


async def _load(count: int, endpoint: UDPEndpoint) -> int:
    """Have so many addresses say something; returns how many were heard."""
    await trio.run_process([sys.executable, "-c", _LOAD, str(count), str(endpoint.address[1])])
    await trio.sleep(0.2)
    return endpoint.statistics().received


SUBJECTS = {"bare tasks": bare, "serve_peers": ours, "by hand": by_hand}


async def _measure(name: str, count: int) -> None:
    await (await open_udp_endpoint("127.0.0.1")).aclose()  # what is made once is not a peer's
    Datagram(b"", ("", 0))
    gc.collect()
    memory, cpu = resident(), time.process_time()
    async with trio.open_nursery() as nursery:
        heard = await SUBJECTS[name](count, nursery)
        cpu = time.process_time() - cpu
        gc.collect()
        print(json.dumps({"bytes": (resident() - memory) / heard, "us": cpu / heard * 1e6, "heard": heard}))
        sys.stdout.flush()
        os._exit(0)  # to end a hundred thousand tasks takes as long again


def measure(name: str, count: int) -> dict[str, float]:
    """One of the subjects, in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--count", str(count), "--subject", name]
    told = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=300).stdout
    result: dict[str, float] = json.loads(told)
    return result


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="how many peers (default: 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (default: 3)")
    parser.add_argument("--subject", choices=SUBJECTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.subject:
        trio.run(_measure, args.subject, args.count)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in SUBJECTS}
    for _ in range(args.rounds):
        for name in SUBJECTS:
            results[name].append(measure(name, args.count))
    least = {name: min(row["us"] for row in rows) for name, rows in results.items()}
    for name, rows in results.items():
        heard = min(row["heard"] for row in rows) / args.count
        size = min(row["bytes"] for row in rows)
        times = least[name] / least["bare tasks"]
        print(f"{name:12} {size:6.0f} bytes  {least[name]:5.1f} us  {times:4.2f} x bare  {heard:.1%} heard")


if __name__ == "__main__":
    main()
