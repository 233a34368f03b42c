"""Lists of models in Anthropic's shape, page by page.

Source: https://platform.claude.com/docs/en/api/models/list.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dragoman.core import Json

_USUAL, _MOST = 20, 1000
#: Keys of OpenAI's model object that Anthropic's does not have.
_OPENAIS = frozenset({"created", "object", "owned_by"})


def encode_model(model: Json) -> Json:
    """OpenAI's model object -> Anthropic's; a time that nobody knows is the epoch, as Anthropic has it."""
    created = model.get("created")
    seconds = created if isinstance(created, int) and created > 0 else 0
    return {
        "type": "model",
        "display_name": model["id"],
        "created_at": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        **{name: value for name, value in model.items() if name not in _OPENAIS},
    }


def encode_models(models: Sequence[Json], query: Mapping[str, str]) -> Json:
    """One page of a list: `limit` models `after_id` or `before_id`. Raises `InvalidRequest`."""
    limit, after, before = _limit(query.get("limit")), query.get("after_id"), query.get("before_id")
    ids = [model["id"] for model in models]
    start = 0 if after is None else _place(ids, "after_id", after) + 1
    end = len(ids) if before is None else _place(ids, "before_id", before)
    found = models[start:end]
    page = [encode_model(model) for model in (found[:limit] if before is None else found[-limit:])]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return {"data": page, "has_more": len(page) < len(found), **ends}


def _limit(given: str | None) -> int:
    if given is None:
        return _USUAL
    # Python does not read numbers of thousands of digits.
    if not given.isdecimal() or len(given) > len(str(_MOST)) or not 1 <= int(given) <= _MOST:
        message = f"limit: send a whole number from 1 to {_MOST}"
        raise InvalidRequest(message)
    return int(given)


def _place(ids: list[str], name: str, given: str) -> int:
    if given not in ids:
        message = f"{name}: there is no model {given!r} in the list"
        raise InvalidRequest(message)
    return ids.index(given)
