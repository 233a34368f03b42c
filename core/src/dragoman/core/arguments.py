"""The keyword arguments of the SDK's methods -> OpenAI's JSON, and what the SDK itself would refuse."""

from __future__ import annotations

import inspect
import marshal
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import openai
from openai.resources.chat.completions import Completions
from pydantic import BaseModel

from dragoman.core.codec import is_finite

if TYPE_CHECKING:
    from dragoman.core.provider import Timeout

_RAW_RESPONSE = "x-stainless-raw-response"
_SCALARS = frozenset({str, int, float, bool, type(None)})
_OMITTED = frozenset({openai.NotGiven, openai.Omit})
#: What templates and numeric libraries give for texts and numbers -> what is in it; `str()` may be another text.
_PLAIN_KINDS: tuple[tuple[type, Callable[[Any], Any]], ...] = ((str, str.__str__), (int, int), (float, float))
#: Lists of tools that were found to be plain and finite, as marshal writes them; the last ones, and none too large.
_PLAIN_TOOLS: list[bytes] = []
_MOST_TOOLS, _LARGEST_TOOLS = 4, 2**20
_TOOLS = frozenset({"tools"})

#: What openai 3 writes at the head of its request bodies, before the rest in the order of its signature.
_HEAD = () if openai.VERSION.startswith("2.") else ("model", "stream", "service_tier")


@cache
def parameters() -> tuple[str, ...]:
    """Names of what `chat.completions.create` takes, in the order of the SDK's request bodies."""
    names = [name for name in inspect.signature(Completions.create).parameters if name != "self"]
    return (*_HEAD, *(name for name in names if name not in _HEAD))


@cache
def names() -> frozenset[str]:
    """`parameters`, to look names up in."""
    return frozenset(parameters())


def check_arguments(params: Mapping[str, Any]) -> None:
    """Refuse what the SDK's own `create` refuses. Raises TypeError."""
    if not names().issuperset(params):
        unknown = params.keys() - names()
        message = (
            f"create() got an unexpected keyword argument {min(unknown)!r}; vendor's own parameters go in extra_body"
        )
        raise TypeError(message)
    response_format = params.get("response_format")
    if inspect.isclass(response_format) and issubclass(response_format, BaseModel):
        message = "a model class as response_format needs chat.completions.parse() instead of create()"
        raise TypeError(message)


def wants_raw_response(params: Mapping[str, Any]) -> bool:
    """Whether `with_raw_response` or `with_streaming_response` made the call: then the SDK needs an HTTP response."""
    return any(name.lower() == _RAW_RESPONSE for name in params.get("extra_headers") or ())


def is_omitted(value: Any) -> bool:
    """Whether the SDK would leave the argument out."""
    return isinstance(value, openai.NotGiven | openai.Omit)


def given_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Leave out what steers the SDK itself."""
    return {
        name: value
        for name, value in headers.items()
        if not is_omitted(value) and not name.lower().startswith("x-stainless-")
    }


def plain_timeout(timeout: Any) -> Timeout:
    """Seconds, or seconds per phase where the HTTP library's own `Timeout` was given."""
    if timeout is None or isinstance(timeout, int | float):
        return timeout
    parts: dict[str, float | None] = timeout.as_dict()
    return parts


def keep_extra_body_apart(options: Any) -> Any:
    """Keep the caller's own keys from being taken for OpenAI's on the HTTP road."""
    if options.extra_json:
        options.extra_json = {"extra_body": dict(options.extra_json)}
    return options


class PlainRequest(NamedTuple):
    """A request in plain JSON types, and which of its keys are known to hold no number that JSON cannot say."""

    request: dict[str, Any]
    finite: frozenset[str] = frozenset()


def plain_request(params: Mapping[str, Any]) -> PlainRequest:
    """Return the arguments as plain JSON types, in the SDK's order, without the omitted ones.

    What is plain already is the caller's own, and is not to be changed.
    """
    request: dict[str, Any] = {}
    finite: frozenset[str] = frozenset()
    for name in parameters():
        if name not in params or is_omitted(params[name]):
            continue
        if name == "tools":
            request[name], finite = _plain_tools(params[name])
        else:
            request[name] = plain(params[name])
    return PlainRequest(request, finite)


def _plain_tools(tools: Any) -> tuple[Any, frozenset[str]]:
    """Make tools plain, and say whether they are finite: a conversation sends the same ones again and again.

    marshal writes the same only of what is the same: types too, a tuple is no list. It takes a third of the time of a
    look at every value.
    """
    try:
        written = marshal.dumps(tools)
    except ValueError:
        return plain(tools), frozenset()
    if written in _PLAIN_TOOLS:
        return tools, _TOOLS
    found = plain(tools)
    if found is not tools or len(written) > _LARGEST_TOOLS or not is_finite(tools):
        return found, frozenset()
    _PLAIN_TOOLS[:] = [written, *_PLAIN_TOOLS[: _MOST_TOOLS - 1]]
    return tools, _TOOLS


def plain(value: Any) -> Any:
    """Return a request's value as plain JSON types; the SDK's objects (an answer's message, say) become dicts.

    A long conversation is plain but for a few of them: only what holds one is made anew.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        if _are_plain(value.values()):
            return value
        return {key: plain(item) for key, item in value.items() if type(item) not in _OMITTED}
    if kind is list:
        return value if _are_plain(value) else [plain(item) for item in value]
    return _plain_object(value)


def _are_plain(values: Iterable[Any]) -> bool:
    """Whether all of it is plain already. Most requests are, and this looks at every value of each."""
    for item in values:
        kind = type(item)
        if kind is str:
            continue
        if kind is dict:
            if not _are_plain(item.values()):
                return False
        elif kind is list:
            if not _are_plain(item):
                return False
        elif kind not in _SCALARS:
            return False
    return True


def _plain_object(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain(dict(value))
    if isinstance(value, BaseModel):
        # As the SDK does it, but for its warning about answers whose values it did not expect.
        exclude = getattr(value, "__api_exclude__", None)
        return value.model_dump(mode="json", exclude_unset=True, exclude=exclude, warnings=False)
    for kind, made in _PLAIN_KINDS:
        if isinstance(value, kind):
            return made(value)
    if isinstance(value, bytes | bytearray):
        message = "bytes are not JSON; send a file as base64 text or a data URL"
        raise TypeError(message)
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return value
