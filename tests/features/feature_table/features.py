"""The rows: each feature is tried once whole and, where it matters, once as a stream.

A check asserts that the request arrived in the vendor's form and that the answer came back in OpenAI's. `nearest`
is what must be true of what `on_unsupported="adapt"` sends instead.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
import pytest
from feature_table.canon import COMPLETION_TOKENS, MODELS, PROMPT_TOKENS, VECTOR, Made, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from feature_table.canon import Json
    from feature_table.server import Desk

SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Look.", "parameters": SCHEMA}}
TIME = {"type": "function", "function": {"name": "time", "description": "Listen.", "parameters": SCHEMA}}
ROME, OSLO = Made("weather", {"city": "Rome"}), Made("time", {"city": "Oslo"})
#: A picture of one pixel, and the beginning of a PDF.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n%%EOF"
HI = Said("Good day")
THOUGHT = Said("Four", thoughts="Two and two")
JSON = Said('{"city":"Rome"}')
ERRORS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    404: openai.NotFoundError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}


class AbsentError(Exception):
    """The vendor has nothing like it, neither to ask for nor in its answers; nothing of it was sent."""


@dataclass(frozen=True)
class Feature:
    """One row. `id`: its name in capability files.

    `params`: how a refusal of it may begin; empty where it is a whole endpoint or a kind of content.
    `refusable`: whether it may be left to the provider to refuse it.
    """

    id: str
    name: str
    check: Callable[[Desk], None]
    params: tuple[str, ...] = ()
    nearest: Callable[[Desk], None] | None = None
    refusable: bool = True


def text_of(chunks: list[Any], key: str = "content") -> str:
    """Join what the chunks of the first choice say."""
    deltas = [choice.delta.model_dump() for chunk in chunks for choice in chunk.choices if choice.index == 0]
    return "".join(delta.get(key) or "" for delta in deltas)


def reasons_of(chunks: list[Any]) -> list[str]:
    """Finish reasons, in order."""
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def calls_of(message: Any) -> list[Made]:
    """Tool calls of a message, which must have ids that differ."""
    calls = message.tool_calls or []
    assert len({call.id for call in calls}) == len(calls)
    assert all(call.id for call in calls)
    return [Made(call.function.name, json.loads(call.function.arguments)) for call in calls]


def joined_calls(chunks: list[Any]) -> list[Made]:
    """Put a stream's tool calls together, as the openai package does: by index, ids and names once."""
    found: list[list[str]] = []
    for chunk in chunks:
        for call in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            if call.index == len(found):
                assert call.id
                assert call.type == "function"
                found.append([call.function.name, ""])
            else:
                assert (call.id, call.function.name) == (None, None)
            found[call.index][1] += call.function.arguments or ""
    return [Made(name, json.loads(arguments)) for name, arguments in found]


def chat(desk: Desk) -> None:
    done = desk.ask(HI)
    assert (desk.heard.model, desk.heard.turns, desk.heard.stream) == (desk.vendor.model, [("user", "Hello")], False)
    assert (done.choices[0].message.role, done.choices[0].message.content) == ("assistant", "Good day")
    assert (done.choices[0].finish_reason, done.model) == ("stop", desk.vendor.model)
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)


def stream(desk: Desk) -> None:
    chunks = desk.stream(HI)
    assert desk.heard.stream is True
    assert (text_of(chunks), reasons_of(chunks)) == ("Good day", ["stop"])
    assert [chunk.choices[0].delta.role for chunk in chunks if chunk.choices[0].delta.role] == ["assistant"]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def system(desk: Desk) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    desk.ask(HI, messages=messages)
    assert (desk.heard.system, desk.heard.turns) == (["Be brief."], [("user", "Hello")])


def tools(desk: Desk) -> None:
    said = Said(calls=(ROME,))
    done = desk.ask(said, tools=[WEATHER])
    assert desk.heard.tools == [("weather", "Look.", SCHEMA)]
    assert (calls_of(done.choices[0].message), done.choices[0].finish_reason) == ([ROME], "tool_calls")
    assert done.choices[0].message.content is None
    chunks = desk.stream(said, tools=[WEATHER])
    assert (joined_calls(chunks), reasons_of(chunks)) == ([ROME], ["tool_calls"])


def parallel(desk: Desk) -> None:
    said = Said(calls=(ROME, OSLO))
    done = desk.ask(said, tools=[WEATHER, TIME])
    assert calls_of(done.choices[0].message) == [ROME, OSLO]
    assert joined_calls(desk.stream(said, tools=[WEATHER, TIME])) == [ROME, OSLO]


def results(desk: Desk) -> None:
    message = desk.ask(Said(calls=(ROME, OSLO)), tools=[WEATHER, TIME]).choices[0].message
    answers = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name}: fine"}  # type: ignore[union-attr]  # functions, as the check before saw
        for call in message.tool_calls or []
    ]
    desk.ask(HI, messages=[{"role": "user", "content": "Hello"}, message, *answers], tools=[WEATHER, TIME])
    assert desk.heard.calls == [ROME, OSLO]
    assert desk.heard.results == [("weather", "weather: fine"), ("time", "time: fine")]


def named(desk: Desk) -> None:
    choice = {"type": "function", "function": {"name": "time"}}
    done = desk.ask(Said(calls=(OSLO,)), tools=[WEATHER, TIME], tool_choice=choice)
    if desk.policy == "raise":
        assert desk.heard.choice == ("time",)
        assert len(desk.heard.tools) == len([WEATHER, TIME])
    assert (calls_of(done.choices[0].message), done.choices[0].finish_reason) == ([OSLO], "tool_calls")


def only_the_named(desk: Desk) -> None:
    assert [name for name, *_ in desk.heard.tools] == ["time"]


def required(desk: Desk) -> None:
    done = desk.ask(Said(calls=(ROME,)), tools=[WEATHER], tool_choice="required")
    if desk.policy == "raise":
        assert desk.heard.choice == "required"
    assert done.choices[0].finish_reason == "tool_calls"


def offered(desk: Desk) -> None:
    assert [name for name, *_ in desk.heard.tools] == ["weather"]


def json_object(desk: Desk) -> None:
    done = desk.ask(JSON, "Hello in JSON", response_format={"type": "json_object"})
    if desk.policy == "raise":
        assert desk.heard.form == "object"
    assert json.loads(done.choices[0].message.content or "") == {"city": "Rome"}


def some_json(desk: Desk) -> None:
    assert desk.heard.form == {"type": "object"} or any("JSON" in text for text in desk.heard.system)


def json_schema(desk: Desk) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    done = desk.ask(JSON, response_format=form)
    assert desk.heard.form == SCHEMA
    assert json.loads(done.choices[0].message.content or "") == {"city": "Rome"}


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def images(desk: Desk) -> None:
    part = {"type": "image_url", "image_url": {"url": _data_url("image/png", PNG)}}
    desk.ask(HI, [{"type": "text", "text": "Look"}, part])
    assert (desk.heard.images, desk.heard.turns) == ([PNG], [("user", "Look")])


def documents(desk: Desk) -> None:
    file = {"filename": "a.pdf", "file_data": _data_url("application/pdf", PDF)}
    desk.ask(HI, [{"type": "text", "text": "Read"}, {"type": "file", "file": file}])
    assert (desk.heard.documents, desk.heard.turns) == ([("a.pdf", PDF)], [("user", "Read")])


def thoughts(desk: Desk) -> None:
    if not desk.vendor.wire.gives_thoughts:
        raise AbsentError
    message = desk.ask(THOUGHT).choices[0].message
    assert (message.content, (message.model_extra or {}).get("reasoning_content")) == ("Four", "Two and two")
    chunks = desk.stream(THOUGHT)
    assert (text_of(chunks, "reasoning_content"), text_of(chunks)) == ("Two and two", "Four")


def replay(desk: Desk) -> None:
    message: Any = desk.ask(THOUGHT).choices[0].message
    if not desk.vendor.wire.gives_thoughts:
        message = {**message.model_dump(exclude_none=True), "reasoning_content": "Two and two"}
    user = {"role": "user", "content": "Hello"}
    desk.ask(HI, messages=[user, message, user])
    assert ("assistant", "Four") in desk.heard.turns
    if not desk.vendor.wire.takes_thoughts:
        assert desk.heard.thoughts == []
        raise AbsentError
    assert desk.heard.thoughts == ["Two and two"]


def usage(desk: Desk) -> None:
    chunks = desk.stream(HI, stream_options={"include_usage": True})
    *rest, last = chunks
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    assert [chunk.usage for chunk in rest] == [None] * len(rest)
    assert all(chunk.usage is None for chunk in desk.stream(HI))


def stop(desk: Desk) -> None:
    desk.ask(HI, stop=["END"])
    assert desk.heard.stop == ["END"]
    desk.ask(HI, stop="END")
    assert desk.heard.stop == ["END"]


def seed(desk: Desk) -> None:
    desk.ask(HI, seed=11)
    assert desk.heard.seed == 11


def several(desk: Desk) -> None:
    done = desk.ask(HI, n=2)
    assert [(choice.index, choice.message.content) for choice in done.choices] == [(0, "Good day"), (1, "Good day")]
    chunks = desk.stream(HI, n=2)
    assert desk.heard.n == len(done.choices)
    assert reasons_of(chunks) == ["stop", "stop"]
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


def logprobs(desk: Desk) -> None:
    done = desk.ask(HI, logprobs=True, top_logprobs=1)
    assert desk.heard.logprobs == 1
    found = done.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert [(token.token, token.logprob, len(token.top_logprobs)) for token in found.content] == [("Good day", -0.5, 1)]
    chunks = [choice for chunk in desk.stream(HI, logprobs=True, top_logprobs=1) for choice in chunk.choices]
    tokens = [token.token for choice in chunks if choice.logprobs for token in choice.logprobs.content or []]
    assert tokens == ["Good day"]


def embeddings(desk: Desk) -> None:
    found = desk.client.embeddings.create(model=desk.vendor.model, input=["one", "two"])
    assert desk.heard.inputs == ["one", "two"]
    assert [(one.index, one.embedding) for one in found.data] == [(0, VECTOR), (1, VECTOR)]
    assert found.usage.prompt_tokens == found.usage.total_tokens


def models(desk: Desk) -> None:
    assert [model.id for model in desk.client.models.list()] == list(MODELS)


def errors(desk: Desk) -> None:
    for status, kind in ERRORS.items():
        for ask in (desk.ask, desk.stream):
            with pytest.raises(kind, match="because of this") as caught:
                ask(Said("because of this", status=status))
            assert type(caught.value) is kind
            assert caught.value.status_code == status


FEATURES = (
    Feature("chat", "chat", chat),
    Feature("stream", "stream", stream),
    Feature("system", "system message", system),
    Feature("tools", "tools", tools, ("tools",)),
    Feature("parallel_tool_calls", "parallel tool calls", parallel, ("tools",)),
    Feature("tool_results", "tool results", results, ("messages",)),
    Feature("tool_choice_named", "`tool_choice`: a named tool", named, ("tool_choice",), only_the_named),
    Feature("tool_choice_required", "`tool_choice`: required", required, ("tool_choice",), offered),
    Feature("json_object", "JSON (`json_object`)", json_object, ("response_format",), some_json),
    Feature("json_schema", "JSON by a schema", json_schema, ("response_format",)),
    Feature("images", "images", images, ("messages",)),
    Feature("documents", "documents (`file` parts)", documents, ("messages",)),
    Feature("reasoning", "reasoning text", thoughts),
    Feature("reasoning_back", "reasoning goes back", replay, refusable=False),
    Feature("stream_usage", "usage in streams", usage, ("stream_options",)),
    Feature("stop", "`stop`", stop, ("stop",)),
    Feature("seed", "`seed`", seed, ("seed",)),
    Feature("n", "`n` > 1", several, ("n",)),
    Feature("logprobs", "`logprobs`", logprobs, ("logprobs", "top_logprobs")),
    Feature("embeddings", "embeddings", embeddings),
    Feature("models", "list of models", models),
    Feature("errors", "errors of the right class", errors),
)
