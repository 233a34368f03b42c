"""What becomes of a provider's reply, good or bad: the same on all roads."""

from __future__ import annotations

import copy
import json
import threading
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import (
    Call,
    Chunks,
    CompatibleProvider,
    Event,
    InvalidRequest,
    Json,
    Provider,
    Reply,
    StreamCutError,
    VendorError,
    Wire,
    function_sender,
    unsupported,
)
from dragoman.core.attempt import Attempt
from dragoman.core.exchange import Exchange
from dragoman.core.hooks import Hooks
from dragoman.core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.timeout(60), pytest.mark.filterwarnings("ignore::dragoman.core.policy.DragomanWarning")]

MESSAGES = [{"role": "user", "content": "Hi"}]


def failing(road: Any, *, stream: bool, **arguments: Any) -> BaseException:
    ask = (lambda: list(road.items(road.stream(**arguments)))) if stream else (lambda: road.create(**arguments))
    with pytest.raises(openai.OpenAIError) as caught:
        ask()
    return caught.value


# Statuses.

CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    418: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    529: openai.InternalServerError,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", CLASSES)
def test_a_failing_status(road: Any, server: Any, provider: Provider, status: int, stream: bool) -> None:
    server.script(server.error(status, "no such luck", x_request_id="req-9", retry_after="7"))
    exception: Any = failing(road.make(provider), stream=stream)
    assert type(exception) is CLASSES[status]
    assert str(exception).count("no such luck") == 1
    assert (exception.status_code, exception.code, exception.type) == (status, "c", "t")
    assert exception.request_id == "req-9"
    assert exception.response.headers["retry-after"] == "7"
    assert exception.body == {"message": "no such luck", "type": "t", "param": None, "code": "c"}
    if road.kind == "plain":
        assert isinstance(exception.__cause__, openai.APIStatusError)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><body>Bad gateway</body></html>", "HTML page"),
        (b"", "without a message"),
        (b"upstream is down", "upstream is down"),
        (b'["odd"]', "odd"),
        (b"[1]", "HTTP 502"),
        (b'[{"error": {"message": "no such field"}}]', "no such field"),
        (b'{"detail": [{"loc": ["body", "n"], "msg": "too big", "input": 9}]}', "body.n: too big"),
        (b'{"detail": "nope"}', "nope"),
        (b"\xff\xfe", "\ufffd"),
    ],
)
def test_a_failure_without_openais_error_object(
    road: Any, server: Any, provider: Provider, body: bytes, said: str
) -> None:
    answer = server.error(502)
    answer.body = body
    server.script(answer)
    exception = failing(road.make(provider), stream=False)
    assert isinstance(exception, openai.InternalServerError)
    assert said in str(exception)


# Bodies that are no answers.


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/html; charset=utf-8", b"<html>login</html>", "HTML page"),
        ("application/json", b"", "no body"),
        ("application/json", b'{"choices": [{"mess', "not JSON"),
        ("application/json", b"[1, 2]", "not an object"),
        ("application/json", b'"text"', "not an object"),
        ("application/json", b'{"hello": "world"}', "without choices"),
        ("application/json", b'{"choices": {}}', "without choices"),
        ("application/json", b"[" * 100_000, "not JSON"),
    ],
)
def test_a_body_that_is_no_answer(
    road: Any, server: Any, provider: Provider, *, diary: Any, kind: str, body: bytes, said: str, stream: bool
) -> None:
    answer = server.json({})
    answer.headers["content-type"], answer.body = kind, body
    server.script(answer)
    exception = failing(road.make(provider), stream=stream)
    assert type(exception) is openai.APIResponseValidationError
    assert said in str(exception)
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("kind", [Provider, CompatibleProvider])
@pytest.mark.parametrize("usage", [False, True])
def test_a_stream_that_is_labelled_json(
    road: Any, server: Any, *, kind: type[Provider], usage: bool, diary: Any
) -> None:
    gate = threading.Event()
    counted = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    rest = server.chunk("b") + server.chunk(None, "stop", usage=counted) + server.event("[DONE]")
    sent = server.stream(
        b" \n", b"dat", server.chunk("a")[3:], gate, rest, content_type="application/json; charset=utf-8"
    )
    server.script(sent)
    options = {"stream_options": {"include_usage": True}} if usage else {}
    items = road.items(road.make(kind(name="here", base_url=server.url)).stream(**options))
    # It is not read to its end first.
    assert next(items).choices[0].delta.content == "a"
    gate.set()
    found = list(items)
    assert "".join(choice.delta.content or "" for chunk in found for choice in chunk.choices) == "b"
    assert any(chunk.usage for chunk in found) or not usage
    assert (diary.outcomes, diary.after[0].usage["total_tokens"]) == (["complete"], 2)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", None])
def test_a_whole_answer_of_another_type(road: Any, server: Any, provider: Provider, kind: str | None) -> None:
    good, bad = server.json(server.COMPLETION), server.json({})
    bad.body = b"ok"
    for answer in (good, bad):
        answer.headers.pop("content-type")
        answer.headers.update({"content-type": kind} if kind else {})
    server.script(bad, good)
    exception = failing(road.make(provider), stream=False)
    assert type(exception) is openai.APIResponseValidationError
    assert (kind or "no content type") in str(exception)
    completion = road.create() if road.kind == "plain" else None
    assert completion is None or completion.choices[0].message.content == "Hello there"


@pytest.mark.parametrize("body", [b"nonsense\n\n", b"", b"data: \n\n", b": ping\n\n"])
def test_a_stream_that_says_nothing(road: Any, server: Any, provider: Provider, body: bytes) -> None:
    server.script(server.stream(*([body] if body else [])))
    assert type(failing(road.make(provider), stream=True)) is openai.APIConnectionError


@pytest.mark.parametrize("data", ["{broken", "[1]", "3", '{"choices": [1]}', '{"choices": 5}'])
def test_a_stream_event_that_is_no_chunk(road: Any, server: Any, provider: Provider, data: str, diary: Any) -> None:
    gate = threading.Event()
    server.script(server.stream(server.chunk("a"), gate, server.event(data), "cut"))
    items = road.items(road.make(provider).stream())
    assert next(items).choices[0].delta.content == "a"
    gate.set()
    with pytest.raises(openai.APIResponseValidationError, match="cannot be read") as caught:
        list(items)
    assert caught.value.__cause__ is not None
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "slow", "code": 429}, openai.RateLimitError),
        ({"message": "odd", "code": "melted"}, openai.APIError),
        ("just text", openai.APIError),
    ],
)
def test_an_error_with_a_good_status(
    road: Any, server: Any, provider: Provider, *, error: Any, expected: type[Exception], stream: bool
) -> None:
    server.script(server.json({"error": error}))
    exception = failing(road.make(provider), stream=stream)
    assert type(exception) is expected
    assert (error if isinstance(error, str) else error["message"]) in str(exception)


@pytest.mark.rule(258)
@pytest.mark.parametrize("kind", [Provider, CompatibleProvider])
@pytest.mark.parametrize("how", ["whole", "whole instead of a stream", "event"])
def test_a_flat_error_with_a_good_status(colour: Any, server: Any, kind: type[Provider], how: str) -> None:
    error = {"object": "error", "message": "too long", "type": "BadRequestError", "param": None, "code": 400}
    server.script(server.stream(server.event(error)) if how == "event" else server.json(error))
    made = colour.make(kind(name="here", base_url=server.url))
    exception: Any = failing(made, stream=how != "whole")
    assert type(exception) is openai.BadRequestError
    assert exception.body == {"message": "too long", "type": "BadRequestError", "param": None, "code": 400}
    assert str(exception) == "Error code: 400 - too long"


def test_a_truncated_body(road: Any, server: Any, provider: Provider) -> None:
    answer = server.json(server.COMPLETION)
    answer.headers["content-length"] = "9999"
    server.script(answer)
    exception = failing(road.make(provider), stream=False)
    assert type(exception) is openai.APIConnectionError
    assert exception.__cause__ is not None


def test_a_time_out(road: Any, server: Any, provider: Provider) -> None:
    gate = threading.Event()
    server.script(server.stream(gate))
    assert type(failing(road.make(provider, timeout=0.2), stream=False)) is openai.APITimeoutError
    gate.set()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/v1", "http://nonexistent.invalid/v1", "https://{here}/v1", "http://[::1"]
)
def test_no_connection(road: Any, server: Any, address: str) -> None:
    url = address.replace("{here}", server.origin.partition("//")[2])
    provider = Provider(name="here", base_url=url)
    for stream in (False, True):
        exception = failing(road.make(provider), stream=stream)
        assert type(exception) is openai.APIConnectionError
        assert exception.__cause__ is not None
        assert str(exception)


def test_redirects(road: Any, server: Any, provider: Provider) -> None:
    moved = server.json({}, 307, location=f"{server.url}/elsewhere")
    server.script(moved, path="/chat/completions")
    assert road.make(provider).create().choices[0].message.content == "Hello there"
    server.script(*[server.json({}, 307, location=f"{server.url}/chat/completions") for _ in range(30)])
    exception = failing(road, stream=False)
    assert type(exception) is openai.APIConnectionError


@pytest.mark.parametrize("options", ["x", 5, ["include_usage"], True])
def test_stream_options_that_are_no_object_are_the_providers_to_refuse(
    road: Any, server: Any, provider: Provider, options: Any
) -> None:
    server.script(server.error(400, "stream_options must be an object"), server.stream(server.chunk("a", "stop")))
    made = road.make(provider)
    exception = failing(made, stream=True, stream_options=options)
    assert type(exception) is openai.BadRequestError
    assert server.requests[0].json["stream_options"] == options
    assert road.text(made.stream(stream_options=options)) == "a"


# Translators.


class Shouting(Provider):
    """A vendor with a wire of its own: `{"say": …}`, events `{"t": …}` and `{"end": …}`."""

    name = "shouting"

    def encode(self, call: Call) -> Wire:
        if "user" in call.request:
            unsupported(call, "stop", call.request["user"], reason="it never stops", nearest="shouted")
        return Wire("/shout", {"say": [message["content"] for message in call.request["messages"]]})

    def decode(self, call: Call, body: Json) -> Json:
        if body.get("full"):
            raise VendorError({"message": "full", "type": None, "param": None, "code": None}, 503)
        message = {"role": "assistant", "content": body["text"].upper()}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {
            "id": call.id,
            "object": "chat.completion",
            "created": call.created,
            "model": call.model,
            "choices": [choice],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }

    def decode_stream(self, call: Call) -> ShoutDecoder:
        return ShoutDecoder(call)


class ShoutDecoder:
    def __init__(self, call: Call) -> None:
        self.chunks = Chunks(call)
        self.ended = False

    def feed(self, event: Event) -> Iterator[Json]:
        data = json.loads(event.data)
        if "end" in data:
            self.ended = True
            yield self.chunks.finish("stop")
            yield self.chunks.usage({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
        else:
            yield self.chunks.delta(content=data["t"].upper())

    def finish(self) -> Iterator[Json]:
        if not self.ended:
            message = "nobody said that it was over"
            raise StreamCutError(message)
        yield from ()


@pytest.fixture
def shouting(server: Any) -> Shouting:
    return Shouting(base_url=server.url)


def test_a_translated_answer(road: Any, server: Any, shouting: Shouting) -> None:
    server.script(server.json({"text": "hey"}, x_request_id="r", content_encoding="identity"))
    completion = road.make(shouting).create()
    assert completion.choices[0].message.content == "HEY"
    assert completion._request_id == "r"
    assert server.requests[0].json == {"say": ["Hi"]}
    assert (server.requests[0].path, completion.model) == ("/v1/shout", "m1")


@pytest.mark.parametrize("usage", [False, True])
def test_a_translated_stream(road: Any, server: Any, shouting: Shouting, diary: Any, usage: bool) -> None:
    server.script(server.stream(server.event({"t": "a"}), server.event({"t": "b"}), server.event({"end": 1})))
    options = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(road.items(road.make(shouting).stream(**options)))
    assert [chunk.choices[0].delta.content for chunk in chunks[:2]] == ["A", "B"]
    assert [bool(chunk.usage) for chunk in chunks] == [False] * 3 + [True] * usage
    assert diary.outcomes == ["complete"]
    assert diary.after[0].usage["total_tokens"] == 2
    assert diary.after[0].response["choices"][0]["message"]["content"] == "AB"


def test_a_translated_stream_that_is_cut(road: Any, server: Any, shouting: Shouting, diary: Any) -> None:
    server.script(server.stream(server.event({"t": "a"})))
    items = road.items(road.make(shouting).stream())
    assert next(items).choices[0].delta.content == "A"
    with pytest.raises(openai.APIConnectionError, match="nobody said"):
        list(items)
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", [{"no": "text"}, {"text": 5}, {"text": None}])
def test_an_answer_of_another_shape(road: Any, server: Any, shouting: Shouting, body: Json, stream: bool) -> None:
    server.script(server.stream(server.event(body)) if stream else server.json(body))
    exception = failing(road.make(shouting), stream=stream)
    assert type(exception) is openai.APIResponseValidationError
    assert isinstance(exception.__cause__, LookupError | TypeError | AttributeError)


@pytest.mark.parametrize("stream", [False, True])
def test_a_decoder_may_report_an_error(road: Any, server: Any, shouting: Shouting, stream: bool) -> None:
    server.script(server.json({"full": True}))
    exception: Any = failing(road.make(shouting), stream=stream)
    assert (type(exception), exception.status_code) == (openai.InternalServerError, 503)


def test_a_request_that_the_translator_stumbles_over(road: Any, server: Any, shouting: Shouting, diary: Any) -> None:
    exception = failing(road.make(shouting), stream=False, messages=[{"role": "user"}])
    assert isinstance(exception, InvalidRequest)
    assert "'content' is missing" in str(exception)
    assert server.requests == []
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("policy", ["adapt", "ignore"])
def test_what_was_done_stands_in_the_answer(
    road: Any, server: Any, shouting: Shouting, policy: Any, stream: bool
) -> None:
    script = server.stream(server.event({"t": "a"}), server.event({"end": 1})) if stream else server.json({"text": "a"})
    server.script(script)
    road.make(shouting, on_unsupported=policy)
    if stream:
        found = list(road.items(road.stream(user="x")))[-1].choices[0].delta
    else:
        found = road.create(user="x").choices[0].message
    expected = {"adapted": {"stop": "shouted"}} if policy == "adapt" else {"dropped": ["stop"]}
    assert found.extra_content == {"dragoman": expected}


# Without a network.


def exchange_of(provider: Provider, **request: Any) -> Exchange:
    call = Call("p", "m", {"model": "m", "messages": MESSAGES, **request})
    return Exchange(Attempt(provider, call), Hooks(Plugins(path=[])))


def test_an_exchange_is_small() -> None:
    # From 30 attributes on, Python does not share their names among objects: a dict of 1 KiB for each.
    assert len(vars(exchange_of(Provider()))) < 30


def test_numbers_that_json_does_not_have_in_an_answer(road: Any, server: Any, provider: Provider) -> None:
    completion = copy.deepcopy(server.COMPLETION)
    completion["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": float("nan"), "top_logprobs": []}]}

    class Odd(Provider):
        def decode(self, call: Call, body: Json) -> Json:
            return dict(body)

    answer = server.json({})
    answer.body = json.dumps(completion).encode()
    server.script(answer)
    answer = road.make(Odd(name="here", base_url=server.url)).create()
    assert answer.choices[0].message.content == "Hello there"


def test_the_end_mark_may_have_a_blank_behind_it() -> None:
    exchange = exchange_of(Provider(), stream=True)
    exchange.open()
    exchange.begin(None)
    sent = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE] \n\n'
    assert len(list(exchange.feed(sent))) == 1
    assert exchange.done


@pytest.mark.parametrize("separator", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_bytes_pass_untouched_however_they_are_cut(server: Any, separator: bytes) -> None:
    whole = separator.join(
        line.rstrip() for line in (server.chunk("a"), b": ping", server.chunk("b", "stop"), b"data: [DONE]", b"")
    )
    for size in (1, 2, 3, 7, 1000):
        exchange = exchange_of(Provider(), stream=True)
        exchange.open()
        exchange.begin(None)
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        relayed = b"".join(part for piece in [*pieces, None] for part in exchange.relay(piece))
        assert relayed == whole
        exchange.completed()
        assert exchange.call.outcome == "complete"


def exchange_at(endpoint: str, content_type: str = "text/event-stream") -> Exchange:
    exchange = Exchange(
        Attempt(Provider(), Call("p", "m", {"model": "m", "messages": MESSAGES, "stream": True}, endpoint)),
        Hooks(Plugins(path=[])),
    )
    exchange.open()
    exchange.begin(Reply(200, {"content-type": content_type}))
    return exchange


BEGINNINGS = {
    "chat/completions": b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    "responses": b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"}\n\n',
    "messages": b'event: content_block_start\ndata: {"type":"content_block_start"}\n\n',
}


@pytest.mark.parametrize("half", [b'data: {"id":"chatcm', b"event: err", b'data: {"id": 1}\n', b"data: {}\r\n\r"])
@pytest.mark.parametrize("endpoint", BEGINNINGS)
def test_half_an_event_is_not_handed_on(endpoint: str, half: bytes) -> None:
    exchange = exchange_at(endpoint)
    # What is whole is handed on at once.
    assert list(exchange.relay(BEGINNINGS[endpoint])) == [BEGINNINGS[endpoint]]
    assert list(exchange.relay(half)) == []
    relayed: list[bytes] = []
    with pytest.raises(StreamCutError):
        relayed += exchange.relay(None)
    assert relayed == []


@pytest.mark.parametrize("endpoint", BEGINNINGS)
def test_an_event_is_handed_on_when_it_is_whole(endpoint: str) -> None:
    exchange, whole = exchange_at(endpoint), BEGINNINGS[endpoint]
    assert [list(exchange.relay(whole[place : place + 1])) for place in range(len(whole))][-2:] == [[], [whole]]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize("endpoint", BEGINNINGS)
def test_a_stream_that_is_labelled_json_passes_untouched(endpoint: str, size: int) -> None:
    exchange, whole = exchange_at(endpoint, "application/json"), b"\n" + BEGINNINGS[endpoint]
    relayed = [part for start in range(0, len(whole), size) for part in exchange.relay(whole[start : start + size])]
    assert b"".join(relayed) == whole
    assert exchange.untouched


def test_what_is_no_stream_of_events_is_not_held_back() -> None:
    exchange = exchange_at("audio/speech")
    assert list(exchange.relay(b"RIFF\0")) == [b"RIFF\0"]
    assert list(exchange.relay(None)) == []


def test_a_call_ends_once() -> None:
    exchange = exchange_of(Provider(), stream=True)
    exchange.abandoned()
    exchange.failed(ValueError("late"))
    assert exchange.call.outcome == "abandoned"


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (ImportError("No module named 'x'"), "needs a package that cannot be imported"),
        (RuntimeError("sk-secret"), "the call failed: RuntimeError"),
        (ConnectionRefusedError("refused"), "connection failed: refused"),
        (TimeoutError(), "timed out"),
    ],
)
def test_what_a_sender_may_raise(road: Any, exception: Exception, expected: str, diary: Any) -> None:
    def fail(*_: Any) -> Any:
        raise exception

    class Failing(Provider):
        def sender(self) -> Any:
            return function_sender(fail)

        async_sender = fail

    found = failing(road.make(Failing(name="here")), stream=False)
    assert isinstance(found, openai.OpenAIError)
    assert expected in str(found)
    assert "sk-secret" not in str(found)
    assert found.__cause__ is exception
    assert diary.outcomes == ["failed"]


def test_a_warning_made_an_error_stays_one(colour: Any) -> None:
    def fail(*_: Any) -> Any:
        message = "read this"
        raise UserWarning(message)

    class Failing(Provider):
        encode = fail

    with pytest.raises(UserWarning, match="read this"):
        colour.make(Failing(name="here")).create()
