"""The provider: names, addresses, endpoints; and calls of the client from end to end."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import mistralai.client
import openai
import pytest
from mistralai.client.errors import SDKError
from mistralai.client.sdk import httpx  # httpx2 since mistralai 3
from mistralai.client.sdkconfiguration import SERVERS

from dragoman.core import AsyncClient, Call, Client
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "mistralai/mistral-small-latest"
HI = [{"role": "user", "content": "Hi"}]
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "closed": True}


def test_entry_point_finds_it() -> None:
    (found,) = entry_points(group="dragoman.providers", name="mistralai")
    assert found.load() is Mistral


def test_facts_of_the_contract() -> None:
    provider = Mistral(api_key="secret")
    assert (provider.api, provider.name, provider.framing) == (1, "mistralai", "sse")
    assert provider.base_url == "https://api.mistral.ai"
    assert "secret" not in repr(provider)


@pytest.mark.parametrize(
    "url",
    ["http://host:1", "http://host:1/", "http://host:1/v1", "http://host:1/v1/", "http://host:1/v1/chat/completions"],
)
def test_addresses_are_understood_with_and_without_v1(url: str) -> None:
    assert Mistral(base_url=url).base_url == "http://host:1"
    assert Mistral(base_url="eu.example").base_url == "https://eu.example"


@pytest.mark.parametrize(
    ("endpoint", "method", "path"),
    [
        ("chat/completions", "POST", "/v1/chat/completions"),
        ("embeddings", "POST", "/v1/embeddings"),
        ("models", "GET", "/v1/models"),
        ("models/ft%3Ax", "GET", "/v1/models/ft%3Ax"),
        ("models/a/../b?c", "DELETE", "/v1/models/a%2F..%2Fb%3Fc"),
        ("audio/transcriptions", "POST", "/v1/audio/transcriptions"),
    ],
)
def test_endpoints(make_call: Callable[..., Call], endpoint: str, method: str, path: str) -> None:
    call = make_call(endpoint=endpoint)
    call.method = method
    wire = Mistral().encode(call)
    assert (wire.method, wire.path) == (method, path)


def test_what_is_not_translated_passes(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="moderations", input="x")
    assert Mistral().encode(call).body == call.request
    body = {"id": "m", "results": []}
    assert Mistral().decode(call, body) is body
    deleted = make_call(endpoint="models/m")
    deleted.method = "DELETE"
    assert Mistral().decode(deleted, {"id": "m", "deleted": True}) == {"id": "m", "deleted": True}


def test_options_of_the_sdk(server: Any) -> None:
    said: list[str] = []

    class Logger:
        def debug(self, text: str, *args: Any, **options: Any) -> None:
            said.append(text)

    with Client(providers=[Mistral(api_key="k", base_url=server.url, debug_logger=Logger())]) as client:
        client.chat.completions.create(model=MODEL, messages=HI)  # type: ignore[arg-type]  # JSON
    assert any(text.startswith("Request") for text in said)


def test_a_server_of_the_sdks_is_chosen_by_its_name() -> None:
    made = Mistral(api_key="k", server="eu")._make()
    assert made.sdk_configuration.get_server_details()[0] == SERVERS["eu"]
    made = Mistral(api_key="k", server="eu", base_url="http://host:1/v1")._make()
    assert made.sdk_configuration.get_server_details()[0] == "http://host:1"


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    with Client(providers=[Mistral(api_key="k", base_url=server.url)], max_retries=0, timeout=20) as made:
        yield made


@pytest.mark.rule(182, 183)
def test_a_call_from_end_to_end(server: Any, client: Client) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=HI,  # type: ignore[arg-type]  # JSON
        seed=5,
        extra_body={"safe_prompt": True},
        extra_headers={"x-mine": "1"},
        extra_query={"a": "1"},
    )
    assert answer.choices[0].message.content == "Hello"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 5
    (seen,) = server.seen
    assert server.bodies == [{"model": "mistral-small-latest", "messages": HI, "random_seed": 5, "safe_prompt": True}]
    assert (seen["path"], seen["headers"]["x-mine"]) == ("/v1/chat/completions?a=1", "1")


@pytest.mark.rule(173, 192, 193)
def test_a_conversation_with_thoughts_and_tools(server: Any, client: Client) -> None:
    sent = {"id": "gSIMJiOkT", "function": {"name": "look", "arguments": '{"a": 1}'}, "index": 0}
    message = {"role": "assistant", "content": [THOUGHT], "tool_calls": [sent]}
    server.says(
        {
            "id": "a",
            "model": "m",
            "created": 1,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        }
    )
    tools: Any = [{"type": "function", "function": {"name": "look"}}]
    messages: Any = list(HI)
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls is not None
    # As frameworks keep it: JSON, without nulls.
    messages += [json.loads(first.message.model_dump_json(exclude_none=True))]
    messages += [{"role": "tool", "tool_call_id": first.message.tool_calls[0].id, "content": "1"}]
    client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    earlier, later = server.bodies
    assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
    assert json.dumps(later["messages"][1]["content"]) == json.dumps([THOUGHT])
    assert later["messages"][1]["tool_calls"][0]["id"] == later["messages"][2]["tool_call_id"] == "gSIMJiOkT"


def _stream(server: Any, *, done: bool = True, finish_reason: str | None = "stop") -> None:
    head = {"id": "a", "created": 1, "model": "m", "object": "chat.completion.chunk"}
    first = {"index": 0, "delta": {"role": "assistant", "content": "He"}, "finish_reason": None}
    last = {"index": 0, "delta": {"content": "llo"}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    server.streams({**head, "choices": [first]}, {**head, "choices": [last], "usage": usage}, done=done)


@pytest.mark.rule(13, 14, 17, 182, 199)
@pytest.mark.parametrize("done", [True, False])
def test_a_stream_from_end_to_end(server: Any, client: Client, *, done: bool) -> None:
    _stream(server, done=done)
    asked: Any = {"model": MODEL, "messages": HI, "stream": True}
    chunks = list(client.chat.completions.create(**asked, stream_options={"include_usage": True}))
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello"
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices] == [None, None, "stop"]
    assert chunks[-1].usage is not None
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 3)
    assert server.bodies[0] == {"model": "mistral-small-latest", "messages": HI, "stream": True}
    _stream(server)
    assert all(chunk.usage is None for chunk in client.chat.completions.create(**asked))


@pytest.mark.rule(17)
def test_a_stream_that_is_cut_says_so(server: Any, client: Client) -> None:
    _stream(server, done=False, finish_reason=None)
    asked: Any = {"model": MODEL, "messages": HI, "stream": True}
    seen = []
    with pytest.raises(openai.APIConnectionError, match="finish_reason"):
        seen.extend(chunk.choices[0].delta.content for chunk in client.chat.completions.create(**asked))
    assert seen == ["He", "llo"]


@pytest.mark.rule(18)
def test_leaving_a_stream_hangs_up(server: Any, client: Client) -> None:
    event = {"id": "a", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}
    body = f"data: {json.dumps(event)}\n\n".encode()
    server.says(body, headers={"content-type": "text/event-stream"}, endless=True)
    asked: Any = {"model": MODEL, "messages": HI, "stream": True}
    with client.chat.completions.create(**asked) as stream:
        assert next(iter(stream)).choices[0].delta.content == "x"
    assert server.hung_up.wait(20)


@pytest.mark.rule(201)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (
            400,
            {"object": "error", "message": "Invalid model", "type": "invalid_model", "code": "1500"},
            openai.BadRequestError,
            "1500",
        ),
        (401, {"detail": "Invalid API Key"}, openai.AuthenticationError, "invalid_api_key"),
        (403, {"message": "no"}, openai.PermissionDeniedError, None),
        (404, {"detail": "Not Found"}, openai.NotFoundError, None),
        (422, {"detail": [{"loc": ["body"], "msg": "bad"}]}, openai.UnprocessableEntityError, None),
        (429, {"message": "slow down"}, openai.RateLimitError, "rate_limit_exceeded"),
        (503, {"message": "busy"}, openai.InternalServerError, None),
    ],
)
def test_failures_are_openais(
    server: Any, client: Client, *, status: int, body: Any, kind: type[openai.APIStatusError], code: Any, stream: bool
) -> None:
    server.says(body, status, headers={"mistral-correlation-id": "r1", "retry-after": "7"})
    asked: Any = {"model": MODEL, "messages": HI, "stream": stream}
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**asked)
    assert type(caught.value) is kind
    assert (caught.value.status_code, caught.value.code, caught.value.request_id) == (status, code, "r1")
    assert caught.value.response.headers["retry-after"] == "7"
    assert isinstance(caught.value.__cause__, SDKError)


@pytest.mark.rule(201)
def test_no_answer_is_openais_too(server: Any, client: Client) -> None:
    asked: Any = {"model": MODEL, "messages": HI}
    server.says(b"", silent=True)
    with pytest.raises(openai.APITimeoutError) as late:
        client.chat.completions.create(**asked, timeout=0.2)
    assert late.value.__cause__ is not None
    server.released.set()
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(openai.APIConnectionError, match="mistralai: connection failed") as gone:
        client.chat.completions.create(**asked)
    assert gone.value.__cause__ is not None


@pytest.mark.rule(201)
def test_an_error_with_status_200_is_a_failure(server: Any, client: Client) -> None:
    server.says({"object": "error", "message": "Busy", "type": "t", "code": "1", "raw_status_code": 503})
    with pytest.raises(openai.InternalServerError, match="Busy"):
        client.chat.completions.create(model=MODEL, messages=HI)  # type: ignore[arg-type]  # JSON


@pytest.mark.rule(202)
@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'{"id": "a"}', b"<html></html>"])
def test_an_unreadable_answer_is_openais_too(server: Any, client: Client, body: bytes) -> None:
    server.says(body)
    with pytest.raises(openai.APIResponseValidationError):
        client.chat.completions.create(model=MODEL, messages=HI)  # type: ignore[arg-type]  # JSON


@pytest.mark.rule(202)
def test_no_response_is_a_connection_error(server: Any) -> None:
    class Silent(httpx.Client):
        def send(self, *args: Any, **options: Any) -> Any:
            return None

    ready = mistralai.client.Mistral(api_key="k", server_url=server.url, client=Silent())
    with (
        Client(providers=[Mistral(client=ready)], max_retries=0) as client,
        pytest.raises(openai.APIConnectionError, match="NoResponseError"),
    ):
        client.chat.completions.create(model=MODEL, messages=HI)  # type: ignore[arg-type]  # JSON


@pytest.mark.rule(203)
def test_embeddings_from_end_to_end(server: Any, client: Client) -> None:
    data = [{"object": "embedding", "embedding": [0.5, -0.25], "index": 0}]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    server.says({"id": "e", "object": "list", "model": "e", "data": data, "usage": usage})
    found = client.embeddings.create(model="mistralai/mistral-embed", input="a", dimensions=2)
    assert found.data[0].embedding == [0.5, -0.25]
    assert found.usage.total_tokens == 4
    assert server.seen[0]["path"] == "/v1/embeddings"
    assert server.bodies == [{"model": "mistral-embed", "input": "a", "output_dimension": 2}]


@pytest.mark.rule(204)
def test_models_from_end_to_end(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Listing asks every provider that is installed; only this one has an address on this machine.
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    with Client(default_provider="mistralai", api_key="k", base_url=f"{server.url}/v1") as client:
        server.says({"object": "list", "data": [{"id": "a", "name": "b"}, {"id": "b", "name": "b", "aliases": ["a"]}]})
        # Those of other providers bear its name.
        assert [model.id for model in client.models.list() if "/" not in model.id] == ["b"]
        server.says({"id": "b", "created": 5})
        assert client.models.retrieve("b").owned_by == "mistralai"
    assert [seen["path"] for seen in server.seen] == ["/v1/models", "/v1/models/b"]


def test_the_asynchronous_client(server: Any) -> None:
    async def converse() -> tuple[str | None, str, openai.APIError]:
        asked: Any = {"model": MODEL, "messages": HI}
        async with AsyncClient(providers=[Mistral(api_key="k", base_url=server.url)], max_retries=0) as client:
            whole = await client.chat.completions.create(**asked)
            _stream(server)
            stream = await client.chat.completions.create(**asked, stream=True)
            pieces = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
            server.says({"detail": "Invalid API Key"}, 401)
            with pytest.raises(openai.AuthenticationError) as caught:
                await client.chat.completions.create(**asked)
            return whole.choices[0].message.content, "".join(pieces), caught.value

    whole, streamed, error = asyncio.run(converse())
    assert (whole, streamed) == ("Hello", "Hello")
    assert isinstance(error.__cause__, SDKError)
