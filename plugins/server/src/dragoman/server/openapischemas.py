"""The schemas of `openapi`: what the server itself checks of a request, and what every answer has."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "`provider/model`, or a name of the configuration's",
    "examples": ["anthropic/claude-sonnet-4-5"],
}


def ref(name: str) -> Schema:
    """Refer to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *required: str, **more: Any) -> Schema:
    return {"type": "object", "required": [*required], "properties": properties, **more}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def schemas() -> dict[str, Schema]:
    """Return all of them, by name."""
    return {**_requests(), **_chat(), **_messages(), **_others()}


def _requests() -> dict[str, Schema]:
    stream = {"type": ["boolean", "null"], "description": "Whether the answer comes as server-sent events"}
    # Whatever else a request says is the provider's to judge, or is refused by name where it has no equivalent.
    role = {"description": "user, assistant, …"}
    content = {"description": "A text, or a list of parts or blocks as the dialect has them"}
    messages = _list(_object({"role": role, "content": content}), examples=[[{"role": "user", "content": "Hello!"}]])
    # Of Anthropic's dialect the server reads every message itself.
    block = _object({"type": {**_TEXT, "examples": ["text"]}}, "type")
    read = _object(
        {
            "role": {"enum": ["user", "assistant", "system"]},
            "content": {"anyOf": [_TEXT, _list(block)], "examples": ["Hello!"]},
        },
        "role",
        "content",
    )
    said = "A text or a list, as OpenAI has it"
    return {
        "ChatRequest": _object({"model": _MODEL, "messages": messages, "stream": stream}, "model", "messages"),
        "EmbeddingRequest": _object({"model": _MODEL, "input": {"description": said}}, "model"),
        "ResponseRequest": _object({"model": _MODEL, "input": {"description": said}, "stream": stream}, "model"),
        "MessageRequest": _object(
            {
                "model": _MODEL,
                "messages": _list(read),
                "max_tokens": {"description": "A whole number"},
                "stream": stream,
            },
            "model",
            "messages",
        ),
        "CountRequest": _object({"model": _MODEL, "messages": {"type": "array"}}, "model", "messages"),
    }


def _chat() -> dict[str, Schema]:
    function = _object({"name": _TEXT, "arguments": {**_TEXT, "description": "JSON"}}, "name", "arguments")
    call = _object({"id": _TEXT, "type": {"const": "function"}, "function": function}, "type")
    message = _object(
        {
            "role": {"const": "assistant"},
            "content": _MAYBE_TEXT,
            "refusal": _MAYBE_TEXT,
            "tool_calls": {"type": ["array", "null"], "items": call},
        }
    )
    reason = {"type": ["string", "null"], "description": "stop, length, tool_calls, content_filter, …"}
    choice = _object({"index": _COUNT, "message": message, "finish_reason": reason}, "message")
    usage = _object(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _COUNT))
    named = {"id": _TEXT, "object": {"const": "chat.completion"}, "created": _COUNT, "model": _TEXT}
    return {
        "ChatCompletion": _object(
            {**named, "choices": _list(choice), "usage": {"anyOf": [usage, {"type": "null"}]}}, "choices"
        )
    }


def _messages() -> dict[str, Schema]:
    usage = _object({"input_tokens": _COUNT, "output_tokens": _COUNT})
    block = _object({"type": {**_TEXT, "description": "text, thinking, tool_use, …"}}, "type")
    message = {
        "id": _TEXT,
        "type": {"const": "message"},
        "role": {"const": "assistant"},
        "model": _TEXT,
        "content": _list(block),
        "stop_reason": _MAYBE_TEXT,
        "stop_sequence": _MAYBE_TEXT,
        "usage": usage,
    }
    error = _object({"type": _TEXT, "message": _TEXT}, "type", "message")
    return {
        "Message": _object(message, "id", "type", "role", "content", "stop_reason", "usage"),
        "Count": _object({"input_tokens": _COUNT}, "input_tokens"),
        "MessageError": _object(
            {"type": {"const": "error"}, "error": error, "request_id": _TEXT}, "type", "error", "request_id"
        ),
    }


def _others() -> dict[str, Schema]:
    error = {
        "message": _TEXT,
        "type": _MAYBE_TEXT,
        "param": _MAYBE_TEXT,
        "code": {"type": ["string", "integer", "null"]},
    }
    model = {"id": _TEXT, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": _TEXT}
    named = {"type": {"const": "model"}, "id": _TEXT, "created_at": _TEXT}
    vector = {"oneOf": [_list({"type": "number"}), {**_TEXT, "description": "base64 of 32-bit floats"}]}
    row = _object({"object": {"const": "embedding"}, "index": _COUNT, "embedding": vector}, "embedding")
    return {
        "Event": {
            **_object(
                {"event": _TEXT, "data": {**_TEXT, "description": "JSON; the last of OpenAI's is [DONE]"}}, "data"
            ),
            "description": "One server-sent event, of which the answer is made",
        },
        "Status": _object({"status": {"enum": ["alive", "ready"]}}, "status", additionalProperties=False),
        "Error": _object({"error": _object(error, "message", "type", "param", "code")}, "error"),
        # Anthropic's shapes are for who sends `anthropic-version`.
        "Model": {"anyOf": [_object(model, "id", "object"), _object({**named, "display_name": _TEXT}, "id", "type")]},
        "Models": {
            "anyOf": [
                _object({"object": {"const": "list"}, "data": _list(ref("Model"))}, "object", "data"),
                _object({"has_more": {"type": "boolean"}, "data": _list(ref("Model"))}, "has_more", "data"),
            ]
        },
        "Embeddings": _object({"object": {"const": "list"}, "model": _TEXT, "data": _list(row), "usage": {}}, "data"),
        "Response": _object({"id": _TEXT, "object": {"const": "response"}, "output": _list({"type": "object"})}, "id"),
    }
