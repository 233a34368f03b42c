"""The columns: one row for each provider, with the wire it speaks and what its documentation says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from feature_table.anthropic_wire import AnthropicWire
from feature_table.ollama_wire import OllamaWire
from feature_table.openai_wire import Dialect, wrapped

from dragoman.core.errors import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from feature_table.canon import Heard, Json, Said, Wire

    from dragoman.core import Provider


def _at_url(provider: Callable[..., Provider], url: str) -> Provider:
    return provider(base_url=url, api_key="k")


def _at_its_own_address(provider: Callable[..., Provider], url: str) -> Provider:
    """Its own address matters to the plugin, so it stays; what would go there is sent to loopback."""
    parts = urlsplit(url)

    class ToLoopback(httpx.HTTPTransport):  # type: ignore[misc]  # the library's name is known at run time only
        def handle_request(self, request: Any) -> Any:
            request.url = request.url.copy_with(scheme="http", host=parts.hostname, port=parts.port)
            return super().handle_request(request)

    return provider(api_key="k", http_client=httpx.Client(transport=ToLoopback()))


@dataclass(frozen=True)
class Vendor:
    """A provider, a model of its that the plugin knows, and how to point the plugin at loopback."""

    name: str
    model: str
    wire: Wire
    make: Callable[[Callable[..., Provider], str], Provider] = _at_url


def _arrays(said: Said, heard: Heard) -> Json:
    """Together's form of log probabilities."""
    top = {said.text: -0.5, "other": -1.5}
    tops = [dict(list(top.items())[: heard.logprobs])]
    return {"tokens": [said.text], "token_logprobs": [-0.5], "token_ids": [1], "top_logprobs": tops}


def _flat(status: int, message: str) -> Json:
    return {"object": "error", "message": message, "type": "invalid_request_error", "param": None, "code": str(status)}


def _numbered(status: int, message: str) -> Json:
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}


def _spelled(status: int, message: str) -> Json:
    return {"error": {"message": message, "type": "None", "param": "None", "code": str(status)}}


def _bare(status: int, message: str) -> Json:
    del status
    return {"error": message}


VENDORS = (
    Vendor("anthropic", "claude-sonnet-4-5", AnthropicWire()),
    # https://huggingface.co/docs/inference-providers/tasks/chat-completion
    Vendor(
        "huggingface",
        "org/name",
        Dialect(thoughts_out="reasoning", usage_with_last=True, says_done=False, embeds=False, error=_bare),
    ),
    # https://docs.litellm.ai/docs/proxy/user_keys
    Vendor(
        "litellm",
        "alias",
        Dialect(
            parts=frozenset({"file", "image_url", "text"}),
            thoughts_in=("reasoning_content",),
            keys=frozenset({"provider_specific_fields", "thinking_blocks"}),
            usage_with_last=True,
            error=_spelled,
        ),
    ),
    # https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    Vendor(
        "llamacpp",
        "model.gguf",
        Dialect(names_tools=False, thoughts_in=("reasoning_content",), error=_numbered),
    ),
    # https://lmstudio.ai/docs/developer/openai-compat/chat-completions
    Vendor(
        "lmstudio",
        "qwen3-4b",
        Dialect(
            lacks=frozenset({"logprobs", "n", "top_logprobs"}),
            formats=frozenset({"json_schema", "text"}),
            names_tools=False,
            repeats_role=True,
            error=_bare,
        ),
    ),
    # https://docs.mistral.ai/api
    Vendor(
        "mistralai",
        "mistral-large-latest",
        Dialect(
            root="",
            renamed={"seed": "random_seed"},
            lacks=frozenset({"stream_options"}),
            parts=frozenset({"document_url", "image_url", "text", "thinking"}),
            thoughts_out="content",
            keys=frozenset({"prefix"}),
            ids="[a-zA-Z0-9]{9}",
            usage_with_last=True,
            whole_calls=True,
            error=_flat,
        ),
    ),
    Vendor("ollama", "qwen3", OllamaWire()),
    Vendor(
        "openai",
        "gpt-4.1",
        Dialect(parts=frozenset({"file", "image_url", "text"}), thoughts_out=""),
        make=_at_its_own_address,
    ),
    # https://docs.together.ai/reference/chat-completions-1
    Vendor(
        "together",
        "moonshotai/Kimi-K2.6",
        Dialect(
            thoughts_out="reasoning",
            thoughts_in=("reasoning", "reasoning_content"),
            finish={"stop": "eos"},
            usage_with_last=True,
            repeats_role=True,
            bare_models=True,
            counts_logprobs=True,
            logprobs=_arrays,
            error=lambda status, message: {"id": "1", **wrapped(status, message)},
        ),
    ),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server/
    Vendor(
        "vllm",
        "Qwen/Qwen3-0.6B",
        Dialect(thoughts_out="reasoning", thoughts_in=("reasoning", "reasoning_content"), error=_numbered),
    ),
)
BY_NAME = {vendor.name: vendor for vendor in VENDORS}
