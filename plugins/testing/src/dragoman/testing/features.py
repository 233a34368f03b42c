"""How a tape shows a feature: what its request asks for, what the vendor is sent of it, and what its answer has.

A feature that is asked for must be found in the vendor's request: its texts stand there (`texts`), and a request
without it (`without`) would be another one there too. So a translator that loses it shows nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.testing.assembling import gist_of_answer, gist_of_chunks
from dragoman.testing.tapes import CHAT, MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json
    from dragoman.testing.playing import Outcome

_SEVERAL = 2


def _nothing(_: Json) -> list[str]:
    return []


def _always(_: Outcome, request: Json) -> bool:
    del request
    return True


@dataclass(frozen=True)
class Feature:
    """One feature. `params`: the parameters that are refused or adapted because of it.

    `told(outcome, request)`: whether the answer shows it too. `without`: the same request, not asking for it.
    """

    name: str
    asked: Callable[[Json], bool]
    told: Callable[[Outcome, Json], bool] = _always
    texts: Callable[[Json], list[str]] = _nothing
    without: Callable[[Json], Json] | None = None
    params: tuple[str, ...] = ()
    endpoint: str = CHAT


def gist(outcome: Outcome) -> Json:
    """An answer or a stream, put together."""
    return gist_of_chunks(outcome.chunks) if outcome.chunks else gist_of_answer(outcome.response or {})


def calls(outcome: Outcome) -> list[Json]:
    """Tool calls of the first choice."""
    return [call for choice in gist(outcome)["choices"][:1] for call in choice.get("tool_calls") or ()]


def names(outcome: Outcome) -> list[str]:
    """Names of the tools that are called."""
    return [call["function"]["name"] for call in calls(outcome) if "function" in call]


def tools(request: Json) -> list[str]:
    """Names of the functions that are offered."""
    return [tool["function"]["name"] for tool in request.get("tools") or () if "function" in tool]


def _messages(request: Json, *roles: str) -> Iterator[Json]:
    return (message for message in request.get("messages") or () if message.get("role") in roles)


def _parts(request: Json, kind: str) -> list[Json]:
    contents = [message.get("content") for message in request.get("messages") or ()]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return [part for part in parts if isinstance(part, dict) and part.get("type") == kind]


def _texts(messages: Iterator[Json]) -> list[str]:
    found = []
    for message in messages:
        content = message.get("content")
        parts: list[Any] = content if isinstance(content, list) else [{"text": content}]
        found += [part["text"].strip() for part in parts if isinstance(part.get("text"), str)]
    return [text for text in found if text]


def _keys(*keys: str) -> Callable[[Json], Json]:
    return lambda request: {key: value for key, value in request.items() if key not in keys}


def _roles(*roles: str) -> Callable[[Json], Json]:
    def without(request: Json) -> Json:
        return {**request, "messages": [one for one in request["messages"] if one.get("role") not in roles]}

    return without


def _kinds(kind: str) -> Callable[[Json], Json]:
    def without(request: Json) -> Json:
        return {**request, "messages": [_without_parts(message, kind) for message in request["messages"]]}

    return without


def _without_parts(message: Json, kind: str) -> Json:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [part for part in content if part.get("type") != kind]}


def _data(url: str) -> str:
    """What a vendor is sent of an address: the data within it, where they are."""
    return url.partition(";base64,")[2] or url


def _images(request: Json) -> list[str]:
    return [_data(part["image_url"]["url"]) for part in _parts(request, "image_url")]


def _documents(request: Json) -> list[str]:
    files = [part["file"] for part in _parts(request, "file")]
    return [_data(file.get("file_data") or file.get("file_id") or "") for file in files]


def _thoughts(request: Json) -> list[str]:
    found = [message.get("reasoning_content") for message in _messages(request, "assistant")]
    return [text for text in found if isinstance(text, str) and text]


def _stops(request: Json) -> list[str]:
    stop = request.get("stop") or []
    return [stop] if isinstance(stop, str) else stop


def named(request: Json) -> str:
    """The tool that `tool_choice` names, where there are others to choose from; else nothing."""
    choice = request.get("tool_choice")
    name = choice.get("function", {}).get("name", "") if isinstance(choice, dict) else ""
    return name if len(tools(request)) >= _SEVERAL else ""


def _form(request: Json) -> Any:
    return (request.get("response_format") or {}).get("type")


def _schema_words(request: Json) -> list[str]:
    schema = request["response_format"].get("json_schema", {}).get("schema") or {}
    return [*schema.get("properties", {})]


def _inputs(request: Json) -> list[str]:
    given: Any = request.get("input")
    return [text for text in (given if isinstance(given, list) else [given]) if isinstance(text, str)]


def _is_json(outcome: Outcome, request: Json) -> bool:
    del request
    for choice in gist(outcome)["choices"]:
        try:
            if not isinstance(json.loads(choice.get("content") or ""), dict):
                return False
        except ValueError:
            return False
    return True


def _has_logprobs(outcome: Outcome) -> bool:
    answers = outcome.chunks or [outcome.response or {}]
    choices = [choice for answer in answers for choice in answer.get("choices") or ()]
    return any((choice.get("logprobs") or {}).get("content") for choice in choices)


def _has_text(outcome: Outcome, request: Json) -> bool:
    del request
    return any(choice.get("content") for choice in gist(outcome)["choices"])


def _has_thoughts(outcome: Outcome, request: Json) -> bool:
    del request
    return any(choice.get("reasoning_content") for choice in gist(outcome)["choices"])


def _data_of(outcome: Outcome, key: str) -> bool:
    data = (outcome.response or {}).get("data") or []
    return bool(data) and all(one.get(key) for one in data)


FEATURES = (
    Feature("chat", lambda request: not request.get("stream"), _has_text),
    Feature("stream", lambda request: request.get("stream") is True, _has_text),
    Feature(
        "system",
        lambda request: any(_messages(request, "system", "developer")),
        texts=lambda request: _texts(_messages(request, "system", "developer")),
        without=_roles("system", "developer"),
        params=("messages",),
    ),
    Feature(
        "tools",
        lambda request: bool(tools(request)),
        lambda outcome, request: bool(names(outcome)) and {*names(outcome)} <= {*tools(request)},
        texts=tools,
        without=_keys("tools", "tool_choice", "parallel_tool_calls"),
        params=("tools",),
    ),
    Feature(
        "parallel_tool_calls",
        lambda request: bool(tools(request)),
        lambda outcome, _: len(names(outcome)) >= _SEVERAL,
        texts=tools,
        params=("parallel_tool_calls",),
    ),
    Feature(
        "tool_results",
        lambda request: any(_messages(request, "tool")),
        texts=lambda request: _texts(_messages(request, "tool")),
        without=_roles("tool"),
        params=("messages",),
    ),
    Feature(
        "tool_choice_named",
        lambda request: bool(named(request)),
        lambda outcome, request: {*names(outcome)} == {named(request)},
        without=_keys("tool_choice"),
        params=("tool_choice",),
    ),
    Feature(
        "tool_choice_required",
        lambda request: request.get("tool_choice") == "required",
        lambda outcome, _: bool(names(outcome)),
        without=_keys("tool_choice"),
        params=("tool_choice",),
    ),
    Feature(
        "json_object",
        lambda request: _form(request) == "json_object",
        _is_json,
        without=_keys("response_format"),
        params=("response_format",),
    ),
    Feature(
        "json_schema",
        lambda request: _form(request) == "json_schema",
        _is_json,
        texts=_schema_words,
        without=_keys("response_format"),
        params=("response_format",),
    ),
    Feature(
        "images",
        lambda request: bool(_parts(request, "image_url")),
        texts=_images,
        without=_kinds("image_url"),
        params=("messages",),
    ),
    Feature(
        "documents",
        lambda request: bool(_parts(request, "file")),
        texts=_documents,
        without=_kinds("file"),
        params=("messages",),
    ),
    Feature("reasoning", lambda _: True, _has_thoughts),
    Feature("reasoning_back", lambda request: bool(_thoughts(request)), texts=_thoughts),
    Feature(
        "stream_usage",
        lambda request: bool((request.get("stream_options") or {}).get("include_usage")),
        lambda outcome, _: bool(gist(outcome)["usage"]),
        params=("stream_options",),
    ),
    Feature("stop", lambda request: bool(_stops(request)), texts=_stops, without=_keys("stop"), params=("stop",)),
    Feature("seed", lambda request: request.get("seed") is not None, without=_keys("seed"), params=("seed",)),
    Feature(
        "n",
        lambda request: (request.get("n") or 1) >= _SEVERAL,
        lambda outcome, request: len(gist(outcome)["choices"]) == request["n"],
        without=_keys("n"),
        params=("n",),
    ),
    Feature(
        "logprobs",
        lambda request: bool(request.get("logprobs")),
        lambda outcome, _: _has_logprobs(outcome),
        without=_keys("logprobs", "top_logprobs"),
        params=("logprobs", "top_logprobs"),
    ),
    Feature(
        "embeddings",
        lambda _: True,
        lambda outcome, _: _data_of(outcome, "embedding"),
        texts=_inputs,
        endpoint="embeddings",
    ),
    Feature("models", lambda _: True, lambda outcome, _: _data_of(outcome, "id"), endpoint=MODELS),
)
