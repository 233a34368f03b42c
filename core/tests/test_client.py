"""The clients are the SDK's own: its ten surfaces, a program that runs unchanged, keys, headers, copies."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from dragoman.core import AsyncClient, Client, DragomanError, InvalidRequest, Provider, http_client
from dragoman.core.errors import httpx

pytestmark = pytest.mark.timeout(60)

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
SECRETS = ("sk-here-1111", "sk-call-2222", "sk-outer-0000")


class Weather(BaseModel):
    city: str


def weather(server: Any) -> Any:
    body = copy.deepcopy(server.COMPLETION)
    body["choices"][0]["message"]["content"] = '{"city": "Oslo"}'
    return body


# The ten surfaces.


def test_create(road: Any, server: Any, provider: Provider) -> None:
    completion = road.make(provider).create(temperature=0.5)
    assert isinstance(completion, openai.types.chat.ChatCompletion)
    assert completion.choices[0].message.content == "Hello there"
    assert completion._request_id == "req-1"
    assert server.requests[0].json == {"messages": MESSAGES, "model": "m1", "temperature": 0.5}
    assert server.requests[0].headers["authorization"] == "Bearer sk-here-1111"


def test_stream(road: Any, server: Any, provider: Provider) -> None:
    stream = road.make(provider).stream()
    assert isinstance(stream, openai.AsyncStream if road.asynchronous else openai.Stream)
    chunks = list(road.items(stream))
    assert {type(chunk) for chunk in chunks} == {openai.types.chat.ChatCompletionChunk}
    assert stream.response.status_code == 200
    if road.kind == "plain":
        assert road.run(stream.response.aread() if road.asynchronous else stream.response.read()) == b""


def test_parse(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json(weather(server)))
    completions = road.make(provider).client.chat.completions
    completion = road.run(completions.parse(model="m1", messages=MESSAGES, response_format=Weather))
    assert completion.choices[0].message.parsed == Weather(city="Oslo")
    assert server.requests[0].json["response_format"]["json_schema"]["name"] == "Weather"


@pytest.mark.rule(234)
@pytest.mark.parametrize(
    ("reason", "expected"),
    [("length", openai.LengthFinishReasonError), ("content_filter", openai.ContentFilterFinishReasonError)],
)
def test_parse_tells_an_answer_that_is_not_whole(
    road: Any, server: Any, provider: Provider, reason: str, expected: type[Exception]
) -> None:
    cut = copy.deepcopy(server.COMPLETION)
    cut["choices"][0]["finish_reason"] = reason
    server.script(server.json(cut))
    completions = road.make(provider).client.chat.completions
    with pytest.raises(expected):
        road.run(completions.parse(model="m1", messages=MESSAGES, response_format=Weather))


@pytest.mark.rule(231)
def test_the_tier_that_answered_is_passed_on(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json({**server.COMPLETION, "service_tier": "priority"}))
    completion = road.make(provider).create(service_tier="fast")
    assert server.requests[0].json["service_tier"] == "fast"
    assert completion.service_tier == "priority"


@pytest.mark.rule(229)
@pytest.mark.parametrize("asked", [False, True])
def test_usage_in_a_stream_is_the_servers_to_send(road: Any, server: Any, provider: Provider, asked: bool) -> None:
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if asked else {}
    list(road.items(road.make(provider).stream(**options)))
    assert server.requests[0].json.get("stream_options") == options.get("stream_options")
    last = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m1", "choices": []}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    done = {**last, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    server.script(server.stream(server.event(done), server.event({**last, "usage": usage})))
    chunks = list(road.items(road.make(provider).stream(**options)))
    assert chunks[-1].usage.total_tokens == 3


def test_stream_helper(road: Any, server: Any, provider: Provider) -> None:
    completions = road.make(provider).client.chat.completions
    if road.asynchronous:

        async def consume() -> tuple[list[str], Any]:
            async with completions.stream(model="m1", messages=MESSAGES) as stream:
                kinds = [event.type async for event in stream]
                return kinds, await stream.get_final_completion()

        kinds, final = road.run(consume())
    else:
        with completions.stream(model="m1", messages=MESSAGES) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_completion()
    assert kinds.count("content.delta") == 2
    assert kinds[-1] == "content.done"
    assert final.choices[0].message.content == "Hello there"
    assert not [name for name in server.requests[0].headers if name == "x-stainless-helper-method"]


def test_with_raw_response(road: Any, server: Any, provider: Provider) -> None:
    completions = road.make(provider).client.chat.completions
    response = road.run(completions.with_raw_response.create(model="m1", messages=MESSAGES))
    assert (response.status_code, response.headers["x-request-id"]) == (200, "req-1")
    assert json.loads(response.text) == server.COMPLETION
    assert response.parse().choices[0].message.content == "Hello there"


def test_with_streaming_response(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    completions = road.make(provider).client.chat.completions
    making = completions.with_streaming_response.create(model="m1", messages=MESSAGES, stream=True)
    if road.asynchronous:

        async def consume() -> list[str]:
            async with making as response:
                return [line async for line in response.iter_lines()]

        lines = road.run(consume())
    else:
        with making as response:
            lines = list(response.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""]
    assert diary.outcomes == ["complete"]


def test_with_options(our_road: Any, server: Any, provider: Provider, diary: Any) -> None:
    client = our_road.make(provider).client.with_options(api_key="sk-call-2222", timeout=7, max_retries=3)
    our_road.create(client)
    our_road.create(client.with_options(default_headers={"x-more": "1"}))
    assert [seen.headers["authorization"] for seen in server.requests] == ["Bearer sk-call-2222"] * 2
    assert server.requests[1].headers["x-more"] == "1"
    timeout = diary.after[0].timeout
    assert (timeout if isinstance(timeout, int) else timeout["read"]) == 7
    assert diary.after[0].max_retries == 3
    assert server.requests[0].headers["x-stainless-read-timeout"] in {"7", "7.0"}


def test_copy_shares_connections(our_road: Any, server: Any, provider: Provider) -> None:
    client = our_road.make(provider).client
    copied = client.copy()
    assert type(copied) is type(client)
    our_road.create(client)
    our_road.create(copied)
    assert server.connections == 1


def test_copy_with_another_address(our_road: Any, server: Any) -> None:
    kind = AsyncClient if our_road.asynchronous else Client
    client = our_road.use(kind(base_url="http://127.0.0.1:9/v1", api_key="sk-here-1111", max_retries=0)).client
    copied = our_road.use(client.copy(base_url=server.url)).client
    our_road.create(copied)
    assert str(copied.base_url).rstrip("/") == server.url
    assert server.requests[0].headers["authorization"] == "Bearer sk-here-1111"


def test_copy_with_another_http_client(server: Any) -> None:
    seen = []
    inner = httpx.Client(event_hooks={"request": [lambda request: seen.append(request.url.path)]})
    client = Client(base_url=server.url, api_key="k")
    copied = client.copy(http_client=inner)
    copied.chat.completions.create(model="m1", messages=MESSAGES)
    assert seen == ["/v1/chat/completions"]
    copied.close()
    client.close()


def test_options_of_openai_reach_its_sdk_client(our_road: Any, server: Any) -> None:
    kind = AsyncClient if our_road.asynchronous else Client
    client = our_road.use(kind(base_url=server.url, api_key="k", organization="org-1", project="p-1")).client
    our_road.create()
    our_road.create(our_road.use(client.with_options(organization="org-2")).client)
    sent = [(seen.headers["openai-organization"], seen.headers["openai-project"]) for seen in server.requests]
    assert sent == [("org-1", "p-1"), ("org-2", "p-1")]
    assert client.organization == "org-1"


@pytest.mark.rule(166)
@pytest.mark.parametrize("failure", ["status", "connection"])
@pytest.mark.parametrize("retries", [0, 2])
def test_retries_have_one_owner(road: Any, server: Any, provider: Provider, failure: str, retries: int) -> None:
    answer = server.error(429, retry_after="0") if failure == "status" else server.stream("cut", status=200)
    answer = answer if failure == "status" else type(answer)(200, {"content-length": "99"}, b"{}")
    server.script(*[answer] * 9)
    expected = openai.RateLimitError if failure == "status" else openai.APIConnectionError
    headers = {"retry-after-ms": "1"}
    answer.headers.update(headers)
    with pytest.raises(expected):
        road.make(provider, max_retries=retries).create()
    assert len(server.requests) == 1 + retries


def test_a_retry_succeeds(our_road: Any, server: Any, provider: Provider, diary: Any) -> None:
    server.script(server.error(429, retry_after="0"))
    client = our_road.make(provider, max_retries=0).client.with_options(max_retries=1)
    assert our_road.create(client).choices[0].message.content == "Hello there"
    assert len(server.requests) == 2
    assert diary.outcomes == ["complete"]


def test_isinstance() -> None:
    client, asynchronous = Client(base_url="http://127.0.0.1:9/v1"), AsyncClient(base_url="http://127.0.0.1:9/v1")
    assert isinstance(client, openai.OpenAI)
    assert isinstance(asynchronous, openai.AsyncOpenAI)
    client.close()
    asyncio.run(asynchronous.close())


# One program, both clients.

PROGRAM = """
def run(client):
    said = []
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    first = client.chat.completions.create(
        temperature=0.25, model="m1", messages=[{"role": "user", "content": "H\u00e9, \U0001f600"}], tools=tools,
        seed=None, stop=openai.NOT_GIVEN, logit_bias={"50256": -100}, extra_body={"top_k": 5, "seed": 1},
        extra_headers={"X-Mine": "1"}, extra_query={"q": ["a", "b"], "deep": {"er": True}}, user="u")
    said.append(first.model_dump())
    history = [{"role": "user", "content": "Hi"}, first.choices[0].message, {"role": "user", "content": "So?"}]
    stream = client.chat.completions.create(
        model="m1", messages=(m for m in history), stream=True, stream_options={"include_usage": True})
    said.append([chunk.model_dump() for chunk in stream])
    parsed = client.chat.completions.parse(model="m1", messages=history, response_format=Weather)
    said.append(parsed.choices[0].message.parsed.model_dump())
    client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "a"}, parsed.choices[0].message])
    said.append(client.chat.completions.with_raw_response.create(model="m1", messages=[]).http_response.json())
    said.append(client.models.retrieve("m 1/\u00fc").model_dump())
    said.append(client.embeddings.create(model="e", input="x").data[0].embedding)
    said.append(client.with_options(timeout=5).completions.create(model="m", prompt="p").choices[0].text)
    try:
        client.chat.completions.create(model="m1", messages=[])
    except openai.RateLimitError as error:
        said.append([str(error)[:17], error.message.count('slow'), error.code, error.body])
        said.append([error.request_id, error.status_code])
    try:
        client.chat.completions.create(model="m1", messages=[], nonsense=1)
    except TypeError:
        said.append("TypeError")
    return said
"""
IGNORED = ("host", "user-agent", "x-stainless-", "connection", "accept", "idempotency-key")


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of the SDK, about its own parsed message
def test_a_program_for_openai_runs_unchanged(server: Any) -> None:
    names: dict[str, Any] = {"openai": openai, "Weather": Weather}
    exec(PROGRAM, names)  # noqa: S102 (the same text for both classes is the point)
    outputs, wires = [], []
    for kind in (openai.OpenAI, Client):
        embedding = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
        text = {"choices": [{"index": 0, "text": "t", "finish_reason": "stop"}], "id": "1", "created": 1, "model": "m"}
        whole = server.json(server.COMPLETION)
        server.script(whole, path="/chat/completions")
        server.script(
            server.stream(
                server.chunk(delta={"role": "assistant", "content": "a"}),
                server.chunk(None, "stop"),
                server.event("[DONE]"),
            ),
            server.json(weather(server)),
            whole,
            whole,
            server.error(429, "slow", x_request_id="r"),
            path="/chat/completions",
        )
        server.script(server.json({"id": "m", "object": "model", "created": 1, "owned_by": "o"}), path=MODEL_PATH)
        server.script(server.json({**embedding, "usage": {"prompt_tokens": 1, "total_tokens": 1}}), path="/embeddings")
        server.script(server.json({**text, "object": "text_completion"}), path="/completions")
        server.requests.clear()
        with kind(base_url=server.url, api_key="sk-here-1111", max_retries=0) as client:
            outputs.append(names["run"](client))
        wires.append(
            [
                (
                    seen.method,
                    seen.target,
                    seen.body,
                    {n: v for n, v in seen.headers.items() if not n.startswith(IGNORED)},
                )
                for seen in server.requests
            ]
        )
    assert outputs[0] == outputs[1]
    for theirs, ours in zip(*wires, strict=True):
        assert ours == theirs


MODEL_PATH = "/models/m%201%2F%C3%BC"


# Arguments.


def test_the_callers_own_fields_reach_the_wire_as_they_are(our_road: Any, server: Any, provider: Provider) -> None:
    extra = {"top_k": 5, "metadata": {"deep": [None, "ü"]}, "temperature": 9}
    our_road.make(provider, default_headers={"X-Every": "1", "X-Not": "1"}, default_query={"v": "2"}).create(
        temperature=0.5,
        extra_body=extra,
        extra_headers={"X-One": "Two", "Authorization": "Basic abc", "X-Not": openai.Omit()},
        extra_query={"q": "1"},
    )
    seen = server.requests[0]
    assert seen.json == {"messages": MESSAGES, "model": "m1", **extra}
    assert (seen.headers["x-one"], seen.headers["x-every"]) == ("Two", "1")
    assert seen.headers["authorization"] == "Basic abc"
    assert "x-not" not in seen.headers
    assert [line.lower() for line in seen.lines].count("authorization: basic abc") == 1
    assert sum(line.lower().startswith("authorization") for line in seen.lines) == 1
    assert sorted(seen.target.partition("?")[2].split("&")) == ["q=1", "v=2"]


def test_dragomans_own_key_in_extra_body_is_consumed(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    road.make(provider).create(extra_body={"dragoman": {"on_unsupported": "adapt"}, "top_k": 1})
    assert server.requests[0].json == {"messages": MESSAGES, "model": "m1", "top_k": 1}
    assert diary.after[0].on_unsupported == "adapt"
    assert diary.after[0].extra_body == {"top_k": 1}


@pytest.mark.parametrize("control", [{"on_unsuported": "warn"}, {"on_unsupported": "maybe"}, "adapt"])
def test_a_mistake_in_it_is_told(road: Any, server: Any, provider: Provider, control: Any) -> None:
    with pytest.raises(DragomanError, match=r"on_unsupported|dragoman must be an object"):
        road.make(provider).create(extra_body={"dragoman": control})
    assert server.requests == []


def test_an_unknown_argument(road: Any, provider: Provider) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        road.make(provider).create(nonsense=1)


def test_a_class_as_response_format(road: Any, provider: Provider) -> None:
    with pytest.raises(TypeError, match="parse"):
        road.make(provider).create(response_format=Weather)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have(colour: Any, server: Any, provider: Provider, value: float) -> None:
    for arguments in ({"temperature": value}, {"extra_body": {"a": [{"b": value}]}}, {"logit_bias": {"1": value}}):
        with pytest.raises(InvalidRequest, match="finite"):
            colour.make(provider).create(**arguments)
    assert server.requests == []


@pytest.mark.parametrize("messages", ["Hi", None, [1], [[]], {"role": "user"}])
def test_messages_that_are_none(colour: Any, server: Any, provider: Provider, messages: Any) -> None:
    with pytest.raises(InvalidRequest, match="messages"):
        colour.make(provider).create(messages=messages)
    assert server.requests == []


@pytest.mark.parametrize("model", ["", None, 3])
def test_a_model_that_is_none(colour: Any, server: Any, provider: Provider, model: Any) -> None:
    with pytest.raises(InvalidRequest, match="model must be"):
        colour.make(provider).create(model=model)


def test_a_wrong_policy() -> None:
    with pytest.raises(DragomanError, match="raise, warn, ignore, adapt"):
        Client(base_url="http://127.0.0.1:9/v1", on_unsupported="explode")  # type: ignore[arg-type]  # the mistake
    client = Client(base_url="http://127.0.0.1:9/v1", on_unsupported="warn")
    assert client.copy(on_unsupported="adapt")._settings.on_unsupported == "adapt"
    client.close()


# Keys.


class Elsewhere(Provider):
    name = "elsewhere"


def test_the_constructors_key_is_the_default_providers(our_road: Any, server: Any) -> None:
    kind = AsyncClient if our_road.asynchronous else Client
    other = Elsewhere(base_url=f"{server.origin}/other")
    headers = {"Authorization": "Bearer sk-call-2222", "X-Plain": "1"}
    our_road.use(
        kind(base_url=server.url, api_key="sk-here-1111", providers=[other], default_headers=headers, max_retries=0)
    )
    our_road.create(model="elsewhere/m")
    our_road.create(model="m")
    other_seen, own_seen = server.requests
    assert other_seen.path == "/other/chat/completions"
    assert "authorization" not in other_seen.headers
    assert other_seen.headers["x-plain"] == "1"
    assert own_seen.headers["authorization"] == "Bearer sk-call-2222"


def test_openais_environment_stays_with_openai(our_road: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OPENAI_API_KEY": "sk-here-1111",
        "OPENAI_ORG_ID": "org-secret",
        "OPENAI_PROJECT_ID": "proj-secret",
        "OPENAI_ADMIN_KEY": "sk-admin-secret",
        "OPENAI_CUSTOM_HEADERS": "X-Gate: secret-gate\nAuthorization: Bearer sk-custom-secret",
    }.items():
        monkeypatch.setenv(name, value)
    our_road.make(Elsewhere(base_url=server.url, api_key="sk-call-2222"))
    our_road.create()
    sent = "\n".join(server.requests[0].lines)
    assert "Bearer sk-custom-secret" in sent  # the client's own default headers, for its default provider
    kind = AsyncClient if our_road.asynchronous else Client
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gate: secret-gate")
    our_road.use(kind(base_url=server.url, providers=[Elsewhere(base_url=server.url)], max_retries=0))
    monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
    our_road.create(model="elsewhere/m")
    lines = "\n".join(server.requests[1].lines)
    assert "sk-" not in lines
    assert "org-secret" not in lines
    assert "proj-secret" not in lines


def test_a_function_that_makes_keys(our_road: Any, server: Any) -> None:
    kind = AsyncClient if our_road.asynchronous else Client

    def key() -> str:
        return "sk-call-2222"

    async def akey() -> str:
        return key()

    made: Any = akey if our_road.asynchronous else key
    our_road.use(kind(base_url=server.url, api_key=made, providers=[Elsewhere(base_url=server.url)], max_retries=0))
    our_road.create()
    our_road.create(model="elsewhere/m")
    assert server.requests[0].headers["authorization"] == "Bearer sk-call-2222"
    assert "authorization" not in server.requests[1].headers


def test_a_key_for_one_call_of_a_provider_without_one(our_road: Any, server: Any) -> None:
    our_road.make(Provider(name="here", base_url=server.url))
    our_road.create()
    our_road.create(our_road.client.with_options(api_key="sk-call-2222"))
    assert "authorization" not in server.requests[0].headers
    assert server.requests[1].headers["authorization"] == "Bearer sk-call-2222"


def test_the_outer_clients_key_stays_outside(server: Any, provider: Provider) -> None:
    door = http_client(default_provider="here", providers=[provider, Elsewhere(base_url=server.url)])
    azure = openai.AzureOpenAI(
        api_key="sk-outer-0000", azure_endpoint="https://x.openai.azure.com", api_version="1", http_client=door
    )
    azure.chat.completions.create(model="elsewhere/m", messages=MESSAGES)
    azure.chat.completions.create(model="m1", messages=MESSAGES)
    azure.close()
    assert "sk-outer" not in "\n".join(line for seen in server.requests for line in seen.lines)
    assert [seen.path for seen in server.requests] == ["/v1/chat/completions"] * 2


@pytest.mark.parametrize("status", [200, 401])
def test_keys_and_prompts_are_told_to_nobody(
    our_road: Any, server: Any, provider: Provider, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script(server.error(status) if status != 200 else server.json(server.COMPLETION))
    client = our_road.make(provider).client.with_options(api_key="sk-call-2222")
    told = [repr(client._settings), repr(provider), repr(client._settings.transport.dispatcher), repr(client)]
    try:
        our_road.create(client)
    except openai.AuthenticationError as exception:
        told += [str(exception), repr(exception), repr(exception.__cause__)]
    told += [record.getMessage() for record in caplog.records]
    for text in told:
        assert not [secret for secret in SECRETS if secret in text], text


@pytest.mark.parametrize("key", ["sk-here-1111\n", "sk-here-1111\u2026"])
def test_a_key_that_http_cannot_carry_is_not_quoted(our_road: Any, server: Any, key: str) -> None:
    our_road.make(Provider(name="here", base_url=server.url, api_key=key))
    with pytest.raises(InvalidRequest, match="character that HTTP does not allow") as caught:
        our_road.create()
    assert "1111" not in repr(caught.value) + str(caught.value.__cause__)
    with pytest.raises(InvalidRequest, match="character"):
        our_road.create(our_road.make(Elsewhere(base_url=server.url)).client.with_options(api_key=key))
    # On the HTTP road the SDK itself refuses such a header.
    with pytest.raises((InvalidRequest, UnicodeEncodeError), match=r"'X-Odd'|ascii"):
        our_road.create(extra_headers={"X-Odd": "ü"})
    assert server.requests == []


def test_a_value_the_sdk_does_not_know(road: Any, server: Any, provider: Provider) -> None:
    odd = copy.deepcopy(server.COMPLETION)
    odd["choices"][0]["finish_reason"] = "melted"
    server.script(
        server.json(odd),
        server.stream(server.chunk("a", "melted"), server.event("[DONE]")),
    )
    assert road.make(provider).create().choices[0].finish_reason == "melted"
    assert [chunk.choices[0].finish_reason for chunk in road.items(road.stream())] == ["melted"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([Provider], r"instances: Provider\(…\), and not the class"),
        (["acme"], "'acme' needs none: its models are called 'acme/…'"),
        (Provider(base_url="http://127.0.0.1:1"), "a list of providers, not a single Provider"),
        (Provider, "a list of providers, not a single Provider"),
        ("acme", "a list of providers, not 'acme'"),
    ],
)
def test_providers_are_instances_in_a_list(given: Any, said: str) -> None:
    with pytest.raises(DragomanError, match=said):
        Client(providers=given)
