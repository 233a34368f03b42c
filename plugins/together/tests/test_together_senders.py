"""The official SDK on a loopback server: addresses, keys, time-outs, retries, ready clients."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import together

from dragoman.core import Call, MissingKey, Wire
from dragoman.testing import Scripted
from dragoman.together import Together
from dragoman.together.senders import root_of

if TYPE_CHECKING:
    from collections.abc import Callable

WIRE = Wire("/chat/completions", content=b'{"model": "m"}')
SDK_WRITES_V1 = int(together.__version__.partition(".")[0]) >= 3


def send(provider: Together, call: Call, *, asynchronous: bool = False) -> Any:
    """Send once and close, on either side."""
    if not asynchronous:
        sender = provider.sender()
        assert sender is not None
        try:
            return sender.send(call, WIRE)
        finally:
            sender.close()

    async def run() -> Any:
        sender = provider.async_sender()
        assert sender is not None
        try:
            return await sender.send(call, WIRE)
        finally:
            await sender.close()

    return asyncio.run(run())


def sent_call(make_call: Callable[..., Call], **fields: Any) -> Call:
    call = make_call()
    call.timeout, call.max_retries = 10, 0
    for name, value in fields.items():
        setattr(call, name, value)
    return call


@pytest.fixture(params=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


@pytest.mark.rule(206)
def test_the_sdk_sends_our_bytes(server: Any, make_call: Callable[..., Call], asynchronous: bool) -> None:
    server.script = [Scripted.json({"ok": True})]
    reply = send(
        Together(api_key="k", base_url=server.url, default_headers={"x-mine": "1"}),
        sent_call(make_call),
        asynchronous=asynchronous,
    )
    assert (reply.status, json.loads(reply.content)) == (200, {"ok": True})
    (seen,) = server.seen
    assert (seen.path, seen.content) == ("/v1/chat/completions", WIRE.content)
    assert (seen.fields["authorization"], seen.fields["x-mine"]) == ("Bearer k", "1")
    assert seen.fields["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_a_ready_client_is_asked_where_it_should_be(
    server: Any, make_call: Callable[..., Call], asynchronous: bool, path: str
) -> None:
    client = together.Together(api_key="theirs", base_url=server.url + path)
    async_client = together.AsyncTogether(api_key="theirs", base_url=server.url + path)
    send(Together(client=client, async_client=async_client), sent_call(make_call), asynchronous=asynchronous)
    assert server.seen[0].path == "/v1/chat/completions"
    assert server.seen[0].fields["authorization"] == "Bearer theirs"


def test_a_ready_client_goes_where_the_sdk_itself_goes(server: Any, make_call: Callable[..., Call]) -> None:
    server.script = [Scripted.json({"id": "1", "choices": []})]
    client = together.Together(api_key="k", base_url=server.url + "/gateway")
    client.chat.completions.create(model="m", messages=[])
    send(Together(client=client), sent_call(make_call))
    assert server.seen[0].path == server.seen[1].path
    assert root_of(client, together) == ("/v1" if SDK_WRITES_V1 else "")


def test_the_sdks_own_address_needs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    client = together.Together(api_key="k")
    assert (str(client.base_url).rstrip("/") + root_of(client, together)).endswith("/v1")


@pytest.mark.rule(168)
@pytest.mark.parametrize("environment", [None, "", "  "])
def test_no_key_is_said_in_our_words(
    server: Any,
    make_call: Callable[..., Call],
    monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
    environment: str | None,
) -> None:
    if environment is not None:
        monkeypatch.setenv("TOGETHER_API_KEY", environment)
    provider = Together(base_url=server.url)
    with pytest.raises(MissingKey, match="TOGETHER_API_KEY"):
        send(provider, sent_call(make_call), asynchronous=asynchronous)
    assert server.seen == []
    send(provider, sent_call(make_call, api_key="of-the-call"), asynchronous=asynchronous)
    send(provider, sent_call(make_call, extra_headers={"Authorization": "Bearer own"}), asynchronous=asynchronous)
    assert [seen.fields["authorization"] for seen in server.seen] == ["Bearer of-the-call", "Bearer own"]


@pytest.mark.rule(219)
@pytest.mark.parametrize(("ours", "on_the_wire"), [(600, 600), (None, None), ({"read": 3.0, "connect": 1.0}, 3.0)])
def test_the_timeout_is_ours_and_not_the_sdks_minute(
    server: Any, make_call: Callable[..., Call], ours: Any, on_the_wire: float | None
) -> None:
    seen: list[Any] = []
    client = together.Together(
        api_key="k",
        base_url=server.url + "/v1",
        http_client=httpx.Client(event_hooks={"request": [lambda request: seen.append(request.extensions["timeout"])]}),
    )
    send(Together(client=client), sent_call(make_call, timeout=ours))
    assert [timeout["read"] for timeout in seen] == [on_the_wire]
