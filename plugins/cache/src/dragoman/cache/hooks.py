"""The hooks: an answer that was given before is given again.

Nothing is cached until somebody says so: `DRAGOMAN_CACHE` names a file, or `caching(…)` switches it on in a program.
`DRAGOMAN_CACHE_MAX_BYTES` and `DRAGOMAN_CACHE_MAX_AGE` (seconds) are the limits of the former.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.cache.keys import key_of
from dragoman.cache.store import Store
from dragoman.core import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Call, Json

_CONTEXT = "dragoman.cache"
_PATH = "DRAGOMAN_CACHE"
_stores: list[Store] = []


@contextmanager
def caching(store: Store) -> Iterator[Store]:
    """Keep all answers of this process in `store`, and give them again, while the block runs; blocks may be nested."""
    _stores.append(store)
    try:
        yield store
    finally:
        _stores.remove(store)
        store.close()


def takes_part() -> bool:
    """Whether the cache is on: while it is not, no call pays for what the hooks would need."""
    return bool(_stores or os.environ.get(_PATH))


@hookimpl(trylast=True)
def answer_call(call: Call) -> Json | None:
    """Give an answer that is there. Runs last, so that guards and mocks are asked before."""
    store = _store()
    key = key_of(call) if store is not None else None
    if store is None or key is None:
        return None
    call.context[_CONTEXT] = (store, key)
    answer = store.get(key)
    # A stream that was kept may have ended without usage, which a whole answer always has.
    return answer if answer is not None and (call.stream or answer.get("usage")) else None


@hookimpl
def after_call(call: Call) -> None:
    """Keep a whole answer that the provider gave and no filter cut."""
    store, key = call.context.get(_CONTEXT, (None, None))
    if store is None or call.answered or call.outcome != "complete" or not call.response:
        return
    choices = call.response.get("choices") or ()
    if choices and all(choice.get("finish_reason") not in {None, "content_filter"} for choice in choices):
        store.put(key, call.response)


def _store() -> Store | None:
    if _stores:
        return _stores[-1]
    path = os.environ.get(_PATH, "").strip()
    return _of_environment(path, *map(_limit, ("MAX_BYTES", "MAX_AGE"))) if path else None


@cache
def _of_environment(path: str, max_bytes: float | None, max_age: float | None) -> Store:
    limits = {"max_bytes": int(max_bytes)} if max_bytes is not None else {}
    return Store(Path(path).expanduser(), max_age=max_age, **limits)


def _limit(name: str) -> float | None:
    text = os.environ.get(f"DRAGOMAN_CACHE_{name}", "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        from dragoman.core import DragomanError

        message = f"DRAGOMAN_CACHE_{name} must be a number, not {text!r}"
        raise DragomanError(message) from None
