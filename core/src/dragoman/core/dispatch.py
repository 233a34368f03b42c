"""A request -> the exchange that will answer it: routing, per-call options, the call's id and clock."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import DragomanError, InvalidRequest, status_error
from dragoman.core.exchange import CHAT, Exchange
from dragoman.core.hooks import Hooks
from dragoman.core.plugins import plugins
from dragoman.core.provider import Call, Json, OnUnsupported, Provider, Timeout
from dragoman.core.routing import Router

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_POLICIES = ("raise", "warn", "ignore", "adapt")
#: Listing asks many providers at once; one that hangs must not hold up the rest.
_LISTING_TIMEOUT: Timeout = {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 5.0}


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a client says about each of its calls. `api_key` goes to whichever provider is called."""

    api_key: str | None = field(default=None, repr=False)
    timeout: Timeout = None
    max_retries: int | None = None
    on_unsupported: OnUnsupported = "raise"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Dispatcher:
    """Makes exchanges for one client, its copies included."""

    router: Router
    hooks: Hooks

    def exchange(self, request: Json, options: CallOptions, *, endpoint: str = CHAT, method: str = "POST") -> Exchange:
        """Make the exchange for OpenAI's JSON `request`, which becomes the exchange's own."""
        extra_body = dict(request.pop("extra_body", None) or {})
        model = request.get("model")
        if endpoint == CHAT and not (isinstance(model, str) and model):
            msg = "model must be a name such as 'anthropic/claude-sonnet-4-5'"
            raise InvalidRequest(msg)
        if isinstance(model, str) and model:
            provider, request["model"] = self.router.route(model)
        else:
            provider, endpoint = self._by_path(endpoint)
        call = self._call(provider, request, options, endpoint, method)
        control = extra_body.pop("dragoman", None) or request.pop("dragoman", None)
        call.extra_body = extra_body
        if control is not None:
            call.on_unsupported = _policy(control)
        return Exchange(provider, call, self.hooks)

    def model_lists(self, options: CallOptions) -> tuple[dict[str, Exchange], dict[str, str]]:
        """Make one exchange per provider that lists its models, and say why others cannot."""
        exchanges: dict[str, Exchange] = {}
        problems: dict[str, str] = {}
        for name in self.router.names():
            try:
                provider = self.router.provider(name)
            except DragomanError as exception:
                problems[name] = str(exception)
                continue
            call = self._call(provider, {}, options, "models", "GET")
            call.timeout, call.max_retries = _LISTING_TIMEOUT, 0
            exchanges[name] = Exchange(provider, call, self.hooks)
        return exchanges, problems

    def merge_models(self, answers: Mapping[str, Json | BaseException], problems: Mapping[str, str]) -> Json:
        """Join the providers' lists; ids carry the provider's name, but for the default provider's own."""
        data: list[Json] = []
        errors = dict(problems)
        for name, answer in answers.items():
            if isinstance(answer, BaseException):
                errors[name] = str(answer)
                continue
            prefix = "" if name == self.router.default_provider else f"{name}/"
            data += [_as_model(model, prefix, name) for model in answer.get("data") or () if isinstance(model, dict)]
        return {"object": "list", "data": data, **({"errors": errors} if errors else {})}

    def _by_path(self, endpoint: str) -> tuple[Provider, str]:
        """Find the provider of a request without a model in its body: `models/<name>`, or the default one."""
        head, _, rest = endpoint.partition("/")
        if head == "models" and rest:
            provider, model = self.router.route(rest)
            return provider, f"models/{model}"
        return self.router.provider(self.router.default_provider), endpoint

    def _call(self, provider: Provider, request: Json, options: CallOptions, endpoint: str, method: str) -> Call:
        return Call(
            provider=provider.name,
            model=str(request.get("model") or ""),
            request=request,
            endpoint=endpoint,
            method=method,
            id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            extra_headers=options.headers,
            extra_query=options.query,
            api_key=options.api_key,
            timeout=options.timeout,
            max_retries=options.max_retries,
            on_unsupported=options.on_unsupported,
        )


def make_dispatcher(
    *,
    default_provider: str,
    default_options: Mapping[str, Any] | None = None,
    providers: Iterable[Provider] = (),
    aliases: Mapping[str, str] | None = None,
) -> Dispatcher:
    """Make a dispatcher over the plugins of this process; this is when hook plugins are loaded."""
    installed = plugins()
    router = Router(installed, default_provider, dict(default_options or {}), tuple(providers), dict(aliases or {}))
    return Dispatcher(router, Hooks(installed.hooks))


def check_policy(policy: str) -> OnUnsupported:
    """Return the policy; raises ValueError for a word that is none."""
    if policy not in _POLICIES:
        message = f"on_unsupported must be one of {', '.join(_POLICIES)}, not {policy!r}"
        raise DragomanError(message)
    return policy


def _policy(control: Any) -> OnUnsupported:
    unknown = set(control) - {"on_unsupported"} if isinstance(control, dict) else {"a value that is no object"}
    if unknown:
        message = f"extra_body['dragoman'] knows only 'on_unsupported', not {', '.join(sorted(unknown))}"
        raise DragomanError(message)
    return check_policy(control.get("on_unsupported", "raise"))


def _as_model(model: Json, prefix: str, owner: str) -> Json:
    """Fill in what OpenAI's model object must have."""
    return {"object": "model", "created": 0, "owned_by": owner, **model, "id": f"{prefix}{model.get('id', '')}"}


def no_such_endpoint(method: str, path: str) -> Exception:
    """Refuse a path that is no endpoint at all."""
    error = {
        "message": f"there is no {method} {path} here",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    return status_error(404, error, path=path)
