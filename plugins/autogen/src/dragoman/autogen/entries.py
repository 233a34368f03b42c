"""An entry of a configuration list, taken apart: what AutoGen needs to see of it, and what belongs behind the door."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from dragoman.autogen.habits import check_hiding
from dragoman.core import price_of_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Json

#: What stands where AutoGen's own OpenAI client wants a key and an address; neither is ever used.
PLACEHOLDERS: Json = {"api_key": "dragoman", "base_url": "http://dragoman.invalid/v1"}
#: What AutoGen itself reads of an entry.
_AUTOGENS = frozenset(
    {"agent", "allow_format_str_template", "cache", "cache_seed", "context", "filter_func", "model", "price", "tags"}
)
#: What AutoGen reads beside the list, and hands to no client of a model.
_BESIDE_THE_LIST = _AUTOGENS - {"model", "price", "tags"} | {
    *("check_every_ms", "function_call", "functions", "response_buffer_size", "routing_method", "tool_choice", "tools"),
}
#: Request parameters that the door sees to: AutoGen would send them on, or count in its own way.
_DOORS = frozenset({"extra_body", "extra_headers", "extra_query", "stream", "stream_options", "timeout"})
#: The beginning of AutoGen's `api_type` -> the provider, where the names differ.
_API_TYPES = {"azure": "openai", "mistral": "mistralai"}
#: Keys whose values are secrets, or may hold some.
_SECRET = frozenset({"api_key", "azure_ad_token", "azure_ad_token_provider", "default_headers", "extra_headers"})
_PER = 1000


@dataclass(frozen=True)
class Entry:
    """`outer` is AutoGen's part; `inner` is an entry for dragoman, whole."""

    outer: Json = field(repr=False)
    inner: Json = field(repr=False)
    provider: str
    stream: bool
    hide_tools: str


def take_apart(given: Mapping[str, Any]) -> Entry:
    """Take an entry apart. Raises `ConfigError` for a wrong `hide_tools`."""
    known = {key: value for key, value in given.items() if value is not None}
    hide_tools = check_hiding(known.pop("hide_tools", "never"))
    outside = _AUTOGENS | request_parameters() - _DOORS
    outer = {key: value for key, value in known.items() if key in outside}
    inner = {key: value for key, value in known.items() if key not in outside - {"model", "price", "tags"}}
    stream = inner.pop("stream", False) is True
    provider, model = named(inner)
    if inner.get("api_type") == "dragoman" or (inner.get("api_type") == "openai" and provider != "openai"):
        del inner["api_type"]
    of_somebodys_own = provider == "openai" and "base_url" in inner
    rates = None if "price" in outer or of_somebodys_own else rates_of(provider, model)
    if rates is not None:
        outer["price"] = list(rates)
    return Entry(outer, inner, provider, stream, hide_tools)


def named(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the provider's name, as far as the entry says it, and what the provider calls the model."""
    api_type, model = str(entry.get("api_type") or "").lower(), str(entry.get("model") or "")
    head, _, rest = model.partition("/")
    prefixed = bool(rest) and head in provider_names()
    # AG2 writes "openai" into every entry that has no `api_type`; OpenAI itself has no model with a slash.
    if api_type in {"", "dragoman"} or (api_type == "openai" and prefixed and head != "openai"):
        return (head, rest) if prefixed else ("openai", model)
    provider = next((name for prefix, name in _API_TYPES.items() if api_type.startswith(prefix)), api_type)
    return provider, rest if prefixed and head == provider else model


@cache
def provider_names() -> frozenset[str]:
    """The providers of the installed plugins."""
    return frozenset(point.name for point in entry_points(group="dragoman.providers"))


def rates_of(provider: str, model: str) -> tuple[float, float] | None:
    """US dollars for 1000 prompt tokens and for 1000 completion tokens, from whoever knows prices; else None."""
    prompt = price_of_usage(provider, model, {"prompt_tokens": _PER, "completion_tokens": 0, "total_tokens": _PER})
    completion = price_of_usage(provider, model, {"prompt_tokens": 0, "completion_tokens": _PER, "total_tokens": _PER})
    return None if prompt is None or completion is None else (float(prompt), float(completion))


def salt(entry: Entry) -> str:
    """Tell apart, in AutoGen's cache, what it would take for the same: one model's name at two providers."""
    said = {key: value for key, value in entry.inner.items() if key not in _SECRET}
    text = json.dumps([entry.provider, said], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def folded(llm_config: Mapping[str, Any]) -> tuple[list[Any], Json]:
    """Take an `llm_config` apart into its list, to whose entries belongs what is said for all, and the rest."""
    base = {key: value for key, value in llm_config.items() if key != "config_list"}
    stays = _BESIDE_THE_LIST | request_parameters() - _DOORS - {"model"}
    if not llm_config.get("config_list"):
        entry = {key: value for key, value in base.items() if key not in _BESIDE_THE_LIST}
        return [entry], {key: value for key, value in base.items() if key in _BESIDE_THE_LIST}
    for_all = {key: value for key, value in base.items() if key not in stays}
    entries = [{**for_all, **plain_entry(entry)} for entry in llm_config["config_list"]]
    return entries, {key: value for key, value in base.items() if key in stays}


def plain_entry(entry: Any) -> Json:
    """An entry as a dict; AG2 has objects too."""
    found: Json = entry.model_dump() if hasattr(entry, "model_dump") else dict(entry)
    return found


@cache
def request_parameters() -> frozenset[str]:
    """What the installed openai package's `create` takes."""
    from openai.resources.chat.completions import Completions

    found = inspect.signature(Completions.create).parameters.values()
    return frozenset(one.name for one in found if one.kind is one.KEYWORD_ONLY) - {"messages"}
