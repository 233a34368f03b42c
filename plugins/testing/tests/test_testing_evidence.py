"""What tapes show of each feature, and what they do not show however they are written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from dragoman.core import FEATURES, Capability, CompatibleProvider, unsupported
from dragoman.testing.evidence import Evidence, gather
from dragoman.testing.playing import complete
from dragoman.testing.tapes import Tape, read_tape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dragoman.core import Call, Json

# What is adapted at a tape's wish is said once per process.
pytestmark = pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")

YES = Capability("yes")
URL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("weather", "time")]
NAMED = {"type": "function", "function": {"name": "time"}}
JSON = '{"city": "Rome"}'


class Acme(CompatibleProvider):
    """OpenAI's wire, and a vendor that has everything."""

    name = "acme"
    base_url = "https://acme.example/v1"
    reasoning_keys = ("reasoning_content",)


def user(content: Any = "Hi") -> Json:
    return {"role": "user", "content": content}


def made(*names: str) -> list[Json]:
    return [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": JSON}}
        for number, name in enumerate(names)
    ]


def said(text: str | None = "Hello", *, count: int = 1, calls: tuple[str, ...] = (), **more: Any) -> Json:
    message = {"role": "assistant", "content": text, **({"tool_calls": made(*calls)} if calls else {}), **more}
    end = "tool_calls" if calls else "stop"
    logprobs = {"content": [{"token": "Hello", "logprob": -0.5, "bytes": None, "top_logprobs": []}]}
    choices = [
        {"index": index, "message": message, "finish_reason": end, "logprobs": logprobs} for index in range(count)
    ]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}


def streamed(text: str, *, usage: bool) -> list[Any]:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[tuple[Json, Any]] = [({"role": "assistant", "content": text}, None), ({}, "stop")]
    chunks: list[Any] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas
    ]
    if usage:
        chunks.append({**head, "choices": [], "usage": said()["usage"]})
    return [*chunks, "data: [DONE]"]


def asks(*messages: Json, **params: Any) -> Json:
    return {"model": "m", "messages": list(messages) or [user()], **params}


IMAGE = {"type": "image_url", "image_url": {"url": URL}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"}}
THOUGHT = {"role": "assistant", "content": "Four", "reasoning_content": "Two and two"}
CALLED = [{"role": "assistant", "content": None, "tool_calls": made("time")}]
RESULT = {"role": "tool", "tool_call_id": "call_0", "content": "noon"}
FORM = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
VECTORS = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
#: Feature -> the sides of a tape that shows it.
SHOWS: dict[str, Json] = {
    "chat": {"request": asks(), "vendor_response": said()},
    "stream": {"request": asks(stream=True), "vendor_events": streamed("Hello", usage=False)},
    "system": {"request": asks({"role": "system", "content": "Be brief."}, user()), "vendor_response": said()},
    "tools": {"request": asks(tools=TOOLS), "vendor_response": said(None, calls=("time",))},
    "parallel_tool_calls": {"request": asks(tools=TOOLS), "vendor_response": said(None, calls=("time", "weather"))},
    "tool_results": {"request": asks(user(), *CALLED, RESULT), "vendor_response": said()},
    "tool_choice_named": {
        "request": asks(tools=TOOLS, tool_choice=NAMED),
        "vendor_response": said(None, calls=("time",)),
    },
    "tool_choice_required": {
        "request": asks(tools=TOOLS, tool_choice="required"),
        "vendor_response": said(None, calls=("time",)),
    },
    "json_object": {"request": asks(response_format={"type": "json_object"}), "vendor_response": said(JSON)},
    "json_schema": {"request": asks(response_format=FORM), "vendor_response": said(JSON)},
    "images": {"request": asks(user([IMAGE])), "vendor_response": said()},
    "documents": {"request": asks(user([FILE])), "vendor_response": said()},
    "reasoning": {"request": asks(), "vendor_response": said(reasoning_content="Hm.")},
    "reasoning_back": {"request": asks(user(), THOUGHT, user()), "vendor_response": said()},
    "stream_usage": {
        "request": asks(stream=True, stream_options={"include_usage": True}),
        "vendor_events": streamed("Hello", usage=True),
    },
    "stop": {"request": asks(stop=["END"]), "vendor_response": said()},
    "seed": {"request": asks(seed=11), "vendor_response": said()},
    "n": {"request": asks(n=2), "vendor_response": said(count=2)},
    "logprobs": {"request": asks(logprobs=True), "vendor_response": said()},
    "embeddings": {
        "endpoint": "embeddings",
        "request": {"model": "m", "input": ["one"]},
        "vendor_response": {**VECTORS, "usage": {"prompt_tokens": 1, "total_tokens": 1}},
    },
    "models": {
        "endpoint": "models",
        "request": {},
        "vendor_response": {
            "object": "list",
            "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "acme"}],
        },
    },
    "errors": {
        "request": asks(),
        "status": 429,
        "vendor_response": {"error": {"message": "busy"}},
        "response": {"error": {"class": "RateLimitError"}},
    },
}


def make(kind: type[Any] = Acme) -> Any:
    return lambda: kind(base_url="http://127.0.0.1:9", api_key="k")


@pytest.fixture
def taped(tmp_path: Path) -> Callable[..., Tape]:
    """A function that makes a tape, with the sides that a provider derives."""

    def taped(sides: Json, provider: type[Any] = Acme, name: str = "tape") -> Tape:
        tape = Tape(tmp_path / f"{name}.json", json.loads(json.dumps(sides)))
        complete(make(provider)(), tape)
        # What was written is what is read.
        return read_tape(tape.path) if tape.path.is_file() else tape

    return taped


def test_every_feature_can_be_shown() -> None:
    assert tuple(SHOWS) == FEATURES


@pytest.mark.parametrize("feature", FEATURES)
def test_a_tape_shows_a_feature(taped: Any, feature: str) -> None:
    assert gather(make(), [taped(SHOWS[feature])]).shown[feature] == YES


@pytest.mark.parametrize("feature", FEATURES)
def test_a_tape_shows_nothing_that_it_does_not_ask_for(taped: Any, feature: str) -> None:
    others = [taped(sides, name=name) for name, sides in SHOWS.items() if name != feature]
    plain = [tape for tape in others if feature not in {"chat", "stream"} or tape.name == "errors"]
    if feature in {"tools", "parallel_tool_calls"}:
        plain = [tape for tape in plain if not tape.data["request"].get("tools")]
    if feature == "stream":
        plain = [tape for tape in plain if not tape.streams]
    assert feature not in gather(make(), plain).shown


def losing(feature: str) -> type[Acme]:
    """A provider that loses what a feature asks for, without a word."""
    keys = {
        "tools": ("tools",),
        "parallel_tool_calls": ("tools",),
        "tool_choice_named": ("tool_choice",),
        "tool_choice_required": ("tool_choice",),
        "json_object": ("response_format",),
        "json_schema": ("response_format",),
        "stop": ("stop",),
        "seed": ("seed",),
        "n": ("n",),
        "logprobs": ("logprobs",),
    }.get(feature, ())

    class Losing(Acme):
        def encode_chat(self, call: Call) -> Json:
            chat = {key: value for key, value in super().encode_chat(call).items() if key not in keys}
            if not keys:
                said = [message for message in chat["messages"] if message["role"] == "user"]
                chat["messages"] = [{**message, "content": "Hi"} for message in said]
            return chat

    return Losing


LOST = sorted(
    {*FEATURES} - {"chat", "stream", "stream_usage", "reasoning", "reasoning_back", "embeddings", "models", "errors"}
)


@pytest.mark.parametrize("feature", LOST)
def test_a_translator_that_loses_something_shows_nothing(taped: Any, feature: str) -> None:
    broken = losing(feature)
    # The tape as it should be: the provider does something else.
    assert gather(make(broken), [taped(SHOWS[feature], name="good")]).shown == {}
    # The tape as the broken translator itself has written it: the vendor is not asked for it.
    evidence = gather(make(broken), [taped(SHOWS[feature], broken, name="bad")])
    assert feature not in evidence.shown
    assert evidence.missing()[feature].startswith("bad: the vendor is ")


@pytest.mark.parametrize(
    "feature", ["chat", "tools", "n", "logprobs", "json_object", "reasoning", "embeddings", "models"]
)
def test_an_answer_without_it_shows_nothing(taped: Any, feature: str) -> None:
    class Silent(Acme):
        def decode(self, call: Call, body: Json) -> Json:
            found = super().decode(call, body)
            if "choices" not in found:
                return {**found, "data": []}
            message = {"role": "assistant", "content": "" if feature == "chat" else "Hello"}
            return {**found, "choices": [{**found["choices"][0], "message": message, "logprobs": None}]}

    assert feature not in gather(make(Silent), [taped(SHOWS[feature], Silent)]).shown


def test_thoughts_that_go_nowhere_are_a_no(taped: Any) -> None:
    class Forgetful(Acme):
        reasoning_keys = ()

    found = gather(make(Forgetful), [taped(SHOWS["reasoning_back"], Forgetful)])
    assert found.shown["reasoning_back"] == Capability("no", "left out of the history")
    counted = said()
    counted["usage"]["completion_tokens_details"] = {"reasoning_tokens": 7}
    found = gather(make(), [taped({"request": asks(), "vendor_response": counted})])
    assert found.shown["reasoning"] == Capability("no", "thoughts are counted, and not told")


class Narrow(Acme):
    """Has no seed, adapts JSON mode and the choice of a tool by its name, and has no embeddings."""

    absent: ClassVar = {"seed": "acme rolls its own dice"}
    names_tools = False
    endpoints = frozenset({"chat", "models"})

    def encode_chat(self, call: Call) -> Json:
        chat = super().encode_chat(call)
        if chat.get("response_format") == {"type": "json_object"}:
            form = chat.pop("response_format")
            if unsupported(call, "response_format", form, reason="acme has none", nearest="any object"):
                chat["response_format"] = FORM
        return chat


def refusal(kind: str, feature: str) -> Json:
    sides = {**SHOWS[feature], "response": {"error": {"class": kind}}}
    return {key: value for key, value in sides.items() if key != "vendor_response"}


def test_a_refusal_is_a_no(taped: Any) -> None:
    tapes = [
        taped(refusal("UnsupportedParameter", "seed"), Narrow, "seed"),
        taped(refusal("NotFoundError", "embeddings"), Narrow, "embeddings"),
    ]
    found = gather(make(Narrow), tapes)
    assert found.shown["seed"] == Capability("no", "acme rolls its own dice")
    assert found.shown["embeddings"].value == "no"
    assert "has no 'embeddings' endpoint" in found.shown["embeddings"].note
    assert {*found.shown} == {"seed", "embeddings"}


def test_only_what_is_refused_is_a_no(taped: Any) -> None:
    sides = refusal("UnsupportedParameter", "seed")
    request = asks({"role": "system", "content": "Be brief."}, user(), seed=1, stop=["END"], tools=TOOLS)
    assert {*gather(make(Narrow), [taped({**sides, "request": request}, Narrow)]).shown} == {"seed"}


def test_what_is_adapted_is_so_under_adapt_and_refused_otherwise(taped: Any) -> None:
    adapt = {"on_unsupported": "adapt"}
    tapes = [
        taped({**SHOWS["json_object"], **adapt}, Narrow, "json"),
        taped({**SHOWS["tool_choice_named"], **adapt}, Narrow, "named"),
    ]
    found = gather(make(Narrow), tapes).shown
    assert found["json_object"] == Capability("adapted", "any object")
    assert found["tool_choice_named"].value == "adapted"
    assert "the named tool" in found["tool_choice_named"].note
    assert "time" not in found["tool_choice_named"].note


def test_an_adaptation_that_no_tape_shows_is_no_no(taped: Any) -> None:
    found = gather(make(Narrow), [taped(refusal("UnsupportedParameter", "json_object"), Narrow)])
    assert found.shown == {}
    assert 'no tape with "on_unsupported": "adapt" shows how' in found.missing()["json_object"]


def test_what_is_adapted_whatever_the_policy_is_not_shown(taped: Any) -> None:
    class Eager(Acme):
        def encode_chat(self, call: Call) -> Json:
            if "seed" in call.request:
                call.ledger.adapted["seed"] = "another seed"
            return super().encode_chat(call)

    found = gather(make(Eager), [taped({**SHOWS["seed"], "on_unsupported": "adapt"}, Eager)])
    assert "seed" not in found.shown
    assert "not refused" in found.missing()["seed"]


def test_what_is_left_out_at_the_callers_wish_shows_nothing(taped: Any) -> None:
    assert "seed" not in gather(make(Narrow), [taped({**SHOWS["seed"], "on_unsupported": "ignore"}, Narrow)]).shown


def test_a_vendors_refusal_counts_in_a_tape_that_says_so(taped: Any) -> None:
    failed = {"status": 400, "vendor_response": {"error": {"message": "no files"}}}
    sides = {**SHOWS["documents"], **failed, "response": {"error": {"class": "BadRequestError"}}}
    shown = gather(make(), [taped(sides, name="no_documents")]).shown
    assert shown["documents"] == Capability("no", "the provider refuses it: no files")
    assert "documents" not in gather(make(), [taped(sides, name="error")]).shown
    assert "images" not in gather(make(), [taped(sides, name="no_images")]).shown


def test_one_tool_is_no_choice(taped: Any) -> None:
    sides = {"request": asks(tools=TOOLS[1:], tool_choice=NAMED), "vendor_response": said(None, calls=("time",))}
    assert "tool_choice_named" not in gather(make(), [taped(sides)]).shown


def test_what_works_in_one_tape_works() -> None:
    evidence = Evidence()
    for value in ("no", "yes", "adapted"):
        evidence.add("seed", Capability(value))
    assert evidence.shown == {"seed": YES}
    assert "seed" not in evidence.missing()
