"""The inverse of the translation: a recorded Anthropic request in the form an OpenAI client would write it.

Written from the two providers' documentation and the catalogue's rules, not from dragoman's encoder. Keys
that OpenAI does not have go into `extra_body`; blocks that it has no part for stand in the content as they are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from recorded_judge.inverse import NotExpressible, without

Json = dict[str, Any]
#: Makes the message that a client holds after an answer with these blocks; the flag: the answer was a pause.
Hold = Callable[[list[Json], bool], Json]


def chat_request(body: Json, hold: Hold) -> Json:
    """Keyword arguments of `create` that mean a recorded request."""
    request: Json = {"model": body["model"], "messages": [*_system(body), *_messages(body["messages"], hold)]}
    extra: Json = {}
    for key, value in body.items():
        if key in {"model", "messages", "system"}:
            continue
        write = PARAMETERS.get(key)
        found = write(value) if write else None
        if found is None:
            extra[key] = value
        else:
            request.update(found)
    if extra:
        request["extra_body"] = extra
    return request


def _system(body: Json) -> list[Json]:
    system = body.get("system")
    return [{"role": "system", "content": _parts(system)}] if system else []


# Parameters. None: there is no OpenAI form, the value goes through `extra_body`.


def _metadata(value: Json) -> Json | None:
    return {"user": value["user_id"]} if set(value) == {"user_id"} else None


def _service_tier(value: str) -> Json | None:
    names = {"auto": "auto", "standard_only": "default"}
    return {"service_tier": names[value]} if value in names else None


def _tool_choice(value: Json) -> Json:
    kind = value["type"]
    names: Json = {"auto": "auto", "none": "none", "any": "required"}
    choice = names.get(kind) or {"type": "function", "function": {"name": value["name"]}}
    found = {"tool_choice": choice}
    if "disable_parallel_tool_use" in value:
        found["parallel_tool_calls"] = not value["disable_parallel_tool_use"]
    return found


def _output_config(value: Json) -> Json | None:
    if set(value) != {"format"} or set(value["format"]) != {"type", "schema"}:
        return None
    schema = {"name": "answer", "schema": value["format"]["schema"], "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _tools(tools: list[Json]) -> Json:
    return {"tools": [_tool(tool) for tool in tools]}


def _tool(tool: Json) -> Json:
    if not set(tool) <= {"name", "description", "input_schema", "strict", "cache_control"}:
        return tool  # a server tool, or a function with switches that only Anthropic has
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    function.update({key: tool[key] for key in ("description", "strict") if key in tool})
    marker = {"cache_control": tool["cache_control"]} if "cache_control" in tool else {}
    return {"type": "function", "function": function, **marker}


PARAMETERS: dict[str, Callable[[Any], Json | None]] = {
    "max_tokens": lambda value: {"max_tokens": value},
    "metadata": _metadata,
    "output_config": _output_config,
    "service_tier": _service_tier,
    "stop_sequences": lambda value: {"stop": value},
    "stream": lambda value: {"stream": value},
    "temperature": lambda value: {"temperature": value},
    "tool_choice": _tool_choice,
    "tools": _tools,
    "top_p": lambda value: {"top_p": value},
}


# Messages.


def _messages(messages: list[Json], hold: Hold) -> list[Json]:
    found: list[Json] = []
    for number, message in enumerate(messages):
        content = message["content"]
        match message["role"]:
            case "user":
                found += _user(content)
            case "assistant":
                found.append(_assistant(content, hold, last=number == len(messages) - 1))
            case role:
                found.append({"role": role, "content": _system_parts(content)})
    return found


def _system_parts(content: Any) -> Any:
    if isinstance(content, list) and any(block["type"] != "text" for block in content):
        kinds = sorted({block["type"] for block in content} - {"text"})
        message = f"system message with {', '.join(kinds)} blocks: OpenAI's system message is text"
        raise NotExpressible(message)
    return _parts(content)


def _user(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    kinds = [block["type"] == "tool_result" for block in content]
    if kinds != sorted(kinds, reverse=True):
        message = "a tool result after other content of its turn: results always come first"
        raise NotExpressible(message)
    results = [_result(block) for block in content if block["type"] == "tool_result"]
    parts = _parts([block for block in content if block["type"] != "tool_result"])
    return [*results, {"role": "user", "content": parts}] if parts else results


def _result(block: Json) -> Json:
    message = {"role": "tool", "tool_call_id": block["tool_use_id"], "content": _parts(block.get("content") or "")}
    message.update({key: block[key] for key in ("is_error", "cache_control") if key in block})
    return message


def _parts(content: Any) -> Any:
    return content if isinstance(content, str) else [_part(block) for block in content]


def _part(block: Json) -> Json:
    keys = set(block) - {"type", "cache_control"}
    part: Json | None = None
    if block["type"] == "text" and keys == {"text"}:
        part = {"type": "text", "text": block["text"]}
    elif block["type"] == "image" and keys == {"source"}:
        part = _image(block["source"])
    elif block["type"] == "document" and keys <= {"source", "title"}:
        part = _file(block)
    if part is None:
        return block
    return {**part, "cache_control": block["cache_control"]} if "cache_control" in block else part


def _image(source: Json) -> Json | None:
    match source["type"]:
        case "url":
            return {"type": "image_url", "image_url": {"url": source["url"]}}
        case "base64":
            return {"type": "image_url", "image_url": {"url": f"data:{source['media_type']};base64,{source['data']}"}}
    return None


def _file(block: Json) -> Json | None:
    source = block["source"]
    if source["type"] not in {"base64", "text"}:
        return None
    data = source["data"] if source["type"] == "base64" else base64.b64encode(source["data"].encode()).decode()
    file = {"file_data": f"data:{source['media_type']};base64,{data}"}
    if "title" in block:
        file["filename"] = block["title"]
    return {"type": "file", "file": file}


def _assistant(content: Any, hold: Hold, *, last: bool) -> Json:
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    if not _is_plain(content):
        return hold(content, last)
    texts = [block for block in content if block["type"] == "text"]
    calls = [block for block in content if block["type"] == "tool_use"]
    message: Json = {"role": "assistant", "content": _parts(texts) or None}
    if len(texts) == 1 and set(texts[0]) == {"type", "text"}:
        message["content"] = texts[0]["text"]
    if calls:
        message["tool_calls"] = [_call(block) for block in calls]
        if "cache_control" in calls[-1]:
            message["cache_control"] = calls[-1]["cache_control"]
    return message


def _is_plain(blocks: list[Json]) -> bool:
    """Whether OpenAI's message has a place for all of it: text, then calls."""
    kinds = [block["type"] for block in blocks]
    if kinds != sorted(kinds) or not set(kinds) <= {"text", "tool_use"}:
        return False
    allowed = {"text": {"type", "text", "cache_control"}, "tool_use": {"type", "id", "name", "input"}}
    if blocks and blocks[-1]["type"] == "tool_use":
        blocks = [*blocks[:-1], {key: value for key, value in blocks[-1].items() if key != "cache_control"}]
    return all(set(block) <= allowed[block["type"]] for block in blocks)


def _call(block: Json) -> Json:
    arguments = json.dumps(block["input"], ensure_ascii=False, separators=(",", ":"))
    return {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": arguments}}


# Comparing: what the documentation says is the same.


def canonical(body: Json) -> Json:
    """A request with the writings that mean the same made one.

    A string is one text block; neighbours of one role are one turn; empty texts do not count. Left out, because
    the documentation gives the same as the default: `stream`, `is_error`, `strict` and `disable_parallel_tool_use`
    false, `temperature` 1, an empty `description`, no tools, `cache_control` null.
    """
    found: Json = without(without(without(body, "stream", False), "temperature", 1), "tools", [])
    for key in ("system", "messages"):
        if key in found:
            found[key] = _canonical_blocks(found[key]) if key == "system" else _turns(found[key])
    if not found.get("system", True):
        del found["system"]
    if "tools" in found:
        found["tools"] = [_canonical_tool(tool) for tool in found["tools"]]
    if "tool_choice" in found:
        found["tool_choice"] = without(found["tool_choice"], "disable_parallel_tool_use", False)
    return found


def _turns(messages: list[Json]) -> list[Json]:
    turns: list[Json] = []
    for message in messages:
        content = _canonical_blocks(message["content"])
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": message["role"], "content": content})
    return turns


def _blocks(content: Any) -> list[Json]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [block for block in blocks if not (block["type"] == "text" and not block["text"].strip())]


def _canonical_blocks(content: Any) -> list[Json]:
    return [_canonical_block(block) for block in _blocks(content)]


def _canonical_block(block: Json) -> Json:
    block = without(block, "cache_control", None)
    if block["type"] != "tool_result":
        return block
    return {**without(block, "is_error", False), "content": _canonical_blocks(block.get("content") or "")}


def _canonical_tool(tool: Json) -> Json:
    return without(without(without(tool, "description", ""), "strict", False), "cache_control", None)


def ordered(body: Json) -> list[Any]:
    """What the model reads in the order of its keys: inputs of calls and schemas."""
    blocks = [block for message in body["messages"] for block in _blocks(message["content"])]
    inputs = [block["input"] for block in blocks if "input" in block]
    schemas = [tool.get("input_schema") for tool in body.get("tools") or []]
    return [inputs, schemas, ((body.get("output_config") or {}).get("format") or {}).get("schema")]


# Reading the recording.


def orphans(body: Json) -> set[str]:
    """Ids of results whose call is not in the turn before."""
    found: set[str] = set()
    calls: set[str] = set()
    for message in body["messages"]:
        blocks = _blocks(message["content"])
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        found |= results - calls
        calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
    return found
