"""Two agents and their tools, on every wire."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from dragoman.autogen import DragomanModelClient, install, wire

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")

VENDORS = ("anthropic", "huggingface", "litellm", "lmstudio", "mistralai", "ollama", "together", "vllm")
QUESTION = "What is 2 + 3?"


def texts(chat: Any) -> list[str]:
    return [message.get("content") or "" for message in chat.chat_history]


@pytest.mark.scenario(2)
def test_no_server_and_no_socket(agents: Any, add_tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        pytest.fail("a socket was opened")

    assistant, user = agents(wire([{"model": "llamacpp/demo", "price": [0.01, 0.02]}]))
    runs = add_tool(assistant, user)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    chat = user.initiate_chat(assistant, message='Call add with {"a": 2, "b": 3}.')
    assert len(runs) == 1
    used = chat.cost["usage_excluding_cached_inference"]["demo"]
    assert chat.cost["usage_excluding_cached_inference"]["total_cost"] == pytest.approx(
        (used["prompt_tokens"] * 0.01 + used["completion_tokens"] * 0.02) / 1000
    )


@pytest.mark.scenario(4)
@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_one_conversation_on_every_wire(
    name: str, stream: bool, start: Any, said: Any, call: Any, agents: Any, add_tool: Any
) -> None:
    vendor = start(name, said(calls=(call("add", a=2, b=3),)), said("It is 5."))
    assistant, user = agents(wire([vendor.entry(price=[1, 2], **({"stream": True} if stream else {}))]))
    runs = add_tool(assistant, user)
    chat = user.initiate_chat(assistant, message=QUESTION)
    assert runs == [(2, 3)]
    assert texts(chat) == [QUESTION, chat.chat_history[1]["content"] or "", "5", "It is 5."]
    assert vendor.refused == []
    first, second = vendor.told
    assert [tool[0] for tool in first.tools] == ["add"]
    assert second.results == [("add", "5")]
    assert first.stream is second.stream is stream
    # 7 and 5 tokens an answer, as the vendor says.
    used = chat.cost["usage_excluding_cached_inference"]
    assert used["total_cost"] == pytest.approx(2 * (7 * 1 + 5 * 2) / 1000)
    model = next(key for key in used if key != "total_cost")
    assert (used[model]["prompt_tokens"], used[model]["completion_tokens"]) == (14, 10)
    assert vendor.vendor.model.endswith(model) or model == vendor.vendor.model


@pytest.mark.scenario(3)
@pytest.mark.parametrize("name", VENDORS)
def test_parallel_calls(name: str, start: Any, said: Any, call: Any, agents: Any, add_tool: Any) -> None:
    vendor = start(name, said(calls=(call("add", a=2, b=3), call("add", a=4, b=5))), said("5 and 9."))
    assistant, user = agents(wire([vendor.entry()]))
    runs = add_tool(assistant, user)
    user.initiate_chat(assistant, message=QUESTION)
    assert runs == [(2, 3), (4, 5)]
    assert vendor.told[1].results == [("add", "5"), ("add", "9")]
    assert vendor.refused == []


@pytest.mark.scenario(5)
def test_a_stream_without_the_internet(
    start: Any, said: Any, agents: Any, no_network: list[Any], capsys: Any, is_classic: bool
) -> None:
    vendor = start("vllm", said("Good morning to you"))
    for config in (
        wire([vendor.entry(stream=True)]),
        wire({"config_list": [vendor.entry()], "stream": True})["config_list"],
    ):
        assistant, user = agents(config)
        chat = user.initiate_chat(assistant, message="Hello", max_turns=1)
        assert chat.summary == "Good morning to you"
        used = chat.cost["usage_excluding_cached_inference"]["Qwen/Qwen3-0.6B"]
        assert (used["prompt_tokens"], used["completion_tokens"]) == (7, 5)
    assert no_network == []
    assert [heard.stream for heard in vendor.told] == [True, True]
    if not is_classic:
        assert "\x1b[32mGood morning to you\x1b[0m" in capsys.readouterr().out


def test_a_stream_that_autogen_would_count_is_refused(start: Any, agents: Any, is_classic: bool) -> None:
    if is_classic:
        pytest.skip("AG2 classic has the server count")
    assistant, user = agents(wire([start("vllm").entry()]), stream=True)
    with pytest.raises(ValueError, match="give the whole llm_config to wire"):
        user.initiate_chat(assistant, message="Hello", max_turns=1)


@pytest.mark.scenario(6)
def test_streamed_calls_without_an_index(start: Any, said: Any, call: Any, agents: Any, add_tool: Any) -> None:
    vendor = start("vllm", said(calls=(call("add", a=2, b=3), call("add", a=4, b=5))), said("Done."))
    vendor.garbled = lambda content: content.replace(b'"index": 0, "id"', b'"id"').replace(b'"index": 1, "id"', b'"id"')
    assistant, user = agents(wire([vendor.entry(stream=True)]))
    runs = add_tool(assistant, user)
    user.initiate_chat(assistant, message=QUESTION)
    assert sorted(runs) == [(2, 3), (4, 5)]


@pytest.mark.scenario(7)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_registered_client(
    stream: bool, start: Any, said: Any, call: Any, agents: Any, add_tool: Any, no_network: list[Any]
) -> None:
    vendor = start("anthropic", said(calls=(call("add", a=2, b=3),)), said("It is 5."))
    entry = vendor.entry(model_client_cls="DragomanModelClient", price=[1, 2])
    entry |= {"stream": True} if stream else {}
    assistant, user = agents([entry])
    runs = add_tool(assistant, user)
    assistant.register_model_client(DragomanModelClient)
    chat = user.initiate_chat(assistant, message=QUESTION)
    assert runs == [(2, 3)]
    assert chat.summary == "It is 5."
    used = chat.cost["usage_excluding_cached_inference"]
    assert used["claude-sonnet-4-5"]["total_tokens"] == 24
    assert used["total_cost"] == pytest.approx(2 * (7 * 1 + 5 * 2) / 1000)
    assert no_network == []


@pytest.mark.scenario(8)
def test_tools_registered_after_the_client(start: Any, said: Any, call: Any, agents: Any, add_tool: Any) -> None:
    vendor = start("mistralai", said(calls=(call("add", a=2, b=3),)), said("It is 5."))
    install()
    assistant, user = agents([vendor.entry(model_client_cls="DragomanModelClient")])
    runs = add_tool(assistant, user)
    assert user.initiate_chat(assistant, message=QUESTION).summary == "It is 5."
    assert runs == [(2, 3)]


@pytest.mark.scenario(37)
@pytest.mark.parametrize("name", ["anthropic", "ollama", "vllm"])
def test_images(name: str, start: Any, said: Any, agents: Any) -> None:
    vendor = start(name, said("A pixel."))
    assistant, user = agents(wire([vendor.entry()]))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content = [{"type": "text", "text": "What is it?"}, picture]
    user.initiate_chat(assistant, message={"content": content}, max_turns=1)
    (heard,) = vendor.told
    assert heard.images == [b"\x89PNG\r\n\x1a\n"]
    assert ("user", "What is it?") in heard.turns


@pytest.mark.scenario(39)
@pytest.mark.parametrize("name", ["anthropic", "mistralai", "vllm"])
def test_a_summary_by_reflection_after_tools(
    name: str, start: Any, said: Any, call: Any, agents: Any, add_tool: Any, strict: Any
) -> None:
    vendor = start(name, said(calls=(call("add", a=2, b=3),)), said("It is 5."), said("They added."))
    vendor.checked = strict
    assistant, user = agents(wire([vendor.entry()]))
    add_tool(assistant, user)
    chat = user.initiate_chat(assistant, message=QUESTION, summary_method="reflection_with_llm")
    assert vendor.refused == []
    assert chat.summary == "They added."
    assert len(vendor.bodies) == 3
    assert "name" not in json.dumps(vendor.bodies[-1]["messages"][0]) or name == "vllm"
