"""Python functions as providers: whole answers, generators, both colours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import (
    AsyncSender,
    Call,
    Json,
    Provider,
    Sender,
    VendorError,
    Wire,
    async_function_sender,
    function_sender,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

CHUNKS: list[Json] = [
    {"id": "1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}
    for text, reason in (("a", None), ("b", "stop"))
]


class Engine(Provider):
    """An engine in this process. `closed` counts the generators that were closed or ended."""

    name = "engine"

    def __init__(self, kind: str = "generator") -> None:
        super().__init__()
        self.kind = kind
        self.closed = 0
        self.asked: list[Json | None] = []

    def answer(self, call: Call, wire: Wire) -> Any:
        self.asked.append(wire.body)
        if self.kind == "error":
            raise VendorError({"message": "too long", "type": None, "param": None, "code": None}, 400)
        if call.stream and self.kind == "list":
            return CHUNKS
        if call.stream and self.kind == "generator":
            return self.generate()
        message = {"role": "assistant", "content": "ab"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"id": "1", "created": 1, "model": "m", "object": "chat.completion", "choices": [choice]}

    def generate(self) -> Iterator[Json]:
        try:
            yield from CHUNKS
        finally:
            self.closed += 1

    async def agenerate(self) -> AsyncIterator[Json]:
        try:
            for chunk in CHUNKS:
                yield chunk
        finally:
            self.closed += 1

    def sender(self) -> Sender:
        return function_sender(self.answer)

    def async_sender(self) -> AsyncSender:
        def answer(call: Call, wire: Wire) -> Any:
            if call.stream and self.kind == "generator":
                return self.agenerate()
            if call.stream and self.kind == "list":
                return Listed()

            async def later() -> Any:
                return self.answer(call, wire)

            return later()

        return async_function_sender(answer)


class Listed:
    """Asynchronous, without an `aclose`."""

    async def __aiter__(self) -> AsyncIterator[Json]:
        for chunk in CHUNKS:
            yield chunk


@pytest.mark.parametrize("kind", ["generator", "list", "whole"])
def test_answers(road: Any, kind: str, diary: Any) -> None:
    engine = Engine(kind)
    assert road.make(engine).create().choices[0].message.content == "ab"
    assert road.text(road.stream()) == "ab"
    assert diary.outcomes == ["complete"] * 2
    assert engine.closed == (kind == "generator")
    assert engine.asked[0] == {"messages": [{"role": "user", "content": "Hi"}], "model": "m1"}


def test_a_stream_that_is_left_closes_the_generator(road: Any, diary: Any) -> None:
    engine = Engine()
    stream = road.make(engine).stream()
    items = road.items(stream)
    assert next(items).choices[0].delta.content == "a"
    items.close()
    road.run(stream.close())
    road.settle()
    assert engine.closed == 1
    assert diary.outcomes == ["abandoned"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_error(road: Any, stream: bool) -> None:
    engine = Engine("error")
    with pytest.raises(openai.BadRequestError, match="too long"):
        list(road.items(road.make(engine).create(stream=stream)))


def test_closing_does_nothing() -> None:
    engine = Engine()
    engine.sender().close()
    asyncio.run(engine.async_sender().close())
    assert engine.closed == 0
