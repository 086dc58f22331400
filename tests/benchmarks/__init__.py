"""What an echo costs: ``python -m tests.benchmarks``, from the root of the repository.

Each server under test is a process of its own on one core; the load (load.c, compiled on the spot)
comes from another core. What is measured is the server's CPU time per echo, for CPU time is what a
server runs out of, and it moves less than throughput does when the machine has other work. All
servers are measured in one run, round after round (A B C, A B C, ...), because absolute numbers of
two runs, or of two machines, say little about each other.

- ``load.c``: the load; ``echo.c``: the floor, an echo server in C
- ``compiled.py``: makes programs of them
- ``servers.py``: the servers under test
- ``measure.py``: one server under one load, and the rounds
- ``report.py``: from samples to rows, and the rows as Markdown or JSON

``ask.c`` is none of that: it is what ``python -m trio_udp bench`` is checked against, by ``test_bench_against_c.py``.

It runs on Linux with two cores, a C compiler and whatever of the peers is installed. It is not a
timed test: ``test_smoke.py`` only checks that it runs.
"""
