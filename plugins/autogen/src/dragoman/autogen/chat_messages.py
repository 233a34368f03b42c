"""AutoGen 0.4 to 0.7's messages, tools and results <-> OpenAI's JSON. Pure; needs autogen-core.

The types: https://microsoft.github.io/autogen/stable/reference/python/autogen_core.models.html
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionTokenLogprob,
    CreateResult,
    RequestUsage,
    SystemMessage,
    TopLogprob,
    UserMessage,
)
from autogen_core.tools import Tool
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autogen_core.models import FinishReasons, FunctionExecutionResult, LLMMessage
    from autogen_core.tools import ToolSchema

    from dragoman.autogen.gathering import Answer
    from dragoman.core import Json

    ToolChoice: TypeAlias = Tool | Literal["auto", "required", "none"]

_FINISH: dict[str | None, FinishReasons] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "function_calls",
    "function_call": "function_calls",
    "content_filter": "content_filter",
}
#: What OpenAI's `name` may hold.
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_ANSWERS_KEPT = 1000


class Recall:
    """The last answers as their providers gave them, for when they come back in a history.

    AutoGen's messages have one `thought` for text beside calls and for reasoning, and no place for what else a
    provider wants back (Anthropic refuses tool results whose calls have lost their signed thoughts). It lasts as
    long as the client: a state that was saved and loaded in another process comes back as AutoGen kept it.
    """

    def __init__(self, size: int = _ANSWERS_KEPT) -> None:
        self._kept: OrderedDict[str, Json] = OrderedDict()
        self._size = size

    def keep(self, result: CreateResult, message: Json) -> None:
        """Remember the message that a result was made of, if the result does not say it all."""
        if result.thought is None and "extra_content" not in message:
            return
        self._kept[_mark(result)] = message
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def find(self, message: AssistantMessage) -> Json | None:
        """Return what an assistant's message was made of, if it is remembered."""
        return self._kept.get(_mark(message))


def _mark(said: CreateResult | AssistantMessage) -> str:
    content = said.content
    seen = content if isinstance(content, str) else [[call.id, call.name, call.arguments] for call in content]
    return json.dumps([seen, said.thought])


def encode_messages(
    messages: Iterable[LLMMessage], recall: Recall, *, names: bool = True, prefixes: bool = False
) -> list[Json]:
    """Encode a history. `names`: say who a user's message is from; `prefixes`: say it in its text too."""
    encoded: list[Json] = []
    for message in messages:
        if isinstance(message, SystemMessage):
            encoded.append({"role": "system", "content": message.content})
        elif isinstance(message, UserMessage):
            encoded.append(_user(message, names=names, prefixes=prefixes))
        elif isinstance(message, AssistantMessage):
            encoded.append(recall.find(message) or _assistant(message))
        else:
            encoded += [_result(result) for result in message.content]
    return encoded


def _result(result: FunctionExecutionResult) -> Json:
    return {"role": "tool", "tool_call_id": result.call_id, "content": result.content}


def _user(message: UserMessage, *, names: bool, prefixes: bool) -> Json:
    head = f"{message.source} said:\n" if prefixes else ""
    content: Any
    if isinstance(message.content, str):
        content = head + message.content
    else:
        content = [_part(part) for part in message.content]
        if head:
            content.insert(0, {"type": "text", "text": head})
    name = _NOT_IN_NAMES.sub("_", message.source)[:64] if names else ""
    return {"role": "user", "content": content, **({"name": name} if name else {})}


def _part(part: str | Image) -> Json:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.data_uri}}
    return {"type": "text", "text": part}


def _assistant(message: AssistantMessage) -> Json:
    if isinstance(message.content, str):
        return {"role": "assistant", "content": message.content}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.content
    ]
    return {"role": "assistant", "content": message.thought, "tool_calls": calls}


def has_images(messages: Iterable[LLMMessage]) -> bool:
    """Whether a user sent a picture."""
    return any(
        isinstance(part, Image)
        for message in messages
        if isinstance(message, UserMessage) and not isinstance(message.content, str)
        for part in message.content
    )


def encode_tools(tools: Iterable[Tool | ToolSchema]) -> list[Json]:
    """Encode tools, which come as objects or as their schemas."""
    return [{"type": "function", "function": _function(_schema(tool))} for tool in tools]


def _schema(tool: Tool | ToolSchema) -> ToolSchema:
    return tool.schema if isinstance(tool, Tool) else tool


def _function(schema: ToolSchema) -> Json:
    function: Json = {"name": schema["name"], "description": schema.get("description", "")}
    function["parameters"] = schema.get("parameters") or {"type": "object", "properties": {}}
    return {**function, "strict": True} if schema.get("strict") else function


def encode_tool_choice(choice: ToolChoice, tools: Sequence[Tool | ToolSchema]) -> Json:
    """Encode `tool_choice` as request parameters: none at all where there is no choice."""
    if isinstance(choice, Tool):
        name = choice.schema["name"]
        if name not in [_schema(tool)["name"] for tool in tools]:
            text = f"tool_choice is {name!r}, which is not among the tools"
            raise ValueError(text)
        return {"tool_choice": {"type": "function", "function": {"name": name}}}
    if choice not in {"auto", "required", "none"}:
        text = f"tool_choice must be a Tool, 'auto', 'required' or 'none', not {choice!r}"
        raise ValueError(text)
    return {"tool_choice": choice} if tools and choice != "auto" else {}


def encode_json_output(wanted: Any) -> Json:
    """Encode `json_output` as request parameters: a model class is a schema that the answer has to fit."""
    if wanted is None or wanted is False:
        return {}
    if wanted is True:
        return {"response_format": {"type": "json_object"}}
    if not (isinstance(wanted, type) and issubclass(wanted, BaseModel)):
        text = f"json_output must be a boolean or a pydantic model class, not {wanted!r}"
        raise TypeError(text)
    import openai

    # The SDK has no other public function that makes OpenAI's strict subset of a model's schema.
    schema = openai.pydantic_function_tool(wanted)["function"]["parameters"]
    form = {"name": _NOT_IN_NAMES.sub("_", wanted.__name__)[:64], "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def decode_result(answer: Answer) -> CreateResult:
    """Make AutoGen's result; text beside calls and reasoning are both the `thought`."""
    content: str | list[FunctionCall] = answer.text
    thoughts = [answer.thoughts]
    if answer.calls:
        content = [_call(call) for call in answer.calls]
        thoughts.append(answer.text)
    return CreateResult(
        finish_reason=_FINISH.get(answer.finish_reason, "unknown"),
        content=content,
        usage=RequestUsage(answer.tokens("prompt"), answer.tokens("completion")),
        cached=False,
        logprobs=[_logprob(token) for token in answer.logprobs] if answer.logprobs else None,
        thought="\n\n".join(filter(None, thoughts)) or None,
    )


def _call(call: Json) -> FunctionCall:
    function = call["function"]
    return FunctionCall(id=call["id"], name=function["name"], arguments=function["arguments"])


def _logprob(token: Json) -> ChatCompletionTokenLogprob:
    top = [TopLogprob(other["logprob"], other.get("bytes")) for other in token.get("top_logprobs") or ()]
    return ChatCompletionTokenLogprob(
        token=token["token"], logprob=token["logprob"], top_logprobs=top, bytes=token.get("bytes")
    )
