"""OpenAI-compatible servers: what goes to them."""

from __future__ import annotations

import copy
import json
from typing import Any, ClassVar

import pytest

from dragoman.core import Call, CompatibleProvider, DragomanWarning, Json, UnsupportedParameter

USER = {"role": "user", "content": "hi"}


class Acme(CompatibleProvider):
    name = "acme"
    base_url = "https://api.acme.test/v1"
    absent: ClassVar = {"verbosity": "acme has one way to talk", "user": "acme asks nobody"}
    renamed: ClassVar = {"max_completion_tokens": "max_tokens"}


class Thinker(CompatibleProvider):
    name = "thinker"
    reasoning_keys: ClassVar = ("reasoning", "reasoning_content")


def encode(provider: CompatibleProvider, *messages: Json, policy: Any = "raise", **params: Any) -> Json:
    request = {"model": "m", "messages": list(messages or (USER,)), **params}
    before = copy.deepcopy(request)
    body = provider.encode(Call(provider.name, "m", request, on_unsupported=policy)).body
    assert request == before
    assert body is not None
    return body


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/v1", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("http://localhost:8000/gateway/acme", "http://localhost:8000/gateway/acme/v1"),
        ("api.acme.test", "https://api.acme.test/v1"),
        ("localhost:8080", "http://localhost:8080/v1"),
        ("[::1]:8080/v1", "http://[::1]:8080/v1"),
        (" https://api.acme.test/v4 ", "https://api.acme.test/v4"),
    ],
)
def test_the_forms_of_an_address(given: str, expected: str) -> None:
    assert Acme(base_url=given).base_url == expected


def test_an_address_of_unknown_habits_is_taken_as_it_is() -> None:
    class Bare(CompatibleProvider):
        name = "bare"
        base_url = "https://api.bare.test"

    assert Bare().base_url == "https://api.bare.test"
    assert Bare(base_url="http://localhost:1/").base_url == "http://localhost:1"
    assert CompatibleProvider(base_url="http://localhost:1/openai/").base_url == "http://localhost:1/openai"


def test_what_is_in_no_table_passes_through() -> None:
    params = {"temperature": 0.5, "tools": [{"type": "function"}], "tool_choice": "required", "made_up": {"a": [1]}}
    assert encode(Acme(), **params) == {"model": "m", "messages": [USER], **params}


@pytest.mark.rule(223)
def test_the_tables_rename_and_refuse() -> None:
    assert encode(Acme(), max_completion_tokens=5)["max_tokens"] == 5
    assert encode(Acme(), verbosity=None, user="u", service_tier=None) == {"model": "m", "messages": [USER]}
    with pytest.raises(UnsupportedParameter, match="one way to talk"):
        encode(Acme(), verbosity="low")
    assert "verbosity" not in encode(Acme(), policy="ignore", verbosity="low")


@pytest.mark.rule(223)
def test_a_parameter_under_both_its_names_is_not_lost_in_silence() -> None:
    with pytest.raises(UnsupportedParameter, match="max_tokens: max_completion_tokens is given too, and wins"):
        encode(Acme(), max_tokens=100, max_completion_tokens=200)
    with pytest.warns(DragomanWarning, match="max_completion_tokens is given too"):
        body = encode(Acme(), policy="warn", max_tokens=100, max_completion_tokens=200)
    assert (body["max_tokens"], "max_completion_tokens" in body) == (200, False)
    for same in ({"max_completion_tokens": 100}, {"max_completion_tokens": None}):
        assert encode(Acme(), max_tokens=100, **same)["max_tokens"] == 100


def test_other_endpoints_are_openais_own() -> None:
    wire = Acme().encode(Call("acme", "m", {"model": "m", "input": "a", "user": "u"}, endpoint="embeddings"))
    assert (wire.path, wire.body) == ("/embeddings", {"model": "m", "input": "a", "user": "u"})
    body = {"data": [{"embedding": [0.5]}], "choices": "not a chat"}
    assert Acme().decode(Call("acme", "m", {}, endpoint="embeddings"), body) is body


@pytest.mark.rule(226)
def test_developer_becomes_system() -> None:
    assert encode(Acme(), {"role": "developer", "content": "d"})["messages"] == [{"role": "system", "content": "d"}]


@pytest.mark.rule(227, 228, 255)
def test_an_answer_goes_back_without_what_the_server_does_not_know() -> None:
    answer = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "audio": None,
        "function_call": None,
        "reasoning_content": "hm",
        "thinking_blocks": [{}],
        "annotations": [],
        "extra_content": {"acme": {}},
    }
    assert encode(Acme(), answer)["messages"] == [{"role": "assistant", "content": ""}]
    kept = {"role": "assistant", "content": "", "reasoning": "hm", "reasoning_content": "hm"}
    assert encode(Thinker(), answer)["messages"] == [kept]
    assert encode(Thinker(), {**USER, "reasoning": "hm"})["messages"] == [USER]


@pytest.mark.rule(228, 264)
@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('{"b":1,"a":12345678901234567890}', '{"b":1,"a":12345678901234567890}'),
        ({"a": "ü"}, '{"a": "ü"}'),
        ("", "{}"),
        (" \n", "{}"),
        (None, "{}"),
        ("null", "{}"),
        ("{bad", json.dumps({"INVALID_JSON": "{bad"})),
        ("[1]", json.dumps({"INVALID_JSON": "[1]"})),
        ('"x"', json.dumps({"INVALID_JSON": '"x"'})),
    ],
)
def test_arguments_in_the_history_are_an_objects_json(written: Any, sent: str) -> None:
    def said(arguments: Any) -> Json:
        return {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}

    message = {"role": "assistant", "content": None, "tool_calls": [said(written)]}
    assert encode(Acme(), message)["messages"] == [{"role": "assistant", "content": None, "tool_calls": [said(sent)]}]


@pytest.mark.rule(260, 293)
@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "This model's maximum context length is 4096 tokens", "context_length_exceeded"),
        (400, "the request exceeds the available context size", "context_length_exceeded"),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096", "context_length_exceeded"),
        (
            422,
            "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
            "context_length_exceeded",
        ),
        (400, "temperature is too high", 400),
        (500, "out of memory for the context window", 400),
    ],
)
def test_a_prompt_that_is_too_long_has_openais_code(status: int, message: str, code: Any) -> None:
    error = Acme().decode_error(status, {"error": {"message": message, "type": "BadRequestError", "code": 400}})
    assert (error["message"], error["type"], error["code"]) == (message, "BadRequestError", code)


@pytest.mark.rule(227)
def test_what_peers_keep_in_a_tool_call_stays_here() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    signed = {**call, "extra_content": {"google": {"thought_signature": "s"}}, "provider_specific_fields": {"a": 1}}
    [sent] = encode(Acme(), {"role": "assistant", "content": None, "tool_calls": [signed]})["messages"]
    assert sent["tool_calls"] == [call]
