"""Who will answer a request, as far as its translation depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.core import CompatibleProvider

if TYPE_CHECKING:
    from dragoman.core import Dispatcher, Provider

MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Target:
    """A provider, or several that may step in for one another: then what holds for all of them."""

    #: The provider's name, for messages.
    name: str
    #: Whether it has Anthropic's Messages API, and with it whatever a request may say there.
    native: bool = False
    #: Parameters that OpenAI does not have and the provider reads (`CompatibleProvider.own_parameters`).
    reads: frozenset[str] = frozenset()


def find_target(dispatcher: Dispatcher, model: str) -> Target:
    """Find who will answer for a model. Raises `openai.OpenAIError` where nobody does."""
    config = dispatcher.config
    entries = config.named(model) if config is not None else []
    if config is not None and entries:
        return _joined([config.provider(entry)[0] for entry in entries])
    return _joined([dispatcher.router.route(model)[0]])


def _joined(providers: list[Provider]) -> Target:
    return Target(
        name=providers[0].name,
        native=all(MESSAGES in (provider.endpoints or ()) for provider in providers),
        reads=frozenset.intersection(*(_own_parameters(provider) for provider in providers)),
    )


def _own_parameters(provider: Provider) -> frozenset[str]:
    return provider.own_parameters if isinstance(provider, CompatibleProvider) else frozenset()
