"""The hooks around a call, with a plugin that takes part: what it changes, and what its failures do."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import openai
import pytest

from dragoman.core import Call, DragomanError, Json, Provider, Reply, hookimpl
from dragoman.core.attempt import Attempt
from dragoman.core.exchange import Exchange
from dragoman.core.hooks import Hooks
from dragoman.core.plugins import Plugins, plugins
from dragoman.core.policy import DragomanWarning

pytestmark = pytest.mark.timeout(60)

ANSWER: Json = {
    "id": "cached",
    "object": "chat.completion",
    "created": 1,
    "model": "m1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "from memory"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def explode(*_: Any) -> None:
    message = "boom"
    raise ValueError(message)


def test_before_call_changes_the_request(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    def change(call: Call) -> None:
        call.request["temperature"] = 0
        call.extra_headers = {**call.extra_headers, "x-team": "search"}
        call.extra_body = {"top_k": 1}
        call.extra_query = {"v": "1"}
        call.context["seen"] = True

    diary.on["before_call"] = change
    road.make(provider).create()
    seen = server.requests[0]
    assert (seen.json["temperature"], seen.json["top_k"]) == (0, 1)
    assert (seen.headers["x-team"], seen.target) == ("search", "/v1/chat/completions?v=1")
    assert diary.after[0].context == {"seen": True}


def test_a_hook_has_a_request_of_its_own(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    def change(call: Call) -> None:
        call.request["messages"][0]["content"] = "Bye"
        call.request["tools"][0]["function"]["name"] = "changed"

    diary.on["before_call"] = change
    messages: list[Any] = [{"role": "user", "content": "Hi"}]
    tools: list[Any] = [{"type": "function", "function": {"name": "given"}}]
    road.make(provider).create(messages=messages, tools=tools)
    assert server.requests[0].json["messages"] == [{"role": "user", "content": "Bye"}]
    assert messages == [{"role": "user", "content": "Hi"}]
    assert tools == [{"type": "function", "function": {"name": "given"}}]


def test_numbers_that_are_none_do_not_get_past_tools_that_are_known(
    colour: Any, server: Any, provider: Provider, diary: Any
) -> None:
    """Tools that were sent before are not looked at again, but for what may be new in them."""
    parameters: Json = {"type": "object", "default": 1.5}
    tools: list[Any] = [{"type": "function", "function": {"name": "given", "parameters": parameters}}]
    client = colour.make(provider)
    for _ in range(2):
        client.create(tools=tools)
    with pytest.raises(openai.OpenAIError, match="default must be a finite number"):
        client.create(extra_body={"tools": [{"function": {"parameters": {"default": math.inf}}}]}, tools=tools)
    parameters["default"] = math.nan
    with pytest.raises(openai.OpenAIError, match="default must be a finite number"):
        client.create(tools=tools)
    parameters["default"] = 1.5
    client.create(tools=tools)

    def change(call: Call) -> None:
        call.request["tools"][0]["function"]["parameters"]["default"] = math.nan

    diary.on["before_call"] = change
    with pytest.raises(openai.OpenAIError, match="default must be a finite number"):
        client.create(tools=tools)
    assert len(server.requests) == 3


def test_after_call_sees_what_was_asked(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    messages: list[Any] = [{"role": "user", "content": "Hi"}]
    stream = road.make(provider).stream(messages=messages)
    messages[0]["content"] = "changed meanwhile"
    list(road.items(stream))
    assert diary.after[0].request["messages"] == [{"role": "user", "content": "Hi"}]


def test_before_call_sees_the_call_whole(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    road.make(provider).create(model="m7")
    call = diary.before[0]
    assert (call.provider, call.model, call.endpoint, call.method) == ("here", "m7", "chat/completions", "POST")
    assert call.request == {"messages": [{"role": "user", "content": "Hi"}], "model": "m7"}
    assert call.id.startswith("chatcmpl-")
    assert call.created > 1_700_000_000
    assert "Hi" not in repr(call)


def test_answer_call_answers(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    diary.on["answer_call"] = lambda call: ANSWER
    assert road.make(provider).create().choices[0].message.content == "from memory"
    assert road.text(road.stream()) == "from memory"
    chunks = list(road.items(road.stream(stream_options={"include_usage": True})))
    assert chunks[-1].usage.total_tokens == 3
    assert server.requests == []
    assert diary.outcomes == ["complete"] * 3
    assert diary.after[1].usage == ANSWER["usage"]
    assert diary.after[1].response["choices"][0]["message"]["content"] == "from memory"


def test_answer_call_is_for_chat(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    diary.on["answer_call"] = lambda call: ANSWER
    server.script(server.json({"id": "m1", "object": "model"}))
    assert road.run(road.make(provider).client.models.retrieve("m1")).id == "m1"
    assert diary.outcomes == ["complete"]


def test_on_chunk_sees_and_changes(road: Any, server: Any, provider: Provider, chunk_diary: Any) -> None:
    def shout(call: Call, chunk: Json) -> None:
        delta = chunk["choices"][0]["delta"]
        if "content" in delta:
            delta["content"] = delta["content"].upper()

    chunk_diary.on["on_chunk"] = shout
    assert road.text(road.make(provider).stream()) == "HELLO THERE"
    assert len(chunk_diary.chunks) == 4
    assert chunk_diary.outcomes == ["complete"]


def test_on_chunk_sees_a_hooks_own_answer(road: Any, provider: Provider, chunk_diary: Any) -> None:
    chunk_diary.on["answer_call"] = lambda call: ANSWER
    assert road.text(road.make(provider).stream()) == "from memory"
    assert len(chunk_diary.chunks) == 2


def test_a_stream_that_is_seen_must_be_whole_too(road: Any, server: Any, provider: Provider, chunk_diary: Any) -> None:
    server.script(server.stream(server.chunk("a"), server.event("[DONE]")))
    items = road.items(road.make(provider).stream())
    assert next(items).choices[0].delta.content == "a"
    with pytest.raises(openai.APIConnectionError, match="not whole"):
        list(items)
    assert chunk_diary.outcomes == ["failed"]


@pytest.mark.parametrize("hook", ["before_call", "answer_call"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_hook_stops_the_call(
    road: Any, server: Any, provider: Provider, *, diary: Any, hook: str, stream: bool
) -> None:
    diary.on[hook] = explode
    with pytest.raises(DragomanError, match=rf"{hook} of .*conftest.* failed: ValueError: boom") as caught:
        road.make(provider).create(stream=stream)
    assert isinstance(caught.value.__cause__, ValueError)
    assert server.requests == []
    assert diary.outcomes == ["failed"]
    assert diary.after[0].error is caught.value


def test_a_hook_may_raise_an_error_of_openai(road: Any, provider: Provider, diary: Any) -> None:
    def refuse(call: Call) -> None:
        message = "over budget"
        raise openai.OpenAIError(message)

    diary.on["before_call"] = refuse
    with pytest.raises(openai.OpenAIError, match=r"^over budget$"):
        road.make(provider).create()


def test_a_failing_on_chunk_ends_the_stream(road: Any, server: Any, provider: Provider, chunk_diary: Any) -> None:
    gate = threading.Event()
    server.script(server.stream(server.chunk("a"), gate, server.chunk("b"), "watch"))
    items = road.items(road.make(provider).stream())
    next(items)
    chunk_diary.on["on_chunk"] = explode
    gate.set()
    with pytest.raises(DragomanError, match=r"on_chunk of .* failed"):
        list(items)
    assert server.closed.wait(5)
    assert chunk_diary.outcomes == ["failed"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_after_call_is_a_warning(road: Any, provider: Provider, diary: Any, stream: bool) -> None:
    other = type(diary)()
    plugins().register_hooks(other)
    # Whichever of the two is told first: the other one is told as well.
    (diary if stream else other).on["after_call"] = explode
    road.make(provider)
    ask = (lambda: road.text(road.stream())) if stream else (lambda: road.create().choices[0].message.content)
    with pytest.warns(DragomanWarning, match=r"after_call of .*conftest.* failed: ValueError: boom"):
        text = ask()
    plugins().unregister_hooks(other)
    assert text == "Hello there"
    assert (diary.outcomes, other.outcomes) == (["complete"], ["complete"])


class Short:
    def __init__(self) -> None:
        self.told = 0

    @hookimpl
    def after_call(self) -> None:
        self.told += 1


class Wrapping:
    def __init__(self) -> None:
        self.told: list[str] = []

    @hookimpl(wrapper=True)
    def after_call(self, call: Call) -> Any:
        self.told.append("before")
        result = yield
        self.told.append("after")
        return result


def test_after_call_without_arguments_and_wrapped() -> None:
    registered = Plugins(path=[])
    hooks = Hooks(registered)
    assert not hooks.sees_answers
    short, wrapping = Short(), Wrapping()
    registered.register_hooks(short)
    hooks.after_call(Call("p", "m", {}))
    registered.register_hooks(wrapping)
    hooks.after_call(Call("p", "m", {}))
    assert hooks.sees_answers
    assert short.told == 2
    assert wrapping.told == ["before", "after"]


class SeldomOn:
    """Keeps what it is shown; `on` is what it says of itself."""

    def __init__(self, on: object) -> None:
        self.on = on
        self.asked: list[Json] = []
        self.answers: list[Json | None] = []

    def takes_part(self) -> bool:
        if isinstance(self.on, Exception):
            raise self.on
        return self.on is True

    @hookimpl
    def answer_call(self, call: Call) -> None:
        self.asked.append(call.request)

    @hookimpl
    def after_call(self, call: Call) -> None:
        self.answers.append(call.response)


@pytest.mark.parametrize("on", [True, False, ValueError("boom")])
def test_nothing_is_got_ready_for_hooks_that_are_off(provider: Provider, on: object) -> None:
    plugin, alone = SeldomOn(on), Plugins(path=[])
    alone.register_hooks(plugin)
    call = Call(provider.name, "m", {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]})
    asked = call.request
    exchange = Exchange(Attempt(provider, call), Hooks(alone))
    exchange.open()
    exchange.begin(Reply(200, {"content-type": "text/event-stream"}))
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    list(exchange.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n"))
    exchange.completed()
    off = on is False
    assert [request is asked for request in plugin.asked] == [off]
    assert [answer is None for answer in plugin.answers] == [off]


def test_a_failure_without_a_way() -> None:
    blame = Hooks(Plugins(path=[]))._blame
    assert blame("before_call", ValueError("x")) == "before_call of a plugin failed: ValueError: x"


def test_a_failing_hook_of_a_plugin_names_its_distribution_and_how_to_go_on_without(install: Any) -> None:
    code = """
        from dragoman.core import hookimpl

        @hookimpl
        def before_call(call):
            1 / 0

        class Late:
            @hookimpl
            def after_call(self):
                1 / 0

        late = Late()
    """
    found = install("bad-hooks", "dragoman:bad=bad_hooks", "dragoman:late=bad_hooks:late", code=code, version="0.2")
    hooks, call = Hooks(found), Call("p", "m", {})
    ending = r"of bad-hooks 0\.2 \(bad_hooks\) failed: ZeroDivisionError: .*; to go on without it: DRAGOMAN_PLUGINS=no:"
    with pytest.raises(DragomanError, match=rf"^before_call {ending}bad$"):
        hooks.before_call(call)
    with pytest.warns(DragomanWarning, match=rf"^after_call {ending}late$"):
        hooks.after_call(call)


def test_a_failure_is_told_once_where_logging_is_not_configured(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        @hookimpl
        def after_call(self) -> None:
            1 / 0  # noqa: B018 (it raises)

    registered = Plugins(path=[])
    registered.register_hooks(Failing())
    with caplog.at_level("INFO", "dragoman"), pytest.warns(DragomanWarning, match="after_call of .* failed") as caught:
        Hooks(registered).after_call(Call("p", "m", {}))
    assert (len(caught), caplog.text) == (1, "")


def test_hooks_of_a_provider(server: Any, colour: Any) -> None:
    class Counting(Provider):
        name = "counting"
        calls = 0

        @hookimpl
        def before_call(self) -> None:
            type(self).calls += 1

    provider = Counting(base_url=server.url)
    colour.make(provider).create()
    plugins().unregister_hooks(provider)
    assert Counting.calls == 1


def test_nobody_listens() -> None:
    hooks = Hooks(Plugins(path=[]))
    call = Call("p", "m", {})
    hooks.on_chunk(call, {})
    hooks.before_call(call)
    assert hooks.answer_call(call) is None
    assert not hooks.sees_chunks
