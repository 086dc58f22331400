"""Who has signed what, made once for all tests of DTLS."""

from __future__ import annotations

import pytest

from tests.dtls.certificates import Authority, Pair


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def pair(authority: Authority) -> Pair:
    """The server's certificate, for all names that it has in these tests."""
    return authority.sign()
