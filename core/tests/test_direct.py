"""The plain HTTP sender, against a real server: what it sends, when it tries again, what it never does."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import openai
import pytest

from dragoman.core import (
    AsyncClient,
    AsyncSender,
    Call,
    InvalidRequest,
    Provider,
    Sender,
    async_http_sender,
    http_sender,
)

pytestmark = pytest.mark.timeout(60)


class Plain(Provider):
    """A vendor without an SDK."""

    name = "plain"

    def headers(self, key: str) -> dict[str, str]:
        return {"X-Api-Key": key or "none"}

    def _headers(self, call: Call) -> dict[str, str]:
        return self.headers(call.api_key or self.api_key or "")

    def sender(self) -> Sender:
        return http_sender(self.base_url, self._headers)

    def async_sender(self) -> AsyncSender:
        return async_http_sender(self.base_url, self._headers)


class Bare(Provider):
    name = "bare"

    def sender(self) -> Sender:
        return http_sender(self.base_url + "/", {"X-Fixed": "1"})

    def async_sender(self) -> AsyncSender:
        return async_http_sender(self.base_url + "/")


@pytest.fixture
def plain(server: Any) -> Plain:
    return Plain(base_url=server.url, api_key="sk-here-1111")


def test_what_is_sent(our_road: Any, server: Any, plain: Plain) -> None:
    our_road.make(plain).create(extra_headers={"X-One": "1"}, extra_query={"q": "a"}, temperature=0)
    our_road.create(our_road.client.with_options(api_key="sk-call-2222", timeout=5))
    first, second = server.requests
    assert first.target == "/v1/chat/completions?q=a"
    assert first.headers["content-type"] == "application/json"
    assert (first.headers["x-api-key"], first.headers["x-one"]) == ("sk-here-1111", "1")
    assert second.headers["x-api-key"] == "sk-call-2222"
    assert first.json["temperature"] == 0


@pytest.mark.parametrize("installed", [True, False])
def test_aiohttp_sends_where_it_is_installed(installed: bool, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    if not installed:
        monkeypatch.setattr("dragoman.core.leanclients.find_spec", lambda name: None)
    made: list[Any] = []

    class Watched(Plain):
        def async_sender(self) -> AsyncSender:
            made.append(super().async_sender())
            return made[-1]

    async def ask() -> str:
        async with AsyncClient(providers=[Watched(base_url=server.url, api_key="k")]) as client:
            answer = await client.chat.completions.create(model="plain/m", messages=[{"role": "user", "content": "Hi"}])
        return answer.choices[0].message.content or ""

    assert asyncio.run(ask())
    assert type(made[0]._client).__name__ == ("Sessions" if installed else "HttpxClient")


def test_headers_may_be_fixed(colour: Any, server: Any) -> None:
    colour.make(Bare(base_url=server.url)).create()
    assert server.requests[0].headers.get("x-fixed") == (None if colour.asynchronous else "1")
    assert server.requests[0].path == "/v1/chat/completions"


def test_a_stream(road: Any, server: Any, plain: Plain, diary: Any) -> None:
    server.script(server.error(503, retry_after="0"))
    assert road.text(road.make(plain, max_retries=1).stream()) == "Hello there"
    assert diary.outcomes == ["complete"]


def test_leaving_a_stream(road: Any, server: Any, plain: Plain, diary: Any) -> None:
    server.script(server.stream(server.chunk("a"), "watch"))
    stream = road.make(plain).stream()
    road.run(stream.close())
    assert server.closed.wait(5)
    assert diary.outcomes == ["abandoned"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [408, 409, 429, 500, 529])
def test_retries(colour: Any, server: Any, plain: Plain, status: int, stream: bool) -> None:
    server.script(*[server.error(status, retry_after_ms="1") for _ in range(9)])
    with pytest.raises(openai.APIStatusError) as caught:
        colour.make(plain, max_retries=2).create(stream=stream)
    assert caught.value.status_code == status
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "headers", [{"retry_after": "121"}, {"x_should_retry": "false"}, {"retry_after": "3600", "x_should_retry": "true"}]
)
def test_when_there_is_no_use_in_it(colour: Any, server: Any, plain: Plain, headers: dict[str, str]) -> None:
    server.script(server.error(429, **headers))
    with pytest.raises(openai.RateLimitError):
        colour.make(plain, max_retries=2).create()
    assert len(server.requests) == 1


def test_the_server_may_want_a_retry(colour: Any, server: Any, plain: Plain) -> None:
    server.script(server.error(400, x_should_retry="true", retry_after="0"))
    assert colour.make(plain, max_retries=1).create().choices
    assert len(server.requests) == 2


def test_a_connection_error_is_retried(colour: Any, server: Any, plain: Plain) -> None:
    broken = type(server.json({}))(200, {"content-length": "99"}, b"{}")
    server.script(broken)
    assert colour.make(plain, max_retries=1).create().choices
    server.script(broken)
    with pytest.raises(openai.APIConnectionError, match="connection failed"):
        colour.make(plain, max_retries=0).create()
    assert len(server.requests) == 3


def test_a_time_out(colour: Any, server: Any, plain: Plain) -> None:
    gate = threading.Event()
    server.script(server.stream(gate))
    with pytest.raises(openai.APITimeoutError):
        colour.make(plain, timeout=0.2).create()
    gate.set()


def test_redirects_are_not_followed(colour: Any, server: Any, plain: Plain) -> None:
    server.script(server.json({}, 308, location=f"{server.url}/other"))
    with pytest.raises(openai.APIStatusError, match="/other"):
        colour.make(plain).create()
    assert len(server.requests) == 1


def test_offline(colour: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    with pytest.raises(openai.APIConnectionError, match="DRAGOMAN_OFFLINE"):
        colour.make(Plain(base_url="http://192.0.2.1")).create()


def test_a_key_that_http_cannot_carry(colour: Any, server: Any) -> None:
    with pytest.raises(InvalidRequest, match="'X-Api-Key' for plain") as caught:
        colour.make(Plain(base_url=server.url, api_key="sk-here-1111\n")).create()
    assert "1111" not in str(caught.value)


def test_no_body_no_content_type(colour: Any, server: Any, plain: Plain) -> None:
    server.script(server.json({"object": "list", "data": [{"id": "a"}]}))
    page = colour.run(colour.make(plain).client.models.list())
    assert "a" in {model.id for model in page.data}
    assert "content-type" not in server.requests[0].headers
