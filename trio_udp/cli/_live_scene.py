"""What the live view of the demo knows: what each client waits for, where its datagrams are, and the totals.

It is told what happens, as the plain lines are (`Story`), and keeps a story of its own: a view that shows one event at
a time is behind what has happened already. No clock, no tasks, no screen: the same events make the same scene.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .._events import AttemptStarted, AttemptTimedOut, ReplyAccepted, ReplyIgnored, RequestFailed
from ._live_lane import Flight, Lane
from ._story import Story, line_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._events import Event
    from ..relay import Relayed

# Lines of the story that are kept for the end. More than anybody reads; each is some 80 characters.
STORY_LINES = 1000


@dataclass
class Asking:
    """One client: which request it is at, which attempt of it, and until when it waits for the answer."""

    lane: Lane = field(default_factory=Lane)
    request: int = 0
    attempt: int = 0
    deadline: float | None = None  # seconds, on the clock of the events; None: it does not wait
    timeout: float = 0.0
    outcome: str = "not yet"

    def remaining(self, now: float) -> float | None:
        """Seconds that it still waits; None: it does not."""
        return None if self.deadline is None else max(0.0, self.deadline - now)


class Scene:
    """The demo as it is shown.

    Args:
      clients: how many there are.
      requests: how many each makes.
      started: when it began, on the clock of the events.
    """

    def __init__(self, clients: int, requests: int, started: float) -> None:
        self.requests = requests
        self.started = started
        self.story = Story(self._note, started)
        self.clients = {number: Asking() for number in range(1, clients + 1)}
        self.lines: deque[str] = deque(maxlen=STORY_LINES)
        self.lines_in_all = 0
        self.latest = "nothing has happened yet"

    def _note(self, time: float, kind: str, client: int, request: int, more: dict[str, float | str]) -> None:
        self.latest = line_of(time, kind, client, request, more)
        self.lines.append(self.latest)
        self.lines_in_all += 1

    def client_event(self, number: int, event: Event) -> bool:
        """A client's side of what happens: is there anything to see?"""
        asking = self.clients[number]
        self.story.watch(number)(event)
        if isinstance(event, AttemptStarted):
            asking.request, asking.attempt, asking.timeout = event.request, event.number, event.timeout
            asking.deadline, asking.outcome = event.time + event.timeout, "waiting"
            asking.lane.send(event.time)
        elif isinstance(event, AttemptTimedOut):
            asking.deadline, asking.outcome = None, "timed out"
        elif isinstance(event, ReplyAccepted):
            asking.deadline, asking.outcome = None, self._outcome(asking, "answered")
        elif isinstance(event, ReplyIgnored):
            asking.lane.ignore(event.reason)
            time = event.time - self.started
            self.latest = f"{time:6.3f} s  client {number}   x a reply is not believed: {event.reason}"
        elif isinstance(event, RequestFailed):
            asking.deadline, asking.outcome = None, self._outcome(asking, "gave up")
        else:
            return False
        return True

    def _outcome(self, asking: Asking, outcome: str) -> str:
        return "done" if asking.request == self.requests and outcome == "answered" else outcome

    def relayed(self, relayed: Relayed) -> bool:
        """The relay's side: is there anything to see? Strangers may send to it as well."""
        number = self.story.client_at(relayed.address)
        if number is None:
            return False
        arrives = min((copy.time for copy in relayed.copies), default=None)
        flight = Flight(relayed.forward, relayed.time, arrives, relayed.dropped, relayed.damaged)
        self.clients[number].lane.relay(flight)
        self.latest = self._passing(number, relayed)
        self.story.relayed(relayed)
        return True

    def _passing(self, number: int, relayed: Relayed) -> str:
        request = self.story.request_of(number, relayed.data)
        what = f"-> request {request} passes" if relayed.forward else f"<- the reply to request {request} passes"
        return f"{relayed.time - self.started:6.3f} s  client {number}  {what} the relay"


class WatchedStory(Story):
    """The story of a run that also goes to whoever shows it, piece by piece.

    Args:
      show: called with a function for each thing that happens. When it is called with a scene, that knows it, too, and
        it is told whether there is anything to see.
    """

    def __init__(self, show: Callable[[Happening], object]) -> None:
        super().__init__(lambda *_: None)
        self._show = show

    def watch(self, client: int) -> Callable[[Event], None]:
        """An observer for one client."""
        observer = super().watch(client)

        def watch(event: Event) -> None:
            observer(event)
            self._show(partial(_client_event, client, event))

        return watch

    def relayed(self, relayed: Relayed) -> None:
        """What the relay has done with a datagram."""
        super().relayed(relayed)
        self._show(partial(_relayed, relayed))


def _client_event(client: int, event: Event, scene: Scene) -> bool:
    return scene.client_event(client, event)


def _relayed(relayed: Relayed, scene: Scene) -> bool:
    return scene.relayed(relayed)


if TYPE_CHECKING:
    Happening = Callable[[Scene], bool]
