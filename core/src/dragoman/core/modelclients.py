"""Python code as a provider: a function, or a class with the methods of AutoGen's `ModelClient`.

AutoGen's protocol: https://microsoft.github.io/autogen/0.2/docs/notebooks/agentchat_custom_model. Whatever such code
raises is an error of the one call, and another entry of a configuration list may answer.
"""

from __future__ import annotations

import functools
import inspect
import threading
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import errors
from dragoman.core.codesenders import async_code_sender, code_sender
from dragoman.core.hookspecs import hookimpl
from dragoman.core.plugins import plugins
from dragoman.core.provider import Call, Json, Provider
from dragoman.core.values import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core.provider import AsyncSender, Sender

#: Keys of an entry that AutoGen does not hand to `create`.
_NOT_PARAMETERS = frozenset(
    {
        *("admin_api_key", "allow_format_str_template", "api_key", "api_rate_limit", "api_type", "api_version"),
        *("azure_ad_token", "azure_ad_token_provider", "azure_deployment", "azure_endpoint", "base_url", "cache"),
        *("cache_seed", "context", "default_headers", "default_query", "filter_func", "http_client", "max_retries"),
        *("organization", "price", "project", "tags", "timeout"),
    }
)


class FunctionProvider(Provider):
    """A function `(request) -> text | dict | iterator`, sync or async; its models are called `<name>/…`.

    `request` is OpenAI's chat JSON, a copy. A dict is a message (`content`, `tool_calls`, … and, if known, `usage`)
    or a whole completion (`choices`). An iterator gives texts, deltas, or OpenAI's chunks. What was returned whole
    is cut into chunks where a stream is wanted, and what an iterator gave is put together where none is. `name` is
    the function's unless given.
    """

    base_url = ""
    endpoints: ClassVar[frozenset[str] | None] = frozenset({"chat"})

    def __init__(self, function: Callable[[Json], Any], *, name: str | None = None) -> None:
        own = getattr(function, "__name__", "")
        super().__init__(name=name or (own if own.isidentifier() else "function"), sender="sdk")
        self.function = function

    def __repr__(self) -> str:
        """The name; there is no address."""
        return f"<{type(self).__name__} {self.name!r}>"

    def sender(self) -> Sender:
        """Ask in the caller's thread; what is asynchronous runs on a loop in another one."""
        return code_sender(self.name, self.function)

    def async_sender(self) -> AsyncSender:
        """Ask on the caller's loop; what is not asynchronous runs in another thread."""
        return async_code_sender(self.name, self.function)


class ModelClientProvider(FunctionProvider):
    """A class with AutoGen's `create`, `message_retrieval`, `cost` and `get_usage`; models are called `<name>/…`.

    It is made on the first call, with `config` (a copy of the configuration list's entry, as AutoGen's are) and
    `options`. `create` is asked for whole answers only; where a stream is wanted, they are cut into chunks. What
    `get_usage` says is believed, its `cost` (US dollars) too. `name` is the class's unless given.
    """

    def __init__(
        self, model_client: Any, config: Mapping[str, Any] | None = None, *, name: str | None = None, **options: Any
    ) -> None:
        made = model_client.func if isinstance(model_client, functools.partial) else model_client
        kind = made if inspect.isclass(made) else type(made)
        super().__init__(self._create, name=name or kind.__name__)
        self.model_client = model_client
        self.config = {key: value for key, value in (config or {}).items() if key != "api_rate_limit"}
        self.options = options
        self._client: Any = None
        self._lock = threading.Lock()
        _COSTS.names.add(self.name)
        plugins().register_hooks(_COSTS)

    def _create(self, request: Json) -> Json:
        client = self._made()
        own = {key: value for key, value in self.config.items() if key not in _NOT_PARAMETERS}
        asked = {key: value for key, value in request.items() if key not in {"stream", "stream_options"}}
        named = {"model_client_cls": type(client).__name__} if "model_client_cls" in own else {}
        response = client.create({**own, **named, **asked})
        reasons = [getattr(choice, "finish_reason", None) for choice in getattr(response, "choices", ())]
        messages = [
            {"content": said} if said is None or isinstance(said, str) else plain(said)
            for said in client.message_retrieval(response)
        ]
        reasons += [None] * len(messages)
        choices = [{"message": said, "finish_reason": why} for said, why in zip(messages, reasons, strict=False)]
        return {"model": getattr(response, "model", None), "choices": choices, "usage": _usage(client, response)}

    def _made(self) -> Any:
        with self._lock:
            if self._client is None:
                makes = inspect.isclass(self.model_client) or isinstance(self.model_client, functools.partial)
                self._client = self.model_client(dict(self.config), **self.options) if makes else self.model_client
            return self._client


def _usage(client: Any, response: Any) -> Json | None:
    """What AutoGen counts: first the cost, which `get_usage` finds in the response. Nothing said is nothing known."""
    cost = client.cost(response)
    if not isinstance(response, dict):
        # A response that takes no new attributes is of a class with another way to know.
        with suppress(AttributeError, TypeError, ValueError):
            response.cost = cost
    said = dict(client.get_usage(response) or {})
    if "prompt_tokens" not in said:
        return None
    counts = {key: int(said.get(key) or 0) for key in ("prompt_tokens", "completion_tokens")}
    total = said.get("total_tokens")
    paid = said.get("cost", cost)
    usage = {**counts, "total_tokens": sum(counts.values()) if total is None else int(total)}
    return usage if paid is None else {**usage, "cost": float(paid)}


class _Costs:
    """The hook `price_of` for the providers of these names, whose usage says what it cost."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    @hookimpl
    def price_of(self, call: Call) -> Decimal | None:
        cost = (call.usage or {}).get("cost") if call.provider in self.names else None
        return None if cost is None else Decimal(str(cost))


_COSTS = _Costs()


def code_provider(code: Any, config: Mapping[str, Any]) -> Provider:
    """Make the provider of what an entry's `model_client_cls` is: a class, an instance of one, or a function."""
    if inspect.isclass(code) or isinstance(code, functools.partial) or hasattr(code, "create"):
        return ModelClientProvider(code, config)
    if not callable(code):
        message = "model_client_cls must be the class itself, an instance of one, or a function; not a name"
        raise errors.ConfigError(message)
    return FunctionProvider(code)
