"""A recorded request in OpenAI's shape: how a client writes it, and what of it must arrive at the server.

Written from OpenAI's reference and the catalogue's rules about each server, not from dragoman's encoders.
"""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from openai.resources.chat import Completions
from recorded_judge.comparing import changed
from recorded_judge.inverse import with_media

if TYPE_CHECKING:
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]
OPENAI_PARAMETERS = frozenset(inspect.signature(Completions.create).parameters)
#: Keys under which assistants' thoughts travel; those that a server wants back must arrive, the others need not.
THOUGHTS = ("reasoning_content", "reasoning")
WANTED = {"vllm": THOUGHTS, "llamacpp": ("reasoning_content",), "ollama /v1": ("reasoning",)}
#: Keys of peers that no server but the named one may see.
PEERS = {"extra_content": "", "provider_specific_fields": "", "reasoning_details": "", "thinking_blocks": "litellm"}
#: Families whose server knows the older name of this only.
OLDER_NAME = frozenset({"ollama /v1", "together", "llamacpp"})
#: Roles whose texts a server wants as one text: Together refuses a list, Ollama makes a message of each part.
JOINED = {
    "together": {"system", "developer", "assistant", "tool"},
    "ollama /v1": {"system", "developer", "assistant", "tool", "user"},
}
#: What a server takes without any effect, or refuses: dragoman says so before it sends.
REFUSED = {
    "lmstudio": {"response_format", "tool_choice"},
    "llamacpp": {"tool_choice"},
    "ollama /v1": {
        "tool_choice",
        "parallel_tool_calls",
        "n",
        "logit_bias",
        "reasoning_effort",
        "web_search_options",
    },
}
#: Without effect on the answer; where the server has no place for them they may be left out.
HINTS = {"metadata", "prompt_cache_key", "safety_identifier", "store", "user"}
#: What means the same as nothing; a server without tiers has the default one.
NOTHING: Json = {"stream": False, "parallel_tool_calls": True, "n": 1, "tools": [], "stop": []}
NOTHING |= {"tool_choice": "auto", "response_format": {"type": "text"}, "service_tier": "default"}


def request_of(exchange: Exchange) -> Json:
    """Keyword arguments of `create` that mean the recorded request."""
    return in_two(dict(with_media(exchange.request_body or {})))


def in_two(body: Json) -> Json:
    """What OpenAI has goes by name, the rest through `extra_body` (which the recorder may have kept as such)."""
    extra = {key: value for key, value in body.items() if key not in OPENAI_PARAMETERS}
    request = {key: value for key, value in body.items() if key in OPENAI_PARAMETERS}
    extra |= request.pop("extra_body", None) or {}
    return {**request, "extra_body": extra} if extra else request


def faults(exchange: Exchange, sent: Json) -> list[str]:
    """Where what arrived differs from what was recorded, beyond the documented renames."""
    body = with_media(exchange.request_body or {})
    body |= body.pop("extra_body", None) or {}
    family = exchange.family.name
    found = [f".{key} is null" for key, value in sent["body"].items() if value is None]
    if family in OLDER_NAME and "max_completion_tokens" in sent["body"]:
        found.append(".max_completion_tokens: the server knows max_tokens only")
    want, got = canonical(body, family), canonical(sent["body"], family)
    for key in HINTS | (NOTHING.keys() & want.keys()):
        if key in want and key not in got and (key in HINTS or want[key] == NOTHING[key]):
            del want[key]
    mine, theirs = want.pop("messages", []), got.pop("messages", [])
    found += changed(want, got)
    if len(mine) != len(theirs):
        roles = [[message["role"] for message in messages] for messages in (mine, theirs)]
        return [*found, f".messages (recorded {roles[0]}, got {roles[1]})"]
    for number, (recorded, arrived) in enumerate(zip(mine, theirs, strict=True)):
        found += faults_of_message(recorded, arrived, family, f".messages[{number}]")
    return found


def canonical(body: Json, family: str) -> Json:
    """A request with the writings that mean the same made one: nulls are nothing, one name for the limit."""
    found = {key: value for key, value in body.items() if value is not None}
    if "max_completion_tokens" in found:
        found["max_tokens"] = found.pop("max_completion_tokens")
    if family == "together" and found.get("logprobs"):
        # Together's `logprobs` is the number of alternatives, which OpenAI has in another parameter.
        found["logprobs"] = int(found.pop("top_logprobs", None) or found["logprobs"])
    if family == "together" and isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    return found


def faults_of_message(recorded: Json, arrived: Json, family: str, where: str) -> list[str]:
    """Compare one message; thoughts are looked at apart, because each server has its own key for them."""
    found = [f"{where}.{key}: a key of a peer's" for key, owner in PEERS.items() if key in arrived and owner != family]
    thoughts = next((recorded[key] for key in THOUGHTS if recorded.get(key)), None)
    for key in THOUGHTS:
        wanted = thoughts if key in WANTED.get(family, ()) and recorded["role"] == "assistant" else None
        if arrived.get(key) not in ({wanted} if wanted else {None, "", thoughts}):
            found += changed(thoughts, arrived.get(key), f"{where}.{key}")
    joined = recorded["role"] in JOINED.get(family, ())
    return found + changed(canonical_message(recorded, joined), canonical_message(arrived, joined), where)


def canonical_message(message: Json, joined: bool) -> Json:
    """A message without thoughts and nulls; OpenAI's own word for whoever sets the rules; calls in one writing."""
    skipped = {*THOUGHTS, *PEERS}
    found = {key: value for key, value in message.items() if value is not None and key not in skipped}
    if not found.get("refusal"):
        found.pop("refusal", None)
    if found["role"] == "developer":
        found["role"] = "system"
    if found["role"] == "assistant" and "content" not in found and not found.get("tool_calls"):
        found["content"] = ""
    if joined and "content" in found:
        found["content"] = flattened(found["content"])
    if found.get("tool_calls"):
        found["tool_calls"] = [canonical_call(call) for call in found["tool_calls"]]
    else:
        found.pop("tool_calls", None)
    return found


def canonical_call(call: Json) -> Json:
    """A call of the history; an index is the stream's."""
    function = dict(call.get("function") or {})
    function["arguments"] = canonical_arguments(function.get("arguments") or "")
    return {**{key: value for key, value in call.items() if key != "index"}, "function": function}


def canonical_arguments(text: str) -> str:
    """Arguments of the history: none are an empty object, and what is no object may come wrapped as one."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip() or "{}"
    if value is None or value == {}:
        return "{}"
    wrapped = isinstance(value, dict) and value.keys() == {"INVALID_JSON"}
    return str(value["INVALID_JSON"]).strip() if wrapped else text


def may_refuse(exchange: Exchange, parameter: str) -> bool:
    """Whether the catalogue says that this server does not have a parameter of the request."""
    return parameter in REFUSED.get(exchange.family.name, ())


def flattened(content: Any) -> Any:
    """A content that is all text as one text; any other as it is."""
    if isinstance(content, list) and all(part["type"] == "text" for part in content):
        return "".join(part["text"] for part in content)
    return content
