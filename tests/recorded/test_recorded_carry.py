"""Every recorded answer, kept as JSON and sent back as history, reaches its provider as it was received."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from recorded_judge import anthropic_answers, compatible_answers, compatible_requests, mistral_history, ollama_answers
from recorded_judge.comparing import changed, same_bytes
from recorded_judge.expected import ANYTHING
from recorded_judge.observed import as_json

if TYPE_CHECKING:
    from recorded_judge.expected import Answer, Outcome
    from recorded_judge.roads import SyncRoad
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]
QUESTION = {"role": "user", "content": "What do you say?"}
THANKS = {"role": "user", "content": "Go on."}
#: What Anthropic's carry keeps beside the blocks, where the provider sent it.
KEPT = ("container", "stop_details", "stop_reason", "stop_sequence", "usage")
#: Events of a stream that the SDK's accumulator takes too much time for: it copies the message with each.
LONG = 100
READERS = {
    "compatible": compatible_answers.expected,
    "mistral": compatible_answers.expected,
    "ollama": ollama_answers.expected,
}


def kept_message(exchange: Exchange, road: SyncRoad, *, accumulated: bool) -> Json:
    """The message as a program keeps it: dumped, written as JSON, read again.

    `accumulated`: a stream is put together by the SDK's accumulator, which raises for answers that were cut;
    programs put the chunks of those together themselves.
    """
    completions: Any = road.client.chat.completions
    request = {"model": exchange.address, "messages": [QUESTION], "extra_headers": {"x-replay-id": exchange.id}}
    if not exchange.streamed:
        kept = completions.create(**request).choices[0].message.model_dump(exclude_none=True)
    elif accumulated:
        with completions.stream(**request) as stream:
            kept = stream.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    else:
        with completions.create(**request, stream=True) as chunks:
            kept = joined([as_json(chunk) for chunk in chunks])
    message: Json = json.loads(json.dumps(kept))
    return message


def joined(chunks: list[Json]) -> Json:
    """One message out of its deltas: texts are added up, calls by their index, all else is taken as it comes."""
    message: Json = {}
    for delta in (choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == 0):
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


def assistants_sent(exchange: Exchange, ways: Any, replay: Any, message: Json, after: list[Json]) -> list[Json]:
    """The assistant's turns on the wire when the message is sent back, by a road that the line's id chooses."""
    road = ways[int(exchange.id[-1], 16) % len(ways)]
    replay.log.clear()
    # What comes back does not matter here; a 404 is quickest.
    headers = {"x-replay-id": "nothing"}
    with contextlib.suppress(openai.NotFoundError):
        road.call(
            model=exchange.address,
            messages=[QUESTION, message, *after],
            stream=exchange.streamed,
            extra_headers=headers,
        )
    return [turn for turn in replay.log[-1]["body"]["messages"] if turn["role"] == "assistant"]


@pytest.mark.rule(34, 127, 130, 135, 144, 147, 149, 153, 155, 173, 174, 193, 227, 228, 242, 251, 255)
def test_the_answer_goes_back_as_it_was_received(carried: Exchange, roads: Any, replay: Any) -> None:
    ways = roads[carried.family]
    judge = judge_anthropic if carried.family.wire == "anthropic" else judge_accented
    faults = judge(carried, ways, replay)
    assert not faults, "\n".join([carried.id, *faults])


def judge_anthropic(exchange: Exchange, ways: Any, replay: Any) -> list[str]:
    """The blocks are on the wire byte for byte."""
    recorded, error = anthropic_answers.message_of(exchange)
    if error:
        pytest.skip("the recorded stream broke off: there is no answer to send back")
    # Anthropic refuses an empty text, even its own.
    blocks = [block for block in recorded["content"] if block != {"type": "text", "text": ""}]
    reason = recorded.get("stop_reason")
    message = kept_message(exchange, ways[0], accumulated=reason in {"end_turn", "tool_use", "stop_sequence"})
    # The model goes on from a paused answer that is last; a search in it that has no result must not be talked over.
    following = [] if reason == "pause_turn" else [*results_for(message), THANKS]
    sent = assistants_sent(exchange, ways, replay, message, following)
    back = [turn["content"] for turn in sent]
    if not blocks:
        return [f"an answer without content left {back}"] if back else []
    if len(back) != 1:
        return [f"{len(back)} assistant turns on the wire"]
    faults = changed(blocks, back[0])
    if not faults and not same_bytes(blocks, back[0]):
        faults = ["the blocks' keys are in another order"]
    data = message["extra_content"]["anthropic"]
    for key in KEPT:
        if recorded.get(key) is not None:
            faults += changed(recorded[key], data.get(key), f"carry.{key}")
    return faults


def judge_accented(exchange: Exchange, ways: Any, replay: Any) -> list[str]:
    """Text, calls and, where the server wants them back, thoughts are on the wire; nothing of a peer's is."""
    if reason := compatible_answers.unreadable(exchange):
        pytest.skip(reason)
    want: Outcome = READERS[exchange.family.wire](exchange)
    if want.error or 0 not in want.answers:
        pytest.skip("the recorded stream broke off: there is no answer to send back")
    answer = want.answers[0]
    short = answer.finish != "length" and len(want.answers) == 1 and len(exchange.events()) < LONG
    message = kept_message(exchange, ways[0], accumulated=short)
    # A user's word right behind a result is not every server's taste.
    after = results_for(message) or [THANKS]
    sent = assistants_sent(exchange, ways, replay, message, after)
    if len(sent) != 1:
        empty = exchange.family.wire == "mistral" and not answer.text and not answer.calls
        return [] if empty and not sent else [f"{len(sent)} assistant turns on the wire"]
    match exchange.family.wire:
        case "mistral":
            return mistral_history.faults(exchange, answer, message, sent[0])
        case "ollama":
            return faults_of_native(answer, sent[0])
    # No rule says what becomes of keys that only this server has: it sent them, and may have them back.
    known = {"role", "content", "refusal", "tool_calls", "annotations"} | {*compatible_requests.THOUGHTS}
    back = {key: value for key, value in sent[0].items() if key in known or key in compatible_requests.PEERS}
    return compatible_requests.faults_of_message(openai_message(answer, message), back, exchange.family.name, "")


def openai_message(answer: Answer, message: Json) -> Json:
    """What OpenAI's wire shall have of the answer. Ids that the vendor did not send are the kept message's."""
    found: Json = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
    if answer.calls:
        found["tool_calls"] = [
            {"id": kept["id"], "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for kept, call in zip(message["tool_calls"], answer.calls, strict=True)
        ]
        for kept, call in zip(message["tool_calls"], found["tool_calls"], strict=True):
            if call["function"]["arguments"] == ANYTHING:
                call["function"]["arguments"] = kept["function"]["arguments"]
    if answer.reasoning:
        found["reasoning_content"] = answer.reasoning
    return found


def faults_of_native(answer: Answer, sent: Json) -> list[str]:
    """Ollama's own wire: thoughts have a key of their own, arguments are an object."""
    wanted: Json = {"role": "assistant", "content": answer.text or "", "thinking": answer.reasoning}
    wanted["tool_calls"] = [{"function": {"name": call.name, "arguments": call.value}} for call in answer.calls]
    calls = [{"function": call["function"]} for call in sent.get("tool_calls") or []]
    got = {"content": "", "thinking": None, **sent, "tool_calls": calls}
    return changed(wanted, got)
