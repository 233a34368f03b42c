"""What a client may ask for, and what of it reaches the provider."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from dragoman.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Ask, CallOptions, Json
    from dragoman.server.admission import Caller

#: What says where a call goes and who pays for it: that is the server's to say.
_RESERVED = frozenset({"api_base", "api_key", "api_version", "base_url", "extra_headers", "extra_query", "headers"})
#: What says who answers, and what is counted: it is looked at in the request itself. What stands in its `extra_body`
#: goes over the request on its way to the provider, unread.
_SAID_ONCE = frozenset({"extra_body", "model", "stream", "stream_options"})
#: Where vendors are told of other models that may answer.
_OTHER_MODELS = frozenset({"fallbacks", "models"})
#: Endpoints that do what one model can, and those of them whose model no provider chooses itself.
_OF_A_MODEL = frozenset(
    {
        "audio/speech",
        "chat/completions",
        "completions",
        "embeddings",
        "images/edits",
        "images/generations",
        "messages/count_tokens",
        "moderations",
        "responses",
    }
)
_MUST_NAME_IT = _OF_A_MODEL - {"moderations"}
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
    extra = extra if isinstance(extra, dict) else {}
    _check_names(request, extra)
    if ask.endpoint.partition("/")[0] == "models":
        _check_listed(ask, caller)
        return
    # Elsewhere a name does not say which models will be used.
    model = request.get("model") if ask.endpoint in _OF_A_MODEL else None
    named = isinstance(model, str) and bool(model)
    if not named and ask.content is None and ask.endpoint in _MUST_NAME_IT:
        message = "model must be a name such as 'anthropic/claude-sonnet-4-5'"
        raise Refusal(400, message, code="missing_model", param="model")
    if not isinstance(request.get("stream"), bool | None):
        raise Refusal(400, "stream must be true or false", code="invalid_type", param="stream")
    if not isinstance(request.get("stream_options"), dict | None):
        raise Refusal(400, "stream_options must be an object", code="invalid_type", param="stream_options")
    if not caller.allows(model if isinstance(model, str) else ""):
        message = (
            f"the model {model!r} is not for this key" if model else "this key is for some models, and none is named"
        )
        raise Refusal(403, message, code="model_not_allowed", param="model")
    if not caller.allows(""):
        _check_others(request, caller)
        _check_others(extra, caller)


def _check_names(request: Json, extra: Json) -> None:
    """Refuse names that are not a client's to say, or not there. Go's JSON reads them in letters of any case."""
    for name in (*request, *extra):
        if name.casefold() in _RESERVED:
            message = f"{name} is the server's to say, and no client's"
            raise Refusal(400, message, code="reserved_parameter", param=name)
    for name in extra:
        if name.casefold() in _SAID_ONCE:
            message = f"{name} cannot be said in extra_body, but only in the request itself"
            raise Refusal(400, message, code="reserved_parameter", param=name)
    for name in request:
        if name not in _SAID_ONCE and name.casefold() in _SAID_ONCE:
            message = f"{name} must be written {name.casefold()}"
            raise Refusal(400, message, code="reserved_parameter", param=name)


def _check_others(place: Json, caller: Caller) -> None:
    """Refuse other models beside the one that is asked: a vendor would let them answer, or help to."""
    for name, value in place.items():
        folded = name.casefold()
        if folded in _OTHER_MODELS and value:
            message = f"this key is for some models, and {name} may name others"
            raise Refusal(403, message, code="model_not_allowed", param=name)
        if folded == "tools" and isinstance(value, list):
            for model in (tool["model"] for tool in value if isinstance(tool, dict) and tool.get("model")):
                if not isinstance(model, str) or not caller.allows(model):
                    message = f"the model {model!r} of a tool is not for this key"
                    raise Refusal(403, message, code="model_not_allowed", param=name)


def _check_listed(ask: Ask, caller: Caller) -> None:
    name = unquote(ask.endpoint.partition("/")[2])
    if name and not caller.allows(name):
        raise Refusal(404, f"there is no model {name!r} for this key", code="model_not_found", param="model")


def options_of(usual: CallOptions, headers: Mapping[str, str], ask: Ask, query: bytes) -> CallOptions:
    """Return the options of one call: what every call has, and the little that a client may add."""
    values = parse_qsl(query.decode("latin-1")) if query and ask.method == "GET" else ()
    found = {name: value for name, value in values if name.lower() not in _CREDENTIALS}
    return replace(usual, headers=headers, query=found) if headers or found else usual
