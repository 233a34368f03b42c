"""Model name -> provider, and the instances of providers that a client uses."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from dragoman.core.provider import Provider, first_env

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dragoman.core.plugins import Plugins

#: `provider/model` or `provider:model`.
_PREFIXED = re.compile(r"([^/:]+)[/:](.+)", re.DOTALL)

#: A host on this machine.
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")

#: Where the openai package itself looks for the address.
_BASE_URL = ("OPENAI_BASE_URL",)


class _Compatible(Provider):
    """An OpenAI-compatible endpoint for which no plugin is installed."""

    base_url_env: ClassVar = _BASE_URL
    key_env: ClassVar = ("OPENAI_API_KEY",)

    def normalise_base_url(self, url: str) -> str:
        """Add the `/v1` that people leave out where the server is on this machine, as the openai plugin does."""
        url = super().normalise_base_url(url)
        parts = urlsplit(url)
        return f"{url}/v1" if not parts.path and _LOOPBACK.fullmatch(parts.hostname or "") else url


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
            self.plugins.register_hooks(provider)
        if self.default_provider in self._instances and self.default_options:
            from dragoman.core.errors import DragomanError

            given = ", ".join(sorted(self.default_options))
            message = f"{self.default_provider!r} is one of providers=; give it {given} there and not to the client"
            raise DragomanError(message)

    def route(self, model: str) -> tuple[Provider, str]:
        """Return the provider and what it calls the model. Raises `UnknownProvider`, `PluginError`."""
        name, own = self.split(model)
        return self.provider(name, model), own

    def split(self, model: str) -> tuple[str, str]:
        """Return the provider's name and what it calls the model. Raises `UnknownProvider`."""
        model = self.aliases.get(model, model)
        match = _PREFIXED.fullmatch(model)
        if match and self.knows(match[1]):
            return match[1], match[2]
        if match and "/" in model and self._default_is_openai_itself():
            # OpenAI has no model with a slash: this was meant for a provider that is not here.
            if self.plugins.stand_in is not None:
                return match[1], match[2]
            self.plugins.provider(match[1])
        return self.default_provider, model

    def listed(self, name: str, own: str) -> str:
        """Return what to ask for to get a provider's model; `split` reads it back."""
        match = _PREFIXED.fullmatch(own)
        if name == self.default_provider and not (match and self.knows(match[1])):
            return own
        return f"{name}/{own}"

    def knows(self, name: str) -> bool:
        """Whether a provider of this name is configured or installed; nothing is imported."""
        return name in self._instances or name == self.default_provider or self.plugins.has(name)

    def provider(self, name: str, model: str = "") -> Provider:
        """Return the instance for a name, made when first asked for, or who stands in for it.

        `model` is what the caller wrote, if anything.
        """
        stand_in = self.plugins.stand_in
        if stand_in is not None:
            return stand_in(name, model)
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

    def made(self) -> list[Provider]:
        """The instances that there are: the configured ones, and the others that were asked for."""
        return [*self._instances.values()]

    def _default_is_openai_itself(self) -> bool:
        if self.default_provider != "openai" or self.default_options.get("base_url") or first_env(_BASE_URL):
            return False
        return not any(provider.name == "openai" for provider in self.providers)

    def _make(self, name: str) -> Provider:
        return self.fresh(name, self.default_options if name == self.default_provider else {})

    def fresh(self, name: str, options: Mapping[str, Any]) -> Provider:
        """Make an instance of a plugin's, with options of its own, another `name` among them.

        Raises `UnknownProvider`, `PluginError`.
        """
        address = options.get("base_url") or first_env(_BASE_URL)
        if name == "openai" and address and not self.plugins.has(name):
            # Any compatible endpoint needs no plugin: the contract's defaults are one.
            return _Compatible(**{"name": name, **options})
        provider = self.plugins.make(name, options)
        self.plugins.register_hooks(provider)
        return provider
