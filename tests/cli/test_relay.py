"""``relay`` as a person starts it, and what each of its options means."""

from __future__ import annotations

import argparse
import re
import signal
import socket
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from tests.cli.child import PATIENCE, has_ipv6, relay, run, serve, start
from trio_udp._asked import is_available
from trio_udp.cli import main, make_parser
from trio_udp.cli._faults import Network, read_network
from trio_udp.faults import PRESETS, Drop, GilbertElliott, InFlight, Link, Passage, Rebind
from trio_udp.relay import serve_relay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.child import Child

HERE, THERE = ("127.0.0.1", 1), ("127.0.0.1", 2)


# -- as a program -----------------------------------------------------------------------------------------------------


@pytest.fixture
def target() -> Iterator[socket.socket]:
    """A server that the test plays."""
    with socket.socket(type=socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        target.settimeout(PATIENCE)
        yield target


def stop(child: Child, number: signal.Signals = signal.SIGINT) -> tuple[int, list[str]]:
    """Its exit code, and all that it has said after the first line."""
    child.send_signal(number)
    code = child.ended()
    return code, child.err.all().decode().splitlines()[1:]


def test_it_relays_both_ways_and_counts(peer: socket.socket, target: socket.socket) -> None:
    with relay(target.getsockname()[1]) as (child, port):
        peer.connect(("127.0.0.1", port))
        for data in (b"one", b"", b"three"):
            peer.send(data)
            received, address = target.recvfrom(100)
            target.sendto(received * 2, address)
            assert (received, peer.recv(100)) == (data, data * 2)
        code, said = stop(child)
    assert code == 130
    assert said == [
        "--- 1 client ---",
        "--- to the server ---",
        "received 3 datagrams, 8 bytes",
        "sent     3 datagrams, 8 bytes",
        "--- to the clients ---",
        "received 3 datagrams, 16 bytes",
        "sent     3 datagrams, 16 bytes",
    ]
    assert child.out.all() == b""


def test_what_is_dropped_is_told_and_counted(peer: socket.socket, target: socket.socket) -> None:
    with relay(target.getsockname()[1], "--drop-first", "2") as (child, port):
        me = f"127.0.0.1:{peer.getsockname()[1]}"
        peer.connect(("127.0.0.1", port))
        for data in (b"one", b"two", b"three"):
            peer.send(data)
        assert target.recv(100) == b"three"
        code, said = stop(child, signal.SIGTERM)
    assert code == 0
    assert said[:6] == [
        f"client 1, {me} -> datagram 1, 3 bytes, dropped: drop_first",
        f"client 1, {me} -> datagram 2, 3 bytes, dropped: drop_first",
        "--- 1 client ---",
        "--- to the server ---",
        "received 3 datagrams, 11 bytes",
        "sent     1 datagram, 5 bytes",
    ]
    assert said[6] == "dropped  2 drop_first"


def test_what_is_damaged_or_doubled_on_the_way_back(peer: socket.socket, target: socket.socket) -> None:
    options = ["--corrupt", "1", "--duplicate", "1", "--backward-only"]
    with relay(target.getsockname()[1], *options) as (child, port):
        me = f"127.0.0.1:{peer.getsockname()[1]}"
        peer.sendto(b"hello", ("127.0.0.1", port))
        data, address = target.recvfrom(100)
        target.sendto(data, address)
        assert data == b"hello"
        assert peer.recv(100) == peer.recv(100) != b"hello"
        _, said = stop(child)
    assert said == [
        f"client 1, {me} <- datagram 1, 5 bytes, damaged",
        "--- 1 client ---",
        "--- to the server ---",
        "received 1 datagram, 5 bytes",
        "sent     1 datagram, 5 bytes",
        "--- to the clients ---",
        "received 1 datagram, 5 bytes",
        "sent     2 datagrams, 10 bytes",
        "doubled  1 datagram",
        "damaged  1 datagram",
    ]


def test_quiet(peer: socket.socket, target: socket.socket) -> None:
    with relay(target.getsockname()[1], "--drop-first", "1", "--quiet") as (child, port):
        for data in (b"one", b"two"):
            peer.sendto(data, ("127.0.0.1", port))
        assert target.recv(100) == b"two"
        _, said = stop(child)
    assert not any(" -> " in line for line in said)
    assert "dropped  1 drop_first" in said


@pytest.mark.parametrize("seed", [7, 8])
def test_the_seed_decides_what_is_lost(seed: int, peer: socket.socket, target: socket.socket) -> None:
    passage = Passage(Link(loss=0.5), seed, ("client", 1, "forward"))
    lost = [n for n in range(1, 21) if passage.fate(0.0, n, b"", 28).dropped]
    with relay(target.getsockname()[1], "--loss", ".5", "--seed", str(seed)) as (child, port):
        for n in range(1, 21):
            peer.sendto(b"%d" % n, ("127.0.0.1", port))
        survivors = [int(target.recv(100)) for _ in range(20 - len(lost))]
        child.err.wait_for(f"datagram {lost[-1]},")
        _, said = stop(child)
    assert survivors == [n for n in range(1, 21) if n not in lost]
    assert re.findall(r"-> datagram (\d+), \d bytes?, dropped: loss", "\n".join(said)) == [str(n) for n in lost]
    assert f"dropped  {len(lost)} loss" in said


def test_localhost_has_two_families() -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    with serve("127.0.0.1:0") as (_, server), start("relay", "*:0", str(server)) as child:
        port = int(child.err.wait_for(r"relaying .*:(\d+) to localhost:\d+\n")[1])
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.sendto(b"hello", ("::1", port))
            assert client.recv(100) == b"hello"


@pytest.mark.skipif(not is_available(), reason="this platform does not tell which address was asked")
def test_it_replies_from_the_address_that_was_asked(peer: socket.socket) -> None:
    with serve("127.0.0.1:0") as (_, server), start("relay", "*:0", str(server)) as child:
        port = int(child.err.wait_for(r"relaying .*:(\d+) to localhost:\d+\n")[1])
        for host in ("127.0.0.1", "127.0.0.2"):
            peer.sendto(b"hello", (host, port))
            assert peer.recvfrom(100) == (b"hello", (host, port))


def test_a_server_that_is_not_there(peer: socket.socket, refusing_port: int) -> None:
    with relay(refusing_port, "--corrupt", "1") as (child, port):
        for _ in range(3):
            peer.sendto(b"hello", ("127.0.0.1", port))
        child.err.wait_for("datagram 3, 5 bytes, damaged")  # by then the refusal of the first was told
        code, said = stop(child)
    assert code == 130
    assert any(re.fullmatch(r"errors   \d ECONNREFUSED", line) for line in said)


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("7000 70000", "a port is a number from 1 to 65535, not '70000'"),
        ("7000 0", "a port is a number from 1 to 65535, not '0'"),
        ("7000", "the following arguments are required: HOST:PORT"),
        ("7000 8000 --loss 30", "a probability is a number from 0 to 1, like 0.3, not '30'"),
        ("7000 8000 --delay -1", "a time is a number of seconds of at least 0 and at most 1e+09, like 0.5, not '-1'"),
        ("7000 *:8000", "* is for listening on every interface; a server has one host, not '*:8000'"),
        ("7000 8000 --rebind 1e-9", "every must be a finite number, at least 0.001, not 1e-09"),
        ("7000 8000 --burst .1", "a burst is LOSS,LENGTH, like 0.1,4 for 10 % lost, 4 in a row, not '.1'"),
        ("7000 8000 --burst .9,1", "loss must be at most 0.5 for bursts of 1.0, not 0.9"),
        ("7000 8000 --exact-loss 11/10", "exact loss is LOST/OF, like 3/10 for 3 of every 10, not '11/10'"),
        ("7000 8000 --exact-loss 3", "exact loss is LOST/OF, like 3/10 for 3 of every 10, not '3'"),
        ("7000 8000 --exact-loss 0/0", "exact loss is LOST/OF, like 3/10 for 3 of every 10, not '0/0'"),
        ("7000 8000 --in-a-row 0", "this has to be a whole number, 1 or more, not '0'"),
        ("7000 8000 --rate 0", "a rate is bits per second above 0, like 64k or 1.5M, not '0'"),
        ("7000 8000 --rate fast", "a rate is bits per second above 0, like 64k or 1.5M, not 'fast'"),
        ("7000 8000 --rate inf", "a rate is bits per second above 0, like 64k or 1.5M, not 'inf'"),
        ("7000 8000 --queue -1", "this has to be a whole number, 0 or more, not '-1'"),
        ("7000 8000 --mtu 67", "this has to be a whole number, 68 or more, not '67'"),
        ("7000 8000 --jitter-shape flat", "invalid choice: 'flat'"),
        ("7000 8000 --preset moon", "invalid choice: 'moon' (choose from"),
        ("7000 8000 --drop-first 0", "this has to be a whole number, 1 or more, not '0'"),
        ("7000 8000 --rebind 0", "a time is a number of seconds above 0 and at most 1e+09 here, like 0.5, not '0'"),
        ("7000 8000 --idle-timeout 0", "a number of seconds above 0 and at most 1e+09 here, like 0.5, not '0'"),
        ("7000 8000 --max-clients 0", "this has to be a whole number, 1 or more, not '0'"),
        ("7000 8000 --max-waiting x", "this has to be a whole number, 1 or more, not 'x'"),
        ("7000 8000 --forward-only --backward-only", "not allowed with argument"),
        ("7000 8000 --seed x", "invalid int value: 'x'"),
    ],
)
def test_what_makes_no_sense_is_a_line(arguments: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["relay", *arguments.split()])
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line
    assert line.endswith("; see --help")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--rebind 3 --backward-only", "--rebind is on the way to the server: leave --backward-only out"),
        ("--queue 5", "--queue needs --rate"),
        ("--queue 5 --preset rfc2488-satellite", "--queue needs --rate"),
        ("--jitter-shape normal", "--jitter-shape needs --jitter"),
        ("--jitter-shape normal --jitter 0", "--jitter-shape needs --jitter"),
        ("--reorder-delay 1", "--reorder-delay needs --reorder"),
        ("--in-a-row 1", "--in-a-row needs --loss, --burst, --corrupt, --garble or --truncate"),
        ("--in-a-row 1 --exact-loss 3/10", "--in-a-row needs --loss, --burst, --corrupt, --garble or --truncate"),
        ("--in-a-row 1 --preset wifi", "--in-a-row needs --loss, --burst, --corrupt, --garble or --truncate"),
    ],
)
def test_what_would_do_nothing_is_a_line(options: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "7000", "8000", *options.split()]) == 2
    assert capsys.readouterr().err == f"trio_udp relay: {why}\n"


@pytest.mark.parametrize(
    "options",
    [
        "--queue 5 --preset wifi",
        "--in-a-row 1 --preset interop-drop-rate",
        "--in-a-row 1 --preset quic4sat-lossy --forward-only",
        "--rebind 3 --forward-only",
    ],
)
def test_what_a_preset_has_need_not_be_said(options: str) -> None:
    network(options)


def test_a_preset_on_the_way_back_has_no_new_ports() -> None:
    """They are no part of that way."""
    assert network("--preset interop-rebind --backward-only").rebind is None


def test_a_server_that_cannot_be_found() -> None:
    ended = run("relay", "0", "a..b:7")
    assert ended.returncode == 1
    assert re.fullmatch(r"trio_udp relay: cannot find the host 'a\.\.b': .+\n", ended.stderr.decode())


def test_a_port_in_use(peer: socket.socket, target: socket.socket) -> None:
    port = peer.getsockname()[1]
    ended = run("relay", f"127.0.0.1:{port}", f"127.0.0.1:{target.getsockname()[1]}")
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"trio_udp relay: cannot open UDP 127.0.0.1:%d: " % port)
    assert b"another program has it" in ended.stderr


def test_its_own_target() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ended = run("relay", f"127.0.0.1:{port}", f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert ended.stderr.decode() == f"trio_udp relay: a relay cannot be its own target: 127.0.0.1:{port}\n"


# -- what the options mean --------------------------------------------------------------------------------------------


def network(options: str) -> Network:
    return read_network(parse(options))


def parse(options: str) -> argparse.Namespace:
    return make_parser().parse_args(["relay", "7000", "8000", *options.split()])


@pytest.mark.parametrize(
    ("options", "link"),
    [
        ("", Link()),
        ("--loss .3", Link(loss=0.3)),
        ("--burst .1,4", Link(burst=GilbertElliott.average(0.1, 4))),
        ("--exact-loss 3/10", Link(exact_loss=(3, 10))),
        ("--in-a-row 2 --loss .3", Link(in_a_row=2, loss=0.3)),
        ("--in-a-row 2 --truncate 1", Link(in_a_row=2, truncate=1)),
        ("--delay .05 --jitter .02", Link(delay=0.05, jitter=0.02)),
        ("--jitter .02 --jitter-shape normal", Link(jitter=0.02, jitter_shape="normal")),
        ("--duplicate .1", Link(duplicate=0.1)),
        ("--reorder .1 --reorder-delay 0", Link(reorder=0.1, reorder_delay=0)),
        ("--corrupt 1 --garble .2 --truncate .3", Link(corrupt=1, garble=0.2, truncate=0.3)),
        ("--rate 9600", Link(rate=9600)),
        ("--rate 64k --queue 0", Link(rate=64_000, queue=0)),
        ("--rate 1.5M", Link(rate=1_500_000)),
        ("--rate 1G --mtu 68", Link(rate=1e9, mtu=68)),
    ],
)
def test_options_are_fields_of_link(options: str, link: Link) -> None:
    both = network(options)
    assert (both.forward, both.backward) == (link, link)
    assert (both.forward_rules, both.backward_rules, both.rebind) == ((), (), None)
    there, back = network(options + " --forward-only"), network(options + " --backward-only")
    assert (there.forward, there.backward) == (link, Link())
    assert (back.forward, back.backward) == (Link(), link)


def test_every_field_has_an_option() -> None:
    args = vars(parse(""))
    assert {field.name for field in fields(Link)} <= set(args)
    assert all(args[field.name] is None for field in fields(Link))


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    preset, made = PRESETS[name], network(f"--preset {name}")
    assert (made.forward, made.backward, made.rebind) == (preset.forward, preset.backward, preset.rebind)
    assert len(made.forward_rules) == len(made.backward_rules) == len(preset.make_rules())
    assert made.forward_rules == made.backward_rules  # one black hole takes both ways at once
    one_way = network(f"--preset {name} --forward-only")
    assert (one_way.forward, one_way.backward, one_way.backward_rules) == (preset.forward, Link(), ())


def test_options_beside_a_preset_replace_its_values() -> None:
    made = network("--preset webpagetest-3g --loss .1 --delay 0 --rebind 3")
    assert (made.forward.loss, made.forward.delay, made.forward.rate) == (0.1, 0, 768_000)
    assert (made.backward.loss, made.backward.delay, made.backward.rate) == (0.1, 0, 1_600_000)
    assert made.rebind == Rebind(3, 3)


@pytest.mark.parametrize(
    ("options", "there", "back"), [("", 2, 0), ("--forward-only", 2, 0), ("--backward-only", 0, 2)]
)
def test_drop_first_is_one_way(options: str, there: int, back: int) -> None:
    made = network(f"--drop-first 2 {options}")
    for rules, lost in ((made.forward_rules, there), (made.backward_rules, back)):
        flights = [InFlight(0.0, HERE, THERE, 1, b"") for _ in range(3)]  # each of another client
        verdicts = [rule(flight) for rule in rules for flight in flights]
        assert verdicts.count(Drop("drop_first")) == lost


def test_the_rest_is_as_in_the_library() -> None:
    args, defaults = vars(parse("")), serve_relay.__kwdefaults__ or {}
    for name in ("seed", "max_clients", "max_waiting", "idle_timeout", "follow_port"):
        assert args[name] == defaults[name], name


def test_bounds_are_heeded(target: socket.socket) -> None:
    options = ["--max-clients", "1", "--max-waiting", "1", "--delay", "1000"]
    with relay(target.getsockname()[1], *options) as (child, port):
        with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
            first.sendto(b"one", ("127.0.0.1", port))
            second.sendto(b"two", ("127.0.0.1", port))
            first.sendto(b"three", ("127.0.0.1", port))
            child.err.wait_for("dropped: too many waiting")
        _, said = stop(child)
    assert "dropped  1 too many clients, 1 too many waiting, 1 relay stopped" in said


def test_a_port_is_followed(peer: socket.socket, target: socket.socket) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as transfer:
        transfer.bind(("127.0.0.1", 0))
        transfer.settimeout(PATIENCE)
        with relay(target.getsockname()[1], "--follow-port") as (_, port):
            peer.connect(("127.0.0.1", port))
            peer.send(b"read")
            _, address = target.recvfrom(100)
            transfer.sendto(b"data", ("127.0.0.1", address[1]))
            assert peer.recv(100) == b"data"
            peer.send(b"acknowledged")
            assert transfer.recv(100) == b"acknowledged"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM for one process")
def test_delays_and_new_ports_in_real_time(peer: socket.socket, target: socket.socket) -> None:
    """The ports change however slow the machine is."""
    ports: set[tuple[str, int]] = set()
    with relay(target.getsockname()[1], "--delay", ".001", "--rebind", ".05") as (child, port):
        while len(ports) < 3:
            peer.sendto(b"hello", ("127.0.0.1", port))
            ports.add(target.recvfrom(100)[1])
        assert stop(child, signal.SIGTERM)[0] == 0
