"""Every recorded Anthropic answer, kept as JSON and sent back as history, is on the wire as it was received."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from recorded_judge.anthropic_answers import message_of
from recorded_judge.comparing import changed, same_bytes
from recorded_judge.observed import as_json

if TYPE_CHECKING:
    from recorded_judge.roads import Road, SyncRoad
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]
QUESTION = {"role": "user", "content": "What do you say?"}
THANKS = {"role": "user", "content": "Go on."}
#: What the carry keeps beside the blocks, where the provider sent it.
KEPT = ("container", "stop_details", "stop_reason", "stop_sequence", "usage")


def kept_message(exchange: Exchange, reason: str | None, road: SyncRoad) -> Json:
    """The message as a program keeps it: dumped, written as JSON, read again."""
    completions: Any = road.client.chat.completions
    request = {"model": exchange.model, "messages": [QUESTION], "extra_headers": {"x-replay-id": exchange.id}}
    if not exchange.streamed:
        kept = completions.create(**request).choices[0].message.model_dump(exclude_none=True)
    elif reason in {"end_turn", "tool_use", "stop_sequence"}:
        with completions.stream(**request) as stream:
            kept = stream.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    else:
        # The SDK's accumulator raises for these; programs put the chunks together themselves.
        with completions.create(**request, stream=True) as chunks:
            kept = joined([as_json(chunk) for chunk in chunks])
    message: Json = json.loads(json.dumps(kept))
    return message


def joined(chunks: list[Json]) -> Json:
    """One message out of its deltas: texts are added up, calls by their index, all else is taken as it comes."""
    message: Json = {}
    for delta in (choice["delta"] for chunk in chunks for choice in chunk["choices"]):
        for key, value in delta.items():
            if key == "tool_calls":
                join_calls(message.setdefault(key, []), value)
            elif isinstance(value, str) and key != "role":
                message[key] = (message.get(key) or "") + value
            else:
                message[key] = value
    return message


def join_calls(calls: list[Json], parts: list[Json]) -> None:
    for part in parts:
        if part["index"] == len(calls):
            calls.append({key: value for key, value in part.items() if key != "index"})
        else:
            calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]


def results_for(message: Json) -> list[Json]:
    return [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in message.get("tool_calls") or []]


@pytest.mark.rule(34, 127, 130, 135, 144, 147, 149, 153, 155)
def test_the_answer_goes_back_byte_for_byte(carried: Exchange, roads: dict[str, list[Road]], replay: Any) -> None:
    recorded, error = message_of(carried)
    if error:
        pytest.skip("the recorded stream broke off: there is no answer to send back")
    # Anthropic refuses an empty text, even its own.
    blocks = [block for block in recorded["content"] if block != {"type": "text", "text": ""}]
    ways = roads[carried.family.provider]
    message = kept_message(carried, recorded.get("stop_reason"), ways[0])
    history = [QUESTION, message, *results_for(message), THANKS]
    road = ways[int(carried.id[-1], 16) % len(ways)]
    replay.log.clear()
    road.call(model=carried.model, messages=history, stream=carried.streamed, extra_headers={"x-replay-id": carried.id})
    sent = replay.log[-1]["body"]["messages"]
    back = [turn["content"] for turn in sent if turn["role"] == "assistant"]
    if not blocks:
        assert back == [], f"{carried.id}: an answer without content left {back}"
        return
    assert len(back) == 1, f"{carried.id}: {len(back)} assistant turns on the wire"
    faults = changed(blocks, back[0])
    if not faults and not same_bytes(blocks, back[0]):
        faults = ["the blocks' keys are in another order"]
    data = message["extra_content"]["anthropic"]
    for key in KEPT:
        if recorded.get(key) is not None:
            faults += changed(recorded[key], data.get(key), f"carry.{key}")
    assert not faults, "\n".join([carried.id, *faults])
