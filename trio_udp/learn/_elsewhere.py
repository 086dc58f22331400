"""`elsewhere`: what is right in Trio, where a program does as one does elsewhere.

Who comes from blocking sockets gives them a timeout, or asks `select`; who comes from asyncio awaits what is asyncio's.
What Python says then is that something is not there, which is true, and no help.
"""

from __future__ import annotations

import os
import re

from .. import testing
from ._where import raised_within

# Not by importing it: that takes as long as all of Trio does.
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_ASYNCIO = os.path.join(_LIBRARY, "asyncio") + os.sep
_TESTING = os.path.dirname(os.path.abspath(str(testing.__file__))) + os.sep
_SELECTORS = os.path.join(_LIBRARY, "selectors.py")

NOT_ASYNCIO = (
    "That is asyncio's, and your program runs in Trio, where nothing of asyncio works: use what is Trio's, such as "
    "trio.sleep, trio.fail_after, or a nursery"
)
NO_TIMEOUT = (
    "Neither Trio's sockets nor what they do have a timeout: an `await` that may take too long is put inside of `with "
    "trio.move_on_after(seconds):`, or of `with trio.fail_after(seconds):`"
)
NO_SELECT = (
    "`select` and its like stop all tasks, and know nothing of the lesson's network. To wait for a datagram is `await "
    "sock.recvfrom(...)`, inside of `with trio.move_on_after(seconds):` if not for ever"
)
NO_BYTES = 'Datagrams are bytes, and a str is text: b"..." is bytes, and so is text.encode()'
NO_VALUE = (
    "No line that gives it a value has come to its end. A timeout, for one, leaves the line that waits, and goes on "
    "behind its `with`"
)
CLOSED = "The socket is closed: before this line its `with` was left, or its close() called"
NO_STATUS = (
    "`nursery.start` waits until what it starts calls `task_status.started()`, and gives it that argument. What does "
    "not take it is started with `start_soon`, which does not wait"
)
SCOPE_IN_GENERATOR = (
    "A scope or a nursery was left before one that was opened inside of it. That is so with a `with "
    "trio.move_on_after(...)` around a `yield`, as whoever takes the values goes on in the middle of it: put the "
    "`yield` behind the `with`, or do without a generator"
)
PLAIN_WITH = "Scopes need no await: it is `with trio.move_on_after(seconds):`, without `async` and without `await`"
NO_ASYNC_WITH = "This is for a plain `with`, as scopes and sockets are, and not for `async with`"
WITH_ASYNC = "Where one may have to wait, as for a lock, it is `async with`"
IN_NURSERY = "A scope starts nothing, and ends what is inside of it: tasks are started in a nursery"
DEADLINE = (
    "What ends a scope in time is its `deadline`, a time of the clock: one second from now is `trio.current_time() + "
    "1`. What takes seconds is `trio.move_on_after(seconds)`"
)
SCOPE_AGAIN = "A scope is for one `with`: make it anew in each call, and inside of the loop if there is one"
TWO_READ = (
    "Two of your tasks wait for datagrams of one socket, and Trio refuses that: whichever of them reads first would "
    "get what comes first, whether it has asked for that or not"
)

# What Python says, and what is to be said of it; 3.10 names no class of what an `async with` cannot be of.
_SAID = (
    (r"no running event loop|framework like asyncio", NOT_ASYNCIO),
    (r"^TypeError: CancelScope\.__init__\(\) ", DEADLINE),
    (r"has no attribute '[gs]ettimeout'|unexpected keyword argument 'timeout'|SO_(RCV|SND)TIMEO", NO_TIMEOUT),
    (r"module 'trio' has no attribute '(wait_for|timeout|timeout_at)'", NO_TIMEOUT),
    (r"has no attribute 'setblocking'", "A Trio socket never blocks the other tasks: nothing has to be set"),
    (r"module 'trio' has no attribute '(create_task|gather|TaskGroup)'", "Trio's tasks are started in a nursery"),
    (r"module 'trio(\.socket)?' has no attribute '(TimeoutError|timeout)'", "Trio's is trio.TooSlowError"),
    (r"module 'trio' has no attribute 'CancelledError'", "Trio's is trio.Cancelled, and nobody need catch it"),
    (r"out of range in select\(\)", NO_SELECT),
    (r"^RuntimeError: Cancel scope stack corrupted", SCOPE_IN_GENERATOR),
    (
        r"'(CancelScope|_GeneratorContextManager)' object does not support the async"
        r"|object (CancelScope|_GeneratorContextManager) can't be used in 'await'",
        PLAIN_WITH,
    ),
    (
        r"'VirtualSocket' object does not support the async",
        "Trio's sockets are opened by a plain `with`, without `async`",
    ),
    (r"^AttributeError: __aenter__$", NO_ASYNC_WITH),
    (r"'(\w*Lock|Semaphore|CapacityLimiter|Condition)' object does not support the context manager", WITH_ASYNC),
    (r"^AttributeError: __enter__$", "This is for `async with`, as locks are, and not for a plain `with`"),
    (r"'CancelScope' object has no attribute '(start|start_soon)'", IN_NURSERY),
    (r"'CancelScope' object (is not callable|has no attribute '(time|sec|exp))", DEADLINE),
    (r"Each CancelScope may only be used for a single 'with' block", SCOPE_AGAIN),
    (r"^BusyResourceError: .*reading", TWO_READ),
    (r"unexpected keyword argument 'task_status'", NO_STATUS),
    (r"bytes-like object is required, not 'NoneType'", "What it was to send is None, and datagrams are bytes"),
    (r"NoneType.* 'await'", "What is called here has returned None, and is no async function: it needs no `await`"),
    (r"^UnboundLocalError: ", NO_VALUE),
    (
        r"bytes-like object is required, not 'str'|not \"bytes\"\) to str|str to bytes|must be bytes .*, not str"
        r"|string argument without an encoding",
        NO_BYTES,
    ),
)


def elsewhere(problem: BaseException, words: str) -> str:
    """What would be right, if that is known; else nothing.

    Args:
      problem: what was raised.
      words: its name, and what it says.
    """
    if raised_within(problem, _ASYNCIO):
        return NOT_ASYNCIO
    if raised_within(problem, _SELECTORS):
        return NO_SELECT
    if "Bad file descriptor" in words and raised_within(problem, _TESTING):
        return CLOSED
    return next((right for said, right in _SAID if re.search(said, words)), "")
