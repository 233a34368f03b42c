"""Who is measured: the vendor's plain SDK, and dragoman with each of its senders. `peers` has the others.

A side answers one and the same question in its own way; what it makes of an answer is read only to check it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import workload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from workload import Chat, Json

#: Nothing that is measured asks whether it is right.
KEY = "key-of-no-one"


@dataclass
class Side:
    """How one library is called: `request` makes its arguments, once; `text` and `arguments` read what came.

    The first four get a request; the streams give pieces, of which `piece` returns what was said in them.
    """

    call: Callable[[Any], Any]
    stream: Callable[[Any], Iterable[Any]]
    async_call: Callable[[Any], Awaitable[Any]] | None
    async_stream: Callable[[Any], Awaitable[AsyncIterator[Any]]] | None
    request: Callable[[Chat, str], Any]
    #: The text and the tool call's arguments in a whole answer.
    read: Callable[[Any], tuple[str, str]]
    piece: Callable[[Any], str]
    #: What is known to be missing: scenario -> why.
    lacks: dict[str, str] = field(default_factory=dict)


def read_openai(answer: Any) -> tuple[str, str]:
    """Read an answer in OpenAI's form."""
    message = answer.choices[0].message
    calls = message.tool_calls
    return message.content or "", calls[0].function.arguments if calls else ""


def piece_openai(chunk: Any) -> str:
    """Read a chunk in OpenAI's form."""
    if not chunk.choices:
        return ""
    delta = chunk.choices[0].delta
    said = delta.content or ""
    for call in delta.tool_calls or ():
        arguments = call.function.arguments if call.function else ""
        said += arguments if isinstance(arguments, str) else json.dumps(arguments)
    return said


def openai_request(prefix: str = "", **more: Any) -> Callable[[Chat, str], Json]:
    """Make keyword arguments in OpenAI's form, the model with a prefix."""
    return lambda chat, model: {"model": prefix + model, **chat.request, **more}


def openai_like(create: Any, async_create: Any, request: Callable[[Chat, str], Json]) -> Side:
    """Make a side of two functions with the arguments and the answers of `chat.completions.create`."""

    async def async_stream(wanted: Json) -> Any:
        return await async_create(**wanted, stream=True)

    return Side(
        call=lambda wanted: create(**wanted),
        stream=lambda wanted: create(**wanted, stream=True),
        async_call=(lambda wanted: async_create(**wanted)) if async_create else None,
        async_stream=async_stream if async_create else None,
        request=request,
        read=read_openai,
        piece=piece_openai,
    )


def dragoman(vendor: str, port: int, **options: Any) -> Side:
    """Make our side; `options` are the client's (`sender=`)."""
    from dragoman.core import AsyncClient, Client

    name = {"mistral": "mistralai"}.get(vendor, vendor)
    options = {
        "default_provider": name,
        "base_url": address(vendor, port, dragoman=True),
        "api_key": KEY,
        **options,
    }
    client, async_client = Client(**options), AsyncClient(**options)
    return openai_like(client.chat.completions.create, async_client.chat.completions.create, openai_request(f"{name}/"))


def address(vendor: str, port: int, *, dragoman: bool = False) -> str:
    """Return the provider's address in the form that the vendor's SDK takes (or dragoman)."""
    version = {"openai", "together", *({"mistral"} if dragoman else ())}
    return f"http://127.0.0.1:{port}" + ("/v1" if vendor in version else "")


def sdk(vendor: str, port: int) -> Side:
    """Make the side of the vendor's own SDK."""
    return {"anthropic": _anthropic, "mistral": _mistral, "ollama": _ollama, "openai": _openai, "together": _together}[
        vendor
    ](address(vendor, port))


def _openai(url: str) -> Side:
    from openai import AsyncOpenAI, OpenAI

    client, async_client = OpenAI(api_key=KEY, base_url=url), AsyncOpenAI(api_key=KEY, base_url=url)
    return openai_like(client.chat.completions.create, async_client.chat.completions.create, openai_request())


def _together(url: str) -> Side:
    from together import AsyncTogether, Together

    client, async_client = Together(api_key=KEY, base_url=url), AsyncTogether(api_key=KEY, base_url=url)
    return openai_like(client.chat.completions.create, async_client.chat.completions.create, openai_request())


def native_request(vendor: str) -> Callable[[Chat, str], Json]:
    """Make keyword arguments in the vendor's own form."""
    return lambda chat, model: {"model": model, **workload.native(vendor, chat)}


def _anthropic(url: str) -> Side:
    from anthropic import Anthropic, AsyncAnthropic

    create = Anthropic(api_key=KEY, base_url=url).messages.create
    async_create: Any = AsyncAnthropic(api_key=KEY, base_url=url).messages.create

    def read(message: Any) -> tuple[str, str]:
        texts = [block.text for block in message.content if block.type == "text"]
        calls = [json.dumps(block.input) for block in message.content if block.type == "tool_use"]
        return "".join(texts), "".join(calls)

    def piece(event: Any) -> str:
        if event.type != "content_block_delta":
            return ""
        return str(event.delta.text if event.delta.type == "text_delta" else event.delta.partial_json)

    side = openai_like(create, async_create, native_request("anthropic"))
    side.read, side.piece = read, piece
    return side


def _mistral(url: str) -> Side:
    from mistralai.client import Mistral

    client = Mistral(api_key=KEY, server_url=url)

    async def async_stream(wanted: Json) -> Any:
        return await client.chat.stream_async(**wanted)

    return Side(
        call=lambda wanted: client.chat.complete(**wanted),
        stream=lambda wanted: client.chat.stream(**wanted),
        async_call=lambda wanted: client.chat.complete_async(**wanted),
        async_stream=async_stream,
        request=native_request("mistral"),
        read=read_openai,
        piece=lambda event: piece_openai(event.data),
    )


def _ollama(url: str) -> Side:
    from ollama import AsyncClient, Client

    client: Any = Client(host=url)
    async_client: Any = AsyncClient(host=url)

    def read(answer: Any) -> tuple[str, str]:
        calls = answer.message.tool_calls
        return answer.message.content or "", json.dumps(calls[0].function.arguments) if calls else ""

    side = openai_like(client.chat, async_client.chat, native_request("ollama"))
    side.read, side.piece = read, lambda line: "".join(read(line))
    return side
