"""What a request costs when many are on their way at once. The server is in C, so the client is what limits."""

from __future__ import annotations

from functools import partial

from ..process import BenchmarkFailed, Process, python, running
from . import Bench, Figures, Measure, Subject
from .echo import C_ECHO, serving

_REPLIES_WITHIN = 60  # seconds

# Whether a pass of 10,000 requests meets one full collection of Python's garbage or two is chance, and makes a tenth of
# its time. Four passes have six.
_PASSES = 4


def _ask_all(client: Process) -> int:
    client.tell("go")
    answer: int = client.hear(within=_REPLIES_WITHIN)
    return answer


def _sample_time(module: str, bench: Bench) -> Figures:
    with serving(bench, "c-recvmmsg", C_ECHO, bench.cores.load) as (_, port):
        with running(module, python(f"clients.{module}", port, bench.requests), bench.cores.server) as client:
            client.hear()
            _ask_all(client)
            before = client.spent()
            replies = sum(_ask_all(client) for _ in range(_PASSES))
            spent = client.spent().since(before)
    if replies != (requests := _PASSES * bench.requests):
        raise BenchmarkFailed(f"{module}: {replies} replies to {requests} requests")
    return {"cpu": spent.cpu * 1e6 / requests, "kernel": spent.kernel_share}


def _sample_memory(bench: Bench) -> Figures:
    command = python("clients.trio_udp", 0, bench.requests, "memory")
    with running("the weighing of requests", command, bench.cores.server) as client:
        client.hear()
        return {"memory": _ask_all(client)}


MEASURES = [
    Measure(
        "client",
        "client",
        "Correlated requests, all at once",
        {
            "trio_udp": Subject(partial(_sample_time, "trio_udp")),
            "a socket each": Subject(partial(_sample_time, "sockets")),
            "trio_udp, waiting": Subject(_sample_memory),
        },
    )
]
