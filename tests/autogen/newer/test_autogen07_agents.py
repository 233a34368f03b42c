"""AutoGen 0.7's agents and teams on dragoman's client, with every vendor's wire."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("autogen_agentchat.agents", reason="AutoGen 0.4 to 0.7 is not installed")

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import (
    ModelClientStreamingChunkEvent,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_core.models import ModelFamily
from autogen_ext.models.openai import OpenAIChatCompletionClient
from pydantic import BaseModel

from dragoman.autogen.chat import DragomanChatCompletionClient
from dragoman.core import async_http_client, config_list_from_json

if TYPE_CHECKING:
    from collections.abc import Callable

VENDORS = ("anthropic", "huggingface", "litellm", "lmstudio", "mistralai", "ollama", "together", "vllm")


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Verdict(BaseModel):
    """A verdict."""

    good: bool
    why: str


def run(agent: Any, task: str, *clients: Any) -> list[Any]:
    """Run an agent or a team, close its clients, and return the messages of its stream."""

    async def go() -> list[Any]:
        messages = [message async for message in agent.run_stream(task=task)]
        for client in clients:
            await client.close()
        return messages

    return asyncio.run(go())


def agent_of(client: Any, name: str = "helper", **options: Any) -> AssistantAgent:
    return AssistantAgent(name, client, **{"system_message": "You are kind.", **options})


@pytest.mark.scenario(41)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", VENDORS)
def test_an_agent_calls_tools_in_parallel_and_reflects(
    name: str, streaming: bool, start: Callable[..., Any], said: Any, call: Any
) -> None:
    vendor = start(name, said(calls=(call("add", a=1, b=2), call("add", a=3, b=4))), said(text="3 and 7, then."))
    client = DragomanChatCompletionClient(config_list=[vendor.entry])
    agent = agent_of(client, tools=[add], reflect_on_tool_use=True, model_client_stream=streaming)
    messages = run(agent, "Add 1 and 2, and 3 and 4.", client)
    request = next(message for message in messages if isinstance(message, ToolCallRequestEvent))
    executed = next(message for message in messages if isinstance(message, ToolCallExecutionEvent))
    assert [(made.name, made.arguments.replace(" ", "")) for made in request.content] == [
        ("add", '{"a":1,"b":2}'),
        ("add", '{"a":3,"b":4}'),
    ]
    assert [(result.content, result.is_error) for result in executed.content] == [("3", False), ("7", False)]
    answer = messages[-1].messages[-1]
    assert isinstance(answer, TextMessage)
    assert answer.content == "3 and 7, then."
    for usage in (request.models_usage, answer.models_usage):
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens) == (7, 5)
    pieces = [message.content for message in messages if isinstance(message, ModelClientStreamingChunkEvent)]
    assert "".join(pieces) == ("3 and 7, then." if streaming else "")
    first, second = vendor.told
    assert first.system == ["You are kind."]
    assert first.tools[0][0] == "add"
    assert second.results == [("add", "3"), ("add", "7")]
    assert [made.arguments for made in second.calls] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert client.actual_usage().prompt_tokens == 14


@pytest.mark.scenario(41)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_thoughts_that_the_provider_wants_back_go_back(
    streaming: bool, start: Callable[..., Any], said: Any, call: Any
) -> None:
    vendor = start(
        "anthropic",
        said(thoughts="One and two.", text="I shall add.", calls=(call("add", a=1, b=2),)),
        said(text="Three."),
    )
    client = DragomanChatCompletionClient(config_list=[vendor.entry])
    agent = agent_of(client, tools=[add], reflect_on_tool_use=True, model_client_stream=streaming)
    messages = run(agent, "Add 1 and 2.", client)
    thought = next(message for message in messages if isinstance(message, ThoughtEvent))
    assert thought.content == "One and two.\n\nI shall add."
    # The wire refuses a thought without its signature.
    assert vendor.told[1].thoughts == ["One and two."]
    assert ("assistant", "I shall add.") in vendor.told[1].turns
    assert messages[-1].messages[-1].content == "Three."


@pytest.mark.scenario(42)
@pytest.mark.parametrize("name", VENDORS)
def test_an_answer_has_the_wanted_structure(name: str, start: Callable[..., Any], said: Any) -> None:
    vendor = start(name, said(text='{"good": true, "why": "it is"}'))
    client = DragomanChatCompletionClient(config_list=[vendor.entry])
    messages = run(agent_of(client, output_content_type=Verdict), "Good?", client)
    answer = messages[-1].messages[-1]
    assert isinstance(answer, StructuredMessage)
    assert answer.content == Verdict(good=True, why="it is")
    form = vendor.told[0].form
    assert set(form["properties"]) == {"good", "why"}
    assert form["additionalProperties"] is False


@pytest.mark.scenario(43)
def test_a_selector_of_one_provider_chooses_among_agents_of_others(start: Callable[..., Any], said: Any) -> None:
    # It gets one message, which is the user's: Anthropic refuses a system message alone.
    chooser = start("anthropic", said(text="bob"), said(text="alice"))
    alices = start("mistralai", said(text="Done. TERMINATE"))
    bobs = start("ollama", said(text="Hello, Alice."))
    clients = [DragomanChatCompletionClient(config_list=[vendor.entry]) for vendor in (chooser, alices, bobs)]
    assert not ModelFamily.is_openai(clients[0].model_info["family"])
    team = SelectorGroupChat(
        [agent_of(clients[1], "alice", description="A."), agent_of(clients[2], "bob", description="B.")],
        clients[0],
        termination_condition=TextMentionTermination("TERMINATE"),
    )
    messages = run(team, "Talk.", *clients)[-1].messages
    assert [message.source for message in messages] == ["user", "bob", "alice"]
    assert ("user", "Hello, Alice.") in alices.told[0].turns


@pytest.mark.scenario(43)
def test_agents_of_different_providers_take_turns(start: Callable[..., Any], said: Any) -> None:
    vendors = {name: start(name, said(text=f"I am {name}.")) for name in VENDORS}
    clients = {name: DragomanChatCompletionClient(config_list=[vendor.entry]) for name, vendor in vendors.items()}
    agents = [agent_of(client, name) for name, client in clients.items()]
    team = RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(1 + len(agents)))
    messages = run(team, "Who are you?", *clients.values())[-1].messages
    assert [message.content for message in messages[1:]] == [f"I am {name}." for name in VENDORS]
    heard = "\n".join(text for _, text in vendors[VENDORS[-1]].told[0].turns)
    assert all(f"I am {name}." in heard for name in VENDORS[:-1])


@pytest.mark.scenario(43)
def test_a_swarm_hands_over_to_an_agent_of_another_provider(start: Callable[..., Any], said: Any, call: Any) -> None:
    first = start("anthropic", said(calls=(call("transfer_to_bob"),)))
    second = start("ollama", said(text="Bob here. TERMINATE"))
    clients = [DragomanChatCompletionClient(config_list=[vendor.entry]) for vendor in (first, second)]
    alice = agent_of(clients[0], "alice", handoffs=[Handoff(target="bob")])
    bob = agent_of(clients[1], "bob")
    team = Swarm([alice, bob], termination_condition=TextMentionTermination("TERMINATE"))
    messages = run(team, "Get me Bob.", *clients)[-1].messages
    assert messages[-1].source == "bob"
    assert first.told[0].tools[0][0] == "transfer_to_bob"


@pytest.mark.scenario(45)
@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.filterwarnings("ignore:.*no name there:dragoman.core.DragomanWarning")
def test_autogens_own_client_goes_through_the_door(name: str, start: Callable[..., Any], said: Any, call: Any) -> None:
    vendor = start(name, said(calls=(call("add", a=1, b=2),)), said(text="Three."))
    info = {"vision": True, "function_calling": True, "json_output": True, "family": "unknown"}
    # By its own name, or AutoGen warns that the answer's is another.
    entry = {**vendor.entry, "model": vendor.vendor.model, "api_type": name}
    client = OpenAIChatCompletionClient(
        model=entry["model"],
        api_key="of no use",
        model_info={**info, "structured_output": True, "multiple_system_messages": True},
        http_client=async_http_client(config_list=[entry]),
    )
    messages = run(agent_of(client, tools=[add], reflect_on_tool_use=True), "Add 1 and 2.", client)[-1].messages
    assert messages[-1].content == "Three."
    assert vendor.told[1].results == [("add", "3")]
    assert client.actual_usage().prompt_tokens == 14


@pytest.mark.scenario(41, 45)
def test_the_embedded_engine_needs_no_network_at_all() -> None:
    client = DragomanChatCompletionClient("llamacpp/demo")
    agent = agent_of(client, tools=[add], reflect_on_tool_use=True, model_client_stream=True)
    messages = run(agent, "Please add 1 and 2.", client)[-1].messages
    usage = messages[-1].models_usage
    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0


@pytest.mark.scenario(49, 53)
def test_the_list_of_autogen_02_makes_one_client_that_does_not_fail_with_its_first_model(
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
    client = DragomanChatCompletionClient(config_list=config_list_from_json("OAI_CONFIG_LIST"))
    with pytest.warns(UserWarning, match="slow down"):
        messages = run(agent_of(client), "Are you there?", client)[-1].messages
    assert messages[-1].content == "I am here."
    assert float(client.cost) == pytest.approx((7 * 1 + 5 * 2) / 1000)
