"""Every recorded answer, served to both clients by both roads, is seen as it was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from recorded_judge import anthropic_answers, openai_answers
from recorded_judge.comparing import changed
from recorded_judge.expected import Outcome, differences
from recorded_judge.observed import as_json, faults_of_body, faults_of_chunks, outcome_of_body, outcome_of_chunks
from recorded_judge.traffic import FAMILIES, VARIABLE, Exchange, Family, folder, judged

if TYPE_CHECKING:
    from recorded_judge.roads import Got, Road

READERS = {"anthropic": anthropic_answers.expected, "openai": openai_answers.expected}
QUESTION = [{"role": "user", "content": "What do you say?"}]


def left_out(exchange: Exchange) -> str | None:
    """Why an answer is not judged."""
    if not exchange.streamed and not isinstance(exchange.body, dict):
        return "the body is no JSON object"
    if exchange.family.plain_body and not exchange.streamed and exchange.body.get("object") == "response":
        return "filed as chat, but the body is the answer of another endpoint (Responses)"
    return None


def request_for(exchange: Exchange, *, usage: bool) -> dict[str, Any]:
    request: dict[str, Any] = {"model": exchange.model, "messages": QUESTION}
    request["extra_headers"] = {"x-replay-id": exchange.id}
    if exchange.streamed:
        request["stream"] = True
        if usage:
            request["stream_options"] = {"include_usage": True}
    return request


@pytest.mark.rule(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 136, 137, 138, 139, 140, 141, 142, 143)
@pytest.mark.rule(145, 146, 148, 150, 151, 152, 153, 154, 155, 158, 161, 162, 222, 233, 235)
def test_the_client_sees_what_was_recorded(
    answer: Exchange, roads: dict[str, list[Road]], request: pytest.FixtureRequest
) -> None:
    if reason := left_out(answer):
        pytest.skip(reason)
    want = READERS[answer.family.provider](answer)
    faults = []
    for road in roads[answer.family.provider]:
        # OpenAI sends usage where it was asked for; elsewhere dragoman decides, so both cases are tried.
        usage = answer.wants_usage if answer.family.plain_body else not road.http
        got = road.call(**request_for(answer, usage=usage))
        found = judge_stream(answer, want, got, usage) if answer.streamed else judge_body(answer, want, got)
        faults += [f"{road.name}: {fault}" for fault in found]
    if answer.family.plain_body and recorded_faults(answer):
        request.node.user_properties.append(("note", "breaks OpenAI's own promises as recorded; passed on unchanged"))
    assert not faults, "\n".join([answer.id, *faults])


def judge_body(exchange: Exchange, want: Outcome, got: Got) -> list[str]:
    body = as_json(got.completion)
    faults = [fault for fault in faults_of_body(body) if fault not in recorded_faults(exchange)]
    if exchange.family.plain_body and body != exchange.body:
        faults.append(f"the object differs from the recorded one in {changed(exchange.body, body)}")
    return faults + differences(want, outcome_of_body(body))


def judge_stream(exchange: Exchange, want: Outcome, got: Got, usage: bool) -> list[str]:
    chunks = [as_json(chunk) for chunk in got.chunks or []]
    known = recorded_faults(exchange)
    faults = [fault for fault in faults_of_chunks(chunks, usage=usage, whole=want.error is None) if fault not in known]
    seen = outcome_of_chunks(chunks, got.error)
    if exchange.family.plain_body:
        recorded = exchange.events()
        if chunks != recorded:
            place = next(
                (n for n, pair in enumerate(zip(recorded, chunks, strict=False)) if pair[0] != pair[1]), len(chunks)
            )
            faults.append(f"chunk {place} of {len(recorded)} differs from the recorded one")
    else:
        for part in seen.answers.values():
            part.text = part.text or None  # the role chunk's empty text says that text may follow
    if not usage:
        want = Outcome(**{**vars(want), "usage": None})
    return faults + differences(*(comparable(outcome, want.error) for outcome in (want, seen)))


def comparable(outcome: Outcome, error: str | None) -> Outcome:
    """Of a stream that broke off, only what is said at once can be compared: a call's arguments may be cut."""
    if error is not None:
        for answer in outcome.answers.values():
            for call in answer.calls:
                call.arguments, call.value = "", None
    return outcome


def recorded_faults(exchange: Exchange) -> list[str]:
    """What the recording itself breaks; passing it through unchanged is right all the same."""
    if not exchange.family.plain_body:
        return []
    if exchange.streamed:
        return faults_of_chunks(exchange.events(), usage=None)
    return faults_of_body(exchange.body)


def test_each_provider_has_a_reader() -> None:
    assert {family.provider for family in FAMILIES} == set(READERS)


@pytest.mark.skipif(folder() is None, reason=f"{VARIABLE} does not name a folder of recordings")
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.provider)
def test_the_provider_is_found_by_the_prefix_and_by_its_address(family: Family, replay: Any) -> None:
    from dragoman.core import Client

    exchange = next(x for x in judged() if x.family is family and not x.streamed and not x.failed)
    want = READERS[family.provider](exchange)
    address = replay.base_url(exchange.id, suffix=family.suffix)
    with Client(default_provider=family.provider, base_url=address, api_key="test-key", max_retries=0) as client:
        for model in (exchange.model, f"{family.provider}/{exchange.model}"):
            completion = client.chat.completions.create(model=model, messages=QUESTION)
            assert differences(want, outcome_of_body(as_json(completion))) == []
            assert replay.log[-1]["body"]["model"] == exchange.model
