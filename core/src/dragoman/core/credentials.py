"""A provider's plain key, as the headers of a request that no SDK sends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import DragomanError, MissingKey
from dragoman.core.provider import Provider
from dragoman.core.senders import is_openai, lacking_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.provider import Call

#: Options of an SDK's client that mean something without it.
_UNDERSTOOD = frozenset({"default_headers", "default_query", "organization", "project"})
#: What the openai SDK says about its user, and where it looks for it.
_OPENAI = {
    "organization": ("openai-organization", "OPENAI_ORG_ID"),
    "project": ("openai-project", "OPENAI_PROJECT_ID"),
}


class Credentials:
    """Makes the headers of a provider's requests. Raises `DragomanError` where its credential is not a plain key."""

    def __init__(self, provider: Provider) -> None:
        refuse_direct(provider)
        self._provider = provider
        self._always = _always(provider)
        #: Headers that stand for a key; a caller may send them too.
        self._carriers = {name.lower() for name in {**provider.headers("key")}.keys() - provider.headers("").keys()}
        self._last: tuple[str, Mapping[str, str]] | None = None

    def __call__(self, call: Call) -> Mapping[str, str]:
        """Return the headers for one call, whose own key goes first. Raises `MissingKey`."""
        key = call.api_key or self._provider.api_key or ""
        last = self._last
        if last is None or last[0] != key:
            last = self._last = key, {**self._always, **self._provider.headers(key)}
        if not key and self._carriers.isdisjoint(map(str.lower, call.extra_headers)):
            lacking = lacking_key(self._provider)
            if lacking:
                message = f"{lacking} (other credentials are the SDK's: sender='sdk')"
                raise MissingKey(message)
        return last[1]


def refuse_direct(provider: Provider) -> None:
    """Raise `DragomanError` for a provider that cannot be reached with a plain key over plain HTTP."""
    strange = provider.sdk_options.keys() - _UNDERSTOOD
    given: Any = provider.api_key
    if not provider.base_url:
        reason = "runs in this process"
    elif provider.client is not None or provider.async_client is not None:
        reason = "has a ready client of an SDK, which sends by itself"
    elif callable(given):
        reason = "has a function that makes keys, which its SDK calls"
    elif strange:
        reason = f"has options that only its SDK understands ({', '.join(sorted(strange))})"
    elif type(provider).headers is Provider.headers and not _sent_by_openai(provider):
        reason = "has a sender of its own, and does not say how a key is sent without it"
    else:
        return
    message = f"{provider.name} {reason}: the direct sender has no use for that; use sender='sdk' for it"
    raise DragomanError(message)


def suits_direct(provider: Provider) -> bool:
    """Whether a plain key over plain HTTP is all that a provider needs."""
    if provider.key_env and not provider.api_key:
        # Its SDK may find another credential, and says so if there is none.
        return False
    try:
        refuse_direct(provider)
    except DragomanError:
        return False
    return True


def _sent_by_openai(provider: Provider) -> bool:
    return type(provider).sender is Provider.sender or provider.sender() is None


def _always(provider: Provider) -> dict[str, str]:
    """What an SDK's client would say in each request beside the key."""
    options = provider.sdk_options
    found: dict[str, str] = {}
    for option, (header, variable) in _OPENAI.items():
        value = options.get(option) or (os.environ.get(variable) if is_openai(provider) else None)
        if value:
            found[header] = value
    if is_openai(provider):
        lines = [line.partition(":") for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")]
        found.update({name.strip().lower(): value.strip() for name, colon, value in lines if colon})
    given = options.get("default_headers") or {}
    return {**found, **{name.lower(): value for name, value in given.items() if isinstance(value, str)}}
