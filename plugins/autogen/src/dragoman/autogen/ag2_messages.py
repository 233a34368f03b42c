"""ag2 1.x's events, tools and answers <-> OpenAI's JSON. Pure; needs ag2.

The events: https://docs.ag2.ai (ag2.events). What a provider wants back unchanged travels in the metadata that ag2
keeps with a message or with a tool call.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ag2.compact import CompactionSummary
from ag2.events import (
    BinaryInput,
    BinaryType,
    DataInput,
    FileIdInput,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextInput,
    ToolCallEvent,
    ToolCallsEvent,
    ToolResultsEvent,
    UrlInput,
    Usage,
)
from ag2.exceptions import UnsupportedInputError, UnsupportedToolError
from ag2.tools.final import FunctionToolSchema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ag2.events import BaseEvent
    from ag2.response import ResponseProto
    from ag2.tools.schemas import ToolSchema
    from fast_depends.library.serializer import SerializerProto

    from dragoman.autogen.gathering import Answer
    from dragoman.core import Json

#: How errors of ag2's own name this provider.
PROVIDER = "dragoman"
#: Where a message and a tool call keep what only the provider understands.
_CARRY = "dragoman"
_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def encode_messages(prompt: Iterable[str], events: Iterable[BaseEvent], serializer: SerializerProto) -> list[Json]:
    """Encode the prompt and a history. Events that are no part of the conversation are left out."""
    system = "\n".join(prompt)
    encoded: list[Json] = [{"role": "system", "content": system}] if system else []
    for event in events:
        if isinstance(event, ModelResponse):
            encoded.append(_assistant(event))
        elif isinstance(event, ToolResultsEvent):
            for result in event.results:
                parts = [_part(part, serializer) for part in result.result.parts]
                encoded.append({"role": "tool", "tool_call_id": result.parent_id, "content": _plain(parts)})
        elif isinstance(event, ModelRequest):
            encoded.append({"role": "user", "content": _plain([_part(part, serializer) for part in event.parts])})
        elif isinstance(event, CompactionSummary):
            encoded.append({"role": "user", "content": f"Summary of what was said before:\n{event.summary}"})
    return encoded


def _assistant(event: ModelResponse) -> Json:
    message: Json = {"role": "assistant", "content": event.content}
    carried = dict(event.metadata)
    if event.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in event.tool_calls.calls
        ]
        carried = event.tool_calls.calls[0].vendor_metadata
    return {**message, **carried.get(_CARRY, {})}


def _plain(parts: list[Json]) -> Any:
    """A text alone needs no list."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _part(part: Any, serializer: SerializerProto) -> Json:
    if isinstance(part, TextInput):
        return {"type": "text", "text": part.content}
    if isinstance(part, DataInput):
        return {"type": "text", "text": serializer.encode(part.data).decode()}
    if isinstance(part, UrlInput) and part.kind == BinaryType.IMAGE:
        return {"type": "image_url", "image_url": {"url": part.url}}
    if isinstance(part, FileIdInput):
        return {"type": "file", "file": {"file_id": part.file_id}}
    if isinstance(part, BinaryInput):
        return _binary(part)
    kind = getattr(part, "kind", None)
    raise UnsupportedInputError(type(part).__name__ + (f" ({kind})" if kind else ""), PROVIDER)


def _binary(part: BinaryInput) -> Json:
    data = base64.b64encode(part.data).decode()
    url = f"data:{part.media_type};base64,{data}"
    if part.kind == BinaryType.IMAGE:
        detail = {key: part.vendor_metadata[key] for key in ("detail",) if key in part.vendor_metadata}
        return {"type": "image_url", "image_url": {"url": url, **detail}}
    if part.kind == BinaryType.AUDIO and part.media_type in _AUDIO:
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO[part.media_type]}}
    if part.kind in {BinaryType.DOCUMENT, BinaryType.BINARY}:
        name = part.vendor_metadata.get("filename") or part.metadata.get("filename") or "document"
        return {"type": "file", "file": {"filename": name, "file_data": url}}
    kind = f"{part.kind.value} of the type {part.media_type}"
    raise UnsupportedInputError(kind, PROVIDER)


def encode_tools(tools: Iterable[ToolSchema]) -> list[Json]:
    """Encode functions; tools that run at one vendor have no form here."""
    encoded: list[Json] = []
    for tool in tools:
        if not isinstance(tool, FunctionToolSchema) or tool.defer_loading:
            raise UnsupportedToolError(tool.type, PROVIDER)
        function = tool.function
        parameters = {"type": "object", "properties": {}, **function.parameters}
        told = {"name": function.name, "description": function.description, "parameters": parameters}
        encoded.append({"type": "function", "function": told})
    return encoded


def encode_response_schema(response: ResponseProto[Any] | None) -> Json:
    """Encode the schema that an answer has to fit as request parameters."""
    if response is None or not response.json_schema:
        return {}
    told: Json = {"name": response.name, "schema": _strict(response.json_schema), "strict": True}
    if response.description:
        told["description"] = response.description
    return {"response_format": {"type": "json_schema", "json_schema": told}}


def _strict(schema: Any) -> Any:
    """OpenAI's subset: all properties are required, and there are no others."""
    if isinstance(schema, list):
        return [_strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: inner if key in {"const", "default", "enum"} else _strict(inner) for key, inner in schema.items()}
    if made.get("type") == "object" and isinstance(made.get("properties"), dict):
        made = {**made, "required": list(made["properties"]), "additionalProperties": False}
    return made


def decode_answer(answer: Answer) -> ModelResponse:
    """Make ag2's response; `answer.text` is published by the client, as it comes."""
    carry = {key: answer.message[key] for key in ("extra_content", "reasoning_content") if key in answer.message}
    metadata = {_CARRY: carry} if carry else {}
    calls = [
        ToolCallEvent(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
        for call in answer.calls
    ]
    if calls:
        calls[0].vendor_metadata = metadata
    return ModelResponse(
        message=ModelMessage(answer.text, metadata=metadata) if answer.text else None,
        tool_calls=ToolCallsEvent(calls),
        usage=_usage(answer.usage),
        model=answer.model or None,
        provider=PROVIDER,
        finish_reason=answer.finish_reason,
        response_id=answer.id or None,
    )


def _usage(usage: Json | None) -> Usage:
    if usage is None:
        return Usage()
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return Usage(
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        total_tokens=usage.get("total_tokens"),
        cache_read_input_tokens=prompt.get("cached_tokens"),
        cache_creation_input_tokens=prompt.get("cache_write_tokens"),
        thinking_tokens=completion.get("reasoning_tokens"),
    )
