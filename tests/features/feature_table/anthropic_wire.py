"""Anthropic's Messages API. Source: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from feature_table.canon import (
    COMPLETION_TOKENS,
    MODELS,
    PROMPT_TOKENS,
    Heard,
    Json,
    Made,
    RefusedError,
    Said,
    pieces,
    sse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = "c2lnbmVk"
_PARAMETERS = frozenset(
    {
        *("max_tokens", "messages", "model", "output_config", "stop_sequences", "stream", "system"),
        *("tool_choice", "tools"),
    }
)
_FINISH = {"stop": "end_turn", "tool_calls": "tool_use"}
_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class AnthropicWire:
    """Answers with `text`, `thinking` and `tool_use` blocks; a thought must come back with its signature."""

    root = ""
    gives_thoughts = takes_thoughts = True

    def models(self, path: str) -> Any:
        """The page of models."""
        if path != "/v1/models":
            message = f"no {path} here"
            raise RefusedError(message)
        made = "2026-01-01T00:00:00Z"
        data = [{"type": "model", "id": name, "display_name": name, "created_at": made} for name in MODELS]
        return {"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}

    def error(self, status: int, message: str) -> Any:
        """The body of a failure."""
        return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}

    def hear(self, path: str, body: Json) -> Heard:
        """Read a request for a message."""
        if path != "/v1/messages":
            message = f"no {path} here"
            raise RefusedError(message)
        if strange := sorted(body.keys() - _PARAMETERS):
            message = f"{strange[0]}: Extra inputs are not permitted"
            raise RefusedError(message)
        heard = Heard(body["model"], stream=body.get("stream", False), stop=body.get("stop_sequences") or [])
        system = body.get("system") or []
        heard.system = [system] if isinstance(system, str) else [block["text"] for block in system]
        heard.tools = [(tool["name"], tool["description"], tool["input_schema"]) for tool in body.get("tools") or ()]
        choice = body.get("tool_choice") or {"type": "auto"}
        heard.choice = (
            (choice["name"],) if choice["type"] == "tool" else {"any": "required"}.get(choice["type"], choice["type"])
        )
        form = (body.get("output_config") or {}).get("format")
        heard.form = form["schema"] if form else None
        # Counted in every message_delta.
        heard.usage = True
        names: dict[str, str] = {}
        for message in body["messages"]:
            content = message["content"]
            for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                _hear_block(heard, message["role"], block, names)
        return heard

    def say(self, path: str, said: Said, heard: Heard) -> tuple[str, bytes]:
        """Answer whole or streamed."""
        del path
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": heard.model, "stop_sequence": None}
        usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS}
        reason = _FINISH[said.finish]
        if heard.stream:
            start: Json = {**head, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
            last = {"stop_reason": reason, "stop_sequence": None}
            events = [
                {"type": "message_start", "message": start},
                *_events(said),
                {"type": "message_delta", "delta": last, "usage": usage},
                {"type": "message_stop"},
            ]
            return "text/event-stream", sse(*events, named=True)
        whole = {**head, "content": _blocks(said), "stop_reason": reason, "usage": usage}
        return "application/json", json.dumps(whole).encode()


def _hear_block(heard: Heard, role: str, block: Json, names: dict[str, str]) -> None:
    kind = block["type"]
    if kind == "text":
        heard.turns.append((role, block["text"]))
    elif kind == "image":
        heard.images.append(base64.b64decode(block["source"]["data"]))
    elif kind == "document":
        heard.documents.append((block["title"], base64.b64decode(block["source"]["data"])))
    elif kind == "thinking":
        if block["signature"] != _SIGNATURE:
            message = "Invalid signature in thinking block"
            raise RefusedError(message)
        heard.thoughts.append(block["thinking"])
    elif kind == "tool_use":
        names[block["id"]] = block["name"]
        heard.calls.append(Made(block["name"], block["input"]))
    elif kind == "tool_result":
        content = block["content"]
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        heard.results.append((names[block["tool_use_id"]], text))
    else:
        message = f"unknown block: {kind}"
        raise RefusedError(message)


def _blocks(said: Said) -> list[Json]:
    blocks: list[Json] = []
    if said.thoughts:
        blocks.append({"type": "thinking", "thinking": said.thoughts, "signature": _SIGNATURE})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    for number, call in enumerate(said.calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{number}", "name": call.name, "input": call.arguments})
    return blocks


def _events(said: Said) -> Iterator[Json]:
    for index, block in enumerate(_blocks(said)):
        kind = block["type"]
        if kind == "tool_use":
            empty: Json = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in pieces(json.dumps(block["input"]))]
        elif kind == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": part} for part in pieces(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": _SIGNATURE})
        else:
            empty = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": part} for part in pieces(block["text"])]
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
