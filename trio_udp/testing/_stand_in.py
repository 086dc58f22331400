"""`StandIn`: what is in the place of Trio's sockets and names for a while.

Trio has one place for a socket factory, and networks may be entered inside each other, or one after another where the
first ends first. So who leaves puts back what was there before, unless that has ended meanwhile; and where another one
has come since, that stays.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator


class StandIn(trio.abc.SocketFactory, trio.abc.HostnameResolver):
    """A socket factory and resolver that Trio uses for a while."""

    def __init__(self) -> None:
        self._ended_at: float | None = None  # seconds on Trio's clock
        self._before: tuple[trio.abc.SocketFactory | None, trio.abc.HostnameResolver | None] = (None, None)

    @contextmanager
    def _in_trios_place(self) -> Iterator[None]:
        self._before = trio.socket.set_custom_socket_factory(self), trio.socket.set_custom_hostname_resolver(self)
        try:
            yield
        finally:
            self._ended_at = trio.current_time()
            self._put_back()

    def _put_back(self) -> None:
        """Put back what was there before; where networks are not entered inside each other, who runs still stays."""
        factory, resolver = self._before
        while isinstance(factory, StandIn) and factory._ended_at is not None:
            factory, resolver = factory._before
        present = trio.socket.set_custom_socket_factory(factory)
        if isinstance(present, StandIn) and present._ended_at is None:
            trio.socket.set_custom_socket_factory(present)
        resolving = trio.socket.set_custom_hostname_resolver(resolver)
        if isinstance(resolving, StandIn) and resolving._ended_at is None:
            trio.socket.set_custom_hostname_resolver(resolving)
