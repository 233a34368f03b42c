"""The gates that settings ask for: everybody on this machine, or who has a key, within the limits."""

from __future__ import annotations

import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from dragoman.server.admission import OpenGate
from dragoman.server.keys import Key, hash_key, names_of
from dragoman.server.limits import Denial, Held, Store, Subject, local_store
from dragoman.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.server.admission import Caller, Gate, Lease
    from dragoman.server.settings import ServerSettings

#: Of so many models, with names so long at most, it is remembered which limits they have.
_REMEMBERED, _LONGEST_NAME = 1024, 200
_BEARER = re.compile(r"(?i:bearer)\s+(\S+)\s*")
_WORDS = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)", "concurrency": "concurrent requests"}


def make_gate(settings: ServerSettings) -> Gate:
    """Make the gate that the settings ask for."""
    if not settings.keys and not settings.limits:
        return OpenGate()
    return KeyGate(settings)


class KeyGate:
    """Admits who has a key, within the limits of keys and models. Implements `admission.Gate`."""

    def __init__(
        self, settings: ServerSettings, store: Store | None = None, now: Callable[[], datetime] | None = None
    ) -> None:
        self._keys: tuple[Key, ...] = tuple(replace(key, also=settings.also) for key in settings.keys)
        self._aliases = settings.aliases
        self._also = settings.also
        self._limits = settings.limits
        self._now = now or (lambda: datetime.now(UTC))
        self._store = make_store(settings) if store is None else store
        self._of_model = lru_cache(_REMEMBERED)(self._find_limited)

    def admit(self, headers: Mapping[str, str]) -> Caller:
        """Find the key in `Authorization: Bearer` or `x-api-key`. Raises `Refusal` with status 401."""
        if not self._keys:
            return _OPEN.admit(headers)
        bearer = _BEARER.fullmatch(headers.get("authorization", ""))
        given = bearer[1] if bearer else headers.get("x-api-key", "").strip()
        if not given:
            message = (
                "You didn't provide an API key. You need to provide your API key in an Authorization header using "
                "Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            raise _unauthorised(message)
        hashed = hash_key(given)
        # All are compared, so that the time tells nothing about which came close.
        found = [key for key in self._keys if hmac.compare_digest(key.hash, hashed)]
        if not found:
            message = "Incorrect API key provided."
            raise _unauthorised(message)
        if found[0].expires is not None and self._now() > found[0].expires:
            message = f"The API key {found[0].name!r} has expired ({found[0].expires:%Y-%m-%d %H:%M} UTC)."
            raise _unauthorised(message)
        return found[0]

    async def begin(self, caller: Caller, model: str) -> Lease:
        """Begin a request for a model. Raises `Refusal`: 403 for the model, 429 for the limits of key and model."""
        # Who names no model asks for a list, which is cut to what is theirs, or was refused before.
        if model and not caller.allows(model):
            message = f"The API key {caller.name!r} does not have access to model `{model}`."
            raise Refusal(403, message, code="model_not_found", param="model")
        subjects = self._subjects(caller, model)
        if not subjects:
            return _LEASE
        taken = await self._store.take(subjects)
        if isinstance(taken, Denial):
            raise _too_much(taken, model)
        return _Lease(taken)

    def _subjects(self, caller: Caller, model: str) -> tuple[Subject, ...]:
        """Whose limits a request counts for: its key's, and those of the patterns that its model fits."""
        limited = isinstance(caller, Key) and caller.limits
        own = (Subject(f"key {caller.name}", limited),) if limited else ()
        if not self._limits:
            return own
        # Clients name models as they like: what is remembered of them is bounded.
        known = self._of_model if len(model) <= _LONGEST_NAME else self._of_model.__wrapped__
        return own + known(model)

    def _find_limited(self, model: str) -> tuple[Subject, ...]:
        names = names_of(model, self._aliases, self._also)
        return tuple(
            Subject(f"model {pattern}", limits)
            for pattern, limits in self._limits.items()
            if any(fnmatchcase(name, pattern) for name in names)
        )

    async def close(self) -> None:
        """Give back connections."""
        await self._store.close()


class _Lease:
    def __init__(self, held: Held | None = None) -> None:
        self._held = held

    async def settle(self, tokens: int) -> None:
        held, self._held = self._held, None
        if held is not None:
            await held.give_back(tokens)


_LEASE = _Lease()
#: Limits alone let no other machine in, and no other site's pages.
_OPEN = OpenGate()


def make_store(settings: ServerSettings) -> Store:
    """Make what counts for the settings' limits: this process, or all workers together."""
    if not settings.redis_url:
        return local_store()
    from dragoman.server.shared import SharedStore

    return SharedStore(settings.redis_url, local_store())


def _unauthorised(message: str) -> Refusal:
    return Refusal(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _too_much(denial: Denial, model: str) -> Refusal:
    limits = denial.subject.limits
    limit = {
        "requests": limits.requests_per_minute,
        "tokens": limits.tokens_per_minute,
        "concurrency": limits.max_concurrency,
    }[denial.what]
    message = (
        f"Rate limit reached for {model or 'this server'} ({denial.subject.name}) on {_WORDS[denial.what]}: "
        f"Limit {limit}, Used {denial.used}. Please try again in {denial.wait:.3g}s."
    )
    return Refusal(429, message, code="rate_limit_exceeded", type=denial.what, retry_after=denial.wait)
