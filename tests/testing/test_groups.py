"""Joining and leaving, option by option: `Groups` beside a socket of this machine, and what it makes of it."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.testing.test_options import KEYS, outcome
from trio_udp.testing._group_requests import is_for_groups
from trio_udp.testing._groups import Groups
from trio_udp.testing._ip import IP, parse_ip
from trio_udp.testing._options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

linux = pytest.mark.skipif(sys.platform != "linux", reason="the options are those of Linux")

IPV4, IPV6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
GROUP, OTHER = "239.255.0.1", "239.255.0.2"


def interface_of(ip: IP) -> int:
    """Of a host with one address of each family."""
    if ip.is_loopback:
        return 1
    return 2 if ip.is_wildcard or ip.text in ("10.0.0.1", "fd00::1") else 0


def options(family: int = socket.AF_INET) -> Options:
    return Options(family, lambda: 0, lambda: 0, interface_of=interface_of)


# -- the structures ----------------------------------------------------------------------------------------------------


def mreq(group: str, interface: str = "0.0.0.0") -> bytes:
    return socket.inet_aton(group) + socket.inet_aton(interface)


def mreqn(group: str, interface: str, index: int) -> bytes:
    return mreq(group, interface) + struct.pack("=i", index)


def source_mreq(group: str, interface: str, source: str) -> bytes:
    fields = [socket.inet_aton(each) for each in (interface, source)]
    return socket.inet_aton(group) + b"".join(fields if sys.platform == "linux" else reversed(fields))


def ipv6_mreq(group: str, index: int) -> bytes:
    return socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)


def storage(address: str) -> bytes:
    if ":" in address:
        packed = struct.pack("@HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, address), 0)
    else:
        packed = struct.pack("@HH4s", socket.AF_INET, 0, socket.inet_aton(address))
    return packed.ljust(128, b"\0")


def by_index(index: int, *addresses: str) -> bytes:
    """A group_req, or with a second address a group_source_req."""
    return struct.pack("@I0P", index) + b"".join(map(storage, addresses))


# -- the model: a socket of this machine -------------------------------------------------------------------------------

# Only on the loopback, and only with addresses and numbers of interfaces that no machine has: nothing leaves it.
GROUPS = st.sampled_from([GROUP, OTHER, GROUP, "127.0.0.1"])
GROUPS_IPV6 = st.sampled_from(["ff15::1", "ff15::2", "fd00::1", "::ffff:239.255.0.1"])
INTERFACES = st.sampled_from(["127.0.0.1", "127.0.0.2", "203.0.113.9"])
INDICES = st.sampled_from([1, 1, 1, 7777])
SOURCES = st.sampled_from(["127.0.0.7", "127.0.0.8"])
SOURCES_IPV6 = st.sampled_from(["2001:db8::7", "::1"])
EITHER = st.booleans()


def pairs(level: int, names: str, *values: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[int, str, object]]:
    return st.tuples(st.just(level), st.sampled_from(names.split()), st.one_of(*values))


ADDED = "IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP"
BY_SOURCE = "IP_ADD_SOURCE_MEMBERSHIP IP_ADD_SOURCE_MEMBERSHIP IP_DROP_SOURCE_MEMBERSHIP"
BY_INDEX = "MCAST_JOIN_GROUP MCAST_LEAVE_GROUP"
BY_SOURCE_AND_INDEX = "MCAST_JOIN_SOURCE_GROUP MCAST_JOIN_SOURCE_GROUP MCAST_LEAVE_SOURCE_GROUP"
CALLS_IPV4 = st.one_of(
    pairs(IPV4, ADDED, st.builds(mreq, GROUPS, INTERFACES), st.builds(mreqn, GROUPS, INTERFACES, INDICES)),
    pairs(IPV4, BY_SOURCE, st.builds(source_mreq, GROUPS, INTERFACES, SOURCES)),
    pairs(IPV4, BY_INDEX, st.builds(by_index, INDICES, GROUPS)),
    pairs(IPV4, BY_SOURCE_AND_INDEX, st.builds(by_index, INDICES, GROUPS, SOURCES)),
    pairs(IPV4, "IP_MULTICAST_IF", INTERFACES.map(socket.inet_aton), st.builds(mreqn, GROUPS, INTERFACES, INDICES)),
)
CALLS_IPV6 = st.one_of(
    pairs(IPV6, "IPV6_JOIN_GROUP IPV6_LEAVE_GROUP", st.builds(ipv6_mreq, GROUPS_IPV6, INDICES)),
    pairs(IPV6, BY_INDEX, st.builds(by_index, INDICES, GROUPS_IPV6)),
    pairs(IPV6, BY_SOURCE_AND_INDEX, st.builds(by_index, INDICES, GROUPS_IPV6, SOURCES_IPV6)),
    pairs(IPV6, "IPV6_MULTICAST_IF", INDICES.map(struct.Struct("=i").pack)),
)
WRONG = st.tuples(
    st.sampled_from([IPV4, IPV6]),
    st.sampled_from(sorted(filter(is_for_groups, KEYS))),
    st.sampled_from([b"", bytes(3), bytes(7), bytes(11), bytes(136), by_index(1, GROUP, "::1"), by_index(1, "::1")]),
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[int, list[tuple[int, str, object]]]:
    family = draw(st.sampled_from([socket.AF_INET, socket.AF_INET6]))
    calls = st.one_of(CALLS_IPV4, CALLS_IPV4, CALLS_IPV6, WRONG) if family == socket.AF_INET6 else CALLS_IPV4 | WRONG
    return family, draw(st.lists(calls, max_size=25))


@linux
@pytest.mark.usefixtures("ipv6")
@settings(max_examples=300, deadline=None)
@given(stories())
def test_linux_says_the_same(story: tuple[int, list[tuple[int, str, object]]]) -> None:
    family, calls = story
    ours = options(family)
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as real:
        for level, name, value in calls:
            key = (level, KEYS[name][1])
            if KEYS[name][0] != level and not name.startswith("MCAST_"):
                continue
            case = (name, value)
            assert (case, *outcome(ours.set, *key, value)) == (case, *outcome(real.setsockopt, *key, value))
            for size in (0, 2, 4, 12):
                asked = (*key, size)
                assert (case, *outcome(ours.get, *asked)) == (case, *outcome(real.getsockopt, *asked))


@linux
def test_how_many_groups_and_sources() -> None:
    def tried(family: int, level: int, name: str, values: Iterator[bytes]) -> tuple[int, object]:
        """How many could be set, here and there, and what was said then."""
        ours = options(family)
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as real:
            for number, value in enumerate(values):
                key = (level, KEYS[name][1])
                said = outcome(real.setsockopt, *key, value)
                assert outcome(ours.set, *key, value) == said
                if said != (None,):
                    return number, said
        return number + 1, None

    full = (OSError, errno.ENOBUFS)
    most = [Path("/proc/sys/net/ipv4", name).read_text() for name in ("igmp_max_memberships", "igmp_max_msf")]
    if most != ["20\n", "10\n"]:
        pytest.skip("this machine's limits are unusual")
    groups = (mreq(f"239.255.1.{n}", "127.0.0.1") for n in range(30))
    assert tried(socket.AF_INET, IPV4, "IP_ADD_MEMBERSHIP", groups) == (20, full)
    sources = (source_mreq(GROUP, "127.0.0.1", f"127.0.1.{n}") for n in range(30))
    assert tried(socket.AF_INET, IPV4, "IP_ADD_SOURCE_MEMBERSHIP", sources) == (10, full)


@linux
@pytest.mark.usefixtures("ipv6")
def test_values_of_the_wrong_family_or_size() -> None:
    values = [bytes(size) for size in (0, 3, 4, 7, 8, 11, 12, 13, 19, 20, 135, 136, 263, 264, 265)]
    values += [by_index(1, *each) for each in [(GROUP, "::1"), ("ff15::1", "127.0.0.1"), ("ff15::1",), (GROUP,)]]
    for name in filter(is_for_groups, KEYS):
        for level in (IPV4, IPV6) if name.startswith("MCAST_") else (KEYS[name][0],):
            for value in values:
                key, case = (level, KEYS[name][1]), (level, name, value)
                ours = options(socket.AF_INET6)
                with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as real:
                    assert (case, *outcome(ours.set, *key, value)) == (case, *outcome(real.setsockopt, *key, value))


@linux
@pytest.mark.usefixtures("ipv6")
def test_null() -> None:
    ours = options(socket.AF_INET6)
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as real:
        for name in filter(is_for_groups, KEYS):
            for size in (0, 3, 4, 8, 12, 20, 136, 264):
                case = (name, size)
                expected = outcome(real.setsockopt, *KEYS[name], None, size)
                assert (case, *outcome(ours.set, *KEYS[name], None, size)) == (case, *expected)


# -- what becomes of it ------------------------------------------------------------------------------------------------


def joined(level: int, name: str, *values: bytes) -> Groups:
    ours = options(socket.AF_INET6 if level == IPV6 else socket.AF_INET)
    for value in values:
        ours.set(level, KEYS[name][1], value)
    return ours.groups


def test_a_member_of_one_interface_hears_that_one() -> None:
    groups = joined(IPV4, "IP_ADD_MEMBERSHIP", mreq(GROUP), mreq(OTHER, "127.0.0.1"))
    assert list(groups) == [GROUP, OTHER]
    assert (groups.takes(GROUP, 2, None), groups.takes(GROUP, 1, None), groups.takes(OTHER, 1, None)) == (
        True,
        False,
        True,
    )
    for otherwise in (True, False):
        assert groups.hears(GROUP, 2, "10.0.0.7", otherwise)
        assert groups.hears(GROUP, 1, "10.0.0.7", otherwise) is otherwise
        assert groups.hears("239.1.1.1", 2, "10.0.0.7", otherwise) is otherwise


def test_over_ipv6_a_member_hears_all_interfaces() -> None:
    """As Linux has it: inet6_mc_check looks at the group alone."""
    groups = joined(IPV6, "IPV6_JOIN_GROUP", ipv6_mreq("ff15::1", 0))
    assert (groups.takes("ff15::1", 2, "fd00::7"), groups.takes("ff15::1", 1, "fd00::7")) == (True, False)
    assert groups.hears("ff15::1", 1, "fd00::7", False)


@linux
def test_with_sources_these_alone_are_heard() -> None:
    values = [source_mreq(GROUP, "10.0.0.1", source) for source in ("10.0.0.7", "10.0.0.8")]
    groups = joined(IPV4, "IP_ADD_SOURCE_MEMBERSHIP", *values)
    for source, heard in [("10.0.0.7", True), ("10.0.0.8", True), ("10.0.0.9", False)]:
        assert groups.hears(GROUP, 2, source, True) is heard


@linux
def test_leaving_the_last_source_leaves_the_group() -> None:
    ours = options()
    for name, last in [("IP_ADD_SOURCE_MEMBERSHIP", False), ("IP_DROP_SOURCE_MEMBERSHIP", True)]:
        ours.set(*KEYS[name], source_mreq(GROUP, "10.0.0.1", "10.0.0.7"))
        assert ours.groups.takes(GROUP, 2, "10.0.0.7") is not last
        assert not ours.groups.takes(GROUP, 2, "10.0.0.8")


def test_no_way_to_groups_where_there_is_no_address_of_the_family() -> None:
    ours = Options(socket.AF_INET, lambda: 0, lambda: 0)
    for name in ("IP_ADD_MEMBERSHIP", "IP_DROP_MEMBERSHIP"):
        assert outcome(ours.set, *KEYS[name], mreq(GROUP)) == (OSError, errno.ENODEV)


def test_by_which_interface_it_sends() -> None:
    ours = options(socket.AF_INET6)
    assert ours.groups.way_out(is_ipv4=True) == ours.groups.way_out(is_ipv4=False) == (0, None)
    ours.set(*KEYS["IP_MULTICAST_IF"], socket.inet_aton("10.0.0.1"))
    ours.set(*KEYS["IPV6_MULTICAST_IF"], 2)
    assert ours.groups.way_out(is_ipv4=True) == (2, parse_ip("10.0.0.1"))
    assert ours.groups.way_out(is_ipv4=False) == (2, None)
    ours.set(*KEYS["IP_MULTICAST_IF"], mreqn("0.0.0.0", "0.0.0.0", 1))
    assert ours.groups.way_out(is_ipv4=True) == (1, None)
    ours.set(*KEYS["IP_MULTICAST_IF"], bytes(4))
    assert ours.groups.way_out(is_ipv4=True) == (0, None)
