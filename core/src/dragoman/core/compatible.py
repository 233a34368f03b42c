"""Servers that speak OpenAI's wire with an accent: what differs is a table, or one small method.

`Provider` passes everything through. `CompatibleProvider` also mends what such servers get wrong about
OpenAI's promises, in both directions, so that a plugin says only what is particular about its server.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from dragoman.core.carry import strip_peer_keys
from dragoman.core.normalisation import ChunkReader, read_completion, read_usage
from dragoman.core.policy import unsupported
from dragoman.core.provider import Provider
from dragoman.core.toolchoice import choose_by_offering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.provider import Call, Json, StreamDecoder, Wire

_CHAT = "chat/completions"
#: A server on this machine, which rarely has a certificate.
_LOCAL = re.compile(r"localhost\b|127\.|\[::1\]")
#: How the path of an address ends when nothing is missing.
_VERSION = re.compile(r"v\d+\w*")
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window)|maximum context|too many (?:input )?tokens"
    # Text Generation Inference, and those that began with it.
    r"|inputs`? tokens \+ `?max_new_tokens`? must be|inputs`? must have less than",
    re.IGNORECASE,
)
#: Statuses with which servers refuse a prompt that is too long.
_REFUSED = frozenset({400, 413, 422})
#: Parameters of a hosted service, with accounts, tiers and moderation: a server of one's own has no use for them.
HOSTED_ONLY = (
    "audio",
    "function_call",
    "functions",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
    "web_search_options",
)
#: Under this key an assistant's arguments stand that were no JSON object: templates want one.
INVALID_ARGUMENTS = "INVALID_JSON"


class CompatibleProvider(Provider):
    """A server that is OpenAI-compatible, more or less. Subclasses fill in the tables.

    In the history, `developer` becomes `system` and what only other providers know is left out. In answers,
    ids, roles, finish reasons, tool calls and usage are put as OpenAI promises them; what the server adds
    stays where it is.
    """

    #: Parameters that the server refuses, or takes without any effect -> why, in words for the user.
    absent: ClassVar[Mapping[str, str]] = {}
    #: Parameters -> the server's name of exactly the same.
    renamed: ClassVar[Mapping[str, str]] = {}
    #: The server's finish reasons -> OpenAI's. A reason that is in neither vocabulary becomes `stop`.
    finish_reasons: ClassVar[Mapping[str, str]] = {
        "eos": "stop",
        "eos_token": "stop",
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
    }
    #: Whether `tool_choice` may name a tool. Where only words are read, what is offered says it: see `toolchoice`.
    names_tools: ClassVar[bool] = True
    #: Parameters of other dialects that the server reads in a request's body under the usual name ("top_k").
    own_parameters: ClassVar[frozenset[str]] = frozenset()
    #: Keys under which the server wants an assistant's thoughts back; none: they are left out.
    reasoning_keys: ClassVar[tuple[str, ...]] = ()

    def normalise_base_url(self, url: str) -> str:
        """Add the scheme and the `/v1` that people leave out.

        `/v1` is added where the class's own address has it: elsewhere a bare host may be meant as it is.
        """
        url = super().normalise_base_url(url)
        usual = type(self).base_url
        if not url or usual is Provider.base_url:
            return url
        if "://" not in url:
            local = _LOCAL.match(url) is not None
            url = f"{'http' if local else urlsplit(usual).scheme or 'http'}://{url}"
        has_version = _VERSION.fullmatch(url.rpartition("/")[2]) is not None
        return url if has_version or not (usual or "/v1").endswith("/v1") else f"{url}/v1"

    def encode(self, call: Call) -> Wire:
        """Chats are fitted to the server; the other endpoints are OpenAI's own."""
        wire = super().encode(call)
        if call.endpoint == _CHAT:
            wire.body = self.encode_chat(call)
        return wire

    def encode_chat(self, call: Call) -> Json:
        """Return the body of a chat request: a new object, whose `messages` are new too."""
        chat = {key: value for key, value in call.request.items() if value is not None}
        chat["messages"] = [self.encode_message(message) for message in chat.get("messages") or ()]
        for param, reason in self.absent.items():
            if param in chat:
                unsupported(call, param, chat.pop(param), reason=reason)
        for param, name in self.renamed.items():
            if param in chat:
                if chat.get(name, chat[param]) != chat[param]:
                    unsupported(call, name, chat[name], reason=f"{param} is given too, and wins")
                chat[name] = chat.pop(param)
        if not self.names_tools:
            choose_by_offering(call, chat)
        return chat

    def encode_message(self, message: Json) -> Json:
        """Return one message of the history as the server's template takes it."""
        wire = strip_peer_keys(message)
        if wire.get("role") == "developer":
            return {**wire, "role": "system"}
        if wire.get("role") != "assistant":
            return wire
        wire = {key: wire[key] for key in wire if key == "content" or (wire[key] is not None and key != "annotations")}
        thoughts = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thoughts, str):
            wire.update(dict.fromkeys(self.reasoning_keys, thoughts))
        if wire.get("content") is None and not (wire.get("tool_calls") or wire.get("function_call")):
            wire["content"] = ""
        if wire.get("tool_calls"):
            wire["tool_calls"] = [_encode_tool_call(tool_call) for tool_call in wire["tool_calls"]]
        return wire

    def decode(self, call: Call, body: Json) -> Json:
        """Chats are put straight; the other endpoints are OpenAI's own."""
        return read_completion(self, call, body) if call.endpoint == _CHAT else body

    def decode_stream(self, call: Call) -> StreamDecoder | None:
        """Chunks are put straight one by one."""
        return ChunkReader(self, call)

    def decode_choice(self, call: Call, choice: Json) -> Json:
        """Say in OpenAI's words what the server says otherwise, in a choice (`message`) or a piece of one (`delta`)."""
        del call
        return choice

    def decode_usage(self, usage: Json) -> Json:
        """Return OpenAI's usage; what it has no name for stays."""
        return read_usage(usage)

    def decode_error(self, status: int, body: Any) -> Json:
        """OpenAI's error object; a prompt that is too long has OpenAI's code for it, whatever the server calls it."""
        error = super().decode_error(status, body)
        named = isinstance(error["code"], str) and not error["code"].isdecimal()
        if status in _REFUSED and not named and _TOO_LONG.search(error["message"]):
            error["code"] = "context_length_exceeded"
        return error


def _encode_tool_call(tool_call: Json) -> Json:
    function = tool_call.get("function")
    if not isinstance(function, dict):
        return tool_call
    return {**tool_call, "function": {**function, "arguments": _encode_arguments(function.get("arguments"))}}


def _encode_arguments(text: Any) -> str:
    """Make arguments the JSON text of an object: servers fail on anything else, be it their model's own doing."""
    if isinstance(text, dict):
        return json.dumps(text, ensure_ascii=False)
    if not isinstance(text, str) or not text.strip():
        return "{}"
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        return text
    return "{}" if value is None else json.dumps({INVALID_ARGUMENTS: text})
