"""Sockets that somebody else has opened: systemd, or whoever does it in systemd's way.

A server that opens its own socket loses what comes while it is restarted: between the end of one process and the start
of the next one there is no socket. A socket that belongs to neither of them keeps what comes, as far as its buffer
goes, and the next process answers it. Its owner may also bind a port for which the server has no rights.

sd_listen_fds(3) says how such sockets are passed on: they are the file descriptors from 3, LISTEN_FDS says how many,
and LISTEN_PID for which process they are meant. The variables are inherited by any process further down, for which the
descriptors are not meant or not even open; so they are taken away here, and the descriptors are closed on exec.

The C function says 0 where the variables are there and are for another process. Here that is an error: it is what a
shell between systemd and the server makes of it, and a server that goes on would open its port next, which systemd has.

What we refuse: to set anything on these sockets that was not asked for. Whoever has opened them has chosen their
buffer, their interface and the rest, and keeps the same socket for the next process.
"""

from __future__ import annotations

import os
import socket as stdlib_socket

import trio

from ._endpoint import UDPEndpoint

__all__ = ["endpoints_from_systemd"]

# SD_LISTEN_FDS_START in sd-daemon.h
_FIRST = 3

_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def endpoints_from_systemd(*, reply_from_asked: bool = False) -> list[UDPEndpoint]:
    """The UDP sockets that systemd has opened for this process: socket activation.

    They come in the order of the ``ListenDatagram=`` lines of the ``.socket`` unit, and stay as they were set up there,
    ``ReceiveBuffer=`` for example. Serve them with `serve_endpoints`. Where there are none the list is empty, so a
    program that can be started either way says::

        endpoints = endpoints_from_systemd() or await open_udp_endpoints(10000)

    Args:
      reply_from_asked: as `open_udp_endpoint` has it; it stays on for the socket.

    Returns:
      An endpoint for each. Another call finds none, as the environment variables that tell of them have been removed.

    Resource handling:
      You close them, or `serve_endpoints` does. The socket itself lives on where its owner keeps it open. Programs that
      this process starts do not inherit it.

    Raises:
      ValueError: what was passed makes no sense: it is meant for another process, or is no UDP socket; or this platform
        does not have ``reply_from_asked``. The message says which. Nothing was taken then, and another call says the
        same.
    """
    sockets: list[stdlib_socket.socket] = []
    try:
        for fd in range(_FIRST, _FIRST + _count(os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS"))):
            sockets.append(_take(fd))
        trio_sockets = map(trio.socket.from_stdlib_socket, sockets)
        endpoints = [UDPEndpoint(socket, reply_from_asked=reply_from_asked) for socket in trio_sockets]
    except ValueError:
        for socket in sockets:
            socket.detach()
        raise
    for name in _VARIABLES:
        os.environ.pop(name, None)
    for socket in sockets:
        socket.set_inheritable(False)
    return endpoints


def passed_to_us() -> bool:
    """Has somebody opened sockets for this process, which nobody has taken yet?"""
    return os.environ.get("LISTEN_PID") == str(os.getpid())


def _count(pid: str | None, fds: str | None) -> int:
    """How many sockets are meant for this process."""
    if fds is None:
        return 0
    if not (fds.isascii() and fds.isdigit()):
        raise ValueError(f"LISTEN_FDS must be the number of sockets passed, not {fds!r}")
    if pid != str(os.getpid()):
        whose = "nobody: LISTEN_PID is not set" if pid is None else f"process {pid}"
        raise ValueError(
            f"the sockets of LISTEN_FDS are meant for {whose}, and this is process {os.getpid()}: start this program "
            "itself from the unit; a shell in between has to say exec"
        )
    return int(fds)


def _take(fd: int) -> stdlib_socket.socket:
    try:
        socket = stdlib_socket.socket(fileno=fd)
    except OSError as error:
        raise ValueError(f"LISTEN_FDS says that file descriptor {fd} is a socket, but: {error.strerror}") from None
    if socket.type == stdlib_socket.SOCK_DGRAM and socket.family in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
        return socket
    what = f"{_name(socket.family)}, {_name(socket.type)}"
    socket.detach()
    raise ValueError(
        f"file descriptor {fd} of LISTEN_FDS must be a UDP socket (ListenDatagram= with a port), but is {what}"
    )


def _name(number: int) -> str:
    """``AF_UNIX``, or the number where this Python has no name for it."""
    return getattr(number, "name", str(number))
