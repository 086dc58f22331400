"""The echo servers under test: ``python -m tests.benchmarks.servers NAME [--core N]``.

Each prints its port on standard output, then echoes on 127.0.0.1 until its standard input is
closed, and never for longer than `LIFE`: a benchmark that was killed leaves nobody behind. All wish
for the same receive buffer, 4 MiB, which is also what trio_udp asks for when nobody says otherwise.

The peers are written as their own documentation would have them, one `await` to receive and one to
send. What they do beyond that (Trio looks at the address in each `sendto`, AnyIO converts it in
each `receive`) is what their users pay too.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import NoReturn

import trio

from .compiled import compile_program, find_compiler

HOST = "127.0.0.1"
RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes
LIFE = 120  # seconds


def _announce(port: int) -> None:
    print(port, flush=True)


async def _serve_udp() -> None:
    from trio_udp import Datagram, serve_udp

    async def echo(datagram: Datagram) -> bytes:
        return datagram.data

    async with trio.open_nursery() as nursery:
        endpoints = await nursery.start(partial(serve_udp, echo, 0, host=HOST))
        _announce(endpoints[0].address[1])


async def _serve_trio() -> None:
    with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        await sock.bind((HOST, 0))
        _announce(sock.getsockname()[1])
        while True:
            data, address = await sock.recvfrom(65535)
            await sock.sendto(data, address)


async def _serve_anyio() -> None:
    import anyio
    from anyio.abc import SocketAttribute

    async with await anyio.create_udp_socket(socket.AF_INET, local_host=HOST) as udp:
        raw = udp.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        _announce(udp.extra(SocketAttribute.local_port))
        while True:
            data, (host, port) = await udp.receive()
            await udp.sendto(data, host, port)


def _run_anyio() -> None:
    import anyio

    anyio.run(_serve_anyio, backend="trio")


def _run_c() -> NoReturn:
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.bind((HOST, 0))
    sock.set_inheritable(True)
    with TemporaryDirectory() as directory:
        program = os.open(compile_program("echo", directory), os.O_RDONLY)
    # From here on this process is the C program: same socket, same core, same alarm. By descriptor,
    # because its file is already gone.
    _announce(sock.getsockname()[1])
    os.execve(program, ["echo", str(sock.fileno())], {})


async def _relay_to(port: int) -> None:
    from trio_udp.relay import serve_relay

    async with trio.open_nursery() as nursery:
        relay = await nursery.start(partial(serve_relay, HOST, 0, HOST, port))
        _announce(relay.address[1])


def _run_relay() -> None:
    own = os.sched_getaffinity(0)
    other_core = min(set(range(os.cpu_count() or 1)) - own or own)
    command = [sys.executable, "-m", f"{__package__}.servers", "c", "--core", str(other_core)]
    # It ends with its standard input, which ends with this process.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        trio.run(_relay_to, int(server.stdout.readline()))


SERVERS: dict[str, Callable[[], object]] = {
    "serve_udp": partial(trio.run, _serve_udp),
    "trio": partial(trio.run, _serve_trio),
    "anyio": _run_anyio,
    "c": _run_c,
    "relay": _run_relay,  # in front of c, without faults: it handles two datagrams for each echo
}
"""Name and program of each; in this order they are measured."""


def why_missing(name: str) -> str | None:
    """Why the server `name` cannot run here, or None if it can."""
    if name in ("c", "relay"):
        return None if find_compiler() else "no C compiler"
    package = {"serve_udp": "trio_udp"}.get(name, name)
    return None if importlib.util.find_spec(package) else f"{package} is not installed"


def _end_with_standard_input() -> None:
    # Unbuffered: a daemon thread that held the lock of sys.stdin would spoil a normal exit.
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> None:
    """Run the server that the command line names."""
    parser = argparse.ArgumentParser(description="Run one echo server under test.")
    parser.add_argument("name", choices=SERVERS)
    parser.add_argument("--core", type=int, help="the only core to run on")
    arguments = parser.parse_args()
    if reason := why_missing(arguments.name):
        sys.exit(reason)
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    signal.alarm(LIFE)  # its default action ends the process, however busy
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    SERVERS[arguments.name]()


if __name__ == "__main__":
    main()
