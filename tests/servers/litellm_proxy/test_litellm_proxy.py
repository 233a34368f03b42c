"""LiteLLM's real proxy, through its own class and, at `/v1/messages`, through Anthropic's."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import Client
from dragoman.litellm import LiteLLM

if TYPE_CHECKING:
    from collections.abc import Callable

if "DRAGOMAN_LITELLM" not in os.environ:
    pytest.skip(
        "`nox -s litellm_proxy` runs these: the proxy is large and has an environment of its own",
        allow_module_level=True,
    )

SAYS = "This is the rehearsal model: it follows a script and knows nothing. You said: "
QUESTION = "What is the weather in Oslo and Bergen?"
WANTED = [("get_weather", {"city": "Oslo", "days": 1}), ("get_weather", {"city": "Bergen", "days": 2})]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}


def text_of(chunks: list[Any], key: str = "content") -> str:
    return "".join(getattr(choice.delta, key, None) or "" for chunk in chunks for choice in chunk.choices)


def calls_of(chunks: list[Any]) -> list[tuple[str, Any]]:
    """The calls of a stream; each has one id and one name, in its first piece."""
    calls: list[list[str]] = []
    for chunk in chunks:
        for choice in chunk.choices:
            for piece in choice.delta.tool_calls or ():
                if piece.index == len(calls):
                    assert piece.id
                    calls.append([piece.function.name, ""])
                else:
                    assert (piece.id, piece.function.name) == (None, None)
                calls[piece.index][1] += piece.function.arguments or ""
    return [(name, json.loads(arguments)) for name, arguments in calls]


def test_text(seat: Any) -> None:
    answer = seat.ask("Hi")
    assert [(choice.message.content, choice.finish_reason) for choice in answer.choices] == [(SAYS + "Hi", "stop")]
    assert answer.model == seat.model
    assert answer.usage.completion_tokens == len(SAYS + "Hi") + 1
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_is_the_same_text(seat: Any) -> None:
    *chunks, last = seat.chunks("Hi", stream_options={"include_usage": True})
    assert text_of(chunks) == SAYS + "Hi"
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
    assert roles == ["assistant", *[None] * (len(roles) - 1)]
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert ends == ["stop"]
    assert (last.choices, last.usage.completion_tokens) == ([], len(SAYS + "Hi") + 1)
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens


@pytest.mark.parametrize("said", [QUESTION, "Think about Oslo and Bergen"])
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_and_their_results(seat: Any, weather: Any, said: str, streamed: bool) -> None:
    asked = {"tools": [weather], "parallel_tool_calls": True}
    choice = seat.choice(said, **asked)
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    found = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert found == WANTED
    if streamed:
        assert calls_of(seat.chunks(said, **asked)) == WANTED
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": sky}
        for call, sky in zip(choice.message.tool_calls, ["rain", "sun"], strict=True)
    ]
    history = [{"role": "user", "content": said}, choice.message.model_dump(exclude_none=True), *results]
    if streamed:
        assert text_of(seat.chunks(history, tools=[weather])) == "The tools answered: rain | sun"
    else:
        assert seat.choice(history, tools=[weather]).message.content == "The tools answered: rain | sun"


@pytest.mark.rule(274, 279)
def test_thoughts_come_and_go_back(litellm: Any) -> None:
    message = litellm.choice("Please think").message
    assert message.reasoning_content == "The question asks me to think, so I show some thoughts."
    chunks = litellm.chunks("Please think")
    assert text_of(chunks, "reasoning_content") == message.reasoning_content
    assert text_of(chunks) == message.content == SAYS + "Please think"
    blocks = [block for chunk in chunks for choice in chunk.choices for block in blocks_of(choice.delta)]
    whole = [block["thinking"] for block in blocks_of(message)]
    assert whole == [block["thinking"] for block in blocks]
    assert whole == ([message.reasoning_content] if litellm.model == "claude" else [])
    history = [
        {"role": "user", "content": "Please think"},
        message.model_dump(exclude_none=True),
        {"role": "user", "content": "Thanks"},
    ]
    assert litellm.choice(history).message.content == SAYS + "Thanks"


def blocks_of(message: Any) -> list[Any]:
    return getattr(message, "thinking_blocks", None) or []


def test_a_form_is_filled_in(litellm: Any) -> None:
    # Behind "demo" the grammar alone shapes the answer: the model's template must be told. Behind "claude" the proxy
    # makes a tool of the form.
    told = {"chat_template_kwargs": {"rehearsal": {"schema": PERSON}}} if litellm.model == "demo" else {}
    answer = litellm.choice("Who is Ada ?", response_format=FORM, extra_body=told)
    assert json.loads(answer.message.content) == {"name": "Ada", "age": 1}
    assert (answer.finish_reason, answer.message.tool_calls) == ("stop", None)


def test_stop_and_length(litellm: Any) -> None:
    stopped = litellm.choice("Hi", stop=["knows"])
    assert (stopped.message.content, stopped.finish_reason) == (SAYS.partition("knows")[0], "stop")
    cut = litellm.choice("Hi", max_completion_tokens=4)
    assert (cut.message.content, cut.finish_reason) == ("This", "length")


def test_several_answers_and_log_probabilities(plain: Any) -> None:
    answer = plain.ask("Hi", n=2, logprobs=True, top_logprobs=2, max_tokens=2)
    assert [choice.message.content for choice in answer.choices] == ["Th", "Th"]
    assert [token.token for token in answer.choices[1].logprobs.content] == ["T", "h"]


@pytest.mark.rule(276)
def test_the_proxys_own_headers(plain: Any) -> None:
    create = plain.client.chat.completions.with_raw_response.create
    raw = plain.run(create(model="demo", messages=[{"role": "user", "content": "Hi"}]))
    assert raw.headers["x-litellm-model-group"] == "demo"
    assert float(raw.headers["x-litellm-response-cost-original"]) == 0
    assert raw.parse().choices[0].message.content == SAYS + "Hi"
    with pytest.raises(openai.BadRequestError) as caught:
        plain.ask("Hi", model="nobody")
    assert caught.value.request_id == caught.value.response.headers["x-litellm-call-id"]


@pytest.mark.rule(282)
def test_models_are_aliases(plain: Any) -> None:
    listed = [model.id for model in plain.run(plain.client.models.list()).data]
    assert listed[:5] == ["demo", "claude", "locked", "gone", "cut"]


def test_embeddings(plain: Any) -> None:
    data = plain.run(plain.client.embeddings.create(model="demo", input=["a", "b"])).data
    assert [(item.index, len(item.embedding)) for item in data] == [(0, 128), (1, 128)]


@pytest.mark.rule(280)
def test_metadata_is_the_proxys_own(plain: Any) -> None:
    assert plain.choice("Hi", extra_body={"metadata": {"tags": ["a"]}}).message.content == SAYS + "Hi"


def test_a_model_that_the_proxy_does_not_know(seat: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="Invalid model name"):
        seat.ask("Hi", model="nobody")


@pytest.mark.rule(275, 278)
def test_a_parameter_that_the_model_does_not_have(litellm: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="UnsupportedParamsError") as caught:
        litellm.ask("Hi", verbosity="low")
    assert (caught.value.type, caught.value.code) == ("invalid_request_error", "400")
    assert litellm.choice("Hi", verbosity="low", extra_body={"drop_params": True}).message.content == SAYS + "Hi"


def test_a_prompt_that_is_too_long(litellm: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="exceeds the available context size") as caught:
        litellm.ask("x" * 9000)
    assert caught.value.code == "context_length_exceeded"


def test_a_key_that_the_model_behind_refuses(seat: Any) -> None:
    with pytest.raises(openai.AuthenticationError):
        seat.ask("Hi", model="locked")


def test_a_model_that_is_not_there(seat: Any) -> None:
    with pytest.raises(openai.InternalServerError):
        seat.ask("Hi", model="gone")


def test_a_key_that_the_proxy_does_not_know(seat: Any, proxy: Any, take_seat: Callable[..., Any]) -> None:
    stranger = take_seat(
        seat.provider, "async" if seat.runner else "sync", proxy.address, key="sk-of-nobody", max_retries=0
    )
    # Other keys than its own are looked up in a database, which it does not have; with one, it answers 401.
    with pytest.raises(openai.BadRequestError, match="No connected db"):
        stranger.ask("Hi")


@pytest.mark.rule(281)
def test_a_stream_that_breaks_behind_the_proxy(plain: Any, cutter: Any) -> None:
    stream = plain.ask("Hi", model="cut", stream=True)
    seen = [plain.run(anext(stream)) if plain.runner else next(stream)]
    cutter.cut.release()
    with pytest.raises(openai.InternalServerError, match="not completed"):
        plain.read(stream, seen)
    assert text_of(seen) in {"la " * number for number in range(1, 11)}


def test_a_stream_that_is_given_up(plain: Any) -> None:
    stream = plain.ask("Hi", stream=True)
    seen = plain.run(anext(stream)) if plain.runner else next(stream)
    plain.run(stream.close())
    assert seen.choices[0].delta.role == "assistant"
    assert plain.choice("Hi").message.content == SAYS + "Hi"


def test_key_and_address_from_the_environment(proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_API_KEY", proxy.key)
    monkeypatch.setenv("LITELLM_API_BASE", proxy.address)
    with Client() as client:
        answer = client.chat.completions.create(
            model="litellm/demo", messages=[{"role": "user", "content": "Hi"}], max_tokens=4
        )
    assert answer.choices[0].message.content == "This"


def test_the_key_is_told_to_nobody(proxy: Any) -> None:
    provider = LiteLLM(base_url=proxy.address, api_key=proxy.key)
    with Client(providers=[provider], max_retries=0) as client, pytest.raises(openai.APIError) as caught:
        client.chat.completions.create(model="litellm/gone", messages=[{"role": "user", "content": "Hi"}])
    assert proxy.key not in f"{caught.value!r} {caught.value.body} {provider!r} {client!r}"
