"""What AutoGen's own wrapper does with requests and answers, with wired entries."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from dragoman.autogen import install, uninstall, wire
from dragoman.core import ConfigError

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")

HI = [{"role": "user", "content": "Hi"}]


@pytest.mark.scenario(34)
def test_templates(start: Any, said: Any) -> None:
    vendor = start("anthropic", said("here"))
    one = autogen.OpenAIWrapper(config_list=wire([vendor.entry()]), cache_seed=None)
    context = {"name": "Ada"}
    for content, more in (
        (lambda context: f"I am {context['name']}", {}),
        ("I am {name}", {"allow_format_str_template": True}),
        ("I am {name}", {}),
    ):
        one.create(messages=[{"role": "user", "content": content}], context=context, **more)
    assert [heard.turns for heard in vendor.told] == [
        [("user", "I am Ada")],
        [("user", "I am Ada")],
        [("user", "I am {name}")],
    ]


@pytest.mark.scenario(35)
def test_filter_func(start: Any, said: Any, is_classic: bool) -> None:
    first, second = start("anthropic", said("No.")), start("together", said("Maybe."))
    one = autogen.OpenAIWrapper(config_list=wire([first.entry(), second.entry()]), cache_seed=None)

    def accepts(*texts: str) -> Any:
        return lambda context, response: response.choices[0].message.content in texts

    answer = one.create(messages=HI, filter_func=accepts("Maybe."))
    last = one.create(messages=HI, filter_func=accepts("Yes."))
    assert answer.choices[0].message.content == last.choices[0].message.content == "Maybe."
    if not is_classic:
        assert (answer.config_id, answer.pass_filter, last.config_id, last.pass_filter) == (1, True, 1, False)
    # Answers that were not accepted were paid for all the same.
    assert one.actual_usage_summary["claude-sonnet-4-5"]["total_tokens"] == 24


@pytest.mark.scenario(36)
def test_a_rate_limit_outlives_tools(start: Any, said: Any, agents: Any, add_tool: Any) -> None:
    vendor = start("vllm", said("here"))
    assistant, user = agents(wire([vendor.entry(api_rate_limit=5)]))
    add_tool(assistant, user)
    begun = time.monotonic()
    for _ in range(3):
        user.initiate_chat(assistant, message="Hi", max_turns=1)
    assert time.monotonic() - begun >= 0.4


@pytest.mark.scenario(40)
def test_twenty_chats_at_once(start: Any, said: Any, call: Any, agents: Any) -> None:
    vendor = start("anthropic", said("here"))
    config_list = wire([vendor.entry()])

    async def chat(number: int) -> Any:
        assistant, user = agents(config_list)
        return await user.a_initiate_chat(assistant, message=f"I am {number}", max_turns=1)

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*map(chat, range(20)))

    chats = asyncio.run(all_of_them())
    assert [one.chat_history[0]["content"] for one in chats] == [f"I am {number}" for number in range(20)]
    assert {one.summary for one in chats} == {"here"}
    assert sorted(heard.turns[0][1] for heard in vendor.told) == sorted(f"I am {number}" for number in range(20))
    assert sum(thread.name.startswith("asyncio") for thread in threading.enumerate()) <= 40


def test_an_entry_comes_before_the_call_as_in_autogen(start: Any, said: Any) -> None:
    vendor = start("vllm", said("here"))
    one = autogen.OpenAIWrapper(config_list=wire([vendor.entry(stop=["a"])]), cache_seed=None, stop=["b"], seed=3)
    one.create(messages=HI, stop=["c"], seed=4)
    assert (vendor.told[0].stop, vendor.told[0].seed) == (["a"], 3)


def test_what_is_said_for_all_entries(start: Any, said: Any) -> None:
    vendor = start("anthropic", said("here"))
    entry = vendor.entry()
    config = wire({"api_key": entry.pop("api_key"), "stop": ["x"], "config_list": [entry], "cache_seed": None})
    assert config.keys() == {"config_list", "cache_seed", "stop"}
    one = autogen.OpenAIWrapper(**config)
    assert one.create(messages=HI).choices[0].message.content == "here"
    assert vendor.told[0].stop == ["x"]
    assert "sk-very-secret" in vendor.keys[0]
    alone = autogen.OpenAIWrapper(**wire({**vendor.entry(), "cache_seed": None}))
    assert alone.create(messages=HI).choices[0].message.content == "here"


def test_a_wrong_entry_is_named() -> None:
    with pytest.raises(ConfigError, match=r"config_list\[0\] \(m\) has unknown keys: temprature"):
        wire([{"model": "m", "api_type": "vllm", "temprature": 1, "api_key": "sk-x"}])


@pytest.mark.parametrize(
    ("api_type", "name"),
    [
        ("anthropic", "anthropic"),
        ("mistral", "mistralai"),
        ("together", "together"),
        ("ollama", "ollama"),
        ("huggingface", "huggingface"),
        ("vllm", "vllm"),
        ("lmstudio", "lmstudio"),
        ("litellm", "litellm"),
        ("dragoman", "anthropic"),
    ],
)
def test_installed_api_types(api_type: str, name: str, start: Any, said: Any, is_classic: bool) -> None:
    vendor = start(name, said("here"))
    entry = {**vendor.entry(price=[1, 2]), "api_type": api_type}
    if api_type != "dragoman":
        entry["model"] = entry["model"].partition("/")[2]
    if api_type == "ollama":
        entry["client_host"] = entry.pop("base_url")
    install()
    install()
    one = autogen.OpenAIWrapper(config_list=[entry], cache_seed=None, stream=True)
    answer = one.create(messages=HI)
    assert answer.choices[0].message.content == "here"
    assert answer.cost == pytest.approx(0.017)
    assert vendor.told[0].stream is True
    uninstall()
    before = autogen.OpenAIWrapper(config_list=[{"model": "m", "api_key": "k"}])
    assert type(before._clients[0]).__name__ == "OpenAIClient"


def test_installing_leaves_openai_and_custom_clients_alone() -> None:
    install()
    entries = [
        {"model": "m", "api_key": "k"},
        {"model": "m", "api_key": "k", "api_type": "openai"},
        {"model": "m", "model_client_cls": "Somebodys"},
    ]
    one = autogen.OpenAIWrapper(config_list=entries)
    assert [type(client).__name__ for client in one._clients] == ["OpenAIClient", "OpenAIClient", "PlaceHolderClient"]
