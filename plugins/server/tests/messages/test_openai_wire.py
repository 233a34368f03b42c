"""Anthropic's SDK over a server that speaks OpenAI's API: what it is sent, and how its answers look."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from dragoman.openai import OpenAI
from dragoman.vllm import VLLM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json

MODEL = "small/small-1"
ASK: Any = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 7,
    "total_tokens": 37,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def completion(reason: str = "stop", **message: Any) -> Json:
    return {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "created": 1,
        "model": "small-1",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": reason}
        ],
        "usage": USAGE,
    }


def called(call_id: str, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def fragment(index: int, arguments: str, call_id: str = "", name: str = "") -> Json:
    head: Json = {"id": call_id, "type": "function"} if call_id else {}
    named = {"name": name} if name else {}
    return {"tool_calls": [{"index": index, **head, "function": {**named, "arguments": arguments}}]}


@pytest.fixture(scope="module")
def url(serve: Callable[..., Any], vendor_url: str) -> str:
    small = OpenAI(name="small", base_url=f"{vendor_url}/v1", api_key="sk-of-the-provider", max_retries=0)
    found: str = serve(providers=[small, VLLM(name="reads", base_url=f"{vendor_url}/v1")]).state.url
    return found


@pytest.fixture
def client(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key="of-the-client", max_retries=0) as found:
        yield found


def test_a_request_of_an_agent(client: anthropic.Anthropic, vendor: Any) -> None:
    """As coding agents send them: a long system prompt in blocks, many tools, cache marks, results, images."""
    mark = {"cache_control": {"type": "ephemeral"}}
    tools = [
        {"name": f"tool_{number}", "description": "d", "input_schema": {"type": "object", "properties": {}}}
        for number in range(40)
    ]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    messages: Any = [
        {"role": "user", "content": [{"type": "text", "text": "Look.", **mark}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I look.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "eA=="},
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_1", "name": "tool_1", "input": {"path": "ä"}},
                {"type": "tool_use", "id": "toolu_2", "name": "tool_2", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "a"}, picture]},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "broken", "is_error": True, **mark},
                {"type": "text", "text": "Go on.", **mark},
            ],
        },
    ]
    vendor.says(completion(content="Done."))
    client.beta.messages.create(
        model=MODEL,
        max_tokens=16000,
        system=[{"type": "text", "text": "You are."}, {"type": "text", "text": "Be good.", **mark}],
        messages=messages,
        tools=[*tools[:-1], {**tools[-1], **mark}],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        metadata={"user_id": "user_1"},
        thinking={"type": "enabled", "budget_tokens": 10000},
        stop_sequences=["END"],
        extra_body={"temperature": 1},
        betas=["interleaved-thinking-2025-05-14"],
    )
    [seen] = vendor.seen
    assert seen.path == "/v1/chat/completions"
    # Anthropic's own headers and the client's key stay here.
    assert not [name for name in seen.headers if name.startswith("anthropic")]
    assert seen.headers["authorization"] == "Bearer sk-of-the-provider"
    assert "x-api-key" not in seen.headers
    body = seen.body
    assert "cache_control" not in json.dumps(body)
    assert body["messages"][0] == {
        "role": "system",
        "content": [{"type": "text", "text": "You are."}, {"type": "text", "text": "Be good."}],
    }
    assert body["messages"][1] == {"role": "user", "content": "Look."}
    assert body["messages"][2]["content"] == "Looking."
    assert body["messages"][2]["reasoning_content"] == "I look."
    assert [call["function"] for call in body["messages"][2]["tool_calls"]] == [
        {"name": "tool_1", "arguments": '{"path":"ä"}'},
        {"name": "tool_2", "arguments": "{}"},
    ]
    assert [message["role"] for message in body["messages"][3:]] == ["tool", "tool", "user"]
    assert body["messages"][3]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert body["messages"][4] == {"role": "tool", "tool_call_id": "toolu_2", "content": "broken"}
    assert [tool["function"]["name"] for tool in body["tools"]] == [tool["name"] for tool in tools]
    assert body["tool_choice"] == "auto"
    assert body["parallel_tool_calls"] is False
    assert body["max_completion_tokens"] == 16000
    assert body["safety_identifier"] == "user_1"
    assert body["reasoning_effort"] == "medium"
    assert body["stop"] == ["END"]
    assert body["temperature"] == 1


def test_an_answer(client: anthropic.Anthropic, vendor: Any) -> None:
    calls = [called("c1", "look", '{"a": 1}'), called("c2", "go", "")]
    vendor.says(completion("tool_calls", content="Now.", reasoning_content="Hm.", tool_calls=calls))
    message = client.messages.create(**ASK).to_dict()
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "dragoman"},
        {"type": "text", "text": "Now."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}},
        {"type": "tool_use", "id": "c2", "name": "go", "input": {}},
    ]
    assert (message["id"], message["model"], message["stop_reason"]) == ("chatcmpl-9", "small-1", "tool_use")
    assert message["usage"] == {
        "input_tokens": 10,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 0,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }


@pytest.mark.parametrize(
    ("reason", "more", "expected"),
    [
        ("length", {"content": "cut"}, {"stop_reason": "max_tokens", "stop_sequence": None}),
        ("content_filter", {"content": ""}, {"stop_reason": "refusal"}),
        ("stop", {"refusal": "No."}, {"stop_reason": "refusal"}),
    ],
)
def test_why_it_stopped(client: anthropic.Anthropic, vendor: Any, reason: str, more: Json, expected: Json) -> None:
    vendor.says(completion(reason, **more))
    message = client.messages.create(**ASK).to_dict()
    assert expected.items() <= message.items()
    if more.get("refusal"):
        assert message["stop_details"] == {"type": "refusal", "category": None, "explanation": "No."}


def test_the_sequence_that_stopped_it(client: anthropic.Anthropic, vendor: Any) -> None:
    answer = completion(content="one")
    answer["choices"][0]["stop_reason"] = "END"
    vendor.says(answer)
    message = client.messages.create(**{**ASK, "model": "reads/m"}, stop_sequences=["END"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")


def test_a_stream_with_everything(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.chunks(
        {"role": "assistant", "content": ""},
        {"reasoning_content": "H"},
        {"reasoning_content": "m."},
        {"content": "No"},
        {"content": "w."},
        fragment(0, "", "c1", "look"),
        fragment(0, '{"a"'),
        fragment(0, ": 1}"),
        fragment(1, '{"b": ', "c2", "go"),
        fragment(1, "2}"),
        reason="tool_calls",
        usage=USAGE,
    )
    with client.messages.stream(**ASK) as stream:
        kinds = [event.type for event in stream if event.type.startswith(("message", "content"))]
        message = stream.get_final_message().to_dict()
    assert vendor.seen[0].body["stream_options"] == {"include_usage": True}
    block = ["content_block_start", "content_block_stop"]
    assert [kind for kind in kinds if kind != "content_block_delta"] == [
        "message_start",
        *block * 4,
        "message_delta",
        "message_stop",
    ]
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "dragoman"},
        {"type": "text", "text": "Now."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}},
        {"type": "tool_use", "id": "c2", "name": "go", "input": {"b": 2}},
    ]
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["input_tokens"] == 10
    assert message["usage"]["cache_read_input_tokens"] == 20
    assert message["usage"]["output_tokens"] == 7


def test_calls_that_come_interleaved(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.chunks(
        fragment(0, '{"a"', "c1", "look"),
        fragment(1, '{"b"', "c2", "go"),
        fragment(0, ": 1}"),
        {"content": "Late."},
        fragment(1, ": 2}"),
        reason="tool_calls",
    )
    with client.messages.stream(**ASK) as stream:
        message = stream.get_final_message().to_dict()
    assert message["content"] == [
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}},
        {"type": "tool_use", "id": "c2", "name": "go", "input": {"b": 2}},
        {"type": "text", "text": "Late."},
    ]


def test_an_error_in_mid_stream(client: anthropic.Anthropic, vendor: Any) -> None:
    text = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunk = {**text, "choices": [{"index": 0, "delta": {"content": "Half"}, "finish_reason": None}]}
    error = {"error": {"message": "too busy", "type": "overloaded_error", "code": None}}
    vendor.streams(*(b"data: " + json.dumps(one).encode() + b"\n\n" for one in (chunk, error)))
    with pytest.raises(anthropic.APIStatusError, match="too busy") as told, client.messages.stream(**ASK) as stream:
        stream.until_done()
    assert told.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]  # JSON


def test_a_stream_that_is_cut_does_not_look_whole(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.chunks({"content": "Half"}, reason=None, cut=True)
    with client.messages.stream(**ASK) as stream:
        texts = stream.text_stream
        assert next(texts) == "Half"
        with pytest.raises(anthropic.APIStatusError) as told:
            next(texts)
    assert told.value.body["error"]["type"] == "api_error"  # type: ignore[index]  # JSON


@pytest.mark.parametrize(
    ("status", "exception", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "api_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures(
    client: anthropic.Anthropic, vendor: Any, status: int, exception: type[Exception], kind: str, stream: bool
) -> None:
    vendor.says({"error": {"message": "It says no.", "type": "x", "code": "y"}}, status)
    with pytest.raises(exception, match=r"It says no\.") as told:
        client.messages.create(**ASK, stream=stream)
    found: Any = told.value
    assert found.status_code == status
    assert found.body["type"] == "error"
    assert found.body["error"]["type"] == kind
    assert found.body["request_id"] == found.request_id


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"messages": "Hello"}, "messages: send a list"),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\.0\.role"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, r"messages\.0\.content\.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, r"messages\.0\.content\.0\.text"),
        ({"messages": [{"role": "user", "content": 3}]}, r"messages\.0\.content"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{"name": "x"}]}, r"tools\.0\.input_schema"),
        ({"tool_choice": {"type": "some"}}, "tool_choice"),
        ({"thinking": {"type": "hard"}}, "thinking"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "Anthropic.+s own"),
        ({"top_k": 5}, "top_k"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"output_config": {"format": {"type": "xml"}}}, r"output_config\.format"),
        ({"dragoman": {"on_unsupported": "perhaps"}}, "on_unsupported"),
        ({"model": ""}, "model"),
    ],
)
def test_what_cannot_be_asked(client: anthropic.Anthropic, vendor: Any, wrong: Json, said: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=said) as told:
        client.messages.create(**ASK, extra_body=wrong)
    assert told.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]  # JSON
    assert not vendor.seen


def test_the_policy_decides_and_the_answer_tells(client: anthropic.Anthropic, vendor: Any) -> None:
    tools: Any = [{"type": "web_search_20250305", "name": "web_search"}]
    asked = {"top_k": 5, "dragoman": {"on_unsupported": "ignore"}}
    vendor.says(completion(content="Yes."))
    message = client.messages.create(**ASK, tools=tools, extra_body=asked).to_dict()
    assert "tools" not in vendor.seen[0].body
    assert "top_k" not in vendor.seen[0].body
    assert set(message["dragoman"]["dropped"]) == {"top_k", "tools.0 (web_search_20250305)"}  # type: ignore[typeddict-item]  # ours
    vendor.chunks({"content": "Yes."})
    with client.messages.create(**ASK, stream=True, extra_body=asked) as stream:
        [told] = [event.to_dict() for event in stream if event.type == "message_delta"]
    assert told["dragoman"] == {"dropped": ["top_k"]}


def test_what_a_provider_reads_is_sent(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.says(completion(content="Yes."))
    schema: Json = {"type": "object", "properties": {"a": {"type": "string"}}}
    more: Any = {
        "top_k": 5,
        "temperature": 0.5,
        "chat_template_kwargs": {"enable_thinking": False},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
    }
    client.messages.create(**{**ASK, "model": "reads/m"}, extra_body=more)
    body = vendor.seen[0].body
    assert (body["top_k"], body["temperature"], body["reasoning_effort"]) == (5, 0.5, "low")
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["response_format"]["json_schema"]["schema"] == schema


def test_thoughts_go_back_to_where_they_came_from(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.says(completion(content="Yes.", reasoning="Because."))
    model = "reads/m"
    first = client.messages.create(**{**ASK, "model": model})
    vendor.says(completion(content="Again."))
    history: Any = [*ASK["messages"], {"role": "assistant", "content": first.content}, {"role": "user", "content": "?"}]
    client.messages.create(model=model, max_tokens=9, messages=history)
    said = vendor.seen[1].body["messages"][1]
    assert said == {"role": "assistant", "content": "Yes.", "reasoning": "Because.", "reasoning_content": "Because."}
