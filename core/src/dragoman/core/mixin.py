"""What the synchronous and the asynchronous client share: settings, copies, and each call's options."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import openai

from dragoman.core.arguments import given_headers, is_omitted, plain_request, plain_timeout
from dragoman.core.asks import Ask, CallOptions
from dragoman.core.choices import check_policy, check_providers
from dragoman.core.dispatch import Dispatcher, choose_tapes, make_dispatcher
from dragoman.core.errors import ConfigError
from dragoman.core.exchange import CHAT
from dragoman.core.transport import EXTENSION, Binding

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from dragoman.core.capabilities import Capabilities
    from dragoman.core.exchange import Exchange
    from dragoman.core.provider import Json, OnUnsupported, Provider, SenderKind
    from dragoman.core.usage import UsageSummary

#: Options of the openai constructor that say how to reach OpenAI itself: they go to that provider's SDK client.
_OPENAI_ONLY = frozenset(
    {"admin_api_key", "data_residency", "organization", "project", "provider", "workload_identity"}
)
#: Of these, what the outer client keeps as an attribute too.
_SHOWN = frozenset({"organization", "project"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client is made of beside the openai SDK's own options; copies share `transport`.

    `plan` are the arguments of `make_dispatcher`, for copies that reach the default provider in another way.
    """

    transport: Any
    plan: Json = field(repr=False)
    on_unsupported: OnUnsupported
    api_key: str | None = field(default=None, repr=False)


class ClientMixin:
    """What both clients share; the I/O is the transport's and its driver's."""

    _settings: Settings
    _make_transport: Any
    _make_door: Any

    def __init__(  # noqa: PLR0913 (as the clients declare it)
        self,
        *,
        default_provider: str = "openai",
        providers: Iterable[Provider] = (),
        aliases: Mapping[str, str] | None = None,
        config_list: Sequence[Mapping[str, Any]] | None = None,
        fallbacks: Mapping[str, Sequence[str]] | None = None,
        on_unsupported: OnUnsupported = "raise",
        replay: Any = None,
        record: Any = None,
        sender: SenderKind = "sdk",
        api_key: Any = None,
        base_url: Any = None,
        http_client: Any = None,
        _settings: Settings | None = None,
        **options: Any,
    ) -> None:
        own = {name: options.pop(name) for name in _OPENAI_ONLY & options.keys()}
        if _settings is None:
            reach = {"api_key": api_key, "base_url": base_url and str(base_url), "http_client": http_client}
            if default_provider == "openai":
                reach.update(own)
            plan = {
                "default_provider": default_provider,
                "default_options": {name: value for name, value in reach.items() if value is not None},
                "providers": check_providers(providers),
                "aliases": aliases,
                "config_list": config_list,
                "fallbacks": fallbacks,
                "tapes": choose_tapes(replay, record),
                "sender": sender,
            }
            _settings = self._new_settings(plan, check_policy(on_unsupported))
            http_client = self._make_door(_settings.transport)
        self._settings = _settings
        if base_url:
            options["base_url"] = base_url
        options.update({name: own[name] for name in _SHOWN & own.keys()})
        # Each provider has credentials of its own, and says so itself if it finds none. A function that
        # makes keys is called by the provider's own client only.
        options["_enforce_credentials"] = False
        start: Any = super().__init__
        start(api_key="" if callable(api_key) else api_key, http_client=http_client, **options)

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], *, tags: Sequence[str] = (), **options: Any) -> Self:
        """Make a client as a configuration file says; `options` are the constructor's, and come before the file's.

        With `tags`, only those of the file's models are there that have one of them. Raises `ConfigError`, which
        names file, line and key.
        """
        from dragoman.core.configfiles import load_config

        config = load_config(path)
        if tags:
            entries = [entry for entry in config.client.get("config_list", ()) if {*tags} & {*entry.get("tags", ())}]
            if not entries:
                message = f"{path}: no model has one of the tags {', '.join(tags)}"
                raise ConfigError(message)
            config.client["config_list"] = entries
        return cls(**{**config.client, **options})

    def _auth_headers(self, security: Any) -> dict[str, str]:
        """Keep the key out of requests that end at our own transport: what is in them there is the caller's."""
        del security
        return {}

    def _validate_headers(self, headers: Any, custom_headers: Any) -> None:
        """Let requests without a key pass."""

    def _new_settings(self, plan: Json, policy: OnUnsupported, api_key: Any = None) -> Settings:
        transport = self._make_transport(make_dispatcher(**plan), CallOptions(on_unsupported=policy))
        return Settings(transport, plan, policy, api_key)

    if not TYPE_CHECKING:
        # Type checkers see the SDK's own signature.
        def copy(
            self,
            *,
            api_key: Any = None,
            base_url: Any = None,
            on_unsupported: Any = None,
            _extra_kwargs: Any = None,
            **options: Any,
        ) -> Any:
            """Make a client with other options. A key given here goes to whichever provider is called."""
            old = self._settings
            policy = check_policy(on_unsupported) if on_unsupported is not None else old.on_unsupported
            key = api_key or old.api_key
            reach = {name: options.pop(name) for name in (_OPENAI_ONLY | {"http_client"}) & options.keys()}
            reach["base_url"] = base_url and str(base_url)
            reach = {name: value for name, value in reach.items() if value is not None and not is_omitted(value)}
            settings = replace(old, on_unsupported=policy, api_key=key)
            if reach:
                plan = {**old.plan, "default_options": {**old.plan["default_options"], **reach}}
                settings = self._new_settings(plan, policy, key)
                options["http_client"] = self._make_door(settings.transport)
                options.update({name: reach[name] for name in (_SHOWN | {"base_url"}) & reach.keys()})
            extra = {**(_extra_kwargs or {}), "_settings": settings}
            shown_key = None if callable(api_key) else api_key
            return super().copy(api_key=shown_key, _extra_kwargs=extra, **options)

        with_options = copy

    @cached_property
    def _dispatcher(self) -> Dispatcher:
        dispatcher: Dispatcher = self._settings.transport.dispatcher
        return dispatcher

    @property
    def usage_summary(self) -> UsageSummary:
        """What this client's calls used and cost so far, its copies' included, by `provider/model`."""
        return self._dispatcher.hooks.meter.summary()

    def capabilities(self, model: str) -> Capabilities:
        """Return what is known of the provider that answers this model: `capabilities("openai/gpt-5.4")["seed"]`.

        The name is read as in a request (aliases, default provider, configuration list); of several entries that may
        answer, it is what all of them have. Nothing is asked over the network. Raises `UnknownProvider` and
        `PluginError`, as a request would.
        """
        return self._dispatcher.capabilities(model)

    def clear_usage_summary(self) -> None:
        """Begin to count anew."""
        self._dispatcher.hooks.meter.clear()

    def _call_options(self, headers: Any = None, query: Any = None, timeout: Any = openai.not_given) -> CallOptions:
        client: Any = self
        headers = headers or {}
        omitted = {name.lower() for name, value in headers.items() if is_omitted(value)}
        defaults = given_headers(client._custom_headers)  # noqa: SLF001 (our base class's)
        return CallOptions(
            api_key=self._settings.api_key,
            timeout=plain_timeout(client.timeout if is_omitted(timeout) else timeout),
            max_retries=client.max_retries,
            on_unsupported=self._settings.on_unsupported,
            headers=given_headers(headers),
            default_headers={name: value for name, value in defaults.items() if name.lower() not in omitted},
            query={**client._custom_query, **(query or {})},  # noqa: SLF001 (our base class's)
        )

    def _bind(self, request: Any) -> None:
        client: Any = self
        own = {name.lower(): value for name, value in client.default_headers.items() if isinstance(value, str)}
        base_path = client.base_url.raw_path.decode().rstrip("/") + "/"
        request.extensions = {**request.extensions, EXTENSION: Binding(self._call_options(), base_path, own)}

    def _exchange(self, params: Json, endpoint: str = CHAT) -> Exchange:
        """Make the exchange for the keyword arguments of `create`."""
        options = self._call_options(
            params.pop("extra_headers", None), params.pop("extra_query", None), params.pop("timeout", openai.not_given)
        )
        plain = plain_request(params)
        return self._dispatcher.exchange(Ask(plain.request, endpoint, finite=plain.finite), options)


def plan_of(client: ClientMixin) -> tuple[Json, CallOptions]:
    """Return what makes another that answers as this client does: arguments of `make_dispatcher`, and each call's."""
    return dict(client._settings.plan), client._call_options()  # noqa: SLF001 (our own client's)
