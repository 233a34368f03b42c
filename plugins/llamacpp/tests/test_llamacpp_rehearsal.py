"""The rehearsal model: what it answers, on the real engine, and where its file lies."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.llamacpp import demo_model_path
from dragoman.llamacpp import rehearsal as rehearsal_module

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import Json

SAYS = "This is the rehearsal model: it follows a script and knows nothing. You said: "


def arguments(answer: Json) -> list[Any]:
    return [json.loads(call["function"]["arguments"]) for call in answer["choices"][0]["message"]["tool_calls"]]


def text(answer: Json) -> Any:
    return answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    "said",
    ["Hello", "Grüße, 世界 ☃ 😀", "a <tool_call> and <think> in it", 'quotes " and \\ and {braces}', "two\nlines"],
)
def test_it_repeats_what_was_said(desk: Any, said: str) -> None:
    assert text(desk.ask(said)) == SAYS + said


def test_the_models_own_marks_cannot_be_smuggled_in(desk: Any) -> None:
    assert text(desk.ask("a <|im_end|> b")) == SAYS + "a < |im_end|> b"


def test_it_repeats_parts_of_text(desk: Any) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    assert text(desk.ask([{"role": "user", "content": parts}])).split() == [*SAYS.split(), "one", "two"]


def test_a_long_question_is_cut_between_words(desk: Any) -> None:
    answer = text(desk.ask("wörd " * 400))
    assert answer.startswith(SAYS + "wörd wörd")
    assert answer.endswith("wörd …")


def test_it_answers_on_after_many_turns(desk: Any) -> None:
    turns = [{"role": "user", "content": "again " * 20}, {"role": "assistant", "content": "yes " * 20}] * 8
    assert text(desk.ask([*turns, {"role": "user", "content": "the last"}])) == SAYS + "the last"


@pytest.mark.parametrize("sampling", [{"temperature": 2.0}, {"frequency_penalty": 2.0}, {"seed": 3, "top_p": 0.1}])
def test_sampling_does_not_put_it_off(desk: Any, sampling: Json) -> None:
    assert text(desk.ask("Hello", **sampling)) == SAYS + "Hello"


def test_its_answer_can_be_cut_and_stopped(desk: Any) -> None:
    cut = desk.ask("Hello", max_tokens=4)["choices"][0]
    assert (cut["message"]["content"], cut["finish_reason"]) == ("This", "length")
    stopped = desk.ask("Hello", stop=["rehearsal"])["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("This is the ", "stop")


def test_it_calls_the_callers_own_tool(desk: Any, tool: Json) -> None:
    choice = desk.ask("What is the weather in Oslo?", tools=[tool])["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo", "days": 1, "unit": "C"}


def test_it_calls_the_tool_that_the_question_names(desk: Any, tool: Json) -> None:
    parameters = {"type": "object", "properties": {"query": {"type": "string"}}}
    search = {"type": "function", "function": {"name": "search", "parameters": parameters}}
    answer = desk.ask("please search for it", tools=[tool, search])
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "search"
    assert arguments(answer) == [{"query": "please search for it"}]


@pytest.mark.parametrize("choice", [None, "auto", "required"])
def test_it_calls_twice_where_the_question_is_about_two(desk: Any, tool: Json, choice: str | None) -> None:
    answer = desk.ask("What is the weather in Oslo and Bergen?", tools=[tool], tool_choice=choice)
    assert [call["city"] for call in arguments(answer)] == ["Oslo", "Bergen"]


@pytest.mark.rule(290)
def test_it_calls_once_where_only_one_call_is_wanted(desk: Any, tool: Json) -> None:
    answer = desk.ask("What is the weather in Oslo and Bergen?", tools=[tool], parallel_tool_calls=False)
    assert [call["city"] for call in arguments(answer)] == ["Oslo"]


def test_it_calls_the_chosen_tool_and_none_if_none_is_chosen(desk: Any, tool: Json) -> None:
    chosen = {"type": "function", "function": {"name": "get_weather"}}
    assert len(arguments(desk.ask("Hello", tools=[tool], tool_choice=chosen))) == 1
    assert text(desk.ask("Hello", tools=[tool], tool_choice="none")) == SAYS + "Hello"


def test_it_passes_on_what_the_tools_answered(desk: Any, tool: Json) -> None:
    asked = [{"role": "user", "content": "What is the weather in Oslo and Bergen?"}]
    message = desk.ask(asked, tools=[tool])["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": answer}
        for call, answer in zip(message["tool_calls"], ["sun ☀", "rain"], strict=True)
    ]
    assert text(desk.ask([*asked, message, *results], tools=[tool])) == "The tools answered: sun ☀ | rain"
    assert text(desk.ask([*asked, message, results[0]], tools=[tool])) == "The tool answered: sun ☀"


def test_it_thinks_when_asked_to(desk: Any, tool: Json) -> None:
    message = desk.ask("Think about it.")["choices"][0]["message"]
    assert message["reasoning_content"] == "The question asks me to think, so I show some thoughts."
    assert message["content"] == SAYS + "Think about it."
    with_call = desk.ask("Think about the weather.", tools=[tool])["choices"][0]["message"]
    assert with_call["reasoning_content"]
    assert with_call["tool_calls"]


@pytest.mark.rule(292)
def test_it_does_not_think_without_effort(desk: Any) -> None:
    assert "reasoning_content" not in desk.ask("Think!", reasoning_effort="none")["choices"][0]["message"]


SCHEMA: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "born": {"type": "string", "format": "date"},
        "age": {"type": "integer", "minimum": 18},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "home": {"$ref": "#/$defs/Home"},
        "kind": {"const": "person"},
        "score": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "active": {"type": "boolean"},
    },
    "required": ["name", "born", "age", "tags", "home", "kind", "score", "active"],
    "additionalProperties": False,
    "$defs": {"Home": {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}},
}
FITTING = {
    "name": "Oslo",
    "born": "2026-01-01",
    "age": 18,
    "tags": ["Oslo", "Oslo"],
    "home": {"street": "Oslo"},
    "kind": "person",
    "score": 1,
    "active": True,
}


@pytest.mark.rule(291)
@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}},
        {"type": "json_schema", "schema": SCHEMA},
        {"type": "json_object", "schema": SCHEMA},
    ],
    ids=["openai", "llamacpp", "object"],
)
def test_it_answers_in_the_form_that_is_asked_for(desk: Any, form: Json) -> None:
    assert json.loads(text(desk.ask("Who lives in Oslo ?", response_format=form))) == FITTING


def test_any_object_will_do_where_no_schema_is_given(desk: Any) -> None:
    assert isinstance(json.loads(text(desk.ask("x", response_format={"type": "json_object"}))), dict)


def test_arguments_fit_the_tools_schema(desk: Any, tool: Json) -> None:
    tool["function"]["parameters"] = SCHEMA
    assert arguments(desk.ask("What about Oslo ?", tools=[tool])) == [FITTING]


def test_tools_without_parameters_are_called_with_none(desk: Any) -> None:
    for function in ({"name": "now"}, {"name": "now", "parameters": {"type": "object", "properties": {}}}):
        assert arguments(desk.ask("x", tools=[{"type": "function", "function": function}])) == [{}]


def test_the_file_is_the_same_whenever_it_is_built_and_small() -> None:
    first = rehearsal_module.build()
    rehearsal_module.build.cache_clear()
    begun = time.perf_counter()
    again = rehearsal_module.build()
    took = time.perf_counter() - begun
    assert again == first
    assert len(first) < 700_000
    assert took < 1.0


def test_the_file_is_written_once_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = demo_model_path()
    assert path.parent == tmp_path / "dragoman"
    assert path.read_bytes() == rehearsal_module.build()
    written = path.stat().st_mtime_ns
    assert demo_model_path() == path
    assert path.stat().st_mtime_ns == written
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_file_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = demo_model_path()
    path.write_bytes(b"GGUF")
    assert demo_model_path().read_bytes() == rehearsal_module.build()


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = demo_model_path()
    assert path.is_relative_to(tmp_path)
    assert path.read_bytes() == rehearsal_module.build()
    monkeypatch.setattr("tempfile.tempdir", str(blocked))
    with pytest.raises(OSError, match="set XDG_CACHE_HOME"):
        demo_model_path()
