"""Lessons: small programs that are broken in the way learners break them, and what a run of each says about it.

``python -m trio_udp learn`` is the way in; nothing here is for programs to import.

A lesson is played on a network in memory, in virtual time. What is judged is what has happened there, and never what a
program prints: who sent what to whom and when, what was lost, which tasks lived how long.

    _played     what a run has left behind: the trace, the datagrams, how it ended
    _look       what a check asks of that
    _verdict    what is wrong, and how it is told
    _refused    answers that came to a socket that was closed
    _serving    what several lessons say of a learner's server
    _working    what some give it to call for its answers, and what was wrong with the call
    _strays     what some say of tasks that are in no nursery of the program's
    _learner    the learner's file, as a lesson has it in its hands
    _carried    what the network has carried, brought together with the trace
    _lesson     what a lesson is made of, and how to make one
    _lessons    all of them, in order
    _source     that file as it lies there: read, and looked at as text
    _elsewhere  what is right in Trio, where a program does as one does elsewhere
    _where      which line of it something is in
    _awaited    what a task waits in, and what has not happened there
    _ending     how a play has ended, told by what was raised
    _stage      plays one: what runs in a child process
    _spins      tells of a program that never waits
    _bounds     what a program may not take there
    _threads    tells where time went by while a thread was at work
    _clocks     tells where a program looks at the real clock
    _started    tells where what `start_soon` returns is taken for a result
    _unawaited  calls that have done nothing, for want of an ``await``
    _run        starts that child, and understands what becomes of it
    _folder     the learner's files, and which have passed
    _watch      waits for a file to change
    lessons     a folder for each
"""

from ._lessons import LESSONS, find

__all__ = ["LESSONS", "find"]
