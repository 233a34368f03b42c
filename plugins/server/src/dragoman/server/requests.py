"""What a client may ask for, and what of it reaches the provider."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from dragoman.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Ask, CallOptions
    from dragoman.server.admission import Caller

#: What says where a call goes and who pays for it: that is the server's to say.
_RESERVED = ("api_base", "api_key", "api_version", "base_url", "extra_headers", "extra_query", "headers")
#: Endpoints whose model a provider may choose itself.
_MODELLESS = frozenset({"moderations"})
#: Values of a query that are credentials at some vendor.
_CREDENTIALS = frozenset({"access_token", "api-key", "api_key", "key", "token"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be answered, and the options of its call."""

    ask: Ask
    options: CallOptions


def check_ask(ask: Ask, caller: Caller) -> None:
    """Refuse what a client must not say, and models that are not for it. Raises `Refusal`."""
    request = ask.request
    extra = request.get("extra_body")
    for place in (request, extra) if isinstance(extra, dict) else (request,):
        for name in _RESERVED:
            if name in place:
                message = f"{name} is the server's to say, and no client's"
                raise Refusal(400, message, code="reserved_parameter", param=name)
    if ask.endpoint.partition("/")[0] == "models":
        _check_listed(ask, caller)
        return
    model = request.get("model")
    named = isinstance(model, str) and bool(model)
    if not named and ask.content is None and ask.method == "POST" and ask.endpoint not in _MODELLESS:
        message = "model must be a name such as 'anthropic/claude-sonnet-4-5'"
        raise Refusal(400, message, code="missing_model", param="model")
    if not isinstance(request.get("stream"), bool | None):
        raise Refusal(400, "stream must be true or false", code="invalid_type", param="stream")
    if not caller.allows(model if isinstance(model, str) else ""):
        message = (
            f"the model {model!r} is not for this key" if model else "this key is for some models, and none is named"
        )
        raise Refusal(403, message, code="model_not_allowed", param="model")


def _check_listed(ask: Ask, caller: Caller) -> None:
    name = unquote(ask.endpoint.partition("/")[2])
    if name and not caller.allows(name):
        raise Refusal(404, f"there is no model {name!r} for this key", code="model_not_found", param="model")


def options_of(usual: CallOptions, headers: Mapping[str, str], ask: Ask, query: bytes) -> CallOptions:
    """Return the options of one call: what every call has, and the little that a client may add."""
    values = parse_qsl(query.decode("latin-1")) if query and ask.method == "GET" else ()
    found = {name: value for name, value in values if name.lower() not in _CREDENTIALS}
    return replace(usual, headers=headers, query=found) if headers or found else usual
