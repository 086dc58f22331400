"""``python -m tests.benchmarks.paced``: what a relay without faults loses at so many datagrams a second.

The relay and its target, which only counts, run on one core; here, on another one, a client sends at an even pace,
which does not wait for anybody. What the kernel drops is counted as lost, too: the relay came too late to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import trio

from trio_udp import Datagram, UDPEndpoint, open_udp_endpoint
from trio_udp.relay import Relay, serve_relay

from .process import Cores

_ROOT = Path(__file__).parents[2]
_HOST = "127.0.0.1"
_STEP = 0.001  # seconds: so often as much as is due is sent
_PATIENCE = 1.0  # seconds without anything new, after which all that will come has come
_PAYLOAD = b"x" * 100


async def _count(target: UDPEndpoint) -> None:
    while True:
        await target.receive_many()


async def _relay(core: int, life: float) -> None:
    """Relay for so long, tell the port first and the statistics in the end."""
    os.sched_setaffinity(0, {core})
    with await open_udp_endpoint(_HOST) as target, trio.move_on_after(life):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_count, target)
            relay: Relay = await nursery.start(partial(serve_relay, _HOST, 0, *target.address[:2]))
            print(relay.address[1], flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            arrived = -1
            while arrived != target.statistics().received:
                arrived = target.statistics().received
                await trio.sleep(_PATIENCE)
            print(json.dumps({"arrived": arrived, "cpu": time.process_time()}), flush=True)
            nursery.cancel_scope.cancel()


async def _send(port: int, rate: float, seconds: float) -> int:
    sent = 0
    with await open_udp_endpoint(_HOST) as client:
        began = trio.current_time()
        while (passed := trio.current_time() - began) < seconds:
            due = int(rate * passed) - sent
            await client.send_many([Datagram(_PAYLOAD, (_HOST, port))] * due)
            sent += due
            await trio.sleep(_STEP)
    return sent


def measure(rate: float, seconds: float) -> dict[str, float]:
    """Send at this rate for so long; how many were sent, how many arrived, and the relay's CPU seconds."""
    cores = Cores.choose()
    command = [sys.executable, "-m", "tests.benchmarks.paced", "--core", str(cores.server)]
    command += ["--seconds", str(seconds + 20)]
    os.sched_setaffinity(0, {cores.load})
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        sent = trio.run(_send, int(relay.stdout.readline()), rate, seconds)
        relay.stdin.write("\n")
        relay.stdin.flush()
        told = json.loads(relay.stdout.readline())
    return {"sent": sent, "lost": sent - told["arrived"], "cpu": told["cpu"]}


def main() -> None:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.paced", description="Does a relay keep up?")
    parser.add_argument("--rate", type=float, default=40_000, metavar="N", help="datagrams a second; default 40,000")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="for so long; default 5")
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.core is not None:
        trio.run(_relay, arguments.core, arguments.seconds)
        return
    told = measure(arguments.rate, arguments.seconds)
    print(f"{told['sent']} sent, {told['lost']} lost, {told['cpu']:.2f} s of CPU time for relay and target")


if __name__ == "__main__":
    main()
