"""ag2 1.x's agents on dragoman: through ag2's own OpenAI configuration, and through `DragomanConfig`."""

from __future__ import annotations

import asyncio
import copy
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("ag2.config", reason="ag2 1.x is not installed")

import openai
from ag2 import Agent
from ag2.config import OpenAIConfig
from ag2.events import DocumentInput, ImageInput, ModelMessage, ModelMessageChunk, ModelReasoning, ModelResponse
from ag2.exceptions import UnsupportedInputError
from ag2.stream import MemoryStream
from pydantic import BaseModel

from dragoman.autogen.ag2 import DragomanConfig
from dragoman.core import AsyncClient, async_http_client, config_list_from_json

if TYPE_CHECKING:
    from collections.abc import Callable

VENDORS = ("anthropic", "huggingface", "litellm", "lmstudio", "mistralai", "ollama", "together", "vllm")
PICTURE = b"\x89PNG and so on"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Place(BaseModel):
    """A place."""

    name: str


def ask(config: Any, *what: Any, turns: tuple[str, ...] = (), **options: Any) -> SimpleNamespace:
    """Ask an agent, once or several times; return its last reply, its usage and the events of its stream."""

    async def go() -> SimpleNamespace:
        agent = Agent("helper", "You are kind.", config=config, **options)
        stream = MemoryStream()
        events: list[Any] = []

        async def see(event: Any) -> None:
            events.append(event)

        stream.subscribe(see)
        try:
            reply = await agent.ask(*(what or ("Where are you?",)), stream=stream)
            for turn in turns:
                reply = await reply.ask(turn)
            content = await reply.content() if options.get("response_schema") else None
            return SimpleNamespace(body=reply.body, content=content, usage=await reply.usage(), events=events)
        finally:
            await (config.connect().close() if isinstance(config, DragomanConfig) else config.http_client.aclose())

    return asyncio.run(go())


@pytest.mark.scenario(50)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", VENDORS)
def test_ag2s_own_configuration_goes_through_the_door(
    name: str, streaming: bool, start: Callable[..., Any], said: Any, call: Any
) -> None:
    vendor = start(name, said(calls=(call("add", a=1, b=2), call("add", a=3, b=4))), said(text="3 and 7."))
    door = async_http_client(config_list=[vendor.entry])
    config = OpenAIConfig(vendor.entry["model"], api_key="of no use", http_client=door, streaming=streaming)
    found = ask(config, tools=[add])
    assert found.body == "3 and 7."
    assert vendor.told[1].results == [("add", "3"), ("add", "7")]
    assert (found.usage.total.prompt_tokens, found.usage.total.completion_tokens) == (14, 10)


@pytest.mark.scenario(51)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", VENDORS)
def test_an_agent_calls_tools_in_parallel(
    name: str, streaming: bool, start: Callable[..., Any], said: Any, call: Any
) -> None:
    vendor = start(name, said(calls=(call("add", a=1, b=2), call("add", a=3, b=4))), said(text="3 and 7."))
    found = ask(DragomanConfig(config_list=[vendor.entry], streaming=streaming), tools=[add])
    assert found.body == "3 and 7."
    first, second = vendor.told
    assert first.system == ["You are kind."]
    assert [name for name, _, _ in first.tools] == ["add"]
    assert second.results == [("add", "3"), ("add", "7")]
    assert [made.arguments for made in second.calls] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert set(found.usage.by_provider) == {"dragoman"}
    assert (found.usage.total.prompt_tokens, found.usage.total.completion_tokens) == (14, 10)
    assert [record.finish_reason for record in found.usage.records] == ["tool_calls", "stop"]
    pieces = [event.content for event in found.events if isinstance(event, ModelMessageChunk)]
    assert "".join(pieces) == ("3 and 7." if streaming else "")
    assert [event.content for event in found.events if isinstance(event, ModelMessage)] == ["3 and 7."]


@pytest.mark.scenario(51)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_thoughts_are_published_and_go_back_as_the_provider_wants_them(
    streaming: bool, start: Callable[..., Any], said: Any, call: Any
) -> None:
    vendor = start(
        "anthropic",
        said(thoughts="One and two.", text="I shall add.", calls=(call("add", a=1, b=2),)),
        said(thoughts="So it is.", text="Three."),
        said(text="You are welcome."),
    )
    config = DragomanConfig(config_list=[vendor.entry], streaming=streaming)
    found = ask(config, "Add 1 and 2.", turns=("Thank you.",), tools=[add])
    assert found.body == "You are welcome."
    thoughts = "".join(event.content for event in found.events if isinstance(event, ModelReasoning))
    assert thoughts == "One and two.So it is."
    # The wire refuses a thought without its signature.
    assert vendor.told[2].thoughts == ["One and two.", "So it is."]
    assert [text for role, text in vendor.told[2].turns if role == "assistant"] == ["I shall add.", "Three."]
    responses = [event for event in found.events if isinstance(event, ModelResponse)]
    assert {(response.provider, response.model) for response in responses} == {("dragoman", "claude-sonnet-4-5")}


@pytest.mark.scenario(51)
@pytest.mark.parametrize("name", VENDORS)
def test_an_answer_fits_its_schema(name: str, start: Callable[..., Any], said: Any) -> None:
    vendor = start(name, said(text='{"name": "Paris"}'))
    found = ask(DragomanConfig(config_list=[vendor.entry]), response_schema=Place)
    assert found.content == Place(name="Paris")
    form = vendor.told[0].form
    assert form["required"] == ["name"]
    assert form["additionalProperties"] is False


@pytest.mark.scenario(51)
def test_pictures_and_documents_arrive_whole(start: Callable[..., Any], said: Any) -> None:
    vendor = start("anthropic", said(text="Blue."))
    picture = ImageInput(data=PICTURE, media_type="image/png")
    paper = DocumentInput(data=b"%PDF", media_type="application/pdf")
    assert ask(DragomanConfig(config_list=[vendor.entry]), "Which colour?", picture, paper).body == "Blue."
    assert vendor.told[0].images == [PICTURE]
    assert [content for _, content in vendor.told[0].documents] == [b"%PDF"]
    with pytest.raises(UnsupportedInputError, match="UrlInput"):
        ask(DragomanConfig(config_list=[vendor.entry]), DocumentInput("https://example.com/a.pdf"))


@pytest.mark.scenario(50, 51)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_the_embedded_engine_needs_no_network_at_all(streaming: bool) -> None:
    found = ask(DragomanConfig("llamacpp/demo", streaming=streaming), "Please add 1 and 2.", tools=[add])
    assert found.body == "The tools answered: 2 | 4"
    assert found.usage.total.completion_tokens > 0


@pytest.mark.scenario(53)
def test_the_list_of_autogen_02_makes_a_configuration_that_does_not_fail_with_its_first_model(
    start: Callable[..., Any], said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, well = start("anthropic", said(status=429, text="slow down")), start("mistralai", said(text="I am here."))
    entries = [
        {"model": busy.vendor.model, "api_type": "anthropic", "api_key": "k", "base_url": busy.url, "tags": ["big"]},
        {"model": well.vendor.model, "api_type": "mistral", "api_key": "k", "base_url": well.url, "price": [1, 2]},
    ]
    for entry in entries:
        entry["max_retries"] = 0
    monkeypatch.setenv("OAI_CONFIG_LIST", json.dumps(entries))
    config = DragomanConfig(config_list=config_list_from_json("OAI_CONFIG_LIST"), streaming=True)
    with pytest.warns(UserWarning, match="slow down"):
        assert ask(config).body == "I am here."


def test_a_failure_is_the_callers(start: Callable[..., Any], said: Any) -> None:
    vendor = start("anthropic", said(text="slow down", status=429))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        ask(DragomanConfig(config_list=[vendor.entry]))


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
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_a_custom_class_of_02_answers_an_agent_of_ag2(streaming: bool) -> None:
    entry = {"model": "own/model", "model_client_cls": Notebook}
    assert ask(DragomanConfig(config_list=[entry], streaming=streaming), "Hello.").body == "You said: Hello."
    door = async_http_client(config_list=[entry])
    config = OpenAIConfig("own/model", api_key="of no use", http_client=door, streaming=streaming)
    assert ask(config, "Hello.").body == "You said: Hello."


def test_a_configuration_is_copied_with_changes(start: Callable[..., Any], said: Any) -> None:
    vendor = start("vllm", said(text="Yes."), said(text="Yes."))
    config = DragomanConfig(config_list=[vendor.entry], seed=1)
    changed = config.copy(seed=2, streaming=True)
    for which, seed in ((changed, 2), (copy.deepcopy(config), 1)):
        ask(which)
        assert (vendor.told[-1].seed, vendor.told[-1].stream) == (seed, which is changed)
    other = config.copy(model="ollama/qwen3")
    assert (other.model, other.provider) == ("ollama/qwen3", "dragoman")
    assert "sk-very-secret" not in repr(config)


def test_a_configuration_has_a_model_or_a_list_and_no_files() -> None:
    for options in ({}, {"model": "a/b", "config_list": []}):
        with pytest.raises(ValueError, match="either model or config_list"):
            DragomanConfig(**options)
    with pytest.raises(ValueError, match="give the model's name alone"):
        DragomanConfig("a/b", api_key="k", client=AsyncClient())
    with pytest.raises(ValueError, match="messages, n cannot be set"):
        DragomanConfig("a/b", n=2, messages=[])
    with pytest.raises(TypeError, match=r"'temprature' cannot be set in DragomanConfig.*did you mean temperature"):
        DragomanConfig("llamacpp/demo", temprature=1)
    with pytest.raises(ValueError, match="keys, addresses and retries"):
        DragomanConfig("llamacpp/demo", client=AsyncClient(), max_retries=1)
    with pytest.raises(NotImplementedError, match="no files API"):
        DragomanConfig("a/b").create_files_client()


def test_a_client_of_the_callers_own_is_used_as_it_is(start: Callable[..., Any], said: Any) -> None:
    vendor = start("anthropic", said(text="Here."))
    client = AsyncClient(config_list=[vendor.entry])
    config = DragomanConfig(vendor.entry["model"], client=client)
    assert config.connect() is client
    assert ask(config).body == "Here."
    assert client.usage_summary.actual["anthropic/claude-sonnet-4-5"].prompt_tokens == 7


@pytest.mark.scenario(54)
def test_a_plugin_that_is_missing_hurts_its_own_entry_only(
    start: Callable[..., Any], said: Any, uninstall: Callable[[str], None]
) -> None:
    there = start("anthropic", said(text="Here."))
    missing = {"model": "mistralai/mistral-large-latest", "api_key": "k"}
    uninstall("mistralai")
    with pytest.warns(UserWarning, match="pip install dragoman-mistralai.*going on with"):
        assert ask(DragomanConfig(config_list=[missing, there.entry])).body == "Here."
    with pytest.raises(openai.OpenAIError, match="pip install dragoman-mistralai"):
        ask(DragomanConfig(config_list=[missing]))
