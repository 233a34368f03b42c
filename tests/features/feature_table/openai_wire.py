"""OpenAI's chat completions, and the dialects of its imitators: what they document, and how they answer.

Source: https://platform.openai.com/docs/api-reference/chat; the dialects' sources stand at their rows.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
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
    sse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PARAMETERS = frozenset(
    {
        *("logprobs", "messages", "model", "n", "response_format", "seed", "stop", "stream", "stream_options"),
        *("tool_choice", "tools", "top_logprobs"),
    }
)
_MESSAGE = frozenset({"content", "name", "refusal", "role", "tool_call_id", "tool_calls"})
_USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}


def wrapped(status: int, message: str) -> Json:
    """OpenAI's error body."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _openai_logprobs(said: Said, heard: Heard) -> Json:
    top = [{"token": said.text, "logprob": -0.5, "bytes": None}] * (heard.logprobs or 0)
    return {"content": [{"token": said.text, "logprob": -0.5, "bytes": None, "top_logprobs": top}], "refusal": None}


@dataclass(frozen=True)
class Dialect:
    """A wire. The fields say where a vendor is not OpenAI."""

    root: str = "/v1"
    #: Parameters that it does not have, and OpenAI's names -> its own.
    lacks: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    #: Types of content that it reads.
    parts: frozenset[str] = frozenset({"text", "image_url"})
    #: Response formats that it has, and whether it can be told to call one tool.
    formats: frozenset[str] = frozenset({"text", "json_object", "json_schema"})
    names_tools: bool = True
    embeds: bool = True
    #: Keys of thoughts in its answers and in a history.
    thoughts_out: str = "reasoning_content"
    thoughts_in: tuple[str, ...] = ()
    #: Keys of a history's messages that it knows besides OpenAI's.
    keys: frozenset[str] = frozenset()
    ids: str = ".+"
    #: How its answers look.
    finish: Mapping[str, str] = field(default_factory=dict)
    usage_with_last: bool = False
    whole_calls: bool = False
    repeats_role: bool = False
    says_done: bool = True
    bare_models: bool = False
    counts_logprobs: bool = False
    logprobs: Callable[[Said, Heard], Any] = _openai_logprobs
    error: Callable[[int, str], Any] = wrapped

    @property
    def gives_thoughts(self) -> bool:
        """Whether answers can have thoughts."""
        return bool(self.thoughts_out)

    @property
    def takes_thoughts(self) -> bool:
        """Whether a history may have thoughts."""
        return bool(self.thoughts_in) or "thinking" in self.parts

    def models(self, path: str) -> Any:
        """The list, or the bare array."""
        if path != "/v1/models":
            message = f"no {path} here"
            raise RefusedError(message)
        data = [{"id": name, "object": "model", "created": 1, "owned_by": "me"} for name in MODELS]
        return data if self.bare_models else {"object": "list", "data": data}

    def hear(self, path: str, body: Json) -> Heard:
        """Read a chat or an embeddings request."""
        if path == "/v1/embeddings" and self.embeds:
            inputs = body["input"]
            return Heard(body["model"], inputs=[inputs] if isinstance(inputs, str) else inputs)
        if path != "/v1/chat/completions":
            message = f"no {path} here"
            raise RefusedError(message)
        known = {self.renamed.get(name, name) for name in _PARAMETERS - self.lacks}
        if strange := sorted(body.keys() - known):
            message = f"unknown parameters: {', '.join(strange)}"
            raise RefusedError(message)
        heard = Heard(body["model"], stream=body.get("stream", False), n=body.get("n", 1))
        self._hear_parameters(heard, body)
        names: dict[str, str] = {}
        for message in body["messages"]:
            self._hear_message(heard, message, names)
        return heard

    def _hear_parameters(self, heard: Heard, body: Json) -> None:
        heard.seed = body.get(self.renamed.get("seed", "seed"))
        stop = body.get("stop") or []
        heard.stop = [stop] if isinstance(stop, str) else stop
        heard.usage = (body.get("stream_options") or {}).get("include_usage", False)
        if self.counts_logprobs:
            heard.logprobs = body.get("logprobs")
        elif body.get("logprobs"):
            heard.logprobs = body.get("top_logprobs", 0)
        functions = [tool["function"] for tool in body.get("tools") or ()]
        heard.tools = [(tool["name"], tool.get("description", ""), tool["parameters"]) for tool in functions]
        choice = body.get("tool_choice", "auto")
        if isinstance(choice, dict) and not self.names_tools:
            message = "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"
            raise RefusedError(message)
        heard.choice = (choice["function"]["name"],) if isinstance(choice, dict) else choice
        form = body.get("response_format") or {"type": "text"}
        if form["type"] not in self.formats:
            message = f"'response_format.type' must be one of {', '.join(sorted(self.formats))}"
            raise RefusedError(message)
        heard.form = {"text": None, "json_object": "object"}.get(
            form["type"], form.get("json_schema", {}).get("schema")
        )

    def _hear_message(self, heard: Heard, message: Json, names: dict[str, str]) -> None:
        if strange := sorted(message.keys() - _MESSAGE - self.keys - {*self.thoughts_in}):
            text = f"unknown keys of a message: {', '.join(strange)}"
            raise RefusedError(text)
        text = "".join(self._hear_part(heard, part) for part in _parts(message.get("content")))
        role = message["role"]
        if role == "system":
            heard.system.append(text)
        elif role == "tool":
            heard.results.append((names[message["tool_call_id"]], text))
        elif text:
            heard.turns.append((role, text))
        if thoughts := next((message[key] for key in self.thoughts_in if isinstance(message.get(key), str)), ""):
            heard.thoughts.append(thoughts)
        for call in message.get("tool_calls") or ():
            if not re.fullmatch(self.ids, call["id"]):
                text = f"Tool call id was {call['id']} but must match {self.ids}"
                raise RefusedError(text)
            names[call["id"]] = call["function"]["name"]
            heard.calls.append(Made(call["function"]["name"], json.loads(call["function"]["arguments"])))

    def _hear_part(self, heard: Heard, part: Json) -> str:
        kind = part["type"]
        if kind not in self.parts:
            message = f"unknown content type: {kind}"
            raise RefusedError(message)
        if kind == "text":
            return str(part["text"])
        if kind == "image_url":
            heard.images.append(
                _bytes(part["image_url"]["url"] if isinstance(part["image_url"], dict) else part["image_url"])
            )
        elif kind == "file":
            heard.documents.append((part["file"]["filename"], _bytes(part["file"]["file_data"])))
        elif kind == "document_url":
            heard.documents.append((part["document_name"], _bytes(part["document_url"])))
        elif kind == "thinking":
            heard.thoughts.append("".join(piece["text"] for piece in part["thinking"]))
        return ""

    def say(self, path: str, said: Said, heard: Heard) -> tuple[str, bytes]:
        """Answer whole or streamed."""
        if path == "/v1/embeddings":
            data = [
                {"object": "embedding", "index": index, "embedding": VECTOR} for index, _ in enumerate(heard.inputs)
            ]
            usage = {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
            whole = {"object": "list", "model": heard.model, "data": data, "usage": usage}
            return "application/json", json.dumps(whole).encode()
        if heard.stream:
            return "text/event-stream", sse(*self._chunks(said, heard), *(["[DONE]"] if self.says_done else []))
        choices = [self._choice(said, heard, index) for index in range(heard.n)]
        return "application/json", json.dumps({**_head(heard, ""), "choices": choices, "usage": _USAGE}).encode()

    def _choice(self, said: Said, heard: Heard, index: int) -> Json:
        message: Json = {"role": "assistant", "content": said.text or None}
        if said.thoughts and self.thoughts_out == "content":
            message["content"] = [_thinking(said.thoughts), {"type": "text", "text": said.text}]
        elif said.thoughts and self.thoughts_out:
            message[self.thoughts_out] = said.thoughts
        calls = [self._call(call, number) for number, call in enumerate(said.calls)]
        if calls or self.repeats_role:
            message["tool_calls"] = calls
        choice = {"index": index, "message": message, "finish_reason": self.finish.get(said.finish, said.finish)}
        return {**choice, "logprobs": self.logprobs(said, heard)} if heard.logprobs is not None else choice

    def _call(self, call: Made, number: int) -> Json:
        own = f"callnum{number:02}"
        return {"id": own, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}

    def _chunks(self, said: Said, heard: Heard) -> Iterator[Json]:
        head = _head(heard, ".chunk")
        for index in range(heard.n):
            deltas = [*self._deltas(said, heard)]
            for number, delta in enumerate(deltas):
                role = {"role": "assistant"} if not number or self.repeats_role else {}
                yield {
                    **head,
                    "choices": [{"index": index, "finish_reason": None, **delta, "delta": {**role, **delta["delta"]}}],
                }
            last: Json = {"index": index, "delta": {}, "finish_reason": self.finish.get(said.finish, said.finish)}
            if self.whole_calls and said.calls:
                calls = [self._call(call, number) for number, call in enumerate(said.calls)]
                last["delta"] = {"role": "assistant", "content": "", "tool_calls": calls}
            usage = {"usage": _USAGE} if self.usage_with_last and index == heard.n - 1 else {}
            yield {**head, "choices": [last], **usage}
        if heard.usage and not self.usage_with_last:
            yield {**head, "choices": [], "usage": _USAGE}

    def _deltas(self, said: Said, heard: Heard) -> Iterator[Json]:
        """Choices of a stream, without what they all have."""
        yield {"delta": {"content": ""}}
        for piece in pieces(said.thoughts) if self.thoughts_out else ():
            if self.thoughts_out == "content":
                yield {"delta": {"content": [_thinking(piece)]}}
            else:
                yield {"delta": {self.thoughts_out: piece}}
        if heard.logprobs is not None:
            yield {"delta": {"content": said.text}, "logprobs": self.logprobs(said, heard)}
        else:
            for piece in pieces(said.text):
                yield {"delta": {"content": piece}}
        for number, call in enumerate(() if self.whole_calls else said.calls):
            whole = self._call(call, number)
            first, *rest = pieces(whole["function"]["arguments"])
            opening = {**whole, "index": number, "function": {"name": call.name, "arguments": first}}
            yield {"delta": {"tool_calls": [opening]}}
            for piece in rest:
                yield {"delta": {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}}


def _head(heard: Heard, kind: str) -> Json:
    return {"id": "chatcmpl-1", "object": f"chat.completion{kind}", "created": 1, "model": heard.model}


def _parts(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _thinking(text: str) -> Json:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _bytes(url: str) -> bytes:
    return base64.b64decode(url.partition(";base64,")[2])
