from __future__ import annotations

import errno
import logging
import pickle
import sys

import pytest
import trio

from trio_udp import DatagramTooLarge, NoReply
from trio_udp._errors import (
    NETWORK_ERRORS,
    bare_exceptions,
    errno_name,
    failure_and_cancellation,
    is_cancellation,
)

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup


def test_no_reply_is_caught_as_too_slow() -> None:
    error = NoReply(("127.0.0.1", 7), 3, 1.25, 2)
    assert isinstance(error, trio.TooSlowError)
    assert str(error) == "no reply from 127.0.0.1 port 7 to 3 attempts in 1.25 s (2 not believed)"
    assert str(NoReply(None, 1, 0.5, 0)) == "no reply from any server to 1 attempt in 0.5 s"


def test_datagram_too_large_tells_the_limit() -> None:
    error = DatagramTooLarge(65508, 65507)
    assert isinstance(error, ValueError)
    assert str(error) == "a datagram of 65508 bytes: UDP carries at most 65507"
    assert "too large for this socket" in str(DatagramTooLarge(9000, 65507))


@pytest.mark.parametrize("error", [NoReply(("::1", 7, 0, 0), 3, 1.25, 2, True), DatagramTooLarge(70000, 65507)])
def test_errors_can_be_pickled(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args, str(copy)) == (type(error), error.args, str(error))


def test_network_errors_are_not_programming_errors() -> None:
    assert {errno.ECONNREFUSED, errno.ECONNRESET, errno.EPERM, errno.ENOBUFS, errno.EMSGSIZE} <= NETWORK_ERRORS
    assert not {errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EAGAIN} & NETWORK_ERRORS


def test_errno_name() -> None:
    assert errno_name(ConnectionRefusedError(errno.ECONNREFUSED, "x")) == "ECONNREFUSED"
    assert errno_name(OSError(987654, "x")) == "987654"
    assert errno_name(OSError("no number")) == "None"


async def _fail(error: BaseException) -> None:
    await trio.lowlevel.cancel_shielded_checkpoint()
    raise error


async def test_one_failure_leaves_a_nursery_bare_and_as_it_was() -> None:
    cause, context = KeyError("cause"), KeyError("context")
    error = ValueError("mine")
    error.__cause__, error.__context__ = cause, context
    with pytest.raises(ValueError, match="mine") as caught, bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail, error)
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (cause, context)


async def test_a_group_of_the_callers_stays_a_group() -> None:
    theirs = ExceptionGroup("theirs", [ValueError("a"), KeyError("b")])
    with pytest.raises(ExceptionGroup) as caught, bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail, theirs)
    # Trio takes a group apart and puts it together again to look for Cancelled in it, so it is not the same object.
    assert (caught.value.message, caught.value.exceptions) == ("theirs", theirs.exceptions)


async def test_further_failures_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    second = KeyError("second")

    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise second

    with pytest.raises(ValueError, match="first"), bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(_fail, ValueError("first"))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("trio_udp", logging.ERROR)
    assert record.exc_info is not None
    assert record.exc_info[1] is second


async def test_a_keyboard_interrupt_goes_first() -> None:
    async def interrupted_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupted_when_cancelled)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(_fail, ValueError("first"))


async def test_a_second_keyboard_interrupt_says_nothing_new(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt), bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail, KeyboardInterrupt())
            nursery.start_soon(_fail, KeyboardInterrupt())
    assert not caplog.records


async def test_a_group_of_cancelled_is_no_failure() -> None:
    async def cancelled_in_a_nursery_of_its_own() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever)

    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("the failure")

    with trio.CancelScope() as scope, pytest.raises(KeyError, match="the failure"), bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancelled_in_a_nursery_of_its_own)
            nursery.start_soon(fail_when_cancelled)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()


async def test_what_cancellation_looks_like() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(trio.Cancelled) as caught:
            await trio.lowlevel.checkpoint()
        cancelled = caught.value
        assert is_cancellation(cancelled)
        assert is_cancellation(BaseExceptionGroup("", [cancelled]))
        assert not is_cancellation(BaseExceptionGroup("", [cancelled, KeyError()]))
        assert not is_cancellation(KeyError())
        raise cancelled


async def test_failures_and_cancellation_in_one_group() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(trio.Cancelled) as caught:
            await trio.lowlevel.checkpoint()
        cancelled, bug = caught.value, KeyError("the bug")
        parts = failure_and_cancellation(BaseExceptionGroup("", [BaseExceptionGroup("inner", [cancelled, bug])]))
        assert parts is not None
        failure, rest = parts
        assert isinstance(failure, Exception)
        assert isinstance(failure, BaseExceptionGroup)
        assert failure.exceptions[0].exceptions == (bug,)
        assert is_cancellation(rest)
        for whole in (cancelled, bug, BaseExceptionGroup("", [cancelled]), BaseExceptionGroup("", [bug])):
            assert failure_and_cancellation(whole) is None
        assert failure_and_cancellation(BaseExceptionGroup("", [cancelled, bug, KeyboardInterrupt()])) is None
        raise cancelled


async def test_a_cancelled_nursery_of_ours_leaves_one_bare_cancelled() -> None:
    seen: list[type] = []
    with trio.CancelScope() as scope:
        try:
            with bare_exceptions():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep_forever)
                    nursery.start_soon(trio.sleep_forever)
                    scope.cancel()
        except BaseException as error:
            seen.append(type(error))
            raise
    assert seen == [trio.Cancelled]
    assert scope.cancelled_caught


async def test_cancellation_passes_through() -> None:
    with trio.CancelScope() as scope, bare_exceptions():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
    assert scope.cancelled_caught


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(KeyError), bare_exceptions():
        raise KeyError
