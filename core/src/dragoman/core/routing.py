"""Model name -> provider, and the instances of providers that a client uses."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.core.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dragoman.core.plugins import Plugins

#: `provider/model` or `provider:model`.
_PREFIXED = re.compile(r"([^/:]+)[/:](.+)", re.DOTALL)


@dataclass(slots=True, eq=False)
class Router:
    """Finds the provider for a model name.

    `providers` are configured instances, found by their `name`; the others are made from the installed
    plugins when first asked for. `default_options` (base URL, key, …) belong to the default provider alone.
    """

    plugins: Plugins
    default_provider: str = "openai"
    default_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    providers: Iterable[Provider] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    _instances: dict[str, Provider] = field(init=False, default_factory=dict, repr=False)
    _lock: threading.RLock = field(init=False, default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        for provider in self.providers:
            if provider.name in self._instances:
                from dragoman.core.errors import PluginError

                message = f"two providers are called {provider.name!r}; give one another name="
                raise PluginError(message)
            self._instances[provider.name] = provider

    def route(self, model: str) -> tuple[Provider, str]:
        """Return the provider and what it calls the model. Raises `UnknownProvider`, `PluginError`."""
        model = self.aliases.get(model, model)
        match = _PREFIXED.fullmatch(model)
        if match and self.knows(match[1]):
            return self.provider(match[1]), match[2]
        if match and "/" in model and self._default_is_openai_itself():
            # OpenAI has no model with a slash: this was meant for a provider that is not here.
            self.plugins.provider(match[1])
        return self.provider(self.default_provider), model

    def knows(self, name: str) -> bool:
        """Whether a provider of this name is configured or installed; nothing is imported."""
        return name in self._instances or name == self.default_provider or self.plugins.has(name)

    def provider(self, name: str) -> Provider:
        """Return the instance for a name, made when first asked for."""
        found = self._instances.get(name)
        if found is None:
            with self._lock:
                found = self._instances.get(name) or self._make(name)
                self._instances[name] = found
        return found

    def names(self) -> list[str]:
        """Names of all providers, configured and installed, the default one first."""
        offers = [name for name, offer in self.plugins.providers().items() if not offer.blocked]
        return list(dict.fromkeys([self.default_provider, *self._instances, *sorted(offers)]))

    def _default_is_openai_itself(self) -> bool:
        configured = self.default_provider in self._instances or self.default_options.get("base_url")
        return self.default_provider == "openai" and not configured

    def _make(self, name: str) -> Provider:
        options = dict(self.default_options) if name == self.default_provider else {}
        if name == "openai" and not self.plugins.has(name):
            # Any compatible endpoint needs no plugin: the contract's defaults are one.
            if options.get("base_url"):
                return Provider(name=name, **options)
            self.plugins.provider(name)
        provider = self.plugins.provider(name)(name=name, **options)
        self.plugins.register_hooks(provider)
        return provider
