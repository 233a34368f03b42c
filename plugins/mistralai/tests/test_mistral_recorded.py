"""What Mistral really sends: recorded answers, streams, errors and requests, through the client and the SDK.

Each is compared with what is read from the recording here, without the translator.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from dragoman.core import Call, Client, Json
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = ("mistral.jsonl", "fixtures_mistral.jsonl")
HI: Any = [{"role": "user", "content": "Hi"}]
STATUSES = {400: openai.BadRequestError, 401: openai.AuthenticationError}


def recorded(kind: str) -> list[Any]:
    """The lines of one sort: `whole`, `stream`, `error`, `request`, `embeddings`, `models`."""
    folder = os.environ.get("DRAGOMAN_RECORDINGS")
    if not folder:
        reason = "DRAGOMAN_RECORDINGS names no folder of recordings"
        return [pytest.param({}, marks=pytest.mark.skip(reason=reason), id="none")]
    lines = [json.loads(line) for name in FILES for line in (Path(folder) / name).read_bytes().splitlines()]
    return [pytest.param(line, id=line["id"]) for line in lines if is_of(line, kind)]


def is_of(line: Json, kind: str) -> bool:
    response = line["response"]
    if kind == "request":
        return line["kind"] == "chat" and bool(((line.get("request") or {}).get("body") or {}).get("messages"))
    if response["status"] != 200:
        return kind == "error"
    if line["kind"] != "chat":
        return bool(line["kind"] == kind)
    return kind == ("stream" if response["sse"] else "whole")


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    with Client(providers=[Mistral(api_key="k", base_url=server.url)], max_retries=0, timeout=30) as made:
        yield made


def parts_of(content: Any) -> list[Json]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def said(parts: list[Json]) -> str:
    return "".join(part["text"] for part in parts if part["type"] == "text")


def thought(parts: list[Json]) -> str:
    return "".join(inner["text"] for part in parts if part["type"] == "thinking" for inner in part["thinking"])


def calls_of(calls: Any) -> list[tuple[str, str, str]]:
    return [(call["id"], call["function"]["name"], call["function"]["arguments"] or "{}") for call in calls or ()]


def check_usage(usage: Any, sent: Json) -> None:
    assert usage.completion_tokens == sent["completion_tokens"]
    assert usage.total_tokens == sent["total_tokens"] == usage.prompt_tokens + usage.completion_tokens
    cached = (sent.get("prompt_tokens_details") or {}).get("cached_tokens") or sent.get("num_cached_tokens")
    if cached:
        assert usage.prompt_tokens_details.cached_tokens == cached


def check_replay(message: Json, content: list[Json], calls: Any) -> None:
    """Put the answer back into the history, as JSON; the wire has the content as it came."""
    results = [{"role": "tool", "tool_call_id": call[0], "content": "1"} for call in calls_of(calls)]
    request = {"model": "m", "messages": [*HI, json.loads(json.dumps(message)), *(results or HI)]}
    body = Mistral().encode(Call("mistralai", "m", request)).body
    assert body is not None
    assert json.dumps(body["messages"][1]["content"]) == json.dumps(content)


@pytest.mark.rule(1, 3, 4, 5, 6, 8, 16, 19, 20, 192, 193, 194, 200)
@pytest.mark.parametrize("line", recorded("whole"))
def test_whole_answers(server: Any, client: Client, line: Json) -> None:
    body = line["response"]["body"]
    server.says(body)
    answer = client.chat.completions.create(model="mistralai/m", messages=HI)
    assert (answer.id, answer.model, answer.object) == (body["id"], body["model"], "chat.completion")
    assert len(answer.choices) == len(body["choices"])
    for choice, sent in zip(answer.choices, body["choices"], strict=True):
        message, given = choice.message.to_dict(mode="json"), sent["message"]
        calls, content = given.get("tool_calls") or [], given.get("content")
        assert message["content"] == (said(parts_of(content)) or (None if calls else ""))
        assert message.get("reasoning_content", "") == thought(parts_of(content))
        assert calls_of(message.get("tool_calls")) == calls_of(calls)
        assert choice.finish_reason == sent["finish_reason"]
        if isinstance(content, list):
            check_replay(message, content, calls)
    check_usage(answer.usage, body["usage"])


def collected(sse: str) -> tuple[list[Json], dict[int, Json]]:
    """The events of a stream, and what its choices come to."""
    data = [line.removeprefix("data:").strip() for line in sse.split("\n") if line.startswith("data:")]
    events = [json.loads(one) for one in data if one != "[DONE]"]
    choices: dict[int, Json] = {}
    for event in events:
        for choice in event["choices"]:
            known = choices.setdefault(choice["index"], {"parts": [], "calls": [], "reason": None, "listed": False})
            content = choice["delta"].get("content")
            known["parts"] += parts_of(content)
            known["listed"] = known["listed"] or isinstance(content, list)
            known["calls"] += choice["delta"].get("tool_calls") or []
            known["reason"] = choice["finish_reason"] or known["reason"]
    return events, choices


@pytest.mark.rule(1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 192, 193, 198, 199, 200)
@pytest.mark.parametrize("line", recorded("stream"))
def test_streams(server: Any, client: Client, line: Json) -> None:
    sse = line["response"]["sse"]
    events, choices = collected(sse)
    server.says(sse.encode(), headers={"content-type": "text/event-stream"})
    asked: Any = {"stream": True, "stream_options": {"include_usage": True}}
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(model="mistralai/m", messages=HI, **asked):
        state.handle_chunk(chunk)
    answer = state.current_completion_snapshot
    assert (answer.id, answer.model) == (events[0]["id"], events[0]["model"])
    assert len(answer.choices) == len(choices)
    for choice in answer.choices:
        known, message = choices[choice.index], choice.message.to_dict(mode="json")
        assert (message["content"] or "") == said(known["parts"])
        assert message.get("reasoning_content", "") == thought(known["parts"])
        assert calls_of(message.get("tool_calls")) == calls_of(known["calls"])
        assert choice.finish_reason == known["reason"]
        if known["listed"]:
            last = [part for part in known["parts"] if part["type"] == "thinking"]
            inner = [{"type": "text", "text": thought(known["parts"])}]
            closed = {"closed": True} if any(part.get("closed") for part in last) else {}
            content = [
                {"type": "thinking", "thinking": inner, **closed},
                {"type": "text", "text": said(known["parts"])},
            ]
            check_replay(message, content, known["calls"])
    (usage,) = [event["usage"] for event in events if event.get("usage")]
    check_usage(answer.usage, usage)


@pytest.mark.rule(201)
@pytest.mark.parametrize("line", recorded("error"))
def test_errors(server: Any, client: Client, line: Json) -> None:
    response = line["response"]
    body = response["body"]
    headers = {name: value for name, value in response["headers"].items() if name != "transfer-encoding"}
    server.says(body.encode() if isinstance(body, str) else body, response["status"], headers=headers)
    with pytest.raises(STATUSES[response["status"]]) as caught:
        client.chat.completions.create(model="mistralai/m", messages=HI)
    error = caught.value
    text = body if isinstance(body, str) else body.get("message") or body["detail"]
    assert text in str(error)
    code = "invalid_api_key" if response["status"] == 401 else body["code"]
    assert (error.code, error.request_id) == (code, response["headers"].get("mistral-correlation-id"))


@pytest.mark.rule(203)
@pytest.mark.parametrize("line", recorded("embeddings"))
def test_embeddings(server: Any, client: Client, line: Json) -> None:
    body = line["response"]["body"]
    for encoding in ("float", "base64"):
        server.says(body)
        asked: Any = {"encoding_format": "float"} if encoding == "float" else {}
        found = client.embeddings.create(model="mistralai/mistral-embed", input="x", **asked)
        assert [one.embedding for one in found.data] == [
            pytest.approx(one["embedding"], rel=1e-6) for one in body["data"]
        ]
        assert found.usage.total_tokens == body["usage"]["total_tokens"]


@pytest.mark.rule(204)
@pytest.mark.parametrize("line", recorded("models"))
def test_models(line: Json) -> None:
    body = line["response"]["body"]
    call = Call("mistralai", "", {}, endpoint="models", method="GET")
    found = Mistral().decode(call, body)["data"]
    names = [name for one in found for name in (one["id"], *one["aliases"])]
    assert sorted(names) == sorted({one["id"] for one in body["data"]} | set(names))
    assert set(names) >= {one["id"] for one in body["data"]}
    assert len(names) == len(set(names))
    assert all(one["id"] == one["name"] for one in found)


def expected_wire(body: Json) -> Json:
    """A recorded request as it would be sent: ids are masked in some recordings, and objects become the SDK's text."""
    messages = []
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            content = [
                {**part, "input_audio": part["input_audio"]["data"]}
                if isinstance(part.get("input_audio"), dict)
                else part
                for part in content
            ]
        messages.append({**message, "content": content or ""})
    return {**body, "messages": messages}


def without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = {"id", "tool_call_id", "index"}
        return {key: without_ids(item) for key, item in value.items() if key not in dropped}
    return [without_ids(item) for item in value] if isinstance(value, list) else value


@pytest.mark.rule(173, 174, 182)
@pytest.mark.parametrize("line", recorded("request"))
def test_requests_in_mistrals_own_words_stay_as_they_are(line: Json) -> None:
    """All that Mistral answered with 200 passes, as frameworks sent it; but for ids, a thing of the SDK's at most."""
    body = line["request"]["body"]
    call = Call("mistralai", body.get("model") or "agent", body)
    wire = Mistral().encode(call).body
    assert without_ids(wire) == without_ids(expected_wire(body))
    assert call.ledger.report() == {}
    ids = [one["id"] for message in (wire or {})["messages"] for one in message.get("tool_calls") or ()]
    results = [message["tool_call_id"] for message in (wire or {})["messages"] if message["role"] == "tool"]
    assert sorted(ids) == sorted(results)
    assert all(len(one) == 9 and one.isalnum() for one in ids)
