"""A UDP socket that stays while its servers come and go: handover.py PORT COMMAND...

What servers say is passed on. One that serves says so, in a line that begins like READY.
"""

import math
import os
import re
import signal
import socket
import sys
from functools import partial
from subprocess import PIPE, STDOUT

import trio

# LISTEN_PID has to be the server's own number, which the shell knows before it becomes it.
SERVER = ["sh", "-c", 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"', "sh", *sys.argv[2:]]
READY = re.compile(rb"\n(serving|listening on|waiting on port)\b")
PATIENCE = float(os.environ.get("PATIENCE", "10"))  # seconds, to begin, and to end
started: list[trio.Process] = []  # and not ended
serving: list[trio.Process] = []


async def run_server(nursery: trio.Nursery) -> None:
    run = partial(trio.run_process, pass_fds=[3], stdout=PIPE, stderr=STDOUT, check=False)
    new: trio.Process = await nursery.start(run, SERVER)
    started.append(new)
    with trio.move_on_after(PATIENCE) as patience:
        await pass_on(new, patience)
    if patience.deadline < math.inf:
        late = f"was not ready after {PATIENCE:g} s, and is ended"
        why = late if patience.cancelled_caught else "ended before it was ready"
        print("process", new.pid, why, flush=True)
        new.kill()
    started.remove(new)
    if not started and not serving:
        nursery.cancel_scope.cancel()


async def pass_on(server: trio.Process, patience: trio.CancelScope) -> None:
    """To the very end: a server that nobody reads from stands still after 64 KiB."""
    assert server.stdout
    before = b"\n"
    async for said in server.stdout:
        # In a thread, as it may have to wait for who reads from us.
        await trio.to_thread.run_sync(os.write, 1, said, abandon_on_cancel=True)
        is_awaited = patience.deadline < math.inf and not patience.cancel_called
        if is_awaited and READY.search(before + said):
            patience.deadline = math.inf
            take_over(server)
        before = (before + said)[-20:]


def take_over(new: trio.Process) -> None:
    print("process", new.pid, "serves", flush=True)
    for old in serving:
        old.terminate()  # it finishes what it has begun
    serving[:] = [new]


async def main() -> None:  # SIGHUP: the next server; SIGTERM: the end
    with trio.open_signal_receiver(signal.SIGHUP, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_server, nursery)
            while await anext(signals) == signal.SIGHUP:
                nursery.start_soon(run_server, nursery)
            for server in started:
                server.terminate()
            # For their last words; then SIGTERM again, and SIGKILL five seconds later.
            nursery.cancel_scope.deadline = trio.current_time() + PATIENCE


if __name__ == "__main__":
    with socket.socket(type=socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", int(sys.argv[1])))
        os.dup2(ours.fileno(), 3)  # where servers look for it
        print("port", ours.getsockname()[1], flush=True)
        trio.run(main)
    sys.exit(None if serving else "the server did not start")
