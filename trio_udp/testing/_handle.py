"""`Handle`: what a program holds of a virtual socket, whatever it then does with it.

Several handles may share one `Mailbox` (``dup``); the socket is closed when the last one is. A handle has a number
where a real socket has a file's, and nothing lies behind it: what would need a file, a second process or a connection
is refused here, by name.
"""

from __future__ import annotations

import errno
import socket as stdlib_socket
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import trio

from ._ip import shown
from ._kernel import error

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from typing_extensions import Buffer, Self

    from ._mailbox import Mailbox

# Beyond any number that the system would give to a file, so that nobody can take one for the other.
_filenos = count(10_000_000)


class AtOnce:
    """What is inside does not wait, and is a checkpoint all the same, as a system call inside Trio is one."""

    def __aenter__(self) -> Awaitable[None]:
        return trio.lowlevel.checkpoint_if_cancelled()  # noqa: ASYNC105 - awaited by `async with`

    def __aexit__(self, *_: object) -> Awaitable[None]:
        return trio.lowlevel.cancel_shielded_checkpoint()  # noqa: ASYNC105


at_once = AtOnce()


class Handle(trio.socket.SocketType):
    """A handle to a socket on a virtual host.

    Args:
      mailbox: the socket.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._fileno = next(_filenos)

    # -- what it is ---------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        state = "closed " if self._fileno < 0 else ""
        return f"<{state}virtual socket {self._mailbox.shown_local} on {self._mailbox.host.name}>"

    @property
    def family(self) -> stdlib_socket.AddressFamily:
        return stdlib_socket.AddressFamily(self._mailbox.family)

    @property
    def type(self) -> stdlib_socket.SocketKind:
        return stdlib_socket.SOCK_DGRAM

    @property
    def proto(self) -> int:
        return self._mailbox.proto

    @property
    def did_shutdown_SHUT_WR(self) -> bool:
        return False

    @property
    def _sock(self) -> Self:
        """Where libraries expect the standard library's socket, to ask it for its names and options."""
        return self

    def fileno(self) -> int:
        """A number that is no file's; -1 once it is closed."""
        return self._fileno

    def getsockname(self) -> Any:
        return self._opened().shown_local

    def getpeername(self) -> Any:
        mailbox = self._opened()
        if mailbox.peer is None or mailbox.peer[1] == 0:
            raise error(errno.ENOTCONN)
        return shown(mailbox.family, mailbox.peer)

    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> Any:
        return self._opened().options.get(level, optname, buflen or 0)

    def setsockopt(self, level: int, optname: int, value: int | Buffer | None, optlen: int | None = None) -> None:
        self._opened().options.set(level, optname, value, optlen)

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        if inheritable:
            raise NotImplementedError("a virtual socket cannot be inherited by another process")

    # -- is it ready? -------------------------------------------------------------------------------------------------

    def is_readable(self) -> bool:
        return self._polled().readable

    async def wait_writable(self) -> None:
        async with at_once:
            self._polled()  # the network takes all that it is given

    def _opened(self) -> Mailbox:
        if self._fileno < 0:
            raise error(errno.EBADF)
        self._mailbox.host.catch_up()
        return self._mailbox

    def _polled(self) -> Mailbox:
        """What is asked whether it is ready; of a closed one the system says this instead of EBADF."""
        if self._fileno < 0:
            raise ValueError("file descriptor cannot be a negative integer (-1)")
        return self._opened()

    # -- its end ------------------------------------------------------------------------------------------------------

    def dup(self) -> Self:
        mailbox = self._opened()
        duplicate = type(self)(mailbox)
        mailbox.handles += 1
        return duplicate

    def close(self) -> None:
        if self._fileno < 0:
            return
        self._fileno = -1
        mailbox = self._mailbox
        mailbox.handles -= 1
        if not mailbox.is_open:
            mailbox.closed_at = trio.current_time()
            mailbox.host.release(mailbox)
        mailbox.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def detach(self) -> NoReturn:
        raise NotImplementedError("a virtual socket cannot be detached: there is no file behind it")

    def shutdown(self, flag: int) -> None:
        raise NotImplementedError("the virtual network does not have shutdown() of a datagram socket")

    def listen(self, backlog: int = 0) -> NoReturn:
        self._opened()
        raise error(errno.EOPNOTSUPP)

    async def accept(self) -> NoReturn:
        async with at_once:
            self.listen()

    def share(self, process_id: int) -> NoReturn:
        raise NotImplementedError("a virtual socket cannot be shared with another process")
