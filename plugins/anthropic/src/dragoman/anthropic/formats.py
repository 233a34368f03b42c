"""`response_format` -> `output_config.format`, or the nearest thing where a model has none.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.anthropic.content import blocks_of
from dragoman.anthropic.models import facts_of
from dragoman.anthropic.schemas import (
    WRAP_KEY,
    closed_schema,
    described_schema,
    inline_root,
    is_object_schema,
    typed_schema,
    unenforceable,
    wrap_schema,
)
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.anthropic.draft import Draft
    from dragoman.anthropic.models import FactsFor
    from dragoman.core import Call, Json

#: The tool that stands in for an output format (see `answer_tool`).
ANSWER_TOOL = "json_answer"
_INSTRUCTION = "an instruction with the schema"
_JSON_OBJECT = "Answer with one JSON object and nothing else."


def encode_format(draft: Draft, value: Any) -> None:
    """Encode text (the default), `json_schema` and `json_object`.

    Raises `InvalidRequest` where documents shall be cited: the API cannot do both.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return
    schema = _schema_of(value)
    if kind not in {"json_schema", "json_object"}:
        msg = f"response_format has the type {kind!r}. Use text, json_schema or json_object."
        raise InvalidRequest(msg)
    if schema is None:
        adapt = draft.unsupported(
            "response_format",
            value,
            reason="JSON needs a schema there",
            hint="use json_schema",
            nearest="an instruction",
        )
        if adapt:
            draft.instruct(_JSON_OBJECT)
    elif draft.facts.structured_output:
        _encode_schema(draft, schema)
    else:
        _emulate(draft, schema)


def answer_tool(call: Call, facts_for: FactsFor = facts_of) -> str | None:
    """The wire name of the tool whose input is the answer's text, if the request was written with one; else None.

    Models without structured outputs are made to call one tool with the wanted schema. The answer's
    `tool_use` of that name becomes `content` (its input as JSON text), with the finish reason `stop` and no tool calls.
    Only under `on_unsupported="adapt"`, and never beside the caller's own tools.
    """
    chat = call.request
    if call.on_unsupported != "adapt" or chat.get("tools") or chat.get("functions") or chat.get("web_search_options"):
        return None
    if _schema_of(chat.get("response_format")) is None or (chat.get("reasoning_effort") or "none") != "none":
        return None
    return None if facts_for(str(chat.get("model"))).structured_output or _has_calls(chat) else ANSWER_TOOL


def _has_calls(chat: Json) -> bool:
    return any(message.get("tool_calls") or message.get("function_call") for message in chat["messages"])


def _schema_of(value: Any) -> Json | None:
    """The schema in a `json_schema` format, with the format's description in its own place for one."""
    holder = value.get("json_schema") if isinstance(value, dict) else None
    if not isinstance(holder, dict) or not isinstance(holder.get("schema"), dict):
        return None
    schema: Json = inline_root(holder["schema"])
    if holder.get("description") and "description" not in schema:
        schema = {**schema, "description": holder["description"]}
    return schema


def _constrain(draft: Draft, schema: Json) -> None:
    cited = (
        block.get("citations")
        for message in draft.body["messages"]
        for block in blocks_of(message["content"])
        if block["type"] in {"document", "search_result"}
    )
    if any(isinstance(found, dict) and found.get("enabled") for found in cited):
        msg = "Anthropic cannot cite documents in an answer of a given format. Leave out citations or response_format."
        raise InvalidRequest(msg)
    # Effort lives in the same object.
    config = draft.body.get("output_config") or {}
    draft.body["output_config"] = {**config, "format": {"type": "json_schema", "schema": schema}}


def _encode_schema(draft: Draft, schema: Json) -> None:
    """Have the API enforce the schema; what it cannot enforce of it goes by the caller's policy."""
    form = schema
    if not is_object_schema(schema):
        if not draft.unsupported(
            "response_format.json_schema.schema",
            schema,
            reason="the top of the schema must be a plain object",
            hint="put the schema into a property of an object",
            nearest=f'the answer is an object with the wanted value under "{WRAP_KEY}"',
        ):
            return
        form = wrap_schema(schema)
    closed = closed_schema(typed_schema(form))
    problems = unenforceable(closed)
    if problems:
        described = described_schema(closed)
        hopeless = unenforceable(described)
        nearest = _INSTRUCTION if hopeless else "what cannot be enforced was moved into descriptions"
        if not draft.unsupported(
            "response_format.json_schema.schema",
            schema,
            reason=f"Anthropic cannot enforce {', '.join(problems)}",
            hint='simplify the schema, or choose on_unsupported="adapt" to have it described instead of enforced',
            nearest=nearest,
        ):
            return
        if hopeless:
            _instruct(draft, closed)
            return
        closed = described
    _constrain(draft, closed)


def _instruct(draft: Draft, schema: Json) -> None:
    text = json.dumps(schema, ensure_ascii=False)
    draft.instruct(f"{_JSON_OBJECT} It must conform to this JSON schema:\n{text}")


def _emulate(draft: Draft, schema: Json) -> None:
    """A model without structured outputs: a forced tool, or an instruction beside the caller's own tools."""
    tool = answer_tool(draft.call, lambda _: draft.facts)
    nearest = "a tool that the model has to call stands in for it" if tool else _INSTRUCTION
    if not draft.unsupported(
        "response_format", {"type": "json_schema"}, reason="this model has no structured outputs", nearest=nearest
    ):
        return
    if tool is None:
        _instruct(draft, schema)
        return
    form = schema if is_object_schema(schema) else wrap_schema(schema)
    draft.body["tools"] = [{"name": tool, "input_schema": typed_schema(form)}]
    draft.body["tool_choice"] = {"type": "tool", "name": tool}
