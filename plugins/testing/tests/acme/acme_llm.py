"""A vendor that does not exist, with a wire of its own, and a provider that does everything right."""

from __future__ import annotations

import json
from collections.abc import Iterator  # noqa: TC003 (what breaks this class on purpose says it too)
from typing import Any, ClassVar

from dragoman.core import (
    Call,
    Chunks,
    Event,
    Json,
    Provider,
    StreamCutError,
    VendorError,
    Wire,
    pack,
    unpack,
    unsupported,
)

ABSENT = {"seed": "acme rolls its own dice", "verbosity": "acme is always brief"}
REASONS = {"done": "stop", "limit": "length", "use": "tool_calls"}


class Acme(Provider):
    name = "acme"
    base_url = "https://api.acme.example/v9"
    key_env: ClassVar = ("ACME_API_KEY",)

    def encode(self, call: Call) -> Wire:
        chat = dict(call.request)
        for param in ABSENT.keys() & chat.keys():
            unsupported(call, param, chat[param], reason=ABSENT[param], nearest="the usual one")
        body: Json = {"model": call.model, "turns": [encode_turn(call, message) for message in chat["messages"]]}
        if chat.get("tools"):
            body["tools"] = [tool["function"]["name"] for tool in chat["tools"]]
        if call.stream:
            body["live"] = True
        return Wire("/converse", body)

    def decode(self, call: Call, body: Json) -> Json:
        message: Json = {"role": "assistant", "content": body.get("says")}
        if body.get("uses"):
            message["tool_calls"] = [decode_use(use) for use in body["uses"]]
        message["extra_content"] = pack(message, call.provider, {"seal": body["seal"]})
        choice = {"index": 0, "message": message, "finish_reason": REASONS[body["why"]]}
        head = {"id": call.id, "created": call.created, "model": call.model, "object": "chat.completion"}
        return {**head, "choices": [choice], "usage": decode_count(body["count"])}

    def decode_stream(self, call: Call) -> Reader:
        return Reader(call)

    def decode_error(self, status: int, body: Any) -> Json:
        if isinstance(body, dict) and isinstance(body.get("trouble"), str):
            return {"message": body["trouble"], "type": "acme_trouble", "param": None, "code": None}
        return super().decode_error(status, body)


def encode_turn(call: Call, message: Json) -> Json:
    if message["role"] == "tool":
        return {"who": "tool", "says": message["content"], "key": message["tool_call_id"]}
    turn = {"who": message["role"], "says": message.get("content") or ""}
    if message.get("tool_calls"):
        turn["uses"] = [
            {"key": made["id"], "tool": made["function"]["name"], "input": json.loads(made["function"]["arguments"])}
            for made in message["tool_calls"]
        ]
    kept, unedited = unpack(message, call.provider)
    if kept and unedited:
        turn["seal"] = kept["seal"]
    return turn


def decode_use(use: Json) -> Json:
    function = {"name": use["tool"], "arguments": json.dumps(use["input"])}
    return {"id": use["key"], "type": "function", "function": function}


def decode_count(count: Json) -> Json:
    spent = {"prompt_tokens": count["in"], "completion_tokens": count["out"]}
    return {**spent, "total_tokens": count["in"] + count["out"]}


class Reader:
    """Events: `says` (text), `uses` (one whole call), `end`."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.chunks = Chunks(call)
        self.opened = False
        self.message: Json = {"role": "assistant", "content": "", "tool_calls": []}
        self.ended = False

    def feed(self, event: Event) -> Iterator[Json]:
        sent = json.loads(event.data)
        if event.name == "trouble":
            raise VendorError({"message": sent["trouble"], "type": None, "param": None, "code": None}, 503)
        if not self.opened:
            self.opened = True
            yield self.chunks.role()
        if event.name == "says":
            self.message["content"] += sent["text"]
            yield self.chunks.delta(content=sent["text"])
        elif event.name == "uses":
            call = decode_use(sent)
            self.message["tool_calls"].append(call)
            yield self.chunks.tool_call(call["id"], call["function"]["name"], call["function"]["arguments"])
        else:
            self.ended = True
            extra = pack(self.message, self.call.provider, {"seal": sent["seal"]})
            yield self.chunks.finish(REASONS[sent["why"]], extra_content=extra)
            yield self.chunks.usage(decode_count(sent["count"]))

    def finish(self) -> Iterator[Json]:
        if not self.ended:
            message = "acme never said that it was done"
            raise StreamCutError(message)
        return iter(())
