"""What ``ping`` prints: lines for a person who knows ping(8), or JSON for a program. The same things in both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from .._address import format_address
from ._common import milliseconds, plural, write

if TYPE_CHECKING:
    from .._address import Address
    from .._errors import NoReply
    from ._ping_record import Record


class Echo(NamedTuple):
    """A datagram that came back.

    ``kind`` is ``"reply"`` for one that came in time, else ``"late"``, ``"duplicate"`` or ``"corrupt"``; ``elapsed``
    seconds have gone by since its ping was sent for the last time, as attempt number ``attempt``. None is what nobody
    knows: of a broken one, or of a ping that is no longer remembered.
    """

    kind: str
    number: int | None
    size: int
    remote: Address
    attempt: int | None
    elapsed: float | None


class Report:
    """A line for each thing that happens."""

    def echo(self, echo: Echo) -> None:
        """A datagram came back."""
        number = "?" if echo.number is None else echo.number
        sent = "" if echo.elapsed is None else f" attempt={echo.attempt} time={milliseconds(echo.elapsed)}"
        kind = "" if echo.kind == "reply" else f" {echo.kind}"
        _line(f"{plural(echo.size, 'byte')} from {format_address(echo.remote)}: seq={number}{sent}{kind}")

    def unanswered(self, number: int, error: NoReply, *, refused: bool) -> None:
        """A ping was waited for in vain."""
        if refused:
            _line(f"seq={number} refused: nobody listens there")
            return
        tried = f" to {error.attempts} attempts" if error.attempts > 1 else ""
        why = f" ({error.__cause__.strerror})" if isinstance(error.__cause__, OSError) else ""
        _line(f"seq={number} no reply{tried} within {error.elapsed:.3g} s{why}")

    def summary(self, server: str, record: Record) -> None:
        """The sums."""
        _line(f"--- {server} ping statistics ---")
        sums = [f"{record.sent} sent", f"{record.received} received", plural(record.duplicates, "duplicate")]
        sums += [f"{record.late} late", f"{record.loss:.3g} % loss"]
        for name in ("refused", "corrupt", "waiting"):
            if number := getattr(record, name):
                sums.append(f"{number} {name}")
        _line(", ".join(sums))
        if times := record.times.summary():
            values = "/".join(f"{value * 1000:.3f}" for value in times.values())
            _line(f"rtt {'/'.join(times)} = {values} ms")


class JSONReport(Report):
    """A JSON object for each; times in milliseconds."""

    def echo(self, echo: Echo) -> None:
        _json(
            event=echo.kind,
            seq=echo.number,
            attempt=echo.attempt,
            bytes=echo.size,
            time_ms=None if echo.elapsed is None else _in_ms(echo.elapsed),
            **{"from": format_address(echo.remote)},
        )

    def unanswered(self, number: int, error: NoReply, *, refused: bool) -> None:
        _json(
            event="refused" if refused else "timeout",
            seq=number,
            attempts=error.attempts,
            time_ms=_in_ms(error.elapsed),
        )

    def summary(self, server: str, record: Record) -> None:
        names = ("sent", "received", "duplicates", "late", "lost", "refused", "corrupt", "waiting")
        sums = {name: getattr(record, name) for name in names}
        times = {name: _in_ms(value) for name, value in record.times.summary().items()}
        _json(summary={"server": server, **sums, "loss_percent": round(record.loss, 3), "rtt_ms": times})


def _line(text: str) -> None:
    write(text.encode() + b"\n")


def _json(**fields: object) -> None:
    _line(json.dumps(fields))


def _in_ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
