"""The ladder as a picture: what is in it is what was recorded, and it is where it should be."""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
import trio

from tests.tracing.traces import (
    CLIENT,
    OTHER,
    SERVER,
    a_retry,
    accepted,
    arrived,
    begins,
    dropped,
    exchange,
    exchanges,
    fails,
    handled,
    ignored,
    lost,
    received,
    sent,
    times_out,
    trace_of,
    watched,
)
from trio_udp import (
    Datagram,
    DatagramReceived,
    DatagramSent,
    HandlerFinished,
    HandlerStarted,
    Retry,
    open_udp_client,
    serve_udp,
)
from trio_udp.cli import make_parser
from trio_udp.tracing import Happened, Trace, chrome, ladder_svg, ladder_text, mermaid, timeline_svg

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from trio.testing import MockClock

    from trio_udp import Address, Event

SVG = "{http://www.w3.org/2000/svg}"


def drawing(trace: Trace) -> Element:
    return ElementTree.fromstring(ladder_svg(trace))


def of_class(root: Element, *names: str) -> list[Element]:
    return [element for element in root.iter() if {*names} <= {*element.get("class", "").split()}]


def text_of(element: Element) -> str:
    return " ".join("".join(text.itertext()) for text in element.iter(f"{SVG}text"))


def title_of(element: Element) -> str:
    title = element.find(f"{SVG}title")
    assert title is not None
    return title.text or ""


def ends_of(group: Element) -> list[tuple[float, float]]:
    """Where its line begins and ends."""
    [line] = of_class(group, "line")
    found = numbers(line.get("d", ""))
    return [(found[0], found[1]), (found[-2], found[-1])]


def x_of(root: Element) -> dict[str, float]:
    """Where each lifeline is."""
    return {
        line.get("data-key", ""): float(use.get("x", ""))
        for line in of_class(root, "lifeline")
        for use in line.iter(f"{SVG}use")
    }


def in_order(*events: Event) -> Trace:
    return trace_of(*sorted(events, key=lambda event: event.time))


def test_a_retry() -> None:
    root = drawing(trace_of(*a_retry(), task=3))
    assert (root.tag, root.get("class"), root.get("role")) == (f"{SVG}svg", "ladder", "img")
    assert [line.get("data-key") for line in of_class(root, "lifeline")] == ["client", "server"]
    datagrams = of_class(root, "datagram")
    assert [(one.get("class"), one.get("data-entry")) for one in datagrams] == [
        ("datagram lost", "1"),
        ("datagram", "5"),
        ("datagram answer", "9"),
    ]
    assert {(one.get("data-task"), one.get("data-client")) for one in datagrams} == {("3", "client")}
    assert [text_of(one) for one in datagrams] == ["hellolost", "hello250 ms", "HELLO250 ms"]
    assert len(of_class(root, "cross")) == 1
    attempts = of_class(root, "attempt")
    assert [(one.get("class"), one.get("data-entry"), one.get("data-client")) for one in attempts] == [
        ("attempt timed-out", "0", "client"),
        ("attempt", "4", "client"),
    ]
    assert len(of_class(root, "deadline")) == 1
    [request] = of_class(root, "request")
    assert title_of(request) == "loop request 1: 2 attempts, answered"
    assert text_of(request) == "loop request 1: 2 attempts"
    assert len(of_class(root, "handler")) == 1


def test_a_loop_goes_round_to_each_further_attempt() -> None:
    """Out where one has ended, in again where the next begins; what was asked once has none."""
    events = [event for n in (1, 2, 3) for event in (begins(n, number=n, timeout=1), times_out(n + 1, number=n))]
    root = drawing(trace_of(*events, begins(9.0, request=2)))
    [loop] = of_class(root, "request")
    frame, *arrows = (numbers(path.get("d", "")) for path in loop.iter(f"{SVG}path") if path.get("class") != "head")
    attempts = [numbers(of_class(one, "bracket")[0].get("d", "")) for one in of_class(root, "attempt")][:3]
    tops = [top for _, top, *_ in attempts]
    assert len(arrows) == 2
    assert frame[1] == tops[0]
    for ended, began, arrow, head in zip(attempts, tops[1:], arrows, of_class(loop, "head"), strict=False):
        inside, tip = ended[0] + ended[2], numbers(head.get("d", ""))
        assert frame[2] < tip[0] < inside < tip[0] + 3, "it points at the next bracket"
        assert arrow[1] < ended[3] < began < tip[1] < began + 10
        assert frame[2] == pytest.approx(arrow[2] - 5), "its turn touches the frame"


def test_a_loop_that_the_picture_ends_in_is_open_there() -> None:
    events: list[Event] = [begins(0.0), *(sent(n / 1000, CLIENT, SERVER, b"%d" % n) for n in range(2001))]
    root = drawing(trace_of(*events, times_out(3.0), begins(3.0, number=2)))
    [loop] = of_class(root, "request")
    assert title_of(loop) == "loop request 1: 2 attempts"
    assert not of_class(loop, "again")
    [line, *_] = of_class(root, "attempt")
    assert (
        numbers(of_class(loop, "bracket")[0].get("d", ""))[3] == numbers(of_class(line, "bracket")[0].get("d", ""))[3]
    )


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_lifelines_are_drawn() -> None:
    """Each by reference, as all look the same; the style is that of the reference, which is inherited."""
    root = drawing(in_order(*exchange(0.0), *exchange(3600.0, request=2)))
    paths = {path.get("id"): path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("id")}
    for line in of_class(root, "lifeline"):
        thread, cut = line.iter(f"{SVG}use")
        assert (thread.get("class"), cut.get("class")) == ("thread", "cut")
        assert paths[thread.get("href", "").removeprefix("#")].count("V") == 2
        assert paths[cut.get("href", "").removeprefix("#")].count("V") == 1


def test_what_one_reads_when_pointing() -> None:
    entries = (
        Happened(sent(1.0, CLIENT, SERVER), 1, "shop.py:7"),
        Happened(received(1.25, SERVER, CLIENT), 2, None),
        Happened(begins(2.0), None, None),
    )
    root = drawing(Trace(entries, 0.5, 3.0))
    assert title_of(of_class(root, "datagram")[0]).splitlines() == [
        "client to 10.0.0.1, 5 bytes",
        "hello",
        "sent at 0.500000 s",
        "read at 0.750000 s, 250 ms after it was sent",
        "sent by shop.py:7",
    ]
    assert title_of(of_class(root, "attempt")[0]).splitlines() == [
        "request 1, attempt 1: still waiting",
        "hello",
        "began at 1.500000 s",
        "deadline at 2.500000 s: 1 s",
    ]
    assert title_of(of_class(root, "lifeline")[0]) == "client, 10.0.1.1"


def test_a_client_that_changes_its_socket_tells_the_port_of_each_datagram() -> None:
    """Regression: it stayed one line, as it should, but under the first port alone, and nothing told the others."""
    first, second = ("127.0.0.1", 32768), ("127.0.0.1", 32769)
    events: list[Event] = [begins(0.0, first), sent(0.0, first, SERVER), times_out(1.0, first)]
    events += [begins(1.0, first, request=2), exchanges(1.0, second, first), sent(1.0, second, SERVER)]
    events += [sent(1.5, SERVER, second)]
    root = drawing(trace_of(*events))
    assert [title_of(one).splitlines()[0] for one in of_class(root, "datagram")] == [
        "client (127.0.0.1:32768) to 10.0.0.1, 5 bytes",
        "client (127.0.0.1:32769) to 10.0.0.1, 5 bytes",
        "10.0.0.1 to client (127.0.0.1:32769), 5 bytes",
    ]
    assert [title_of(one) for one in of_class(root, "lifeline")] == ["client, 127.0.0.1:32768, ...", "10.0.0.1"]
    assert [one.text for one in of_class(root, "place")] == ["127.0.0.1:32768, ..."]


def test_an_arrow_goes_from_line_to_line_and_down() -> None:
    root = drawing(trace_of(*exchange(0.0)))
    x = x_of(root)
    there, back = (ends_of(one) for one in of_class(root, "datagram"))
    assert there[0][0] == back[1][0] - 1 == x["client"]
    assert there[1][0] + 1 == pytest.approx(back[0][0], abs=0.2)
    assert back[0][0] == x["server"]
    assert there[0][1] < there[1][1] <= back[0][1] < back[1][1]


def test_where_crosses_are() -> None:
    """On the way; or at the end, if it was lost there; or at its beginning, if it was not even sent."""
    root = drawing(
        trace_of(
            *exchange(0.0),
            sent(1.0, CLIENT, SERVER, b"1"),
            lost(1.000001, CLIENT, SERVER, 1.0, b"1"),
            sent(2.0, CLIENT, SERVER, b"2"),
            lost(2.25, CLIENT, SERVER, 2.0, b"2", "refused"),
            dropped(3.0, CLIENT, SERVER, b"3", "ENOBUFS", out=True),
        )
    )
    left, right = x_of(root).values()
    on_the_way, at_the_end, at_once = (ends_of(one)[1][0] for one in of_class(root, "datagram", "lost"))
    assert left + 50 < on_the_way < right - 50
    assert right - 20 < at_the_end < right
    assert left < at_once < left + 40
    assert len(of_class(root, "cross")) == 3


def test_what_goes_side_by_side_is_not_struck_through() -> None:
    """Regression: of three sent in a row, the first one's line went through the label of the second."""
    payloads = [b"n0", b"n1", b"n2"]
    events: list[Event] = [sent(n / 1e6, CLIENT, SERVER, data) for n, data in enumerate(payloads)]
    root = drawing(trace_of(*events, *(received(1 + n / 1e6, SERVER, CLIENT, one) for n, one in enumerate(payloads))))
    labels = of_class(root, "label")
    assert [text.get("x") for text in labels] == [labels[0].get("x")] * 3
    assert all(later - one >= 13 for one, later in pairwise(float(text.get("y", "")) for text in labels))


def test_a_short_payload_is_not_cut_for_a_reason() -> None:
    """Regression: there were 3 letters of 4, and all of the reason."""
    hosts = [("10.0.0.1", 7), ("10.0.0.2", 7), ("10.0.0.3", 7)]
    reason = "no request waits for this one"
    events: list[Event] = []
    for here, there in pairwise(hosts):
        events += [sent(0.0, here, there, b"SLOW"), received(1.0, there, here, b"SLOW")]
        events.append(dropped(1.0, there, here, b"SLOW", reason))
    for label in of_class(drawing(in_order(*events)), "label"):
        assert label.text == "SLOW"
        assert "dropped: no request waits for" in "".join(label.itertext())


def test_losses_of_one_instant_are_beside_each_other() -> None:
    events = [sent(0.0, client, SERVER) for client in (CLIENT, OTHER)]
    root = drawing(in_order(*events, *(lost(0.1, one.local, SERVER, 0.0) for one in events)))
    one, other = (ends_of(each)[1] for each in of_class(root, "lost"))
    assert abs(one[1] - other[1]) > 7


def test_arrivals_of_one_instant_are_below_each_other() -> None:
    clients: list[Address] = [(f"10.0.1.{number}", 5) for number in range(1, 21)]
    events = [event for client in clients for event in (sent(0.0, client, SERVER), received(1.0, SERVER, client))]
    heights = [ends_of(each)[1][1] for each in of_class(drawing(in_order(*events)), "datagram")]
    assert len({round(height) for height in heights}) == 20
    assert min(later - one for one, later in pairwise(sorted(heights))) > 6


def test_other_fates() -> None:
    root = drawing(
        trace_of(
            sent(0.0, CLIENT, SERVER),
            received(1.0, SERVER, CLIENT),
            received(2.0, SERVER, CLIENT),
            dropped(2.0, SERVER, CLIENT),
            sent(3.0, SERVER, CLIENT, b"late"),
            received(4.0, CLIENT, SERVER, b"late"),
            ignored(4.0, CLIENT, SERVER, b"late"),
            sent(5.0, CLIENT, SERVER, b"silence"),
            received(6.0, SERVER, CLIENT, b"from where?"),
            sent(7.0, CLIENT, CLIENT, b"to itself"),
        )
    )
    assert [one.get("class") for one in of_class(root, "datagram")] == [
        "datagram",
        "datagram dropped copy",
        "datagram answer ignored",
        "datagram unseen",
        "datagram",
        "datagram unseen",
    ]
    copy, late, silence, came = of_class(root, "datagram")[1:5]
    assert title_of(copy).splitlines()[-2:] == ["dropped: queue full", "a second copy"]
    assert title_of(late).splitlines()[-1] == "ignored: answered already"
    assert len(of_class(late, "mark")) == len(of_class(copy, "cross")) == len(of_class(root, "cross")) == 1
    assert title_of(silence).splitlines()[-1] == "not seen to arrive"
    assert title_of(came).splitlines()[2:] == ["not seen to be sent", "read at 6.000000 s"]
    assert len(of_class(root, "guess")) == 3


def test_what_waited_for_its_reader() -> None:
    """A network that tells when it brought something knows how long that travelled, whenever it is read, if at all."""
    trace = trace_of(
        sent(1.0, CLIENT, SERVER),
        arrived(1.25, CLIENT, SERVER, 1.0),
        sent(2.0, CLIENT, SERVER, b"quick"),
        arrived(2.5, CLIENT, SERVER, 2.0, b"quick"),
        received(3.0, SERVER, CLIENT),
        received(3.0, SERVER, CLIENT, b"quick"),
        sent(4.0, CLIENT, SERVER, b"silence"),
        arrived(4.5, CLIENT, SERVER, 4.0, b"silence"),
    )
    root = drawing(trace)
    late, quick, silence = of_class(root, "datagram")
    assert title_of(late).splitlines()[3:] == [
        "arrived at 1.250000 s, after 250 ms",
        "read at 3.000000 s, 1.75 s later",
    ]
    assert title_of(quick).splitlines()[3:] == [
        "arrived at 2.500000 s, after 500 ms",
        "read at 3.000000 s, 500 ms later",
    ]
    assert title_of(silence).splitlines()[3:] == ["arrived at 4.500000 s, after 500 ms", "nobody has read it"]
    assert "nobody has read it" in text_of(silence)
    assert "250 ms, read 1.75 s later" in text_of(late)
    assert "hello, 250 ms, read 1.75 s later" in ladder_text(trace)
    assert "hello, 250 ms, read 1.75 s later" in mermaid(trace)


def test_what_a_full_recording_has_not_seen() -> None:
    """Regression: of what was read when it was full, it said that nobody had read it."""
    root = drawing(
        trace_of(
            begins(0.0),
            sent(0.0, CLIENT, SERVER),
            arrived(0.25, CLIENT, SERVER, 0.0),
            received(0.25, SERVER, CLIENT),
            sent(0.25, SERVER, CLIENT, b"HELLO"),
            arrived(0.5, SERVER, CLIENT, 0.25, b"HELLO"),
            forgotten=2,
        )
    )
    reply = of_class(root, "datagram")[1]
    assert "not seen to be read" in text_of(reply)
    assert title_of(reply).splitlines()[-1] == "not seen to be read"


def test_when_it_arrived_nobody_knows_on_real_sockets() -> None:
    """Regression: what had waited a second for its reader had arrived after a second."""
    told: list[Event] = [sent(0.0, CLIENT, SERVER), arrived(0.25, CLIENT, SERVER, 0.0), received(1.0, SERVER, CLIENT)]
    [way] = of_class(drawing(trace_of(*told[::2])), "datagram")
    assert title_of(way).splitlines()[2:] == ["sent at 0.000000 s", "read at 1.000000 s, 1 s after it was sent"]
    assert "1 s" in text_of(way)
    captions = [
        " ".join(one.text or "" for one in of_class(drawing(trace_of(*events)), "caption"))
        for events in (told, told[:2], told[:1], told[::2])
    ]
    assert ["an arrow ends where its datagram was read" in caption for caption in captions] == [False] * 3 + [True]


def test_what_was_dropped_later() -> None:
    events = sent(1.0, CLIENT, SERVER), received(1.25, SERVER, CLIENT), dropped(9.0, SERVER, CLIENT, reason="cancelled")
    root = drawing(trace_of(*events))
    [datagram] = of_class(root, "datagram")
    assert title_of(datagram).splitlines()[3:] == [
        "read at 1.250000 s, 250 ms after it was sent",
        "dropped at 9.000000 s: cancelled",
    ]
    # Regression: it had a cross where it arrived, though somebody had worked on it since.
    assert datagram.get("class") == "datagram"
    assert of_class(root, "cross") == []
    assert "250 ms" in text_of(datagram)


def test_where_there_is_room_for_payloads() -> None:
    """Between neighbours who talk, whatever they are; clients who have nothing to say to each other stand close."""
    peers: list[Event] = [sent(0.0, CLIENT, OTHER), received(1.0, OTHER, CLIENT), sent(1.0, OTHER, SERVER)]
    assert gaps_of(trace_of(*peers)) == [250, 250]
    assert gaps_of(in_order(*exchange(0.0), *exchange(0.0, OTHER))) == [66, 320]
    hosts: list[Address] = [(f"10.0.1.{number}", 1) for number in range(9)]
    assert gaps_of(trace_of(*(sent(0.0, one, other) for one, other in pairwise(hosts)))) == [160] * 8


def gaps_of(trace: Trace) -> list[int]:
    """How far the lifelines are from each other."""
    return [round(there - here) for here, there in pairwise(x_of(drawing(trace)).values())]


def test_a_recording_of_one_side() -> None:
    """That nobody saw it arrive where nothing was recorded is no news."""
    root = drawing(trace_of(begins(0.0), sent(0.0, CLIENT, SERVER), received(0.5, CLIENT, SERVER, b"HELLO")))
    there, back = of_class(root, "datagram")
    assert (there.get("class"), back.get("class")) == ("datagram", "datagram answer")
    assert title_of(there).splitlines()[-1] == "to where nothing was recorded"
    assert (text_of(there), text_of(back)) == ("hello", "HELLO")
    assert len(of_class(root, "guess")) == 2


def test_attempts_side_by_side_do_not_cover_each_other() -> None:
    events = [begins(0.0, request=number) for number in (1, 2, 3)]
    root = drawing(trace_of(*events, fails(0.5, request=2, reason="Cancelled")))
    brackets = of_class(root, "attempt")
    assert [one.get("class") for one in brackets] == ["attempt undecided", "attempt given-up", "attempt undecided"]
    starts = {of_class(one, "bracket")[0].get("d", "").split(" ")[0] for one in brackets}
    assert len(starts) == 3


def test_requests_of_one_host_are_counted_together() -> None:
    """Regression: two clients on one host both had a request 1, and nobody could tell whose attempt had ended.

    And a second attempt stood further in than the first, where another request had ended meanwhile.
    """
    other = ("10.0.1.1", 40001)
    recorded = in_order(
        *exchange(0.0),
        begins(0.25, other),
        accepted(0.75, other),
        begins(0.5, other, request=2),
        times_out(1.5, other, request=2),
        *exchange(1.0, request=2),
        begins(1.5, other, request=2, number=2),
        accepted(2.0, other, request=2, number=2),
    )
    brackets = of_class(drawing(recorded), "attempt")
    assert [title_of(one).partition(":")[0] for one in brackets] == [
        "request 1, attempt 1",
        "request 2, attempt 1",
        "request 3, attempt 1",
        "request 3, attempt 2",
        "request 4, attempt 1",
    ]
    columns = [of_class(one, "bracket")[0].get("d", "").split(" ")[0] for one in brackets]
    assert columns[2] == columns[3]
    assert len(set(columns)) == 2
    notes = [line for line in ladder_text(recorded, width=200).splitlines() if "answered" in line]
    assert [line.partition("request ")[2][0] for line in notes] == ["1", "2", "4", "3", "3"]
    assert re.findall(r"request (\d), attempt 1#58; timed out", mermaid(recorded)) == ["3"]
    events = json.loads(chrome(recorded))["traceEvents"]
    begun = [event["args"] for event in events if event["ph"] == "b" and event["name"] == "requests of client"]
    assert begun == [{"request": number} for number in (1, 2, 3, 4)]
    bars = re.findall(r"<title>(request \d, attempt \d)", timeline_svg(recorded))
    assert bars == [
        f"request {number}, attempt {attempt}" for number, attempt in ((1, 1), (2, 1), (3, 1), (4, 1), (3, 2))
    ]


def test_an_attempt_that_was_refused_has_a_cross_of_its_own() -> None:
    """Regression: it looked as one that was given up. It is no cross of a datagram: these are counted."""
    refused: list[Event] = [begins(0.0), times_out(1.0, reason="ECONNREFUSED"), begins(1.0, number=2)]
    root = drawing(trace_of(*refused, times_out(1.5, number=2, reason="EHOSTUNREACH"), *exchange(2.0, request=2)))
    assert [one.get("class") for one in of_class(root, "attempt")] == ["attempt refused", "attempt refused", "attempt"]
    assert [len(of_class(one, "refusal")) for one in of_class(root, "attempt")] == [1, 1, 0]
    assert [len(of_class(one, "deadline")) for one in of_class(root, "attempt")] == [1, 0, 0]
    assert not of_class(root, "cross")


def test_what_was_not_sent_has_no_end_that_nobody_has_seen() -> None:
    root = drawing(trace_of(dropped(0.0, CLIENT, SERVER, reason="ENOBUFS", out=True)))
    assert [one.get("class") for one in of_class(root, "line")] == ["line"]


def test_a_handler_that_raised_or_was_cancelled_says_so() -> None:
    """Regression: one had to point at its bar."""
    events = [*badly_handled(0.0, b"bad", "ValueError"), *badly_handled(2.0, b"late", "cancelled")]
    root = drawing(trace_of(*events, *badly_handled(2.0, b"too", "cancelled"), *handled(4.0, 5.0)))
    raised, cancelled, together, well = (
        group for group in root.iter(f"{SVG}g") if group.get("class", "").startswith("handler")
    )
    assert [each.get("class") for each in (raised, cancelled, together, well)] == [
        "handler raised",
        "handler cancelled",
        "handler cancelled",
        "handler",
    ]
    words = ["".join(text.itertext()) for text in of_class(root, "ending")]
    assert words == ["ValueError", "cancelled"], "of those that end together one has a word"
    assert len(of_class(raised, "refusal")) == len(of_class(cancelled, "deadline")) == 1
    [word] = of_class(raised, "ending")
    assert float(word.get("x", "")) + 6 * len("ValueError") < float(root.get("width", ""))


def test_the_picture_is_as_wide_as_what_a_handler_raised() -> None:
    plain, wide = (
        drawing(trace_of(*badly_handled(0.0, b"bad", outcome))) for outcome in ("ValueError", "AVeryLongNameOfAnError")
    )
    [word] = of_class(wide, "ending")
    assert float(word.get("x", "")) + 5 * len("AVeryLongNameOfAnError") < float(wide.get("width", ""))
    assert float(plain.get("width", "")) <= float(wide.get("width", ""))


def badly_handled(start: float, data: bytes, outcome: str) -> list[Event]:
    return [
        sent(start, CLIENT, SERVER, data),
        received(start + 0.25, SERVER, CLIENT, data),
        HandlerStarted(start + 0.25, SERVER, CLIENT, data),
        HandlerFinished(start + 0.5, SERVER, CLIENT, data, outcome),
    ]


def test_handlers_at_work_side_by_side() -> None:
    root = drawing(in_order(*handled(0.0, 2.0), *handled(1.0, 3.0, OTHER), handled(4.0, 4.0)[0]))
    bars = [bar for group in of_class(root, "handler") for bar in group.iter(f"{SVG}rect")]
    assert len({bar.get("x") for bar in bars}) == 2
    assert [title_of(group).splitlines()[0] for group in of_class(root, "handler")] == [
        "handler, 2 s: replied",
        "handler, 2 s: replied",
        "handler: still at work",
    ]


def test_a_long_silence_is_cut_out_and_the_times_are_true() -> None:
    root = drawing(in_order(*exchange(0.0), *exchange(3600.0, request=2)))
    assert [text.text for text in of_class(root, "time")] == [
        "0.000",
        "0.250",
        "0.500",
        "3600.000",
        "3600.250",
        "3600.500",
    ]
    assert [text.text for text in of_class(root, "silence")] == ["⋮ 3600 s"]
    assert float(root.get("height", "")) < 700
    assert any("a silence is cut out" in (text.text or "") for text in of_class(root, "caption"))


def test_it_stands_alone_in_light_and_dark() -> None:
    text = ladder_svg(trace_of(*a_retry()))
    assert "<script" not in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text
    assert "@import" not in text
    for theme in ("(prefers-color-scheme:dark)", '[data-theme="dark"]', '[data-theme="light"]'):
        assert theme in text
    style = drawing(trace_of()).find(f"{SVG}style")
    assert style is not None
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]*\{", "", style.text or ""))
    assert all(".ladder" in part for rule in rules for part in rule.split(",")), "or it changes the page around it"


def test_it_says_what_it_is() -> None:
    root = drawing(trace_of(*a_retry()))
    assert title_of(root) == "Ladder diagram"
    description = root.find(f"{SVG}desc")
    assert description is not None
    assert description.text == (
        "3 datagrams between client, server: 2 arrived, 1 were lost."
        " Time goes down; times are seconds since the recording began."
    )


def test_hostile_names_and_bytes_do_nothing() -> None:
    evil = b"</svg><script>"
    name = "\"><script>alert('x')</script>]]><!--\x1b"
    trace = Trace(
        (
            Happened(sent(0.0, CLIENT, SERVER, evil), None, "<b>.py:1"),
            Happened(lost(1.0, CLIENT, SERVER, 0.0, evil, "<i>\x00"), None, None),
            Happened(begins(2.0, data=evil), None, None),
            Happened(fails(3.0, reason="<u>"), None, None),
        ),
        0.0,
        4.0,
        {"10.0.0.1": name},
    )
    text = ladder_svg(trace)
    assert not re.findall(r"<(?:script|b|i|u)>", text)
    root = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "text", "tspan", "path", "g", "defs", "use", "circle"),
    }
    assert of_class(root, "lifeline")[1].get("data-key") == name.replace("\x1b", r"\x1b")
    assert "</svg><script>" in text_of(of_class(root, "datagram")[0])


def test_what_is_left_out_is_said() -> None:
    events = [sent(number / 10, (f"10.0.1.{number % 20}", 5), SERVER, b"%d" % number) for number in range(2003)]
    root = drawing(trace_of(*events, begins(300.0, OTHER), forgotten=1234))
    assert len(of_class(root, "datagram")) == 2000
    assert len(of_class(root, "lifeline")) == 21
    assert [text.text for text in of_class(root, "caption")][1:] == [
        "Only the first 2,000 datagrams, and as many attempts, are drawn; 4 that came later are not.",
        "The recording was full: 1,234 entries that came later are not in it.",
    ]


def test_lifelines_of_which_nothing_is_drawn_are_left_out() -> None:
    events = [sent(number / 10, CLIENT, SERVER) for number in range(2000)]
    root = drawing(trace_of(*events, sent(300.0, OTHER, SERVER)))
    assert [line.get("data-key") for line in of_class(root, "lifeline")] == ["10.0.1.1", "10.0.0.1"]


def test_nothing() -> None:
    root = drawing(trace_of())
    assert [text.text for text in of_class(root, "caption")] == ["No datagram was recorded."]


def counts(trace: Trace) -> tuple[int, int]:
    """How many datagrams were sent, or would have been, and how many of them were lost."""
    kinds = [type(entry.event).__name__ for entry in trace.entries if isinstance(entry, Happened)]
    return kinds.count("DatagramSent") + kinds.count("DatagramDropped"), kinds.count("DatagramDropped")


@pytest.mark.parametrize("clients", [3, 20])
async def test_the_demo(autojump_clock: MockClock, clients: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each datagram is an arrow and each loss a cross; lifelines have room for their names."""
    args = make_parser().parse_args(["demo", "--virtual", "--clients", str(clients), "--requests", "3"])
    with watched() as trace:
        assert await args.run(args) == 0
    root = drawing(trace())
    arrows, crosses = counts(trace())
    assert crosses > clients
    assert (len(of_class(root, "datagram")), len(of_class(root, "cross"))) == (arrows, crosses)
    names = x_of(root)
    assert {f"client {number}" for number in range(1, clients + 1)} | {"server"} <= names.keys()
    heads = {text.text: text for line in of_class(root, "lifeline") for text in of_class(line, "name")}
    places = sorted(
        (float(text.get("y", "")), float(text.get("x", "")), len(name or "")) for name, text in heads.items()
    )
    for (y, x, letters), (other_y, other_x, others) in pairwise(places):
        assert y != other_y or other_x - x >= 6.9 * (letters + others) / 2


@pytest.mark.parametrize("count", [8, 9])
def test_many_clients_stand_right_of_whom_they_ask(count: int) -> None:
    """Regression: with twenty, the server and all labels were out of sight."""
    clients: list[Address] = [(f"10.0.1.{number}", 5) for number in range(1, count + 1)]
    root = drawing(in_order(*(event for client in clients for event in exchange(0.0, client))))
    names = list(x_of(root))
    is_turned = count > 8
    assert names == (["server"] * is_turned) + [f"client {n}" for n in range(1, count + 1)] + ["server"] * (
        not is_turned
    )
    for one in of_class(root, "answer"):
        start, end = ends_of(one)
        assert (end[0] > start[0]) is is_turned
    assert len(of_class(root, "answer")) == count


async def test_over_loopback() -> None:
    async def shout(datagram: Datagram) -> bytes:
        return datagram.data.upper()

    with watched() as trace:
        async with trio.open_nursery() as nursery:
            [endpoint] = await nursery.start(partial(serve_udp, shout, 0, host="127.0.0.1"))
            async with await open_udp_client(*endpoint.address[:2]) as client:
                for word in (b"one", b"two"):
                    await client.request(word, retry=Retry(first=30))
            nursery.cancel_scope.cancel()
    root = drawing(trace())
    assert list(x_of(root)) == ["client", "server"]
    events = [entry.event for entry in trace().entries if isinstance(entry, Happened)]
    assert sum(isinstance(event, (DatagramSent, DatagramReceived)) for event in events) == 8
    assert [one.get("class") for one in of_class(root, "datagram")] == ["datagram", "datagram answer"] * 2
    assert not of_class(root, "guess")


def test_two_who_ask_at_once_have_both_their_labels() -> None:
    """Regression: their arrows cross in the middle, where one of the labels was."""
    events: list[Event] = [
        sent(0.0, CLIENT, SERVER, b"time"),
        sent(0.0, OTHER, SERVER, b"hello"),
        received(0.001, SERVER, CLIENT, b"time"),
        received(0.002, SERVER, OTHER, b"hello"),
    ]
    labels = ["".join(text.itertext()) for text in drawing(trace_of(*events)).iter(f"{SVG}text")]
    assert {"time1 ms", "hello2 ms"} <= set(labels)


def test_who_is_believed_has_a_label_before_who_is_ignored() -> None:
    """Regression: it had none, and its arrow ran through the words of the other."""
    events: list[Event] = [
        sent(0.0, SERVER, CLIENT, b"ticket 1"),
        sent(0.0, SERVER, CLIENT, b"ticket 1"),
        received(1.0, CLIENT, SERVER, b"ticket 1"),
        received(1.0, CLIENT, SERVER, b"ticket 1"),
        ignored(1.0, CLIENT, SERVER, b"ticket 1"),
    ]
    root = drawing(trace_of(*events))
    labels = [text for text in root.iter(f"{SVG}text") if text.get("class") == "label"]
    assert sorted("".join(text.itertext()) for text in labels) == ["ticket 11 s", "ticket 1ignored: answered already"]
