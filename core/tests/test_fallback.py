"""A configuration list at work: the first entry that answers wins, on every road."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import AsyncClient, Client, DragomanWarning, hookimpl, http_client
from dragoman.core.fallback import Pace
from dragoman.core.plugins import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def second(server: Any) -> Iterator[Any]:
    other = type(server)()
    yield other
    other.close()


def entries(*servers: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"model": f"m{n}", "base_url": one.url, "api_key": f"k{n}", **more} for n, one in enumerate(servers, 1)]


def ask(config_list: Any, **arguments: Any) -> Any:
    with Client(config_list=config_list, max_retries=0) as client:
        return client.chat.completions.create(**{"model": "", "messages": HI, **arguments})


def test_the_first_entry_answers(server: Any, second: Any) -> None:
    answer = ask(entries(server, second, temperature=0.5, extra_body={"top_k": 3}), max_tokens=5)
    assert answer.choices[0].message.content == "Hello there"
    (request,) = server.requests
    assert request.json == {"model": "m1", "messages": HI, "temperature": 0.5, "max_tokens": 5, "top_k": 3}
    assert request.headers["authorization"] == "Bearer k1"
    assert second.requests == []


def test_what_the_caller_says_comes_first(server: Any) -> None:
    ask(entries(server, temperature=0.5, extra_body={"a": 1, "b": 1}), temperature=0.9, extra_body={"b": 2})
    assert server.requests[0].json | {"messages": 0} == {
        "model": "m1",
        "temperature": 0.9,
        "a": 1,
        "b": 2,
        "messages": 0,
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 422, 429, 500, 503, 529])
def test_a_failure_of_the_provider_is_passed_on(server: Any, second: Any, status: int) -> None:
    server.script(server.error(status, "not now"))
    with pytest.warns(
        DragomanWarning, match=r"config_list\[0\] \(m1\) failed: .*not now; going on with config_list\[1\]"
    ):
        ask(entries(server, second))
    assert second.requests[0].headers["authorization"] == "Bearer k2"


def test_nobody_listens_a_timeout_and_a_page_are_passed_on(server: Any, second: Any) -> None:
    never = threading.Event()
    server.script(server.stream(never), type(server).json({}, 200), path="/chat/completions")
    lists = [
        [{"model": "a", "base_url": "http://127.0.0.1:9/v1", "api_key": "k"}, *entries(second)],
        [{**entries(server)[0], "timeout": 0.2}, *entries(second)],
        [*entries(server), *entries(second)],
    ]
    for config_list in lists:
        with pytest.warns(DragomanWarning, match="going on with"):
            assert ask(config_list).choices[0].message.content == "Hello there"
    never.set()


def test_the_last_failure_is_raised_and_remembers_the_others(server: Any, second: Any) -> None:
    server.script(server.error(429, "slow down"))
    second.script(second.error(500, "broken"))
    with pytest.warns(DragomanWarning), pytest.raises(openai.InternalServerError, match="broken") as caught:
        ask(entries(server, second))
    (note,) = caught.value.__notes__
    assert "config_list[0] (m1) failed: RateLimitError" in note
    assert "slow down" in note


def test_a_key_that_the_server_quotes_is_not_told(server: Any, second: Any) -> None:
    server.script(server.error(401, "wrong key: sk-secret-0000"))
    config_list = [{**entries(server)[0], "api_key": "sk-secret-0000"}, *entries(second)]
    with pytest.warns(DragomanWarning, match="wrong key: …; going on") as caught:
        ask(config_list)
    assert "sk-secret-0000" not in str(caught[0].message)


def test_a_key_of_the_provider_is_not_told_either(server: Any, second: Any) -> None:
    server.script(server.error(401, "wrong key: sk-secret-0000"))
    own = {"base_url": server.url, "api_key": "sk-secret-0000", "max_retries": 0}
    with (
        Client(config_list=[{"model": "m0"}, *entries(second)], **own) as client,
        pytest.warns(DragomanWarning, match="wrong key: …; going on"),
    ):
        assert client.chat.completions.create(model="", messages=HI).choices[0].message.content == "Hello there"


def test_a_content_filter_and_the_callers_own_errors_are_final(server: Any, second: Any) -> None:
    refused = {"error": {"message": "no", "type": "t", "param": None, "code": "content_filter"}}
    server.script(server.json(refused, 400))
    with pytest.raises(openai.BadRequestError):
        ask(entries(server, second))
    with pytest.raises(ValueError, match="messages"):
        ask(entries(server, second), messages="Hi")
    assert second.requests == []


def test_a_provider_that_is_not_installed_is_passed_on_and_named(server: Any) -> None:
    missing = {"model": "m", "api_type": "nobody_has_this", "api_key": "k"}
    with pytest.warns(DragomanWarning, match="nobody_has_this"):
        ask([missing, *entries(server)])
    with pytest.raises(openai.OpenAIError, match="nobody_has_this"):
        ask([missing])


@pytest.mark.parametrize("road", ["plain", "http"])
def test_a_stream_falls_back_before_its_first_words(server: Any, second: Any, road: str) -> None:
    role = server.chunk(delta={"role": "assistant", "content": ""})
    server.script(server.stream(role, server.event({"error": {"message": "overloaded", "code": 503}})))
    with Client(config_list=entries(server, second), max_retries=0) as client:
        completions: Any = client.chat.completions
        create = completions.create if road == "plain" else completions.with_raw_response.create
        with pytest.warns(DragomanWarning, match="overloaded"):
            stream = create(model="", messages=HI, stream=True)
        stream = stream if road == "plain" else stream.parse()
        texts = [chunk.choices[0].delta.content or "" for chunk in stream]
        assert "".join(texts) == "Hello there"
        assert second.requests[0].json["stream_options"] == {"include_usage": True}


def test_a_stream_that_has_spoken_does_not_begin_anew(server: Any, second: Any) -> None:
    server.script(server.stream(server.chunk("Hel"), "cut"))
    stream = ask(entries(server, second), stream=True)
    with pytest.raises(openai.APIConnectionError):
        list(stream)
    assert second.requests == []


def test_the_asynchronous_client_does_the_same(server: Any, second: Any) -> None:
    import asyncio

    server.script(server.error(500), server.error(500))

    async def run() -> str:
        async with AsyncClient(config_list=entries(server, second), max_retries=0) as client:
            whole = await client.chat.completions.create(model="", messages=HI)
            stream = await client.chat.completions.create(model="", messages=HI, stream=True)
            texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return f"{whole.choices[0].message.content}, {''.join(texts)}"

    with pytest.warns(DragomanWarning):
        assert asyncio.run(run()) == "Hello there, Hello there"


def test_a_named_model_is_answered_by_its_entries_only(server: Any, second: Any) -> None:
    with Client(config_list=entries(server, second), max_retries=0) as client:
        client.chat.completions.create(model="m2", messages=HI)
        client.with_options(timeout=5).chat.completions.create(model="m2", messages=HI)
    assert (len(server.requests), len(second.requests)) == (0, 2)


def test_a_door_has_a_list_too(server: Any, second: Any) -> None:
    server.script(server.error(500))
    door = http_client(config_list=entries(server, second), max_retries=0)
    with openai.OpenAI(api_key="unused", http_client=door) as client, pytest.warns(DragomanWarning):
        client.chat.completions.create(model="", messages=HI)
    assert second.requests[0].json["model"] == "m2"


def test_hooks_see_each_attempt_from_the_beginning(server: Any, second: Any) -> None:
    seen: list[tuple[str, str, Any]] = []

    class Watcher:
        @hookimpl
        def before_call(self, call: Any) -> None:
            call.request["messages"].append({"role": "user", "content": call.model})

        @hookimpl
        def after_call(self, call: Any) -> None:
            seen.append((call.model, call.outcome, len(call.request["messages"])))

    watcher = Watcher()
    plugins().register_hooks(watcher)
    server.script(server.error(500))
    try:
        with pytest.warns(DragomanWarning):
            ask(entries(server, second))
    finally:
        plugins().unregister_hooks(watcher)
    assert seen == [("m1", "failed", 2), ("m2", "complete", 2)]


def test_usage_and_cost_are_counted_streams_too(server: Any) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    server.script(
        type(server).json(server.COMPLETION),
        server.stream(server.chunk("a", "stop"), server.event({"choices": [], "usage": usage}), server.event("[DONE]")),
    )
    with Client(config_list=entries(server, price=[1, 2]), max_retries=0) as client:
        client.chat.completions.create(model="", messages=HI)
        chunks = list(client.chat.completions.create(model="", messages=HI, stream=True))
        assert all(chunk.usage is None and chunk.choices for chunk in chunks)
        summary = client.usage_summary
        spent = summary.actual["openai/m1"]
        assert (spent.calls, spent.prompt_tokens, spent.completion_tokens, spent.total_tokens) == (2, 13, 6, 19)
        assert spent.cost == summary.cost == Decimal("0.025")
        client.clear_usage_summary()
        assert client.usage_summary.actual == {}
        assert summary.actual["openai/m1"].calls == 2


def test_an_unknown_price_is_none_and_a_hooks_answer_is_not_actual(server: Any) -> None:
    class Canned:
        answers = False

        @hookimpl
        def answer_call(self, call: Any) -> Any:
            return server.COMPLETION if self.answers else None

    canned = Canned()
    plugins().register_hooks(canned)
    try:
        with Client(config_list=entries(server)) as client:
            client.chat.completions.create(model="", messages=HI)
            canned.answers = True
            client.chat.completions.create(model="", messages=HI)
            summary = client.usage_summary
    finally:
        plugins().unregister_hooks(canned)
    assert (summary.actual["openai/m1"].calls, summary.total["openai/m1"].calls) == (1, 2)
    assert summary.actual["openai/m1"].cost is None
    assert summary.cost is None


def test_a_price_list_is_asked_when_somebody_wants_to_know(server: Any) -> None:
    asked: list[Any] = []

    class List:
        @hookimpl
        def price_of(self, call: Any) -> Decimal | None:
            asked.append(call.usage)
            return Decimal(call.usage["total_tokens"]) / 10

    prices = List()
    plugins().register_hooks(prices)
    try:
        with Client(config_list=entries(server)) as client:
            for _ in range(2):
                client.chat.completions.create(model="", messages=HI)
            assert asked == []
            assert client.usage_summary.cost == client.usage_summary.cost == 1
            assert len(asked) == 2
    finally:
        plugins().unregister_hooks(prices)


def test_azure_entries_reach_their_deployment(server: Any) -> None:
    entry = {"model": "gpt-3.5", "api_type": "azure", "base_url": server.origin, "api_version": "v", "api_key": "k"}
    server.script(type(server).json(server.COMPLETION))
    pytest.importorskip("dragoman.openai", reason="Azure needs dragoman-openai")
    ask([entry])
    (request,) = server.requests
    assert request.target == "/openai/deployments/gpt-35/chat/completions?api-version=v"
    assert request.headers["api-key"] == "k"


def test_a_pace_gives_turns_apart() -> None:
    pace = Pace(2.0)
    first, second, third = pace.take(), pace.take(), pace.take()
    assert first == 0
    assert 0.4 < second <= 0.5
    assert 0.9 < third <= 1.0


def test_a_rate_limit_holds_the_second_request_back(server: Any) -> None:
    import time

    with Client(config_list=entries(server, api_rate_limit=5), max_retries=0) as client:
        begun = time.monotonic()
        for _ in range(3):
            client.chat.completions.create(model="", messages=HI)
        assert time.monotonic() - begun >= 0.39


@pytest.mark.parametrize("more", [{}, {"api_type": "openai"}])
def test_a_server_of_somebodys_own_may_have_models_with_slashes(server: Any, more: dict[str, Any]) -> None:
    ask([{"model": "org/name", "base_url": server.url, "api_key": "k", **more}])
    assert server.requests[0].json["model"] == "org/name"
