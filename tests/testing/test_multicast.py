"""What is sent to many: to whom it goes, by which link, and what the record says of it."""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
import struct
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.testing.hosts import fates, udp
from tests.testing.test_socket import KEYS, number
from trio_udp import open_udp_endpoint
from trio_udp.faults import Deliver, Drop, InFlight, Link, hold, partition
from trio_udp.testing import VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trio.socket import SocketType

    from trio_udp import UDPEndpoint

    Listener = tuple[str, str | None, str | None, bool]
    Heard = list[list[tuple[bytes, str]]]

GROUP, GROUP_IPV6, PORT = "239.255.0.1", "ff15::1", 7
ASKER = ("10.0.0.9", 5000)
BAD = Link(loss=0.2, delay=0.1, jitter=0.1)
EVERYBODY = ("255.255.255.255", PORT)


@pytest.fixture
async def network() -> AsyncIterator[VirtualNetwork]:
    """Three hosts that might join, a, b and c, and the asker: each way takes as many seconds as its host's number."""
    async with VirtualNetwork() as network:
        asker = network.host("10.0.0.9", "fd00::9", name="asker")
        for seconds, name in enumerate("abc", start=1):
            network.host(f"10.0.0.{seconds}", f"fd00::{seconds}", name=name)
            network.set_link(asker, name, Link(delay=seconds))
        yield network


async def member(network: VirtualNetwork, name: str, group: str = GROUP, **where: Any) -> UDPEndpoint:
    """An endpoint on a host that has joined the group."""
    with network.hosts[name]:
        endpoint = await open_udp_endpoint("::" if ":" in group else "0.0.0.0", PORT, reuse_port=True)
    endpoint.join_group(group, **where)
    return endpoint


async def asking(network: VirtualNetwork, name: str = "asker", host: str = "0.0.0.0") -> UDPEndpoint:
    with network.hosts[name]:
        return await open_udp_endpoint(host, 5000)


def heard_by(network: VirtualNetwork) -> dict[str | None, str | list[float]]:
    """Of each copy, what became of it."""
    return {each.receiver: each.dropped or each.delivered for each in network.datagrams}


# -- who hears it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "addresses"), [(GROUP, "10.0.0."), (GROUP_IPV6, "fd00::")])
async def test_each_host_that_has_joined_gets_a_copy_by_its_own_link(
    network: VirtualNetwork, group: str, addresses: str, autojump_clock: MockClock
) -> None:
    members = [await member(network, name, group) for name in "abc"]
    members[1].leave_group(group)
    asker = await asking(network, host="::" if ":" in group else "0.0.0.0")
    await asker.send(b"who?", (group, PORT))
    assert (await members[0].receive()).data == b"who?"
    assert trio.current_time() == 1.0
    data, address = await members[2].receive()
    assert (data, address[:2], trio.current_time()) == (b"who?", (addresses + "9", 5000), 3.0)
    assert heard_by(network) == {addresses + "1": [1.0], addresses + "3": [3.0]}
    assert [(each.destination, each.n) for each in network.datagrams] == [((group, PORT), 1)] * 2


async def test_numbers_and_chance_are_those_of_each_pair_of_hosts(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    """So what is lost on the way to one host says nothing about the way to another."""
    network.set_link("asker", "a", Link(loss=1))
    network.set_link("asker", "b", Link(loss=0.5))
    for name in "ab":
        await member(network, name)
    asker = await asking(network)
    await asker.send(b"to b alone", ("10.0.0.2", PORT))
    for number_ in range(100):
        await asker.send(b"%d" % number_, (GROUP, PORT))
        await trio.sleep(1)
    to_a = [each for each in network.datagrams if each.receiver == "10.0.0.1"]
    to_b = [each for each in network.datagrams if each.receiver == "10.0.0.2"]
    assert [each.n for each in to_a] == list(range(1, 101))
    assert [each.n for each in to_b] == list(range(2, 102))
    assert {each.dropped for each in to_a} == {"loss"}
    assert 30 < sum(each.dropped is None for each in to_b) < 70


async def test_nobody_has_joined(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    asker = await asking(network)
    await asker.send(b"who?", (GROUP, PORT))
    await trio.sleep(1)
    assert heard_by(network) == {None: "no listener"}


async def test_joined_and_nobody_at_that_port(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """And nobody refuses it."""
    await member(network, "a")
    asker = await asking(network)
    await asker.send(b"who?", (GROUP, PORT + 1))
    await trio.sleep(10)
    assert heard_by(network) == {"10.0.0.1": "no listener"}
    assert asker.statistics().errors == {}


async def test_who_joins_at_the_moment_of_sending_is_in_and_later_is_too_late(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    network.link = Link(delay=0.5)
    asker = await asking(network)
    await asker.send(b"who?", (GROUP, PORT))
    await member(network, "a")
    await trio.sleep(0.001)
    await member(network, "b")
    await trio.sleep(10)
    assert heard_by(network) == {"10.0.0.1": [1.0]}


async def test_who_leaves_or_closes_meanwhile_does_not_hear_it(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    members = [await member(network, name) for name in "abc"]
    asker = await asking(network)
    await asker.send(b"who?", (GROUP, PORT))
    await trio.sleep(0.5)
    members[0].leave_group(GROUP)
    members[1].close()
    network.hosts["c"].crash()
    await trio.sleep(10)
    assert heard_by(network) == {"10.0.0.1": "no listener", "10.0.0.2": "no listener", "10.0.0.3": "host down"}


async def test_what_a_host_had_joined_before_it_crashed_is_forgotten(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    host = network.hosts["a"]
    await member(network, "a")
    host.crash()
    asker = await asking(network)
    await asker.send(b"is it down?", (GROUP, PORT))
    await trio.sleep(10)
    host.restart()
    await asker.send(b"and now?", (GROUP, PORT))
    await trio.sleep(10)
    await member(network, "a")
    await asker.send(b"and now?", (GROUP, PORT))
    await trio.sleep(10)
    assert fates(network) == ["host down", "no listener", [21.0]]
    assert [each.receiver for each in network.datagrams] == ["10.0.0.1", None, "10.0.0.1"]


async def test_all_hosts_are_in_one_group(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """224.0.0.1 is joined by every host; that a socket hears it takes Linux's IP_MULTICAST_ALL."""
    sockets = [await udp(network.hosts[name], PORT) for name in "ab"]
    sockets[1].setsockopt(*KEYS["IP_MULTICAST_ALL"], 0)
    asker = await asking(network)
    await asker.send(b"all", ("224.0.0.1", PORT))
    await trio.sleep(10)
    assert heard_by(network) == {"10.0.0.1": [1.0], "10.0.0.2": "no listener", "10.0.0.9": "no listener"}


async def test_all_sockets_of_a_host_get_it(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    members = [await member(network, "a") for _ in range(3)]
    members[1].leave_group(GROUP)
    await (await asking(network)).send(b"who?", (GROUP, PORT))
    await trio.sleep(10)
    assert [each.statistics().received for each in members] == [0, 0, 0]
    assert [each.socket.is_readable() for each in members] == [True, False, True]
    assert heard_by(network) == {"10.0.0.1": [1.0]}, "one copy came to the host, whoever hears it there"


async def test_one_of_them_has_no_room(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    members = [await member(network, "a") for _ in range(2)]
    members[0].socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, 2000)
    asker = await asking(network)
    for _ in range(2):
        await asker.send(bytes(4000), (GROUP, PORT))
    await trio.sleep(10)
    first, second = network.datagrams
    assert (first.delivered, first.dropped) == ([1.0], None)
    assert (second.delivered, second.dropped) == ([1.0], "buffer full")


# -- where it may go ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "loopback", "heard"),
    [
        (None, None, {"10.0.0.1": [1.0], "10.0.0.9": [1e-6]}),
        (1, False, {"10.0.0.1": [1.0]}),
        (0, None, {"10.0.0.9": [1e-6]}),
        (0, False, {None: "no listener"}),
    ],
)
async def test_ttl_and_loopback(
    network: VirtualNetwork,
    ttl: int | None,
    loopback: bool | None,
    heard: dict[str | None, object],
    autojump_clock: MockClock,
) -> None:
    for name in ("a", "asker"):
        await member(network, name)
    asker = await asking(network)
    asker.set_multicast(ttl=ttl, loopback=loopback)
    await asker.send(b"who?", (GROUP, PORT))
    await trio.sleep(10)
    assert heard_by(network) == heard


async def test_a_group_of_one_host_stays_there(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """Its second digit is 1, the scope of one interface."""
    for name in ("a", "asker"):
        await member(network, name, "ff11::7")
    asker = await asking(network, host="::")
    asker.set_multicast(ttl=255)
    await asker.send(b"who?", ("ff11::7", PORT))
    await trio.sleep(10)
    assert heard_by(network) == {"fd00::9": [1e-6]}


async def test_the_loopback_and_the_network_are_two_interfaces(
    network: VirtualNetwork, autojump_clock: MockClock
) -> None:
    near, far = await member(network, "a", interface="127.0.0.1"), await member(network, "a")
    local = await asking(network, "a")
    local.set_multicast(interface="127.0.0.1", loopback=False, ttl=0)  # neither counts there, as on Linux
    await local.send(b"near", (GROUP, PORT))
    assert await near.receive() == (b"near", ("127.0.0.1", 5000))
    await (await asking(network)).send(b"far", (GROUP, PORT))
    assert await far.receive() == (b"far", ASKER)
    await trio.sleep(10)
    assert not near.socket.is_readable()
    assert not far.socket.is_readable()


async def test_from_which_address_it_comes(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    two = network.host("10.0.0.7", "10.0.0.8", name="two")
    listening = await member(network, "a")

    async def source(bound: str, interface: str | int | None) -> str:
        with two:
            endpoint = await open_udp_endpoint(bound, 5000)
        with endpoint:
            endpoint.set_multicast(interface=interface)
            await endpoint.send(b"x", (GROUP, PORT))
            return (await listening.receive()).address[0]

    assert await source("0.0.0.0", None) == "10.0.0.7"
    assert await source("0.0.0.0", "10.0.0.8") == "10.0.0.8"
    assert await source("0.0.0.0", 2) == "10.0.0.7"
    assert await source("10.0.0.8", None) == "10.0.0.8"
    assert await source("10.0.0.8", "10.0.0.7") == "10.0.0.8"


async def test_what_linux_does_not_send(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    bound = await udp(network.hosts["a"], 0, "127.0.0.1")
    bound.setsockopt(*KEYS["IP_MULTICAST_IF"], stdlib_socket.inet_aton("10.0.0.1"))
    assert await number(bound.sendto, b"", (GROUP, PORT)) == errno.EINVAL
    ipv6 = await udp(network.hosts["a"], 0, "::")
    ipv6.setsockopt(*KEYS["IPV6_MULTICAST_IF"], 1)
    assert await number(ipv6.sendto, b"", (GROUP_IPV6, PORT)) == errno.ENETUNREACH
    with network.host("fd00::5"):
        neither = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
    assert await number(neither.sendto, b"", (GROUP, PORT)) == errno.ENETUNREACH
    assert await number((await udp(network.hosts["a"], 0, GROUP)).bind, (GROUP, 0)) == errno.EINVAL
    with network.hosts["a"]:
        unscoped = trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM)
    assert await number(unscoped.bind, ("ff02::1", PORT)) == errno.EINVAL


def kernel_join(endpoint: UDPEndpoint, group: str) -> None:
    """Without the checks of `UDPEndpoint.join_group`."""
    endpoint.socket.setsockopt(*KEYS["IP_ADD_MEMBERSHIP"], stdlib_socket.inet_aton(group) + bytes(4))


async def test_bound_to_a_group(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """It hears that group alone, and what it sends comes from the host, as nothing can come from a group."""
    with network.hosts["a"]:
        endpoint = await open_udp_endpoint(GROUP, PORT)
    for group in (GROUP, "239.255.0.2"):
        kernel_join(endpoint, group)
    assert endpoint.address == (GROUP, PORT)
    asker = await asking(network)
    for host in (GROUP, "239.255.0.2", "10.0.0.1"):
        await asker.send(host.encode(), (host, PORT))
    assert await endpoint.receive() == (GROUP.encode(), ASKER)
    await endpoint.send(b"I", ASKER)
    assert await asker.receive() == (b"I", ("10.0.0.1", PORT))
    await endpoint.socket.connect(ASKER)
    assert endpoint.socket.getsockname() == (GROUP, PORT)
    await trio.sleep(10)
    assert not endpoint.socket.is_readable()


async def test_sources(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    listening = await member(network, "a", source="10.0.0.9")
    await (await asking(network, "b")).send(b"not asked for", (GROUP, PORT))
    await (await asking(network)).send(b"asked for", (GROUP, PORT))
    assert await listening.receive() == (b"asked for", ASKER)
    await trio.sleep(10)
    assert [each.dropped for each in network.datagrams] == ["no listener", None]


@pytest.mark.skipif(sys.platform != "linux", reason="this system has no such options")
@pytest.mark.parametrize(
    ("group", "option"), [(GROUP, "IP_PKTINFO"), (GROUP_IPV6, "IPV6_RECVPKTINFO"), ("255.255.255.255", "IP_PKTINFO")]
)
async def test_the_receiver_is_told_the_group_and_the_interface(
    network: VirtualNetwork, group: str, option: str, autojump_clock: MockClock
) -> None:
    listening = await udp(network.hosts["a"], PORT, "::" if ":" in group else "0.0.0.0")
    listening.setsockopt(*KEYS[option], 1)
    ipv6 = ":" in group
    if ipv6:
        value = stdlib_socket.inet_pton(stdlib_socket.AF_INET6, group) + struct.pack("@I", 2)
        listening.setsockopt(*KEYS["IPV6_JOIN_GROUP"], value)
        expected = value
    else:
        if group == GROUP:
            listening.setsockopt(*KEYS["IP_ADD_MEMBERSHIP"], stdlib_socket.inet_aton(group) + bytes(4))
        expected = struct.pack("=i", 2) + bytes([10, 0, 0, 1]) + stdlib_socket.inet_aton(group)
    asker = await asking(network, host="::" if ipv6 else "0.0.0.0")
    if group == EVERYBODY[0]:
        asker.allow_broadcast()
    await asker.send(b"who?", (group, PORT))
    data, [message], _, address = await listening.recvmsg(100, 100)
    assert (data, message[2]) == (b"who?", expected)
    if not ipv6:  # what answers is in it, and is no group
        await listening.sendmsg([b"I"], [message], 0, address)
        assert await asker.receive() == (b"I", ("10.0.0.1", PORT))


async def test_connected_it_hears_its_peer_alone(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """Only a socket that is bound to the group: connecting one that is not gives it an address of the host."""
    sockets = [await udp(network.hosts["a"], port, host) for port, host in [(PORT, GROUP), (PORT + 1, "0.0.0.0")]]
    for socket in sockets:
        socket.setsockopt(*KEYS["IP_ADD_MEMBERSHIP"], stdlib_socket.inet_aton(GROUP) + bytes(4))
        await socket.connect(ASKER)
    await (await asking(network, "b")).send(b"stranger", (GROUP, PORT))
    asker = await asking(network)
    await asker.send(b"peer", (GROUP, PORT))
    await asker.send(b"peer", (GROUP, PORT + 1))
    await trio.sleep(10)
    assert fates(network) == ["no listener", [1.0], "no listener"]


# -- broadcast ---------------------------------------------------------------------------------------------------------


async def test_broadcast_goes_to_everybody_over_ipv4(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """To those with sockets, the sender among them; what is bound to an address of its own does not hear it."""
    network.host("fd00::5", name="ipv6")
    await udp(network.hosts["ipv6"], PORT, "::")
    await udp(network.hosts["a"], PORT)
    await udp(network.hosts["b"], PORT, "10.0.0.2")
    await udp(network.hosts["c"], PORT, "::")  # of both families
    asker = await asking(network)
    asker.allow_broadcast()
    asker.set_multicast(ttl=0, loopback=False)  # a broadcast is no concern of theirs
    await udp(network.hosts["asker"], PORT)
    await asker.send(b"everybody", EVERYBODY)
    await trio.sleep(10)
    assert heard_by(network) == {
        "10.0.0.1": [1.0],
        "10.0.0.2": "no listener",
        "10.0.0.3": [3.0],
        "10.0.0.9": [1e-6],
    }


async def test_the_loopback_has_a_broadcast_of_its_own(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    everywhere, bound = await udp(network.hosts["a"], PORT), await udp(network.hosts["a"], PORT + 1, "127.255.255.255")
    await udp(network.hosts["b"], PORT)
    asker = await asking(network, "a")
    asker.allow_broadcast()
    await asker.send(b"here", ("127.255.255.255", PORT))
    await asker.send(b"here", ("127.255.255.255", PORT + 1))
    for socket in (everywhere, bound):
        assert await socket.recvfrom(100) == (b"here", ("127.0.0.1", 5000))
    assert heard_by(network) == {"127.0.0.1": [1e-6]}


async def test_in_a_file_there_is_a_packet_for_each_host(
    network: VirtualNetwork, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """To the group, and with the TTL that is the default for groups."""
    for name in "ab":
        await member(network, name)
    await (await asking(network)).send(b"who?", (GROUP, PORT))
    await trio.sleep(10)
    network.write_pcap(tmp_path / "network.pcap")
    data = (tmp_path / "network.pcap").read_bytes()[24:]
    one, other = data[: len(data) // 2][16:], data[len(data) // 2 :][16:]
    assert one == other
    assert (one[8], stdlib_socket.inet_ntoa(one[16:20]), one[-4:]) == (1, GROUP, b"who?")


# -- rules, NAT, and the story -----------------------------------------------------------------------------------------


async def test_rules_are_asked_about_each_copy(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    for name in "abc":
        await member(network, name)
    seen: list[InFlight] = []

    def rule(flight: InFlight) -> Deliver | Drop | None:
        seen.append(flight)
        verdicts: dict[str | None, Deliver | Drop] = {"10.0.0.1": Deliver(0.25), "10.0.0.2": Drop("mine")}
        return verdicts.get(flight.receiver)

    with network.rule(rule):
        await (await asking(network)).send(b"who?", (GROUP, PORT))
        await trio.sleep(10)
    assert [(each.receiver, each.destination) for each in seen] == [(f"10.0.0.{n}", (GROUP, PORT)) for n in (1, 2, 3)]
    assert heard_by(network) == {"10.0.0.1": [0.25], "10.0.0.2": "mine", "10.0.0.3": [3.0]}


async def test_a_partition_is_one_for_groups_too(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    for name in "ab":
        await member(network, name)
    with network.rule(partition(network.hosts["asker"], network.hosts["a"])):
        await (await asking(network)).send(b"who?", (GROUP, PORT))
        await trio.sleep(10)
    assert heard_by(network) == {"10.0.0.1": "partition", "10.0.0.2": [2.0]}


async def test_a_copy_can_be_held(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    for name in "ab":
        await member(network, name)
    held = hold(lambda flight: flight.receiver == "10.0.0.1")
    with network.rule(held):
        await (await asking(network)).send(b"who?", (GROUP, PORT))
        await trio.sleep(5)
        assert held.release() == 1
    await trio.sleep(5)
    assert heard_by(network) == {"10.0.0.1": [6.0], "10.0.0.2": [2.0]}


async def test_a_rule_that_raises_ends_the_network_after_the_other_copies(autojump_clock: MockClock) -> None:
    def rule(flight: InFlight) -> None:
        if flight.receiver == "10.0.0.1":
            raise ZeroDivisionError

    network = VirtualNetwork()
    with pytest.raises(ZeroDivisionError):
        async with network:
            for name in "ab":
                network.host(f"10.0.0.{'ab'.index(name) + 1}", name=name)
                await member(network, name)
            with network.rule(rule):
                await (await asking(network, "localhost")).send(b"who?", (GROUP, PORT))
                await trio.sleep(1)
    assert heard_by(network) == {"10.0.0.1": "rule failed", "10.0.0.2": [1e-6]}


async def test_the_link_is_that_of_the_moment_of_sending(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    await member(network, "a")
    asker = await asking(network)
    await asker.send(b"before", (GROUP, PORT))
    network.set_link("asker", "a", Link(loss=1))
    await asker.send(b"after", (GROUP, PORT))
    await trio.sleep(10)
    assert fates(network) == [[1.0], "loss"]


async def test_through_a_nat(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    """The asker's address is what the NAT makes of it, and the answer finds it; a group is nobody's to translate."""
    listening = await member(network, "a")
    network.hosts["a"].rebind()
    network.hosts["asker"].rebind("198.51.100.1")
    asker = await asking(network)
    await asker.send(b"who?", (GROUP, PORT))
    data, address = await listening.receive()
    assert (data, address) == (b"who?", ("198.51.100.1", 49152))
    await listening.send(b"I", address)
    assert (await asker.receive()).data == b"I"


async def test_it_is_described(network: VirtualNetwork, autojump_clock: MockClock) -> None:
    (await member(network, "a")).join_group("239.255.0.2")
    assert "  0.0.0.0:7, in 239.255.0.1 and 239.255.0.2: received 0" in network.describe()


async def test_an_ended_network_carries_nothing(autojump_clock: MockClock) -> None:
    async with VirtualNetwork() as network:
        listening, asker = await member(network, "localhost"), await asking(network, "localhost")
    await asker.send(b"who?", (GROUP, PORT))
    assert network.datagrams == []
    assert not listening.socket.is_readable()


@pytest.mark.parametrize("broadcast", [False, True])
def test_the_same_story_whoever_was_first(broadcast: bool) -> None:
    """Hosts that are added, and ask, in whatever order Trio steps their tasks."""

    async def story() -> list[str]:
        async def live(number: int) -> None:
            host = world.host(f"10.0.0.{number}", name=f"host-{number}")
            await trio.sleep(1)
            endpoint = await member(world, host.name)
            endpoint.allow_broadcast()
            await trio.sleep(1)
            await endpoint.send(b"hello", EVERYBODY if broadcast else (GROUP, PORT))
            with trio.move_on_after(5):
                async for data, address in endpoint:
                    if data == b"hello":
                        await endpoint.send(b"hello, too", address)

        async with VirtualNetwork(BAD, seed=3) as world, trio.open_nursery() as tasks:
            for number in range(1, 6):
                tasks.start_soon(live, number)
        return [repr(each) for each in world.datagrams]

    first = trio.run(story, clock=MockClock(autojump_threshold=0))
    assert len(first) > 40
    for _ in range(20):
        assert trio.run(story, clock=MockClock(autojump_threshold=0)) == first


# -- the model: sockets of this machine --------------------------------------------------------------------------------

# Groups that other runs of this test do not use, on the loopback, where everybody hears them.
OWN = f"239.253.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
OWN_TOO = f"239.254.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
PLACES = [OWN, OWN_TOO, "127.255.255.255"]
LISTENERS = st.tuples(
    st.sampled_from(["0.0.0.0", "0.0.0.0", OWN, "127.0.0.1", "127.255.255.255", "::", "::"]),
    st.sampled_from([None, OWN, OWN, OWN_TOO]),
    st.sampled_from([None, None, None, "127.0.0.1", "127.0.0.2"]),
    st.booleans(),
)
SENDING = st.tuples(
    st.sampled_from(["0.0.0.0", "0.0.0.0", "127.0.0.1", "127.0.0.2"]), st.sampled_from(PLACES), st.booleans()
)


async def heard(listeners: list[Listener], sends: list[tuple[str, str, bool]], expected: Heard | None = None) -> Heard:
    """What each of the sockets on one port hears; if it is known what it should be, that may take a second to come."""
    with ExitStack() as opened:
        # Finds a port that is free on all addresses of both families, and keeps it so.
        keeping = opened.enter_context(trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM))
        keeping.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEPORT, 1)
        await keeping.bind(("::", 0))
        port = keeping.getsockname()[1]
        sockets = [opened.enter_context(await listens(port, *each)) for each in listeners]
        for each in sends:
            await sends_one(port, *each)
        came: Heard = [[] for _ in sockets]
        with trio.move_on_after(1):
            while True:
                for socket, its in zip(sockets, came, strict=True):
                    while socket.is_readable():
                        data, address = await socket.recvfrom(100)
                        its.append((data, address[0]))
                if expected is None or came == expected:
                    break
                await trio.sleep(0.001)
    return came


async def listens(port: int, bound: str, group: str | None, source: str | None, everything: bool) -> SocketType:
    family = trio.socket.AF_INET6 if ":" in bound else trio.socket.AF_INET
    socket = trio.socket.socket(family, trio.socket.SOCK_DGRAM)
    socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEPORT, 1)
    socket.setsockopt(*KEYS["IP_MULTICAST_ALL"], everything)
    if group is not None:
        key = KEYS["IP_ADD_MEMBERSHIP" if source is None else "IP_ADD_SOURCE_MEMBERSHIP"]
        fields = (group, "127.0.0.1") if source is None else (group, "127.0.0.1", source)
        socket.setsockopt(*key, b"".join(map(stdlib_socket.inet_aton, fields)))
    await socket.bind((bound, port))
    return socket


async def sends_one(port: int, bound: str, place: str, loop: bool) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sending:
        sending.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_BROADCAST, 1)
        sending.setsockopt(*KEYS["IP_MULTICAST_IF"], stdlib_socket.inet_aton("127.0.0.1"))
        sending.setsockopt(*KEYS["IP_MULTICAST_LOOP"], loop)
        await sending.bind((bound, 0))
        await sending.sendto(f"{bound} to {place}".encode(), (place, port))
    await trio.sleep(0.001)


async def heard_on_a_network(*story: Any) -> Heard:
    async with VirtualNetwork():
        return await heard(*story)


@pytest.mark.skipif(sys.platform != "linux", reason="the virtual sockets are Linux's")
@pytest.mark.usefixtures("ipv6")
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LISTENERS, min_size=1, max_size=4), st.lists(SENDING, max_size=4))
def test_linux_tells_the_same_story(listeners: list[Listener], sends: list[tuple[str, str, bool]]) -> None:
    expected = trio.run(heard_on_a_network, listeners, sends, clock=MockClock(autojump_threshold=0))
    for _ in range(3):  # on a busy machine, what was sent may come in another order
        seen = trio.run(heard, listeners, sends, expected)
        if seen == expected:
            return
    assert seen == expected
