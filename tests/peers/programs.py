"""Real programs that nobody here wrote: found, or their tests skipped.

With TRIO_UDP_REQUIRE_PEERS=1, as in continuous integration, a missing one is a failure: a test that is always skipped
tests nothing.
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import has_ipv6, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.child import Child


def need(program: str) -> str:
    """The path of a program that this test talks to."""
    if (path := shutil.which(program)) is not None:
        return path
    if os.environ.get("TRIO_UDP_REQUIRE_PEERS") == "1":
        pytest.fail(f"{program} is not installed, and TRIO_UDP_REQUIRE_PEERS=1")
    pytest.skip(f"{program} is not installed")


def need_family(host: str) -> None:
    """Skip on a machine without IPv6 what needs it."""
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6 here")


def in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def on_a_free_port(command: Callable[[str], list[str]], host: str, ready: str) -> Iterator[tuple[Child, int]]:
    """Run a server that cannot choose a port itself.

    Between our finding one that is free and its taking it somebody else may have got it: then another.

    Args:
      command: makes the command line of a port number.
      host: where it is to be free.
      ready: what the server says on standard error when it listens.
    """
    with ExitStack() as servers:
        for tries_left in reversed(range(10)):
            port = _free_port(host)
            server = servers.enter_context(start(command=command(str(port))))
            try:
                server.err.wait_for(ready)
                break
            except AssertionError:
                if not tries_left or server.process.poll() is None:
                    raise
        yield server, port


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
