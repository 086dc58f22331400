"""Real programs that nobody here wrote: found, or their tests skipped; and how each is started.

With TRIO_UDP_REQUIRE_PEERS=1, as in continuous integration, a missing one is a failure: a test that is always skipped
tests nothing.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import PATIENCE, has_ipv6, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.cli.child import Child

    ClientCommand = Callable[[str, int], list[str]]
    EchoServer = Callable[[str], AbstractContextManager[int]]


def need(program: str) -> str:
    """The path of a program that this test talks to."""
    for places in (None, "/usr/sbin:/usr/local/sbin"):  # where servers are, and not on everybody's PATH
        if (path := shutil.which(program, path=places)) is not None:
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


# -- clients: standard input is sent, replies come on standard output --------------------------------------------------


def ncat(host: str, port: int) -> list[str]:
    return [need("ncat"), "-u", host, str(port)]


def nc(host: str, port: int) -> list[str]:
    return [need("nc"), "-u", host, str(port)]


def socat(host: str, port: int) -> list[str]:
    family = "UDP6" if ":" in host else "UDP4"
    return [need("socat"), "-", f"{family}:{in_brackets(host)}:{port}"]


clients = pytest.mark.parametrize("client", [ncat, nc, socat])
hosts = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])


# -- echo servers, and their port --------------------------------------------------------------------------------------


@contextmanager
def ncat_echo(host: str) -> Iterator[int]:
    """Ncat runs one cat per peer."""
    program, cat = need("ncat"), need("cat")
    options = ["-vv", "-u", "-l", "-k", "--exec", cat, host]
    with on_a_free_port(lambda port: [program, *options, port], host, "Listening on") as (_, port):
        yield port


@contextmanager
def socat_echo(host: str) -> Iterator[int]:
    """Socat forks for each datagram."""
    program, cat = need("socat"), need("cat")
    family = "UDP6-RECVFROM" if ":" in host else "UDP4-RECVFROM"
    options = f"bind={in_brackets(host)},fork"

    def command(port: str) -> list[str]:
        return [program, "-d", "-d", f"{family}:{port},{options}", f"EXEC:{cat}"]

    with on_a_free_port(command, host, "receiving on") as (_, port):
        yield port


echo_servers = pytest.mark.parametrize("echo", [ncat_echo, socat_echo])


@contextmanager
def nc_listening(host: str) -> Iterator[tuple[Child, int]]:
    """A person with nc: what they see is the request, what they type is the reply. And the port."""
    program = need("nc")
    with on_a_free_port(lambda port: [program, "-u", "-l", "-v", host, port], host, "Bound on") as nc_and_port:
        yield nc_and_port


# -- a DNS server and a TFTP server, and their ports -------------------------------------------------------------------


@contextmanager
def unbound(folder: Path) -> Iterator[int]:
    """Unbound, which knows one name and asks nobody about others."""
    program = need("unbound")

    def command(port: str) -> list[str]:
        configuration = folder / "unbound.conf"
        configuration.write_text(UNBOUND.format(folder=folder, port=port))
        return [program, "-d", "-c", str(configuration)]

    with on_a_free_port(command, "127.0.0.1", "start of service") as (_, port):
        yield port


UNBOUND = """\
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  do-tcp: no
  interface: 127.0.0.1@{port}
  module-config: "iterator"
  local-zone: "." static
  local-data: "www.example. 60 IN A 192.0.2.1"
remote-control:
  control-enable: no
"""


@contextmanager
def atftpd(folder: Path) -> Iterator[int]:
    """Atftpd, which gives out the files of a folder, each from a port of its own."""
    program = need("atftpd")
    import grp  # which Windows does not have

    me = f"{getpass.getuser()}.{grp.getgrgid(os.getgid()).gr_name}"
    options = ["--daemon", "--no-fork", "--logfile", "-", "--verbose=7", "--user", me, "--bind-address", "127.0.0.1"]

    def command(port: str) -> list[str]:
        return [program, *options, "--port", port, str(folder)]

    with on_a_free_port(command, "127.0.0.1", "running in daemon mode") as (_, port):
        yield port


# -- a load balancer, and its port -------------------------------------------------------------------------------------


@contextmanager
def nginx(folder: Path, configuration: str, workers: dict[str, int]) -> Iterator[int]:
    """Nginx, with what stands for its own port in the configuration, 10000, and for others replaced.

    Args:
      folder: for its files.
      configuration: with a ``stream`` block.
      workers: ports as they are written there, and as they are.
    """
    program = need("nginx")
    for written, port in workers.items():
        configuration = configuration.replace(f":{written}", f":{port}")
    # In Debian the module for UDP is a file of its own (libnginx-mod-stream); elsewhere it may be built in.
    modules = re.search(r"--modules-path=(\S+)", _said_of_itself(program))
    module = Path(modules[1] if modules else "", "ngx_stream_module.so")
    head = f"load_module {module};\n" if module.exists() else ""
    head += "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\n"

    def command(port: str) -> list[str]:
        path = folder / "nginx.conf"
        path.write_text(head + configuration.replace(":10000", f":{port}"))
        return [program, "-p", str(folder), "-c", str(path), "-e", "stderr"]

    with on_a_free_port(command, "127.0.0.1", r"OS: ") as (_, port):
        yield port


def _said_of_itself(program: str) -> str:
    return subprocess.run(
        [program, "-V"], stderr=subprocess.PIPE, encoding="utf-8", check=True, timeout=PATIENCE
    ).stderr
