"""The page of the reference is written by hand, so that it has an order; here it is compared with what there is."""

from __future__ import annotations

import re
from pathlib import Path

from trio_udp import _vacancies, dtls
from trio_udp.dtls import _receiving, _sending, _server, _swallowed, _unread

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "dtls.rst").read_text("utf-8")


def test_every_public_name_is_there() -> None:
    assert sorted(re.findall(r"^\.\. auto(?:class|function):: (\w+)", PAGE, re.MULTILINE)) == sorted(dtls.__all__)


def test_every_reason_is_there() -> None:
    of_trio = (_swallowed.NO_CONVERSATION, _swallowed.BAD_HELLO, _swallowed.BAD_COOKIE, _swallowed.HELLO_AGAIN)
    of_line = (_unread.QUEUE_FULL, _unread.UNREAD, _sending.PEER_ENDED, _receiving.NOTHING_NEW, _sending.EMPTY)
    for reason in (
        _server.FAILED,
        _vacancies.TOO_MANY,
        _vacancies.TOO_MANY_OF_ONE,
        _vacancies.NOT_ADMITTED,
        "not DTLS",
        *of_trio,
        _swallowed.HANDSHAKE_OVER,
        *of_line,
    ):
        assert f"\n``{reason}``" in PAGE
