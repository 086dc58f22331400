"""What is wrong with how often orders were charged, and with what was sent for them, when and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._look import arrivals, line_of, lost, readings, sent
from ..._serving import has_ended, not_listening, not_read
from ..._verdict import SURROUNDINGS, Finding, went_wrong
from ..._where import in_lines
from ._orders import AFTER, LATE, ORDERS, SERVER, asked_for, charges_of, cuts_of, next_time, receipts_sent, when_it_came
from ._waits import kept_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..._played import Carried, Run
    from ._orders import Order

# What comes of it.
CUT = "which gives nobody the money back: it was taken when `charge` was called"


def check(run: Run) -> Iterator[Finding]:
    yield from _without_receipt(run)
    yield from went_wrong(run, "raised", "floods", "spins")
    yield from has_ended(run)
    for order in ORDERS:
        yield from _charged_once(run, order)
        yield from _answered(run, order)
        yield from kept_waiting(run, order)
    yield from _answered_after(run)


def _without_receipt(run: Run) -> Iterator[Finding]:
    """It has raised at once when an order came again that was being charged: what it looked for was not there yet."""
    ended = run.trace.ended - run.trace.started
    paid = [data for data, _ in run.notes.get("paid", ())]
    for order in ORDERS:
        came, charges = when_it_came(run, order), charges_of(run, order)
        if not charges or order.data in paid or len(came) < 2 or not came[-1] <= ended < came[-1] + 1e-6:
            continue
        if not _is_about_receipt(run, order) or any(time < came[-1] for time in cuts_of(run, order)):
            continue
        if len(charges) > 1:
            yield _twice(run, order, _why(run, order, charges[1][0]))
        for finding in went_wrong(run, "raised"):
            words = (
                f"{finding.message}. Just then, at {came[-1]:.3g} s, the order `{order.data.decode()}` had come "
                "once more, and the bank was still at work for the first: it is known, and has no receipt yet. "
                "There is nothing to send then; the first will be answered"
            )
            yield Finding(words, finding.line, ended)


def _is_about_receipt(run: Run, order: Order) -> bool:
    """It was looked for under just this order, or None was to be sent."""
    ending = run.ending
    is_looked_for = ending.exception == "KeyError" and repr(order.data) in ending.words
    return is_looked_for or "to send is None" in ending.words


def _charged_once(run: Run, order: Order) -> Iterator[Finding]:
    charges = charges_of(run, order)
    came = when_it_came(run, order)
    if not charges:
        yield _never_charged(run, order, came)
    if len(charges) > 1 and (order.data != AFTER.data or charges[1][0] < AFTER.time):
        yield _twice(run, order, _why(run, order, charges[1][0]))


def _twice(run: Run, order: Order, why: str) -> Finding:
    (first, _, _), (second, _, line) = charges_of(run, order)[:2]
    return Finding(
        f"{order.customer} has paid twice for the order `{order.data.decode()}`: it was charged at {first:.3g} s, and "
        f"again at {second:.3g} s. {why}",
        line,
        second,
    )


def _never_charged(run: Run, order: Order, came: list[float]) -> Finding:
    """At the line that has answered it, or read it, or that has read something last."""
    if not came:
        words = f"the order `{order.data.decode()}` was sent at {order.time:.3g} s, and was never charged"
        return not_listening(run, words, SERVER, order.time)
    words = f"the order `{order.data.decode()}` came at {came[0]:.3g} s, and was never charged"
    receipts = {receipt: data.decode() for data, _, receipt, _ in run.notes.get("charged", ())}
    answers = [each for each in sent(run, "server", order.customer) if each.time >= came[0]]
    for answer in answers:
        if answer.data in receipts:
            another = receipts[answer.data]
            words += f": it was taken for `{another}`, and answered with the receipt of that"
            return Finding(words, answer.line, order.time)
    if answers:
        words += f": this line has answered {answers[0].data!r:.40} to it, and what `charge` returns is the receipt"
        return Finding(words, answers[0].line, answers[0].time)
    if read := readings(run, "server", order.data):
        return Finding(f"{words}. It was read in this line", line_of(run, read[0]), read[0].time)
    return not_read(run, words, came[0])


def _why(run: Run, order: Order, second: float) -> str:
    gone = [each for each in lost(run, "server", order.customer) if order.time < each.time < second]
    ports = {each.source_port for each in asked_for(run, order) if each.time < second}
    came = when_it_came(run, order)
    if cut := [time for time in cuts_of(run, order) if time <= second]:
        return f"The call was cancelled at {cut[0]:.3g} s, {CUT}"
    if sum(time <= second for time in came) == 1:
        return f"It had come once, at {came[0]:.3g} s: your program has called `charge` a second time by itself"
    if kept := [each for each in receipts_sent(run, order) if came[1] <= each.time < second]:
        return (
            f"Its receipt was still there when it came again before, and was sent at {kept[0].time:.3g} s; then it was "
            "forgotten. The order may come again for a minute, however often it was answered"
        )
    if gone and len(ports) > 1:
        return (
            f"{_were_lost(gone)}, so the same order was sent again, from another port: a program that is started anew "
            "has a new one. Which order it is stands in the order"
        )
    if gone and order == LATE:
        return (
            f"{_were_lost(gone)}, so the same order was sent again. Others that came again were known still, and this "
            "one was not: each order has to be kept for a minute from when it came, whatever is forgotten meanwhile"
        )
    if gone:
        return (
            f"{_were_lost(gone)}, so the same order was sent again. That somebody has seen no answer does not mean "
            "that nothing was done"
        )
    if any(each.data == order.data and len(each.delivered) > 1 for each in sent(run, order.customer)):
        return "It was sent once, and the network has delivered it twice, as networks do at times"
    return "The same order was sent again, since the bank was still at work for the first: known already, but not done"


def _were_lost(gone: Sequence[Carried]) -> str:
    one, were = ("answers", "were") if gone[1:] else ("answer", "was")
    return f"The {one}, sent at {_times(gone)}, {were} lost"


def _times(datagrams: Sequence[Carried]) -> str:
    return " and ".join(f"{each.time:.3g} s" for each in datagrams)


def _answered(run: Run, order: Order) -> Iterator[Finding]:
    questions, what, until = asked_for(run, order), order.data.decode(), next_time(order)
    answers = [(time, each) for time, each in arrivals(run, order.customer, "server") if order.time < time < until]
    if not answers:
        yield from _to_another(run, order)
        yield _never_answered(run, order)
    elif all(each.source_port != SERVER[1] for _, each in answers):
        time, answer = answers[0]
        yield Finding(
            f"{order.customer} had sent the order `{what}` to port {SERVER[1]}, and was answered from port "
            f"{answer.source_port}: from another address. Who asks a server can believe only what comes from where the "
            "question went",
            answer.line,
            time,
        )
    elif not any(_is_at_the_port_that_asks(time, answer, questions) for time, answer in answers):
        time, answer = answers[-1]
        yield Finding(
            f"{order.customer} asks for the order `{what}` from another port each time, and was answered at one that "
            "it had left: send the receipt to whoever has sent this datagram, not to whoever was first",
            answer.line,
            time,
        )
    yield from _only_later(run, order)
    for time, answer in answers:
        if answer.data not in [receipt for _, receipt, _ in charges_of(run, order)]:
            yield Finding(
                f"{order.customer} was answered {answer.data!r} to `{what}`, which is not what charge has returned "
                "for it",
                answer.line,
                time,
            )


def _never_answered(run: Run, order: Order) -> Finding:
    """At the line that has sent the only answer, which was lost; or that has charged, if there was none."""
    times = len(asked_for(run, order))
    words = f"{order.customer} has sent the order `{order.data.decode()}` {times} times, and never got "
    time, receipt, line = charges_of(run, order)[-1]
    if elsewhere := _to_nobody(run, order, receipt):
        port = asked_for(run, order)[0].source_port
        words += f"an answer: what this line sent at {elsewhere.time:.3g} s went to port {elsewhere.destination_port} "
        words += f"of {elsewhere.destination}, and nobody is there. The order came from port {port} of {order.customer}"
        return Finding(words, elsewhere.line, elsewhere.time)
    if gone := [each for each in lost(run, "server", order.customer) if each.data == receipt]:
        lines = {each.line for each in gone if each.line}
        who = "this line" if len(lines) == 1 else "your program"
        words += f"an answer: what {who} sent at {_times(gone)}{f', {in_lines(lines)},' if len(lines) > 1 else ''}"
        words += " was lost, and not sent " + ("once more. " if gone[1:] else "again. ")
        return Finding(f"{words}It was charged, and nobody knows it", gone[-1].line, gone[-1].time)
    (starts,) = run.notes["starts"]
    if line is None and starts:
        words += "an answer. It was charged by a task that this line has started, and what the function of a task "
        return Finding(f"{words}returns goes to nobody: the task that charges has to send the receipt", starts[0], time)
    here = " in this line" if line else ""
    words += f"an answer. It was charged{here}, and nobody knows it"
    if cut := cuts_of(run, order):
        words += f": the call was cancelled at {cut[0]:.3g} s, {CUT}"
    return Finding(words, line, time)


def _to_nobody(run: Run, order: Order, receipt: bytes) -> Carried | None:
    """The receipt, where it was sent to a port where nobody is, and from which the order has not come."""
    ports = [(order.customer, each.source_port) for each in asked_for(run, order)]
    return next(
        (
            each
            for each in run.datagrams
            if each.data == receipt
            and each.lost == "refused"
            and (each.destination, each.destination_port) not in ports
        ),
        None,
    )


def _only_later(run: Run, order: Order) -> Iterator[Finding]:
    """It was charged, and the receipt not sent before the same order came again."""
    came = when_it_came(run, order)
    paid = next((time for data, time in run.notes.get("paid", ()) if data == order.data), None)
    again = next((each for each in came if paid is not None and each > paid), None)
    if paid is None or again is None:
        return
    meanwhile = [each for each in sent(run, "server", order.customer) if came[0] <= each.time < again]
    if meanwhile:  # the receipt, or something else, which is told as that
        return
    yield from _to_another(run, order)
    yield Finding(
        f"the bank said yes to the order `{order.data.decode()}` at {paid:.3g} s, and nothing was sent to "
        f"{order.customer} before the same order came again, at {again:.3g} s. Whoever has sent an order gets the "
        "receipt as soon as it is there, and does not have to ask twice",
        charges_of(run, order)[0][2],
        paid,
    )


def _to_another(run: Run, order: Order) -> Iterator[Finding]:
    receipt = charges_of(run, order)[0][1]
    for each in sent(run, "server"):
        if each.data == receipt and each.destination != order.customer:
            yield Finding(
                f"this line sent {order.customer}'s receipt, that for `{order.data.decode()}`, to {each.destination}. "
                f"{SURROUNDINGS}",
                each.line,
                each.time,
            )


def _answered_after(run: Run) -> Iterator[Finding]:
    """What became of the order that came again when all was over."""
    what, asked, charges = AFTER.data.decode(), asked_for(run, AFTER), charges_of(run, AFTER)
    answers = [each for each in sent(run, "server", AFTER.customer) if each.time > AFTER.time]
    charged, receipt, _ = charges[0]
    if len(charges) > 1:
        why = "Then it had come again, from another port, when others had come after it. That may happen for a minute: "
        yield _twice(run, AFTER, f"{why}for so long each receipt has to be kept, whatever comes meanwhile")
    words = f"{AFTER.customer} has sent the order `{what}` once more at {AFTER.time:.3g} s, "
    if asked and not answers:
        read = [entry for entry in readings(run, "server", AFTER.data) if entry.time > AFTER.time]
        words += f"and got no answer. It was charged at {charged:.3g} s, and its receipt has to be kept for a minute: "
        words += f"who asks has missed all answers so far{'. It was read in this line' if read else ''}"
        yield Finding(words, line_of(run, read[0]) if read else None, AFTER.time)
    for answer in answers:
        if answer.destination_port != asked[0].source_port:
            why = "from another port, and was answered at one that it had left: send the receipt to whoever has sent "
            yield Finding(f"{words}{why}this datagram, not to whoever was first", answer.line, answer.time)
        if answer.data != receipt:
            why = f"and was answered {answer.data!r:.40}, which is not what charge has returned for it"
            yield Finding(f"{words}{why}", answer.line, answer.time)


def _is_at_the_port_that_asks(time: float, answer: Carried, questions: Sequence[Carried]) -> bool:
    asked = [each.source_port for each in questions if each.time <= time]
    return not asked or answer.destination_port == asked[-1]
