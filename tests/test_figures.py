"""Each figure that a page states about a program beside it is what comes of running that program.

The pages show what the programs say, made anew by each build; but what the prose says of it is typed by hand. So each
such sentence stands here, with where the same numbers are: in what the program says, in its trace, or, for what goes
in, in its text. Neither can change alone. What a program of the explanation says is in a file beside it, which
tests/test_explanation.py compares; the tutorial's tests, of which the text is read here, test_tutorial_later.py runs.

Left out is what runs in real time: chapters 1 and 2, ncat and dig in chapter 11; and what has a source of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import signature
from itertools import accumulate, pairwise
from typing import Any

import pytest

from docs import _tutorial
from tests.test_tutorial import ran
from trio_udp import Retry, serve_udp

EXPLAINING = ("structured_concurrency", "datagrams", "timeouts", "retries", "guards")
FILES = [*(_tutorial.DOCS / "tutorial").glob("*.rst"), *(_tutorial.DOCS / f"explanation/{n}.rst" for n in EXPLAINING)]
PAGES = {path.stem.partition("_")[0]: " ".join(path.read_text(encoding="utf-8").split()) for path in FILES}
SENT = [*accumulate(Retry(first=1, jitter=0).timeouts(), initial=0)]  # as in both exercises of chapter 10
MORE = "../explanation/"  # where its programs are, as seen from those of the tutorial
CODE = re.compile(r"``[^`]*``|:\w+:`[^`]*`")
NOT_OF_A_PROGRAM = re.compile(r"(?:sections?|to|Python|Linux) \d+(?:\.\d+)+|(?<=the third reading is )17\.2")

WORDS = {
    "half a second": 0.5, "half": 0.5, "tenth of a second": 0.1, "a second": 1, "a whole second": 1, "a minute": 60,
    "one": 1, "two": 2, "twice": 2, "three": 3, "third": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10,
    "twenty": 20, "sixty": 60, "hundred": 100, "thousand": 1000, "million": 1_000_000,
}  # fmt: skip
NUMBER = re.compile(rf"\d+(?:,\d{{3}})*(?:\.\d+)?|\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)


def numbers(prose: str) -> list[float]:
    """What it states, code in it apart."""
    words = NUMBER.findall(CODE.sub("", prose))
    return [WORDS[word.lower()] if word.lower() in WORDS else float(word.replace(",", "")) for word in words]


def output(name: str) -> str:
    return _tutorial.program(name).with_suffix(".txt").read_text("utf-8") if name.startswith("../") else ran(name).said


def found(text: str, patterns: tuple[str, ...]) -> list[float]:
    matches = (match for pattern in patterns for match in re.finditer(pattern, text, re.MULTILINE))
    return [float(number) for match in matches for number in match.groups()]


def said(name: str, *patterns: str) -> list[float]:
    return found(output(name), patterns)


def source(name: str, *patterns: str) -> list[float]:
    return found(_tutorial.program(name).read_text(encoding="utf-8"), patterns)


def count(name: str, *words: str) -> list[float]:
    return [output(name).count(word) for word in words]


def events(name: str, kind: str) -> list[Any]:
    everything = (getattr(entry, "event", entry) for entry in ran(name).trace.entries)
    return [each for each in everything if type(each).__name__ == kind]


def times(name: str, kind: str = "DatagramSent") -> list[float]:
    return [event.time for event in events(name, kind)]


def waits(name: str) -> list[float]:
    """After each datagram that is sent, until the next one or the end."""
    return [there - here for here, there in pairwise([*times(name), ran(name).trace.ended])]


def silence(name: str) -> list[float]:
    closed = events(name, "PeerClosed")[0]
    return [closed.time - max(each.time for each in events(name, "DatagramReceived") if each.remote == closed.remote)]


def journey(name: str) -> list[float]:
    """What is lost, what is doubled and how often that came, and what has overtaken what."""
    heard = said(name, r"number (\d)")
    doubled = [number for number in dict.fromkeys(heard) if heard.count(number) > 1]
    overtaking = [number for pair in pairwise(heard) if pair[0] > pair[1] for number in pair]
    return [*sorted({*range(1, 9)} - {*heard}), *doubled, max(map(heard.count, heard)), *overtaking]


# fmt: off
# Chapter or page, what it states, the program, and where the numbers are there.
FIGURES: list[tuple[str, str, str, Callable[[str], list[float]]]] = [
    ("03", "every 0.3 seconds", "solutions/nursery_2", lambda n: source(n, r"sleep\((0\.\d)\)")),
    ("04", "lose the third datagram", "lost", lambda n: [1 + ran(n).sent.index(ran(n).lost[0])]),
    ("04", "block that is left after one second", "saved", lambda n: [times(n)[3] - times(n)[2]]),
    ("04", "not answered in a second", "solutions/lost_1", lambda n: waits(n)[2:]),
    ("04", "one second for *all* questions", "solutions/lost_2", lambda n: said(n, r"in (\S+) s")),
    ("05", "half a second. When that is over", "retries", lambda n: said(n, r"in (\S+) s")[:1]),
    ("05", "waits for a whole second", "retries", lambda n: said(n, r"in (\S+) s")[1:]),
    ("05", "by up to half", "patient", lambda n: [Retry().jitter]),
    ("05", "asks every tenth of a second, while the server needs 0.35 seconds", "mistakes/retries",
     lambda n: [times(n)[1], times(n)[4]]),
    ("05", "four times before the first answer", "mistakes/retries", lambda n: [ran(n).sent.index((0.35, "one"))]),
    ("05", "0.5, 1, 2 and 4 seconds are 7.5", "solutions/retries_1", lambda n: [*waits(n), *said(n, r"in (\S+) s")]),
    ("05", "at 0, 0.2, 0.6 and 1.4 seconds, and gives up at 3", "solutions/retries_2",
     lambda n: [*times(n), *said(n, r"after (\S+) s")]),
    ("05", "0.2, 0.4, 0.8 and 1.6 seconds", "solutions/retries_2", waits),
    ("06", "Two orders, two tickets", "duplicates", lambda n: count(n, "->", "sold:")),
    ("06", "Ticket 1 is sold, too", "mistakes/duplicates",
     lambda n: [*{*said(n, r"sold: .*?(\d)")} - {*said(n, r"> .*?(\d)")}]),
    ("06", "after one second, and after six more", "solutions/duplicates_2", lambda n: waits(n)[1:5:2]),
    ("06", "The third request", "solutions/duplicates_2", lambda n: [1 + said(n, r"ticket (\d)").index(2)]),
    ("06", "can be 46.5 seconds", "duplicates", lambda n: [Retry().span]),
    ("07", "half a second later", "crew", lambda n: said(n, r"Ada: tea, after (\S+) s")),
    ("07", "which is 1000 if", "crew", lambda n: [signature(serve_udp).parameters["max_tasks"].default]),
    ("07", "Bob asks for 0.2 seconds and gets 0.6, Cleo for 0.4 and gets 0.9", "mistakes/one_loop",
     lambda n: [x for two in zip(source(n, r'b"(\d\S*) '), said(n, r"after (\S+) s"), strict=True) for x in two][2:]),
    ("07", "a tenth of a second later", "solutions/crew_1",
     lambda n: [times(n, "HandlerStarted")[2] - times(n, "AttemptStarted")[2]]),
    ("08", "has said nothing for two seconds", "peers", silence),
    ("08", "Ada measures one second and is told 0.7. When Bob came, at 0.3", "mistakes/one_watch",
     lambda n: [times(n)[4], *said(n, r"Ada: (0.\d)"), times(n)[1]]),
    ("08", "had two watches", "solutions/peers_1", lambda n: [len(times(n, "PeerOpened"))]),
    ("08", "silent for 2.5 seconds", "solutions/peers_2", silence),
    ("08", "at 0 and at 1 second; at 3.5", "solutions/peers_2", lambda n: [*times(n)[:3:2], *times(n, "PeerClosed")]),
    ("09", "told to stop at 0.2 seconds", "stopping", lambda n: times(n, "NurseryCancelled")[:1]),
    ("09", "gets her tea, at 0.5", "stopping", lambda n: times(n, "ReplyAccepted")),
    ("09", "here it took 0.3 seconds", "stopping", lambda n: said(n, r"took (\S+) s")),
    ("09", "Bob asks at 0.3", "stopping", lambda n: times(n)[1:2]),
    ("09", "A second later he asks again", "stopping", lambda n: [times(n)[3] - times(n)[1]]),
    ("09", "0.2 seconds of grace", "solutions/stopping_1", lambda n: source(n, r"grace_period=(.*)\)")),
    ("09", "signal came at 0.3 seconds", "solutions/stopping_2", lambda n: times(n, "NurseryCancelled")[:1]),
    ("10", "three of ten", "virtual", lambda n: [10 * source(n, r"loss=(0.\d)")[0], 10]),
    ("10", "each datagram takes 0.1 seconds", "virtual", lambda n: [times(n, "DatagramReceived")[0] - times(n)[1]]),
    ("10", "7.6 seconds, and you have not", "virtual", lambda n: said(n, r"(\S+) s: to")),
    ("10", "Four datagrams were lost", "virtual", lambda n: [len(ran(n).lost)]),
    ("10", "0.1 there, 0.5 for the tea and 0.1 back are 0.7", "test_crew",
     lambda n: [*(parts := source(n, r"approx\((\S+) \+ (\S+) \+ (\S+)\)")), sum(parts)]),
    ("10", "half a second, and the program says 0.2", "mistakes/real_sleep",
     lambda n: [*source(n, r'b"(\S+) tea'), *said(n, r"(\S+) s")]),
    ("10", "says that 0.2 is not 0.7", "mistakes/real_sleep",
     lambda n: [*said(n, r"(\S+) s"), sum(source("test_crew", r"approx\((\S+) \+ (\S+) \+ (\S+)\)"))]),
    ("10", "sent at 0, 1 and 3 seconds", "solutions/test_lost_twice", lambda n: SENT[:3]),
    ("10", "sent at 0, 1, 3 and 7 seconds", "solutions/test_cut_off", lambda n: SENT[:4]),
    ("10", "7 arrives. The answer takes half a second", "solutions/test_cut_off",
     lambda n: [*divmod(source(n, r"\[\((\S+),")[0], 1)]),
    ("11", "ten datagrams a second, and twenty at once", "real_world",
     lambda n: [*source(n, r" rate=(\d+)"), 1, *source(n, r"burst=(\d+)")]),
    ("11", "here with one in it", "mistakes/believing", lambda n: said(n, r"\((\d+) sub-exception")),
    ("11", "The burst of twenty", "solutions/real_world_1", lambda n: said(n, r"(\d+) answered")),
    ("11", "port 9000, and an echo at port 9001", "solutions/real_world_2", lambda n: said(n, r"^(\d+) ")),
    ("datagrams", "Five and seven are lost. One and four came twice, and three has overtaken two", MORE + "journey",
     journey),
    ("datagrams", "65,507 bytes are what", MORE + "sizes", lambda n: said(n, r"at most (\d+)")),
    ("datagrams", "as Linux does, kept 255", MORE + "nobody_reads", lambda n: said(n, r"(\d+) came")),
    ("timeouts", "waited for 4.5 seconds instead of two", MORE + "timeout_parameter",
     lambda n: said(n, r"(\S+) s  done", r"(\S+) s  given")),
    ("timeouts", "With a minute", MORE + "attempts_and_deadline", lambda n: said(n, r"of (\S+) s\n")[:1]),
    ("timeouts", "With 2.5 seconds", MORE + "attempts_and_deadline", lambda n: said(n, r"(\S+) s  TooSlow")),
    ("retries", "paid three times", MORE + "charged_twice", lambda n: count(n, "charges")),
    ("retries", "forgotten after two seconds, the client tried longer than that, and it was charged twice",
     MORE + "charged_once", lambda n: [*said(n, r"ttl=(\d)\n"), output(n).rpartition("ttl=")[2].count("charges")]),
    ("retries", "asks six times in that minute instead of sixty", MORE + "outage",
     lambda n: [1 + again / 100 for again in said(n, r"(\d+) again")[1::-1]]),
    ("retries", "all hundred of them", MORE + "outage", lambda n: said(n, r"up to (\d+)")[1:2]),
    ("retries", "third line each wait is stretched by up to half", MORE + "outage",
     lambda n: [1 + output(n).partition("stretched")[0].count("\n"), *source(n, r"jitter=(0\.\d)")]),
    ("guards", "10,000 bytes became a million", MORE + "reflection",
     lambda n: said(n, r"(\d+) in all", r"no guard: +(\d+)")),
    ("guards", "victim gets 16,000", MORE + "reflection", lambda n: said(n, r"with guard: +(\d+)")),
    ("guards", "1.6 bytes for each", MORE + "reflection", lambda n: [said(n, r"with guard: +(\d+)")[0] / 10_000]),
    ("guards", "its burst of 20 and ten", MORE + "floods",  # the tenth comes after the last one
     lambda n: [*source(n, r"burst=(\d+)"), said(n, r"one source +: +(\d+)")[0] - source(n, r"burst=(\d+)")[0] + 1]),
    ("guards", "asked twice before, is served in the third run", MORE + "floods",
     lambda n: [len(source(n, r"assert await .*(\d)")), *count(n, "Ada is served: True")]),
]
# fmt: on


@pytest.mark.parametrize(("page", "stated", "name", "find"), FIGURES, ids=[f"{row[0]}: {row[1]}" for row in FIGURES])
def test_it_is_so(page: str, stated: str, name: str, find: Callable[[str], list[float]]) -> None:
    assert PAGES[page].count(stated) == 1
    assert numbers(stated) == pytest.approx(find(name), abs=1e-4)


@pytest.mark.parametrize("page", PAGES)
def test_no_fraction_is_without_a_program(page: str) -> None:
    """Whole numbers may be anything; a fraction of a second is one that was seen."""
    prose = CODE.sub("", PAGES[page])
    for of_page, stated, *_ in FIGURES:
        prose = prose.replace(CODE.sub("", stated), "") if of_page == page else prose
    assert re.findall(r"\d\.\d", NOT_OF_A_PROGRAM.sub("", prose)) == []
