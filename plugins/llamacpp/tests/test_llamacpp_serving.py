"""The engine's own server in a child process: OpenAI's and Anthropic's wire."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from dragoman.llamacpp import LlamaCpp, serve
from dragoman.llamacpp.options import EngineOptions
from dragoman.llamacpp.source import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Json

TOOL = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
ASKED: list[Any] = [{"role": "user", "content": "What is the weather in Oslo and Bergen?"}]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve() as address:
        yield address


def post(url: str, body: Json) -> Any:
    data = json.dumps(body).encode()
    request = Request(url, data, {"content-type": "application/json"})  # noqa: S310 (http, loopback)
    with urlopen(request, timeout=20) as response:  # noqa: S310 (as above)
        return json.load(response)


def test_openais_wire_is_below_v1(address: str) -> None:
    answer = post(f"{LlamaCpp(base_url=address).base_url}/chat/completions", {"messages": ASKED})
    assert answer["choices"][0]["message"]["content"].endswith("Oslo and Bergen?")


def test_anthropics_wire_without_its_sdk(address: str) -> None:
    body = {"model": "demo", "max_tokens": 500, "messages": ASKED, "tools": [TOOL]}
    answer = post(f"{address}/v1/messages", body)
    assert answer["stop_reason"] == "tool_use"
    calls = [(block["name"], block["input"]["city"]) for block in answer["content"] if block["type"] == "tool_use"]
    assert calls == [("get_weather", "Oslo"), ("get_weather", "Bergen")]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_with_anthropics_sdk(address: str, streamed: bool) -> None:
    anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK speaks its wire; it is not installed")

    def create(messages: list[Any], **params: Any) -> Any:
        params = {"model": "demo", "max_tokens": 500, "messages": messages, **params}
        if not streamed:
            return client.messages.create(**params)
        with client.messages.stream(**params) as stream:
            return stream.get_final_message()

    with anthropic.Anthropic(api_key="none", base_url=address) as client:
        asked = create(ASKED, tools=[TOOL], system="Be brief.")
        calls = [block for block in asked.content if block.type == "tool_use"]
        assert asked.stop_reason == "tool_use"
        assert [call.input for call in calls] == [{"city": "Oslo", "days": 1}, {"city": "Bergen", "days": 2}]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"} for call in calls]
        history = [
            *ASKED,
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]},
            {"role": "user", "content": results},
        ]
        answer = create(history, tools=[TOOL])
        assert (answer.stop_reason, answer.content[0].text) == ("end_turn", "The tools answered: rain | rain")
        thought = create([{"role": "user", "content": "Think!"}])
        assert [block.type for block in thought.content] == ["thinking", "text"]


def test_it_ends_although_a_client_hangs_on(address: str) -> None:
    with serve(options=EngineOptions(parallel=1)) as other:
        assert other != address
        host, _, port = other.removeprefix("http://").partition(":")
        body = json.dumps({"messages": ASKED, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        client = socket.create_connection((host, int(port)), timeout=20)
        client.sendall(head + body)
        assert client.recv(10).startswith(b"HTTP/1.1")
    with client:
        while client.recv(65536):
            pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_model_that_cannot_be_served_says_why() -> None:
    with pytest.raises(EngineError, match="no model file") as caught, serve("/none.gguf"):
        pass
    assert (caught.value.status, caught.value.error["code"]) == (404, "model_not_found")


LEAVING = """
import os
from dragoman.llamacpp import serve
block = serve()
print(block.__enter__(), flush=True)
os._exit(1)
"""


def test_the_server_ends_with_its_parent(run_python: Any) -> None:
    done = run_python(LEAVING)
    host, _, port = done.stdout.strip().removeprefix("http://").partition(":")
    gone = False
    for _ in range(1000):
        try:
            # The port is free again, or the connection ends, as soon as the child has seen its parent's end.
            with socket.create_connection((host, int(port)), timeout=10) as client:
                client.recv(1)
        except OSError:
            gone = True
            break
    assert gone
    assert done.stderr == ""
