"""Wired entries under the openai package's own client, as AutoGen uses it; no framework is needed for that."""

from __future__ import annotations

import copy
import gc
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.autogen import DragomanModelClient, wire
from dragoman.autogen.failures import as_answer
from dragoman.core import ConfigError, MissingKey, PluginError, UnknownProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

HI = [{"role": "user", "content": "Hi"}]
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


class Code:
    """A model in this process; `requests` are what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.trouble: Exception | None = None

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        if self.trouble is not None:
            raise self.trouble
        if request.get("stream"):
            return self.stream()
        return {"content": "Hello", "usage": USAGE}

    def stream(self) -> Iterator[Any]:
        yield "Hel"
        yield "lo"
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        yield {"choices": [], "usage": USAGE}


@pytest.fixture
def code() -> Code:
    return Code()


def ask(entry: dict[str, Any], **more: Any) -> Any:
    """As AutoGen does it: some keys are the client's, the others each request's."""
    names = {"api_key", "base_url", "http_client", "max_retries"}
    client = openai.OpenAI(**{key: value for key, value in entry.items() if key in names})
    params = {key: value for key, value in entry.items() if key not in names | {"tags", "price"}}
    return client.chat.completions.create(messages=HI, **params, **more)  # type: ignore[call-overload]  # the entry's


def test_a_wired_entry(code: Code) -> None:
    given = {"model": "org/m", "model_client_cls": code, "api_key": "sk-own", "tags": ["x"], "price": [1, 2], "seed": 3}
    before = copy.copy(given)
    (entry,) = wire([given])
    assert given == before
    assert {key: entry[key] for key in ("model", "tags", "price", "seed")} == {
        key: given[key] for key in ("model", "tags", "price", "seed")
    }
    assert (entry["api_key"], entry["max_retries"]) == ("dragoman", 0)
    assert "sk-own" not in repr(entry)
    assert "model_client_cls" not in entry
    answer = ask(entry)
    assert answer.choices[0].message.content == "Hello"
    assert answer.usage.total_tokens == 12
    assert code.requests == [{"messages": HI, "model": "org/m", "seed": 3}]


def test_copies_share_the_door(code: Code) -> None:
    config = {"config_list": wire([{"model": "m", "model_client_cls": code}])}
    copied = copy.deepcopy(config)
    assert copied["config_list"][0]["http_client"] is config["config_list"][0]["http_client"]
    assert ask(copied["config_list"][0]).choices[0].message.content == "Hello"


def test_what_is_wired_stays_wired(code: Code) -> None:
    once = wire([{"model": "m", "model_client_cls": code}])
    assert wire(once) == once
    named = {"model": "m", "model_client_cls": "Somebodys", "device": "cpu"}
    assert wire([named]) == [named]


def test_a_door_says_nothing_about_itself(code: Code) -> None:
    (entry,) = wire([{"model": "m", "model_client_cls": code, "api_key": "sk-own"}])
    assert vars(entry["http_client"]) == {"door": "dragoman"}


def test_streams_are_asked_for_behind_the_door(code: Code) -> None:
    answer = ask(wire([{"model": "m", "model_client_cls": code, "stream": True}])[0])
    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 5
    assert code.requests[0]["stream"] is True


def test_streams_in_front_of_the_door_pass_where_nobody_counts_them(
    code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "autogen.oai.client", raising=False)
    (entry,) = wire([{"model": "m", "model_client_cls": code}])
    assert [chunk.choices[0].delta.content for chunk in ask(entry, stream=True)][1:3] == ["Hel", "lo"]
    monkeypatch.setitem(sys.modules, "autogen.oai.client", SimpleNamespace(count_token=len))  # type: ignore[arg-type]  # a namespace is enough
    with pytest.raises(openai.OpenAIError, match="give the whole llm_config to wire"):
        ask(entry, stream=True)


def test_tools_are_hidden(code: Code) -> None:
    (entry,) = wire([{"model": "m", "model_client_cls": code, "hide_tools": "if_any_run"}])
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "ok"},
    ]
    client = openai.OpenAI(api_key="k", http_client=entry["http_client"])
    for messages in (HI, history):
        client.chat.completions.create(model="m", messages=messages, tools=tools)  # type: ignore[call-overload]  # plain dicts do
    assert ["tools" in request for request in code.requests] == [True, False]


@pytest.mark.parametrize("stream", [False, True])
def test_failures_are_openais(code: Code, stream: bool) -> None:
    code.trouble = ValueError("no")
    (entry,) = wire([{"model": "m", "model_client_cls": code, "stream": stream}])
    with pytest.raises(openai.InternalServerError, match="ValueError"):
        ask({**entry, "max_retries": 2})
    assert len(code.requests) == 1


@pytest.mark.parametrize(
    ("failure", "status"), [(MissingKey("no key"), 401), (UnknownProvider("who?"), 404), (PluginError("broken"), 501)]
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_useless_entry_is_a_failure_of_its_own(code: Code, failure: Exception, status: int, stream: bool) -> None:
    code.trouble = failure
    with pytest.raises(openai.APIStatusError, match=str(failure).replace("?", r"\?")) as caught:
        ask(wire([{"model": "m", "model_client_cls": code, "stream": stream}])[0])
    assert caught.value.status_code == status
    assert len(code.requests) == 1


def test_what_is_no_failure_of_the_entry_is_raised_as_it_is(code: Code) -> None:
    assert as_answer(ValueError("x")) is None
    code.trouble = TimeoutError()
    with pytest.raises(openai.APITimeoutError):
        ask(wire([{"model": "m", "model_client_cls": code}])[0])


def test_other_endpoints_find_the_door_too(code: Code) -> None:
    (entry,) = wire([{"model": "m", "model_client_cls": code}])
    client = openai.OpenAI(api_key="k", base_url=entry["base_url"], http_client=entry["http_client"])
    with pytest.raises(openai.OpenAIError):
        client.embeddings.create(model="nobody/m", input="x")
    assert code.requests == []


@pytest.mark.parametrize("config", ["a text", 3, None])
def test_what_is_no_list(config: Any) -> None:
    with pytest.raises(ConfigError, match="must be a list of objects"):
        wire(config)


def test_a_whole_llm_config(code: Code) -> None:
    config = wire({"config_list": [{"model": "m", "model_client_cls": code}], "stream": True, "seed": 4})
    assert config.keys() == {"config_list", "seed"}
    assert ask(config["config_list"][0]).choices[0].message.content == "Hello"
    assert code.requests[0]["stream"] is True


def test_doors_are_closed_with_the_last_that_knows_them(code: Code) -> None:
    (entry,) = wire([{"model": "m", "model_client_cls": code}])
    ask(entry)
    behind = entry["http_client"]._transport.door
    assert not behind.is_closed
    del entry
    gc.collect()
    assert behind.is_closed


class TestModelClient:
    """As AutoGen calls it: params are the entry's without the client's keys, and the request's."""

    def test_answers(self, code: Code, caplog: Any) -> None:
        client = DragomanModelClient({"model": "m", "model_client_cls": "DragomanModelClient", "price": [1, 2]})
        assert client._entry.inner == {"model": "m", "price": [1, 2]}
        entry = {"model": "m", "model_client_cls": code, "top_k": 3, "price": [1, 2]}
        own = client_over(entry)
        params = {"messages": HI, "model": "m", "top_k": 3, "min_p": 0.5, "temperature": None, "stream": True}
        for stream in (True, False):
            answer = own.create({**params, "stream": stream, "model_client_cls": "DragomanModelClient"})
            assert own.message_retrieval(answer) == ["Hello"]
            answer.cost = own.cost(answer)  # type: ignore[attr-defined]  # AutoGen does that
            assert answer.cost == pytest.approx(0.017)  # type: ignore[attr-defined]  # as above
            assert own.get_usage(answer) == {**USAGE, "cost": answer.cost, "model": "m"}  # type: ignore[attr-defined]  # as above
        assert [request.get("stream", False) for request in code.requests] == [True, False]
        # What the entry says is behind the door; what was said for all entries is not lost.
        assert [(request["top_k"], request["min_p"]) for request in code.requests] == [(3, 0.5), (3, 0.5)]

    def test_an_unknown_price_counts_as_nothing_and_is_told(self, code: Code, caplog: Any) -> None:
        own = client_over({"model": "m", "model_client_cls": code})
        answer = own.create({"messages": HI})
        assert own.cost(answer) == 0
        assert "is not known" in caplog.text
        assert client_over({"model": "m", "model_client_cls": code, "price": 1.0}).cost(answer) == pytest.approx(0.012)

    def test_no_usage_is_not_counted(self) -> None:
        own = client_over({"model": "m", "model_client_cls": lambda request: "Hello"})
        assert own.get_usage(own.create({"messages": HI})) == {}


def client_over(entry: dict[str, Any]) -> DragomanModelClient:
    """A client over code of ours: the key that names it is the framework's otherwise."""
    from dragoman.autogen.entries import PLACEHOLDERS, take_apart
    from dragoman.autogen.wiring import door_of

    made = DragomanModelClient({"model": "m"})
    made._entry = take_apart(entry)
    made._sdk = openai.OpenAI(**PLACEHOLDERS, http_client=door_of(made._entry, "raise"), max_retries=0)
    return made


def test_no_framework_is_loaded() -> None:
    code = (
        "import sys, dragoman.autogen as it; it.wire([{'model': 'm', 'api_key': 'k'}]);"
        "print(*[name for name in sys.modules if name.partition('.')[0] in {'autogen', 'autogen_core', 'ag2'}])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # noqa: S603 (ours)
    assert printed.strip() == ""
