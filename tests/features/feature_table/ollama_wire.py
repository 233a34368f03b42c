"""Ollama's own API. Source: https://docs.ollama.com/api/chat, https://docs.ollama.com/api/streaming."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from feature_table.canon import (
    COMPLETION_TOKENS,
    MODELS,
    PROMPT_TOKENS,
    VECTOR,
    Heard,
    Json,
    Made,
    RefusedError,
    Said,
    pieces,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARAMETERS = frozenset(
    {"format", "keep_alive", "logprobs", "messages", "model", "options", "stream", "think", "tools", "top_logprobs"}
)
_OPTIONS = frozenset({"num_predict", "seed", "stop"})
_MESSAGE = frozenset({"content", "images", "role", "thinking", "tool_call_id", "tool_calls", "tool_name"})
_MADE_AT = "2026-01-01T00:00:00.123456789Z"


class OllamaWire:
    """Answers with JSON, or one JSON object a line; arguments are objects, images bare base64."""

    root = ""
    gives_thoughts = takes_thoughts = True

    def models(self, path: str) -> Any:
        """The models that were pulled."""
        if path != "/api/tags":
            message = f"no {path} here"
            raise RefusedError(message)
        return {"models": [{"name": name, "model": name, "modified_at": _MADE_AT, "size": 1} for name in MODELS]}

    def error(self, status: int, message: str) -> Any:
        """A bare text."""
        del status
        return {"error": message}

    def hear(self, path: str, body: Json) -> Heard:
        """Read a chat or an embeddings request."""
        if path == "/api/embed":
            return Heard(body["model"], inputs=[body["input"]] if isinstance(body["input"], str) else body["input"])
        if path != "/api/chat":
            message = f"no {path} here"
            raise RefusedError(message)
        options = body.get("options") or {}
        if strange := sorted((body.keys() - _PARAMETERS) | (options.keys() - _OPTIONS)):
            message = f"passed over in silence: {', '.join(strange)}"
            raise RefusedError(message)
        # It streams unless it is told not to.
        heard = Heard(body["model"], stream=body.get("stream", True), usage=True)
        heard.seed, heard.stop = options.get("seed"), options.get("stop") or []
        heard.form = (
            {"json": "object"}.get(body["format"]) if isinstance(body.get("format"), str) else body.get("format")
        )
        heard.logprobs = body.get("top_logprobs", 0) if body.get("logprobs") else None
        functions = [tool["function"] for tool in body.get("tools") or ()]
        heard.tools = [(tool["name"], tool["description"], tool["parameters"]) for tool in functions]
        for message in body["messages"]:
            _hear_message(heard, message)
        return heard

    def say(self, path: str, said: Said, heard: Heard) -> tuple[str, bytes]:
        """Answer whole or in lines."""
        if path == "/api/embed":
            vectors = [VECTOR for _ in heard.inputs]
            whole = {"model": heard.model, "embeddings": vectors, "prompt_eval_count": PROMPT_TOKENS}
            return "application/json", json.dumps(whole).encode()
        head = {"model": heard.model, "created_at": _MADE_AT}
        last = {
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": PROMPT_TOKENS,
            "eval_count": COMPLETION_TOKENS,
        }
        token = {"token": said.text, "logprob": -0.5}
        top = [{**token, "top_logprobs": [token] * (heard.logprobs or 0)}]
        extra = {"logprobs": top} if heard.logprobs is not None and said.text else {}
        if not heard.stream:
            message: Json = {"role": "assistant", "content": said.text}
            if said.thoughts:
                message["thinking"] = said.thoughts
            if said.calls:
                message["tool_calls"] = [_call(call) for call in said.calls]
            return "application/json", json.dumps({**head, "message": message, **last, **extra}).encode()
        lines = [
            {**head, "message": {"role": "assistant", "content": "", **part}, "done": False} for part in _parts(said)
        ]
        if extra:
            text = {"role": "assistant", "content": said.text}
            lines = [{**head, "message": text, "done": False, **extra}]
        lines.append({**head, "message": {"role": "assistant", "content": ""}, **last})
        return "application/x-ndjson", "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _hear_message(heard: Heard, message: Json) -> None:
    if strange := sorted(message.keys() - _MESSAGE):
        text = f"passed over in silence: {', '.join(strange)}"
        raise RefusedError(text)
    role, text = message["role"], message["content"]
    heard.images += [base64.b64decode(image) for image in message.get("images") or ()]
    heard.thoughts += [message["thinking"]] if message.get("thinking") else []
    heard.calls += [
        Made(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ()
    ]
    if role == "system":
        heard.system.append(text)
    elif role == "tool":
        heard.results.append((message["tool_name"], text))
    elif text:
        heard.turns.append((role, text))


def _call(call: Made) -> Json:
    return {"function": {"name": call.name, "arguments": call.arguments}}


def _parts(said: Said) -> Iterator[Json]:
    for piece in pieces(said.thoughts):
        yield {"thinking": piece}
    for piece in pieces(said.text):
        yield {"content": piece}
    for call in said.calls:
        yield {"tool_calls": [_call(call)]}
