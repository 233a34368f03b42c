"""What only AG2 classic has: `LLMConfig`, and entries that are objects."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.autogen import DragomanModelClient, wire

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")
LLMConfig = getattr(autogen, "LLMConfig", None)
if LLMConfig is None:
    pytest.skip("AutoGen 0.2 has no LLMConfig", allow_module_level=True)


QUESTION = "What is 2 + 3?"


@pytest.mark.scenario(52)
@pytest.mark.parametrize("form", ["list", "dict", "LLMConfig of dicts", "wired LLMConfig", "model_client_cls"])
def test_every_form_of_a_configuration(form: str, start: Any, said: Any, call: Any, agents: Any, add_tool: Any) -> None:
    vendor = start("anthropic", said(calls=(call("add", a=2, b=3),)), said("It is 5."))
    entry = vendor.entry(price=[1.0, 2.0], tags=["cloud"])
    config: Any = {
        "list": lambda: wire([entry]),
        "dict": lambda: wire({"config_list": [entry], "cache_seed": None}),
        "LLMConfig of dicts": lambda: LLMConfig(*wire([entry]), cache_seed=None),
        "wired LLMConfig": lambda: wire(LLMConfig(entry, cache_seed=None)),
        "model_client_cls": lambda: LLMConfig({**entry, "model_client_cls": "DragomanModelClient"}),
    }[form]()
    assistant = autogen.AssistantAgent("assistant", llm_config=config)
    user = agents([{"model": "unused", "api_key": "k"}])[1]
    runs = add_tool(assistant, user)
    if form == "model_client_cls":
        assistant.register_model_client(DragomanModelClient)
    chat = user.initiate_chat(assistant, message=QUESTION)
    assert runs == [(2, 3)]
    assert chat.summary == "It is 5."
    spent = chat.cost["usage_excluding_cached_inference"]
    assert spent["total_cost"] == pytest.approx(2 * 0.017)


def test_a_wired_configuration_can_be_filtered(start: Any, said: Any) -> None:
    vendor, other = start("anthropic", said("cloud")), start("ollama", said("local"))
    config = wire(LLMConfig(vendor.entry(tags=["cloud"]), other.entry(tags=["local"])))
    for tag in ("cloud", "local"):
        agent = autogen.ConversableAgent("one", llm_config=config.where(tags=[tag]), human_input_mode="NEVER")
        assert agent.generate_reply(messages=[{"role": "user", "content": "Hi"}]) in (
            tag,
            {"content": tag, "role": "assistant"},
        )
