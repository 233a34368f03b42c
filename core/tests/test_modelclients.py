"""Python code as a provider, on every road: functions of all kinds, and AutoGen's custom model clients."""

from __future__ import annotations

import asyncio
import functools
import threading
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import (
    AsyncClient,
    Client,
    ConfigError,
    DragomanWarning,
    FunctionProvider,
    ModelClientProvider,
    PluginError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HI = [{"role": "user", "content": "Hi"}]
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"content": c}, "finish_reason": f}]} for c, f in (("a", None), ("b", "stop"))
]


def text(request: Any) -> str:
    return "ab"


def message(request: Any) -> Any:
    return {"content": "ab", "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}


def generator(request: Any) -> Iterator[str]:
    yield "a"
    yield "b"


def chunks(request: Any) -> list[Any]:
    return CHUNKS


async def later(request: Any) -> str:
    await asyncio.sleep(0)
    return "ab"


async def later_items(request: Any) -> Any:
    return generator(request)


async def agenerator(request: Any) -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"


def gives_a_coroutine(request: Any) -> Any:
    return later(request)


KINDS = [text, message, generator, chunks, later, later_items, agenerator, gives_a_coroutine]


@pytest.mark.parametrize("function", KINDS)
def test_every_kind_answers_whole_and_in_pieces(road: Any, function: Any) -> None:
    road.make(FunctionProvider(function))
    answer = road.create()
    assert answer.choices[0].message.content == "ab"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "m1"
    assert road.text(road.stream()) == "ab"


def test_the_request_is_the_functions_own(colour: Any) -> None:
    seen: list[Any] = []

    def spoil(request: Any) -> str:
        seen.append(request.copy())
        request["messages"].clear()
        return "ab"

    road = colour.make(FunctionProvider(spoil))
    messages = [{"role": "user", "content": "Hi"}]
    road.create(messages=messages, temperature=0.5, extra_body={"mood": "good"})
    assert seen == [{"model": "m1", "messages": [], "temperature": 0.5, "mood": "good"}]
    assert messages == HI


def test_names() -> None:
    assert FunctionProvider(text).name == "text"
    assert FunctionProvider(lambda request: "a").name == "function"
    assert FunctionProvider(text, name="mine").name == "mine"
    assert repr(FunctionProvider(text)) == "<FunctionProvider 'text'>"
    with Client(providers=[FunctionProvider(text)]) as client:
        assert client.chat.completions.create(model="text/any", messages=HI).model == "any"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("function", ["raises", "araises", "items", "aitems"])
def test_what_the_code_raises_is_an_error_of_the_call(road: Any, function: str, streamed: bool) -> None:
    trouble = KeyError("secret prompt")

    def raises(request: Any) -> str:
        raise trouble

    async def araises(request: Any) -> str:
        raise trouble

    def items(request: Any) -> Iterator[str]:
        yield "a"
        raise trouble

    async def aitems(request: Any) -> AsyncIterator[str]:
        yield "a"
        raise trouble

    road.make(FunctionProvider(locals()[function], name="mine"))
    with pytest.raises(openai.InternalServerError, match="the code of mine raised KeyError") as caught:
        list(road.items(road.stream())) if streamed else road.create()
    assert "secret" not in str(caught.value)
    if road.kind == "plain":
        assert caught.value.__cause__ is trouble


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (TimeoutError(), openai.APITimeoutError),
        (ConnectionRefusedError(), openai.APIConnectionError),
        (ImportError("no torch"), PluginError),
        (NotImplementedError(), openai.InternalServerError),
    ],
)
def test_what_speaks_for_itself_keeps_its_class(colour: Any, raised: Exception, expected: type[Exception]) -> None:
    def raises(request: Any) -> str:
        raise raised

    with pytest.raises(expected) as caught:
        colour.make(FunctionProvider(raises)).create()
    assert type(caught.value) is expected


@pytest.mark.parametrize("value", [None, 3])
def test_an_answer_that_is_none(colour: Any, value: Any) -> None:
    async def later(request: Any) -> Any:
        return value

    for function in (lambda request: value, later):
        with pytest.raises(openai.InternalServerError, match="raised TypeError"):
            type(colour).create(colour.make(FunctionProvider(function)))


@pytest.mark.parametrize("kind", ["items", "aitems"])
def test_a_stream_that_is_left_closes_the_generator(colour: Any, kind: str) -> None:
    closed = threading.Event()

    def items(request: Any) -> Iterator[str]:
        try:
            yield from "abc"
        finally:
            closed.set()

    async def aitems(request: Any) -> AsyncIterator[str]:
        try:
            for letter in "abc":
                yield letter
        finally:
            closed.set()

    stream = colour.make(FunctionProvider(locals()[kind])).stream()
    items_of_stream = colour.items(stream)
    assert next(items_of_stream).choices[0].delta.role == "assistant"
    assert next(items_of_stream).choices[0].delta.content == "a"
    items_of_stream.close()
    colour.run(stream.close())
    colour.settle()
    assert closed.is_set()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("dragoman")] == []


def test_an_asynchronous_function_where_a_loop_runs_already() -> None:
    async def main() -> str | None:
        with Client(providers=[FunctionProvider(later)]) as client:
            return client.chat.completions.create(model="later/m", messages=HI).choices[0].message.content

    assert asyncio.run(main()) == "ab"


def test_a_slow_function_does_not_hold_up_the_loop() -> None:
    other = threading.Event()

    def waits(request: Any) -> str:
        assert other.wait(10)
        return "ab"

    def frees(request: Any) -> str:
        other.set()
        return "ab"

    async def main() -> list[Any]:
        providers = [FunctionProvider(waits), FunctionProvider(frees)]
        async with AsyncClient(providers=providers) as client:
            asked = [client.chat.completions.create(model=f"{one.name}/m", messages=HI) for one in providers]
            return await asyncio.gather(*asked)

    assert len(asyncio.run(main())) == 2


class NotebookClient:
    """As AutoGen's notebook has it: no streams, no usage, a namespace for an answer."""

    made: list[Any]
    asked: list[Any]

    def __init__(self, config: Any, **kwargs: Any) -> None:
        type(self).made = [*getattr(type(self), "made", []), (config, kwargs)]
        self.model_name = config["model"]

    def create(self, params: Any) -> Any:
        type(self).asked = [*getattr(type(self), "asked", []), params]
        if params.get("stream", False) and "messages" in params:
            message = "Local models do not support streaming."
            raise NotImplementedError(message)
        choices = []
        for number in range(params.get("n", 1)):
            choice = SimpleNamespace()
            choice.message = SimpleNamespace()
            choice.message.content = f"answer {number}"
            choice.message.function_call = None
            choices.append(choice)
        return SimpleNamespace(choices=choices, model=self.model_name)

    def message_retrieval(self, response: Any) -> list[Any]:
        return [choice.message.content for choice in response.choices]

    def cost(self, response: Any) -> float:
        response.cost = 0
        return 0

    @staticmethod
    def get_usage(response: Any) -> Any:
        return {}


class CountingClient(NotebookClient):
    """Says what it used; the wrapper's order is kept: the cost stands in the response by then."""

    def cost(self, response: Any) -> float:
        return 0.25

    def message_retrieval(self, response: Any) -> list[Any]:
        made = SimpleNamespace(id="x", type="function", function=SimpleNamespace(name="now", arguments="{}"))
        return [SimpleNamespace(content=None, tool_calls=[made])]

    @staticmethod
    def get_usage(response: Any) -> Any:
        counts = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        return {**counts, "cost": response.cost, "model": response.model}


@pytest.fixture(autouse=True)
def _forget() -> None:
    for kind in (NotebookClient, CountingClient):
        kind.made, kind.asked = [], []


def test_the_notebooks_class_is_a_provider(road: Any) -> None:
    road.make(ModelClientProvider(NotebookClient, {"model": "m1"}, loaded="x"))
    answer = road.create(n=2)
    assert [choice.message.content for choice in answer.choices] == ["answer 0", "answer 1"]
    assert answer.usage is None
    assert road.text(road.stream()) == "answer 0"
    assert NotebookClient.made == [({"model": "m1"}, {"loaded": "x"})]
    assert [params.get("stream") for params in NotebookClient.asked] == [None, None]


def test_an_entry_may_name_a_class_and_its_own_keys(colour: Any) -> None:
    entry = {
        "model": "org/name",
        "model_client_cls": NotebookClient,
        "device": "cpu",
        "params": {"max_length": 9},
        "api_key": "k",
        "tags": ["x"],
        "price": [1, 2],
        "temperature": 0.5,
        "api_rate_limit": 1000,
    }
    road = colour.use((AsyncClient if colour.asynchronous else Client)(config_list=[entry]))
    assert road.create(model="").choices[0].message.content == "answer 0"
    (config, _), (params,) = NotebookClient.made[0], NotebookClient.asked
    assert config == {key: value for key, value in entry.items() if key != "api_rate_limit"}
    assert params == {
        "model_client_cls": "NotebookClient",
        "model": "org/name",
        "device": "cpu",
        "params": {"max_length": 9},
        "temperature": 0.5,
        "messages": HI,
    }


@pytest.mark.parametrize("code", [functools.partial(NotebookClient, loaded=1), NotebookClient({"model": "m"}), text])
def test_an_entry_may_name_other_code(code: Any) -> None:
    with Client(config_list=[{"model": "m", "model_client_cls": code}]) as client:
        assert client.chat.completions.create(model="", messages=HI).choices[0].message.content


def test_a_text_names_no_class() -> None:
    named = [{"model": "m", "model_client_cls": "NotebookClient"}]
    with Client(config_list=named) as client, pytest.raises(ConfigError, match="the class itself"):
        client.chat.completions.create(model="", messages=HI)


def test_usage_and_cost_are_the_classs_own() -> None:
    with Client(providers=[ModelClientProvider(CountingClient, {"model": "m1"}, name="own")]) as client:
        answer = client.chat.completions.create(model="own/m1", messages=HI)
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.choices[0].message.tool_calls[0].function.name == "now"
        assert answer.usage.total_tokens == 5
        list(client.chat.completions.create(model="own/m1", messages=HI, stream=True))
        usage = client.usage_summary.actual["own/m1"]
        assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (2, 6, 4)
        assert usage.cost == Decimal("0.5")


def test_an_entrys_price_comes_before_the_classs_cost() -> None:
    entry = {"model": "m", "model_client_cls": CountingClient, "price": [1, 1]}
    with Client(config_list=[entry]) as client:
        client.chat.completions.create(model="", messages=HI)
        assert client.usage_summary.cost == Decimal("0.005")


def test_a_failing_class_lets_the_next_entry_answer() -> None:
    class Broken(NotebookClient):
        def create(self, params: Any) -> Any:
            raise RuntimeError

    class Unmade(NotebookClient):
        def __init__(self, config: Any) -> None:
            raise RuntimeError

    entries = [{"model": f"m{n}", "model_client_cls": kind} for n, kind in enumerate((Broken, Unmade, NotebookClient))]
    with Client(config_list=entries) as client, pytest.warns(DragomanWarning, match="raised RuntimeError") as warned:
        assert client.chat.completions.create(model="", messages=HI).model == "m2"
    assert len(warned) == 2
