"""dragoman's `ChatCompletionClient` for AutoGen 0.7, by itself: what AutoGen's contract says, and what it lacks."""

from __future__ import annotations

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("autogen_core.models", reason="AutoGen 0.4 to 0.7 is not installed")

import openai
from autogen_agentchat.agents import AssistantAgent
from autogen_core import EVENT_LOGGER_NAME, CancellationToken, FunctionCall, Image, InMemoryStore
from autogen_core.logging import LLMCallEvent, LLMStreamEndEvent, LLMStreamStartEvent
from autogen_core.model_context import TokenLimitedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from autogen_ext.models.cache import ChatCompletionCache
from PIL import Image as Pixels
from pydantic import BaseModel

from dragoman.autogen.chat import DragomanChatCompletionClient
from dragoman.core import AsyncClient, FunctionProvider

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTION = [UserMessage(content="Where are you?", source="user")]
ENTRY = {"model": "anthropic/claude-sonnet-4-5", "api_key": "sk-very-secret"}


class Place(BaseModel):
    """A place."""

    name: str


def ask(client: DragomanChatCompletionClient, messages: Any = QUESTION, **options: Any) -> CreateResult:
    """Ask once, and close the client."""

    async def go() -> CreateResult:
        try:
            return await client.create(messages, **options)
        finally:
            await client.close()

    return asyncio.run(go())


def stream(client: DragomanChatCompletionClient, messages: Any = QUESTION, **options: Any) -> list[Any]:
    """Ask once, piece by piece, and close the client."""

    async def go() -> list[Any]:
        try:
            return [piece async for piece in client.create_stream(messages, **options)]
        finally:
            await client.close()

    return asyncio.run(go())


def as_read(result: CreateResult) -> Any:
    """A result with its arguments read: vendors write their JSON with blanks or without."""
    content = result.content
    if not isinstance(content, str):
        content = [(call.id, call.name, json.loads(call.arguments)) for call in content]
    return {**result.model_dump(), "content": content}


def tool(name: str) -> FunctionTool:
    def function(a: int) -> int:
        return a

    return FunctionTool(function, description="Do it.", name=name)


def test_a_streams_last_item_is_the_result_of_the_same_call_unstreamed(
    start: Callable[..., Any], said: Any, call: Any
) -> None:
    answers = [said(thoughts="Hm.", text="Here.", calls=(call("look", a=1),)), said(text="There.")]
    for answer in answers:
        vendor = start("anthropic", answer, answer)
        whole = ask(DragomanChatCompletionClient(config_list=[vendor.entry]))
        *pieces, result = stream(DragomanChatCompletionClient(config_list=[vendor.entry]))
        assert "".join(pieces) == answer.text
        assert as_read(result) == as_read(whole)
        assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (7, 5)
    assert whole.content == "There."
    assert whole.finish_reason == "stop"
    assert whole.thought is None


@pytest.mark.parametrize(
    ("choice", "heard"), [("auto", "auto"), ("required", "required"), ("none", "none"), ("b", ("b",))]
)
def test_tools_come_as_objects_or_schemas_and_one_may_be_chosen(
    choice: Any, heard: Any, start: Callable[..., Any], said: Any
) -> None:
    vendor = start("mistralai", said(text="Done."))
    tools = [tool("a").schema, tool("b")]
    ask(
        DragomanChatCompletionClient(config_list=[vendor.entry]),
        tools=tools,
        tool_choice=tools[1] if choice == "b" else choice,
    )
    assert vendor.told[0].choice == heard
    assert [name for name, _, _ in vendor.told[0].tools] == ["a", "b"]
    assert vendor.told[0].tools[0][2]["properties"]["a"]["type"] == "integer"


def test_a_chosen_tool_has_to_be_among_the_tools() -> None:
    client = DragomanChatCompletionClient(config_list=[ENTRY])
    for tools in ([], [tool("a")]):
        with pytest.raises(ValueError, match="'b', which is not among the tools"):
            ask(client, tools=tools, tool_choice=tool("b"))


def test_json_output_is_json_or_a_schema(start: Callable[..., Any], said: Any) -> None:
    vendor = start("mistralai", *[said(text="{}")] * 3)
    for wanted, form in ((True, "object"), (False, None)):
        ask(DragomanChatCompletionClient(config_list=[vendor.entry]), json_output=wanted)
        assert vendor.told[-1].form == form
    ask(DragomanChatCompletionClient(config_list=[vendor.entry]), json_output=Place)
    assert vendor.told[-1].form["required"] == ["name"]
    with pytest.raises(TypeError, match="json_output must be"):
        ask(DragomanChatCompletionClient(config_list=[vendor.entry]), json_output="yes")


@pytest.mark.scenario(42)
@pytest.mark.parametrize("name", ["anthropic", "mistralai", "ollama", "vllm"])
def test_a_picture_arrives_whole(name: str, start: Callable[..., Any], said: Any) -> None:
    vendor = start(name, said(text="Blue."))
    picture = Image(Pixels.new("RGB", (2, 2), "blue"))
    messages = [UserMessage(content=["Which colour?", picture], source="user")]
    assert ask(DragomanChatCompletionClient(config_list=[vendor.entry]), messages).content == "Blue."
    (arrived,) = vendor.told[0].images
    assert arrived.startswith(b"\x89PNG")
    assert vendor.told[0].turns == [("user", "Which colour?")]


@pytest.mark.scenario(42)
@pytest.mark.parametrize(
    ("lacks", "options"),
    [
        ("function_calling", {"tools": [{"name": "a"}]}),
        ("json_output", {"json_output": True}),
        ("structured_output", {"json_output": Place}),
        ("vision", {"messages": [UserMessage(content=[Image(Pixels.new("RGB", (1, 1)))], source="user")]}),
    ],
)
def test_what_model_info_denies_is_refused(lacks: str, options: dict[str, Any]) -> None:
    info = dict.fromkeys(("vision", "function_calling", "json_output", "structured_output"), True)
    client = DragomanChatCompletionClient(config_list=[ENTRY], model_info={**info, lacks: False, "family": "unknown"})
    with pytest.raises(ValueError, match=f"model_info says {lacks} is False"):
        ask(client, **options)


def test_arguments_are_checked_when_the_client_is_made(start: Callable[..., Any], said: Any) -> None:
    with pytest.raises(TypeError, match=r"'temprature' .* did you mean temperature"):
        DragomanChatCompletionClient("llamacpp/demo", temprature=1)
    with pytest.raises(ValueError, match="keys, addresses and retries"):
        DragomanChatCompletionClient("llamacpp/demo", client=AsyncClient(), max_retries=1)
    vendor = start("vllm", said(text="Yes."))
    client = DragomanChatCompletionClient(config_list=[vendor.entry], max_retries=0, timeout=5)
    loaded = ChatCompletionClient.load_component(client.dump_component())
    assert (client.dump_component().config["max_retries"], loaded._client.max_retries) == (0, 0)
    assert ask(client).content == "Yes."


def test_arguments_of_the_client_and_of_the_call_go_into_the_request(start: Callable[..., Any], said: Any) -> None:
    vendor = start("vllm", said(text="Yes."))
    client = DragomanChatCompletionClient(config_list=[vendor.entry], seed=1, stop=["a"])
    ask(client, extra_create_args={"seed": 2})
    assert (vendor.told[0].seed, vendor.told[0].stop) == (2, ["a"])
    with pytest.raises(TypeError, match="'sed'"):
        ask(client, extra_create_args={"sed": 2})
    with pytest.raises(ValueError, match="messages, n cannot be set here"):
        ask(client, extra_create_args={"n": 2, "messages": []})


def test_a_history_without_memory_of_it_is_sent_as_autogen_kept_it(start: Callable[..., Any], said: Any) -> None:
    vendor = start("anthropic", said(text="It is 3."))
    calls = [FunctionCall(id="1", name="add", arguments='{"a": 1}')]
    history = [
        SystemMessage(content="Be kind."),
        UserMessage(content="Add.", source="Mrs X"),
        AssistantMessage(content=calls, thought="I shall add.", source="helper"),
        FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="3", name="add", call_id="1")]),
    ]
    # No tools, as in AutoGen's reflection: Anthropic refuses calls in a history of tools that it was not told.
    result = ask(DragomanChatCompletionClient(config_list=[vendor.entry]), history, tool_choice="none")
    assert result.content == "It is 3."
    (heard,) = vendor.told
    assert heard.turns == [("user", "Add."), ("assistant", "I shall add.")]
    assert heard.results == [("add", "3")]
    assert [name for name, _, _ in heard.tools] == ["add"]


@pytest.mark.parametrize(
    ("options", "text", "name"),
    [
        ({}, "Hi.", "Mrs_X"),
        ({"include_name_in_message": False}, "Hi.", None),
        ({"add_name_prefixes": True}, "Mrs X said:\nHi.", "Mrs_X"),
    ],
)
def test_a_message_says_who_wrote_it(options: dict[str, Any], text: str, name: str | None) -> None:
    asked: list[Any] = []

    def answer(request: Any) -> str:
        asked.append(request)
        return "Hello."

    client = DragomanChatCompletionClient(
        "mine/any", client=AsyncClient(providers=[FunctionProvider(answer, name="mine")]), **options
    )
    ask(client, [UserMessage(content="Hi.", source="Mrs X")])
    (message,) = asked[0]["messages"]
    assert (message["content"], message.get("name")) == (text, name)


def test_events_are_logged_as_the_clients_of_autogen_do(
    start: Callable[..., Any], said: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vendor = start("anthropic", said(text="Here."), said(text="Here."))
    client = DragomanChatCompletionClient(config_list=[vendor.entry])
    with caplog.at_level(logging.INFO, logger=EVENT_LOGGER_NAME):
        ask(client)
        stream(DragomanChatCompletionClient(config_list=[vendor.entry]))
    events = [record.msg for record in caplog.records if record.name == EVENT_LOGGER_NAME]
    assert [type(event) for event in events] == [LLMCallEvent, LLMStreamStartEvent, LLMStreamEndEvent]
    for event in (events[0], events[2]):
        told = json.loads(str(event))
        assert (told["prompt_tokens"], told["completion_tokens"]) == (7, 5)
        assert told["response"]["content"] == "Here."
    assert json.loads(str(events[1]))["messages"] == [{"role": "user", "content": "Where are you?"}]
    assert "sk-very-secret" not in caplog.text


class Waiting:
    """A server that begins an answer, or not even that, and learns that the client has gone."""

    def __init__(self, beginning: bytes) -> None:
        self.beginning = beginning
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        writer.write(self.beginning)
        await writer.drain()
        self.asked.set()
        await reader.read()
        self.gone.set()
        writer.close()


CHUNK = {
    "id": "1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "On"}, "finish_reason": None}],
}
BEGINNING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: " + json.dumps(CHUNK).encode() + b"\n\n"


@pytest.mark.scenario(47)
@pytest.mark.parametrize("way", ["whole", "streamed", "before the stream", "stopped"])
def test_a_cancelled_token_ends_the_call_and_its_connection(way: str) -> None:
    async def go() -> None:
        waiting = Waiting(BEGINNING if way in {"streamed", "stopped"} else b"")
        server = await asyncio.start_server(waiting.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = DragomanChatCompletionClient("vllm/m", base_url=f"http://127.0.0.1:{port}/v1", api_key="k")
        token = CancellationToken()
        pieces = client.create_stream(QUESTION, cancellation_token=token)
        if way == "streamed":
            assert await anext(pieces) == "On"
            waits = asyncio.ensure_future(anext(pieces))
        elif way == "stopped":
            async for _ in pieces:
                break
            await pieces.aclose()
            await asyncio.wait_for(waiting.gone.wait(), 10)
            waits = asyncio.ensure_future(client.create(QUESTION, cancellation_token=token))
        elif way == "whole":
            waits = asyncio.ensure_future(client.create(QUESTION, cancellation_token=token))
        else:
            waits = asyncio.ensure_future(anext(pieces))
        await asyncio.wait_for(waiting.asked.wait(), 10)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        await asyncio.wait_for(waiting.gone.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await client.create(QUESTION, cancellation_token=token)
        await client.close()
        server.close()
        await server.wait_closed()

    asyncio.run(go())


@pytest.mark.scenario(48)
def test_tokens_are_counted_without_the_network() -> None:
    client = DragomanChatCompletionClient(config_list=[ENTRY], context_tokens=200)
    long = [UserMessage(content="word " * 100, source="user"), AssistantMessage(content="Yes.", source="helper")]
    assert 100 <= client.count_tokens(long) <= 160
    assert client.count_tokens(long, tools=[tool("a")]) > client.count_tokens(long)
    assert client.remaining_tokens(long) == 200 - client.count_tokens(long)
    context = TokenLimitedChatCompletionContext(client, token_limit=None)

    async def go() -> int:
        for message in long * 3:
            await context.add_message(message)
        return len(await context.get_messages())

    assert 0 < asyncio.run(go()) < 6
    assert DragomanChatCompletionClient(config_list=[ENTRY]).remaining_tokens([]) == 200_000


@pytest.mark.scenario(46)
def test_two_models_that_share_a_cache_do_not_answer_for_each_other(start: Callable[..., Any], said: Any) -> None:
    vendors = [start("mistralai", said(text="I am one.")), start("ollama", said(text="I am two."))]
    store: InMemoryStore[Any] = InMemoryStore()
    clients = [DragomanChatCompletionClient(config_list=[vendor.entry]) for vendor in vendors]
    caches = [ChatCompletionCache(client, client.cache_store(store)) for client in clients]

    async def go() -> list[tuple[Any, bool]]:
        answers = [await cache.create(QUESTION) for _ in range(2) for cache in caches]
        streamed = [[piece async for piece in cache.create_stream(QUESTION)][-1] for cache in caches]
        for client in clients:
            await client.close()
        return [(answer.content, answer.cached) for answer in (*answers, *streamed)]

    found = asyncio.run(go())
    fresh, again = [("I am one.", False), ("I am two.", False)], [("I am one.", True), ("I am two.", True)]
    assert found == [*fresh, *again, *again]
    assert len(store.store) == 2
    dumped = caches[0].dump_component()
    assert "sk-very-secret" not in dumped.model_dump_json()
    loaded = ChatCompletionCache.load_component(dumped)
    assert isinstance(loaded, ChatCompletionCache)


@pytest.mark.scenario(49)
def test_the_second_model_answers_where_the_first_cannot(start: Callable[..., Any], said: Any) -> None:
    for status in (400, 401, 429, 500, 529):
        first, second = start("anthropic", said(text="no", status=status)), start("ollama", said(text="Here."))
        client = DragomanChatCompletionClient(config_list=[first.entry, second.entry])
        with pytest.warns(UserWarning, match="going on with"):
            *pieces, result = stream(client)
        assert "".join(pieces) == result.content == "Here."
        assert result.usage.prompt_tokens == 7


@pytest.mark.scenario(49)
def test_the_failure_of_the_last_model_is_the_callers(start: Callable[..., Any], said: Any) -> None:
    vendor = start("anthropic", said(text="slow down", status=429))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        ask(DragomanChatCompletionClient(config_list=[vendor.entry]))


@pytest.mark.scenario(44)
def test_a_client_is_dumped_and_loaded_by_its_name(start: Callable[..., Any], said: Any) -> None:
    vendor = start("mistralai", said(text="Here."), said(text="Here."))
    client = DragomanChatCompletionClient(config_list=[vendor.entry], seed=3, context_tokens=10)
    dumped = client.dump_component()
    assert dumped.provider == "dragoman.autogen.chat.DragomanChatCompletionClient"
    # Later releases of AutoGen refuse namespaces that are not listed there.
    assert "AUTOGEN_ALLOWED_PROVIDER_NAMESPACES=dragoman" in (dumped.description or "")
    loaded = ChatCompletionClient.load_component(dumped)
    assert isinstance(loaded, DragomanChatCompletionClient)
    assert ask(loaded).content == "Here."
    assert vendor.told[0].seed == 3
    agent = AssistantAgent("helper", client)
    again = AssistantAgent.load_component(agent.dump_component())

    async def go() -> Any:
        answer = await again.run(task="Where are you?")
        await again._model_client.close()
        return answer.messages[-1].content

    assert asyncio.run(go()) == "Here."


@pytest.mark.scenario(44)
def test_no_key_is_in_a_dump_but_where_it_is(monkeypatch: pytest.MonkeyPatch, start: Any, said: Any) -> None:
    vendor = start("mistralai", said(text="Here."))
    headers = {"default_headers": {"authorization": "sk-very-secret"}}
    secret = DragomanChatCompletionClient(config_list=[{**vendor.entry, **headers}])
    assert "sk-very-secret" not in secret.dump_component().model_dump_json()
    assert "sk-very-secret" not in repr(secret.dump_component())
    alone = DragomanChatCompletionClient("mistralai/x", api_key="sk-very-secret")
    assert "sk-very-secret" not in alone.dump_component().model_dump_json()
    # What JSON has masked is not taken for a key.
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    masked = ChatCompletionClient.load_component(json.loads(alone.dump_component().model_dump_json()))
    with pytest.raises(openai.OpenAIError, match="MISTRAL_API_KEY"):
        ask(masked)
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    where = DragomanChatCompletionClient(config_list=[{**vendor.entry, "api_key": "env:MY_KEY"}])
    loaded = ChatCompletionClient.load_component(json.loads(where.dump_component().model_dump_json()))
    assert ask(loaded).content == "Here."


def test_what_cannot_be_written_down_is_not_dumped() -> None:
    with pytest.raises(TypeError, match="client= of your own cannot be dumped"):
        DragomanChatCompletionClient("mine/any", client=AsyncClient()).dump_component()
    with pytest.raises(TypeError, match="model_client_cls is a type"):
        DragomanChatCompletionClient(config_list=[{"model": "x", "model_client_cls": Notebook}]).dump_component()


class Notebook:
    """A custom client, with the four methods that AutoGen 0.2 asks for and the notebook writes."""

    def __init__(self, config: Any, **options: Any) -> None:
        self.model = config["model"]

    def create(self, params: Any) -> Any:
        said = params["messages"][-1]["content"]
        message = SimpleNamespace(content=f"You said: {said}", function_call=None)
        return SimpleNamespace(model=self.model, choices=[SimpleNamespace(message=message)])

    def message_retrieval(self, response: Any) -> list[str]:
        return [choice.message.content for choice in response.choices]

    def cost(self, response: Any) -> float:
        response.cost = 0
        return 0

    @staticmethod
    def get_usage(response: Any) -> dict[str, Any]:
        return {}


@pytest.mark.scenario(31)
def test_a_custom_class_of_02_answers_an_agent_of_07() -> None:
    client = DragomanChatCompletionClient(config_list=[{"model": "own/model", "model_client_cls": Notebook}])

    async def go() -> tuple[Any, list[Any]]:
        answer = await AssistantAgent("helper", client).run(task="Hello.")
        pieces = [piece async for piece in client.create_stream(QUESTION)]
        await client.close()
        return answer.messages[-1].content, pieces

    answer, pieces = asyncio.run(go())
    assert answer == "You said: Hello."
    assert pieces[-1].content == "".join(pieces[:-1]) == "You said: Where are you?"


@pytest.mark.parametrize("options", [{}, {"model": "a/b", "config_list": [ENTRY]}])
def test_a_client_has_a_model_or_a_list(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either model or config_list"):
        DragomanChatCompletionClient(**options)


def test_a_client_of_the_callers_own_has_its_list_already() -> None:
    with pytest.raises(ValueError, match="give the model's name alone"):
        DragomanChatCompletionClient(config_list=[ENTRY], client=AsyncClient())


@pytest.mark.scenario(54)
def test_a_plugin_that_is_missing_hurts_its_own_entry_only(
    start: Callable[..., Any], said: Any, uninstall: Callable[[str], None]
) -> None:
    there = start("anthropic", said(text="Here."))
    missing = {"model": "mistralai/mistral-large-latest", "api_key": "k"}
    uninstall("mistralai")
    with pytest.warns(UserWarning, match="pip install dragoman-mistralai.*going on with"):
        assert ask(DragomanChatCompletionClient(config_list=[missing, there.entry])).content == "Here."
    with pytest.raises(openai.OpenAIError, match="pip install dragoman-mistralai"):
        ask(DragomanChatCompletionClient(config_list=[missing]))
