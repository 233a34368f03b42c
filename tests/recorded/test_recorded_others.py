"""Vectors, lists of models and old completions, as recorded, where the provider has such an endpoint."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.resources import Completions
from recorded_judge.comparing import changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from recorded_judge.traffic import Exchange

Json = dict[str, Any]
PARAMETERS = frozenset(inspect.signature(Completions.create).parameters)
#: Keys of a recorded question that OpenAI's endpoint for vectors has too.
VECTORS = ("dimensions", "encoding_format", "user")
FAILURES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    404: openai.NotFoundError,
    422: openai.UnprocessableEntityError,
}


def left_out(exchange: Exchange) -> str | None:
    """Why a line is not judged."""
    path = ((exchange.request or {}).get("path") or "").partition("?")[0]
    if path.endswith(("/api/generate", "/api/show")):
        return f"{path}: OpenAI has no such endpoint"
    if exchange.kind == "completions" and not path.endswith("/completions"):
        return "filed as completions, but it is a feature extraction"
    if exchange.kind == "completions" and "messages" in (exchange.request_body or {}):
        return "filed as completions, but the question is a chat"
    if exchange.kind == "embeddings" and exchange.body.get("object") == "list" and not _asked_for_it(exchange):
        return "vectors in bytes that were not asked for: they are not OpenAI's floats"
    return None


def _asked_for_it(exchange: Exchange) -> bool:
    """Whether vectors in base64 are there because the question says so."""
    packed = any(isinstance(one["embedding"], str) for one in exchange.body["data"])
    return not packed or (exchange.request_body or {}).get("encoding_format") == "base64"


@pytest.mark.rule(203, 204, 221, 253, 266, 282, 289)
def test_the_other_endpoints_say_what_was_recorded(
    other: Exchange, lone_client: Callable[[Exchange], Any], replay: Any
) -> None:
    if reason := left_out(other):
        pytest.skip(reason)
    ask = {"embeddings": vectors, "models": models, "completions": texts}[other.kind]
    replay.log.clear()
    try:
        faults = ask(other, lone_client(other), replay)
    except openai.APIStatusError as error:
        if error.code == "unsupported_endpoint":
            pytest.skip(f"{other.family.name} has no {other.kind}; dragoman says so")
        faults = faults_of_error(other, error)
    else:
        faults += [f"status {other.status}, but nothing was raised"] if other.failed else []
    assert not faults, "\n".join([other.id, *faults])


def faults_of_error(exchange: Exchange, error: openai.APIStatusError) -> list[str]:
    body = exchange.body if isinstance(exchange.body, dict) else {}
    told = body.get("error") or body
    words = told.get("message", "") if isinstance(told, dict) else told
    faults = [] if type(error) is FAILURES.get(exchange.status) else [f"class: got {type(error).__name__}: {error}"]
    return faults if words and words in str(error) else [*faults, f"message: {words!r} is not what {str(error)!r} says"]


def vectors(exchange: Exchange, client: Any, replay: Any) -> list[str]:
    asked = exchange.request_body or {}
    question = asked.get("input", asked.get("inputs", "What do you say?"))
    given = {"encoding_format": "float"} | {key: asked[key] for key in VECTORS if key in asked}
    answer = client.embeddings.create(model=exchange.model, input=question, **given)
    body = exchange.body
    wanted = body.get("embeddings") or [one["embedding"] for one in body["data"]]
    wanted = [one if isinstance(one, str) else [float(number) for number in one] for one in wanted]
    faults = changed(wanted, [one.embedding for one in answer.data], "embeddings")
    faults += changed(list(range(len(wanted))), [one.index for one in answer.data], "indexes")
    faults += changed(body.get("model") or exchange.model, answer.model, "model")
    usage = body.get("usage") or {}
    prompt = usage.get("prompt_tokens") or body.get("prompt_eval_count") or 0
    got = [answer.usage.prompt_tokens, answer.usage.total_tokens]
    faults += changed([prompt, usage.get("total_tokens") or prompt], got, "usage")
    if exchange.request_body is not None:
        sent = replay.log[-1]["body"]
        faults += changed(question, sent.get("input", sent.get("inputs")), "sent")
    return faults


def models(exchange: Exchange, client: Any, replay: Any) -> list[str]:
    body = exchange.body
    listed = body if isinstance(body, list) else body.get("data", body.get("models"))
    page = client.models.list()
    wanted, got = [one.get("id") or one.get("name") for one in listed], [model.id for model in page.data]
    if exchange.family.wire == "mistral":
        wanted, got = (without_aliases(ids, listed) for ids in (wanted, got))
        faults = [] if len(got) == len(page.data) else ["a model is listed under more than one of its names"]
    else:
        faults = []
    faults += changed(wanted, got, "ids")
    faults += [f"errors: {page.errors}" for _ in (1,) if getattr(page, "errors", None)]
    for model in page.data:
        if model.object != "model" or type(model.created) is not int or not isinstance(model.owned_by, str):
            faults.append(f"{model.id} is no model of OpenAI's: {model}")
    return faults


def without_aliases(ids: list[str], listed: list[Json]) -> list[str]:
    """One name for each model: Mistral lists a model once more for every alias."""
    names = {one["id"]: min([one["id"], *one["aliases"]]) for one in listed}
    return list(dict.fromkeys(names[id_] for id_ in ids))


def texts(exchange: Exchange, client: Any, replay: Any) -> list[str]:
    asked = {key: value for key, value in (exchange.request_body or {}).items() if value is not None}
    asked |= asked.pop("extra_body", None) or {}
    known = {key: value for key, value in asked.items() if key in PARAMETERS}
    extra = {key: value for key, value in asked.items() if key not in PARAMETERS}
    answer = client.completions.create(**{**known, "model": exchange.model}, extra_body=extra or None)
    pieces = list(answer) if exchange.streamed else [answer]
    got = joined([choice.to_dict() for piece in pieces for choice in piece.choices])
    recorded = exchange.events() if exchange.streamed else [exchange.body]
    faults = changed(joined([choice for piece in recorded for choice in piece.get("choices") or []]), got, "texts")
    return faults + changed(asked, replay.log[-1]["body"], "sent")


def joined(choices: list[Json]) -> Json:
    """The texts, by the choice's index, and how each ended."""
    found: Json = {}
    for choice in choices:
        text, reason = found.get(str(choice.get("index", 0)), ("", None))
        found[str(choice.get("index", 0))] = (text + (choice.get("text") or ""), choice.get("finish_reason") or reason)
    return {index: list(pair) for index, pair in found.items()}
