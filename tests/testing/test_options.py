from __future__ import annotations

import errno
import platform
import socket
import struct
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_udp.testing import _option_table
from trio_udp.testing._group_requests import is_for_groups
from trio_udp.testing._option_table import DEFAULTS, INT_MAX, KEPT, NAMES, READ_ONLY
from trio_udp.testing._options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Outcome = tuple[object, ...]

LINUX = sys.platform == "linux"
linux = pytest.mark.skipif(not LINUX, reason="the options are those of Linux")

FAMILIES = [socket.AF_INET, socket.AF_INET6]
families = pytest.mark.parametrize("family", FAMILIES, ids=["IPv4", "IPv6"])
KEYS = {name: key for key, name in NAMES.items()}
SO = socket.SOL_SOCKET

VALUES: list[object] = [0, 1, 2, 3, 5, 6, 7, 64, 255, 256, 4000, 100_000, True, -1, -2, INT_MAX, -INT_MAX - 1]
VALUES += [b"", b"\1", b"\1\2\3", struct.pack("=i", 2), struct.pack("=ii", 3, 0), bytearray(4), memoryview(b"\4\0\0\0")]
WRONG: list[object] = ["1", 1.5, None, [1], INT_MAX + 1, -INT_MAX - 2, object()]
SIZES = [0, 1, 2, 3, 4, 5, 8, 1024]


def options(family: int = socket.AF_INET, drops: int = 0, error: int = 0, mtu: int | None = None) -> Options:
    return Options(family, lambda: drops, lambda: error, lambda: mtu)


def outcome(call: Callable[..., object], *arguments: object) -> Outcome:
    """What a call returns, or what it raises."""
    try:
        return (call(*arguments),)
    except (OSError, TypeError) as error:
        return type(error), getattr(error, "errno", None)


def families_here() -> list[socket.AddressFamily]:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return [socket.AF_INET]
    return FAMILIES


@pytest.fixture
def real(family: int) -> Iterator[socket.socket]:
    """A new socket of this machine."""
    if family not in families_here():
        pytest.skip("no IPv6 here")
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
        yield sock


@pytest.fixture
def as_here(real: socket.socket, family: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an administrator can change with sysctl is here as this machine has it, or the test is skipped."""
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        for name in ("SO_RCVBUF", "SO_SNDBUF"):
            monkeypatch.setitem(DEFAULTS, name, probe.getsockopt(*KEYS[name]))
        for name in ("SO_RCVBUF", "SO_SNDBUF"):
            probe.setsockopt(*KEYS[name], INT_MAX)
        largest = {probe.getsockopt(*KEYS[name]) // 2 for name in ("SO_RCVBUF", "SO_SNDBUF")}
        hops = probe.getsockopt(*KEYS["IP_TTL" if family == socket.AF_INET else "IPV6_UNICAST_HOPS"])
        discover = probe.getsockopt(*KEYS["IP_MTU_DISCOVER"])
    if len(largest) > 1 or hops != 64 or discover != 1:
        pytest.skip("this machine's limits are unusual")
    monkeypatch.setattr(_option_table, "MAX_BUFFER", largest.pop())


def kept_by(family: int) -> list[str]:
    """The options that a socket of the family keeps, and anybody may set."""
    other = "IP_PKTINFO" if family == socket.AF_INET6 else "IPV6_"
    return [name for name in KEPT if not name.startswith(other) and not name.endswith("FORCE") and name in KEYS]


def values_for(name: str) -> list[object]:
    return [0, 1, 6, b"\1", struct.pack("=i", 2)] if name == "SO_PRIORITY" else VALUES  # above 6 is root's


# -- the model: a socket of this machine -------------------------------------------------------------------------------


@linux
@families
@pytest.mark.usefixtures("as_here")
def test_a_new_socket_answers_as_linux(family: int, real: socket.socket) -> None:
    ours = options(family)
    for name in [*kept_by(family), *READ_ONLY, "SO_RCVBUFFORCE", "IPV6_MTU", "IPV6_V6ONLY"]:
        for size in SIZES:
            ask = (*KEYS[name], size)
            assert (name, size, *outcome(ours.get, *ask)) == (name, size, *outcome(real.getsockopt, *ask))


@linux
@families
@pytest.mark.usefixtures("as_here")
def test_each_option_keeps_what_linux_keeps(family: int) -> None:
    for name in kept_by(family):
        for value in values_for(name):
            check_set(family, name, (value,))
        for optlen in (0, 1, 3, 4, 8, -1, INT_MAX):
            check_set(family, name, (None, optlen))


def check_set(family: int, name: str, arguments: tuple[object, ...]) -> None:
    """Set it on a new socket, here and there: the same comes out, and the same is read back."""
    ours = options(family)
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as real:
        case = (name, arguments)
        expected = outcome(real.setsockopt, *KEYS[name], *arguments)
        assert (case, *outcome(ours.set, *KEYS[name], *arguments)) == (case, *expected)
        for size in SIZES:
            ask = (*KEYS[name], size)
            assert (case, size, *outcome(ours.get, *ask)) == (case, size, *outcome(real.getsockopt, *ask))


@linux
@families
def test_what_linux_refuses_is_refused_in_the_same_way(family: int, real: socket.socket) -> None:
    ours = options(family)
    nowhere = [(SO, 0), (SO, 9999), (socket.IPPROTO_IP, 9999), (socket.IPPROTO_IPV6, 9999), (socket.IPPROTO_UDP, 9999)]
    other_levels = [(level, 1) for level in (socket.IPPROTO_TCP, 132, 255, 999, -1)]
    read_only = [KEYS[name] for name in READ_ONLY]
    ipv6 = [] if family == socket.AF_INET6 else [KEYS["IPV6_V6ONLY"], KEYS["IPV6_MTU"], KEYS["IPV6_JOIN_GROUP"]]
    for key in nowhere + other_levels + ipv6 + read_only:
        for arguments in [(1,), (b"",), (b"\1\2\3",), (None, 0), (None, 4)]:
            case = (key, arguments)
            expected = outcome(real.setsockopt, *key, *arguments)
            assert expected[0] is OSError
            assert (case, *outcome(ours.set, *key, *arguments)) == (case, *expected)
    for key in nowhere + other_levels + ipv6:
        for size in SIZES:
            assert (key, *outcome(ours.get, *key, size)) == (key, *outcome(real.getsockopt, *key, size))


@linux
@families
def test_wrong_arguments(family: int, real: socket.socket) -> None:
    ours = options(family)
    key = KEYS["SO_RCVBUF"]
    for arguments in [*((value,) for value in WRONG), (5, 4), (b"abcd", 4)]:
        assert outcome(real.setsockopt, *key, *arguments)[0] is TypeError
        with pytest.raises(TypeError):
            ours.set(*key, *arguments)  # type: ignore[arg-type]
    for size in (-1, 1025):
        assert outcome(real.getsockopt, *key, size) == (OSError, None)
        with pytest.raises(OSError, match=r"^getsockopt buflen out of range$"):
            ours.get(*key, size)


@linux
@pytest.mark.parametrize("family", [socket.AF_INET6])
@pytest.mark.usefixtures("ipv6")
def test_once_bound_the_family_is_fixed(family: int, real: socket.socket) -> None:
    ours = options(family)
    real.bind(("::1", 0))
    ours.bound = True
    for value in (0, 1, b""):
        expected = outcome(real.setsockopt, *KEYS["IPV6_V6ONLY"], value)
        assert outcome(ours.set, *KEYS["IPV6_V6ONLY"], value) == expected == (OSError, errno.EINVAL)
    assert not ours.v6only


@st.composite
def settings(draw: st.DrawFn) -> tuple[int, list[tuple[str, object]]]:
    """A family, and options to set one after another on one socket."""
    family = draw(st.sampled_from(families_here()))
    steps = []
    for name in draw(st.lists(st.sampled_from(kept_by(family)), max_size=12)):
        largest = 6 if name == "SO_PRIORITY" else 50_000  # more is for root, or for the administrator to allow
        anything: st.SearchStrategy[object] = st.integers(-2, 300) | st.binary(max_size=6)
        steps.append((name, draw(st.integers(0, largest) if name.startswith("SO_") else anything)))
    return family, steps


@linux
@given(settings())
def test_one_after_another(story: tuple[int, list[tuple[str, object]]]) -> None:
    family, steps = story
    ours = options(family)
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as real:
        # What this machine's administrator has chosen otherwise.
        unlike = {name for name in kept_by(family) if ours.get(*KEYS[name]) != real.getsockopt(*KEYS[name])}
        for name, value in steps:
            expected = outcome(real.setsockopt, *KEYS[name], value)
            assert outcome(ours.set, *KEYS[name], value) == expected
        for name in set(kept_by(family)) - unlike:
            assert (name, ours.get(*KEYS[name])) == (name, real.getsockopt(*KEYS[name]))


@linux
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="some have numbers of their own")
def test_the_numbers_are_those_of_linux() -> None:
    for level, table in _option_table._LINUX.items():
        words = table.split()
        for name, number in zip(words[::2], words[1::2], strict=True):
            assert (name, getattr(socket, name, int(number))) == (name, int(number))
            assert NAMES[level, int(number)] == name


# -- what the socket reads ---------------------------------------------------------------------------------------------


@families
def test_a_new_socket(family: int) -> None:
    ours = options(family)
    assert ours.receive_buffer == 212_992
    assert not any((ours.v6only, ours.reuse_address, ours.reuse_port, ours.broadcast, ours.pktinfo, ours.rxq_ovfl))
    assert not any((ours.dont_fragment, ours.dont_fragment_ipv4, ours.bound))


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("SO_REUSEADDR", "reuse_address"),
        ("SO_REUSEPORT", "reuse_port"),
        ("SO_BROADCAST", "broadcast"),
        ("SO_RXQ_OVFL", "rxq_ovfl"),
        ("IPV6_V6ONLY", "v6only"),
        ("IPV6_RECVPKTINFO", "pktinfo"),
        ("IPV6_DONTFRAG", "dont_fragment"),
    ],
)
def test_switches(name: str, attribute: str) -> None:
    if name not in KEYS:
        pytest.skip(f"this platform has no {name}")
    ours = options(socket.AF_INET6)
    for value in (5, 0, b"\1\0\0\0"):
        ours.set(*KEYS[name], value)
        assert getattr(ours, attribute) is bool(value)


@linux
def test_ipv4_has_options_of_its_own() -> None:
    ipv4, ipv6 = options(socket.AF_INET), options(socket.AF_INET6)
    ipv4.set(*KEYS["IP_PKTINFO"], 1)
    assert ipv4.pktinfo
    with pytest.raises(NotImplementedError, match="IP_PKTINFO on an IPv6 socket"):
        ipv6.set(*KEYS["IP_PKTINFO"], 1)
    with pytest.raises(NotImplementedError, match="IP_PKTINFO on an IPv6 socket"):
        ipv6.get(*KEYS["IP_PKTINFO"])


@linux
@pytest.mark.parametrize(("value", "refuses"), [(0, False), (1, False), (2, True), (3, True), (4, False), (5, False)])
def test_which_path_mtu_discovery_refuses_to_fragment(value: int, refuses: bool) -> None:
    """ip(7): DONT and WANT fragment; DO and PROBE do not."""
    ipv4, ipv6 = options(socket.AF_INET), options(socket.AF_INET6)
    ipv4.set(*KEYS["IP_MTU_DISCOVER"], value)
    assert (ipv4.dont_fragment, ipv4.dont_fragment_ipv4) == (refuses, refuses)
    ipv6.set(*KEYS["IPV6_MTU_DISCOVER"], value)
    assert (ipv6.dont_fragment, ipv6.dont_fragment_ipv4) == (refuses, False)
    ipv6.set(*KEYS["IPV6_MTU_DISCOVER"], 0)
    ipv6.set(*KEYS["IP_MTU_DISCOVER"], value)
    assert (ipv6.dont_fragment, ipv6.dont_fragment_ipv4) == (False, refuses)


@pytest.mark.parametrize(
    ("asked", "got"), [(0, 2304), (1152, 2304), (1153, 2306), (106_496, 212_992), (1_000_000, 425_984), (-1, 425_984)]
)
def test_the_receive_buffer(asked: int, got: int) -> None:
    ours = options()
    ours.set(SO, socket.SO_RCVBUF, asked)
    assert ours.receive_buffer == ours.get(SO, socket.SO_RCVBUF) == got


@linux
@pytest.mark.parametrize(
    ("asked", "receive", "send"),
    [(1_000_000, 2_000_000, 2_000_000), (-1, 2304, 4608), (INT_MAX, INT_MAX - 1, INT_MAX - 1)],
)
def test_buffers_by_force_have_no_limit(asked: int, receive: int, send: int) -> None:
    ours = options()
    ours.set(*KEYS["SO_RCVBUFFORCE"], asked)
    ours.set(*KEYS["SO_SNDBUFFORCE"], asked)
    assert ours.receive_buffer == ours.get(SO, socket.SO_RCVBUF) == receive
    assert ours.get(SO, socket.SO_SNDBUF) == send


def test_the_pending_error_is_taken_away() -> None:
    pending = [errno.ECONNREFUSED]
    ours = Options(socket.AF_INET, lambda: 0, lambda: pending.pop() if pending else 0)
    assert ours.get(SO, socket.SO_ERROR) == errno.ECONNREFUSED
    assert ours.get(SO, socket.SO_ERROR) == 0


@linux
def test_the_drops_are_where_linux_has_them() -> None:
    """Where ``trio_udp`` looks for them, too."""
    ours = options(drops=7)
    ours.set(SO, socket.SO_RCVBUF, 10_000)
    memory = ours.get(*KEYS["SO_MEMINFO"], 36)
    assert isinstance(memory, bytes)
    assert struct.unpack("=9I", memory) == (0, 20_000, 0, 212_992, 0, 0, 0, 0, 7)
    assert ours.get(*KEYS["SO_MEMINFO"], 100) == memory
    assert ours.get(*KEYS["SO_MEMINFO"], 6) == memory[:6]


@linux
def test_the_mtu_of_the_path() -> None:
    assert options(mtu=1400).get(*KEYS["IP_MTU"]) == 1400
    assert options(mtu=1400).get(*KEYS["IP_MTU"], 2) == struct.pack("=i", 1400)[:2]
    assert options(socket.AF_INET6, mtu=1280).get(*KEYS["IPV6_MTU"]) == 1280
    with pytest.raises(NotImplementedError, match="IPV6_MTU"):
        options(socket.AF_INET6, mtu=1280).set(*KEYS["IPV6_MTU"], 1280)
    with pytest.raises(NotImplementedError, match="IP_MTU"):
        Options(socket.AF_INET, lambda: 0, lambda: 0).get(*KEYS["IP_MTU"])


# -- what is not there -------------------------------------------------------------------------------------------------


OTHERS = (
    set(KEYS) - set(KEPT) - READ_ONLY - {"IPV6_MTU"} - {name for name in KEYS if is_for_groups(name)}
)  # those: test_groups.py


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_what_is_not_implemented_is_named(name: str) -> None:
    ours = options(socket.AF_INET6)
    for value in (1, b"", b"eth0", bytes(16)):
        with pytest.raises(NotImplementedError, match=f"the socket option {name}$"):
            ours.set(*KEYS[name], value)
    with pytest.raises(NotImplementedError, match=f"the socket option {name}$"):
        ours.get(*KEYS[name])


@families
@pytest.mark.parametrize("option", [103, 104], ids=["UDP_SEGMENT", "UDP_GRO"])
def test_there_is_no_offload(family: int, option: int) -> None:
    ours = options(family)
    with pytest.raises(OSError, match=r".") as caught:
        ours.set(socket.IPPROTO_UDP, option, 1)
    assert caught.value.errno == errno.ENOPROTOOPT
    with pytest.raises(OSError, match=r".") as caught:
        ours.get(socket.IPPROTO_UDP, option)
    assert caught.value.errno == errno.ENOPROTOOPT
