"""Whatever JSON a client sends, what is wrong with it is the client's: no value anywhere makes the server fail."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from server_lab import KEY

from dragoman.core.errors import httpx
from dragoman.server.app import make_app
from dragoman.server.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 60
ODD: list[Any] = [None, 1.5, 10**400, "x", "\ud800", [], [{}], {"type": []}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT: dict[str, Any] = {
    "model": "busy",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "extra_content": {"anthropic": {"v": 1}}},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "stop": ["x"],
    "max_tokens": 5,
    "reasoning_effort": "low",
    "own": 1,
    "extra_body": {"own": 1},
    "dragoman": {"on_unsupported": "ignore"},
}
MESSAGES: dict[str, Any] = {
    "model": "busy",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "dragoman"},
                {"type": "redacted_thinking", "data": "dragoman:e30="},
                {"type": "tool_use", "id": "c", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "document", "title": "t", "source": {"type": "text", "data": "d"}, "citations": {}},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]},
            ],
        },
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}}],
    "tool_choice": {"type": "tool", "name": "f"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
    "top_k": 3,
    "service_tier": "auto",
    "speed": "standard",
    "stream": True,
    "own": 1,
    "extra_body": {"own": 1},
    "dragoman": {"on_unsupported": "ignore"},
    "container": [],
    "fallbacks": [],
    "diagnostics": {},
}
REQUESTS = {
    "chat/completions": CHAT,
    "chat/completions that are answered": {**CHAT, "model": "text"},
    "chat/completions (anthropic)": {**CHAT, "model": "anthropic/busy"},
    "messages": MESSAGES,
    "messages (native)": {**MESSAGES, "model": "anthropic/busy"},
    "messages/count_tokens": {**MESSAGES, "model": "anthropic/busy"},
    "responses": {"model": "busy", "input": [{"role": "user", "content": "x"}], "stream": True, "extra_body": {}},
    "embeddings": {"model": "busy", "input": ["x"], "dimensions": 3, "extra_body": {"own": 1}},
}


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to every value in a body."""
    if way:
        yield way
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from places(inner, (*way, key))


def with_value(body: Any, way: tuple[Any, ...], value: Any) -> Any:
    changed = inner = deepcopy(body)
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return changed


@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
@pytest.mark.parametrize("endpoint", REQUESTS)
def test_no_value_in_a_body_makes_the_server_fail(provider: Any, endpoint: str) -> None:
    claude = {"model": "anthropic/busy", "base_url": provider.url.removesuffix("/v1"), "api_key": KEY}
    own = {"base_url": provider.url, "api_key": KEY}
    app = make_app(Configuration({"default_options": own, "config_list": [claude], "max_retries": 0}))
    url = f"http://127.0.0.1/v1/{endpoint.partition(' ')[0]}"
    failed = []

    async def ask_all() -> None:
        # Without sockets in front: these are some hundred requests.
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), timeout=WAIT) as client:
            for way in places(REQUESTS[endpoint]):
                for value in ODD:
                    content = json.dumps(with_value(REQUESTS[endpoint], way, value))
                    answer = await client.post(url, content=content)
                    if answer.status_code >= 500:
                        failed.append((way, value, answer.status_code, answer.text[:200]))
        await app.state.gateway.close()

    asyncio.run(ask_all())
    assert failed == []
