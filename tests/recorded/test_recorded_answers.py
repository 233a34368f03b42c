"""Every recorded answer, served to both clients by both roads, is seen as it was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from recorded_judge import anthropic_answers, compatible_answers, ollama_answers, openai_answers
from recorded_judge.comparing import changed, lost
from recorded_judge.expected import Outcome, differences
from recorded_judge.observed import (
    as_json,
    faults_of_body,
    faults_of_chunk,
    faults_of_chunks,
    outcome_of_body,
    outcome_of_chunks,
)
from recorded_judge.traffic import COMPATIBLE, FAMILIES, VARIABLE, Exchange, Family, folder, judged, missing

if TYPE_CHECKING:
    from recorded_judge.roads import Got, Road

#: Fields of a foreign server that are passed on as they are, be they such as OpenAI's own types allow or not.
UNTOUCHED = ("annotations", "audio", "function_call", "logprobs", "service_tier", "system_fingerprint")
READERS = {
    "anthropic": anthropic_answers.expected,
    "compatible": compatible_answers.expected,
    "mistral": compatible_answers.expected,
    "ollama": ollama_answers.expected,
    "openai": openai_answers.expected,
}
#: Characters of a stream that goes one way only.
LONG = 60_000
QUESTION: Any = [{"role": "user", "content": "What do you say?"}]


def left_out(exchange: Exchange) -> str | None:
    """Why an answer is not judged."""
    if exchange.family.accented:
        return compatible_answers.unreadable(exchange)
    if not exchange.streamed and not isinstance(exchange.body, dict):
        return "the body is no JSON object"
    if exchange.family.plain_body and not exchange.streamed and exchange.body.get("object") == "response":
        return "filed as chat, but the body is the answer of another endpoint (Responses)"
    return None


def request_for(exchange: Exchange, *, usage: bool) -> dict[str, Any]:
    request: dict[str, Any] = {"model": exchange.address, "messages": QUESTION}
    request["extra_headers"] = {"x-replay-id": exchange.id}
    if exchange.streamed:
        request["stream"] = True
        if usage:
            request["stream_options"] = {"include_usage": True}
    return request


def journeys(exchange: Exchange, roads: list[Road]) -> list[tuple[Road, bool]]:
    """Roads to try, and whether usage is asked for.

    What is only put straight goes one way, chosen by its id, or two for the two cases of a stream.
    """
    if exchange.family.plain_body:
        # OpenAI sends usage where it was asked for; elsewhere dragoman decides, so both cases are tried.
        return [(road, exchange.wants_usage) for road in roads]
    if not exchange.family.accented:
        return [(road, not road.http) for road in roads]
    number = int(exchange.id[-2:], 16)
    ways = [(roads[number % 4], True), (roads[number // 4 % 4], False)]
    if not exchange.streamed:
        return ways[:1]
    # The longest take most of the time, and say the same thing a thousand times.
    return ways if len(exchange.sse or "") < LONG else ways[number // 16 % 2 :][:1]


@pytest.mark.rule(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 136, 137, 138, 139, 140, 141, 142, 143)
@pytest.mark.rule(145, 146, 148, 150, 151, 152, 153, 154, 155, 158, 161, 162, 192, 194, 196, 198, 199, 200, 210, 212)
@pytest.mark.rule(215, 216, 217, 218, 222, 232, 233, 235, 246, 247, 248, 249, 250, 251, 252, 255, 257, 263, 265, 271)
@pytest.mark.rule(274, 284, 285, 292, 295, 300)
def test_the_client_sees_what_was_recorded(answer: Exchange, roads: Any, request: pytest.FixtureRequest) -> None:
    if reason := left_out(answer):
        pytest.skip(reason)
    want = READERS[answer.family.wire](answer)
    faults = []
    for road, usage in journeys(answer, roads[answer.family]):
        got = road.call(**request_for(answer, usage=usage))
        found = judge_stream(answer, want, got, usage) if answer.streamed else judge_body(answer, want, got)
        faults += [f"{road.name}{', usage' if answer.streamed and usage else ''}: {fault}" for fault in found]
    if answer.family.plain_body and recorded_faults(answer):
        request.node.user_properties.append(("note", "breaks OpenAI's own promises as recorded; passed on unchanged"))
    assert not faults, "\n".join([answer.id, *faults])


def judge_body(exchange: Exchange, want: Outcome, got: Got) -> list[str]:
    body = as_json(got.completion)
    faults = not_recorded(exchange, faults_of_body(body))
    if exchange.family.plain_body and body != exchange.body:
        faults.append(f"the object differs from the recorded one in {changed(exchange.body, body)}")
    seen = outcome_of_body(body)
    if exchange.family.accented:
        want, seen = at_rest(want), at_rest(seen)
        faults += [f"lost: {key}" for key in lost(exchange.body, body)]
    return faults + differences(want, seen)


def judge_stream(exchange: Exchange, want: Outcome, got: Got, usage: bool) -> list[str]:
    chunks = [as_json(chunk) for chunk in got.chunks or []]
    faults = not_recorded(exchange, faults_of_chunks(chunks, usage=usage, whole=want.error is None))
    seen = outcome_of_chunks(chunks, got.error)
    if exchange.family.plain_body:
        recorded = exchange.events()
        if chunks != recorded:
            place = next(
                (n for n, pair in enumerate(zip(recorded, chunks, strict=False)) if pair[0] != pair[1]), len(chunks)
            )
            faults.append(f"chunk {place} of {len(recorded)} differs from the recorded one")
    else:
        seen = at_rest(seen)
        if exchange.family.accented and want.error is None and usage:
            # What is said once stands at the end: in the last chunk, that of the usage if there is one.
            last = [event for event in exchange.events() if event.get("usage") or ended(event)]
            faults += [f"lost: {key}" for key in lost(last[-1:], chunks[-4:])]
        for part in seen.answers.values():
            part.text = part.text or None  # the role chunk's empty text says that text may follow
    if not usage:
        want = Outcome(**{**vars(want), "usage": None})
    return faults + differences(*(comparable(outcome, want.error) for outcome in (want, seen)))


def ended(event: dict[str, Any]) -> bool:
    return any(choice.get("finish_reason") for choice in event.get("choices") or [])


def comparable(outcome: Outcome, error: str | None) -> Outcome:
    """Of a stream that broke off, only what is said at once can be compared: a call's arguments may be cut."""
    if error is not None:
        for answer in outcome.answers.values():
            for call in answer.calls:
                call.arguments, call.value = "", None
    return outcome


def at_rest(seen: Outcome) -> Outcome:
    """An answer without its empty things: no thoughts, no refusal, a legacy call of nothing.

    Beside calls an empty text is not nothing: a reader shows it. Alone it is as good as none.
    """
    for part in seen.answers.values():
        part.text = part.text if part.calls else part.text or ""
        part.reasoning, part.refusal = part.reasoning or None, part.refusal or None
        part.other = {key: value for key, value in part.other.items() if compatible_answers.said(value)}
    return seen


def not_recorded(exchange: Exchange, faults: list[str]) -> list[str]:
    """The faults that the recording does not have itself; to look there takes time."""
    known = recorded_faults(exchange) if faults else []
    return [fault for fault in faults if fault not in known]


def recorded_faults(exchange: Exchange) -> list[str]:
    """What the recording itself breaks; passing it through unchanged is right all the same.

    Of a server with an accent these are only the fields that no rule puts straight.
    """
    if exchange.family.plain_body:
        if exchange.streamed:
            return faults_of_chunks(exchange.events(), usage=None)
        return faults_of_body(exchange.body)
    if exchange.family.wire != "compatible":
        return []
    things = exchange.events() if exchange.streamed else [exchange.body]
    faults = {fault for thing in things for fault in (faults_of_chunk if exchange.streamed else faults_of_body)(thing)}
    return [fault for fault in faults if any(f"{key}:" in fault or f"{key}." in fault for key in UNTOUCHED)]


def test_each_wire_has_a_reader() -> None:
    assert {family.wire for family in FAMILIES} == set(READERS)


@pytest.mark.skipif(folder() is None, reason=f"{VARIABLE} does not name a folder of recordings")
@pytest.mark.parametrize("family", [one for one in FAMILIES if not one.provider], ids=lambda family: family.name)
def test_the_provider_is_found_by_the_prefix_and_by_its_address(family: Family, replay: Any) -> None:
    from dragoman.core import Client

    if family.name == COMPATIBLE:
        pytest.skip("an instance of the base class is found by the name that the caller gives it")
    if reason := missing(family.name):
        pytest.skip(reason)
    exchange = next((x for x in judged() if x.family is family and not x.streamed and not x.failed), None)
    if exchange is None:
        pytest.skip("there is no recorded answer that is no stream")
    want = READERS[family.wire](exchange)
    address = replay.base_url(exchange.id, suffix=family.suffix)
    with Client(default_provider=family.name, base_url=address, api_key="test-key", max_retries=0) as client:
        # A router's models may begin with the name of another plugin: they need the prefix.
        bare = [] if missing(exchange.model.partition("/")[0]) is None else [exchange.model]
        for model in (*bare, f"{family.name}/{exchange.model}"):
            completion = client.chat.completions.create(model=model, messages=QUESTION)
            assert differences(at_rest(want), at_rest(outcome_of_body(as_json(completion)))) == []
            assert replay.log[-1]["body"]["model"] == exchange.model
