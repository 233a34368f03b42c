"""`reasoning_effort`."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import DragomanWarning, Json, UnsupportedParameter

TOOLS = [{"type": "function", "function": {"name": "f"}}]
CALL = {"id": "c", "function": {"name": "f", "arguments": ""}}


def conversation(**fields: Any) -> list[Json]:
    return [
        {"role": "user", "content": "q"},
        {"role": "assistant", "tool_calls": [CALL], **fields},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ]


def settings(sent: Any) -> Json:
    return {key: sent.body[key] for key in ("thinking", "output_config") if key in sent.body}


@pytest.mark.rule(102, 103)
@pytest.mark.parametrize("model", ["claude-fable-5-1", "claude-opus-4-8", "claude-sonnet-4-5", "demo"])
def test_no_effort_is_nothing(encode: Any, model: str) -> None:
    assert settings(encode(model)) == {}
    assert settings(encode(model, reasoning_effort=None)) == {}


@pytest.mark.rule(99, 100, 103)
@pytest.mark.parametrize(
    ("model", "effort", "level", "thinking"),
    [
        ("claude-fable-5-1", "max", "max", None),
        ("claude-opus-5", "xhigh", "xhigh", None),
        ("claude-sonnet-5-5", "minimal", "low", None),
        ("claude-opus-4-8", "high", "high", {"type": "adaptive"}),
        ("claude-opus-4-7", "minimal", "low", {"type": "adaptive"}),
        ("claude-sonnet-4-6", "max", "max", {"type": "adaptive"}),
        ("claude-opus-4-5", "medium", "medium", None),
    ],
)
def test_effort(encode: Any, model: str, effort: str, level: str, thinking: Any) -> None:
    expected: Json = {"output_config": {"effort": level}}
    if thinking:
        expected["thinking"] = thinking
    assert settings(encode(model, reasoning_effort=effort)) == expected


@pytest.mark.rule(99)
@pytest.mark.parametrize(
    ("model", "effort", "level"),
    [("claude-opus-4-6", "xhigh", "high"), ("claude-opus-4-5", "max", "high"), ("claude-opus-4-5", "xhigh", "high")],
)
def test_an_effort_that_the_model_lacks(encode: Any, model: str, effort: str, level: str) -> None:
    with pytest.raises(UnsupportedParameter, match="this model's efforts are low, medium, high"):
        encode(model, reasoning_effort=effort)
    with pytest.warns(DragomanWarning, match=f'rounded to "{level}"'):
        sent = encode(model, policy="adapt", reasoning_effort=effort)
    assert sent.body["output_config"] == {"effort": level}
    assert settings(encode(model, policy="ignore", reasoning_effort=effort)) == {}


@pytest.mark.rule(99)
def test_rounding_upwards_where_there_is_nothing_below(encode: Any) -> None:
    from dragoman.anthropic.models import facts_of

    with pytest.warns(DragomanWarning, match='rounded to "medium"'):
        sent = encode(
            facts_for=lambda model: facts_of(model, {"effort": ("medium", "high")}),
            policy="adapt",
            reasoning_effort="low",
        )
    assert sent.body["output_config"] == {"effort": "medium"}


@pytest.mark.rule(99, 86)
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-haiku-4-5", "claude-3-7-sonnet-20250219", "demo"])
@pytest.mark.parametrize(
    ("effort", "limit", "budget"),
    [
        ("minimal", None, 1024),
        ("low", None, 1024),
        ("medium", 64000, 4096),
        ("high", 64000, 16384),
        ("xhigh", 64000, 32000),
        ("max", 10000, 5000),
        ("max", 10001, 5000),
        ("high", 1500, 1024),
        ("high", 1025, 1024),
    ],
)
def test_budgets_fit_into_the_limit(encode: Any, model: str, effort: str, limit: Any, budget: int) -> None:
    sent = encode(model, reasoning_effort=effort, max_completion_tokens=limit)
    assert settings(sent) == {"thinking": {"type": "enabled", "budget_tokens": budget}}
    assert sent.body["max_tokens"] > budget
    assert limit is None or sent.body["max_tokens"] == limit


@pytest.mark.rule(86)
def test_a_limit_without_room_for_thinking(encode: Any) -> None:
    with pytest.raises(UnsupportedParameter, match="at least 1024"):
        encode(reasoning_effort="low", max_tokens=1024)
    assert settings(encode(policy="ignore", reasoning_effort="low", max_tokens=1024)) == {}


@pytest.mark.rule(101)
@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-opus-4-8", {"type": "disabled"}),
        ("claude-sonnet-4-5", {"type": "disabled"}),
        ("claude-sonnet-5", {"type": "disabled"}),
        ("claude-haiku-5-5", {"type": "disabled"}),
        ("claude-sonnet-5-5", {"type": "between_tools"}),
        ("demo", {"type": "disabled"}),
    ],
)
def test_no_thinking(encode: Any, model: str, thinking: Json) -> None:
    assert settings(encode(model, reasoning_effort="none")) == {"thinking": thinking}


@pytest.mark.rule(101)
def test_a_model_that_cannot_think_is_not_told_to_stop(encode: Any) -> None:
    assert settings(encode("claude-3-haiku-20240307", reasoning_effort="none")) == {}


@pytest.mark.rule(101)
@pytest.mark.parametrize("model", ["claude-fable-5-2", "claude-opus-5-5", "claude-fable-5"])
def test_models_that_cannot_be_kept_from_thinking(encode: Any, model: str) -> None:
    with pytest.raises(UnsupportedParameter, match="cannot be kept from thinking"):
        encode(model, reasoning_effort="none")
    with pytest.warns(DragomanWarning, match=r"thinking; the lowest effort\.$"):
        sent = encode(model, policy="adapt", reasoning_effort="none")
    assert settings(sent) == {"output_config": {"effort": "low"}}
    assert settings(encode(model, policy="ignore", reasoning_effort="none")) == {}


@pytest.mark.rule(99)
@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [("claude-opus-5", "enormous", "no level"), ("claude-3-opus-20240229", "low", "does not think")],
)
def test_efforts_that_mean_nothing(encode: Any, model: str, effort: str, said: str) -> None:
    with pytest.raises(UnsupportedParameter, match=said):
        encode(model, reasoning_effort=effort)
    assert settings(encode(model, policy="ignore", reasoning_effort=effort)) == {}


@pytest.mark.rule(86, 99, 101, 134)
@pytest.mark.parametrize(
    ("model", "chat", "reason", "hint"),
    [
        ("claude-opus-5", {"reasoning_effort": "enormous"}, "'enormous' is no level of effort there", ""),
        ("claude-3-opus-20240229", {"reasoning_effort": "low"}, "this model does not think", ""),
        (
            "claude-opus-5-5",
            {"reasoning_effort": "none"},
            "this model cannot be kept from thinking",
            'use "low", or leave it out',
        ),
        ("claude-opus-4-6", {"reasoning_effort": "xhigh"}, "this model's efforts are low, medium, high, max", ""),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "low", "max_tokens": 1024},
            "thinking takes at least 1024 tokens, and the answer is limited to 1024",
            "allow more with max_completion_tokens, or leave reasoning_effort out",
        ),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "low", "tools": TOOLS, "messages": conversation()},
            "the assistant's last turn called tools and has lost its thinking blocks",
            "keep extra_content on the assistant messages of the history, or leave reasoning_effort out for this turn",
        ),
    ],
)
def test_a_refusal_says_why_and_what_to_do(encode: Any, model: str, chat: Json, reason: str, hint: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(model, **chat)
    assert (caught.value.param, caught.value.reason, caught.value.hint) == ("reasoning_effort", reason, hint)


@pytest.mark.rule(134)
def test_a_turn_that_lost_its_thinking(encode: Any) -> None:
    settings_ = {"tools": TOOLS, "reasoning_effort": "low"}
    with pytest.raises(UnsupportedParameter, match=r"lost its thinking blocks.*extra_content"):
        encode(messages=conversation(), **settings_)
    with pytest.warns(DragomanWarning, match=r"; thinking was left out for this turn\.$"):
        sent = encode(policy="adapt", messages=conversation(), **settings_)
    assert settings(sent) == {}
    with pytest.raises(UnsupportedParameter, match="lost its thinking blocks"):
        encode("claude-haiku-4-5", messages=conversation()[1:], **settings_)


@pytest.mark.rule(134)
def test_a_turn_that_has_it(encode: Any) -> None:
    enabled = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    kept = [{"type": "thinking", "thinking": "", "signature": "s"}]
    sent = encode(messages=conversation(thinking_blocks=kept), tools=TOOLS, reasoning_effort="low")
    assert settings(sent) == enabled
    after = [*conversation(), {"role": "assistant", "content": "a"}, {"role": "user", "content": "q"}]
    assert settings(encode(messages=after, tools=TOOLS, reasoning_effort="low")) == enabled
    assert settings(encode("demo", messages=conversation(), tools=TOOLS, reasoning_effort="low")) == enabled
    adaptive = encode("claude-opus-4-8", messages=conversation(), tools=TOOLS, reasoning_effort="low")
    assert adaptive.body["thinking"] == {"type": "adaptive"}


@pytest.mark.rule(112, 103)
def test_the_callers_own_thinking_wins(encode: Any) -> None:
    own = {"type": "adaptive", "display": "summarized"}
    sent = encode("claude-opus-4-8", reasoning_effort="low", thinking=own)
    assert settings(sent) == {"thinking": own, "output_config": {"effort": "low"}}
