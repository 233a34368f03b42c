"""What each provider does with each parameter of a chat request: found out by asking it, shown in docs/parameters.md.

    python tests/parameters.py --write

Every field of the installed SDK's request type has a value here that means something. A field that a later SDK adds has
none, and the test that compares the two fails until somebody decides about it.
"""

from __future__ import annotations

import copy
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

from dragoman.core import Call, DragomanWarning, Provider, UnsupportedParameter
from dragoman.core.plugins import plugins
from dragoman.core.policy import HINTS, forget_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "parameters.md"
HEAD = """\
# What happens to each parameter

Found out by asking each provider's translator (`python tests/parameters.py --write` makes this page, and a test
compares it). *sent*: as it is; *translated*: the same in the vendor's words; *refused*: `UnsupportedParameter` before
any network call, or, after the arrow, what `on_unsupported="adapt"` does instead; *hint*: without effect on the answer,
left out where there is no place for it.

"""
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA}}
#: A value for each parameter that does not mean the same as leaving it out.
VALUES: dict[str, Any] = {
    "audio": {"voice": "alloy", "format": "wav"},
    "frequency_penalty": 0.5,
    "function_call": {"name": "look"},
    "functions": [TOOL["function"]],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 321,
    "max_tokens": 123,
    "messages": [
        {"role": "developer", "content": "briefly"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ],
    "metadata": {"team": "search"},
    "modalities": ["text", "audio"],
    "model": "another-model",
    "moderation": {"model": "omni-moderation-latest"},
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.5,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "high",
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
    "safety_identifier": "u-1",
    "seed": 7,
    "service_tier": "priority",
    "stop": ["END"],
    "store": True,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.3,
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "tools": [TOOL],
    "top_logprobs": 3,
    "top_p": 0.4,
    "user": "u-2",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}
#: What a parameter needs beside it to make sense.
COMPANIONS: dict[str, dict[str, Any]] = {
    "function_call": {"functions": VALUES["functions"]},
    "tool_choice": {"tools": VALUES["tools"]},
    "parallel_tool_calls": {"tools": VALUES["tools"]},
    "stream_options": {"stream": True},
}
#: A model of each provider's, where its translator looks at the model.
MODELS: dict[str, tuple[str, ...]] = {
    "anthropic": ("claude-sonnet-4-5", "claude-opus-4-8", "claude-fable-5-1"),
    "openai": ("gpt-4.1", "o3"),
}


def fields() -> frozenset[str]:
    """Every field of the installed SDK's request type."""
    return frozenset(CompletionCreateParamsStreaming.__annotations__)


def columns() -> Iterator[tuple[str, str, Provider]]:
    """(heading, model, provider) for every installed provider."""
    for name in sorted(plugins().providers()):
        provider = plugins().provider(name)(api_key="k")
        for model in MODELS.get(name, ("demo",)):
            yield f"{name} `{model}`" if name in MODELS else name, model, provider


def outcome(provider: Provider, model: str, param: str, policy: Any) -> str:
    """Ask the translator: sent, translated, adapted, refused, hint, dropped; "lost" is what must never be."""
    base = {"model": model, "messages": [{"role": "user", "content": "hi"}], **COMPANIONS.get(param, {})}
    request = {**base, param: VALUES[param]}
    before = _encode(provider, base, "ignore")[0]
    try:
        body, call = _encode(provider, request, policy)
    except UnsupportedParameter as error:
        return "refused" if _names(error.param, param) else f"lost: blamed on {error.param}"
    if adapted := [done for key, done in call.ledger.adapted.items() if _names(key, param)]:
        return f"adapted: {'; '.join(adapted)}"
    if any(_names(key, param) for key in call.ledger.dropped):
        return "left out" if body == before else "adapted: left out in part"
    if param in body and body[param] == VALUES[param] and before.get(param) != body[param]:
        return "sent"
    if body != before:
        return "translated"
    return "hint" if param in HINTS else "lost"


def _names(key: str, param: str) -> bool:
    """Whether a ledger's or an error's key is the parameter, or a part of it (`tools[0].function.strict`)."""
    return re.split(r"[.\[]", key)[0] == param


def _encode(provider: Provider, request: dict[str, Any], policy: Any) -> tuple[dict[str, Any], Call]:
    call = Call(
        provider=provider.name, model=request["model"], request=copy.deepcopy(request), on_unsupported=policy, created=1
    )
    forget_warnings()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DragomanWarning)
        wire = provider.encode(call)
    return wire.body or {}, call


def page() -> str:
    """The page's text."""
    found = list(columns())
    lines = ["| parameter | " + " | ".join(heading for heading, _, _ in found) + " |", "|---|" + "---|" * len(found)]
    for param in sorted(fields()):
        cells = [_cell(provider, model, param) for _, model, provider in found]
        lines.append(f"| `{param}` | " + " | ".join(cells) + " |")
    return HEAD + "\n".join(lines) + "\n"


def _cell(provider: Provider, model: str, param: str) -> str:
    first = outcome(provider, model, param, "raise")
    if first != "refused":
        return first
    return f"refused → {outcome(provider, model, param, 'adapt').removeprefix('adapted: ')}"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
