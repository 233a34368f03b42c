"""Every provider class that reaches it, at the engine's own HTTP server: text, streams, forms and parameters."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from dragoman.core import UnsupportedParameter

SAYS = "This is the rehearsal model: it follows a script and knows nothing. You said: "
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
#: The rehearsal model does not see the grammar that it is held to: its template must be told.
REHEARSED = {"chat_template_kwargs": {"rehearsal": {"schema": PERSON}}}


def text_of(chunks: list[Any], key: str = "content") -> str:
    return "".join(getattr(choice.delta, key, None) or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.rule(4, 16)
def test_text(seat: Any) -> None:
    answer = seat.ask("Hi")
    assert (answer.object, answer.model) == ("chat.completion", "demo")
    assert [(choice.message.role, choice.message.content) for choice in answer.choices] == [("assistant", SAYS + "Hi")]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.tool_calls is None
    assert answer.usage.completion_tokens == len(answer.choices[0].message.content) + 1
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.rule(1, 2, 3, 4, 9, 13)
def test_a_stream_is_the_same_text(seat: Any) -> None:
    chunks = seat.chunks("Hi")
    assert text_of(chunks) == SAYS + "Hi"
    assert len(chunks) > len(SAYS)
    assert {(chunk.object, chunk.model) for chunk in chunks} == {("chat.completion.chunk", "demo")}
    assert len({chunk.id for chunk in chunks}) == 1
    times = [chunk.created for chunk in chunks]
    # The engine dates each chunk anew, and a second may pass meanwhile; OpenAI's class passes its bytes through.
    assert times == (sorted(times) if seat.row.provider == "openai" else times[:1] * len(times))
    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
    assert roles == ["assistant", *[None] * (len(roles) - 1)]
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert ends == ["stop"]


@pytest.mark.rule(14)
def test_usage_in_a_stream_is_asked_for(seat: Any) -> None:
    *chunks, last = seat.chunks("Hi", stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == len(SAYS + "Hi") + 1
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert [chunk.usage for chunk in [*chunks, *seat.chunks("Hi")] if chunk.usage] == []


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions(seat: Any, role: str) -> None:
    messages = [{"role": role, "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    alone = seat.ask("Hi").usage.prompt_tokens
    answer = seat.ask(messages)
    assert answer.choices[0].message.content == SAYS + "Hi"
    assert answer.usage.prompt_tokens > alone + len("Be brief.")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_that_is_cut(seat: Any, name: str) -> None:
    choice = seat.choice("Hi", **{name: 4})
    assert (choice.message.content, choice.finish_reason) == ("This", "length")
    chunks = seat.chunks("Hi", **{name: 4})
    assert (text_of(chunks), chunks[-1].choices[0].finish_reason) == ("This", "length")


@pytest.mark.parametrize("stop", ["knows", ["never", "knows"]])
def test_stop(seat: Any, stop: Any) -> None:
    choice = seat.choice("Hi", stop=stop)
    assert (choice.message.content, choice.finish_reason) == (SAYS.partition("knows")[0], "stop")
    assert text_of(seat.chunks("Hi", stop=stop)) == choice.message.content


@pytest.mark.parametrize("streamed", [False, True])
def test_a_form_is_filled_in(seat: Any, streamed: bool) -> None:
    asked = {"response_format": FORM, "extra_body": REHEARSED}
    text = text_of(seat.chunks("Who is Ada ?", **asked)) if streamed else seat.choice("Who is Ada ?", **asked)
    assert json.loads(text if isinstance(text, str) else text.message.content) == {"name": "Ada", "age": 1}


@pytest.mark.rule(15)
def test_several_answers(seat: Any) -> None:
    if "n" in seat.row.refused:
        with pytest.raises(UnsupportedParameter) as caught:
            seat.ask("Hi", n=2)
        assert caught.value.param == "n"
        return
    choices = seat.ask("Hi", n=2).choices
    assert [(choice.index, choice.message.content) for choice in choices] == [(0, SAYS + "Hi"), (1, SAYS + "Hi")]
    found = {0: "", 1: ""}
    for chunk in seat.chunks("Hi", n=2):
        for choice in chunk.choices:
            found[choice.index] += choice.delta.content or ""
    assert found == {0: SAYS + "Hi", 1: SAYS + "Hi"}


def test_log_probabilities(seat: Any) -> None:
    asked = {"logprobs": True, "top_logprobs": 2, "max_tokens": 2}
    if "logprobs" in seat.row.refused:
        with pytest.raises(UnsupportedParameter) as caught:
            seat.ask("Hi", **asked)
        assert caught.value.param == "logprobs"
        return
    whole = [token.token for token in seat.choice("Hi", **asked).logprobs.content]
    streamed = [
        token
        for chunk in seat.chunks("Hi", **asked)
        for choice in chunk.choices
        if choice.logprobs
        for token in choice.logprobs.content
    ]
    assert whole == [token.token for token in streamed] == ["T", "h"]
    assert [len(token.top_logprobs) for token in streamed] == [2, 2]


def test_thoughts(seat: Any) -> None:
    message = seat.choice("Please think").message
    assert message.reasoning_content == "The question asks me to think, so I show some thoughts."
    assert message.content == SAYS + "Please think"
    chunks = seat.chunks("Please think")
    assert text_of(chunks, "reasoning_content") == message.reasoning_content
    assert text_of(chunks) == message.content
    history = [
        {"role": "user", "content": "Please think"},
        message.model_dump(exclude_none=True),
        {"role": "user", "content": "Thanks"},
    ]
    assert seat.choice(history).message.content == SAYS + "Thanks"


def test_models(seat: Any) -> None:
    assert "demo" in [model.id for model in seat.run(seat.client.models.list()).data]


def test_embeddings(seat: Any) -> None:
    asked = {"model": "demo", "input": ["a", "b"]}
    if not seat.row.embeds:
        with pytest.raises(openai.NotFoundError) as caught:
            seat.run(seat.client.embeddings.create(**asked))
        assert caught.value.code == "unsupported_endpoint"
        return
    data = seat.run(seat.client.embeddings.create(**asked)).data
    assert [(item.index, len(item.embedding)) for item in data] == [(0, 128), (1, 128)]
    assert data[0].embedding != data[1].embedding


def test_the_raw_answer(seat: Any) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    raw = seat.run(seat.client.chat.completions.with_raw_response.create(model="demo", messages=messages))
    assert raw.status_code == 200
    assert raw.parse().choices[0].message.content == SAYS + "Hi"
