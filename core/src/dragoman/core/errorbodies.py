"""The bodies with which servers refuse -> OpenAI's error object."""

from __future__ import annotations

from typing import Any

#: How deep a message may lie in objects and lists.
_DEEPEST = 6


def error_object(status: int, body: Any) -> dict[str, Any]:
    """Read the error bodies that OpenAI-compatible servers send: wrapped, in a list, flat, or plain text."""
    if isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict):
        body = body[0]
    found = body
    if isinstance(body, dict) and (body.get("error") or "message" not in body):
        found = body.get("error") or body.get("detail") or body
        if isinstance(found, dict) and isinstance(found.get("error"), dict):
            found = found["error"]
    if not isinstance(found, dict):
        found = {**(body if isinstance(body, dict) else {}), "message": found}  # a bare text, with what stands beside
    message = _text(found, _DEEPEST)
    if not message.strip():
        message = f"HTTP {status} without a message"
    elif message.lstrip()[:1] == "<":
        message = f"HTTP {status} with an HTML page instead of a message"
    kind = found.get("type") or found.get("error_type")
    return {"message": message, "type": kind, "param": found.get("param"), "code": found.get("code")}


def _text(said: Any, depth: int) -> str:
    """Find the message in what may be an object, or a list of what is wrong and where (`loc`, as FastAPI says it).

    What else stands there may repeat the request, prompts included.
    """
    if isinstance(said, str):
        return said
    if isinstance(said, list) and depth:
        return "; ".join(filter(None, (_text(entry, depth - 1) for entry in said)))
    if not isinstance(said, dict) or not depth:
        return ""
    inner = next((said[key] for key in ("message", "detail", "msg", "error") if said.get(key)), None)
    text, place = _text(inner, depth - 1), said.get("loc")
    return f"{'.'.join(map(str, place))}: {text}" if text and place and isinstance(place, list) else text
