"""What a `DragomanChatCompletionClient` is made of, as AutoGen's components are dumped and loaded; without secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from autogen_core.models import ModelInfo  # noqa: TC002 (pydantic reads it at run time)
from pydantic import BaseModel, ConfigDict, SecretStr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.core import Json

_SECRETS = frozenset({"api_key", "azure_ad_token"})
_HEADERS = frozenset({"default_headers", "extra_headers"})
#: What a secret looks like in JSON.
_MASK = str(SecretStr("hidden"))


class DragomanChatCompletionClientConfig(BaseModel):
    """The arguments of the client. Secrets are masked when it becomes JSON, unless they are references."""

    model_config = ConfigDict(protected_namespaces=(), extra="forbid")

    model: str | None = None
    config_list: list[dict[str, Any]] | None = None
    api_key: SecretStr | str | None = None
    base_url: str | None = None
    model_info: ModelInfo | None = None
    context_tokens: int | None = None
    include_name_in_message: bool | None = None
    add_name_prefixes: bool = False
    on_unsupported: Literal["raise", "warn", "ignore", "adapt"] = "raise"
    max_retries: int | None = None
    create_args: dict[str, Any] = {}


def is_reference(value: object) -> bool:
    """Whether a value says where a secret is, and is none itself."""
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def guard(entry: Mapping[str, Any]) -> Json:
    """Return an entry that can be dumped: what is secret in it is hidden, references stay. Raises TypeError."""
    return {key: _guarded(key, value) for key, value in entry.items()}


def _guarded(key: str, value: Any) -> Any:
    if key in _SECRETS and not is_reference(value):
        return SecretStr(str(value))
    if key in _HEADERS and isinstance(value, Mapping):
        return {name: SecretStr(str(text)) for name, text in value.items()}
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        text = f"{key} is a {type(value).__name__}, which AutoGen cannot write into a component's configuration"
        raise TypeError(text) from None
    return value


def open_up(value: Any) -> Any:
    """Return what was guarded. What JSON has masked is left out: the provider's own variable has to have it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        opened = {key: open_up(inner) for key, inner in value.items()}
        return {key: inner for key, inner in opened.items() if inner != _MASK}
    return [open_up(inner) for inner in value] if isinstance(value, list) else value


def fingerprint(entries: Sequence[Mapping[str, Any]], create_args: Mapping[str, Any]) -> str:
    """Return a digest of all that decides about an answer but the request: which models, where, with what set."""
    told = [{key: value for key, value in entry.items() if key not in _SECRETS | _HEADERS} for entry in entries]
    text = json.dumps([told, dict(create_args)], sort_keys=True, default=_name)
    return hashlib.sha256(text.encode()).hexdigest()


def _name(value: object) -> str:
    """Stand for what JSON cannot hold, in the same way in every process."""
    return getattr(value, "__qualname__", None) or type(value).__qualname__
