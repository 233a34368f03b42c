"""Log probabilities. OpenAI asks with a flag and a number, Together with the number alone, and it has three answers.

Whole answers have parallel arrays (https://docs.together.ai/docs/logprobs), chunks one number beside the text it
belongs to, and some models OpenAI's own shape, whole or streamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.core import Call, Json

#: What OpenAI says of a token whose probability is not known.
_UNKNOWN = -9999.0
_ARRAYS = frozenset({"tokens", "token_logprobs", "token_ids", "top_logprobs"})
#: What a decoder writes for bytes that are no whole character: the token's own bytes are lost.
_REPLACEMENT = "\ufffd"


def fit_logprobs(chat: Json) -> None:
    """`logprobs: true, top_logprobs: 5` -> `logprobs: 5`. Without alternatives it still takes 1 to get any."""
    wanted, alternatives = chat.pop("logprobs", None), chat.pop("top_logprobs", None)
    if wanted is True or alternatives:
        chat["logprobs"] = alternatives or 1
    elif wanted:
        # Together's own number, from a caller who knows it.
        chat["logprobs"] = wanted


def decode_logprobs(call: Call, choice: Json) -> Json | None:
    """Return OpenAI's `logprobs` of a choice, whole or of a chunk; None if it has none."""
    found = choice.get("logprobs")
    limit = _limit(call)
    if isinstance(found, dict):
        if isinstance(found.get("tokens"), list):
            return _from_arrays(found, limit)
        if isinstance(found.get("content"), list):
            return {**found, "content": [_cut(entry, limit) for entry in found["content"]]}
        return found
    if isinstance(found, int | float) and not isinstance(found, bool):
        return _logprobs([_from_chunk(choice, found, limit)])
    return None


def _limit(call: Call) -> int | None:
    """How many alternatives the caller wants; None: all, since they were asked for in Together's own words."""
    asked = call.request.get("logprobs")
    return (call.request.get("top_logprobs") or 0) if asked is True else call.request.get("top_logprobs")


def _logprobs(content: list[Json]) -> Json:
    return {"content": content, "refusal": None}


def _from_arrays(found: Json, limit: int | None) -> Json:
    tokens = found["tokens"]
    tops = found.get("top_logprobs")
    if isinstance(tops, dict) and len(tokens) == 1:
        tops = [tops]
    logprobs, ids = found.get("token_logprobs") or (), found.get("token_ids") or ()
    content = [
        _entry(token, _at(logprobs, position), _at(tops, position), _at(ids, position), limit)
        for position, token in enumerate(tokens)
    ]
    return {**{key: value for key, value in found.items() if key not in _ARRAYS}, **_logprobs(content)}


def _from_chunk(choice: Json, logprob: float, limit: int | None) -> Json:
    delta = choice.get("delta") or {}
    text = delta.get("content") or delta.get("reasoning") or delta.get("reasoning_content") or choice.get("text")
    return _entry(text or "", logprob, choice.get("top_logprobs"), delta.get("token_id"), limit)


def _entry(token: str, logprob: Any, tops: Any, token_id: Any, limit: int | None) -> Json:
    candidates = tops.items() if isinstance(tops, dict) else ()
    ranked = sorted(candidates, key=lambda candidate: candidate[1], reverse=True)[:limit]
    entry = {**_token(token, logprob), "top_logprobs": [_token(name, value) for name, value in ranked]}
    return entry if token_id is None else {**entry, "token_id": int(token_id)}


def _token(token: str, logprob: Any) -> Json:
    known = _UNKNOWN if logprob is None else logprob
    lost = _REPLACEMENT in token
    return {"token": token, "logprob": known, "bytes": None if lost else list(token.encode("utf-8", "surrogatepass"))}


def _cut(entry: Json, limit: int | None) -> Json:
    return {**entry, "top_logprobs": (entry.get("top_logprobs") or [])[:limit]}


def _at(values: Iterable[Any] | None, position: int) -> Any:
    return values[position] if isinstance(values, list) and position < len(values) else None
