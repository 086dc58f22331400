"""What trio_udp costs, beside others and beside what the machine can do: ``python -m tests.benchmarks``.

Run it from the root of the repository. Each subject is a process of its own on one core; the load (in C, compiled on
the spot) comes from another core. What is measured is CPU time, for that is what a server runs out of, and it moves
less than throughput does when the machine has other work. All are measured in one run, round after round (A B C, A B C,
...), because absolute numbers of two runs, or of two machines, say little about each other.

- ``echoes/``: echo servers, one library in each file; ``flows/``, ``clients/``: the same for flows and for requests
- ``c/``: the load, and the limits: what C does with the same system calls
- ``programs``, ``process``, ``launch``: compiled, started, spoken to
- ``measures/``: what is asked of whom; ``rounds``: the asking
- ``results``, ``targets``: from samples to rows and verdicts; ``machine``: what it was measured on
- ``report``, ``write``: tables and plots
- ``virtual``, ``paced``: two more programs, for the virtual network and for what a relay loses

``c/ask.c`` is none of that: it is what ``python -m trio_udp bench`` is checked against, by ``test_bench_against_c.py``.

It runs on Linux with two cores, a C compiler and whatever of the peers is installed. It is not a timed test:
``test_smoke.py`` only checks that it runs.
"""
