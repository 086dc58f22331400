"""`AddressCookies`: what proves an address, and for how long."""

from __future__ import annotations

import math
import pickle
import time
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_udp import Address, AddressCookies

PEER = ("192.0.2.1", 4711)
KEY = bytes(range(32))


async def test_it_knows_its_own(clock: trio.testing.MockClock) -> None:
    cookies = AddressCookies()
    cookie = cookies.make(PEER)
    assert len(cookie) == AddressCookies.SIZE == 16
    assert cookies.check(PEER, cookie)


async def test_any_other_is_wrong(clock: trio.testing.MockClock) -> None:
    cookies = AddressCookies()
    cookie = cookies.make(PEER)
    wrong = [b"", cookie[:-1], cookie + b"\0", bytes(16)]
    for bit in range(8 * len(cookie)):
        flipped = bytearray(cookie)
        flipped[bit // 8] ^= 1 << bit % 8
        wrong.append(bytes(flipped))
    assert not any(cookies.check(PEER, each) for each in wrong)


@pytest.mark.parametrize("verdict", [True, False])
async def test_how_much_of_it_is_right_does_not_show_in_the_time(
    verdict: bool, clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time cannot be measured without luck. But whoever compares in any other way does not heed what this says."""
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return verdict

    cookies = AddressCookies()
    right, wrong = cookies.make(PEER), bytes(16)
    monkeypatch.setattr("hmac.compare_digest", compare_digest)
    for cookie in (right, wrong, b""):
        assert cookies.check(PEER, cookie) is verdict
        assert {given for pair in compared for given in pair} >= {right, cookie}
        compared.clear()


async def test_nobody_elses_is_right(clock: trio.testing.MockClock) -> None:
    cookie = AddressCookies().make(PEER)
    assert not AddressCookies().check(PEER, cookie)
    assert AddressCookies().make(PEER) != AddressCookies().make(PEER)


@pytest.mark.parametrize(
    ("one", "other", "are_one_peer"),
    [
        (("192.0.2.1", 1), ("192.0.2.2", 1), False),
        (("192.0.2.1", 1), ("192.0.2.1", 2), True),  # a client's next socket, or a NAT's other port
        (("192.0.2.1", 1), ("::ffff:192.0.2.1", 1, 0, 0), True),
        (("192.0.2.1", 1), ("::192.0.2.1", 1, 0, 0), False),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::2", 1, 0, 0), False),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::1", 1, 0xABCDE, 0), True),  # the flow label is the sender's whim
        (("2001:db8::1", 1, 0, 0), ("2001:db8:0::0:1", 1, 0, 0), True),
        (("fe80::1", 1, 0, 2), ("fe80::1", 1, 0, 3), False),  # two links, two hosts
        (("fe80::1", 1, 0, 2), ("fe80::1%eth0", 1, 0, 2), True),
    ],
)
async def test_what_belongs_to_the_address(
    one: Address, other: Address, are_one_peer: bool, clock: trio.testing.MockClock
) -> None:
    cookies = AddressCookies()
    assert cookies.check(other, cookies.make(one)) is are_one_peer
    assert cookies.check(one, cookies.make(other)) is are_one_peer


@pytest.mark.parametrize(("made_at", "good_until"), [(0, 20), (3, 20), (9.75, 20), (10, 30), (19.75, 30)])
async def test_for_how_long_it_is_good(made_at: float, good_until: float, clock: trio.testing.MockClock) -> None:
    """At least the lifetime, and at most twice that."""
    cookies = AddressCookies(lifetime=10)
    await trio.sleep(made_at)
    cookie = cookies.make(PEER)
    await trio.sleep(good_until - made_at - 0.25)
    assert cookies.check(PEER, cookie)
    await trio.sleep(0.25)
    assert trio.current_time() == good_until
    assert not cookies.check(PEER, cookie)
    assert cookies.check(PEER, cookies.make(PEER))


def test_one_of_the_future_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr(time, "time", lambda: now)
    cookies = AddressCookies(lifetime=10, key=KEY)
    later = cookies.make(PEER)
    now = 9.0
    assert not cookies.check(PEER, later)


async def test_the_rfcs_hour_is_the_default(clock: trio.testing.MockClock) -> None:
    cookies = AddressCookies()
    cookie = cookies.make(PEER)
    await trio.sleep(3599)
    assert cookies.check(PEER, cookie)
    await trio.sleep(1)
    assert not cookies.check(PEER, cookie)


def test_processes_with_one_key_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ``trio.run`` has a clock of its own, so it is the system's that counts."""
    now = 1_700_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)

    async def make() -> bytes:
        return AddressCookies(key=KEY).make(PEER)

    async def check(cookie: bytes) -> bool:
        return AddressCookies(key=KEY).check(PEER, cookie)

    cookie = trio.run(make, clock=trio.testing.MockClock())
    assert trio.run(check, cookie)
    now += 1800
    assert trio.run(check, cookie)
    now += 1800
    assert not trio.run(check, cookie)


def test_the_form_does_not_change_from_version_to_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old and new processes may run side by side. This one was computed by ``openssl dgst -sha256 -mac HMAC``."""
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert AddressCookies(key=KEY).make(PEER).hex() == "d202601426c110d493131413dd1d82fe"


async def test_a_copy_in_another_process_knows_them_with_a_key() -> None:
    cookies = AddressCookies(key=KEY)
    copy = pickle.loads(pickle.dumps(cookies))
    assert copy.check(PEER, cookies.make(PEER))


@given(cookie=st.binary(max_size=40))
def test_what_strangers_send_is_only_wrong(cookie: bytes) -> None:
    cookies = AddressCookies(key=KEY)
    assert not cookies.check(PEER, cookie)


@pytest.mark.parametrize("lifetime", [0, -1, math.nan, math.inf, "1"])
def test_lifetimes_that_make_no_sense(lifetime: Any) -> None:
    with pytest.raises(ValueError, match="lifetime must be a finite number above 0, not "):
        AddressCookies(lifetime=lifetime)


def test_keys_that_are_none() -> None:
    with pytest.raises(ValueError, match="key must have at least 16 random bytes, not 6"):
        AddressCookies(key=b"secret")
    with pytest.raises(TypeError, match="key must be bytes, or None, not str"):
        AddressCookies(key="x" * 32)  # type: ignore[arg-type]
