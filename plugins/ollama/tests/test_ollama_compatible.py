"""Ollama's own OpenAI endpoint."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, DragomanWarning, InvalidRequest, Json, UnsupportedParameter
from dragoman.ollama import Ollama

if TYPE_CHECKING:
    from collections.abc import Callable

TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("look", "listen")]


@pytest.fixture
def encode(make_call: Callable[..., Call]) -> Callable[..., Json]:
    def run(policy: Any = "raise", **chat: Any) -> Json:
        call = make_call(policy, **chat)
        before = copy.deepcopy(call.request)
        wire = Ollama(openai_endpoint=True).encode(call)
        assert call.request == before
        assert (wire.path, wire.content) == ("/v1/chat/completions", None)
        assert wire.body is not None
        return {key: value for key, value in wire.body.items() if key not in {"model", "messages"}}

    return run


@pytest.fixture
def message(make_call: Callable[..., Call]) -> Callable[..., Json]:
    def run(**said: Any) -> Json:
        wire = Ollama(openai_endpoint=True).encode(make_call(messages=[said]))
        assert wire.body is not None
        found: Json = wire.body["messages"][0]
        return found

    return run


@pytest.mark.rule(237)
@pytest.mark.parametrize(
    ("params", "wire"),
    [
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "temperature": 0, "seed": 1}, {"max_tokens": 5, "temperature": 0, "seed": 1}),
        ({"stop": "END", "logprobs": True, "keep_alive": "5m"}, {"stop": "END", "logprobs": True, "keep_alive": "5m"}),
        ({"user": "u", "n": 1, "parallel_tool_calls": True, "logit_bias": {}}, {}),
        ({"tools": TOOLS, "tool_choice": "auto"}, {"tools": TOOLS}),
        ({"tools": TOOLS, "tool_choice": "none"}, {}),
        (
            {"stream": True, "stream_options": {"include_usage": True}},
            {"stream": True, "stream_options": {"include_usage": True}},
        ),
    ],
)
def test_a_parameter_and_what_becomes_of_it(encode: Callable[..., Json], params: Json, wire: Json) -> None:
    assert encode(**params) == wire


@pytest.mark.rule(237)
@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "look"}}),
        ("parallel_tool_calls", False),
        ("n", 2),
        ("logit_bias", {"1": 1}),
        ("service_tier", "flex"),
        ("functions", [{"name": "look"}]),
    ],
)
def test_what_would_be_passed_over_follows_the_policy(encode: Callable[..., Json], param: str, value: Any) -> None:
    with pytest.raises(UnsupportedParameter, match="Ollama") as caught:
        encode(tools=TOOLS, **{param: value})
    assert caught.value.param == param
    assert encode("ignore", tools=TOOLS, **{param: value}) == {"tools": TOOLS}


@pytest.mark.rule(237)
def test_adapted_a_named_tool_is_the_only_one(encode: Callable[..., Json]) -> None:
    with pytest.warns(DragomanWarning, match="only 'look' is offered"):
        body = encode("adapt", tools=TOOLS, tool_choice={"type": "function", "function": {"name": "look"}})
    assert body == {"tools": TOOLS[:1]}


@pytest.mark.rule(238)
@pytest.mark.parametrize(
    ("said", "content"),
    [
        ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"role": "system", "content": [{"type": "text", "text": "a"}]}, "a"),
        ({"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}]}, "a"),
        ({"role": "assistant", "content": [{"type": "text", "text": "a"}], "tool_calls": []}, "a"),
        ({"role": "user", "content": []}, ""),
    ],
)
def test_parts_become_one_text(message: Callable[..., Json], said: Json, content: str) -> None:
    assert message(**said)["content"] == content


@pytest.mark.rule(239)
@pytest.mark.parametrize("role", ["user", "assistant", "tool"])
def test_no_content_is_an_empty_text(message: Callable[..., Json], role: str) -> None:
    assert message(role=role, content=None)["content"] == ""


@pytest.mark.rule(239)
@pytest.mark.parametrize(("text", "sent"), [("", "{}"), ("oops", '{"INVALID_JSON": "oops"}'), ('{"a": 1}', '{"a": 1}')])
def test_arguments_are_an_objects_text(message: Callable[..., Json], text: str, sent: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": text}}
    wire = message(role="assistant", content=None, tool_calls=[call])
    assert wire["content"] is None
    assert wire["tool_calls"][0]["function"]["arguments"] == sent


@pytest.mark.rule(239)
def test_images(message: Callable[..., Json]) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    assert message(role="user", content=parts)["content"] == parts
    for url in ("https://example.com/a.png", "http://example.com/a.png", None):
        with pytest.raises(InvalidRequest, match="send a data: URL"):
            message(role="user", content=[{"type": "image_url", "image_url": {"url": url}}])
    for role, part in (("tool", parts[1]), ("assistant", parts[1]), ("user", {"type": "file"}), ("user", 7)):
        with pytest.raises(InvalidRequest, match="no place for a part"):
            message(role=role, content=[part])


@pytest.mark.rule(240)
def test_options_are_known_to_have_no_effect(make_call: Callable[..., Call]) -> None:
    provider = Ollama(openai_endpoint=True)
    with pytest.warns(DragomanWarning, match="num_ctx has no effect at Ollama's OpenAI endpoint"):
        provider.encode(make_call(extra_body={"num_ctx": 8192}))
    assert provider.encode(make_call(extra_body={"temperature": 1, "keep_alive": 1})).body is not None


@pytest.mark.rule(241)
def test_effort(encode: Callable[..., Json]) -> None:
    assert [encode(reasoning_effort=effort) for effort in ("none", "low", "high")] == [
        {"reasoning_effort": "none"},
        {"reasoning_effort": "low"},
        {"reasoning_effort": "high"},
    ]
    with pytest.raises(UnsupportedParameter, match=r"extra_body=\{'reasoning_effort': 'max'\}"):
        encode(reasoning_effort="max")
    with pytest.warns(DragomanWarning, match="high"):
        assert encode("adapt", reasoning_effort="xhigh") == {"reasoning_effort": "high"}
    assert encode("ignore", reasoning_effort="minimal") == {}


@pytest.mark.rule(251, 254)
def test_roles_and_thoughts(message: Callable[..., Json]) -> None:
    assert message(role="developer", content="a") == {"role": "system", "content": "a"}
    assert message(role="assistant", content="a", reasoning_content="Hm.") == {
        "role": "assistant",
        "content": "a",
        "reasoning": "Hm.",
    }


def test_the_other_endpoints_are_openais_own() -> None:
    provider = Ollama(openai_endpoint=True)
    asked: Json = {"model": "m", "input": "Hi"}
    wire = provider.encode(Call("ollama", "m", asked, endpoint="embeddings"))
    assert (wire.path, wire.body) == ("/v1/embeddings", asked)
    wire = provider.encode(Call("ollama", "", {}, endpoint="models", method="GET"))
    assert (wire.path, wire.body, wire.method) == ("/v1/models", None, "GET")
    answer = {"data": []}
    assert provider.decode(Call("ollama", "", {}, endpoint="models", method="GET"), answer) is answer


@pytest.mark.rule(30)
def test_the_older_function_interface_in_a_history(message: Callable[..., Json]) -> None:
    """Calls have no ids there; the function's name makes one for the call and its result."""
    function = {"name": "look", "arguments": '{"a": 1}'}
    asked = message(role="assistant", content=None, function_call=function)
    call = {"id": "call_look", "type": "function", "function": function}
    assert asked == {"role": "assistant", "content": None, "tool_calls": [call]}
    answered = message(role="function", name="look", content="blue")
    assert answered == {"role": "tool", "name": "look", "content": "blue", "tool_call_id": "call_look"}
    for nameless in ({"role": "function"}, {"role": "assistant", "function_call": {"arguments": "{}"}}):
        with pytest.raises(InvalidRequest, match="without a name"):
            message(content="x", **nameless)
