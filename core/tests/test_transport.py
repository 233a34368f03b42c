"""The HTTP road: every endpoint of the SDK, bodies of every kind, and what stays between client and transport."""

from __future__ import annotations

import copy
from typing import Any

import openai
import pytest

from dragoman.core import Client, Provider, http_client
from dragoman.core.errors import httpx

pytestmark = pytest.mark.timeout(60)

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


class Picky(Provider):
    name = "picky"
    endpoints = frozenset({"chat", "models"})


def test_embeddings_come_as_the_sdk_asks_for_them(road: Any, server: Any, provider: Provider) -> None:
    vector = {"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="}
    server.script(
        server.json(
            {"object": "list", "data": [vector], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        )
    )
    answer = road.run(road.make(provider).client.embeddings.create(model="e", input="x"))
    assert answer.data[0].embedding == [1.0, 2.0]
    assert server.requests[0].json == {"input": "x", "model": "e", "encoding_format": "base64"}


def test_responses_pass_through(road: Any, server: Any, provider: Provider, chunk_diary: Any) -> None:
    done = {"type": "response.completed", "sequence_number": 1, "response": {"id": "r"}}
    delta = {"type": "response.output_text.delta", "sequence_number": 0, "delta": "a"}
    pieces = [f"event: {event['type']}\n".encode() + server.event(event) for event in (delta, done)]
    server.script(server.json({"id": "resp", "object": "response", "output": []}), server.stream(*pieces))
    responses = road.make(provider).client.responses
    assert road.run(responses.create(model="m", input="Hi")).id == "resp"
    stream = road.run(responses.create(model="m", input="Hi", stream=True))
    assert [event.type for event in road.items(stream)] == [delta["type"], done["type"]]
    assert chunk_diary.outcomes == ["complete"] * 2
    assert chunk_diary.chunks == []


def test_a_response_stream_that_ends_before_its_last_event(
    road: Any, server: Any, provider: Provider, diary: Any
) -> None:
    delta = {"type": "response.output_text.delta", "sequence_number": 0, "delta": "a"}
    server.script(server.stream(server.event(delta)))
    stream = road.run(road.make(provider).client.responses.create(model="m", input="Hi", stream=True))
    items = road.items(stream)
    assert next(items).delta == "a"
    with pytest.raises(openai.APIConnectionError, match=r"ended before its last event"):
        list(items)
    assert diary.outcomes == ["failed"]


def test_a_response_stream_that_is_left(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    server.script(server.stream(server.event({"type": "response.output_text.delta", "delta": "a"}), "watch"))
    stream = road.run(road.make(provider).client.responses.create(model="m", input="Hi", stream=True))
    items = road.items(stream)
    next(items)
    items.close()
    road.run(stream.close())
    assert server.closed.wait(5)
    assert diary.outcomes == ["abandoned"]


def test_a_form_with_a_file(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json({"id": "f", "object": "file", "filename": "a.txt"}), server.json({"text": "spoken"}))
    client = road.make(provider).client
    assert road.run(client.files.create(file=("a.txt", b"\x00\xffdata"), purpose="assistants")).id == "f"
    spoken = road.run(client.audio.transcriptions.create(file=("a.wav", b"RIFF"), model="whisper-1"))
    assert spoken.text == "spoken"
    for seen, data in zip(server.requests, (b"\x00\xffdata", b"RIFF"), strict=True):
        kind, _, boundary = seen.headers["content-type"].partition("; boundary=")
        assert kind.lower() == "multipart/form-data"
        assert data in seen.body
        assert seen.body.startswith(b"--" + boundary.encode())


def test_a_binary_answer(road: Any, server: Any, provider: Provider) -> None:
    answer = server.json({})
    answer.headers["content-type"], answer.body = "audio/mpeg", b"ID3\xff\x00"
    server.script(answer)
    spoken = road.run(road.make(provider).client.audio.speech.create(model="tts", voice="alloy", input="Hi"))
    assert spoken.content == b"ID3\xff\x00"
    assert spoken.response.headers["content-type"] == "audio/mpeg"
    assert server.requests[0].headers["accept"] == "application/octet-stream"


def test_a_files_own_page(road: Any, server: Any, provider: Provider) -> None:
    answer = server.json({})
    answer.headers["content-type"], answer.body = "text/html", b"<p>mine</p>"
    server.script(answer, copy.deepcopy(answer))
    client = road.make(provider).client
    assert road.run(client.files.content("f")).content == b"<p>mine</p>"
    with pytest.raises(openai.APIResponseValidationError, match="HTML"):
        road.run(client.embeddings.create(model="e", input="x"))


@pytest.mark.parametrize("kind", ["application/jsonl", "application/json", None])
def test_a_file_of_json_lines(road: Any, server: Any, provider: Provider, kind: str | None) -> None:
    answer = server.json({})
    answer.headers, answer.body = ({"content-type": kind} if kind else {}), b'{"a":1}\n{"a":2}\n'
    server.script(answer)
    assert road.run(road.make(provider).client.files.content("f")).content == answer.body


@pytest.mark.parametrize("status", [200, 204])
def test_nothing_where_an_object_was_wanted(road: Any, server: Any, provider: Provider, status: int) -> None:
    server.script(type(server.json({}))(status, {}, b""))
    assert road.run(road.make(provider).client.files.delete("f")) == ""


def test_an_empty_answer(road: Any, server: Any, provider: Provider) -> None:
    server.script(type(server.json({}))(204, {}, b""))
    response = road.run(road.make(provider).client.chat.completions.with_raw_response.delete("c"))
    assert (response.status_code, response.content) == (204, b"")
    assert (server.requests[0].method, server.requests[0].path) == ("DELETE", "/v1/chat/completions/c")


def test_stored_completions_are_listed(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json({"object": "list", "data": [server.COMPLETION], "has_more": False}))
    page = road.run(road.make(provider).client.chat.completions.list(limit=3, metadata={"a": "b"}))
    assert page.data[0].id == "chatcmpl-1"
    assert server.requests[0].target == "/v1/chat/completions?limit=3&metadata%5Ba%5D=b"


def test_lists_in_the_query(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json({"object": "list", "data": []}))
    road.run(road.make(provider).client.files.list(extra_query={"include": ["a", "b"], "x": True}))
    assert server.requests[0].target == "/v1/files?include%5B%5D=a&include%5B%5D=b&x=true"


def test_openais_beta_header_goes_on(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json({"id": "vs", "object": "vector_store"}))
    road.run(road.make(provider).client.vector_stores.create(name="x"))
    assert server.requests[0].headers["openai-beta"] == "assistants=v2"


def test_an_unknown_path(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.error(404, "no such thing"))
    client = road.make(provider).client
    with pytest.raises(openai.NotFoundError, match="no such thing"):
        road.run(client.post("/nonsense/at/all", cast_to=object, body={"a": 1}))
    assert server.requests[0].path == "/v1/nonsense/at/all"
    with pytest.raises(openai.NotFoundError, match="there is no POST /v1"):
        road.run(client.post("", cast_to=object))


def test_an_endpoint_that_the_provider_does_not_have(road: Any, server: Any, diary: Any) -> None:
    client = road.make(Picky(base_url=server.url)).client
    with pytest.raises(openai.NotFoundError, match=r"picky has no 'embeddings' endpoint \(it has: chat, models\)"):
        road.run(client.embeddings.create(model="e", input="x"))
    assert road.create().choices
    assert [seen.path for seen in server.requests] == ["/v1/chat/completions"]
    assert diary.outcomes == ["failed", "complete"]


def test_headers_that_described_the_vendors_bytes_are_left_out(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json(server.COMPLETION, request_id="anthropic-7", x_ratelimit_remaining="3"))
    raw = road.make(provider).client.chat.completions.with_raw_response
    headers = road.run(raw.create(model="m1", messages=MESSAGES)).headers
    assert (headers["x-request-id"], headers["x-ratelimit-remaining"]) == ("anthropic-7", "3")
    assert "transfer-encoding" not in headers


def test_the_vendors_bytes_are_handed_on(road: Any, server: Any, provider: Provider) -> None:
    answer = server.json({})
    answer.body = b'{ "id": "x", "choices": [],  "big": 123456789012345678901234567890 }'
    server.script(answer)
    raw = road.make(provider).client.chat.completions.with_raw_response
    assert road.run(raw.create(model="m1", messages=MESSAGES)).content == answer.body


def test_a_foreign_clients_own_keys_reach_the_wire(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    extra = {"top_k": 5, "deep": {"x": [1]}}
    road.make(provider).create(extra_body={**extra, "seed": 1}, seed=2)
    assert server.requests[0].json == {"model": "m1", "messages": MESSAGES, "seed": 1, **extra}
    assert extra.items() <= diary.after[0].extra_body.items()


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("https://api.openai.com/v1", "/chat/completions"),
        ("https://x.openai.azure.com/openai/deployments/a/b", "/chat/completions"),
        ("https://host/some/v1beta/", "chat/completions"),
        ("https://host", "/chat/completions"),
    ],
)
def test_a_door_reads_any_address(server: Any, provider: Provider, base: str, path: str) -> None:
    door = http_client(default_provider="here", providers=[provider])
    response = door.post(base + path, json={"model": "m1", "messages": MESSAGES})
    assert (response.status_code, server.requests[0].path) == (200, "/v1/chat/completions")
    door.close()


@pytest.mark.parametrize("content", [b"{broken", b"[1]", b'{"extra_body": 5, "model": "m"}'])
def test_a_body_that_is_no_request(provider: Provider, content: bytes) -> None:
    door = http_client(default_provider="here", providers=[provider])
    with pytest.raises(openai.OpenAIError, match=r"JSON|must be"):
        door.post("http://x/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    door.close()


def test_a_foreign_clients_extra_body_key(server: Any, provider: Provider) -> None:
    door = http_client(default_provider="here", providers=[provider], aliases={"a": "m9"})
    body = {
        "model": "a",
        "messages": MESSAGES,
        "top_k": 1,
        "extra_body": {"x": 1},
        "dragoman": {"on_unsupported": "warn"},
    }
    door.post("http://x/v1/chat/completions", json=body)
    assert server.requests[0].json == {"model": "m9", "messages": MESSAGES, "top_k": 1, "x": 1}
    door.close()


def test_a_door_is_not_copied(provider: Provider) -> None:
    door = http_client(default_provider="here", providers=[provider])
    assert copy.deepcopy({"http_client": door})["http_client"] is door
    assert copy.deepcopy(door._transport) is door._transport
    assert isinstance(door, httpx.Client)
    door.close()


# Models.


def models(server: Any, *names: str) -> Any:
    return server.json({"object": "list", "data": [{"id": name} for name in names]})


class Second(Provider):
    name = "second"


def test_models_of_all_providers(road: Any, server: Any, provider: Provider) -> None:
    server.script(models(server, "a", "b"), path="/models")
    bare = server.json([{"id": "c/d", "owned_by": "them", "created": 7}])
    server.script(bare, path="/second/models")
    down = Second(name="down", base_url="http://127.0.0.1:1/v1")
    odd = Second(name="odd", base_url=f"{server.origin}/odd")
    server.script(server.json({"object": "list"}), path="/odd/models")
    third = Second(name="third", base_url=f"{server.origin}/third")
    server.script(server.error(500, "asleep"), path="/third/models")
    others = [Second(base_url=f"{server.origin}/second"), down, odd, third]
    page = road.run(road.make(provider, providers=others).client.models.list())
    found = {model.id: model for model in page.data}
    assert {"a", "b", "second/c/d"} <= found.keys()
    assert (found["a"].owned_by, found["a"].object, found["second/c/d"].owned_by) == ("here", "model", "them")
    errors = page.model_extra["errors"]
    assert {"down", "odd", "third"} <= errors.keys()
    assert "onnection" in errors["down"]
    assert "without a list" in errors["odd"]
    assert "asleep" in errors["third"]
    assert errors.keys().isdisjoint({"here", "second"})


def test_a_key_for_a_call_is_not_shown_to_every_provider(our_road: Any, server: Any, provider: Provider) -> None:
    server.script(models(server, "a"), path="/models")
    server.script(models(server, "b"), path="/second/models")
    client = our_road.make(provider, providers=[Second(base_url=f"{server.origin}/second")]).client
    our_road.run(client.with_options(api_key="sk-call-2222").models.list(extra_headers={"X-Mine": "1"}))
    sent = {seen.path: seen.headers for seen in server.requests}
    assert sent["/v1/models"]["authorization"] == "Bearer sk-call-2222"
    assert "authorization" not in sent["/second/models"]
    assert "x-mine" not in sent["/second/models"]


@pytest.mark.parametrize(("name", "path"), [("a", "/v1/models/a"), ("second/c/d", "/second/models/c%2Fd")])
def test_one_model_is_called_as_in_the_list(road: Any, server: Any, provider: Provider, name: str, path: str) -> None:
    vendors = {"id": name.removeprefix("second/"), "object": "model", "created": 1, "owned_by": "x"}
    server.script(server.json(vendors))
    client = road.make(provider, providers=[Second(base_url=f"{server.origin}/second")]).client
    assert road.run(client.models.retrieve(name)).id == name
    assert server.requests[0].path == path


def test_an_endless_wait_for_a_list_is_bounded(server: Any, provider: Provider, diary: Any) -> None:
    server.script(models(server, "a"))
    client = Client(default_provider="here", providers=[provider], timeout=None, max_retries=5)
    client.models.list()
    client.close()
    call = next(call for call in diary.after if call.provider == "here")
    assert call.timeout["read"] == 30
    assert call.max_retries == 0


def test_a_provider_that_misbehaves_is_reported(road: Any, server: Any, provider: Provider) -> None:
    class Wild(Provider):
        name = "wild"

        def sender(self) -> Any:
            message = "wild"
            raise RuntimeError(message)

        async_sender = sender

    server.script(models(server, "a"))
    page = road.run(road.make(provider, providers=[Wild()]).client.models.list())
    assert "the call failed: RuntimeError" in page.model_extra["errors"]["wild"]
