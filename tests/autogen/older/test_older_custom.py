"""Custom model clients: as AutoGen has them, and as dragoman's providers."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from dragoman.autogen import wire

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")

HI = [{"role": "user", "content": "Hi"}]


class Tokenizer:
    """Stands for a tokenizer of transformers."""

    def apply_chat_template(self, messages: Any) -> str:
        return " ".join(message["content"] for message in messages)


class CustomModelClient:
    """The kind of class that AutoGen's notebook shows, with a model that says what it was told."""

    configs: ClassVar[list[Any]] = []

    def __init__(self, config: Any, **kwargs: Any) -> None:
        type(self).configs.append(config)
        self.loaded = kwargs.get("loaded_model", "none")
        self.model_name = config["model"]
        self.tokenizer = Tokenizer()
        self.max_length = config["params"]["max_length"]

    def create(self, params: Any) -> SimpleNamespace:
        if params.get("stream", False) and "messages" in params:
            message = "Local models do not support streaming."
            raise NotImplementedError(message)
        response = SimpleNamespace(choices=[], model=self.model_name)
        for _ in range(params.get("n", 1)):
            text = self.tokenizer.apply_chat_template(params["messages"])[-self.max_length :]
            choice = SimpleNamespace(message=SimpleNamespace(content=f"{text} ({self.loaded})", function_call=None))
            response.choices.append(choice)
        return response

    def message_retrieval(self, response: Any) -> list[Any]:
        return [choice.message.content for choice in response.choices]

    def cost(self, response: Any) -> float:
        response.cost = 0
        return 0

    @staticmethod
    def get_usage(response: Any) -> Any:
        return {}


ENTRY = {"model": "org/local", "model_client_cls": "CustomModelClient", "device": "cpu", "params": {"max_length": 100}}


@pytest.fixture(autouse=True)
def _forget() -> None:
    CustomModelClient.configs = []


@pytest.mark.scenario(30, 32)
def test_as_autogens_client(agents: Any) -> None:
    """A class named by a text stays AutoGen's affair."""
    assistant, user = agents(wire([ENTRY]))
    assistant.register_model_client(CustomModelClient, loaded_model="loaded")
    chat = user.initiate_chat(assistant, message="Hi", max_turns=1)
    assert chat.summary == "Help. Hi (loaded)"


@pytest.mark.scenario(31)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_as_a_provider(stream: bool, agents: Any, add_tool: Any) -> None:
    """It is registered nowhere, and survives the registration of tools."""
    entry = {
        **ENTRY,
        "model_client_cls": CustomModelClient,
        "api_key": "sk-own",
        **({"stream": True} if stream else {}),
    }
    assistant, user = agents(wire([entry]))
    add_tool(assistant, user)
    chat = user.initiate_chat(assistant, message="Hi", max_turns=1)
    assert chat.summary == "Help. Hi (none)"
    (config,) = CustomModelClient.configs
    assert {key: config[key] for key in ("model", "device", "params", "api_key")} == {
        "model": "org/local",
        "device": "cpu",
        "params": {"max_length": 100},
        "api_key": "sk-own",
    }


@pytest.mark.scenario(31, 32)
def test_as_a_provider_with_a_loaded_model(start: Any, said: Any) -> None:
    loaded = functools.partial(CustomModelClient, loaded_model="loaded")
    one = autogen.OpenAIWrapper(config_list=wire([{**ENTRY, "model_client_cls": loaded}]), cache_seed=None)
    assert one.create(messages=HI).choices[0].message.content == "Hi (loaded)"


@pytest.mark.scenario(31)
def test_what_it_raises_lets_the_next_entry_answer(start: Any, said: Any) -> None:
    class Broken(CustomModelClient):
        def create(self, params: Any) -> Any:
            raise ValueError

    healthy = start("vllm", said("here"))
    config_list = wire([{**ENTRY, "model_client_cls": Broken}, healthy.entry()])
    one = autogen.OpenAIWrapper(config_list=config_list, cache_seed=None)
    assert one.create(messages=HI).choices[0].message.content == "here"
