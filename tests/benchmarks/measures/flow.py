"""What one flow of datagrams costs, at either end; see `flows` for what the two say to each other.

Each end is measured against an end in C that is much faster, so that it is the one that limits; and then with an equal.
What is sent faster than it is received gets lost at the receiver's buffer, so the throughput is what was received.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..process import Process, python, running
from . import Bench, Figures, Measure, Subject

_MARKS_WITHIN = 10  # seconds that the marks may take
_PATIENCE = 1.0  # seconds after which all marks must have fallen to a full buffer
_TRIES = 10

End = Callable[[Bench, str], Sequence[object]]


def _python(module: str, *arguments: object) -> End:
    return lambda bench, way: python(f"flows.{module}", way, *arguments)


def _c(bench: Bench, way: str) -> Sequence[object]:
    return [bench.programs["flow"], way]


_ENDS: dict[str, End] = {
    "channel": _python("channel"),
    "endpoint": _python("endpoint"),
    "endpoint without bulk": _python("endpoint", "many peers"),
    "trio": _python("trio"),
    "blocking": _python("blocking"),
    "c with copies": lambda bench, way: [bench.programs["flow"], "copies"],
    "c": _c,
}

_SENDERS: dict[str, End] = {**_ENDS, "c one by one": lambda bench, way: [bench.programs["flow"], "singles"]}


def _connect(sender: Process, receiver: Process) -> None:
    to, back = receiver.hear(), sender.hear()
    receiver.tell(back)
    receiver.hear()
    sender.tell(to)
    sender.hear()


def _pass(sender: Process, receiver: Process, seconds: float) -> Figures:
    before = sender.spent(), receiver.spent()
    sender.tell(seconds)
    told = sender.hear(within=seconds + _MARKS_WITHIN)
    for _ in range(_TRIES):
        if receiver.speaks(within=_PATIENCE):
            break
        sender.tell(0)  # nothing but marks
        sender.hear()
    received = receiver.hear()["received"]
    sending, receiving = sender.spent().since(before[0]), receiver.spent().since(before[1])
    return {
        "rate": received / told["seconds"],
        "receive cpu": receiving.cpu * 1e6 / received,
        "receive kernel": receiving.kernel_share,
        "send cpu": sending.cpu * 1e6 / told["sent"],
        "send kernel": sending.kernel_share,
        "lost": 1 - received / told["sent"],
    }


def _sample(send: str, receive: str, bench: Bench) -> Figures:
    name = f"{send} to {receive}"
    with (
        running(f"the receiver of {name}", _ENDS[receive](bench, "receive"), bench.cores.server) as receiver,
        running(f"the sender of {name}", _SENDERS[send](bench, "send"), bench.cores.load) as sender,
    ):
        _connect(sender, receiver)
        _pass(sender, receiver, bench.warm_up)
        return _pass(sender, receiver, bench.seconds)


_PAIRS = [
    *(("c", receiver) for receiver in _ENDS),
    *((sender, "c") for sender in ("channel", "endpoint", "trio", "blocking")),
    *(("c one by one", receiver) for receiver in ("channel", "endpoint without bulk")),
    *((end, end) for end in ("channel", "endpoint", "trio", "blocking")),
]

MEASURES = [
    Measure(
        "flow",
        "flow",
        "One flow of 1200-byte datagrams",
        {f"{sender} to {receiver}": Subject(partial(_sample, sender, receiver)) for sender, receiver in _PAIRS},
    )
]
