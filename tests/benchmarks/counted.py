"""The work that is counted, in a process of its own under callgrind: `python counted.py LIBRARY`; see `instructions`.

Each case is warmed up and then run N times and 2 N times. The difference is what N runs cost and nothing else.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from typing import TYPE_CHECKING, Any

import canned
import workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Call, Provider

RUNS = 4
_WARM = 3
#: Providers without canned answers of their own speak OpenAI's wire.
WIRES = {"anthropic": "anthropic", "mistralai": "mistral", "ollama": "ollama", "together": "together"}
_CHAT = workload.Chat(workload.history(20), [workload.tool(number, options=2) for number in range(4)])


def yardstick() -> Callable[[], object]:
    """Work that is none of ours: what it costs tells one build of Python from another."""
    text = json.dumps(_CHAT.request)

    def work() -> object:
        read = json.loads(text)
        return [{**message, "content": str(message["content"]).split()} for message in read["messages"]]

    return work


def made(name: str) -> Provider:
    """Make an installed provider, with an address and a key that are never used."""
    from dragoman.core.plugins import plugins

    return plugins().provider(name)(name=name, base_url="http://127.0.0.1:1/v1", api_key="key-of-no-one")


def call_of(provider: Provider, *, stream: bool = False) -> Call:
    """Make a call with a history and tools."""
    from dragoman.core import Call

    model = workload.MODELS[WIRES.get(provider.name, "openai")]["tool"]
    request: dict[str, Any] = {"model": model, **_CHAT.request, **({"stream": True} if stream else {})}
    return Call(provider.name, model, request, id="chatcmpl-counted", created=1_763_816_400)


def cases(name: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Return what is counted of one provider."""
    from dragoman.core.codec import decode_json
    from dragoman.core.framing import frames

    provider, wire = made(name), canned.WIRES[WIRES.get(name, "openai")]
    yield "encode", lambda: provider.encode(call_of(provider))
    body = json.loads(wire.whole(canned.LEAD, canned.ARGUMENTS))
    call = call_of(provider)
    yield "decode", lambda: provider.decode(call, body)
    pieces = [piece.encode() for piece in wire.stream(canned.TEXT[:20], None)]
    streamed = call_of(provider, stream=True)

    def feed() -> None:
        decoder, events = provider.decode_stream(streamed), frames(provider.framing)
        for piece in pieces:
            for event in events.feed(piece):
                if event.data == b"[DONE]":
                    continue
                if decoder is None:
                    decode_json(event.data)
                else:
                    list(decoder.feed(event))
        if decoder is not None:
            list(decoder.finish())

    yield "stream", feed


def everything() -> Iterator[tuple[str, Callable[[], object]]]:
    """Return all cases by name."""
    from dragoman.core.codec import encode_json
    from dragoman.core.plugins import KNOWN

    yield "yardstick", yardstick()
    yield "core.json", lambda: encode_json(_CHAT.request)
    for name in sorted(KNOWN):
        for what, run in cases(name):
            yield f"{name}.{what}", run


def main(library: str) -> None:
    """Run all cases, each time telling callgrind where one ends."""
    counter = ctypes.CDLL(library)
    ready = list(everything())
    for _, run in ready:
        for _ in range(_WARM):
            run()
    gc.collect()
    gc.disable()
    counter.start()
    for name, run in ready:
        for _ in range(_WARM):
            run()
        counter.dump(b"between")
        for times in (RUNS, 2 * RUNS):
            for _ in range(times):
                run()
            counter.dump(f"{name} {times}".encode())
    counter.stop()


if __name__ == "__main__":
    main(sys.argv[1])
