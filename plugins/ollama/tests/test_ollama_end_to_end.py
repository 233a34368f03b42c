"""Both clients, over HTTP, with a server written from Ollama's documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel

from dragoman.core import DragomanWarning, Json
from dragoman.core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CUT = b"cut"


def test_a_chat(asker: Callable[..., Any], server: Any) -> None:
    answer = asker().create(temperature=0, extra_body={"num_ctx": 8192, "keep_alive": "5m"})
    assert answer["choices"][0]["message"]["content"] == "Hello there"
    assert answer["created"] == 1785896565
    method, path, headers, body = server.seen[-1]
    assert (method, path) == ("POST", "/api/chat")
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers
    assert body == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": False,
        "options": {"temperature": 0, "num_ctx": 8192},
        "keep_alive": "5m",
    }


SCRIPTS: list[list[Json]] = [
    [{"content": "Hello"}, {"content": " there"}],
    [{"thinking": "Hm"}, {"thinking": "."}, {"content": "Blue"}, {"content": "."}],
    [{"thinking": "Hm."}, {"tool_calls": [{"function": {"name": "look", "arguments": {"at": "sky"}}}]}],
    [{"tool_calls": [{"id": "call_a", "function": {"name": "look", "arguments": {}}}]}] * 2,
    [{"content": "x", "logprobs": [{"token": "x", "logprob": -0.5, "top_logprobs": []}]}],
    [],
]


@pytest.mark.rule(17, 247, 248)
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("reason", ["stop", "length"])
def test_a_stream_says_what_the_whole_answer_says(
    asker: Callable[..., Any], server: Any, joined: Callable[..., Json], script: list[Json], reason: str
) -> None:
    server.script = script
    server.last = {**server.last, "done_reason": reason}
    one = asker()
    whole = one.create(tools=[TOOL])
    chunks, error = one.stream(tools=[TOOL], stream_options={"include_usage": True})
    assert error is None
    streamed = joined(chunks)
    (choice,) = whole["choices"]
    choice["message"].pop("refusal")
    # Ids that Ollama does not give are made of the call's own, which are two here.
    for message in (choice["message"], streamed["message"]):
        for number, call in enumerate(message.get("tool_calls") or ()):
            call["id"] = number
        message["extra_content"]["ollama"].pop("visible")
    assert streamed["message"] == choice["message"]
    assert streamed["finish_reason"] == choice["finish_reason"]
    assert streamed["usage"] == whole["usage"]
    assert streamed["logprobs"] == (choice["logprobs"] or {"content": []})["content"]
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


@pytest.mark.rule(14)
def test_usage_comes_if_asked_for(asker: Callable[..., Any]) -> None:
    chunks, _ = asker().stream()
    assert not any(chunk.get("usage") for chunk in chunks)


@pytest.mark.rule(17)
def test_a_stream_that_is_cut_raises_after_what_came(asker: Callable[..., Any], server: Any) -> None:
    server.script = [{"content": "Hel"}, CUT]
    chunks, error = asker().stream()
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["Hel"]
    assert isinstance(error, openai.APIConnectionError)
    assert "the stream ended before its last line" in str(error)


@pytest.mark.rule(250)
def test_an_error_in_the_middle_raises_after_what_came(asker: Callable[..., Any], server: Any) -> None:
    server.script = [{"content": "Hel"}, {"error": "an error was encountered while running the model"}]
    chunks, error = asker().stream()
    assert len(chunks) == 1
    assert type(error) is openai.APIError
    assert str(error) == "an error was encountered while running the model"


@pytest.mark.rule(250)
@pytest.mark.parametrize("openai_endpoint", [False, True])
def test_a_model_that_is_not_there(asker: Callable[..., Any], openai_endpoint: bool) -> None:
    one = asker(openai_endpoint=openai_endpoint)
    with pytest.raises(openai.NotFoundError) as caught:
        one.create(model="ollama/llama9:8b")
    assert "model 'llama9:8b' not found (to download it: ollama pull llama9:8b)" in str(caught.value)
    assert caught.value.code == "model_not_found"
    _, error = one.stream(model="ollama/llama9:8b")
    assert isinstance(error, openai.NotFoundError)


def test_a_turn_with_a_tool(asker: Callable[..., Any], server: Any) -> None:
    server.script = [{"thinking": "Hm."}, {"tool_calls": [{"function": {"name": "look", "arguments": {"at": "sky"}}}]}]
    one = asker()
    message = one.create(tools=[TOOL])["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "blue"}
    one.create(messages=[{"role": "user", "content": "Hi"}, message, result], tools=[TOOL])
    call_id = result["tool_call_id"]
    assert server.body["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm.",
            "tool_calls": [{"id": call_id, "function": {"name": "look", "arguments": {"at": "sky"}}}],
        },
        {"role": "tool", "tool_name": "look", "content": "blue", "tool_call_id": call_id},
    ]


class Sky(BaseModel):
    colour: str


def test_parse(asker: Callable[..., Any], server: Any) -> None:
    server.script = [{"content": '{"colour":'}, {"content": ' "blue"}'}]
    question = {"model": "ollama/llama3.2", "messages": [{"role": "user", "content": "Sky?"}]}
    parsed = asker().run(lambda client: client.chat.completions.parse(**question, response_format=Sky))
    assert parsed.choices[0].message.parsed == Sky(colour="blue")
    assert server.body["format"]["required"] == ["colour"]


def test_the_raw_response_has_the_same_answer(asker: Callable[..., Any], server: Any) -> None:
    question = {"model": "ollama/llama3.2", "messages": [{"role": "user", "content": "Sky?"}], "temperature": 0}
    extra = {"num_ctx": 8192}
    one = asker()
    raw = one.run(lambda client: client.chat.completions.with_raw_response.create(**question, extra_body=extra))
    assert raw.parse().choices[0].message.content == "Hello there"
    assert server.body["options"] == {"temperature": 0, "num_ctx": 8192}


@pytest.mark.rule(253)
def test_embeddings(asker: Callable[..., Any], server: Any) -> None:
    one = asker()
    found = one.run(lambda client: client.embeddings.create(model="ollama/llama3.2", input=["a", "bb"], dimensions=3))
    assert [item.embedding for item in found.data] == [[0.5, -0.25, 1.0], [0.5, -0.25, 2.0]]
    assert found.usage.prompt_tokens == 8
    assert server.body == {"model": "llama3.2", "input": ["a", "bb"], "dimensions": 3}
    plain = one.run(
        lambda client: client.embeddings.create(
            model="ollama/llama3.2", input="a", encoding_format="float", extra_body={"num_ctx": 512, "truncate": False}
        )
    )
    assert plain.data[0].embedding == [0.5, -0.25, 1.0]
    assert server.body == {"model": "llama3.2", "input": "a", "truncate": False, "options": {"num_ctx": 512}}


@pytest.mark.rule(253)
def test_models(asker: Callable[..., Any], server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A list is made of all providers' lists, and the others would ask the network.
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "ollama")
    monkeypatch.setattr("dragoman.core.dispatch.plugins", Plugins)
    one = asker(client={"default_provider": "ollama"})
    listed = one.run(_listed if not one.asynchronous else _alisted)
    assert ("llama3.2:latest", 1746405464, "library") in {(model.id, model.created, model.owned_by) for model in listed}
    shown = one.run(lambda client: client.models.retrieve("llama3.2"))
    assert shown.id == "llama3.2"
    assert shown.extra_content["ollama"]["thinking"]["values"] == ["low", "medium", "high"]
    assert ("POST", "/api/show") in {seen[:2] for seen in server.seen}
    with pytest.raises(openai.NotFoundError, match="ollama pull nothing"):
        one.run(lambda client: client.models.retrieve("nothing"))


def _listed(client: Any) -> list[Any]:
    return list(client.models.list())


async def _alisted(client: Any) -> list[Any]:
    return [model async for model in client.models.list()]


def test_other_endpoints_go_to_v1(asker: Callable[..., Any], server: Any) -> None:
    found = asker().run(lambda client: client.completions.create(model="ollama/llama3.2", prompt="Hi"))
    assert found.path == "/v1/completions"
    assert server.body == {"model": "llama3.2", "prompt": "Hi"}


@pytest.mark.parametrize("openai_endpoint", [False, True])
def test_the_key_is_sent_as_a_bearer(
    asker: Callable[..., Any], server: Any, monkeypatch: pytest.MonkeyPatch, openai_endpoint: bool
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "key-env")
    asker(openai_endpoint=openai_endpoint).create()
    assert server.seen[-1][2]["authorization"] == "Bearer key-env"
    asker(api_key="key-own").create()
    assert server.seen[-1][2]["authorization"] == "Bearer key-own"
    asker(api_key="key-own").run(
        lambda client: client.with_options(api_key="key-call").chat.completions.create(**ASKED)
    )
    assert server.seen[-1][2]["authorization"] == "Bearer key-call"


ASKED: Json = {"model": "ollama/llama3.2", "messages": [{"role": "user", "content": "Hi"}]}


def test_the_openai_endpoint(asker: Callable[..., Any], server: Any, joined: Callable[..., Json]) -> None:
    one = asker(openai_endpoint=True)
    answer = one.create(max_completion_tokens=5)
    assert server.seen[-1][1] == "/v1/chat/completions"
    assert server.body == {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
    message = answer["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == (None, "Hm.")
    chunks, error = one.stream()
    assert error is None
    streamed = joined(chunks)
    assert streamed["message"]["tool_calls"] == message["tool_calls"]
    assert streamed["finish_reason"] == "tool_calls"


def test_what_was_adapted_stands_in_the_answer(asker: Callable[..., Any], server: Any) -> None:
    with pytest.warns(DragomanWarning, match="tool_choice"):
        answer = asker(client={"on_unsupported": "adapt"}).create(tools=[TOOL], tool_choice="required")
    assert "left to the model" in answer["choices"][0]["message"]["extra_content"]["dragoman"]["adapted"]["tool_choice"]
    assert server.body["tools"] == [TOOL]
