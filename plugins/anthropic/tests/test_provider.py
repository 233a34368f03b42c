"""The provider: endpoints, addresses, credentials, and the official SDK on a loopback server."""

from __future__ import annotations

import asyncio
import json
import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from openai import OpenAIError

from dragoman.anthropic import Anthropic
from dragoman.core import Call, Event, InvalidRequest, Json, MissingKey, Wire
from dragoman.testing import FakeVendor, Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 5},
}
CHAT = {"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
HAS_CREDENTIAL_CHAIN = hasattr(anthropic, "CredentialsError")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    # Where the SDK looks for profiles.
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def server() -> Iterator[FakeVendor]:
    with FakeVendor(Scripted.json(MESSAGE)) as vendor:
        yield vendor


def make_call(endpoint: str = "chat/completions", method: str = "POST", **fields: Any) -> Call:
    return Call(
        "anthropic", "claude-haiku-5-5", dict(CHAT), endpoint, method, created=1, max_retries=0, timeout=10, **fields
    )


def make_wire(*, stream: bool = False) -> Wire:
    return Wire("/v1/messages", content=json.dumps({"model": "m", **({"stream": True} if stream else {})}).encode())


def test_entry_point_finds_it() -> None:
    (found,) = entry_points(group="dragoman.providers", name="anthropic")
    assert found.load() is Anthropic


def test_facts_of_the_contract() -> None:
    provider = Anthropic()
    assert (provider.api, provider.name, provider.framing) == (1, "anthropic", "sse")
    assert provider.base_url == "https://api.anthropic.com"
    assert set(provider.endpoints or ()) == {"chat", "messages", "models"}
    assert "sk-ant" not in repr(Anthropic(api_key="sk-ant-secret"))


@pytest.mark.parametrize("url", ["http://host:1", "http://host:1/", "http://host:1/v1", "http://host:1/v1/"])
def test_addresses_are_understood_with_and_without_v1(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Anthropic(base_url=url).base_url == "http://host:1"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    assert Anthropic().base_url == "http://host:1"


@pytest.mark.rule(170)
def test_tokens_are_counted() -> None:
    call = make_call("chat/completions/count_tokens")
    wire = Anthropic().encode(call)
    assert (wire.method, wire.path) == ("POST", "/v1/messages/count_tokens")
    assert wire.body is not None
    assert not {"max_tokens", "stream", "metadata"} & set(wire.body)
    answer = Anthropic().decode(call, {"input_tokens": 12})
    assert answer == {"object": "chat.completion.token_count", "input_tokens": 12}


@pytest.mark.rule(169)
@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("models", "/v1/models?limit=1000"),
        ("models/claude-haiku-5-5", "/v1/models/claude-haiku-5-5"),
        ("models/a%20b", "/v1/models/a%20b"),
        ("models/a/../b?c", "/v1/models/a%2F..%2Fb%3Fc"),
    ],
)
def test_models(endpoint: str, path: str) -> None:
    wire = Anthropic().encode(make_call(endpoint, "GET"))
    assert (wire.method, wire.path, wire.body) == ("GET", path, None)


@pytest.mark.rule(171)
@pytest.mark.parametrize(
    ("endpoint", "method"),
    [
        ("embeddings", "POST"),
        ("chat/completions", "GET"),
        ("chat/completions/x", "GET"),
        ("models/m", "DELETE"),
        ("chat/completions/count_tokens", "GET"),
    ],
)
def test_what_anthropic_does_not_have_is_refused(endpoint: str, method: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{method} {endpoint}"):
        Anthropic().encode(make_call(endpoint, method))


def test_sends_through_the_sdk(server: FakeVendor) -> None:
    sender = Anthropic(api_key="sk-ant-k", base_url=f"{server.url}/v1", default_headers={"x-mine": "1"}).sender()
    try:
        reply = sender.send(make_call(extra_headers={"anthropic-beta": "b"}), make_wire())
        assert (reply.status, json.loads(reply.content)) == (200, MESSAGE)
    finally:
        sender.close()
    (seen,) = server.seen
    assert (seen.path, seen.json) == ("/v1/messages", {"model": "m"})
    headers = seen.fields
    assert "sk-ant-k" in (headers.get("authorization", "") + headers.get("x-api-key", ""))
    assert (headers["x-mine"], headers["anthropic-beta"]) == ("1", "b")
    assert headers["anthropic-version"]


def test_ready_clients_are_used_as_they_are(server: FakeVendor) -> None:
    with anthropic.Anthropic(api_key="mine", base_url=server.url, default_headers={"x-mine": "1"}) as client:
        Anthropic(client=client).sender().send(make_call(), make_wire())

    async def send() -> None:
        async with anthropic.AsyncAnthropic(
            api_key="mine", base_url=server.url, default_headers={"x-mine": "2"}
        ) as mine:
            await Anthropic(async_client=mine).async_sender().send(make_call(), make_wire())

    asyncio.run(send())
    assert [seen.fields["x-mine"] for seen in server.seen] == ["1", "2"]


def test_address_of_the_environment_is_used(server: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"{server.url}/v1/")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-env")
    sender = Anthropic().sender()
    sender.send(make_call(), make_wire())
    sender.close()
    assert server.seen[0].path == "/v1/messages"


def test_default_address_is_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Json] = []
    monkeypatch.setattr(anthropic, "Anthropic", _recording(anthropic.Anthropic, made))
    Anthropic(api_key="k").sender().close()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://elsewhere.example")
    Anthropic(api_key="k", base_url="https://api.anthropic.com").sender().close()
    assert [options.pop("http_client").is_closed for options in made] == [True, True]
    assert made == [{"api_key": "k"}, {"api_key": "k", "base_url": "https://api.anthropic.com"}]


def _recording(real: Any, made: list[Json]) -> Any:
    def make(**options: Any) -> Any:
        made.append(options)
        return real(**options)

    return make


def test_auth_token_of_the_environment_is_the_sdks_business(
    server: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-1")
    sender = Anthropic(base_url=server.url).sender()
    sender.send(make_call(), make_wire())
    sender.close()
    assert server.seen[0].fields["authorization"] == "Bearer token-1"


def test_an_sdk_credential_wins_over_the_key_of_the_environment(
    server: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-env")
    sender = Anthropic(base_url=server.url, auth_token="token-2").sender()
    sender.send(make_call(), make_wire())
    sender.close()
    assert server.seen[0].fields["authorization"] == "Bearer token-2"


def test_key_of_the_call_is_enough(server: FakeVendor) -> None:
    sender = Anthropic(base_url=server.url).sender()
    sender.send(make_call(api_key="of-the-call"), make_wire())
    sender.close()
    headers = server.seen[0].fields
    assert "of-the-call" in headers.get("authorization", "") + headers.get("x-api-key", "")


@pytest.mark.rule(168)
def test_no_key_is_named(server: FakeVendor) -> None:
    sender = Anthropic(base_url=server.url).sender()
    with pytest.raises(MissingKey, match="ANTHROPIC_API_KEY") as caught:
        sender.send(make_call(), make_wire())
    sender.close()
    assert isinstance(caught.value, OpenAIError)
    assert isinstance(caught.value.__cause__, TypeError)
    assert server.seen == []

    async def send() -> None:
        other = Anthropic(base_url=server.url).async_sender()
        try:
            await other.send(make_call(), make_wire())
        finally:
            await other.close()

    with pytest.raises(MissingKey, match="ANTHROPIC_API_KEY"):
        asyncio.run(send())


@pytest.mark.rule(168)
@pytest.mark.skipif(not HAS_CREDENTIAL_CHAIN, reason="this anthropic has no profiles")
def test_unusable_profile_is_a_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_PROFILE", "nobody")
    with pytest.raises(MissingKey, match="ANTHROPIC_API_KEY") as caught:
        Anthropic().sender()
    assert isinstance(caught.value.__cause__, anthropic.AnthropicError)
    with pytest.raises(MissingKey, match="ANTHROPIC_API_KEY"):
        Anthropic().async_sender()


@pytest.mark.rule(168)
@pytest.mark.skipif(not HAS_CREDENTIAL_CHAIN, reason="this anthropic has no credential providers")
def test_credentials_that_fail_when_sending_are_a_missing_key(server: FakeVendor) -> None:
    def no_token(**_options: Any) -> Any:
        message = "no token today"
        raise anthropic.CredentialsError(message)

    sender = Anthropic(base_url=server.url, credentials=no_token).sender()
    with pytest.raises(MissingKey) as caught:
        sender.send(make_call(), make_wire())
    sender.close()
    assert isinstance(caught.value.__cause__, anthropic.CredentialsError)


def test_other_failures_are_not_called_a_missing_key() -> None:
    with FakeVendor() as server:
        assert server.seen == []
    sender = Anthropic(base_url=server.url, api_key="k").sender()
    with pytest.raises(anthropic.APIConnectionError):
        sender.send(make_call(), make_wire())
    sender.close()

    async def send() -> None:
        other = Anthropic(base_url=server.url, api_key="k").async_sender()
        try:
            await other.send(make_call(), make_wire())
        finally:
            await other.close()

    with pytest.raises(anthropic.APIConnectionError):
        asyncio.run(send())


def test_the_callers_facts_win_over_the_models_api_and_that_over_the_table() -> None:
    model = "claude-opus-4-8"
    call = Call(provider="anthropic", model=model, request={"model": model, "messages": CHAT["messages"]})
    provider = Anthropic(api_key="k", model_facts={"claude-haiku-5-5": {"max_output": 7}})

    def limit() -> int:
        body = provider.encode(call).body
        assert body is not None
        return int(body["max_tokens"])

    assert limit() == 128000
    listing = Call(provider="anthropic", model="", request={}, endpoint="models", method="GET")
    entry = {"id": model, "type": "model", "display_name": "O", "created_at": "2026-01-01T00:00:00Z", "max_tokens": 99}
    provider.decode(listing, {"data": [entry], "has_more": False})
    assert limit() == 99
    one = Call(provider="anthropic", model="", request={}, endpoint=f"models/{model}", method="GET")
    provider.decode(one, {**entry, "max_tokens": 98})
    assert limit() == 98
    assert provider.facts_of("claude-haiku-5-5").max_output == 7


@pytest.mark.rule(108)
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_an_answer_is_read_with_the_facts_that_the_request_was_written_with() -> None:
    model = "claude-opus-4-5"
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    chat = {"model": model, "messages": CHAT["messages"], "response_format": wanted}
    call = Call("anthropic", model, chat, created=1, on_unsupported="adapt")
    provider = Anthropic(api_key="k", model_facts={model: {"structured_output": False}})
    body = provider.encode(call).body
    assert body is not None
    (tool,) = body["tools"]
    block = {"type": "tool_use", "id": "t1", "name": tool["name"], "input": {}}
    (choice,) = provider.decode(call, {**MESSAGE, "content": [{**block, "input": {"a": "b"}}]})["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ('{"a":"b"}', "stop")
    decoder = provider.decode_stream(call)
    events: list[Json] = [
        {"type": "message_start", "message": {**MESSAGE, "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":"b"}'}},
    ]
    chunks = [chunk for event in events for chunk in decoder.feed(Event(json.dumps(event).encode()))]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == '{"a":"b"}'
