"""Settings that leave this process for workers elsewhere: keys go by the names of their variables, not by value."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dragoman.core import DragomanError, Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.batch.engines import Settings

#: What holds a credential: arguments of clients, entries and providers, and headers.
_SECRET = frozenset({"api_key", "api-key", "authorization", "cookie", "proxy-authorization", "x-api-key"})


@dataclass(frozen=True, slots=True)
class Variable:
    """Stands for the value that an environment variable has wherever it is looked up."""

    name: str


def without_keys(settings: Settings) -> Settings:
    """Return settings that name the variables of their keys. Raises `DragomanError` for a key that is in none."""
    names = {value: name for name, value in sorted(os.environ.items(), reverse=True)}

    def name(key: Any) -> Any:
        if not key:
            return key
        if not isinstance(key, str) or key not in names:
            message = (
                "a key of the configuration is in no environment variable, and workers get no keys: put it into one "
                "that the workers have too (api_key = env:NAME), or let keys be sent (--send-keys)"
            )
            raise DragomanError(message)
        return Variable(names[key])

    return _exchanged(settings, name)


def with_keys(settings: Settings) -> Settings:
    """Return settings with the keys of this environment; a key that it lacks is none, as if nobody had named it."""
    return _exchanged(settings, lambda key: os.environ.get(key.name) if isinstance(key, Variable) else key)


def _exchanged(settings: Settings, change: Callable[[Any], Any]) -> Settings:
    options = settings.options
    headers = {name: _walked(getattr(options, name), change) for name in ("headers", "default_headers")}
    options = replace(options, api_key=change(options.api_key), **headers)
    return replace(settings, client=_walked(settings.client, change), options=options)


def _walked(value: Any, change: Callable[[Any], Any]) -> Any:
    """Copy all that keys may be in, with other keys."""
    if isinstance(value, Provider):
        provider = copy.copy(value)
        provider.api_key = change(value.api_key)
        provider.sdk_options = _walked(value.sdk_options, change)
        return provider
    if isinstance(value, Mapping):
        return {
            name: change(part) if str(name).lower() in _SECRET else _walked(part, change)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_walked(part, change) for part in value)
    return value
