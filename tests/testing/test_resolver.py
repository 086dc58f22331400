from __future__ import annotations

import socket
import sys
from itertools import product
from typing import TYPE_CHECKING, cast

import pytest
import trio
from trio.testing import assert_checkpoints

from trio_udp.testing._resolver import Resolver, normal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

linux = pytest.mark.skipif(sys.platform != "linux", reason="the answers are glibc's")

HOSTS = {
    "server": ["10.0.0.1", "fd00::1"],
    "ipv4.example": ["10.0.0.4", "10.0.0.5"],
    "ipv6.example": ["fd00::6"],
    "xn--caf-dma.example": ["10.0.0.7"],
    "client": ["10.0.0.2", "fd00::2"],
    "here": ["127.0.0.1"],
}
NAMES = {address: name for name, addresses in HOSTS.items() for address in addresses}

ANY, IPV4, IPV6 = socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6
DGRAM = socket.SOCK_DGRAM

PORTS: list[bytes | str | int | None] = [None, 0, 53, "53", b"53", "053", " 53", "+53", "", "53x", "0x35", "-1", -1]
PORTS += [65535, 65536, 70000, 2**31, 2**32 + 5, 2**63, "65536", "70000", "99999999999999999999"]
PORTS += ["domain", b"ntp", "http", "tftp", "no-such-service", "DOMAIN"]
KINDS = [0, socket.SOCK_STREAM, DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, 99, -1]
PROTOCOLS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP, 132, 300, -1]
FLAGS = [0, socket.AI_PASSIVE, 1 << 10, 1 << 11, 1 << 20, -1]


def resolver(own_name: str = "client") -> Resolver:
    return Resolver(HOSTS.get, NAMES.get, lambda: own_name)


@pytest.fixture
async def network() -> None:
    """Trio's own functions ask our resolver."""
    trio.socket.set_custom_hostname_resolver(resolver())


async def addresses(
    host: str | bytes | None, family: int = ANY, flags: int = 0, *, own_name: str = "client"
) -> list[str | int]:
    answers = await resolver(own_name).getaddrinfo(host, 53, family, DGRAM, 0, flags)
    return [address[0] for *_, address in answers]


def said(call: Callable[[], object]) -> object:
    """What the system answers, or which error."""
    try:
        return call()
    except (OSError, OverflowError, UnicodeError, TypeError) as error:
        return type(error), error.args


async def answer(*arguments: object) -> object:
    try:
        return await resolver().getaddrinfo(*arguments)  # type: ignore[arg-type]
    except (OSError, OverflowError, UnicodeError, TypeError) as error:
        return type(error), error.args


# -- the model: what this machine says of an address -------------------------------------------------------------------


async def test_ports_kinds_and_protocols_of_a_name_are_those_of_an_address() -> None:
    for port, kind, protocol in product(PORTS, KINDS, PROTOCOLS):
        arguments = (port, ANY, kind, protocol)
        expected = said(lambda arguments=arguments: socket.getaddrinfo("127.0.0.1", *arguments))  # type: ignore[misc]
        assert (arguments, await answer("here", *arguments)) == (arguments, expected)
        assert (arguments, await answer("127.0.0.1", *arguments)) == (arguments, expected)


async def test_families_and_flags_of_a_name_are_those_of_an_address() -> None:
    for family, flags, port in product([ANY, IPV4, 1, 99, -1], FLAGS, [53, "domain"]):
        arguments = (port, family, DGRAM, 0, flags)
        expected = said(lambda arguments=arguments: socket.getaddrinfo("127.0.0.1", *arguments))  # type: ignore[misc]
        assert (arguments, await answer("here", *arguments)) == (arguments, expected)


@pytest.mark.usefixtures("ipv6")
async def test_an_ipv6_address_is_answered_as_here() -> None:
    own = Resolver({"here": ["::1"]}.get, NAMES.get, lambda: "here")
    for port, kind, family in product([None, 53, "domain"], [0, DGRAM], [ANY, IPV6]):
        assert await own.getaddrinfo("here", port, family, kind) == socket.getaddrinfo("::1", port, family, kind)


async def test_localhost_is_answered_as_here() -> None:
    def real(kind: int, protocol: int) -> object:
        return said(lambda: socket.getaddrinfo("localhost", 53, IPV4, kind, protocol))

    if real(DGRAM, 0) != [(IPV4, DGRAM, socket.IPPROTO_UDP, "", ("127.0.0.1", 53))]:
        pytest.skip("localhost is something else here")
    for kind, protocol in product(KINDS, PROTOCOLS):
        assert (kind, protocol, await answer("localhost", 53, IPV4, kind, protocol)) == (
            kind,
            protocol,
            real(kind, protocol),
        )


async def test_no_host_and_wrong_types_are_answered_as_here() -> None:
    for host, flags in product([None, "", 5, bytearray(b"server")], [0, socket.AI_PASSIVE, socket.AI_CANONNAME]):
        arguments = (host, 53, IPV4, DGRAM, 0, flags)
        expected = said(lambda arguments=arguments: socket.getaddrinfo(*arguments))  # type: ignore[misc]
        assert (arguments, await answer(*arguments)) == (arguments, expected)


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["server", "SERVER", "server.", b"server", b"Server."])
async def test_one_host_by_many_spellings(host: str | bytes) -> None:
    assert await addresses(host) == ["fd00::1", "10.0.0.1"]


@pytest.mark.parametrize("host", ["café.example", "CAFÉ.example.", "xn--caf-dma.example", b"XN--CAF-DMA.example"])
async def test_international_names(network: None, host: str | bytes) -> None:
    assert await addresses(host) == ["10.0.0.7"]
    assert [entry[-1] for entry in await trio.socket.getaddrinfo(host, 53, type=DGRAM)] == [("10.0.0.7", 53)]


def test_names_are_made_comparable() -> None:
    assert normal_name("Straße.Example.") == "xn--strae-oqa.example"  # IDNA 2008: not "strasse", as Python has it
    assert normal_name(b"SERVER.") == "server"
    assert normal_name(b"caf\xc3\xa9") == "caf\\xc3\\xa9"  # of no host, and no error either


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.b.localhost", b"www.localhost."])
@pytest.mark.parametrize("own_name", ["client", "ipv4.example", "localhost"])
async def test_localhost_is_this_host(host: str | bytes, own_name: str) -> None:
    assert await addresses(host, own_name=own_name) == ["::1", "127.0.0.1"]
    assert await addresses(host, IPV4, own_name=own_name) == ["127.0.0.1"]
    assert await addresses(host, IPV6, own_name=own_name) == ["::1"]


@pytest.mark.parametrize("host", ["nobody", "localhost.example", "server.example", "a b", "x\0y", b"caf\xc3\xa9", "."])
async def test_who_is_not_here_does_not_exist(host: str | bytes) -> None:
    if host == ".":
        host = b"."  # of the str Python says that it is no name
    with pytest.raises(socket.gaierror) as caught:
        await addresses(host)
    assert caught.value.errno == socket.EAI_NONAME
    with pytest.raises(socket.gaierror) as real:
        socket.getaddrinfo("nobody", 53, flags=socket.AI_NUMERICHOST)
    assert caught.value.args == real.value.args


# -- families and flags ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own_name", "expected"),
    [
        ("client", ["fd00::1", "10.0.0.1"]),
        ("ipv6.example", ["fd00::1", "10.0.0.1"]),
        ("ipv4.example", ["10.0.0.1", "fd00::1"]),
        ("localhost", ["fd00::1", "10.0.0.1"]),
        ("unknown", ["fd00::1", "10.0.0.1"]),
    ],
)
async def test_what_the_asking_host_can_reach_comes_first(own_name: str, expected: list[str]) -> None:
    assert await addresses("server", own_name=own_name) == expected


async def test_the_order_of_equals_is_the_hosts() -> None:
    assert await addresses("ipv4.example") == ["10.0.0.4", "10.0.0.5"]


async def test_each_address_comes_with_each_kind_of_socket() -> None:
    answers = await resolver().getaddrinfo("server", "domain")
    by_address = [(family, address) for family, _, _, _, address in answers]
    both = [(IPV6, ("fd00::1", 53, 0, 0)), (IPV4, ("10.0.0.1", 53))]
    assert list(dict.fromkeys(by_address)) == both
    kinds = [entry[1:3] for entry in socket.getaddrinfo("127.0.0.1", "domain")]
    assert [entry[1:3] for entry in answers] == kinds * 2
    assert by_address == [entry for entry in both for _ in kinds]


@pytest.mark.parametrize(
    ("host", "family", "flags", "expected"),
    [
        ("server", IPV4, 0, ["10.0.0.1"]),
        ("server", IPV6, 0, ["fd00::1"]),
        ("server", IPV6, socket.AI_V4MAPPED, ["fd00::1"]),
        ("server", IPV6, socket.AI_V4MAPPED | socket.AI_ALL, ["fd00::1", "::ffff:10.0.0.1"]),
        ("server", IPV6, socket.AI_ALL, ["fd00::1"]),
        ("server", ANY, socket.AI_V4MAPPED | socket.AI_ALL, ["fd00::1", "10.0.0.1"]),
        ("ipv4.example", IPV6, socket.AI_V4MAPPED, ["::ffff:10.0.0.4", "::ffff:10.0.0.5"]),
        ("localhost", IPV6, socket.AI_V4MAPPED | socket.AI_ALL, ["::1", "::ffff:127.0.0.1"]),
        ("server", ANY, socket.AI_PASSIVE, ["fd00::1", "10.0.0.1"]),
    ],
)
async def test_families(host: str, family: int, flags: int, expected: list[str]) -> None:
    assert await addresses(host, family, flags) == expected


@linux
@pytest.mark.parametrize(
    ("host", "family", "flags"),
    [
        ("ipv4.example", IPV6, 0),
        ("ipv4.example", IPV6, socket.AI_ALL),
        ("ipv6.example", IPV4, 0),
        ("ipv6.example", IPV4, socket.AI_V4MAPPED | socket.AI_ALL),
    ],
)
async def test_a_host_without_such_an_address(host: str, family: int, flags: int) -> None:
    with pytest.raises(socket.gaierror) as caught:
        await addresses(host, family, flags)
    assert caught.value.args == (socket.EAI_NODATA, "No address associated with hostname")


@pytest.mark.parametrize(
    ("own_name", "family", "expected"),
    [
        ("client", ANY, ["fd00::1", "10.0.0.1"]),
        ("ipv4.example", ANY, ["10.0.0.1"]),
        ("ipv6.example", ANY, ["fd00::1"]),
        ("ipv4.example", IPV4, ["10.0.0.1"]),
        ("ipv4.example", IPV6, None),
        ("ipv6.example", IPV4, None),
        ("localhost", ANY, ["fd00::1", "10.0.0.1"]),
    ],
)
async def test_only_families_that_the_asking_host_has(own_name: str, family: int, expected: list[str] | None) -> None:
    if expected is not None:
        assert await addresses("server", family, socket.AI_ADDRCONFIG, own_name=own_name) == expected
        return
    with pytest.raises(socket.gaierror) as caught:
        await addresses("server", family, socket.AI_ADDRCONFIG, own_name=own_name)
    assert caught.value.errno == socket.EAI_NONAME


async def test_the_canonical_name_stands_in_the_first_answer() -> None:
    answers = await resolver().getaddrinfo("SERVER.", 53, ANY, DGRAM, 0, socket.AI_CANONNAME)
    assert [entry[3] for entry in answers] == ["server", ""]
    assert [entry[3] for entry in await resolver().getaddrinfo("server", 53, ANY, DGRAM)] == ["", ""]


async def test_names_may_be_forbidden() -> None:
    for host in ("server", "localhost"):
        with pytest.raises(socket.gaierror) as caught:
            await addresses(host, flags=socket.AI_NUMERICHOST)
        assert caught.value.errno == socket.EAI_NONAME
    with pytest.raises(socket.gaierror) as caught:
        await resolver().getaddrinfo("server", "domain", flags=socket.AI_NUMERICSERV)
    assert caught.value.errno == socket.EAI_NONAME
    answers = await resolver().getaddrinfo("ipv6.example", "53", ANY, DGRAM, 0, socket.AI_NUMERICSERV)
    assert [entry[-1] for entry in answers] == [("fd00::6", 53, 0, 0)]


# -- through Trio ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", [69, "tftp", b"69"])
async def test_trio_asks_us(network: None, port: int | str | bytes) -> None:
    answers = await trio.socket.getaddrinfo("Server", port, family=IPV4, type=DGRAM)
    assert answers == [(IPV4, DGRAM, socket.IPPROTO_UDP, "", ("10.0.0.1", 69))]
    answers = await trio.socket.getaddrinfo("10.9.9.9", port, type=DGRAM)
    assert answers == [(IPV4, DGRAM, socket.IPPROTO_UDP, "", ("10.9.9.9", 69))]
    assert await trio.socket.getnameinfo(("10.0.0.1", 69), socket.NI_DGRAM) == ("server", "tftp")


# -- getnameinfo -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "flags", "expected"),
    [
        (("10.0.0.1", 53), 0, ("server", "domain")),
        (("fd00::1", 53), 0, ("server", "domain")),
        (("fd00::1", 53, 0, 0), 0, ("server", "domain")),
        (("::ffff:10.0.0.1", 53, 0, 0), 0, ("server", "domain")),
        (("10.0.0.1", 53), socket.NI_NUMERICSERV, ("server", "53")),
        (("10.0.0.1", 53), socket.NI_NUMERICHOST, ("10.0.0.1", "domain")),
        (("10.0.0.1", 53), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV, ("10.0.0.1", "53")),
        (("10.0.0.1", 69), socket.NI_DGRAM, ("server", "tftp")),
        (("10.0.0.1", 53), socket.NI_NAMEREQD, ("server", "domain")),
        (("10.9.9.9", 53), 0, ("10.9.9.9", "domain")),
        (("127.0.0.1", 53), 0, ("localhost", "domain")),
        (("::1", 53, 0, 0), 0, ("localhost", "domain")),
        (("0.0.0.0", 0), 0, ("0.0.0.0", "0")),
    ],
)
async def test_addresses_and_their_names(address: tuple[str, int], flags: int, expected: tuple[str, str]) -> None:
    assert await resolver().getnameinfo(address, flags) == expected


@pytest.mark.parametrize(
    ("own_name", "expected"),
    [
        ("client.example", "ipv4"),
        ("client.other", "ipv4.example"),
        ("client", "ipv4.example"),
        ("x.ipv4.example", "ipv4.example"),
    ],
)
async def test_the_domain_of_neighbours_can_be_left_out(own_name: str, expected: str) -> None:
    own = resolver(own_name)
    assert await own.getnameinfo(("10.0.0.4", 0), socket.NI_NOFQDN) == (expected, "0")
    assert await own.getnameinfo(("10.0.0.4", 0), 0) == ("ipv4.example", "0")


@pytest.mark.parametrize("flags", [socket.NI_NAMEREQD, socket.NI_NAMEREQD | socket.NI_NUMERICHOST])
async def test_a_name_is_required_and_there_is_none(flags: int) -> None:
    host = "10.0.0.1" if flags & socket.NI_NUMERICHOST else "10.9.9.9"
    with pytest.raises(socket.gaierror) as caught:
        await resolver().getnameinfo((host, 53), flags)
    assert caught.value.errno == socket.EAI_NONAME


@pytest.mark.parametrize(
    "address",
    [
        ("127.0.0.1", 53, 0, 0),
        ("localhost", 53),
        ("::1", 53, 2**20, 0),
        ("127.0.0.1",),
        (),
        ["127.0.0.1", 53],
        ("127.0.0.1", "53"),
        (None, 53),
        ("", 53),
        ("127.0.0.1", -1),
        ("127.0.0.1", 70000),
    ],
)
async def test_what_is_no_address_is_refused_as_here(address: object) -> None:
    flags = socket.NI_NUMERICHOST
    sockaddr = cast("tuple[str, int]", address)
    expected = said(lambda: socket.getnameinfo(sockaddr, flags))
    try:
        got: object = await resolver().getnameinfo(sockaddr, flags)
    except (OSError, OverflowError, TypeError) as error:
        got = type(error), error.args
    assert got == expected


# -- checkpoints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["server", "10.0.0.1", "nobody", "localhost"])
@pytest.mark.parametrize("port", [53, "no-such-service"])
async def test_always_a_checkpoint(host: str, port: int | str) -> None:
    with assert_checkpoints():
        try:
            await resolver().getaddrinfo(host, port)
        except socket.gaierror:
            assert host == "nobody" or port != 53


@pytest.mark.parametrize("sockaddr", [("10.0.0.1", 53), ("10.9.9.9", 53), ("server", 53)])
async def test_getnameinfo_is_always_a_checkpoint(sockaddr: tuple[str, int]) -> None:
    with assert_checkpoints():
        try:
            await resolver().getnameinfo(sockaddr, 0)
        except socket.gaierror:
            assert sockaddr[0] == "server"


async def test_nobody_outside_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may look at an address, and never at a name; nor at which addresses this machine has."""
    asked: list[bool] = []
    real_getaddrinfo, real_getnameinfo = socket.getaddrinfo, socket.getnameinfo

    def getaddrinfo(host: str, port: int, family: int, type: int, proto: int, flags: int) -> Sequence[object]:
        asked.append(flags & (socket.AI_NUMERICHOST | socket.AI_ADDRCONFIG) == socket.AI_NUMERICHOST)
        return real_getaddrinfo(host, port, family, type, proto, flags)

    def getnameinfo(sockaddr: tuple[str, int], flags: int) -> tuple[str, str]:
        asked.append(flags & socket.NI_NUMERICHOST != 0)
        return real_getnameinfo(sockaddr, flags)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)
    await addresses("server", flags=socket.AI_ADDRCONFIG)
    await addresses("10.0.0.1", flags=socket.AI_ADDRCONFIG)
    with pytest.raises(socket.gaierror):
        await addresses("nobody")
    await resolver().getnameinfo(("10.9.9.9", 53), 0)
    assert asked == [True] * 5
