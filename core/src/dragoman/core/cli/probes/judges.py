"""One judge for each feature: an answer -> a finding. Pure, and never at a loss for any shape of JSON.

Each looks for what only a server that honours the parameter would send; the questions that bring it out
are in `catalogue`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from dragoman.core.cli.probes.evidence import (
    Answer,
    Finding,
    Verdict,
    an_object,
    called,
    count,
    objects,
    quote,
    quote_end,
    show,
)
from dragoman.core.cli.probes.shapes import (
    call_problem,
    completion_problem,
    fragments_problem,
    stream_problem,
)

#: What the questions of `catalogue` turn on.
WEATHER, CLOCK = "get_weather", "get_time"
CODEWORD = "marzipan"
RESULT_WORD = "violet"
STOP_WORD, BEFORE_STOP, AFTER_STOP = "five", "four", "six"
COLOUR = "orange"
SCHEMA_KEYS = {"kumquat": str, "lighthouses": int}
ALTERNATIVES = 2

_TOOLS = frozenset({WEATHER, CLOCK})
_COLOURS = re.compile(
    r"\b(black|blue|brown|cyan|gr[ae]y|green|magenta|pink|purple|red|teal|turquoise|violet|white|yellow)\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL | re.IGNORECASE)
_TAGGED = re.compile(r"<(think|thinking|thought|reasoning)>", re.IGNORECASE)
#: A text as long as this one is never a single piece of a stream.
_ONE_PIECE = 30


def _otherwise(answer: Answer, verdict: Verdict, seen: str) -> Finding:
    """Judge an answer that lacks the evidence; one that was cut or withheld proves nothing."""
    if answer.reason == "length":
        thinking = "while it was thinking" if answer.thoughts[0] and not answer.text.strip() else "before it was done"
        return Finding("unclear", f"cut {thinking}: --max-tokens allows more")
    if answer.reason == "content_filter":
        return Finding("unclear", "the answer was withheld by the provider's filter")
    refusal = answer.message.get("refusal")
    if isinstance(refusal, str) and refusal:
        return Finding("unclear", f"the model refuses: {quote(refusal)}")
    return Finding(verdict, seen)


def _said(answer: Answer) -> str:
    return quote(answer.text) if answer.text.strip() else "an empty answer"


def _has(word: str, text: str) -> bool:
    return re.search(rf"\b{word}\b", text, re.IGNORECASE) is not None


def judge_text(answer: Answer) -> Finding:
    """Any text in OpenAI's envelope."""
    if problem := completion_problem(answer):
        return Finding("wrong", problem)
    if answer.text.strip():
        return Finding("yes", quote(answer.text))
    return _otherwise(answer, "wrong", "an empty answer")


def judge_stream(answer: Answer) -> Finding:
    """The same in many pieces."""
    if problem := stream_problem(answer.chunks):
        return Finding("wrong", problem)
    deltas = [an_object(choice.get("delta")) for chunk in answer.chunks for choice in objects(chunk.get("choices"))]
    pieces = sum(1 for delta in deltas if delta.get("content"))
    if pieces == 1 and len(answer.text) > _ONE_PIECE:
        return Finding("ignored", f"the whole answer in one piece: {quote(answer.text)}")
    if pieces:
        return Finding("yes", f"{pieces} {'piece' if pieces == 1 else 'pieces'}: {quote(answer.text)}")
    return _otherwise(answer, "wrong", "a stream without text")


def judge_system(answer: Answer) -> Finding:
    """The instruction's word is in the answer."""
    if _has(CODEWORD, answer.text):
        return Finding("yes", _said(answer))
    return _otherwise(answer, "ignored", f"the instruction is not followed: {_said(answer)}")


def judge_tools(answer: Answer) -> Finding:
    """A call of the tool that the question is about."""
    if not answer.calls or answer.reason == "length":
        return _no_call(answer)
    if problem := call_problem(answer, {WEATHER}) or _city_problem(answer):
        return Finding("wrong", problem)
    return Finding("yes", show(answer.calls))


def _no_call(answer: Answer) -> Finding:
    if _is_call(answer.text):
        return Finding("wrong", f"the call came as text: {quote(answer.text)}")
    return _otherwise(answer, "ignored", f"no call: {_said(answer)}")


def _is_call(text: str) -> bool:
    return "{" in text and any(name in text for name in _TOOLS)


def _city_problem(answer: Answer) -> str:
    for call in answer.calls:
        _, arguments = called(call)
        if not isinstance(json.loads(arguments).get("city"), str):
            return f"arguments lack what the schema requires: {quote(arguments)}"
    return ""


def judge_stream_tools(answer: Answer) -> Finding:
    """The same call in fragments that clients can join."""
    if problem := stream_problem(answer.chunks) or fragments_problem(answer.chunks):
        return Finding("wrong", problem)
    return judge_tools(answer)


def judge_parallel(answer: Answer) -> Finding:
    """Two calls in one answer, with ids of their own."""
    found = judge_tools(answer)
    if found.verdict == "yes" and len(answer.calls) == 1:
        return Finding("ignored", f"one call at a time: {found.seen}")
    return found


def judge_result(answer: Answer) -> Finding:
    """What only the tool's result says is in the answer."""
    if _has(RESULT_WORD, answer.text):
        return Finding("yes", _said(answer))
    if answer.calls:
        return _otherwise(answer, "ignored", f"the result is not read, but asked for again: {show(answer.calls)}")
    return _otherwise(answer, "ignored", f"the result is not read: {_said(answer)}")


def judge_named(answer: Answer) -> Finding:
    """A call of the tool that was named, though the other one fits the question."""
    names = [called(call)[0] for call in answer.calls]
    if names and CLOCK not in names:
        return Finding("ignored", f"another tool is called: {show(answer.calls)}")
    return _judge_forced(answer, {CLOCK})


def judge_required(answer: Answer) -> Finding:
    """A call, though the question needs none."""
    return _judge_forced(answer, _TOOLS)


def _judge_forced(answer: Answer, offered: set[str] | frozenset[str]) -> Finding:
    if not answer.calls or answer.reason == "length":
        return _no_call(answer)
    if problem := call_problem(answer, offered, forced=True):
        return Finding("wrong", problem)
    return Finding("yes", show(answer.calls))


def judge_none(answer: Answer) -> Finding:
    """Text, though a tool fits the question."""
    if answer.calls:
        return Finding("ignored", f"a tool is called: {show(answer.calls)}")
    if _is_call(answer.text):
        return Finding("wrong", f"a call as text: {quote(answer.text)}")
    if answer.text.strip():
        return Finding("yes", f"text: {quote(answer.text)}")
    return _otherwise(answer, "unclear", "an empty answer")


def judge_json_object(answer: Answer) -> Finding:
    """A JSON object, though the question does not ask for one."""
    value, problem = _read_object(answer)
    if value is None:
        return problem
    return Finding("yes", quote(answer.text))


def judge_json_schema(answer: Answer) -> Finding:
    """The schema's keys, which nobody would guess."""
    value, problem = _read_object(answer)
    if value is None:
        return problem
    if not value.keys() & SCHEMA_KEYS.keys():
        return Finding("ignored", f"JSON, but of another schema: {quote(answer.text)}")
    fits = all(type(value.get(key)) is kind for key, kind in SCHEMA_KEYS.items())
    if not fits or value.keys() != SCHEMA_KEYS.keys():
        return Finding("wrong", f"JSON that does not fit the schema: {quote(answer.text)}")
    return Finding("yes", quote(answer.text))


def _read_object(answer: Answer) -> tuple[dict[str, Any] | None, Finding]:
    fenced = _FENCE.fullmatch(answer.text)
    try:
        value = json.loads(fenced[1] if fenced else answer.text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return None, _otherwise(answer, "ignored", f"no JSON object: {_said(answer)}")
    if fenced:
        return None, Finding("wrong", f"JSON inside a code fence: {quote(answer.text)}")
    return value, Finding("yes", "")


def judge_image(answer: Answer) -> Finding:
    """The picture's colour."""
    if _has(COLOUR, answer.text):
        return Finding("yes", f"it is {COLOUR}: {quote(answer.text)}")
    if _COLOURS.search(answer.text):
        return _otherwise(answer, "wrong", f"it is {COLOUR}, but the model says {quote(answer.text)}")
    return _otherwise(answer, "ignored", f"the model does not say what it sees: {_said(answer)}")


def judge_usage(answer: Answer) -> Finding:
    """Counted tokens in a chunk of their own, at the end."""
    counted = [chunk for chunk in answer.chunks if an_object(chunk.get("usage"))]
    if not counted:
        return Finding("ignored", "no usage in any chunk")
    usage = counted[-1]["usage"]
    numbers = [usage.get(key) for key in ("prompt_tokens", "completion_tokens", "total_tokens")]
    if not all(isinstance(number, int) for number in numbers):
        return Finding("wrong", f"usage is {quote(json.dumps(usage))}")
    prompt, completion, total = numbers
    if total != prompt + completion or not completion:
        return Finding("wrong", f"usage does not add up: {prompt} + {completion} = {total}")
    if counted[-1].get("choices"):
        return Finding("wrong", f"usage ({prompt} + {completion}) in a chunk that has choices, not in one of its own")
    return Finding("yes", f"{prompt} + {completion} tokens")


def judge_stop(answer: Answer) -> Finding:
    """The list ends before the stop word, and not by itself."""
    if _has(STOP_WORD, answer.text):
        if _has(AFTER_STOP, answer.text):
            return Finding("ignored", f"it goes on: {quote_end(answer.text)}")
        return Finding("wrong", f"the stop word is in the text: {quote_end(answer.text)}")
    if _has(BEFORE_STOP, answer.text) and answer.reason != "length":
        if answer.reason != "stop":
            return Finding("wrong", f"finish_reason is {answer.reason!r} at a stop word")
        return Finding("yes", f"it ends at {quote_end(answer.text)}")
    return _otherwise(answer, "unclear", f"the model does not repeat the list: {quote_end(answer.text)}")


def judge_logprobs(answer: Answer) -> Finding:
    """Each token with its probability and the alternatives that were asked for."""
    found = answer.choice.get("logprobs")
    if not found:
        return Finding("ignored", "no logprobs in the answer")
    tokens = objects(an_object(found).get("content"))
    if not tokens:
        return Finding("wrong", f"logprobs without content: {quote(json.dumps(found))}")
    first = tokens[0]
    if not isinstance(first.get("token"), str) or not isinstance(first.get("logprob"), int | float):
        return Finding("wrong", f"a token's entry is {quote(json.dumps(first))}")
    others = objects(first.get("top_logprobs"))
    if len(others) != ALTERNATIVES:
        return Finding("wrong", f"top_logprobs has {len(others)} entries instead of {ALTERNATIVES}")
    return Finding("yes", f"{len(tokens)} tokens; the first is {quote(first['token'])} at {first['logprob']}")


def judge_n(answer: Answer) -> Finding:
    """As many choices as were asked for."""
    indexes = [choice.get("index") for choice in answer.choices]
    if len(indexes) == 1:
        return Finding("ignored", "one choice instead of two")
    if indexes != [0, 1]:
        return Finding("wrong", f"{len(indexes)} choices with the indexes {indexes}")
    return Finding("yes", "two choices")


def judge_reasoning(answer: Answer) -> Finding:
    """Thoughts in a place of their own; what is not asked for may well be absent."""
    key, thoughts = answer.thoughts
    if key:
        return Finding("yes", f"{key}: {quote(thoughts)}")
    if _TAGGED.search(answer.text):
        return Finding("wrong", f"thoughts inside the text: {quote(answer.text)}")
    hidden = count(an_object(answer.usage.get("completion_tokens_details")), "reasoning_tokens")
    if hidden:
        return Finding("no", f"{hidden} tokens of thoughts, which are not shown")
    return _otherwise(answer, "no", "the model shows no thoughts unless told to")
