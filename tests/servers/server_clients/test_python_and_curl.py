"""The `openai` and `anthropic` packages for Python, and curl, at the same server."""

from __future__ import annotations

import json
import shutil
import subprocess

import anthropic
import openai
import pytest

MODEL = "llamacpp/demo"
HI = [{"role": "user", "content": "Hi!"}]
#: The engine says the same each time.
SAME = {"model": MODEL, "max_tokens": 12, "seed": 1, "temperature": 0}


def test_the_openai_package(url: str) -> None:
    with openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        whole = client.chat.completions.create(messages=HI, **SAME)
        said = whole.choices[0].message.content
        chunks = [*client.chat.completions.create(messages=HI, stream=True, **SAME)]
        assert said
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == said
        with client.chat.completions.stream(messages=HI, **SAME) as stream:
            assert "".join(event.delta for event in stream if event.type == "content.delta") == said
        raw = client.chat.completions.with_raw_response.create(messages=HI, **SAME)
        assert raw.headers["x-request-id"].startswith("req_")
        assert any(model.id == MODEL for model in client.models.list())
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(messages=HI, model="nobody/model")
        assert caught.value.code == "model_not_found"


def test_the_anthropic_package(url: str) -> None:
    with anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="unused", max_retries=0) as client:
        asked = {"model": MODEL, "max_tokens": 12, "messages": HI}
        whole = client.messages.create(**asked)
        assert whole.content[0].text
        assert whole.usage.input_tokens > 0
        with client.messages.stream(**asked) as stream:
            said = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert said == final.content[0].text
        assert final.stop_reason == "max_tokens"
        with pytest.raises(anthropic.NotFoundError):
            client.messages.create(**{**asked, "model": "nobody/model"})


def test_curl(url: str) -> None:
    if (curl := shutil.which("curl")) is None:
        pytest.skip("curl is not installed")
    quiet = [curl, "--silent", "--show-error", "--no-buffer", "--noproxy", "*"]
    body = json.dumps({**SAME, "messages": HI, "stream": True})
    run = subprocess.run([*quiet, f"{url}/chat/completions", "--data", body], capture_output=True, check=True)  # noqa: S603 (curl, at our own server)
    assert run.stdout.endswith(b"data: [DONE]\n\n")
    listed = subprocess.run([*quiet, f"{url}/models/{MODEL}"], capture_output=True, check=True)  # noqa: S603 (as above)
    assert json.loads(listed.stdout)["id"] == MODEL
