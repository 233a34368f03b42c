"""The doors: HTTP clients for libraries that build their own OpenAI client.

`openai.OpenAI(http_client=dragoman.core.http_client())` reaches every provider, and the requests never leave
the process but through a provider's sender.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core.asks import CallOptions
from dragoman.core.choices import check_policy
from dragoman.core.dispatch import choose_tapes, make_dispatcher
from dragoman.core.errors import httpx
from dragoman.core.transport import AsyncTransport, Transport

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from dragoman.core.provider import OnUnsupported, Provider, SenderKind
    from dragoman.core.tapes import Recorder, Replayer


class _Copyable:
    """An HTTP client that a configuration may hold: a deep copy of it is itself."""

    def __deepcopy__(self, memo: object) -> Any:
        return self


class _DoorClient(_Copyable, httpx.Client):  # type: ignore[misc]  # the library is chosen at run time
    pass


class _AsyncDoorClient(_Copyable, httpx.AsyncClient):  # type: ignore[misc]  # as above
    pass


def http_client(  # noqa: PLR0913 (each is one option, all are named)
    *,
    default_provider: str = "openai",
    providers: Iterable[Provider] = (),
    aliases: Mapping[str, str] | None = None,
    config_list: Sequence[Mapping[str, Any]] | None = None,
    fallbacks: Mapping[str, Sequence[str]] | None = None,
    on_unsupported: OnUnsupported = "raise",
    sender: SenderKind = "sdk",
    max_retries: int | None = None,
    replay: str | os.PathLike[str] | Replayer | None = None,
    record: str | os.PathLike[str] | Recorder | None = None,
) -> Any:
    """Make an HTTP client for `openai.OpenAI(http_client=…)`: every provider, without a server.

    It belongs to the HTTP library of the installed openai: `httpx2.Client` for openai 3, `httpx.Client` for
    openai 2. The outer client's own key and address are not used: models with a provider's prefix go to that
    provider with its own key, the others to `default_provider`. `replay` and `record` are as in `Client`.
    """
    dispatcher = make_dispatcher(
        default_provider=default_provider,
        providers=providers,
        aliases=aliases,
        config_list=config_list,
        fallbacks=fallbacks,
        tapes=choose_tapes(replay, record),
        sender=sender,
    )
    options = CallOptions(max_retries=max_retries, on_unsupported=check_policy(on_unsupported))
    return door(Transport(dispatcher, options))


def async_http_client(  # noqa: PLR0913 (as above)
    *,
    default_provider: str = "openai",
    providers: Iterable[Provider] = (),
    aliases: Mapping[str, str] | None = None,
    config_list: Sequence[Mapping[str, Any]] | None = None,
    fallbacks: Mapping[str, Sequence[str]] | None = None,
    on_unsupported: OnUnsupported = "raise",
    sender: SenderKind = "sdk",
    max_retries: int | None = None,
    replay: str | os.PathLike[str] | Replayer | None = None,
    record: str | os.PathLike[str] | Recorder | None = None,
) -> Any:
    """Make an HTTP client for `openai.AsyncOpenAI(http_client=…)`; see `http_client`."""
    dispatcher = make_dispatcher(
        default_provider=default_provider,
        providers=providers,
        aliases=aliases,
        config_list=config_list,
        fallbacks=fallbacks,
        tapes=choose_tapes(replay, record),
        sender=sender,
    )
    options = CallOptions(max_retries=max_retries, on_unsupported=check_policy(on_unsupported))
    return async_door(AsyncTransport(dispatcher, options))


def door(transport: Transport) -> Any:
    """Wrap a transport in a client; proxies of the environment are not for requests that stay inside."""
    return _DoorClient(transport=transport, trust_env=False)


def async_door(transport: AsyncTransport) -> Any:
    """`door` for the asynchronous side."""
    return _AsyncDoorClient(transport=transport, trust_env=False)
