"""Real Ollama servers' recorded traffic, both interfaces, through the translators and into the openai SDK's types."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, DragomanError, Json
from dragoman.core.framing import frames
from dragoman.ollama import Ollama

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="DRAGOMAN_RECORDINGS names no folder with recordings"),
    pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning"),
]
V1 = ("/v1/chat/completions", "/chat/completions")


def exchanges(kind: str = "chat") -> Iterator[Json]:
    names = ("ollama.jsonl", "fixtures_ollama.jsonl") if FOLDER else ()
    for name in names:
        for line in (Path(FOLDER or "") / name).read_text("utf-8").splitlines():
            exchange = json.loads(line)
            if exchange["kind"] == kind:
                yield exchange


def asked(exchange: Json) -> Json:
    return (exchange.get("request") or {}).get("body") or {}


def path(exchange: Json) -> str:
    return (exchange.get("request") or {}).get("path") or ""


def provider(exchange: Json) -> Ollama:
    body = exchange["response"]["body"]
    return Ollama(openai_endpoint=path(exchange) in V1 or (isinstance(body, dict) and "choices" in body))


def call(request: Json, policy: Any = "ignore") -> Call:
    return Call("ollama", request.get("model") or "m", request, id="chatcmpl-1", created=7, on_unsupported=policy)


def visible(message: Json) -> Json:
    """What a reader sees of a recorded message, native or not."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    decoded = [
        (
            each["name"],
            each["arguments"] if isinstance(each["arguments"], dict) else json.loads(each["arguments"] or "{}"),
        )
        for each in calls
    ]
    text = message.get("content") or ""
    return {"text": text, "thoughts": message.get("thinking") or message.get("reasoning") or "", "calls": decoded}


def seen(message: Json) -> Json:
    """The same of a decoded one."""
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    return {"text": message.get("content") or "", "thoughts": message.get("reasoning_content") or "", "calls": calls}


@pytest.mark.rule(1, 3, 4, 5, 6, 7, 8, 16, 19, 20, 246, 249, 251)
def test_recorded_answers_are_read() -> None:
    found = {False: 0, True: 0}
    for exchange in exchanges():
        body, one = exchange["response"]["body"], provider(exchange)
        if exchange["response"]["status"] != 200 or not body:
            continue
        answer = one.decode(call(asked(exchange)), body)
        ChatCompletion.model_validate(answer)
        (choice,) = answer["choices"]
        recorded = body["choices"][0]["message"] if one.openai_endpoint else body["message"]
        assert seen(choice["message"]) == visible(recorded), exchange["id"]
        assert choice["finish_reason"] == reason(body, one.openai_endpoint, bool(recorded.get("tool_calls")))
        usage = answer["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        if not one.openai_endpoint:
            assert (usage["prompt_tokens"], usage["completion_tokens"]) == (
                body["prompt_eval_count"],
                body["eval_count"],
            )
        found[one.openai_endpoint] += 1
    assert found == {False: 27, True: 53}


def reason(body: Json, compatible: bool, called: bool) -> str:
    sent = body["choices"][0]["finish_reason"] if compatible else body["done_reason"]
    return "tool_calls" if called and sent == "stop" else str(sent)


@pytest.mark.rule(2, 9, 10, 11, 12, 13, 14, 17, 19, 246, 247, 248, 252)
def test_recorded_streams_are_read(joined: Callable[[list[Json]], Json]) -> None:
    found = {False: 0, True: 0}
    for exchange in exchanges():
        text = exchange["response"]["sse"]
        if not text:
            continue
        one = provider(exchange)
        decoder, framing = one.decode_stream(call(asked(exchange))), frames(one.framing)
        assert decoder is not None
        events = [event for event in [*framing.feed(text.encode()), *framing.finish()] if event.data != b"[DONE]"]
        chunks = [chunk for event in events for chunk in decoder.feed(event)]
        chunks += decoder.finish()
        for chunk in chunks:
            ChatCompletionChunk.model_validate(chunk)
        whole = joined(chunks)
        recorded = [json.loads(event.data) for event in events]
        pieces = [
            choice["delta"] if one.openai_endpoint else choice
            for line in recorded
            for choice in (line["choices"] if one.openai_endpoint else [line["message"]])
        ]
        want = [visible(piece) for piece in pieces]
        assert seen(whole["message"]) == {
            "text": "".join(piece["text"] for piece in want),
            "thoughts": "".join(piece["thoughts"] for piece in want),
            "calls": [made for piece in want for made in piece["calls"]],
        }, exchange["id"]
        assert whole["finish_reason"] in {"stop", "length", "tool_calls"}
        assert (whole["finish_reason"] == "tool_calls") == bool(whole["message"].get("tool_calls"))
        found[one.openai_endpoint] += 1
    assert found == {False: 15, True: 41}


@pytest.mark.rule(250)
def test_recorded_errors_are_read() -> None:
    failed = [exchange for exchange in exchanges() if exchange["response"]["status"] >= 400]
    messages = {}
    for exchange in failed:
        status, body = exchange["response"]["status"], exchange["response"]["body"]
        messages[status] = provider(exchange).decode_error(status, body)["message"]
    name = "nonexistent-model:latest"
    assert messages == {
        400: "invalid image input",
        404: f"model '{name}' not found (to download it: ollama pull {name})",
    }


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    """What the vendor's own Python client would send, as it is kept beside the recordings."""
    file = Path(FOLDER or "").parent / "schemas" / "ollama_ChatRequest.json"
    if not file.exists():
        pytest.skip("there are no vendor schemas beside the recordings")
    return Draft202012Validator(json.loads(file.read_text("utf-8")))


def to_openai(body: Json) -> Json:
    """Write a recorded native request for OpenAI's client."""
    options = dict(body.get("options") or {})
    chat: Json = {"model": body["model"], "messages": [], "stream": body["stream"], **options}
    if "num_predict" in options:
        chat["max_tokens"] = chat.pop("num_predict")
    if body.get("tools"):
        chat["tools"] = body["tools"]
    if body.get("format"):
        chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": body["format"]}}
    chat.update({key: body[key] for key in ("keep_alive", "think") if body.get(key) is not None})
    ids: list[str] = []
    for message in body["messages"]:
        said = {
            key: value for key, value in message.items() if key not in {"images", "thinking", "tool_calls", "tool_name"}
        }
        if message.get("images"):
            urls = [{"type": "image_url", "image_url": {"url": f"data:;base64,{data}"}} for data in message["images"]]
            said["content"] = [{"type": "text", "text": message.get("content", "")}, *urls]
        if message.get("thinking"):
            said["reasoning_content"] = message["thinking"]
        if message.get("tool_calls"):
            functions = [each["function"] for each in message["tool_calls"]]
            ids = [f"call_{n}" for n, _ in enumerate(functions)]
            said["tool_calls"] = [
                {
                    "id": own,
                    "type": "function",
                    "function": {"name": each["name"], "arguments": json.dumps(each["arguments"])},
                }
                for own, each in zip(ids, functions, strict=True)
            ]
        if message["role"] == "tool":
            said["tool_call_id"] = ids.pop(0)
        chat["messages"].append(said)
    return chat


def comparable(body: Json) -> Json:
    """Leave out what says nothing: empty values, and the marks by which calls and results know each other."""
    messages = []
    for message in body["messages"]:
        kept = {key: value for key, value in message.items() if key not in {"tool_call_id", "tool_name"} and value}
        if "tool_calls" in kept:
            functions = [each["function"] for each in kept["tool_calls"]]
            kept["tool_calls"] = [{"name": each["name"], "arguments": each["arguments"]} for each in functions]
        messages.append(kept)
    return {key: value for key, value in {**body, "messages": messages}.items() if value or value is False}


@pytest.mark.rule(242, 245, 251)
def test_recorded_requests_reach_ollama_as_they_were_recorded(schema: Draft202012Validator) -> None:
    found = 0
    for exchange in exchanges():
        body = asked(exchange)
        if path(exchange) != "/api/chat":
            continue
        for message in body["messages"]:
            # The marker of cut media is no base64.
            message.update({"images": ["AAAA" for _ in message["images"]]} if message.get("images") else {})
        # One client wrote this option where Ollama does not look for it.
        wrong_place = body.pop("temperature", None)
        wire = Ollama().encode(call(to_openai(body), "raise"))
        assert wire.body is not None
        assert comparable(wire.body) == comparable(body), exchange["id"]
        names = [message.get("tool_name") for message in wire.body["messages"] if message["role"] == "tool"]
        recorded = [message.get("tool_name", name) for message, name in zip(results(body), names, strict=True)]
        assert names == recorded
        assert not list(schema.iter_errors(wire.body)), exchange["id"]
        assert wrong_place in {None, 0, 0.1, 0.7}
        found += 1
    assert found == 34


def results(body: Json) -> list[Json]:
    return [message for message in body["messages"] if message["role"] == "tool"]


@pytest.mark.rule(237, 238, 239, 241, 242, 243)
def test_recorded_requests_of_the_openai_endpoint_are_taken_by_both_interfaces(schema: Draft202012Validator) -> None:
    found, refused = 0, []
    for exchange in exchanges():
        if path(exchange) not in V1:
            continue
        request = asked(exchange)
        try:
            native, compatible = (Ollama(openai_endpoint=v1).encode(call(request)).body for v1 in (False, True))
        except DragomanError as error:
            refused.append((exchange["id"], str(error)))
            continue
        assert native is not None
        assert compatible is not None
        assert not list(schema.iter_errors(native)), exchange["id"]
        assert len(compatible["messages"]) == len(request["messages"])
        assert [made["role"] for made in compatible["messages"]] == [said["role"] for said in request["messages"]]
        assert all(message["content"] is not None or message["tool_calls"] for message in compatible["messages"])
        found += 1
    assert found + len(refused) == 94
    assert all("data: URL" in why or "'input_audio'" in why for _, why in refused), refused
    assert len(refused) <= 2, refused


@pytest.mark.rule(253)
def test_recorded_models_and_embeddings_are_read() -> None:
    tags = next(exchange for exchange in exchanges("models") if path(exchange) == "/api/tags")
    listing = Call("ollama", "", {}, endpoint="models", method="GET")
    models = Ollama().decode(listing, tags["response"]["body"])["data"]
    assert [Model.model_validate(model).id for model in models] == [
        each["name"] for each in tags["response"]["body"]["models"]
    ]
    assert all(model["created"] > 1.7e9 for model in models)
    for shown in (exchange for exchange in exchanges("models") if path(exchange) == "/api/show"):
        one = Call("ollama", "", {}, endpoint="models/llama3.1", method="GET")
        assert Model.model_validate(Ollama().decode(one, shown["response"]["body"])).id == "llama3.1"
    vectors = [exchange["response"]["body"] for exchange in exchanges("embeddings")]
    native = [body for body in vectors if "embeddings" in body]
    for body in native:
        wanted = Call("ollama", body["model"], {"input": ["x"]}, endpoint="embeddings")
        answer = CreateEmbeddingResponse.model_validate(Ollama().decode(wanted, body))
        assert [item.embedding for item in answer.data] == body["embeddings"]
    assert len(native) == 3
