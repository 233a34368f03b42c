"""The entries of a configuration list: one model each, with its provider, key, address and parameters.

The keys are AutoGen's (https://microsoft.github.io/autogen/0.2/docs/topics/llm_configuration); a model may also be
named `provider/model`, may have a `name` that requests call it by, and an `on_unsupported` of its own. A value of any
key may say where a secret is: `env:NAME` or `file:PATH`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core.arguments import parameters, plain_timeout
from dragoman.core.errors import ConfigError
from dragoman.core.headerlists import merge_headers
from dragoman.core.policy import POLICIES

if TYPE_CHECKING:
    from dragoman.core.provider import Json, OnUnsupported, Timeout

#: AutoGen's `api_type` -> the provider's name, where the two differ. AutoGen compares the beginning only.
_API_TYPES = {"azure": "openai", "mistral": "mistralai"}
#: Given to the provider. `client_host` is what AutoGen calls Ollama's address.
_OPTIONS = {
    "api_key": "api_key",
    "base_url": "base_url",
    "client_host": "base_url",
    "organization": "organization",
    "project": "project",
}
#: Given to the openai package's client for Azure.
_AZURE = frozenset({"api_version", "azure_ad_token", "azure_ad_token_provider", "azure_deployment", "azure_endpoint"})
_HEADERS = ("default_headers", "extra_headers")
_QUERY = ("default_query", "extra_query")
#: What one vendor's users write for one of OpenAI's parameters.
_RENAMED = {"num_predict": "max_tokens", "random_seed": "seed", "stop_sequences": "stop"}
#: Parameters that only some vendors have: sent as they are.
_VENDORS_OWN = frozenset(
    {
        "keep_alive",
        "min_p",
        "num_ctx",
        "repeat_penalty",
        "repetition_penalty",
        "safe_prompt",
        "safety_model",
        "think",
        "top_k",
    }
)
_OTHERS = frozenset(
    {
        "api_rate_limit",
        "api_type",
        "extra_body",
        "max_retries",
        "model",
        "model_client_cls",
        "name",
        "on_unsupported",
        "price",
        "tags",
        "timeout",
    }
)
#: What a time-out may be given for, each alone.
_PHASES = {"connect", "read", "write", "pool"}
#: Request parameters that belong to the call and not to the model.
_OF_THE_CALL = frozenset({"messages", "model"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, read and checked. `price`: US dollars for 1000 prompt tokens and for 1000 completion tokens."""

    number: int
    model: str
    #: What requests call it; empty: the model's own name.
    name: str = ""
    #: The provider's name; empty: the model's name says it.
    provider: str = ""
    options: Json = field(default_factory=dict, repr=False)
    azure: Json | None = field(default=None, repr=False)
    params: Json = field(default_factory=dict)
    extra_body: Json = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, object] = field(default_factory=dict, repr=False)
    timeout: Timeout = None
    max_retries: int | None = None
    on_unsupported: OnUnsupported | None = None
    tags: tuple[str, ...] = ()
    price: tuple[Decimal, Decimal] | None = None
    #: Requests per second.
    rate: float | None = None
    #: AutoGen's custom client: its class, and the entry for its constructor.
    model_client: Any = None
    raw: Json = field(default_factory=dict, repr=False)

    @property
    def place(self) -> str:
        """How messages name the entry; its key stays out."""
        if self.name:
            return f"{self.name} ({self.model})"
        return f"config_list[{self.number}] ({self.model})"


def read_entries(config_list: Any) -> list[Entry]:
    """Read and check a list. Raises `ConfigError`, which names the entry and never quotes a value of it."""
    if not isinstance(config_list, list | tuple):
        message = f"config_list must be a list of objects, not {type(config_list).__name__}"
        raise ConfigError(message)
    if not config_list:
        message = "config_list is empty; it needs one entry at least"
        raise ConfigError(message)
    return [_read(number, entry) for number, entry in enumerate(config_list)]


def _read(number: int, given: Any) -> Entry:
    where = f"config_list[{number}]"
    if not isinstance(given, dict):
        message = f"{where} must be an object, not {type(given).__name__}"
        raise ConfigError(message)
    model = follow(where, "model", given.get("model"))
    if not isinstance(model, str) or not model:
        raise _fault(where, "model", "has no model; give it the name of one")
    where = f"{where} ({model})"
    known = known_keys()
    custom = given.get("model_client_cls")
    if custom is None and (unknown := sorted(map(str, given.keys() - known))):
        raise _fault(where, unknown[0], _about_unknown(unknown, known))
    entry = {key: _followed(where, key, value) for key, value in given.items() if value is not None}
    api_type = str(entry.get("api_type") or "").lower()
    return Entry(
        number=number,
        model=model,
        name=_name(where, entry.get("name")),
        provider=next((name for head, name in _API_TYPES.items() if api_type.startswith(head)), api_type),
        options={name: entry[key] for key, name in _OPTIONS.items() if key in entry},
        azure={key: entry[key] for key in _AZURE & entry.keys()} if api_type.startswith("azure") else None,
        params=_params(entry),
        extra_body={**_object(where, entry, "extra_body"), **{key: entry[key] for key in _VENDORS_OWN & entry.keys()}},
        headers=merge_headers(*(_object(where, entry, key) for key in _HEADERS)),
        query=_joined(where, entry, _QUERY),
        timeout=_timeout(where, _number(given, entry, "timeout", float)),
        max_retries=_retries(where, _number(given, entry, "max_retries", int)),
        on_unsupported=_policy(where, entry.get("on_unsupported")),
        tags=_tags(where, entry.get("tags")),
        price=_price(where, entry.get("price")),
        rate=_rate(where, entry.get("api_rate_limit")),
        model_client=custom,
        raw=entry,
    )


def known_keys() -> frozenset[str]:
    """What an entry may say."""
    of_requests = set(parameters()) - _OF_THE_CALL
    own = _OPTIONS.keys() | _AZURE | {*_HEADERS, *_QUERY} | _RENAMED.keys() | _VENDORS_OWN | _OTHERS
    return frozenset(of_requests | own)


def _fault(where: str, key: str, said: str) -> ConfigError:
    """What is wrong with a key of the entry: `said` begins with the key, or with "has"."""
    colon = "" if said.startswith("has ") else ":"
    return ConfigError(f"{where}{colon} {said}", key=key, said=said)


def _about_unknown(unknown: list[str], known: frozenset[str]) -> str:
    guesses = [guess for key in unknown for guess in difflib.get_close_matches(key, known, 1)]
    hint = f" (did you mean {', '.join(guesses)}?)" if guesses else ""
    return f"has unknown keys: {', '.join(unknown)}{hint}; what only its provider knows belongs into extra_body"


def follow(where: str, key: str, value: Any) -> Any:
    """Follow `env:NAME` and `file:PATH` to what they name. Raises `ConfigError`."""
    if not isinstance(value, str):
        return value
    scheme, _, name = value.partition(":")
    if scheme == "env" and name.isidentifier():
        found = os.environ.get(name, "").strip()
        if not found:
            raise _fault(where, key, f"{key} is in the environment variable {name}, which is not set")
        return found
    if scheme == "file" and name:
        try:
            return Path(name).expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as cause:
            said = f"{key} is in the file {name}, which cannot be read ({type(cause).__name__})"
            raise _fault(where, key, said) from cause
    return value


def _followed(where: str, key: str, value: Any) -> Any:
    if key in {*_HEADERS, *_QUERY} and isinstance(value, dict):
        return {name: follow(where, key, inner) for name, inner in value.items()}
    return follow(where, key, value)


def _params(entry: Json) -> Json:
    names = set(parameters()) - _OF_THE_CALL - _OTHERS - {*_HEADERS, *_QUERY}
    found = {key: value for key, value in entry.items() if key in names}
    found.update({name: entry[key] for key, name in _RENAMED.items() if key in entry})
    return found


def _object(where: str, entry: Json, key: str) -> Json:
    value = entry.get(key) or {}
    if not isinstance(value, dict):
        raise _fault(where, key, f"{key} must be an object, not {type(value).__name__}")
    return value


def _joined(where: str, entry: Json, keys: tuple[str, ...]) -> Json:
    return {name: value for key in keys for name, value in _object(where, entry, key).items()}


def _name(where: str, given: Any) -> str:
    if given is not None and (not isinstance(given, str) or not given):
        raise _fault(where, "name", "name must be a text")
    return given or ""


def _policy(where: str, given: Any) -> OnUnsupported | None:
    if given is None:
        return None
    for known in POLICIES:
        if given == known:
            return known
    raise _fault(where, "on_unsupported", f"on_unsupported must be one of {', '.join(POLICIES)}")


def _tags(where: str, given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or not all(isinstance(tag, str) for tag in given):
        raise _fault(where, "tags", "tags must be a list of texts")
    return tuple(given)


def _price(where: str, given: Any) -> tuple[Decimal, Decimal] | None:
    """Read `[prompt, completion]` or one number for both, in US dollars for 1000 tokens."""
    if given is None:
        return None
    pair = list(given) if isinstance(given, list | tuple) else [given, given]
    try:
        prompt, completion = (Decimal(str(number)) for number in pair)
        valid = prompt.is_finite() and completion.is_finite() and prompt >= 0 and completion >= 0
    except (InvalidOperation, ValueError):
        valid = False
    if not valid or any(isinstance(number, bool) for number in pair):
        raise _fault(where, "price", "price must be [prompt, completion], each in US dollars for 1000 tokens")
    return prompt, completion


def _number(given: Json, entry: Json, key: str, kind: type[float]) -> Any:
    """Return a value; one that stood elsewhere is a text, and its number is meant."""
    value = entry.get(key)
    if isinstance(value, str) and value is not given[key]:
        with suppress(ValueError):
            return kind(value)
    return value


def _timeout(where: str, given: Any) -> Timeout:
    """Read seconds, or seconds for each phase, as the HTTP library's own `Timeout` has them."""
    found = plain_timeout(given) if hasattr(given, "as_dict") else given
    phases = found.values() if isinstance(found, Mapping) and found.keys() <= _PHASES else [found]
    if not all(phase is None or _is_time(phase) for phase in phases):
        raise _fault(where, "timeout", "timeout must be a number of seconds, above 0")
    return found


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _retries(where: str, given: Any) -> int | None:
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 0):
        raise _fault(where, "max_retries", "max_retries must be a whole number, at least 0")
    return given


def _rate(where: str, given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < float("inf"):
        raise _fault(where, "api_rate_limit", "api_rate_limit must be a number of requests per second, above 0")
    return float(given)
