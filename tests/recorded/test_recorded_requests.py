"""Every recorded request, written for OpenAI, reaches the provider as it was recorded."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from recorded_judge import anthropic_requests, compatible_requests, mistral_requests, ollama_requests
from recorded_judge.anthropic_requests import canonical, ordered, orphans
from recorded_judge.comparing import changed, same_bytes
from recorded_judge.inverse import NotExpressible, with_media

from dragoman.core import DragomanError, InvalidRequest, UnsupportedParameter

if TYPE_CHECKING:
    from recorded_judge.roads import Road
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]


@pytest.mark.rule(21, 22, 28, 34, 39, 41, 44, 45, 46, 51, 52, 53, 54, 61, 67, 71, 72, 73, 80, 81, 84, 88, 92, 95, 98)
@pytest.mark.rule(104, 112, 115, 117, 119, 122, 126, 127, 173, 174, 182, 185, 187, 188, 189, 190, 193, 207, 208, 209)
@pytest.mark.rule(222, 226, 227, 228, 237, 239, 242, 245, 255, 264)
def test_the_wire_has_what_was_recorded(asked: Exchange, roads: Any, replay: Any) -> None:
    body = asked.request_body
    if body is None:
        pytest.skip("the recording has no request")
    ways = roads[asked.family]
    road = ways[int(asked.id[-1], 16) % len(ways)]
    try:
        request = openai_request(asked, ways[0], replay)
    except NotExpressible as reason:
        pytest.skip(str(reason))
    request["model"] = asked.address
    # What comes back is judged elsewhere; a 404 is quickest. Anthropic's next question may depend on it.
    answered = asked.family.wire == "anthropic"
    headers = {"x-replay-id": asked.id if answered else "nothing", **beta_headers(asked)}
    replay.log.clear()
    try:
        with contextlib.suppress(openai.APIError):
            road.call(**request, extra_headers=headers)
    except DragomanError as refusal:
        if why := rightly_refused(asked, refusal):
            pytest.skip(why)
        raise
    assert replay.log, f"{asked.id}: nothing was sent"
    faults = JUDGES[asked.family.wire](asked, replay.log[-1])
    if asked.failed and faults and all(".input_schema" in fault for fault in faults):
        pytest.skip("the provider refused this tool schema; dragoman sends it in a form that is accepted")
    assert not faults, "\n".join([f"{asked.id} ({road.name})", *faults])


def openai_request(exchange: Exchange, road: Road, replay: Any) -> Json:
    """Keyword arguments of `create` that mean the recorded request."""
    match exchange.family.wire:
        case "anthropic":
            body = with_media(exchange.request_body or {})
            return anthropic_requests.chat_request(body, AnthropicHolder(replay, road, exchange))
        case "mistral":
            return mistral_requests.request_of(exchange, MistralHolder(replay, road, exchange))
        case "ollama":
            return ollama_requests.request_of(exchange)
        case "compatible":
            return compatible_requests.request_of(exchange)
    return compatible_requests.in_two({"model": exchange.model, **(exchange.request_body or {})})


def rightly_refused(exchange: Exchange, refusal: DragomanError) -> str | None:
    """Why it is right that this request was not sent; None if it is not."""
    if exchange.failed:
        return f"the provider refused this request; so does dragoman, before it is sent ({type(refusal).__name__})"
    if exchange.family.wire == "anthropic" and isinstance(refusal, InvalidRequest):
        if orphans(exchange.request_body or {}):
            return "a result without its call, as recorded: dragoman refuses it, though an old model let it pass"
    elif isinstance(refusal, UnsupportedParameter) and compatible_requests.may_refuse(exchange, refusal.param):
        return f"{exchange.family.name} takes {refusal.param} without any effect; dragoman refuses it"
    return None


def changed_openai(exchange: Exchange, sent: Json) -> list[str]:
    return changed({"model": exchange.model, **(exchange.request_body or {})}, sent["body"])


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


JUDGES = {
    "anthropic": changed_anthropic,
    "compatible": compatible_requests.faults,
    "mistral": mistral_requests.faults,
    "ollama": ollama_requests.faults,
    "openai": changed_openai,
}


class Holder:
    """Puts recorded content into a client's hands: served as an answer, read by the client, kept as JSON."""

    def __init__(self, replay: Any, road: Any, exchange: Exchange) -> None:
        self.replay = replay
        self.client = road.client
        self.model = exchange.address

    def hold(self, answer: Json) -> Json:
        key = "held-" + hashlib.sha256(json.dumps(answer).encode()).hexdigest()[:10]
        response = {"status": 200, "headers": {"content-type": "application/json"}, "body": answer, "sse": None}
        self.replay.exchanges[key] = {"id": key, "response": response}
        completion = self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": "What do you say?"}],
            extra_headers={"x-replay-id": key},
        )
        message: Json = json.loads(json.dumps(completion.choices[0].message.model_dump(exclude_none=True)))
        return message


class AnthropicHolder(Holder):
    def __call__(self, blocks: list[Json], paused: bool) -> Json:
        answer: Json = {"id": "msg_held", "type": "message", "role": "assistant", "model": "claude", "content": blocks}
        answer |= {"stop_reason": "pause_turn" if paused else "end_turn", "stop_sequence": None}
        return self.hold({**answer, "usage": {"input_tokens": 1, "output_tokens": 1}})


class MistralHolder(Holder):
    def __call__(self, content: list[Json]) -> Json:
        message = {"role": "assistant", "content": content, "tool_calls": None}
        answer: Json = {"id": "held", "object": "chat.completion", "created": 1, "model": "mistral"}
        answer["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
        return self.hold({**answer, "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
