"""What a model can do, in the words of AutoGen's `model_info`: what its provider has, and what its name says.

It says what goes over the provider's wire; whether one particular model makes something of it, its maker knows.
AutoGen reads these before it asks: without `function_calling` it refuses tools, without `vision` it takes pictures out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dragoman.core import Capabilities, DragomanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dragoman.core import AsyncClient, Client, Json

#: AutoGen's flags -> the features that they are about.
_FLAGS = {
    "vision": "images",
    "function_calling": "tools",
    "json_output": "json_object",
    "structured_output": "json_schema",
}
#: AutoGen's `api_type` -> the provider's name, where the two differ.
_API_TYPES = {"azure": "openai", "mistral": "mistralai"}
#: Providers whose messages do not say who of several users wrote them.
_NO_NAMES = frozenset({"anthropic", "mistralai", "ollama"})
_PROVIDERS = frozenset(
    {
        *("anthropic", "huggingface", "litellm", "llamacpp", "lmstudio", "mistralai", "ollama", "openai"),
        *("together", "vllm"),
    }
)
#: AutoGen's families that it treats differently, by the model's name; all else is "unknown".
_FAMILIES = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"^gpt-?5", "gpt-5"),
        (r"^gpt-?4\.?1", "gpt-41"),
        (r"^gpt-?4\.?5", "gpt-45"),
        (r"^(gpt-?4o|chatgpt-4o)", "gpt-4o"),
        (r"^gpt-?4", "gpt-4"),
        (r"^gpt-?3\.?5", "gpt-35"),
        (r"^o1", "o1"),
        (r"^o3", "o3"),
        (r"^o4", "o4"),
        (r"claude-3-7-sonnet", "claude-3-7-sonnet"),
        (r"claude-3-5-sonnet", "claude-3-5-sonnet"),
        (r"claude-3-5-haiku", "claude-3-5-haiku"),
        (r"claude-3-(opus|sonnet|haiku)", r"claude-3-\1"),
        (r"claude-(?:opus|.*-opus)", "claude-4-opus"),
        (r"claude", "claude-4-sonnet"),
        (r"deepseek-r1", "r1"),
        (r"codestral-mamba", "open-codestral-mamba"),
        (r"codestral", "codestral"),
        (r"pixtral", "pixtral"),
        (r"ministral", "ministral"),
        (r"mistral", "mistral"),
        (r"llama-?3\.3-?70b", "llama-3.3-70b"),
        (r"llama-?3\.3-?8b", "llama-3.3-8b"),
        (r"llama-?4.*scout", "llama-4-scout"),
        (r"llama-?4.*maverick", "llama-4-maverick"),
    )
)
#: Tokens of a request and its answer. Local servers: what they start with, unless told otherwise.
_CONTEXT = {
    "anthropic": 200_000,
    "mistralai": 128_000,
    "openai": 128_000,
    "llamacpp": 4_096,
    "lmstudio": 4_096,
    "ollama": 4_096,
}
_USUAL_CONTEXT = 32_768


def provider_and_model(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the provider's name ("" if the entry does not say) and the model's own name of a list's entry."""
    name = str(entry.get("model") or "")
    head, _, rest = name.partition("/")
    if not rest:
        head, _, rest = name.partition(":")
    provider, model = (head, rest) if rest and head in _PROVIDERS else ("", name)
    api_type = str(entry.get("api_type") or "").lower()
    said = next((own for start, own in _API_TYPES.items() if api_type.startswith(start)), api_type)
    return said or provider, model


def family_of(model: str) -> str:
    """Return AutoGen's name for a model's family."""
    name = model.rpartition("/")[2].lower()
    for pattern, family in _FAMILIES:
        found = pattern.search(name)
        if found:
            return found.expand(family)
    return "unknown"


def known_of(client: AsyncClient | Client, model: str | None) -> Capabilities:
    """Return what the providers have that may answer. One that is not there has nothing, as its calls will say.

    No `model` means the whole list of the client.
    """
    try:
        return client.capabilities(model or "")
    except DragomanError:
        return Capabilities()


def model_info(entries: Iterable[Mapping[str, Any]], capabilities: Capabilities) -> Json:
    """Return the `model_info` that holds for all of a list's entries, whichever of them answers.

    `capabilities` is what the entries' providers have in common. What is unknown counts as there: the server says so
    if it is not, while AutoGen would not even ask.
    """
    families = {family_of(provider_and_model(entry)[1]) for entry in entries}
    return {
        **{flag: capabilities[feature].value in {"yes", "unknown"} for flag, feature in _FLAGS.items()},
        "multiple_system_messages": True,
        "family": families.pop() if len(families) == 1 else "unknown",
    }


def has_names(entries: Iterable[Mapping[str, Any]]) -> bool:
    """Whether messages of all of a list's entries may say who wrote them."""
    return _NO_NAMES.isdisjoint(provider_and_model(entry)[0] for entry in entries)


def context_tokens(entries: Iterable[Mapping[str, Any]]) -> int:
    """Return the smallest context of a list's entries, in tokens: an entry's own `num_ctx`, else its provider's."""
    return min(
        int(entry.get("num_ctx") or _CONTEXT.get(provider_and_model(entry)[0], _USUAL_CONTEXT)) for entry in entries
    )
