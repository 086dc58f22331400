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

from trio_udp.cli import main
from trio_udp.cli._story import Story
from trio_udp.cli.demo import play, retry_for, run

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
    assert retry_for(loss).attempts == attempts


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
