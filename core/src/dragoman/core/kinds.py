"""Who sends for a provider: its own sender, the default one, or the direct one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from dragoman.core.errors import ConfigError
from dragoman.core.senders import default_async_sender, default_sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.provider import AsyncSender, Provider, Sender, SenderKind

_S = TypeVar("_S")
#: Of the provider's settings an SDK client of the other kind would be made, with another address and another key.
_OTHER_COLOUR = "{} has a ready client for {}synchronous calls only; give it {}= too"


def sender_of(provider: Provider, kind: SenderKind = "sdk") -> Sender:
    """Make the provider's sender, of this kind unless it says otherwise. Raises `DragomanError` if it cannot be."""
    if _sends_itself(provider, kind):
        return own_sender(provider)
    from dragoman.core.direct import direct_sender

    return direct_sender(provider)


def async_sender_of(provider: Provider, kind: SenderKind = "sdk") -> AsyncSender:
    """`sender_of` for the asynchronous side."""
    if _sends_itself(provider, kind, needs="aiohttp"):
        if provider.async_client is None and provider.client is not None:
            raise ConfigError(_OTHER_COLOUR.format(provider.name, "", "async_client"))
        return _made(provider, lambda: provider.async_sender() or default_async_sender(provider))
    from dragoman.core.direct import async_direct_sender

    return async_direct_sender(provider)


def own_sender(provider: Provider) -> Sender:
    """Make the provider's own sender, or the default one. Raises `ConfigError` where its options do not fit."""
    if provider.client is None and provider.async_client is not None:
        raise ConfigError(_OTHER_COLOUR.format(provider.name, "a", "client"))
    return _made(provider, lambda: provider.sender() or default_sender(provider))


def _made(provider: Provider, make: Callable[[], _S]) -> _S:
    """Make a sender; what an SDK's constructor says of its arguments is about the provider's options."""
    try:
        return make()
    except TypeError as exception:
        message = f"{provider.name} cannot send with the options that it was given: {exception}"
        raise ConfigError(message) from exception


def _sends_itself(provider: Provider, kind: SenderKind, needs: str = "") -> bool:
    chosen = provider.sender_kind or kind
    if chosen != "auto":
        return chosen == "sdk"
    from importlib.util import find_spec

    from dragoman.core.credentials import suits_direct

    return (bool(needs) and find_spec(needs) is None) or not suits_direct(provider)
