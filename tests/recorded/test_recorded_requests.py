"""Every recorded request, written for OpenAI, reaches the provider as it was recorded."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.resources.chat import Completions
from recorded_judge.anthropic_requests import (
    NotExpressible,
    canonical,
    chat_request,
    ordered,
    orphans,
    with_media,
)
from recorded_judge.comparing import changed, same_bytes

from dragoman.core import DragomanError, InvalidRequest

if TYPE_CHECKING:
    from recorded_judge.roads import Road
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]
OPENAI_PARAMETERS = frozenset(inspect.signature(Completions.create).parameters)


@pytest.mark.rule(21, 22, 28, 34, 39, 41, 44, 45, 46, 51, 52, 53, 54, 61, 67, 71, 72, 73, 80, 81, 84, 88, 92, 95, 98)
@pytest.mark.rule(104, 112, 115, 117, 119, 122, 126, 127, 222, 227)
def test_the_wire_has_what_was_recorded(asked: Exchange, roads: dict[str, list[Road]], replay: Any) -> None:
    body = asked.request_body
    if body is None:
        pytest.skip("the recording has no request")
    ways = roads[asked.family.provider]
    road = ways[int(asked.id[-1], 16) % len(ways)]
    try:
        plain = asked.family.plain_body
        request = openai_request(asked) if plain else chat_request(with_media(body), Holder(replay, ways[0]))
    except NotExpressible as reason:
        pytest.skip(str(reason))
    headers = {"x-replay-id": asked.id, **beta_headers(asked)}
    replay.log.clear()
    try:
        # What comes back was recorded too, and is judged elsewhere; refusals are part of it.
        with contextlib.suppress(openai.APIError):
            road.call(**request, extra_headers=headers)
    except DragomanError as refusal:
        if asked.failed:
            pytest.skip(
                f"the provider refused this request; so does dragoman, before it is sent ({type(refusal).__name__})"
            )
        if isinstance(refusal, InvalidRequest) and orphans(body):
            pytest.skip("a result without its call, as recorded: dragoman refuses it, though an old model let it pass")
        raise
    assert replay.log, f"{asked.id}: nothing was sent"
    sent = replay.log[-1]
    faults = changed_openai(asked, sent["body"]) if plain else changed_anthropic(asked, sent)
    if asked.failed and faults and all(".input_schema" in fault for fault in faults):
        pytest.skip("the provider refused this tool schema; dragoman sends it in a form that is accepted")
    assert not faults, "\n".join([f"{asked.id} ({road.name})", *faults])


def openai_request(exchange: Exchange) -> Json:
    body = {"model": exchange.model, **(exchange.request_body or {})}
    request = {key: value for key, value in body.items() if key in OPENAI_PARAMETERS}
    extra = {key: value for key, value in body.items() if key not in OPENAI_PARAMETERS}
    return {**request, "extra_body": extra} if extra else request


def changed_openai(exchange: Exchange, sent: Json) -> list[str]:
    return changed({"model": exchange.model, **(exchange.request_body or {})}, sent)


def beta_headers(exchange: Exchange) -> dict[str, str]:
    recorded = (exchange.request or {}).get("headers") or {}
    return {"anthropic-beta": recorded["anthropic-beta"]} if "anthropic-beta" in recorded else {}


def changed_anthropic(exchange: Exchange, sent: Json) -> list[str]:
    want, got = canonical(with_media(exchange.request_body or {})), canonical(sent["body"])
    faults = changed(want, got)
    if not faults and not same_bytes(ordered(want), ordered(got)):
        faults = ["the keys of an input or a schema are in another order"]
    sampling = {"temperature", "top_p", "top_k"} & got.keys()
    if sampling and sent["headers"].get("anthropic-version") != "2023-06-01":
        faults.append(f"{sorted(sampling)} sent with anthropic-version {sent['headers'].get('anthropic-version')}")
    for name, value in beta_headers(exchange).items():
        missing = set(value.split(",")) - set(sent["headers"].get(name, "").replace(" ", "").split(","))
        faults += [f"{name} without {part}" for part in sorted(missing)]
    return faults


class Holder:
    """Puts recorded blocks into a client's hands: served as an answer, read by the client, kept as JSON."""

    def __init__(self, replay: Any, road: Any) -> None:
        self.replay = replay
        self.client = road.client

    def __call__(self, blocks: list[Json], paused: bool) -> Json:
        text = json.dumps(blocks)
        key = "held-" + hashlib.sha256(text.encode()).hexdigest()[:10]
        reason = "pause_turn" if paused else "end_turn"
        answer = {"id": "msg_held", "type": "message", "role": "assistant", "model": "claude", "content": blocks}
        answer |= {"stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        response = {"status": 200, "headers": {"content-type": "application/json"}, "body": answer, "sse": None}
        self.replay.exchanges[key] = {"id": key, "response": response}
        completion = self.client.chat.completions.create(
            model="claude-sonnet-4-6",
            messages=[{"role": "user", "content": "What do you say?"}],
            extra_headers={"x-replay-id": key},
        )
        message: Json = json.loads(json.dumps(completion.choices[0].message.model_dump(exclude_none=True)))
        return message
