"""One deployment of LiteLLM's `model_list` -> one entry of a configuration list.

Its parameters: https://docs.litellm.ai/docs/proxy/configs#all-settings
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core import Json

#: Hugging Face's models with who serves them: `PROVIDER/ORG/MODEL` at LiteLLM, `ORG/MODEL:PROVIDER` at the vendor.
_ROUTED = re.compile(r"([^/]+)/([^/]+/[^/]+)")
#: LiteLLM's prefix of a model's name -> the provider's name here. `azure` is a way of reaching openai.
_PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "hosted_vllm": "vllm",
    "huggingface": "huggingface",
    "litellm_proxy": "litellm",
    "lm_studio": "lmstudio",
    "mistral": "mistralai",
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "openai": "openai",
    "together_ai": "together",
    "vllm": "vllm",
}
#: Beginnings of names that LiteLLM knows without a prefix.
_BARE = {
    "anthropic": ("claude",),
    "openai": ("chatgpt", "dall-e", "gpt-", "o1", "o3", "o4", "text-embedding", "tts-", "whisper"),
}
_RENAMED = {"api_base": "base_url", "headers": "extra_headers"}
_SAME = frozenset(
    {
        "api_key",
        "api_version",
        "azure_ad_token",
        "base_url",
        "extra_body",
        "extra_headers",
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_retries",
        "max_tokens",
        "n",
        "organization",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "tags",
        "temperature",
        "timeout",
        "tool_choice",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
    }
)
_LIMITS = {
    "max_parallel_requests": "max_concurrency",
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
}
#: The same the other way round.
WORDS = {own: theirs for theirs, own in _LIMITS.items()}
_COSTS = ("input_cost_per_token", "output_cost_per_token")
#: What only LiteLLM's own router and SDK understand: no provider may be sent it.
_LITELLMS_OWN = frozenset(
    {
        "allowed_fails",
        "aws_access_key_id",
        "aws_region_name",
        "aws_secret_access_key",
        "budget_duration",
        "cache_control_injection_points",
        "client_id",
        "client_secret",
        "configurable_clientside_auth_params",
        "cooldown_time",
        "input_cost_per_second",
        "litellm_credential_name",
        "litellm_trace_id",
        "max_budget",
        "merge_reasoning_content_in_choices",
        "mock_response",
        "model_info",
        "num_retries",
        "order",
        "output_cost_per_second",
        "region_name",
        "stream_timeout",
        "tenant_id",
        "use_in_pass_through",
        "use_litellm_proxy",
        "vertex_credentials",
        "vertex_location",
        "vertex_project",
        "weight",
    }
)


@dataclass(slots=True)
class Deployment:
    """What became of it. `sources`: LiteLLM's words for keys of the entry. `wildcard`: it is a whole provider."""

    entry: Json = field(default_factory=dict, repr=False)
    limits: Json = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    wildcard: bool = False


def read_deployment(name: str, params: Json) -> Deployment:
    """Translate the `litellm_params` of a `model_name`; references to secrets are dragoman's already."""
    found = Deployment()
    prefix, provider, model = _split(params, found)
    found.wildcard = model == "*" and name == f"{prefix}/*"
    if found.wildcard:
        found.entry["api_type"] = provider
    elif provider == "azure":
        found.entry.update(model=model, api_type="azure")
    else:
        found.entry["model"] = f"{provider}/{model}" if provider else model
    for key, value in params.items():
        if key not in {"custom_llm_provider", "model", *_COSTS} and value is not None:
            _take(key, value, found)
    _price(params, found)
    if found.wildcard:
        for key in sorted(found.entry.keys() - {"api_type", "api_key", "base_url"}):
            found.remarks.append((found.sources.get(key, key), "is left out: a whole provider cannot have it"))
            del found.entry[key]
    return found


def _split(params: Json, found: Deployment) -> tuple[str, str, str]:
    """Return LiteLLM's prefix, the provider's name here, and the model without both."""
    given: str = params["model"]
    head, slash, rest = given.partition("/")
    told = params.get("custom_llm_provider")
    if isinstance(told, str):
        return told, _PROVIDERS.get(told, told), rest if slash and head == told else given
    if slash and head in _PROVIDERS:
        return head, _PROVIDERS[head], _ROUTED.sub(r"\2:\1", rest) if head == "huggingface" else rest
    if slash:
        found.remarks.append(("model", f"answers only where a plugin offers the provider {head!r}"))
        return head, head, rest
    for provider, beginnings in _BARE.items():
        if given.startswith(beginnings):
            return provider, provider, given
    found.remarks.append(("model", "names no provider; OpenAI's is taken, or the one at api_base"))
    return "openai", "openai", given


def _take(key: str, value: Any, found: Deployment) -> None:
    own = _RENAMED.get(key, key)
    if key in _LIMITS:
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            found.limits[_LIMITS[key]] = value
        else:
            found.remarks.append((key, "is left out: it must be a whole number above 0"))
    elif key == "drop_params":
        found.entry["on_unsupported"] = "ignore" if value else "raise"
        found.sources["on_unsupported"] = key
    elif own in _SAME:
        found.entry[own] = value
        found.sources[own] = key
    elif key in _LITELLMS_OWN:
        found.remarks.append((key, "is left out"))
    else:
        found.entry.setdefault("extra_body", {})[key] = value
        found.remarks.append((key, "is sent as it is, in extra_body"))


def _price(params: Json, found: Deployment) -> None:
    """LiteLLM's prices are for one token, AutoGen's for 1000."""
    costs = [params[key] for key in _COSTS if params.get(key) is not None]
    if not costs:
        return
    try:
        prompt, completion = (Decimal(str(params.get(key) or 0)) * 1000 for key in _COSTS)
    except InvalidOperation:
        found.remarks.append((next(key for key in _COSTS if key in params), "is left out: it is no number"))
        return
    found.entry["price"] = [float(prompt), float(completion)]
    found.sources["price"] = next(key for key in _COSTS if params.get(key) is not None)
