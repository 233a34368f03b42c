"""What users see: the OpenAI client on one end, a loopback server in Together's place on the other."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
import together

from dragoman.core import AsyncClient, Client, Json, UnsupportedParameter
from dragoman.together import Together

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO: Any = [{"role": "user", "content": "Hello"}]
MODEL = "together/meta-llama/Llama-3.3-70B-Instruct-Turbo"
ANSWER: Json = {
    "id": "o1-abc",
    "object": "chat.completion",
    "created": 1751751109,
    "model": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "prompt": [],
    "choices": [
        {
            "finish_reason": "eos",
            "seed": 15092511270073158000,
            "logprobs": {"tokens": ["Hi", "!"], "token_logprobs": [-0.5, -0.25]},
            "index": 0,
            "message": {"role": "assistant", "content": "Hi!", "tool_calls": []},
        }
    ],
    "usage": {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13, "cached_tokens": 4},
}


def chunk(choice: Json | None, **more: Any) -> Json:
    head = {"id": "o1-abc", "object": "chat.completion.chunk", "created": 1751751109, "model": ANSWER["model"]}
    return {**head, "choices": [] if choice is None else [choice], **more}


def piece(text: str, reason: str | None = None, **more: Any) -> Json:
    delta = {"token_id": 5, "role": "assistant", "content": text, "tool_calls": None}
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason, "seed": None, "delta": delta, **more}


def stream(*chunks: Json) -> bytes:
    events = [json.dumps(one) for one in chunks]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()


STREAM = stream(
    chunk(piece("Hi", logprobs=-0.5)),
    chunk(piece("!", logprobs=-0.25)),
    chunk(piece("", "eos"), usage=ANSWER["usage"]),
)


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    with Client(providers=[Together(api_key="k", base_url=server.url)], max_retries=0) as made:
        yield made


def create_async(server: Any, **params: Any) -> Any:
    async def run() -> Any:
        provider = Together(api_key="k", base_url=server.url)
        async with AsyncClient(providers=[provider], max_retries=0) as client:
            answer: Any = await client.chat.completions.create(model=MODEL, messages=HELLO, **params)
            return [one async for one in answer] if params.get("stream") else answer

    return asyncio.run(run())


@pytest.mark.rule(209, 210, 217, 218)
def test_an_answer(server: Any, client: Client) -> None:
    server.answers(ANSWER, x_request_id="r-1")
    answer: Any = client.chat.completions.create(model=MODEL, messages=HELLO, logprobs=True)
    assert server.body == {"model": ANSWER["model"], "messages": HELLO, "logprobs": 1}
    assert (answer.id, answer.model, answer._request_id) == ("o1-abc", ANSWER["model"], "r-1")
    (choice,) = answer.choices
    assert (choice.message.content, choice.message.tool_calls, choice.finish_reason) == ("Hi!", None, "stop")
    assert [(entry.token, entry.logprob) for entry in choice.logprobs.content] == [("Hi", -0.5), ("!", -0.25)]
    assert (choice.seed, answer.prompt) == (15092511270073158000, [])
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert create_async(server, logprobs=True).to_dict() == answer.to_dict()
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, logprobs=True)
    assert raw.parse().to_dict() == answer.to_dict()


@pytest.mark.rule(9, 13, 14, 209, 210, 215)
def test_a_stream(server: Any, client: Client) -> None:
    server.answers(STREAM)
    params: Any = {"stream": True, "logprobs": True, "stream_options": {"include_usage": True}}
    chunks: list[Any] = list(client.chat.completions.create(model=MODEL, messages=HELLO, **params))
    deltas = [one.choices[0].delta.to_dict() for one in chunks if one.choices]
    assert [delta.get("role") for delta in deltas] == ["assistant", *[None] * (len(deltas) - 1)]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hi!"
    assert all("token_id" not in delta for delta in deltas)
    tokens = [entry for one in chunks for choice in one.choices if choice.logprobs for entry in choice.logprobs.content]
    assert [(entry.token, entry.logprob, entry.token_id) for entry in tokens] == [("Hi", -0.5, 5), ("!", -0.25, 5)]
    assert [choice.finish_reason for one in chunks for choice in one.choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.total_tokens, chunks[-1].usage.prompt_tokens_details.cached_tokens) == (13, 4)
    assert [one.to_dict() for one in create_async(server, **params)] == [one.to_dict() for one in chunks]
    unasked: Any = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert all(one.usage is None for one in unasked)


@pytest.mark.rule(215)
def test_a_warning_in_a_stream_stays(server: Any, client: Client) -> None:
    warnings = [{"message": "slow today"}]
    server.answers(stream(chunk(piece("Hi"), warnings=warnings), chunk(piece("", "stop"))))
    chunks: Any = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert [one.to_dict().get("warnings") for one in chunks] == [warnings, None]


@pytest.mark.rule(9, 215)
def test_a_token_without_text_opens_nothing(server: Any, client: Client) -> None:
    server.answers(stream(chunk(piece("")), chunk(piece("é")), chunk(piece("", "stop"))))
    chunks: Any = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert chunks[0].choices[0].delta.to_dict() == {"role": "assistant", "content": "é"}


@pytest.mark.rule(10, 11, 12, 216)
def test_tool_calls_in_a_stream(server: Any, client: Client) -> None:
    def call(index: float, name: str | None, text: str) -> Json:
        function = {"arguments": text, **({"name": name} if name else {})}
        one = {"index": index, "function": function, **({"id": f"c{index}", "type": "function"} if name else {})}
        return {"index": 0, "delta": {"role": "assistant", "content": None, "tool_calls": [one]}, "finish_reason": None}

    server.answers(
        stream(
            chunk(call(0.0, "look", "")),
            chunk(call(0.0, None, '{"a":')),
            chunk(call(0.0, None, "1}")),
            chunk(call(1.0, "read", "")),
            chunk(piece("", "tool_calls")),
        )
    )
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as events:
        answer: Any = events.get_final_completion()
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    found = [(one.id, one.function.name, one.function.arguments) for one in choice.message.tool_calls]
    assert found == [("c0.0", "look", '{"a":1}'), ("c1.0", "read", "{}")]


@pytest.mark.rule(15, 209)
def test_choices_are_kept_apart(server: Any, client: Client) -> None:
    chunks = [{**chunk(piece(text)), "choices": [{**piece(text), "index": index}]} for index, text in enumerate("ab")]
    ends = [{**chunk(None), "choices": [{**piece("", "stop"), "index": index}]} for index in (1, 0)]
    server.answers(stream(*chunks, *ends))
    with client.chat.completions.stream(model=MODEL, messages=HELLO, n=2) as events:
        answer: Any = events.get_final_completion()
    assert [choice.message.content for choice in answer.choices] == ["a", "b"]


@pytest.mark.rule(212)
def test_thoughts_come_and_go_back(server: Any, client: Client) -> None:
    thought = {"index": 0, "delta": {"role": "assistant", "content": "", "reasoning": "Hm."}, "finish_reason": None}
    server.answers(stream(chunk(thought), chunk(piece("Hi", "stop"))))
    chunks: Any = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert chunks[0].choices[0].delta.reasoning_content == "Hm."
    message = {"role": "assistant", "content": "Hi!", "reasoning": "Hm.", "tool_calls": []}
    server.answers({**ANSWER, "choices": [{**ANSWER["choices"][0], "message": message}]})
    answer: Any = client.chat.completions.create(model=MODEL, messages=HELLO, reasoning_effort="none")
    assert server.body["reasoning"] == {"enabled": False}
    assert answer.choices[0].message.reasoning_content == "Hm."
    history: Any = [*HELLO, answer.choices[0].message.to_dict(), *HELLO]
    client.chat.completions.create(model=MODEL, messages=history)
    sent = server.body["messages"][1]
    assert sent == {"role": "assistant", "content": "Hi!", "reasoning": "Hm.", "reasoning_content": "Hm."}


@pytest.mark.rule(112, 206)
def test_the_callers_own_words_go_out_as_they_are(server: Any, client: Client) -> None:
    server.answers(ANSWER)
    own = {"top_k": 5, "chat_template_kwargs": {"a": 1}, "reasoning_effort": "max"}
    client.chat.completions.create(
        model=MODEL, messages=HELLO, extra_body=own, extra_headers={"x-mine": "1"}, extra_query={"q": "2"}
    )
    assert server.body == {"model": ANSWER["model"], "messages": HELLO, **own}
    assert server.seen[-1]["headers"]["x-mine"] == "1"
    assert server.seen[-1]["path"] == "/v1/chat/completions?q=2"


@pytest.mark.rule(219)
def test_the_timeout_of_the_client_is_the_sdks(server: Any) -> None:
    seen: list[Any] = []

    class Watched(together.Together):
        def post(self, path: str, **options: Any) -> Any:
            seen.append((path, options["options"]["timeout"]))
            return super().post(path, **options)

    server.answers(ANSWER)
    ready = Watched(api_key="k", base_url=server.url + "/v1")
    with Client(providers=[Together(client=ready)]) as client:
        client.chat.completions.create(model=MODEL, messages=HELLO)
        client.chat.completions.create(model=MODEL, messages=HELLO, timeout=3)
    default, own = [timeout for _, timeout in seen]
    assert getattr(default, "read", default) == openai.DEFAULT_TIMEOUT.read
    assert getattr(own, "read", own) == 3


@pytest.mark.rule(219, 220)
@pytest.mark.parametrize(
    ("status", "kind", "codes"),
    [
        (400, openai.BadRequestError, (None, None)),
        (401, openai.AuthenticationError, ("invalid_api_key", "invalid_api_key")),
        (402, openai.APIStatusError, (None, None)),
        (404, openai.NotFoundError, ("model_not_available", "model_not_found")),
        (422, openai.UnprocessableEntityError, (None, None)),
        (429, openai.RateLimitError, (None, "rate_limit_exceeded")),
        (503, openai.InternalServerError, (None, None)),
        (529, openai.InternalServerError, ("overloaded", "overloaded")),
    ],
)
def test_a_failure(server: Any, client: Client, status: int, kind: type[Exception], codes: Any) -> None:
    code, named = codes
    error = {"message": "It did not work.", "type": "some_error", "param": None, "code": code}
    server.answers({"id": "r-1", "error": error}, status, x_request_id="r-1", x_ratelimit_reset="7")
    with pytest.raises(openai.APIStatusError, match="It did not work") as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO)
    assert type(caught.value) is kind
    assert (caught.value.status_code, caught.value.code, caught.value.request_id) == (status, named, "r-1")
    assert caught.value.body == {**error, "code": named}
    assert caught.value.response.headers["x-ratelimit-reset"] == "7"
    assert isinstance(caught.value.__cause__, together.APIStatusError)
    with pytest.raises(kind):
        create_async(server)


@pytest.mark.rule(17, 232)
def test_a_stream_that_fails_or_breaks(server: Any, client: Client) -> None:
    failed = {"error": {"message": "Too much.", "type": "server_error", "param": None, "code": None}}
    server.answers(stream(chunk(piece("Hi")), failed))
    with pytest.raises(openai.APIError, match="Too much") as caught:
        list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert not isinstance(caught.value, openai.APIConnectionError)
    server.answers(stream(chunk(piece("Hi"))).replace(b"data: [DONE]\n\n", b""))
    with pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))


@pytest.mark.rule(221)
def test_embeddings(server: Any, client: Client) -> None:
    vectors = [{"embedding": [0.5, -1.25], "index": 0, "object": "embedding"}]
    server.answers({"object": "list", "model": "m2", "data": vectors})
    answer = client.embeddings.create(model="together/m2", input="Hi")
    assert server.seen[-1]["path"] == "/v1/embeddings"
    assert server.body == {"model": "m2", "input": "Hi"}
    assert answer.data[0].embedding == [0.5, -1.25]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (0, 0)
    packed: Any = client.embeddings.create(model="together/m2", input="Hi", encoding_format="base64")
    assert packed.data[0].embedding == "AAAAPwAAoL8="
    plain = client.embeddings.create(model="together/m2", input="Hi", encoding_format="float")
    assert plain.data[0].embedding == [0.5, -1.25]
    with pytest.raises(UnsupportedParameter, match="dimensions"):
        client.embeddings.create(model="together/m2", input="Hi", dimensions=5)


@pytest.mark.rule(221)
def test_models(server: Any) -> None:
    server.answers([{"id": "meta-llama/Llama-3", "object": "model", "created": 5, "organization": "Meta"}])
    with Client(default_provider="together", base_url=server.url, api_key="k", max_retries=0) as client:
        found = {model.id: model for model in client.models.list()}
    assert server.seen[-1]["path"] == "/v1/models"
    (model,) = [model for name, model in found.items() if name.endswith("meta-llama/Llama-3")]
    assert (model.owned_by, model.object, model.created) == ("Meta", "model", 5)


@pytest.mark.rule(4, 210)
def test_a_text_completion(server: Any, client: Client) -> None:
    choice = {"text": " upon", "finish_reason": "eos", "seed": 4, "logprobs": None, "index": 0}
    server.answers({**ANSWER, "object": "text.completion", "choices": [choice]})
    answer = client.completions.create(model=MODEL, prompt="Once", stop="END")
    assert server.body == {"model": ANSWER["model"], "prompt": "Once", "stop": ["END"]}
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        " upon",
        "stop",
    )


def test_endpoints_that_pass_through(server: Any) -> None:
    with Client(default_provider="together", base_url=server.url, api_key="k", max_retries=0) as client:
        server.answers({"id": "resp_1", "object": "response", "model": "m", "output": [], "created_at": 1})
        assert client.responses.create(model="m", input="Hi").id == "resp_1"
        assert (server.seen[-1]["path"], server.body) == ("/v1/responses", {"model": "m", "input": "Hi"})
        server.answers({"text": "Good morning"})
        heard = client.audio.transcriptions.create(model="openai/whisper-large-v3", file=("a.wav", b"RIFF"))
        assert heard.text == "Good morning"
    assert server.seen[-1]["path"] == "/v1/audio/transcriptions"
    assert server.seen[-1]["headers"]["content-type"].lower().startswith("multipart/form-data; boundary=")
    assert b"RIFF" in server.seen[-1]["content"]
    assert b"openai/whisper-large-v3" in server.seen[-1]["content"]


def test_images_are_not_openais(server: Any, client: Client) -> None:
    with pytest.raises(openai.NotFoundError, match="images"):
        client.images.generate(model="together/flux", prompt="a cat")
    assert server.seen == []
