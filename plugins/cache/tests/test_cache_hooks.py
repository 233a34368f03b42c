"""An answer that was given before is given again, whole or in chunks."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.cache import Store, caching
from dragoman.core import Client, CompatibleProvider, DragomanError, exchange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HI = [{"role": "user", "content": "Hi"}]
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
SECRET = "sk-secret-0000"


class Handler(BaseHTTPRequestHandler):
    """Answers with the number of the request; `reason` is how it finishes."""

    protocol_version = "HTTP/1.1"
    count = 0
    reason = "stop"

    def do_POST(self) -> None:
        kind = type(self)
        kind.count += 1
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        head = {"id": "x", "created": 1, "model": "m", "object": "chat.completion"}
        if body.get("stream"):
            choices = [{"index": 0, "delta": {"role": "assistant", "content": f"answer {kind.count}"}}]
            last = [{"index": 0, "delta": {}, "finish_reason": kind.reason}]
            chunks = [{**head, "choices": choices}, {**head, "choices": last}]
            if (body.get("stream_options") or {}).get("include_usage"):
                chunks.append({**head, "choices": [], "usage": USAGE})
            text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
            self._send(text, "text/event-stream")
        else:
            message = {"role": "assistant", "content": f"answer {kind.count}"}
            choices = [{"index": 0, "message": message, "finish_reason": kind.reason}]
            self._send(json.dumps({**head, "choices": choices, "usage": USAGE}), "application/json")

    def _send(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def handler() -> type[Handler]:
    return type("Own", (Handler,), {})


@pytest.fixture
def client(handler: type[Handler]) -> Iterator[Client]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    provider = CompatibleProvider(name="acme", base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key=SECRET)
    with Client(providers=[provider], max_retries=0) as made:
        yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "answers.sqlite")


def ask(client: Client, **arguments: Any) -> str:
    found: Any = client.chat.completions.create(model="acme/m", messages=HI, **arguments)  # type: ignore[call-overload]  # arguments of either kind
    if not arguments.get("stream"):
        return str(found.choices[0].message.content)
    return "".join(chunk.choices[0].delta.content or "" for chunk in found if chunk.choices)


def test_the_second_answer_is_the_first(client: Client, handler: type[Handler], store: Store) -> None:
    with caching(store):
        assert [ask(client), ask(client), ask(client, seed=1), ask(client, stream=True)] == [
            "answer 1",
            "answer 1",
            "answer 2",
            "answer 1",
        ]
    assert ask(client) == "answer 3"
    assert handler.count == 3


def test_a_stream_is_kept_too(client: Client, handler: type[Handler], store: Store) -> None:
    with caching(store):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        assert [ask(client, **options), ask(client, stream=True), ask(client)] == ["answer 1"] * 3
    assert handler.count == 1


def test_a_stream_without_usage_is_no_whole_answer(client: Client, handler: type[Handler], store: Store) -> None:
    with caching(store):
        assert [ask(client, stream=True), ask(client, stream=True), ask(client)] == ["answer 1", "answer 1", "answer 2"]


def test_no_call_pays_for_a_cache_that_is_off(
    client: Client, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    for name in ("Assembly", "copied"):
        real = getattr(exchange, name)
        monkeypatch.setattr(exchange, name, lambda *given, name=name, real=real: made.append(name) or real(*given))
    assert ask(client, stream=True) == "answer 1"
    assert made == []
    with caching(store):
        ask(client, stream=True)
    assert set(made) == {"Assembly", "copied"}
    made.clear()
    ask(client, stream=True)
    assert made == []
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "env.sqlite"))
    ask(client, stream=True)
    assert set(made) == {"Assembly", "copied"}


def test_what_a_filter_cut_and_what_was_abandoned_is_not_kept(
    client: Client, handler: type[Handler], store: Store
) -> None:
    with caching(store):
        handler.reason = "content_filter"
        assert [ask(client), ask(client)] == ["answer 1", "answer 2"]
        handler.reason = "stop"
        client.chat.completions.create(model="acme/m", messages=HI, stream=True).close()  # type: ignore[call-overload]  # plain dicts
        assert ask(client) == "answer 4"


def test_usage_tells_the_asked_from_the_remembered(client: Client, store: Store) -> None:
    with caching(store):
        for _ in range(3):
            ask(client)
    summary = client.usage_summary
    assert (summary.actual["acme/m"].calls, summary.total["acme/m"].calls) == (1, 3)


def test_no_secret_is_in_the_file(client: Client, store: Store) -> None:
    with caching(store):
        ask(client, extra_headers={"x-secret": SECRET})
    for path in store.path.parent.iterdir():
        assert SECRET.encode() not in path.read_bytes()


def test_the_environment_switches_it_on(
    client: Client, handler: type[Handler], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "env.sqlite"))
    assert [ask(client), ask(client)] == ["answer 1", "answer 1"]
    monkeypatch.setenv("DRAGOMAN_CACHE_MAX_AGE", "0")
    assert ask(client) == "answer 2"
    monkeypatch.setenv("DRAGOMAN_CACHE_MAX_AGE", "soon")
    with pytest.raises(DragomanError, match="DRAGOMAN_CACHE_MAX_AGE must be a number, not 'soon'"):
        ask(client)
    monkeypatch.delenv("DRAGOMAN_CACHE")
    assert ask(client) == "answer 3"


def test_a_providers_own_query_tells_two_servers_apart(client: Client, store: Store) -> None:
    address = client._dispatcher.resolve("acme/m")[0].base_url
    with caching(store):
        for query, expected in ({"v": "1"}, "answer 1"), ({"v": "2"}, "answer 2"), ({"v": "1"}, "answer 1"):
            provider = CompatibleProvider(name="acme", base_url=address, api_key=SECRET, default_query=query)
            with Client(providers=[provider]) as other:
                assert ask(other) == expected
