"""Who sends for a provider: its own sender, the default one, or the direct one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.senders import default_async_sender, default_sender

if TYPE_CHECKING:
    from dragoman.core.provider import AsyncSender, Provider, Sender, SenderKind


def sender_of(provider: Provider, kind: SenderKind = "sdk") -> Sender:
    """Make the provider's sender, of this kind unless it says otherwise. Raises `DragomanError` if it cannot be."""
    if _sends_itself(provider, kind):
        return provider.sender() or default_sender(provider)
    from dragoman.core.direct import direct_sender

    return direct_sender(provider)


def async_sender_of(provider: Provider, kind: SenderKind = "sdk") -> AsyncSender:
    """`sender_of` for the asynchronous side."""
    if _sends_itself(provider, kind):
        return provider.async_sender() or default_async_sender(provider)
    from dragoman.core.direct import async_direct_sender

    return async_direct_sender(provider)


def _sends_itself(provider: Provider, kind: SenderKind) -> bool:
    chosen = provider.sender_kind or kind
    if chosen != "auto":
        return chosen == "sdk"
    from dragoman.core.credentials import suits_direct

    return not suits_direct(provider)
