"""`chrome`: a trace in the Trace Event Format, which Perfetto (https://ui.perfetto.dev) and other viewers open.

The format was made for threads of a processor, so a task becomes a thread, with its nurseries and marked scopes as the
calls that are under way in it. A request is no call: its attempts end in whichever task reads the reply, so they are
asynchronous events, which belong to nobody. And a datagram is a flow, an arrow between two moments of two threads.
Viewers fasten an arrow to a slice of time there, and not to a moment, so sending and receiving are slices of a
microsecond; at most, as none may last longer than what it is in.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from .._address import format_address
from ._entries import Happened
from ._lifelines import Cast
from ._requests import numbered, requests
from ._show import plural, show_data, show_duration, show_text
from ._sockets import Sockets
from ._timeline import timeline
from ._trace import known_until, what_is_forgotten, when_it_stops
from ._travels import travels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._requests import Request
    from ._timeline import Bar
    from ._trace import Trace
    from ._travel import Travel

__all__ = ["chrome"]

PROCESS = 1
NOBODY = 0  # the thread of what no task has done
MOMENT = 1.0  # microseconds
LONGEST = 64  # characters of a payload


def chrome(trace: Trace) -> str:
    """A trace in the Trace Event Format, as JSON.

    Each task is a thread, with its nurseries and marked scopes in it, requests are asynchronous events, datagrams that
    arrived are arrows from task to task, and what was lost is an instant. Times are microseconds since the recording
    began.
    """
    events = ",\n".join(json.dumps(event, allow_nan=False) for event in _Events(trace).all())
    about = json.dumps({"forgotten entries": trace.forgotten, "about": what_is_forgotten(trace)})
    return f'{{"displayTimeUnit": "ms", "otherData": {about}, "traceEvents": [\n{events}\n]}}\n'


class _Events:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._ended = known_until(trace)
        self._sockets = Sockets(trace.entries)
        self._travels = travels(trace.entries, self._sockets)
        self._cast = Cast(trace, self._sockets, self._travels)
        self._bars = list(timeline(trace, (), most=len(trace.entries)).walk())
        self._edges = self._find_edges()
        self._told: set[int] = set()  # entries of sendings: one may have several arrivals

    def all(self) -> Iterator[dict[str, Any]]:
        """What something is inside of comes before it: at one instant the order says which is which."""
        yield from self._names()
        for bar in self._bars:
            yield self._bar(bar)
        asked = numbered(requests(self._trace.entries, self._sockets), self._cast)
        for number, request in enumerate(asked, 1):
            yield from self._request(number, request)
        for number, travel in enumerate(self._travels, 1):
            yield from self._travel(number, travel)

    def _event(self, kind: str, name: str, time: float, task: int | None, **more: object) -> dict[str, Any]:
        ts = self._micro(time)
        return {"ph": kind, "name": show_text(name), "ts": ts, "pid": PROCESS, "tid": task or NOBODY, **more}

    def _micro(self, time: float) -> float:
        """In microseconds since the beginning, to the nanosecond: what is at one instant must be at one number."""
        return round((time - self._trace.started) * 1e6, 3)

    # -- tasks ---------------------------------------------------------------------------------------------------------

    def _names(self) -> Iterator[dict[str, Any]]:
        yield {"ph": "M", "name": "process_name", "pid": PROCESS, "args": {"name": "a run of a trio_udp program"}}
        names = {NOBODY: "outside of all tasks"}
        names |= {bar.task: f"{bar.name} (task {bar.task})" for bar in self._bars if bar.kind == "task" and bar.task}
        for task, name in names.items():
            for key, value in (("name", show_text(name)), ("sort_index", task)):
                yield {"ph": "M", "name": f"thread_{key}", "pid": PROCESS, "tid": task, "args": {key: value}}

    def _bar(self, bar: Bar) -> dict[str, Any]:
        told: dict[str, object] = {f"still running {when_it_stops(self._trace)}": True} if bar.end is None else {}
        if bar.kind == "scope":
            told |= {"deadline": self._seconds(bar.deadline), "cancelled": self._seconds(bar.cancelled)}
            if bar.end is not None:
                told["caught"] = bar.caught
        elif bar.kind == "nursery":  # most have nothing of it
            own = {"deadline": bar.deadline, "cancelled": bar.cancelled}
            told |= {name: self._seconds(time) for name, time in own.items() if time is not None}
            told |= {"caught": True} if bar.caught else {}
        lasted = self._micro(self._end(bar.end)) - self._micro(bar.begin)
        return self._event("X", bar.name, bar.begin, bar.task, cat=bar.kind, dur=round(lasted, 3), args=told)

    def _seconds(self, time: float | None) -> float | None:
        """Since the beginning; None is also what never comes."""
        return None if time is None or math.isinf(time) else round(time - self._trace.started, 9)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, number: int, request: Request) -> Iterator[dict[str, Any]]:
        """Attempts, in the request that they are of. All that have one name are shown side by side."""
        task = _task(self._trace, request.attempts[0].entry)
        whole = f"requests of {self._cast.lifelines[self._cast[request.place]].name}"
        of = {"cat": "request", "id2": {"local": f"request {number}"}}  # "local": of this process alone
        yield self._event("b", whole, request.attempts[0].started, task, args={"request": request.number}, **of)
        for attempt in request.attempts:
            name = f"attempt {attempt.number}"
            told = {"deadline": self._seconds(attempt.deadline), "data": show_data(attempt.data, LONGEST)}
            yield self._event("b", name, attempt.started, task, args=told, **of)
            outcome = show_text(attempt.outcome) or f"still waiting {when_it_stops(self._trace)}"
            yield self._event("e", name, self._end(attempt.ended), task, args={"outcome": outcome}, **of)
        yield self._event("e", whole, self._end(request.attempts[-1].ended), task, **of)

    def _end(self, time: float | None) -> float:
        """What has none lasts until the end of what was recorded."""
        return self._ended if time is None else time

    # -- datagrams -----------------------------------------------------------------------------------------------------

    def _travel(self, number: int, travel: Travel) -> Iterator[dict[str, Any]]:
        """Slices at both ends and the arrow from one to the other, or what has become of it instead."""
        size = plural(len(travel.data), "byte")
        told = {"from": format_address(travel.source), "to": format_address(travel.destination)}
        told["data"] = show_data(travel.data, LONGEST)
        sender = _task(self._trace, travel.entry)
        of = {"cat": "datagram", "id": number}
        if travel.sent is not None and travel.outcome != "not sent" and travel.entry not in self._told:
            self._told.add(travel.entry)
            whole = told if travel.to_many is None else told | {"to": format_address(travel.to_many)}
            yield self._slice(f"sent {size}", travel.sent, travel.entry, whole)
        if travel.read is not None and travel.ended_entry is not None:
            receiver = _task(self._trace, travel.ended_entry)
            yield self._slice(f"received {size}", travel.read, travel.ended_entry, told | _took(travel))
            if travel.sent is not None:
                yield self._event("s", "datagram", travel.sent, sender, bp="e", **of)
                yield self._event("f", "datagram", travel.read, receiver, bp="e", **of)
        name = f"{travel.outcome}: {travel.reason}"
        if travel.put_away is not None and travel.put_away_entry is not None:
            task = _task(self._trace, travel.put_away_entry)
            yield self._event("i", name, travel.put_away, task, s="t", cat="datagram", args=told)
        elif travel.outcome in ("lost", "not sent") and travel.ended is not None:
            yield self._event("i", name, travel.ended, sender, s="t", cat="datagram", args=told)

    def _slice(self, name: str, time: float, index: int, told: dict[str, str]) -> dict[str, Any]:
        task = _task(self._trace, index)
        entry = self._trace.entries[index]
        if isinstance(entry, Happened) and entry.source is not None:
            told = {**told, "source": show_text(entry.source)}
        return self._event("X", name, time, task, cat="datagram", dur=self._room(task, time), args=told)

    def _room(self, task: int, time: float) -> float:
        """A microsecond, or until something begins or ends in this task."""
        edges, now = self._edges.get(task, []), self._micro(time)
        later = bisect_right(edges, now)
        return min(MOMENT, round(edges[later] - now, 3)) if later < len(edges) else MOMENT

    def _find_edges(self) -> dict[int, list[float]]:
        """When something begins or ends in a task."""
        edges: dict[int, set[float]] = {}
        for bar in self._bars:
            edges.setdefault(bar.task or NOBODY, set()).update((bar.begin, self._end(bar.end)))
        for travel in self._travels:
            for index, time in ((travel.entry, travel.sent), (travel.ended_entry, travel.read)):
                if index is not None and time is not None:
                    edges.setdefault(_task(self._trace, index), set()).add(time)
        return {task: sorted(map(self._micro, times)) for task, times in edges.items()}


def _took(travel: Travel) -> dict[str, str]:
    """How long, until what; on real sockets nobody tells when something arrives."""
    if travel.sent is None or travel.ended is None:
        return {}
    end = "was read" if travel.was_only_read else "arrived"
    return {"took": f"{show_duration(travel.ended - travel.sent)} until it {end}"}


def _task(trace: Trace, index: int) -> int:
    entry = trace.entries[index]
    return (entry.task if isinstance(entry, Happened) else None) or NOBODY
