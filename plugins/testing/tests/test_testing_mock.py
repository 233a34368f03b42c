"""`dragoman_mock`, as users' tests see it: every road and colour, and runs of pytest that must fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import (
    AsyncClient,
    Client,
    Provider,
    UnknownProvider,
    async_http_client,
    hookimpl,
    http_client,
    register_hooks,
    stand_in,
)
from dragoman.testing.mock import DragomanMock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Call

pytest_plugins = ["pytester"]

HI: Any = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as made:
        yield made


def ask(client: Any, **arguments: Any) -> Any:
    return client.chat.completions.create(**{"model": "acme/big", "messages": HI, **arguments})


def text_of(answer: Any) -> str:
    if hasattr(answer, "choices"):
        return str(answer.choices[0].message.content)
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)


def sync_way(kind: str, **arguments: Any) -> str:
    if kind == "door":
        with openai.OpenAI(api_key="unused", http_client=http_client()) as client:
            return text_of(ask(client, **arguments))
    with Client() as client:
        if kind == "plain":
            return text_of(ask(client, **arguments))
        raw = client.chat.completions.with_raw_response
        return text_of(raw.create(**{"model": "acme/big", "messages": HI, **arguments}).parse())


async def async_way(kind: str, **arguments: Any) -> str:
    if kind == "door":
        client: Any = openai.AsyncOpenAI(api_key="unused", http_client=async_http_client())
    else:
        client = AsyncClient()
    async with client:
        if kind == "raw":
            raw = client.chat.completions.with_raw_response
            answer = (await raw.create(**{"model": "acme/big", "messages": HI, **arguments})).parse()
        else:
            answer = await ask(client, **arguments)
        if not arguments.get("stream"):
            return text_of(answer)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ["plain", "raw", "door"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("model", ["acme/big", "anthropic/claude-opus-4-8", "gpt-5"])
def test_every_way_of_asking(
    dragoman_mock: DragomanMock, kind: str, *, asynchronous: bool, stream: bool, model: str
) -> None:
    dragoman_mock.answer("Hello there, you")
    arguments = {"model": model, **({"stream": True} if stream else {})}
    answer = asyncio.run(async_way(kind, **arguments)) if asynchronous else sync_way(kind, **arguments)
    assert answer == "Hello there, you"
    assert dragoman_mock.requests == [{"messages": HI, **arguments}]


def test_an_answer_is_whole_to_the_last_field(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.answer("Hello", usage=(7, 2), reasoning_content="hm", finish_reason="length")
    answer = ask(client).to_dict()
    message = {"role": "assistant", "content": "Hello", "refusal": None, "reasoning_content": "hm"}
    assert answer["choices"] == [{"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}]
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert (answer["id"], answer["model"], answer["object"]) == ("chatcmpl-mock-1", "big", "chat.completion")
    assert client.usage_summary.actual["acme/big"].total_tokens == 9


def test_a_stream_of_an_answer_comes_to_the_same(dragoman_mock: DragomanMock, client: Client) -> None:
    carry = {"acme": {"signature": "s"}}
    script: Any = {
        "content": "  Let me see ",
        "tool_calls": [("get_weather", {"city": "Paris"}), ("get_weather", '{"city": "Rome"}')],
        "usage": (7, 2),
        "reasoning_content": "hm",
        "extra_content": carry,
    }
    dragoman_mock.answer(**script)
    whole = ask(client).choices[0]
    dragoman_mock.answer(**script)
    with client.chat.completions.stream(
        model="acme/big", messages=HI, stream_options={"include_usage": True}
    ) as events:
        streamed = events.get_final_completion()
    choice = streamed.choices[0]
    calls = [call.function for call in choice.message.tool_calls or []]
    assert [(call.name, call.arguments) for call in calls] == [
        ("get_weather", '{"city": "Paris"}'),
        ("get_weather", '{"city": "Rome"}'),
    ]
    assert [call.id for call in choice.message.tool_calls or []] == ["call_3", "call_4"]
    assert [call.id for call in whole.message.tool_calls or []] == ["call_1", "call_2"]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "  Let me see ")
    assert (whole.finish_reason, whole.message.content) == ("tool_calls", "  Let me see ")
    assert whole.message.to_dict()["extra_content"] == choice.message.to_dict()["extra_content"] == carry
    assert streamed.usage is not None
    assert streamed.usage.total_tokens == 9


def test_a_tool_call_and_what_follows(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.tool_call("get_weather", city="Zürich", self=1).answer("Sunny.")
    message = ask(client, tools=TOOLS).choices[0].message
    assert message.tool_calls[0].function.arguments == '{"city": "Zürich", "self": 1}'
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    assert text_of(ask(client, messages=[*HI, message, result], tools=TOOLS)) == "Sunny."
    assert [one["role"] for one in dragoman_mock.requests[1]["messages"]] == ["user", "assistant", "tool"]
    assert dragoman_mock.requests[1]["messages"][2]["tool_call_id"] == "call_1"
    assert dragoman_mock.requests[0]["tools"] == TOOLS


def test_a_streams_chunks_are_openais(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.tool_call("f", a=1).tool_call("f", a=1).answer("Hi", extra_content={"acme": 1})
    plain = [chunk.to_dict() for chunk in ask(client, stream=True)]
    deltas = [chunk["choices"][0]["delta"] for chunk in plain]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[1]["tool_calls"][0]["id"] == "call_1"
    assert [delta["tool_calls"][0]["function"]["arguments"] for delta in deltas[1:-1]] == ["", '{"a"', ": 1}"]
    assert not any("usage" in chunk for chunk in plain)
    counted = [chunk.to_dict() for chunk in ask(client, stream=True, stream_options={"include_usage": True})]
    assert [chunk["usage"] for chunk in counted[:-1]] == [None] * len(plain)
    assert counted[-1]["choices"] == []
    assert counted[-1]["usage"]["total_tokens"] == 0
    deltas = [chunk.choices[0].delta.to_dict() for chunk in ask(client, stream=True)]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "Hi"}, {"extra_content": {"acme": 1}}]
    assert {chunk["id"] for chunk in plain} | {chunk["id"] for chunk in counted} == {
        "chatcmpl-mock-1",
        "chatcmpl-mock-2",
    }


def test_a_streams_pieces(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.stream(["Hel", "lo ", "you"]).answer("Hello you ").stream(["Hel", "lo"], usage=(1, 2))
    pieces = [
        [chunk.choices[0].delta.content for chunk in ask(client, stream=True) if chunk.choices[0].delta.content]
        for _ in range(2)
    ]
    assert pieces == [["Hel", "lo ", "you"], ["Hello", " you", " "]]
    answer = ask(client)
    assert (text_of(answer), answer.usage.total_tokens) == ("Hello", 3)


def test_a_stream_that_breaks(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.stream(["Hel", "lo"], cut=True).stream(["Hello"], cut=True).stream(["Hel", "lo"], cut=True)
    stream = ask(client, stream=True)
    came = [next(stream).choices[0].delta.content for _ in range(3)]
    with pytest.raises(openai.APIConnectionError, match="as the test has scripted it"):
        next(stream)
    assert came == ["", "Hel", "lo"]
    with pytest.raises(openai.APIConnectionError, match="as the test has scripted it"):
        ask(client)
    with pytest.raises(openai.APIConnectionError):
        asyncio.run(async_way("plain", stream=True))
    assert [call.outcome for call in dragoman_mock.calls] == ["failed"] * 3


def test_a_stream_that_is_left(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.answer("one two three")
    with ask(client, stream=True) as stream:
        next(stream)
    assert [call.outcome for call in dragoman_mock.calls] == ["abandoned"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(
    dragoman_mock: DragomanMock, client: Client, status: int, kind: type[openai.APIStatusError], *, stream: bool
) -> None:
    dragoman_mock.error(status, "slow down", code="busy", headers={"retry-after": "7", "x-request-id": "r1"})
    with pytest.raises(kind, match="slow down") as caught:
        ask(client, stream=stream)
    assert (caught.value.status_code, caught.value.code, caught.value.request_id) == (status, "busy", "r1")
    assert caught.value.response.headers["retry-after"] == "7"
    assert len(dragoman_mock.requests) == 1


def test_what_the_network_does(dragoman_mock: DragomanMock, client: Client) -> None:
    own = openai.OpenAIError("of the test")
    dragoman_mock.fail(TimeoutError()).fail(OSError("no route")).fail(own).fail(KeyboardInterrupt())
    with pytest.raises(openai.APITimeoutError):
        ask(client)
    with pytest.raises(openai.APIConnectionError, match="no route"):
        ask(client)
    with pytest.raises(openai.OpenAIError) as caught:
        ask(client)
    assert caught.value is own
    with pytest.raises(KeyboardInterrupt):
        ask(client)


def test_what_was_asked_is_kept_as_it_was(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.answer("a").answer("b")
    messages = [{"role": "user", "content": "one"}]
    extra = {"top_k": 3, "dragoman": {"on_unsupported": "warn"}}
    ask(client, messages=messages, extra_body=extra, extra_headers={"x-team": "search"}, temperature=0)
    messages[0]["content"] = "two"
    dragoman_mock.calls[0].request["messages"].clear()
    ask(client, messages=messages, model="fast")
    assert dragoman_mock.requests == [
        {"messages": [{"role": "user", "content": "one"}], "model": "acme/big", "top_k": 3, "temperature": 0},
        {"messages": [{"role": "user", "content": "two"}], "model": "fast"},
    ]
    first = dragoman_mock.calls[0]
    assert (first.provider, first.model, first.extra_headers["x-team"]) == ("acme", "big", "search")
    assert repr(dragoman_mock) == "<DragomanMock: 2 asked, 0 answers left>"


def test_names_lead_where_they_lead_without_it(dragoman_mock: DragomanMock) -> None:
    dragoman_mock.respond(lambda request: dragoman_mock.answer("ok"))
    providers = [Provider(name="mine", base_url="http://127.0.0.1:9/v1", api_key="k")]
    with Client(default_provider="together", providers=providers, aliases={"fast": "mine/small"}) as client:
        for model in ("meta-llama/Llama-3", "fast", "mine/x", "mine:y"):
            ask(client, model=model)
    assert [(call.provider, call.model) for call in dragoman_mock.calls] == [
        ("together", "meta-llama/Llama-3"),
        ("mine", "small"),
        ("mine", "x"),
        ("mine", "y"),
    ]
    assert [request["model"] for request in dragoman_mock.requests][1] == "fast"


def test_answers_that_depend_on_the_request(dragoman_mock: DragomanMock, client: Client) -> None:
    @dragoman_mock.respond
    def answer(request: dict[str, Any]) -> None:
        dragoman_mock.answer(request["model"].upper())
        request.clear()

    dragoman_mock.answer("first")
    assert [text_of(ask(client, model=f"acme/{name}")) for name in "abc"] == ["first", "ACME/B", "ACME/C"]
    assert [request["model"] for request in dragoman_mock.requests] == ["acme/a", "acme/b", "acme/c"]


def test_many_at_once(dragoman_mock: DragomanMock) -> None:
    dragoman_mock.respond(lambda request: dragoman_mock.answer(request["messages"][0]["content"]))

    async def all_of_them() -> list[str]:
        async with AsyncClient() as client:
            asked = [ask(client, messages=[{"role": "user", "content": str(number)}]) for number in range(50)]
            return [text_of(answer) for answer in await asyncio.gather(*asked)]

    assert asyncio.run(all_of_them()) == [str(number) for number in range(50)]


def test_a_list_of_models_falls_back(dragoman_mock: DragomanMock) -> None:
    dragoman_mock.error(503).answer("from the second").error(429).error(400).answer("x")
    azure = {
        "model": "gpt-5.1",
        "api_type": "azure",
        "base_url": "https://x.example",
        "api_version": "v",
        "api_key": "k",
    }
    config_list = [azure, {"model": "claude", "api_type": "acme", "api_key": "k"}]
    with Client(config_list=config_list) as client:
        with pytest.warns(match=r"config_list\[0\] \(gpt-5.1\) failed"):
            assert text_of(ask(client, model="")) == "from the second"
        assert [(call.provider, call.model) for call in dragoman_mock.calls] == [
            ("openai", "gpt-51"),
            ("acme", "claude"),
        ]
        assert [request["model"] for request in dragoman_mock.requests] == ["gpt-5.1", "claude"]
        with pytest.warns(match="going on with"), pytest.raises(openai.BadRequestError):
            ask(client, model="")
        assert text_of(ask(client, model="claude")) == "x"


def test_structured_output(dragoman_mock: DragomanMock, client: Client) -> None:
    from pydantic import BaseModel

    class City(BaseModel):
        name: str

    dragoman_mock.answer('{"name": "Paris"}')
    parsed = client.chat.completions.parse(model="acme/big", messages=HI, response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Paris")
    assert dragoman_mock.requests[0]["response_format"]["json_schema"]["name"] == "City"


class Watcher:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def before_call(self, call: Call) -> None:
        call.request["seed"] = 1

    @hookimpl
    def on_chunk(self, call: Call, chunk: dict[str, Any]) -> None:
        self.seen.append(chunk["choices"][0]["delta"])

    @hookimpl
    def after_call(self, call: Call) -> None:
        self.seen.append((call.outcome, call.answered, (call.response or {}).get("usage")))


def test_hooks_work_as_they_do_without_it(dragoman_mock: DragomanMock, client: Client) -> None:
    dragoman_mock.answer("Hi", usage=(1, 1))
    with register_hooks(watcher := Watcher()):
        assert text_of(ask(client, stream=True)) == "Hi"
    assert watcher.seen == [{"role": "assistant", "content": ""}, {"content": "Hi"}, {}, ("complete", False, None)]
    assert dragoman_mock.requests[0]["seed"] == 1


def test_clients_outlive_it() -> None:
    with Client(config_list=[{"model": "m", "api_type": "nobody", "api_key": "k"}]) as client:
        for number in range(2):
            mock = DragomanMock().answer(f"answer {number}").answer("listed")
            with stand_in(mock.provider):
                assert text_of(ask(client)) == f"answer {number}"
                assert text_of(ask(client, model="m")) == "listed"
            for model in ("acme/big", "m"):
                with pytest.raises(UnknownProvider):
                    ask(client, model=model)
            mock.check()


@pytest.mark.parametrize(
    "ask_for",
    [
        lambda client: client.embeddings.create(model="text-embedding-3-small", input="x"),
        lambda client: client.models.list(),
        lambda client: client.models.retrieve("gpt-5"),
    ],
    ids=["embeddings", "models", "one model"],
)
def test_it_answers_chats_only_and_nothing_reaches_the_network(client: Client, ask_for: Callable[[Any], Any]) -> None:
    mock = DragomanMock().answer("not for this")
    with stand_in(mock.provider), pytest.raises(pytest.fail.Exception, match="it answers chat completions only"):
        ask_for(client)
    with pytest.raises(pytest.fail.Exception, match="answers left after 0 calls that nobody asked for: answer"):
        mock.check()


# Runs of pytest, as users have them.

HEAD = """
import pytest
from dragoman.core import Client
from dragoman.testing.mock import dragoman_mock

def ask(**more):
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "very private"}]
    return Client().chat.completions.create(model="acme/big", messages=messages, **more)
"""


def run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(HEAD + body)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "--tb=short", *options)


def test_an_unexpected_call_fails_the_test_past_the_codes_own_except(pytester: pytest.Pytester) -> None:
    body = """
def test_it(dragoman_mock):
    dragoman_mock.answer("one")
    ask()
    try:
        ask(temperature=0)
    except Exception:
        pass
"""
    result = run(pytester, body)
    result.assert_outcomes(failed=1)
    told = "call 2, model 'acme/big', messages (system, user), with temperature: the script has ended; before it, say"
    result.stdout.fnmatch_lines([f"*Failed: dragoman_mock did not expect {told} for example dragoman_mock.answer(*"])
    result.stdout.no_fnmatch_line("*private*")


def test_an_unexpected_call_whose_failure_got_lost_fails_the_test_at_its_end(pytester: pytest.Pytester) -> None:
    body = """
def test_it(dragoman_mock):
    try:
        ask()
    except BaseException:
        pass
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["dragoman_mock did not expect call 1, *: nothing is scripted; before it, say*"])


def test_an_answer_that_nobody_asked_for_fails_the_test(pytester: pytest.Pytester) -> None:
    body = """
def test_it(dragoman_mock):
    dragoman_mock.answer("one").tool_call("f").stream(["a"]).error(429).fail(OSError()).answer(tool_calls=[])
    ask()
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    left = "tool_call('f'), stream(['a']), error(429), fail(OSError), answer(…)"
    assert f"dragoman_mock has answers left after 1 call that nobody asked for: {left}" in result.stdout.str()


def test_a_test_that_failed_is_not_reported_twice(pytester: pytest.Pytester) -> None:
    body = """
def test_it(dragoman_mock):
    dragoman_mock.answer("one")
    assert False

def test_the_next_is_looked_at_again(dragoman_mock):
    dragoman_mock.answer("one")
"""
    run(pytester, body).assert_outcomes(failed=1, passed=1, errors=1)


def test_a_function_that_scripts_nothing(pytester: pytest.Pytester) -> None:
    body = """
def test_it(dragoman_mock):
    dragoman_mock.respond(lambda request: "text")
    ask()
"""
    result = run(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the function given to dragoman_mock.respond added no answer to the script*"])


def test_no_plugin_is_needed_and_no_connection_made(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
import socket
client = Client()

@pytest.mark.parametrize("model", ["anthropic/claude-opus-4-8", "gpt-5", "together/meta-llama/Llama-3", "mistral"])
@pytest.mark.parametrize("stream", [False, True])
def test_it(dragoman_mock, monkeypatch, model, stream):
    monkeypatch.setattr(socket, "socket", None)
    dragoman_mock.answer("Hello")
    answer = client.chat.completions.create(model=model, messages=[], stream=stream)
    text = "".join(c.choices[0].delta.content or "" for c in answer) if stream else answer.choices[0].message.content
    assert text == "Hello"
    assert dragoman_mock.requests[0]["model"] == model

def test_without_it():
    from dragoman.core import UnknownProvider
    for model in ["anthropic/claude-opus-4-8", "gpt-5"]:
        with pytest.raises(UnknownProvider):
            client.chat.completions.create(model=model, messages=[])
"""
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "")
    pytester.makepyfile(HEAD + body)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=9)
