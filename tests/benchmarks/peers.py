"""Other translators, each called as its documentation has it, with one client that is kept where it has clients.

Those that have message objects of their own get them ready made: their users hold conversations in that form.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import sides
from sides import KEY, Side, address, openai_like, openai_request
from workload import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from workload import Chat, Json


class NotMadeForThisError(Exception):
    """The peer has no such provider, or its provider cannot be sent to another address."""


def make(name: str, vendor: str, port: int) -> Side:
    """Make a side by its name."""
    os.environ.update({"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "MISTRAL_API_KEY": KEY, "BENCH_KEY": KEY})
    if name == "sdk":
        return sides.sdk(vendor, port)
    if name in {"dragoman", "dragoman aiohttp"}:
        return sides.dragoman(vendor, port)
    if name == "dragoman direct":
        return sides.dragoman(vendor, port, sender="direct")
    return PEERS[name](vendor, port)


def _only(vendor: str, *known: str) -> None:
    if vendor not in known:
        message = f"not measured with {vendor}"
        raise NotMadeForThisError(message)


def _litellm(vendor: str, port: int) -> Side:
    _only(vendor, "anthropic", "openai", "mistral", "ollama")
    # Without this it fetches a list of models while it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    prefix = {"ollama": "ollama_chat"}.get(vendor, vendor)
    url = address(vendor, port, dragoman=True)
    return openai_like(litellm.completion, litellm.acompletion, openai_request(f"{prefix}/", api_key=KEY, api_base=url))


def _any_llm(vendor: str, port: int) -> Side:
    _only(vendor, "anthropic", "openai", "mistral", "together", "ollama")
    from any_llm import AnyLLM

    made = AnyLLM.create(vendor, api_key=KEY, api_base=address(vendor, port))
    return openai_like(made.completion, made.acompletion, openai_request())


def _aisuite(vendor: str, port: int) -> Side:
    _only(vendor, "anthropic", "openai")
    from aisuite import Client

    client = Client({vendor: {"api_key": KEY, "base_url": address(vendor, port)}})
    return openai_like(client.chat.completions.create, None, openai_request(f"{vendor}:"))


def _langchain(vendor: str, port: int) -> Side:
    _only(vendor, "anthropic", "openai")
    url, options = address(vendor, port), {"api_key": KEY, "max_tokens": 1024}

    def request(chat: Chat, model: str) -> tuple[Any, list[Json]]:
        if vendor == "anthropic":
            from langchain_anthropic import ChatAnthropic as Model
        else:
            from langchain_openai import ChatOpenAI as Model
        made = Model(model=model, base_url=url, **options)
        return (made.bind_tools(chat.tools) if chat.tools else made), chat.messages

    def text_of(message: Any) -> str:
        if isinstance(message.content, str):
            return message.content
        return "".join(block.get("text", "") for block in message.content if isinstance(block, dict))

    async def async_call(wanted: Any) -> Any:
        return await wanted[0].ainvoke(wanted[1])

    async def async_stream(wanted: Any) -> Any:
        return wanted[0].astream(wanted[1])

    return Side(
        call=lambda wanted: wanted[0].invoke(wanted[1]),
        stream=lambda wanted: wanted[0].stream(wanted[1]),
        async_call=async_call,
        async_stream=async_stream,
        request=request,
        read=lambda answer: (text_of(answer), json.dumps(answer.tool_calls[0]["args"]) if answer.tool_calls else ""),
        piece=lambda chunk: text_of(chunk) + "".join(call["args"] or "" for call in chunk.tool_call_chunks),
    )


def _pydantic_ai(vendor: str, port: int) -> Side:
    _only(vendor, "anthropic", "openai", "mistral")
    from pydantic_ai import direct, messages
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    model_of = _pydantic_ai_models(vendor, address(vendor, port))

    def request(chat: Chat, model: str) -> tuple[tuple[Any, Any], Json]:
        functions = [one["function"] for one in chat.tools]
        tools = [
            ToolDefinition(name=one["name"], parameters_json_schema=one["parameters"], description=one["description"])
            for one in functions
        ]
        options = {
            "model_settings": {"max_tokens": 1024},
            "model_request_parameters": ModelRequestParameters(function_tools=tools),
        }
        return (model_of(model), _pydantic_ai_history(chat, messages)), options

    def read(answer: Any) -> tuple[str, str]:
        texts = [part.content for part in answer.parts if isinstance(part, messages.TextPart)]
        calls = [part.args_as_json_str() for part in answer.parts if isinstance(part, messages.ToolCallPart)]
        return "".join(texts), "".join(calls)

    def piece(event: Any) -> str:
        part, delta = getattr(event, "part", None), getattr(event, "delta", None)
        if event.event_kind not in {"part_start", "part_delta"}:
            return ""
        found = getattr(part or delta, "content", None) or getattr(delta, "content_delta", None)
        found = found or getattr(part or delta, "args", None) or getattr(delta, "args_delta", None) or ""
        return found if isinstance(found, str) else json.dumps(found)

    def stream(wanted: Any) -> Any:
        with direct.model_request_stream_sync(*wanted[0], **wanted[1]) as events:
            yield from events

    async def pieces(wanted: Any) -> Any:
        async with direct.model_request_stream(*wanted[0], **wanted[1]) as events:
            async for event in events:
                yield event

    async def async_stream(wanted: Any) -> Any:
        return pieces(wanted)

    return Side(
        call=lambda wanted: direct.model_request_sync(*wanted[0], **wanted[1]),
        stream=stream,
        async_call=lambda wanted: direct.model_request(*wanted[0], **wanted[1]),
        async_stream=async_stream,
        request=request,
        read=read,
        piece=piece,
    )


def _pydantic_ai_models(vendor: str, url: str) -> Callable[[str], Any]:
    if vendor == "anthropic":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        provider = AnthropicProvider(anthropic_client=AsyncAnthropic(api_key=KEY, base_url=url))
        return lambda name: AnthropicModel(name, provider=provider)
    if vendor == "openai":
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        return lambda name: OpenAIChatModel(name, provider=OpenAIProvider(base_url=url, api_key=KEY))
    from mistralai.client import Mistral
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    return lambda name: MistralModel(
        name, provider=MistralProvider(mistral_client=Mistral(api_key=KEY, server_url=url))
    )


def _pydantic_ai_history(chat: Chat, messages: Any) -> list[Any]:
    turns: list[Any] = []
    asked: list[Any] = []
    for message in chat.messages:
        role, content = message["role"], message["content"]
        if role == "assistant":
            turns.append(messages.ModelRequest(parts=asked))
            asked = []
            calls = [
                messages.ToolCallPart(call["function"]["name"], call["function"]["arguments"], call["id"])
                for call in message.get("tool_calls") or ()
            ]
            turns.append(messages.ModelResponse(parts=calls or [messages.TextPart(content)]))
        elif role == "system":
            asked.append(messages.SystemPromptPart(content))
        elif role == "tool":
            asked.append(messages.ToolReturnPart("get_forecast", content, message["tool_call_id"]))
        else:
            asked.append(messages.UserPromptPart(content))
    return [*turns, messages.ModelRequest(parts=asked)]


def _tensorzero(vendor: str, port: int) -> Side:
    """The gateway in Rust, in this process."""
    _only(vendor, "anthropic", "openai")
    import tensorzero

    url = f"http://127.0.0.1:{port}" + ("/v1/messages" if vendor == "anthropic" else "/v1/")
    lines = ["[gateway]", "observability.enabled = false"]
    for model in sorted(set(MODELS[vendor].values())):
        lines += [
            f'[models."{model}"]',
            'routing = ["only"]',
            f'[models."{model}".providers.only]',
            f'type = "{vendor}"',
            f'model_name = "{model}"',
            f'api_base = "{url}"',
            'api_key_location = "env::BENCH_KEY"',
        ]
    with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
        file.write("\n".join(lines))
    gateway: Any = tensorzero.TensorZeroGateway.build_embedded(config_file=file.name)
    waiting: list[Any] = []

    async def async_gateway() -> Any:
        if not waiting:
            build: Any = tensorzero.AsyncTensorZeroGateway.build_embedded
            waiting.append(await build(config_file=file.name, async_setup=True))
        return waiting[0]

    async def async_call(wanted: Json) -> Any:
        return await (await async_gateway()).inference(**wanted)

    async def async_stream(wanted: Json) -> Any:
        return await (await async_gateway()).inference(**wanted, stream=True)

    def read(answer: Any) -> tuple[str, str]:
        texts = [block.text or "" for block in answer.content if block.type == "text"]
        calls = [block.raw_arguments for block in answer.content if block.type in {"tool_call", "tool_call_chunk"}]
        return "".join(texts), "".join(calls)

    return Side(
        call=lambda wanted: gateway.inference(**wanted),
        stream=lambda wanted: gateway.inference(**wanted, stream=True),
        async_call=async_call,
        async_stream=async_stream,
        request=_tensorzero_request,
        read=read,
        piece=lambda chunk: "".join(read(chunk)),
    )


def _tensorzero_request(chat: Chat, model: str) -> Json:
    turns: list[Json] = []
    for message in chat.messages[1:]:
        if message["role"] == "tool":
            result = {"id": message["tool_call_id"], "name": "get_forecast", "result": message["content"]}
            turns.append({"role": "user", "content": [{"type": "tool_result", **result}]})
        elif calls := message.get("tool_calls"):
            blocks = [{"type": "tool_call", "id": call["id"], **call["function"]} for call in calls]
            turns.append({"role": "assistant", "content": blocks})
        else:
            turns.append({"role": message["role"], "content": message["content"]})
    tools = [{**one["function"], "strict": False} for one in chat.tools]
    return {
        "model_name": model,
        "input": {"system": chat.messages[0]["content"], "messages": turns},
        "params": {"chat_completion": {"max_tokens": 1024}},
        **({"additional_tools": tools} if tools else {}),
    }


PEERS: dict[str, Callable[[str, int], Side]] = {
    "aisuite": _aisuite,
    "any-llm": _any_llm,
    "langchain": _langchain,
    "litellm": _litellm,
    "pydantic-ai": _pydantic_ai,
    "tensorzero": _tensorzero,
}
