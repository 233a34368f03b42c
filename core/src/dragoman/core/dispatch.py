"""A request -> the exchange that will answer it: routing, per-call options, the call's id and clock."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from dragoman.core.asks import Ask, CallOptions
from dragoman.core.attempt import Attempt
from dragoman.core.choices import check_policy, check_sender
from dragoman.core.errors import DragomanError, InvalidRequest, status_error
from dragoman.core.exchange import CHAT, Exchange
from dragoman.core.headerlists import merge_headers
from dragoman.core.hooks import Hooks
from dragoman.core.listing import join_lists, named_model, provider_model
from dragoman.core.plugins import plugins
from dragoman.core.provider import Call, Json, OnUnsupported, Provider, SenderKind, Timeout, first_env
from dragoman.core.routing import Router
from dragoman.core.secrecy import without

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dragoman.core.capabilities import Capabilities
    from dragoman.core.entries import Entry
    from dragoman.core.fallback import ConfigList
    from dragoman.core.tapes import Recorder, Replayer

#: Folders of tapes, for all clients of the process.
_TAPES = ("DRAGOMAN_REPLAY", "DRAGOMAN_RECORD")
#: Listing asks many providers at once; one that hangs must not hold up the rest.
_LISTING_TIMEOUT: Timeout = {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 5.0}
#: Names of headers that a client means for its default provider only, when it sends them with all its requests.
_CREDENTIAL = re.compile(r"auth|cookie|password|secret|token|(?:api|access|subscription)[-_]?key", re.IGNORECASE)


class Candidate(NamedTuple):
    """Who may answer for a model, what it calls the model, and the policy that its entry has of its own."""

    provider: Provider
    model: str
    on_unsupported: OnUnsupported | None = None


@dataclass(slots=True)
class Dispatcher:
    """Finds out who answers a request, for one client and its copies; `make_dispatcher` makes one."""

    router: Router
    hooks: Hooks
    config: ConfigList | None = None
    #: Who records what providers answer, or answers in their place.
    tapes: Recorder | Replayer | None = None
    sender: SenderKind = "sdk"
    #: Whether a warning that another model is tried says what the provider said, which may quote the prompt.
    quotes: bool = True

    def exchange(self, ask: Ask, options: CallOptions) -> Exchange:
        """Make the exchange that answers `ask`, whose request becomes the exchange's own."""
        request, chat = ask.request, ask.endpoint == CHAT and ask.method == "POST"
        extra_body = _object(request.pop("extra_body", None), "extra_body")
        # A foreign client has merged the caller's extra_body into the request.
        control = {
            **_object(request.pop("dragoman", None), "dragoman"),
            **_object(extra_body.pop("dragoman", None), "dragoman"),
        }
        asked = _policy(control)
        model = request.get("model")
        entries = self._entries(model, ask)
        if entries:
            from dragoman.core.fallback import Attempts

            attempts = Attempts(
                entries, lambda entry: self._entry_attempt(entry, ask, options, extra_body, asked), self._said
            )
            first = attempts.next(None)
            assert first is not None  # noqa: S101 (without an attempt it raises)
            return Exchange(first, self.hooks, following=attempts.next)
        if asked is not None:
            options = replace(options, on_unsupported=asked)
        if isinstance(model, str) and model:
            provider, request["model"] = self.router.route(model)
        elif chat:
            msg = "model must be a name such as 'anthropic/claude-sonnet-4-5'"
            raise InvalidRequest(msg)
        else:
            provider, endpoint = self._by_path(ask.endpoint)
            ask = replace(ask, endpoint=endpoint)
        call = self._call(provider, ask, options)
        call.extra_body = extra_body
        hide_usage = options.count_usage and _ask_for_usage(call)
        attempt = Attempt(provider, call, 0.0, hide_usage, ask.native, options.on_wire, ask.finite)
        return Exchange(attempt, self.hooks, ask.content, ask.content_type)

    def capabilities(self, model: str) -> Capabilities:
        """Return what is known of the provider that a request with this model goes to; of a list, what all have."""
        from dragoman.core.capabilities import common
        from dragoman.core.capabilityfiles import capabilities_of

        return common(capabilities_of(candidate.provider) for candidate in self.candidates(model))

    def candidates(self, model: str) -> Iterator[Candidate]:
        """Give who may answer a request for a model, in the order in which they are asked."""
        entries = self._entries(model, Ask({}))
        if self.config is None or not entries:
            yield Candidate(*self.router.route(model))
            return
        for entry in entries:
            yield Candidate(*self.config.provider(entry), entry.on_unsupported)

    def names(self, model: str) -> bool:
        """Whether the configuration has a model of this name: an entry, an alias or a fallback."""
        return model in self.router.aliases or (self.config is not None and bool(model and self.config.named(model)))

    def _entries(self, model: Any, ask: Ask) -> list[Entry]:
        """The entries that may answer. Only a chat may leave the choice to the whole list; forms hold their model."""
        chat = ask.endpoint == CHAT
        if self.config is None or ask.method != "POST" or ask.content is not None or not (model or chat):
            return []
        return self.config.named(self.router.aliases.get(model, model) if isinstance(model, str) else model)

    def _entry_attempt(
        self, entry: Entry, ask: Ask, options: CallOptions, extra_body: Json, asked: OnUnsupported | None
    ) -> Attempt:
        """What the caller says comes before what the entry says, but for the provider and its key."""
        assert self.config is not None  # noqa: S101 (the entry is one of its)
        provider, model = self.config.provider(entry)
        chat = ask.endpoint == CHAT
        request = {**(entry.params if chat else {}), **ask.request, "model": model}
        options = replace(
            options,
            api_key=None,
            timeout=options.timeout if entry.timeout is None else entry.timeout,
            max_retries=options.max_retries if entry.max_retries is None else entry.max_retries,
            headers=merge_headers(entry.headers, options.headers),
            query={**entry.query, **options.query},
            on_unsupported=asked or entry.on_unsupported or options.on_unsupported,
        )
        call = self._call(provider, replace(ask, request=request), options)
        call.extra_body = {**(entry.extra_body if chat else {}), **extra_body}
        call.price = entry.price
        # What an entry says stands in the chat alone.
        native = None if entry.params or entry.extra_body else ask.native
        pace, hide_usage = self.config.pace(entry), _ask_for_usage(call)
        return Attempt(provider, call, pace, hide_usage, native, options.on_wire, ask.finite)

    def _said(self, failure: BaseException) -> str:
        """What may be told of a failure."""
        kind = type(failure).__name__
        return f"{kind}: {self.redacted(str(failure))}" if self.quotes else kind

    def redacted(self, text: str) -> str:
        """Return a text of a provider's, without the keys of providers: some servers quote the one that they refuse."""
        entries, made = (self.config.entries, self.config.made()) if self.config is not None else ((), [])
        keys = [entry.options.get("api_key") for entry in entries]
        keys += [one.api_key or getattr(one.client, "api_key", None) for one in (*self.router.made(), *made)]
        return without(text, keys)

    def model_lists(self, options: CallOptions) -> tuple[dict[str, Exchange], dict[str, str]]:
        """Make one exchange per provider that lists its models, and say why others cannot.

        What the caller says for one provider (a key, headers) is said to the default one alone.
        """
        exchanges: dict[str, Exchange] = {}
        problems: dict[str, str] = {}
        for name in self.router.names():
            try:
                provider = self.router.provider(name)
            except DragomanError as exception:
                problems[name] = str(exception)
                continue
            own = options if name == self.router.default_provider else CallOptions()
            own = replace(own, timeout=_LISTING_TIMEOUT, max_retries=0)
            call = self._call(provider, Ask({}, "models", "GET"), own)
            exchanges[name] = Exchange(Attempt(provider, call), self.hooks)
        return exchanges, problems

    def merge_models(self, answers: Mapping[str, Json | BaseException], problems: Mapping[str, str]) -> Json:
        """Join the providers' lists; what went wrong is reported beside them, as `errors`."""
        return join_lists(self._own_names(), answers, problems, self.router.listed)

    def own_model(self, ask: Ask) -> Json | None:
        """Answer for a model that has its name from the configuration; None: somebody else's."""
        head, _, rest = ask.endpoint.partition("/")
        name = unquote(rest)
        return named_model(name) if head == "models" and ask.method == "GET" and name in self._own_names() else None

    def _own_names(self) -> list[str]:
        return list(dict.fromkeys([*(self.config.names if self.config else []), *self.router.aliases]))

    def resolve(self, model: str) -> tuple[Provider, str]:
        """Return the provider that is asked first for a model, and what it calls the model."""
        provider, own, _ = next(self.candidates(model))
        return provider, own

    def as_listed(self, call: Call, body: Json) -> Json:
        """Name a single model as the list does; `body` itself where it is none."""
        if call.method == "GET" and call.endpoint.startswith("models/"):
            return provider_model(body, call.provider, self.router.listed(call.provider, str(body.get("id", ""))))
        return body

    def _by_path(self, endpoint: str) -> tuple[Provider, str]:
        """Find the provider of a request without a model in its body: `models/<name>`, or the default one."""
        head, _, rest = endpoint.partition("/")
        if head == "models" and rest:
            provider, model = self.router.route(unquote(rest))
            return provider, f"models/{quote(model, safe=':')}"
        return self.router.provider(self.router.default_provider), endpoint

    def _call(self, provider: Provider, ask: Ask, options: CallOptions) -> Call:
        defaults = options.default_headers
        if provider.name != self.router.default_provider:
            defaults = {name: value for name, value in defaults.items() if not _CREDENTIAL.search(name)}
        return Call(
            provider=provider.name,
            model=str(ask.request.get("model") or ""),
            request=ask.request,
            endpoint=ask.endpoint,
            method=ask.method,
            base_url=_address(provider),
            id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            extra_headers=merge_headers(defaults, options.headers, ask.headers),
            extra_query={**options.query, **ask.query} if ask.query else options.query,
            api_key=options.api_key,
            timeout=options.timeout,
            max_retries=options.max_retries,
            on_unsupported=options.on_unsupported,
        )


def _ask_for_usage(call: Call) -> bool:
    """Have a stream tell its usage; False: there is no need to, or the caller wants to see it."""
    options = call.request.get("stream_options") or {}
    if not call.stream or call.endpoint != CHAT or not isinstance(options, dict) or options.get("include_usage"):
        return False
    call.request["stream_options"] = {**options, "include_usage": True}
    return True


def _address(provider: Provider) -> str:
    """Return where a provider is, with the query that goes with all its requests: another one is another server."""
    ready = provider.client or provider.async_client
    address = str(getattr(ready, "base_url", "")) or provider.base_url
    query = getattr(ready, "_custom_query", None) or provider.sdk_options.get("default_query")
    return f"{address}?{urlencode(sorted(query.items()))}" if query else address


def make_dispatcher(  # noqa: PLR0913 (as in Client)
    *,
    default_provider: str,
    default_options: Mapping[str, Any] | None = None,
    providers: Iterable[Provider] = (),
    aliases: Mapping[str, str] | None = None,
    config_list: Any = None,
    fallbacks: Mapping[str, Sequence[str]] | None = None,
    tapes: Recorder | Replayer | None = None,
    sender: SenderKind = "sdk",
) -> Dispatcher:
    """Make a dispatcher over the plugins of this process; this is when hook plugins are loaded.

    The arguments are those of `Client`; `default_options` are for the default provider (`base_url`, `api_key`, …).

    `sender` says who sends for the providers that do not say so themselves.
    """
    check_sender(sender)
    providers = tuple(providers)
    for provider in providers:
        if check_sender(provider.sender_kind or sender) == "direct":
            from dragoman.core.credentials import refuse_direct

            refuse_direct(provider)
    installed = plugins()
    router = Router(installed, default_provider, dict(default_options or {}), providers, dict(aliases or {}))
    config = None
    if config_list is not None or fallbacks:
        from dragoman.core.fallback import ConfigList

        config = ConfigList(config_list, router, fallbacks)
    return Dispatcher(router, Hooks(installed), config, tapes or choose_tapes(), sender)


def choose_tapes(replay: Any = None, record: Any = None) -> Recorder | Replayer | None:
    """Find who records or replays: as the arguments say, else as the environment says; mostly nobody."""
    if replay is None and record is None and first_env(_TAPES) is None:
        return None
    from dragoman.core.tapes import find_tapes

    return find_tapes(replay, record)


def _policy(control: Json) -> OnUnsupported | None:
    """What a request asks for itself."""
    unknown = control.keys() - {"on_unsupported"}
    if unknown:
        message = f"extra_body['dragoman'] knows only 'on_unsupported', not {', '.join(sorted(map(str, unknown)))}"
        raise DragomanError(message)
    return check_policy(control["on_unsupported"]) if "on_unsupported" in control else None


def _object(value: Any, name: str) -> Json:
    if value is not None and not isinstance(value, dict):
        message = f"{name} must be an object"
        raise InvalidRequest(message)
    return dict(value or {})


def no_such_endpoint(method: str, path: str) -> Exception:
    """Refuse a path that is no endpoint at all."""
    error = {
        "message": f"there is no {method} {path} here",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    return status_error(404, error, path=path)
