"""The demo, in virtual time over real loopback: the same seed has to tell the same story, to the instant."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from argparse import Namespace
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.fakes import OtherSocket, OtherSockets
from trio_udp import DatagramSent, Event
from trio_udp.cli import demo, main, make_parser
from trio_udp.cli._common import leaves
from trio_udp.cli._faults import Network, read_network
from trio_udp.cli._play import play, retry_for
from trio_udp.cli._story import Story
from trio_udp.cli.demo import character, choose_network, introduction, live_title, run
from trio_udp.faults import Link, Rebind, blackhole
from trio_udp.testing import VirtualNetwork

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Callable

Told = list[tuple[str, int, int, dict[str, Any]]]


def losing(loss: float) -> Network:
    return both_ways(Link(loss=loss))


def both_ways(link: Link) -> Network:
    return Network(link, link, (), (), None)


def tell_story(
    seed: int, loss: float = 0.3, clients: int = 3, requests: int = 4, virtual: bool = False
) -> tuple[Story, Told]:
    """What happened, and to whom, without the times of the answers, which are real."""
    told: Told = []

    def tell(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
        told.append((kind, client, request, {key: more[key] for key in more if key != "elapsed"}))

    async def main() -> Story:
        async with VirtualNetwork() if virtual else nullcontext():
            story = Story(tell)
            await play(story, clients, requests, losing(loss), seed)
            return story

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)), told


def of_each_client(told: Told) -> dict[int, Told]:
    return {client: [event for event in told if event[1] == client] for _, client, *_ in told}


@pytest.mark.parametrize("seed", [2, 7])
def test_the_same_seed_tells_the_same_story(seed: int) -> None:
    story, told = tell_story(seed)
    again, told_again = tell_story(seed)
    assert of_each_client(told) == of_each_client(told_again)
    assert (story.answered, story.attempts, story.lost) == (again.answered, again.attempts, again.lost)
    assert story.answered == 12


def times_of_sending(seed: int) -> list[tuple[float, int, int]]:
    """When each attempt was made: virtual time moves only while all wait, so nothing but the schedule is in it."""
    sent: list[tuple[float, int, int]] = []

    def tell(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
        if kind == "sent":
            sent.append((round(time, 6), client, request))

    async def main() -> None:
        await play(Story(tell), 3, 4, losing(0.5), seed)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))
    return sorted(sent)


def test_the_same_seed_waits_the_same_times() -> None:
    """The clients' jitter is part of the story."""
    assert times_of_sending(2) == times_of_sending(2)
    assert len({time for time, *_ in times_of_sending(2)}) > 10


class Disturbed(Story):
    """While it is told, somebody else sends to the relay what its clients do."""

    def watch(self, client: int) -> Callable[[Event], None]:
        inner = super().watch(client)

        def observer(event: Event) -> None:
            inner(event)
            if isinstance(event, DatagramSent):
                with socket.socket(type=socket.SOCK_DGRAM) as stranger:
                    for data in (b"", b"nonsense", b"client x request y", event.data, b"\xff" * 1000):
                        stranger.sendto(data, event.remote)

        return observer


def test_strangers_are_no_part_of_the_story() -> None:
    """Any process of this machine could end the demo with a datagram that is none of its clients'."""

    async def main() -> Story:
        story = Disturbed(lambda *_: None)
        await play(story, 3, 4, losing(0.5), 2)
        return story

    story = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert story.answered == 12
    assert story.attempts == 12 + sum(story.lost.values())


def test_many_clients_tell_one_story_too() -> None:
    """In real time: 300 datagrams at once were more than the server's buffer took, and the kernel dropped the rest.

    And a client that got the port of one that was done was the same to the relay, and had another story.
    """

    async def main() -> tuple[Story, Told]:
        told: Told = []
        story = Story(lambda _, kind, client, request, more: told.append((kind, client, request, {})))
        await play(story, 300, 1, losing(0.1), 2)
        return story, told

    def undisturbed() -> Told:
        """On a busy machine some wait for what is only late, which the demo says itself; then once more."""
        for _ in range(10):
            story, told = trio.run(main)
            if story.timed_out == sum(story.lost.values()):
                return told
        raise AssertionError("in ten runs attempts have timed out that nobody had lost")

    assert of_each_client(undisturbed()) == of_each_client(undisturbed())


def test_an_honest_word_when_the_machine_was_too_busy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(story: Story, *_: object) -> None:
        story.timed_out = 2

    monkeypatch.setattr(demo, "play", play)
    in_virtual_time(demo_args(json=True))
    assert "too busy: 2 attempts timed out that nobody had lost." in capsys.readouterr().err


def test_more_clients_get_more_time() -> None:
    some, many = retry_for(losing(0.3), 100), retry_for(losing(0.3), 1000)
    assert (some.first, some.maximum) == (0.2, 0.5)
    assert (many.first, many.maximum) == pytest.approx((2.0, 5.0))


def test_so_do_slow_networks() -> None:
    retry = retry_for(both_ways(Link(delay=0.5, jitter=0.25)), 3)
    assert (retry.first, retry.maximum) == (1.7, 2.0)


def test_another_seed_tells_another() -> None:
    assert of_each_client(tell_story(1)[1]) != of_each_client(tell_story(2)[1])


def test_the_numbers_add_up() -> None:
    """Every attempt was lost, or answered."""
    story, told = tell_story(3, loss=0.5, clients=10, requests=20)
    assert story.answered == 200
    assert story.attempts == 200 + sum(story.lost.values())
    kinds = [kind for kind, *_ in told]
    assert kinds.count("sent") == story.attempts
    assert kinds.count("lost") == kinds.count("timed_out") == sum(story.lost.values())
    share = story.lost["to_server"] / story.attempts
    assert 0.4 < share < 0.6


def test_a_story_without_losses() -> None:
    story, told = tell_story(1, loss=0)
    assert story.attempts == story.answered == 12
    assert {kind for kind, *_ in told} == {"sent", "answered"}


def test_a_hopeless_network() -> None:
    story, told = tell_story(1, loss=1, clients=2, requests=1)
    assert (story.answered, story.attempts) == (0, 10)
    assert [kind for kind, *_ in told].count("failed") == 2
    assert story.round_trip(0.5) is None


def test_it_ends_also_when_nothing_can_be_sent() -> None:
    class Stuck(OtherSocket):
        async def send(self, data: Any, flags: int = 0) -> int:
            await trio.sleep_forever()

    class StuckSockets(OtherSockets):
        def socket(self, family: Any = None, type: Any = None, proto: int = 0) -> trio.socket.SocketType:
            socket = super().socket(family, type, proto)
            socket.__class__ = Stuck
            return socket

    async def main() -> Story:
        trio.socket.set_custom_socket_factory(StuckSockets())
        story = Story(lambda *_: None)
        with trio.fail_after(1000):
            await play(story, 2, 2, losing(0), 1)
        return story

    story = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert (story.answered, story.attempts) == (0, 4)


def test_what_a_preset_takes_by_rule_is_outlasted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--virtual", "--preset", "interop-blackhole", "--requests", "300", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    assert (summary["requests"], summary["answered"]) == (900, 900)
    assert summary["attempts"] > 900


def test_rules_and_new_ports_ask_for_more_attempts_than_chance_does() -> None:
    link = Link()
    assert retry_for(Network(link, link, (), (), Rebind(1, 5)), 3).attempts == 10
    assert retry_for(Network(link, link, (), (blackhole(5, 2),), None), 3).attempts == 10
    lossy = Link(loss=0.5)
    assert retry_for(Network(lossy, lossy, (), (), Rebind(1, 5)), 3).attempts == 73


@pytest.mark.parametrize(
    ("loss", "said"), [(".004", "0.4%"), (".3", "30%"), ("0", "0%"), ("1", "100%"), (".00001", "0.001%"), (".07", "7%")]
)
def test_the_loss_is_said_as_it_is(loss: str, said: str) -> None:
    args = make_parser().parse_args(["demo", "--loss", loss])
    assert f"a network that loses {said} each way.\n" in introduction(args, read_network(args))


@pytest.mark.parametrize(("loss", "attempts"), [(0.0, 1), (0.3, 31), (0.5, 73), (0.99, 1000), (1.0, 5)])
def test_enough_attempts(loss: float, attempts: int) -> None:
    assert retry_for(losing(loss), 3).attempts == attempts
    assert retry_for(both_ways(Link(garble=loss)), 3).attempts == attempts


def demo_args(**options: Any) -> Namespace:
    return Namespace(**{**vars(make_parser().parse_args(["demo"])), **options})


def in_virtual_time(args: Namespace) -> int:
    return trio.run(run, args, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_a_person_sees(capsys: pytest.CaptureFixture[str]) -> None:
    assert in_virtual_time(demo_args()) == 0
    out, err = capsys.readouterr()
    assert len(err.split("\n\n")[0].splitlines()) == 2
    assert "3 clients in one nursery" in err
    assert "30%" in err
    assert "Try next:" in err
    for words in (
        'client 1  -> sends "request 1"\n',
        "is lost on its way to the server",
        "is lost on its way back",
        "hears nothing: attempt 1 of request",
        "has the reply to request 4",
        "requests                            12",
        "answered                            12",
        "round trip, 99th percentile",
    ):
        assert words in out


def test_what_a_program_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert in_virtual_time(demo_args(json=True)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    *lines, last = [json.loads(line) for line in out.splitlines()]
    summary = last["summary"]
    assert {event["event"] for event in lines} == {"sent", "lost", "timed_out", "answered"}
    assert summary["requests"] == summary["answered"] == 12
    assert summary["attempts"] == [event["event"] for event in lines].count("sent")
    for way in ("to_server", "to_client"):
        lost = [event for event in lines if event.get("direction") == way]
        assert summary[f"lost_{way}"] == len(lost)
    assert (summary["seed"], summary["loss"], summary["clients"]) == (1, 0.3, 3)
    assert 0 < summary["duration"] < 5


def test_a_network_with_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """It takes 30 ms there and back, and what it damages is sent again as well."""
    assert in_virtual_time(demo_args(preset="interop-corrupt-rate")) == 0
    out, err = capsys.readouterr()
    assert "a network that is like interop-corrupt-rate (QUIC interop runner, handshakecorruption).\n" in err
    assert "too busy" not in err
    assert " is damaged on its way to the server\n" in out
    assert "\ndamaged      " in out
    assert in_virtual_time(demo_args(preset="interop-corrupt-rate", json=True)) == 0
    out, _ = capsys.readouterr()
    *lines, last = [json.loads(line) for line in out.splitlines()]
    summary = last["summary"]
    assert (summary["preset"], summary["loss"]) == ("interop-corrupt-rate", 0)
    assert summary["damaged"] == len([event for event in lines if event["event"] == "damaged"]) > 0
    assert summary["round_trip_median"] >= 0.03


def test_a_slow_network_is_not_a_lossy_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert in_virtual_time(demo_args(loss=0.0, delay=2.0, jitter=1.0, json=True)) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])["summary"]
    assert summary["attempts"] == summary["answered"] == 12
    assert 4 <= summary["round_trip_median"] <= 6
    assert err == ""


def test_virtual_sockets_tell_the_same_story() -> None:
    story, told = tell_story(3, loss=0.5, clients=10)
    virtual_story, virtually_told = tell_story(3, loss=0.5, clients=10, virtual=True)
    assert of_each_client(told) == of_each_client(virtually_told)
    assert story.lost == virtual_story.lost


def test_virtual_time_is_the_same_each_time() -> None:
    """To the byte, times included, in processes whose sets have other orders."""
    options = ["--virtual", "--json", "--clients", "20", "--delay", "0.05", "--jitter", "0.02"]
    command = [sys.executable, "-m", "trio_udp", "demo", *options]
    told = [
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, check=True).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count(b"\n") > 200


def test_nothing_is_real_in_virtual_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--virtual", "--json", "--loss", "0", "--delay", "3600"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    assert summary["round_trip_median"] == pytest.approx(7200, abs=0.001)
    assert summary["duration"] == pytest.approx(4 * 7200, abs=1)
    assert main(["demo", "--virtual"]) == 0
    assert "3 clients in one nursery, in virtual time, and between them" in capsys.readouterr().err


def test_the_options_are_those_of_the_relay() -> None:
    arguments = ["--loss", ".1", "--delay", ".2", "--jitter", ".3", "--preset", "mobile"]
    ours = make_parser().parse_args(["demo", *arguments])
    theirs = make_parser().parse_args(["relay", "7000", "8000", *arguments])
    assert read_network(ours) == read_network(theirs)


def test_when_nothing_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    assert in_virtual_time(demo_args(loss=1.0)) == 3
    out, _ = capsys.readouterr()
    assert "gives up on request 1 after 5 attempts" in out
    assert in_virtual_time(demo_args(loss=1.0, json=True)) == 3
    out, _ = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["summary"]["round_trip_median"] is None


def test_no_arguments_run_the_demo() -> None:
    """As a person starts it, in real time."""
    answer = subprocess.run([sys.executable, "-m", "trio_udp"], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert "answered                            12" in answer.stdout


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--loss", "1.5"], "a probability is a number from 0 to 1"),
        (["--loss", "nan"], "a probability is a number from 0 to 1"),
        (["--clients", "0"], "whole number, 1 or more"),
        (["--requests", "many"], "whole number, 1 or more"),
        (["--seed", "x"], "invalid int value"),
    ],
)
def test_bad_options(option: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["demo", *option])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_options_of_the_demo_may_stand_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--virtual", "--loss", "0", "--clients", "1", "--requests", "1"]) == 0
    assert "in virtual time" in capsys.readouterr().err


def test_a_delay_of_ages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--virtual", "--loss", "0", "--delay", "1e9", "--clients", "1", "--requests", "1"]) == 0
    assert "too busy" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["demo", "--delay", "1e10"])
    assert "at most 1e+09, like 0.5, not '1e10'" in capsys.readouterr().err


def test_too_many_clients_for_a_demonstration(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--clients", "10001"])
    assert "there can be at most 10000 clients, not 10001" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "live", "delay"),
    [
        ([], True, 0.4),
        (["--loss", "0.5"], True, 0.4),
        (["--speed", "2"], True, 0.4),
        (["--virtual", "--step"], True, 0.4),
        ([], False, 0.0),
        (["--speed", "2"], False, 0.0),
        (["--virtual"], True, 0.0),  # it waits for nobody
        (["--delay", "0"], True, 0.0),
        (["--jitter", "0.1"], True, 0.0),
        (["--preset", "interop-drop-rate"], True, 0.015),
    ],
)
def test_where_it_is_drawn_datagrams_take_their_time(options: list[str], live: bool, delay: float) -> None:
    args = make_parser().parse_args(["demo", *options])
    args.clock(args)
    network = choose_network(args, live)
    assert network.forward.delay == network.backward.delay == delay


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--delay", "0.4"], "loses 30% and takes 0.4 s each way"),
        (["--jitter", "0.1"], "loses 30% and takes 0 to 0.1 s each way"),
        (["--delay", "0.2", "--jitter", "0.1"], "loses 30% and takes 0.2 to 0.3 s each way"),
    ],
)
def test_the_delay_is_said_as_it_is(options: list[str], said: str) -> None:
    args = make_parser().parse_args(["demo", *options])
    assert character(args, choose_network(args)) == said


def test_a_visible_delay_loses_the_same_datagrams(capsys: pytest.CaptureFixture[str]) -> None:
    stories = []
    for delay in ("0", "0.4"):
        assert main(["demo", "--virtual", "--json", "--delay", delay]) == 0
        *_, last = capsys.readouterr().out.splitlines()
        summary = json.loads(last)["summary"]
        stories.append([summary[name] for name in ("attempts", "lost_to_server", "lost_to_client")])
    assert stories[0] == stories[1]
    assert 8 <= summary["duration"] <= 20


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_demo_tells_what_has_happened(
    as_json: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(story: Story, *_: object) -> None:
        async with trio.open_nursery():
            story.attempts = 7
            raise KeyboardInterrupt

    monkeypatch.setattr(demo, "play", play)
    assert in_virtual_time(demo_args(json=as_json)) == 130
    out, err = capsys.readouterr()
    assert ('"attempts": 7,' if as_json else "attempts                             7\n") in out
    assert "Try next" not in err


def test_what_else_goes_wrong_is_not_taken_for_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(demo, "play", play)
    with pytest.raises(ValueError, match="a bug"):
        in_virtual_time(demo_args())


def test_what_goes_wrong_at_ctrl_c_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a group with a KeyboardInterrupt was an interruption, whatever else was in it."""

    async def play(*_: object) -> None:
        raise BaseExceptionGroup("", [KeyboardInterrupt(), BaseExceptionGroup("", [ValueError("a bug")])])

    monkeypatch.setattr(demo, "play", play)
    with pytest.raises(BaseExceptionGroup) as raised:
        in_virtual_time(demo_args())
    assert [repr(error) for error in leaves(raised.value)] == ["ValueError('a bug')"]


@pytest.mark.parametrize(
    ("speed", "pace"), [(1.0, "at real speed"), (0.25, "0.25 times as fast"), (20.0, "20 times as fast")]
)
def test_the_title_says_how_fast_time_passes(speed: float, pace: str) -> None:
    args = demo_args(speed=speed, virtual=True)
    title = live_title(args, choose_network(args, live=True))
    assert title == f"trio_udp demo, {pace}, seed 1: the network loses 30% and takes 0.4 s each way"
