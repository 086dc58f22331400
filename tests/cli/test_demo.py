"""The demo, in virtual time over real loopback: the same seed has to tell the same story, to the instant."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from typing import Any

import pytest
import trio
import trio.testing

from trio_udp import UDPEndpoint, serve_endpoints
from trio_udp.cli import demo, main
from trio_udp.cli._lossy_socket import LossySocket
from trio_udp.cli._story import Story
from trio_udp.cli.demo import echo, play, retry_for, run

Told = list[tuple[str, int, int, dict[str, Any]]]


def tell_story(seed: int, loss: float = 0.3, clients: int = 3, requests: int = 4) -> tuple[Story, Told]:
    """What happened, and to whom, without the times of the answers, which are real."""
    told: Told = []

    def tell(time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
        told.append((kind, client, request, {key: more[key] for key in more if key != "elapsed"}))

    async def main() -> Story:
        story = Story(tell)
        await play(story, clients, requests, loss, seed)
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
        await play(Story(tell), 3, 4, 0.5, seed)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))
    return sorted(sent)


def test_the_same_seed_waits_the_same_times() -> None:
    """The clients' jitter is part of the story."""
    assert times_of_sending(2) == times_of_sending(2)
    assert len({time for time, *_ in times_of_sending(2)}) > 10


async def test_strangers_are_no_part_of_the_story() -> None:
    """Any process of this machine could end the demo with a datagram that is none of its clients'."""
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as stranger:
        told: list[str] = []

        async def disturb(socket: trio.socket.SocketType) -> None:
            for data in (b"", b"nonsense", b"client x request y", b"client 1 request 1", b"\xff" * 1000):
                await stranger.sendto(data, socket.getsockname())

        story, socket = Story(lambda *event: told.append(event[1])), trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        await socket.bind(("127.0.0.1", 0))
        endpoint = UDPEndpoint(LossySocket(socket, 1.0, 2, story.concerns, story.loss))
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_endpoints, echo, [endpoint])
            await disturb(socket)
            with trio.fail_after(60):
                answers = {await stranger.recv(2000) for _ in range(5)}
            nursery.cancel_scope.cancel()
    assert b"client 1 request 1" in answers
    assert (told, sum(story.lost.values())) == ([], 0)


def test_many_clients_tell_one_story_too() -> None:
    """In real time: 300 datagrams at once were more than the server's buffer took, and the kernel dropped the rest."""

    async def main() -> tuple[Story, Told]:
        told: Told = []
        story = Story(lambda _, kind, client, request, more: told.append((kind, client, request, {})))
        await play(story, 300, 1, 0.1, 2)
        return story, told

    (story, told), (_, again) = trio.run(main), trio.run(main)
    assert story.timed_out == sum(story.lost.values())
    assert of_each_client(told) == of_each_client(again)


def test_an_honest_word_when_the_machine_was_too_busy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(story: Story, *_: object) -> None:
        story.timed_out = 2

    monkeypatch.setattr(demo, "play", play)
    in_virtual_time(demo_args(json=True))
    assert "too busy: 2 attempts timed out that nobody had lost." in capsys.readouterr().err


def test_more_clients_get_more_time() -> None:
    assert (retry_for(0.3, 100).first, retry_for(0.3, 100).maximum) == (0.2, 0.5)
    assert (retry_for(0.3, 1000).first, retry_for(0.3, 1000).maximum) == pytest.approx((2.0, 5.0))


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


@pytest.mark.parametrize(("loss", "attempts"), [(0.0, 1), (0.3, 31), (0.5, 73), (0.99, 1000), (1.0, 5)])
def test_enough_attempts(loss: float, attempts: int) -> None:
    assert retry_for(loss, 3).attempts == attempts


def demo_args(**options: Any) -> Namespace:
    return Namespace(**{"seed": 2, "loss": 0.3, "clients": 3, "requests": 4, "json": False} | options)


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
    assert (summary["seed"], summary["loss"], summary["clients"]) == (2, 0.3, 3)
    assert 0 < summary["duration"] < 5


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
