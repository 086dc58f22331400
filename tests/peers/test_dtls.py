"""DTLS with OpenSSL's own programs, ``s_client`` and ``s_server``, in both directions; and who is not believed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from tests.cli.child import ROOT, environment, run, serve, start
from tests.dtls.serving import LOCAL, serving
from tests.peers.programs import hosts, in_brackets, need, need_family
from trio_udp.dtls import client_context, open_dtls_channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.child import Child
    from tests.dtls.certificates import Authority, Pair
    from trio_udp import UDPChannel


def s_client(host: str, port: int, *options: str) -> list[str]:
    return [need("openssl"), "s_client", "-dtls1_2", "-connect", f"{in_brackets(host)}:{port}", "-brief", *options]


@contextmanager
def s_server(host: str, pair: Pair, *options: str) -> Iterator[tuple[Child, int]]:
    """What it receives it prints, and what is typed it sends; with cookies, as a server should. And its port."""
    files = ["-cert", str(pair.certificate), "-key", str(pair.key)]
    listen = ["-listen", "-accept", f"{in_brackets(host)}:0"]
    with start(command=[need("openssl"), "s_server", "-dtls1_2", *listen, *files, *options]) as server:
        found = server.out.wait_for(r"ACCEPT .*:(\d+)\n")
        yield server, int(found[1])


# -- our server --------------------------------------------------------------------------------------------------------


@hosts
def test_s_client_is_answered(host: str, authority: Authority, pair: Pair) -> None:
    need_family(host)
    checked = ("-CAfile", str(authority.ca), "-verify_return_error", "-verify_ip", host)
    with serve(f"{in_brackets(host)}:0", "--dtls", str(pair.certificate), str(pair.key), "--prefix", "OK...") as (
        _,
        port,
    ):
        with start(command=s_client(host, port, *checked)) as client:
            client.err.wait_for("Verification: OK")
            for line in ("one", "two", "three"):
                client.type(f"{line}\n".encode())
                client.out.wait_for(rf"OK\.\.\.{line}\n$")


def test_s_clients_that_are_turned_away_do_no_harm(authority: Authority, pair: Pair) -> None:
    """One that does not believe us, one that speaks DTLS 1.0, and one that has nothing but a shared secret."""
    with serve("127.0.0.1:0", "--dtls", str(pair.certificate), str(pair.key)) as (server, port):
        with start(command=s_client("127.0.0.1", port, "-verify_return_error")) as stranger:
            assert stranger.ended() == 1
            server.err.wait_for(r"a handshake failed: no DTLS with 127\.0\.0\.1:\d+: .*unknown ca\n")
        psk = ("-psk", "00112233", "-cipher", "PSK")
        with start(command=s_client("127.0.0.1", port, *psk)) as secretive:
            assert secretive.ended() == 1
            server.err.wait_for(r"no shared cipher\n")
        with start(command=s_client("127.0.0.1", port, "-CAfile", str(authority.ca))) as client:
            client.type(b"still there?\n")
            client.out.wait_for(r"^still there\?\n$")


def test_we_hear_that_s_client_has_gone(authority: Authority, pair: Pair) -> None:
    """At the end of its input it closes the conversation, and so its place is free at once."""
    one = ("--max-tasks", "1")
    with serve("127.0.0.1:0", "--dtls", str(pair.certificate), str(pair.key), *one) as (_, port):
        for number in range(3):
            with start(command=s_client("127.0.0.1", port, "-CAfile", str(authority.ca))) as client:
                client.type(b"%d\n" % number)
                client.out.wait_for(rf"^{number}\n$")
                client.stdin.close()
                assert client.ended() == 0


async def test_a_hello_in_fragments_is_not_answered(pair: Pair) -> None:
    """Trio puts none together, as it would have to keep the parts of who has not shown where it is."""
    with trio.fail_after(60):
        async with serving(pair) as server:
            with start(command=s_client(LOCAL, server.address[1], "-mtu", "256")):
                while server.statistics().dropped.get("bad hello", 0) < 2:
                    await trio.sleep(0.01)
            assert server.statistics().sent == 1, "the cookie, with which the hello no longer fits"


async def test_s_client_that_renegotiates_hears_no_more(authority: Authority, pair: Pair) -> None:
    """It is told no with the goodbye: what OpenSSL has to say leaves when something else does."""
    received: list[bytes] = []

    async def handler(channel: UDPChannel) -> None:
        async for data in channel:
            received.append(data)
            await channel.send(data)

    with trio.fail_after(60):
        async with serving(pair, handler, idle_timeout=3) as server:
            command = [
                word for word in s_client(LOCAL, server.address[1], "-CAfile", str(authority.ca)) if word != "-brief"
            ]
            with start(command=command) as client:
                client.type(b"hello\n")
                await trio.to_thread.run_sync(client.out.wait_for, "(?m)^hello$")
                client.type(b"R\n")  # a command of its own
                await trio.to_thread.run_sync(client.err.wait_for, "RENEGOTIATING")
                client.type(b"still there?\n")
                await trio.to_thread.run_sync(client.err.wait_for, "no renegotiation")
    assert received == [b"hello\n"]


# -- our client --------------------------------------------------------------------------------------------------------


@hosts
def test_s_server_is_asked(host: str, authority: Authority, pair: Pair) -> None:
    need_family(host)
    with s_server(host, pair) as (server, port):
        ask = [
            "request",
            f"{in_brackets(host)}:{port}",
            "--dtls",
            "--ca",
            str(authority.ca),
            "--first",
            "60",
            "hello\n",
        ]
        with start(*ask) as client:
            server.out.wait_for(r"(?m)^hello$")
            server.type(b"and hello to you\n")
            assert client.ended() == 0
            assert client.out.all() == b"and hello to you\n"


def test_s_server_is_not_believed(authority: Authority, pair: Pair) -> None:
    with s_server("127.0.0.1", pair) as (_, port):
        got = run("request", f"127.0.0.1:{port}", "--dtls", "hello")
        assert got.returncode == 1
        assert b"is not believed: certificate verify failed: unable to get issuer cert locally\n" in got.stderr
    with s_server("127.0.0.1", authority.sign("elsewhere", ("elsewhere.example",))) as (_, port):
        got = run("request", f"127.0.0.1:{port}", "--dtls", "--ca", str(authority.ca), "hello")
        assert got.returncode == 1
        assert b"is for 'elsewhere.example', and not for '127.0.0.1'\n" in got.stderr


async def test_a_conversation_with_s_server(authority: Authority, pair: Pair) -> None:
    with s_server("127.0.0.1", pair) as (server, port):
        with trio.fail_after(60):
            async with await open_dtls_channel("127.0.0.1", port, client_context(authority.ca)) as channel:
                for number in range(3):
                    await channel.send(b"question %d\n" % number)
                    await trio.to_thread.run_sync(server.out.wait_for, rf"(?m)^question {number}$")
                    server.type(b"answer %d\n" % number)
                    assert await channel.receive() == b"answer %d\n" % number
            # It hears that we have gone.
            await trio.to_thread.run_sync(server.out.wait_for, "(?m)^DONE$")


# -- the how-to --------------------------------------------------------------------------------------------------------


def test_the_page(tmp_path: Path) -> None:
    """Its commands, one after another, in an empty folder; but for the port."""
    page = (ROOT / "docs" / "howto" / "dtls.rst").read_text(encoding="utf-8")
    lines = [shlex.split(line) for line in re.findall(r"^   \$ (.*)$", page, re.MULTILINE)]
    _, authority, certificate, serving, asking, client, mine = lines
    for program, *options in (authority, certificate, mine):
        subprocess.run([need(program), *options], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    known_clients = [sys.executable, str(ROOT / "docs" / "examples" / "dtls" / "known_clients.py")]
    known = subprocess.run(known_clients, cwd=tmp_path, check=True, capture_output=True, timeout=60, env=environment())
    assert known.stdout.splitlines()[0] == b"b'IT IS ME'"
    with serve("0", *serving[5:], cwd=tmp_path) as (_, port):

        def here(words: list[str]) -> list[str]:
            return [word.replace("4433", str(port)) for word in words]

        answer = run(*here(asking[3:]), cwd=tmp_path)
        assert (answer.stdout, answer.stderr) == (b"OK...Hello", b"")
        [refused] = run(*here([word for word in asking[3:] if word not in ("--ca", "ca.pem")])).stderr.splitlines()
        assert re.sub(r"\S+:\d+", "#", refused.decode()) in re.sub(r"\S+:\d+", "#", page)
        with start(command=[need(client[0]), *here(client[1:])], cwd=tmp_path) as s_client:
            s_client.out.wait_for(r"Verify return code: 0 \(ok\)")
            s_client.type(b"from OpenSSL\n")
            s_client.out.wait_for(r"(?m)^OK\.\.\.from OpenSSL$")
