"""Imports go down only: a file may use what stands on a lower floor, and never what stands on a higher one.

Inside a floor imports are forbidden, too, but for the few that ``BESIDE`` names. This list is the plan of the house:
a new file gets its floor here, in docs/contributing.rst, and in the map at the top of ``trio_udp/__init__.py``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import trio_udp

PACKAGE = Path(trio_udp.__file__).parent

FLOORS = [
    # pure: no sockets, no tasks, no clock of their own
    {"_errors", "_address", "_checks", "_events", "_told", "_retry", "faults"},
    {  # one socket
        *("_statistics", "_asked", "_offload", "_counted", "_reading", "_batch"),
        *("_multicast", "_endpoint", "_opening", "_connection", "_systemd"),
    },
    {  # one idea each
        *(
            "_handler",
            "_remainder",
            "_outgoing",
            "_usage",
            "_places",
            "_member",
            "_crew",
            "_shelter",
            "_serve",
            "_channel",
        ),
        *("_idle", "_peer", "_peers"),
        *("_request", "_waiting", "_replies", "_attempts", "_client", "_first_reply"),
        *("_sources", "_vacancies"),
        *("_guards", "_refused", "_rate", "_reply_cache", "_cookies"),
    },
    {
        "relay",
        "testing",
        "workers",
        "dtls",
        "tracing",
    },  # rooms that are entered by their own name; none imports another
    {"cli", "learn", "__main__"},  # imports all, imported by none
]

BESIDE = {
    ("_events", "_address"),
    ("_told", "_events"),
    ("_errors", "_address"),  # for the type checker only
    ("faults", "_address"),
    ("_counted", "_statistics"),
    ("_reading", "_asked"),
    ("_reading", "_counted"),
    ("_reading", "_offload"),
    ("_reading", "_statistics"),
    ("_batch", "_asked"),
    ("_batch", "_offload"),
    ("_batch", "_reading"),
    ("_batch", "_statistics"),
    ("_endpoint", "_batch"),
    ("_endpoint", "_counted"),
    ("_endpoint", "_multicast"),
    ("_endpoint", "_statistics"),
    ("_connection", "_batch"),
    ("_opening", "_endpoint"),
    ("_connection", "_opening"),
    ("_connection", "_statistics"),
    ("_systemd", "_endpoint"),
    ("_crew", "_handler"),
    ("_crew", "_member"),
    ("_crew", "_outgoing"),
    ("_crew", "_places"),
    ("_places", "_crew"),  # for the type checker only
    ("_crew", "_remainder"),
    ("_crew", "_usage"),
    ("_serve", "_handler"),
    ("_serve", "_crew"),
    ("_serve", "_places"),
    ("_serve", "_shelter"),
    ("_peer", "_idle"),  # for the type checker only
    ("_peers", "_channel"),
    ("_peers", "_handler"),
    ("_peers", "_idle"),
    ("_peers", "_peer"),
    ("_peers", "_shelter"),
    ("_peers", "_vacancies"),
    ("_vacancies", "_sources"),
    ("_replies", "_waiting"),
    ("_replies", "_request"),
    ("_waiting", "_request"),  # this and the next for the type checker only
    ("_request", "_waiting"),
    ("_attempts", "_replies"),
    ("_attempts", "_request"),
    ("_client", "_attempts"),
    ("_client", "_replies"),
    ("_client", "_request"),
    ("_first_reply", "_client"),
    ("_guards", "_handler"),
    ("_rate", "_guards"),
    ("_rate", "_refused"),
    ("_rate", "_sources"),
    ("_rate", "_handler"),  # for the type checker only
    ("_reply_cache", "_guards"),
    ("_reply_cache", "_handler"),
    ("__main__", "cli"),
    ("cli", "learn"),
}

FILES = sorted(PACKAGE.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def imported_rooms(file: Path) -> set[str]:
    """The rooms that a file takes names from, wherever in the file the import stands."""
    package = ("trio_udp", *file.relative_to(PACKAGE).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            names = [base] if len(base) > 1 else [[*base, alias.name] for alias in node.names]
        else:
            continue
        found |= {name[1] if len(name) > 1 else "" for name in names if name[0] == "trio_udp"}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_down_only(file: Path) -> None:
    here = room(file)
    if here == "__init__":
        assert imported_rooms(file) <= set().union(*FLOORS[:3])
        return
    for other in imported_rooms(file) - {here}:
        if floor(here) == len(FLOORS) - 1 and other not in FLOORS[-1]:
            continue  # the top floor may use everything, by the package's public face as well
        assert other != "", f"{here} imports trio_udp itself"
        lower = floor(other) < floor(here)
        assert lower or (here, other) in BESIDE, f"{here} (floor {floor(here) + 1}) imports {other}"


def test_the_plan_has_no_empty_rooms() -> None:
    rooms = {room(file) for file in FILES} - {"__init__"}
    assert rooms == set().union(*FLOORS)


def test_every_exception_is_used() -> None:
    used = {(room(file), other) for file in FILES for other in imported_rooms(file)}
    assert used >= BESIDE


IMPURE_MODULES = {"socket", "time", "asyncio", "threading"}
IMPURE_NAMES = {"open_nursery", "socket", "CancelScope", "current_time", "sleep", "run", "Event", "Lock"}


def impurities(tree: ast.AST) -> set[str]:
    """Sockets, tasks and clocks that a file uses."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & IMPURE_MODULES
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {node.module or ""} & IMPURE_MODULES
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trio":
            found |= {node.attr} & IMPURE_NAMES
    return found


def test_the_pure_floor_is_pure() -> None:
    """No sockets and no tasks: trio only for its exceptions, its types and its resolver."""
    for file in FILES:
        if room(file) in FLOORS[0] - {"_address"}:
            assert not impurities(ast.parse(file.read_text("utf-8"))), file.name


@pytest.mark.parametrize(
    "code", ["import socket", "from time import time", "trio.socket.socket()", "async with trio.open_nursery(): pass"]
)
def test_impurities_are_seen(code: str) -> None:
    assert impurities(ast.parse(f"async def f():\n    {code}"))
