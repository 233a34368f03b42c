"""Parameters that a provider does not have: one function decides, plugins only declare.

The order of outcomes, for every provider: a value that means the same as absent is dropped; a pure hint
is dropped at debug level; an exact equivalent is translated by the plugin; the rest follows the caller's
`on_unsupported`: raise (the default, before any network call), warn, ignore, adapt.
"""

from __future__ import annotations

import logging
import threading
import warnings
from typing import TYPE_CHECKING, Any, get_args

from dragoman.core.provider import OnUnsupported

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Json

log = logging.getLogger("dragoman")

#: The words for what to do.
POLICIES: tuple[OnUnsupported, ...] = get_args(OnUnsupported)

#: Values that mean the same as absent, in OpenAI's own documentation of `chat.completions.create`.
DEFAULTS: Json = {
    "audio": None,
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "metadata": {},
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "service_tier": "auto",
    "stop": [],
    "store": False,
    "stream": False,
    "temperature": 1,
    "tools": [],
    "functions": [],
    "top_logprobs": 0,
    "top_p": 1,
    "verbosity": "medium",
}

#: Where there are no tiers, everybody has the standard one.
_STANDARD_TIER = ("service_tier", "default")

#: Parameters without effect on the answer: they may be dropped where the vendor has no slot for them.
HINTS = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream_options",
        "user",
    }
)


class DragomanWarning(UserWarning):
    """Something was adapted, dropped or left out at the caller's wish, or a plugin is broken."""


def is_default(param: str, value: Any) -> bool:
    """Whether `value` means the same as leaving `param` out."""
    if value is None:
        return True
    return (
        param in DEFAULTS and DEFAULTS[param] == value and isinstance(value, bool) == isinstance(DEFAULTS[param], bool)
    )


def unsupported(  # noqa: PLR0913 (each is one fact of the declaration; all but three are named)
    call: Call,
    param: str,
    value: Any,
    *,
    reason: str,
    hint: str = "",
    nearest: str = "",
) -> bool:
    """Decide about a parameter, or a value of one, that the vendor has no exact equivalent for.

    `nearest` describes the documented nearest thing ("clamped to 1.0"); without it, `adapt` drops the
    parameter. Returns True when the plugin shall do the nearest thing, False when it shall leave the
    parameter out. Raises `UnsupportedParameter` when the policy says so.
    """
    if is_default(param, value) or (param, value) == _STANDARD_TIER:
        return False
    if param in HINTS:
        log.debug("%s has no use for %s; it was left out", call.provider, param)
        return False
    policy = call.on_unsupported
    if policy == "raise":
        from dragoman.core.errors import UnsupportedParameter

        raise UnsupportedParameter(param, call.provider, reason, hint)
    adapt = policy == "adapt" and bool(nearest)
    if adapt:
        call.ledger.adapted[param] = nearest
    elif param not in call.ledger.dropped:
        call.ledger.dropped.append(param)
    if policy != "ignore":
        done = nearest if adapt else "left out"
        warn_once(call.provider, param, f"{call.provider}: {param}: {reason}; {done}.")
    return adapt


_warned: set[tuple[str, str]] = set()
_lock = threading.Lock()


def warn_once(provider: str, topic: str, message: str) -> None:
    """Warn once per (provider, topic) in the life of the process."""
    with _lock:
        if (provider, topic) in _warned:
            return
        _warned.add((provider, topic))
    warnings.warn(message, DragomanWarning, stacklevel=3)


def forget_warnings() -> None:
    """Make `warn_once` warn again; for tests."""
    with _lock:
        _warned.clear()
