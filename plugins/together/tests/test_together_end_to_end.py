"""What users see: the OpenAI client on one end, a loopback server in Together's place on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
import together

from dragoman.core import Client, Json
from dragoman.testing import Scripted
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


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    with Client(providers=[Together(api_key="k", base_url=server.url)], max_retries=0) as made:
        yield made


@pytest.mark.rule(219)
def test_the_timeout_of_the_client_is_the_sdks(server: Any) -> None:
    seen: list[Any] = []

    class Watched(together.Together):
        def post(self, path: str, **options: Any) -> Any:
            seen.append((path, options["options"]["timeout"]))
            return super().post(path, **options)

    server.script = [Scripted.json(ANSWER)]
    ready = Watched(api_key="k", base_url=server.url + "/v1")
    with Client(providers=[Together(client=ready)]) as client:
        client.chat.completions.create(model=MODEL, messages=HELLO)
        client.chat.completions.create(model=MODEL, messages=HELLO, timeout=3)
    default, own = [timeout for _, timeout in seen]
    assert getattr(default, "read", default) == openai.DEFAULT_TIMEOUT.read
    assert getattr(own, "read", own) == 3


@pytest.mark.rule(4, 210)
def test_a_text_completion(server: Any, client: Client) -> None:
    choice = {"text": " upon", "finish_reason": "eos", "seed": 4, "logprobs": None, "index": 0}
    server.script = [Scripted.json({**ANSWER, "object": "text.completion", "choices": [choice]})]
    answer = client.completions.create(model=MODEL, prompt="Once", stop="END")
    assert server.seen[-1].json == {"model": ANSWER["model"], "prompt": "Once", "stop": ["END"]}
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        " upon",
        "stop",
    )


def test_endpoints_that_pass_through(server: Any) -> None:
    with Client(default_provider="together", base_url=server.url, api_key="k", max_retries=0) as client:
        server.script = [
            Scripted.json({"id": "resp_1", "object": "response", "model": "m", "output": [], "created_at": 1})
        ]
        assert client.responses.create(model="m", input="Hi").id == "resp_1"
        assert (server.seen[-1].path, server.seen[-1].json) == ("/v1/responses", {"model": "m", "input": "Hi"})
        server.script = [Scripted.json({"text": "Good morning"})]
        heard = client.audio.transcriptions.create(model="openai/whisper-large-v3", file=("a.wav", b"RIFF"))
        assert heard.text == "Good morning"
    assert server.seen[-1].path == "/v1/audio/transcriptions"
    assert server.seen[-1].fields["content-type"].lower().startswith("multipart/form-data; boundary=")
    assert b"RIFF" in server.seen[-1].content
    assert b"openai/whisper-large-v3" in server.seen[-1].content


def test_images_are_not_openais(server: Any, client: Client) -> None:
    with pytest.raises(openai.NotFoundError, match="images"):
        client.images.generate(model="together/flux", prompt="a cat")
    assert server.seen == []
