"""What a program may not take where it is played: all memory, the real network, and real time.

Only in the child process, since the first two hold for a process and are never lifted again. It is no prison: whoever
wants to get out does, by another process for instance. It is for those who do not know that they are outside: `import
socket` where `trio.socket` was meant looks the same, and would send real datagrams to whoever has the addresses of a
lesson; `time.sleep` where `trio.sleep` was meant stops every task, while virtual time stands still. Both are told.

The network is watched by an audit hook (PEP 578), so that it does not matter which module asks for a socket. Trio's
loop has a pair of them for itself, which on Windows are of the internet's family: what its core asks for it gets.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import trio

from .. import testing
from ._learner import NotAsAsked

if TYPE_CHECKING:
    from pathlib import Path

# Bytes; a lesson takes some 50 MB.
MOST_MEMORY = 2 << 30

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
_TRIO, _TESTING = (os.path.dirname(os.path.abspath(str(module.__file__))) + os.sep for module in (trio, testing))
_CORE = os.path.join(_TRIO, "_core") + os.sep


def bound_memory() -> None:
    """Let nothing in this process take more than `MOST_MEMORY`, where the system can do that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def refuse_real_network() -> None:
    """Let nothing in this process have a socket of the internet, or ask for a name, from now on."""
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.__new__":
        is_real = arguments[1] in _INTERNET and not _asker().startswith(_CORE)
    else:  # of names Trio, and the virtual network, ask for numbers only, which leaves nothing
        is_real = event in _NAMES and not _asker().startswith((_TRIO, _TESTING))
    if is_real:
        raise NotAsAsked(
            "this would use the real network, and the lesson's is virtual: its sockets come from trio.socket, inside "
            "of the functions that the lesson calls"
        )


def _asker() -> str:
    """The file that has called what is audited, through the socket module or not."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename == socket.__file__:
        frame = frame.f_back
    return frame.f_code.co_filename


def refuse_real_sleep(path: Path) -> None:
    """Let no line of this file call `time.sleep`, from now on; a thread that does so stops nobody."""
    really_sleep = time.sleep

    def sleep(seconds: Any) -> None:
        if sys._getframe(1).f_code.co_filename == str(path):
            raise NotAsAsked(
                "time.sleep stops all tasks, not only this one, and no virtual time passes meanwhile. What lets the "
                "others go on is `await trio.sleep(...)`"
            )
        really_sleep(seconds)

    time.sleep = sleep
