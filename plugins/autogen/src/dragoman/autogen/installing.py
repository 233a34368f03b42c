"""`install`: AutoGen 0.2's (and AG2 classic's) `api_type`s, answered by dragoman in this process.

AutoGen decides in one method which client an entry gets. That method is replaced, and nothing else: entries of
OpenAI and Azure, and custom clients, get what they always got.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from dragoman.autogen.entries import provider_names
from dragoman.autogen.modelclient import DragomanModelClient

if TYPE_CHECKING:
    from collections.abc import Callable

#: How AutoGen's `api_type`s begin: those of its own that dragoman has, and dragoman's providers.
_TYPES = (
    *("anthropic", "dragoman", "huggingface", "litellm", "llamacpp", "lmstudio", "mistral", "ollama", "together"),
    "vllm",
)
#: AutoGen's own business, whatever is installed.
_AUTOGENS = ("azure", "openai")
_METHOD = "_register_default_client"
_MARK = "dragoman_replaced"


def install(*, on_unsupported: str = "raise") -> None:
    """Let dragoman answer entries with `api_type: anthropic | mistral | together | ollama | …` in this process.

    Each provider of an installed plugin is an `api_type` then, and so is `dragoman`, with the provider in the
    model's name. Entries of `DragomanModelClient` need no registration any more. May be called more than once.
    Raises ImportError if there is no AutoGen 0.2 or AG2 classic.
    """
    uninstall()
    wrapped = _wrapper()
    original: Callable[..., None] = getattr(wrapped, _METHOD)

    @wraps(original)
    def register(wrapper: Any, config: dict[str, Any], openai_config: dict[str, Any]) -> None:
        if not _is_ours(config):
            original(wrapper, config, openai_config)
            return
        entry = {key: value for key, value in {**openai_config, **config}.items() if value is not None}
        wrapper._clients.append(DragomanModelClient(entry, on_unsupported=on_unsupported))  # noqa: SLF001 (what the method is there for)

    setattr(register, _MARK, original)
    setattr(wrapped, _METHOD, register)


def uninstall() -> None:
    """Undo `install`; clients that were made stay what they are."""
    wrapped = _wrapper()
    original = getattr(getattr(wrapped, _METHOD), _MARK, None)
    if original is not None:
        setattr(wrapped, _METHOD, original)


def _wrapper() -> Any:
    try:
        from autogen.oai.client import OpenAIWrapper
    except ImportError as cause:
        message = "install() is for AutoGen 0.2 and AG2 classic: pip install autogen-agentchat==0.2.40"
        raise ImportError(message, name=cause.name) from cause
    return OpenAIWrapper


def _is_ours(config: dict[str, Any]) -> bool:
    named = config.get("model_client_cls")
    if named is not None:
        return bool(named == DragomanModelClient.__name__)
    api_type = str(config.get("api_type") or "").lower()
    return not api_type.startswith(_AUTOGENS) and (api_type.startswith(_TYPES) or api_type in provider_names())
