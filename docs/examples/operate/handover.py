"""A UDP socket that stays while its servers come and go: handover.py PORT COMMAND..."""

import os
import signal
import socket
import sys
from functools import partial
from subprocess import PIPE

import trio

# LISTEN_PID has to be the server's own number, which the shell knows before it becomes it.
SERVER = ["sh", "-c", 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"', "sh", *sys.argv[2:]]
serving: list[trio.Process] = []


async def start(nursery: trio.Nursery) -> None:
    run = partial(trio.run_process, SERVER, pass_fds=[3], stdout=PIPE, check=False)
    new: trio.Process = await nursery.start(run)
    if new.stdout and await new.stdout.receive_some():
        print("process", new.pid, "serves", flush=True)
        for old in serving:
            old.terminate()  # it finishes what it has begun
        serving[:] = [new]
    elif not serving:  # it has ended and said nothing; else the old one goes on
        nursery.cancel_scope.cancel()


async def main() -> None:  # SIGHUP: the next server; SIGTERM: the end
    with trio.open_signal_receiver(signal.SIGHUP, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start, nursery)
            while await anext(signals) == signal.SIGHUP:
                nursery.start_soon(start, nursery)
            nursery.cancel_scope.cancel()  # sends SIGTERM, and SIGKILL five seconds later


if __name__ == "__main__":
    with socket.socket(type=socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", int(sys.argv[1])))
        os.dup2(ours.fileno(), 3)  # where servers look for it
        print("port", ours.getsockname()[1], flush=True)
        trio.run(main)
    sys.exit(None if serving else "the server did not start")
