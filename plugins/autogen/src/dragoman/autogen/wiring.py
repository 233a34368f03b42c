"""`wire`: configuration lists for AutoGen 0.2 and AG2 classic that reach every provider in this process.

AutoGen hands an entry's `http_client` to the openai package's client, and knows nothing of it: so requests end at a
door of dragoman's, and answers and errors come back as OpenAI's. That is why fallback, usage, prices, caches, tools
and group chats work as ever, without a server, a registration, or a change of AutoGen.
"""

from __future__ import annotations

import json
import sys
import threading
import weakref
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, overload

from dragoman.autogen.entries import PLACEHOLDERS, Entry, folded, plain_entry, salt, take_apart
from dragoman.autogen.failures import as_answer
from dragoman.autogen.habits import fitted, without_hidden_tools
from dragoman.autogen.streaming import shown
from dragoman.core import ConfigError, DragomanError, http_client

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dragoman.core import Json

#: Only for AutoGen's cache, which keeps answers by the parameters of their requests.
_SALT = "x-dragoman-entry"
#: Asks for the answer whole, but shown as it comes.
SHOW = "x-dragoman-show"
_OURS = frozenset({_SALT, SHOW, "content-length"})


@overload
def wire(config: Mapping[str, Any], *, on_unsupported: str = "raise") -> dict[str, Any]: ...


@overload
def wire(config: Iterable[Any], *, on_unsupported: str = "raise") -> list[dict[str, Any]]: ...


def wire(config: Any, *, on_unsupported: str = "raise") -> Any:
    """Return a configuration list, or an `llm_config`, whose entries reach every provider in this process.

    Give `llm_config` whole where it says something for all entries (`stream`, `api_key`, `timeout`, …). AG2's
    `LLMConfig` is taken too. `model`, `tags`, `price` and the parameters of requests stay where AutoGen's filters
    and caches see them; the provider, its address, its key and everything else stand behind the door, and
    `hide_tools` and `api_rate_limit` are kept there. Entries without a `price` get the one that an installed price
    list knows. A `model_client_cls` given as the class itself needs no registration; one that is a text is AutoGen's
    affair, and its entry is left as it is. `on_unsupported` is the client's. Raises `ConfigError`.
    """
    if hasattr(config, "config_list") and hasattr(config, "model_dump"):
        entries, rest = folded(config.model_dump())
        return type(config)(*_wired(entries, on_unsupported), **rest)
    if isinstance(config, dict):
        entries, rest = folded(config)
        return {**rest, "config_list": _wired(entries, on_unsupported)}
    return _wired(config, on_unsupported)


def _wired(entries: Any, on_unsupported: str) -> list[Json]:
    if not isinstance(entries, list | tuple):
        message = f"a configuration list must be a list of objects, not {type(entries).__name__}"
        raise ConfigError(message)
    return [_wired_entry(plain_entry(entry), on_unsupported) for entry in entries]


def _wired_entry(given: Json, on_unsupported: str) -> Json:
    if isinstance(given.get("model_client_cls"), str) or hasattr(given.get("http_client"), "dragoman_entry"):
        return given
    entry = take_apart(given)
    return {
        **entry.outer,
        **PLACEHOLDERS,
        # The provider's own client retries, and waits, as the entry says.
        "max_retries": 0,
        "extra_headers": {_SALT: salt(entry)},
        "http_client": door_of(entry, on_unsupported),
    }


def door_of(entry: Entry, on_unsupported: str) -> Any:
    """Make the HTTP client of an entry; a deep copy of it is itself. Raises `ConfigError`."""
    behind = http_client(config_list=[entry.inner], on_unsupported=on_unsupported)  # type: ignore[arg-type]  # checked there
    kind: Any = type(behind)
    door = _discreet(kind)(transport=_Front(entry, behind), trust_env=False)
    door.dragoman_entry = entry
    # Agents share a door, and none of them closes it.
    weakref.finalize(door, behind.close).atexit = False
    return door


@cache
def _discreet(kind: Any) -> Any:
    """Make a class of HTTP clients whose `vars()` say nothing: AutoGen's logger writes all that it finds there."""
    return type(kind.__name__, (kind,), {"__dict__": property(lambda _: {"door": "dragoman"})})


class _Front:
    """A transport before the door: it does with requests what AutoGen's own client leaves undone."""

    def __init__(self, entry: Entry, door: Any) -> None:
        self.entry = entry
        self.door = door
        self._sdk: Any = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self.door.close()

    def handle_request(self, request: Any) -> Any:
        """Answer a request of the openai package's client."""
        httpx = import_module(type(request).__module__.partition(".")[0])
        headers = {name: value for name, value in request.headers.items() if name not in _OURS}
        content = request.read()
        try:
            if request.url.path.endswith("/chat/completions"):
                body = self._prepared(json.loads(content))
                if (self.entry.stream and not body.get("stream")) or SHOW in request.headers:
                    return httpx.Response(200, json=self._shown(body, headers))
                content = json.dumps(body).encode()
            inner = httpx.Request(
                request.method, request.url, headers=headers, content=content, extensions=request.extensions
            )
            return self.door.send(inner, stream=True)
        except Exception as failure:
            answer = as_answer(failure)
            if answer is None:
                raise
            status, found, headers = answer
            return httpx.Response(status, json=found, headers=headers)

    def _prepared(self, body: Json) -> Json:
        if body.get("stream") and _counts_by_itself():
            message = (
                "AutoGen 0.2 cannot count the tokens of a stream without the network. Say stream=True in the entries, "
                "or give the whole llm_config to wire(): answers are then shown as they come, and counted right."
            )
            raise DragomanError(message)
        return fitted(without_hidden_tools(body, self.entry.hide_tools), self.entry.provider)

    def _shown(self, body: Json, headers: Mapping[str, str]) -> Json:
        import openai
        from openai.types.chat import ChatCompletionChunk

        with self._lock:
            self._sdk = self._sdk or openai.OpenAI(**PLACEHOLDERS, http_client=self.door, max_retries=0)
        options = {**(body.get("stream_options") or {}), "include_usage": True}
        stream = self._sdk.post(
            "/chat/completions",
            body={**body, "stream": True, "stream_options": options},
            cast_to=ChatCompletionChunk,
            options={"headers": dict(headers)},
            stream=True,
            stream_cls=openai.Stream[ChatCompletionChunk],
        )
        return shown(chunk.model_dump(mode="json", exclude_unset=True) for chunk in stream)


def _counts_by_itself() -> bool:
    """Whether the AutoGen in this process is one that counts the tokens of streams (0.2)."""
    return hasattr(sys.modules.get("autogen.oai.client"), "count_token")
