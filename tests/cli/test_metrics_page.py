"""The page of `serve --metrics`, without sockets; with them it is in test_serve_metrics.py."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from trio_udp.cli._metrics_page import LONGEST_HEAD, MOST_CONNECTIONS, PATIENCE, MetricsPage, metrics_page

METRICS = b"some_total 7.0\n"
GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def page() -> MetricsPage:
    page = MetricsPage(["127.0.0.1:9100"])
    page.show(lambda: METRICS)
    return page


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    return b"".join([data async for data in stream])


async def ask(page: MetricsPage, *pieces: bytes) -> bytes:
    async with trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        nursery.start_soon(page.answer, theirs)
        for piece in pieces:
            await ours.send_all(piece)
            await trio.testing.wait_all_tasks_blocked()
        await ours.send_eof()
        return await everything(ours)


async def test_where_it_is_and_what_it_says(page: MetricsPage, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ask(page, GET) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 15\r\n"
        b"Connection: close\r\n\r\n" + METRICS
    )
    MetricsPage(["127.0.0.1:1", "[::1]:2"]).show(lambda: b"")
    assert capsys.readouterr().err == "metrics at http://127.0.0.1:1/metrics and http://[::1]:2/metrics\n"


async def test_a_request_in_pieces(page: MetricsPage) -> None:
    assert await ask(page, *(bytes([byte]) for byte in GET)) == await ask(page, GET)


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /metrics?name[]=up HTTP/1.0", "200 OK", "some_total 7.0\n"),
        ("HEAD /metrics HTTP/1.1", "200 OK", ""),
        ("GET / HTTP/1.1", "404 Not Found", "the metrics are at /metrics\n"),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed", "this page can be read only\n"),
        ("GET /metrics", "400 Bad Request", "this is not HTTP\n"),
        ("GET /metrics HTTP/2", "400 Bad Request", "this is not HTTP\n"),
        ("\xff\x00", "400 Bad Request", "this is not HTTP\n"),
        ("", "400 Bad Request", "this is not HTTP\n"),
    ],
)
async def test_other_requests(page: MetricsPage, request_line: str, status: str, body: str) -> None:
    head, _, said = (await ask(page, f"{request_line}\r\n\r\n".encode("latin-1"))).decode().partition("\r\n\r\n")
    assert head.splitlines()[0] == f"HTTP/1.1 {status}"
    assert said == body
    assert f"Content-Length: {len(said) or len(METRICS)}" in head.splitlines()
    assert ("Allow: GET, HEAD" in head.splitlines()) == status.startswith("405")


async def test_a_request_without_an_end(page: MetricsPage) -> None:
    assert (await ask(page, GET[:-1])).startswith(b"HTTP/1.1 400 ")
    assert (await ask(page, b"")).startswith(b"HTTP/1.1 400 ")
    assert (await ask(page, b"GET /metrics HTTP/1.1\r\nA: " + b"x" * LONGEST_HEAD)).startswith(b"HTTP/1.1 400 ")


async def test_before_there_is_anything_to_show() -> None:
    assert (await ask(MetricsPage([]), GET)).endswith(b"\r\n\r\nthe server is not ready yet\n")


async def test_what_cannot_be_rendered_ends_nothing(page: MetricsPage, capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: it ended the server."""

    def render() -> bytes:
        raise ValueError("no label \x1b[2J")

    page.show(render)
    for _ in range(2):
        assert (await ask(page, GET)).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    said = capsys.readouterr().err
    assert said.count("the metrics cannot be shown:\n  Traceback") == 2
    assert said.endswith("\n  ValueError: no label \\x1b[2J\n")


async def test_who_says_nothing_is_not_waited_for(page: MetricsPage, autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(GET[:-1])
    await page.answer(theirs)
    assert trio.current_time() == PATIENCE
    assert await everything(ours) == b""


async def test_who_leaves_harms_nobody(page: MetricsPage) -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(GET)
    await ours.aclose()
    await page.answer(theirs)
    assert await ask(page, GET) != b""


async def test_connections_are_bounded(page: MetricsPage) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(MOST_CONNECTIONS):
            nursery.start_soon(page.answer, memory_stream_pair()[1])
        await trio.testing.wait_all_tasks_blocked()
        ours, theirs = memory_stream_pair()
        await page.answer(theirs)
        assert await everything(ours) == b""
        nursery.cancel_scope.cancel()
    assert await ask(page, GET) != b""


async def test_it_ends_with_its_block_and_leaves_exceptions_as_they_are() -> None:
    with pytest.raises(KeyError, match="the body's own"):
        async with metrics_page(None) as page:
            assert page is None
            raise KeyError("the body's own")
