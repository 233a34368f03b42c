"""Who will answer a request, as far as its translation depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from dragoman.core import CompatibleProvider, OnUnsupported

if TYPE_CHECKING:
    from dragoman.core import Dispatcher, Provider

MESSAGES = "messages"
_STRICTEST_FIRST = get_args(OnUnsupported)


@dataclass(frozen=True, slots=True)
class Target:
    """A provider, or several that may step in for one another: then what holds for all of them."""

    #: The provider's name, for messages.
    name: str
    #: Whether it has Anthropic's Messages API, and with it whatever a request may say there.
    native: bool = False
    #: Parameters that OpenAI does not have and the provider reads (`CompatibleProvider.own_parameters`).
    reads: frozenset[str] = frozenset()
    #: What to do with what it does not have, unless the request says so: the strictest word of its entries.
    policy: OnUnsupported = "raise"


def find_target(dispatcher: Dispatcher, model: str, policy: OnUnsupported = "raise") -> Target:
    """Find who will answer for a model; `policy` is of those who say nothing else.

    Raises `openai.OpenAIError` where nobody does.
    """
    found = list(dispatcher.candidates(model))
    providers = [candidate.provider for candidate in found]
    return Target(
        name=providers[0].name,
        native=all(MESSAGES in (provider.endpoints or ()) for provider in providers),
        reads=frozenset.intersection(*(_own_parameters(provider) for provider in providers)),
        policy=min((candidate.on_unsupported or policy for candidate in found), key=_STRICTEST_FIRST.index),
    )


def _own_parameters(provider: Provider) -> frozenset[str]:
    return provider.own_parameters if isinstance(provider, CompatibleProvider) else frozenset()
