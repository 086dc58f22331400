"""An order that had to wait for somebody else's bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._look import line_of, readings
from ..._serving import stood
from ..._verdict import Finding
from ._orders import ORDERS, PROMPT, charges_of, when_it_came

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._played import Run
    from ._orders import Order


def kept_waiting(run: Run, order: Order) -> Iterator[Finding]:
    """It was charged only when somebody else's bank had said yes, or even later."""
    came = when_it_came(run, order)
    begun, _, _ = charges_of(run, order)[0]
    paid = dict(reversed(run.notes.get("paid", ())))
    at_work: list[tuple[str, float, float, int | None]] = []
    for another in ORDERS:
        for since, _, line in charges_of(run, another)[:1]:
            until = paid.get(another.data, begun + 1)
            if another.customer != order.customer and since < came[0] <= begun - PROMPT and came[0] < until:
                at_work.append((another.customer, since, until, line))
    for customer, since, until, line in at_work:
        if begun - PROMPT < until <= begun:
            others = " and ".join(f"{each[0]}'s" for each in at_work if each[0] != customer)
            too = f", while {others} {'were' if ' and ' in others else 'was'} at work, too" if others else ""
            reader = _where_the_reader_waits(run, order, line)
            here = f"in line {line}" if reader else "in this line"
            meanwhile = ". What reads the orders was waiting in this line" if reader else ""
            yield Finding(
                f"{order.customer}'s order `{order.data.decode()}` came at {came[0]:.3g} s, and was charged at "
                f"{begun:.3g} s: it had to wait for {customer}'s bank, at work {here} from {since:.3g} s to "
                f"{until:.3g} s{too}{meanwhile}. Nothing but the same order has to wait for that",
                reader or line,
                came[0],
            )


def _where_the_reader_waits(run: Run, order: Order, charges: int | None) -> int | None:
    """In which line, if that is neither where it reads nor where it charges."""
    line = stood(run, order.data)
    reads = [line_of(run, entry) for entry in readings(run, "server", b"")]
    return None if charges is None or line in (charges, *reads) else line
