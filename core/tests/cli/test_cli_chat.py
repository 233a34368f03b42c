from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.plugins import plugins


@pytest.fixture
def chat(run: Any, server: Any) -> Any:
    def chat(*args: str, model: str = "small", **more: Any) -> Any:
        return run("chat", "-m", model, "--base-url", server.url, *args, **more)

    return chat


def asked(server: Any, index: int = -1) -> Any:
    return server.requests[index]["messages"][-1]["content"]


def test_a_prompt_is_answered(chat: Any, server: Any) -> None:
    result = chat("hello")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "You said: hello \n", "")
    assert server.requests == [
        {"model": "small", "messages": [{"role": "user", "content": "hello"}], "stream": True},
    ]


@pytest.mark.parametrize(
    ("args", "piped", "prompt"),
    [
        ((), "from a pipe\n", "from a pipe"),
        (("Summarise:",), "first\nsecond\n", "Summarise:\n\nfirst\nsecond"),
        (("alone",), "", "alone"),
        ((), "\ufeff\r\n  indented\n", "  indented"),
    ],
)
def test_piped_text(chat: Any, server: Any, args: tuple[str, ...], piped: str, prompt: str) -> None:
    assert chat(*args, input=piped.encode()).exit_code == 0
    assert asked(server) == prompt


@pytest.mark.skipif("openai" not in plugins().providers(), reason="the plugin openai is not installed")
@pytest.mark.parametrize("command", [("chat", "-m", "small", "hi"), ("check", "small")])
def test_a_model_without_a_provider(run: Any, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("DRAGOMAN_OFFLINE")
    remark = "('small' names no provider, so the default one, openai, was asked; models are provider/model)"
    result = run(*command)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"set OPENAI_API_KEY or pass api_key= {remark}\n" in result.stderr
    told = run(*(f"openai/{word}" if word == "small" else word for word in command)).stderr
    assert "names no provider" not in told


def test_an_address_may_lack_its_scheme(run: Any, server: Any) -> None:
    address = server.url.removeprefix("http://")
    assert run("chat", "-m", "small", "--base-url", address, "hi").exit_code == 0
    result = run("chat", "-m", "small", "--base-url", "nowhere", "hi")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--base-url nowhere: an address begins with http:// or https://, or is HOST:PORT" in result.stderr


@pytest.mark.parametrize("piped", [b"", b" \n", b"\xff\xfe"])
def test_no_prompt_at_all(chat: Any, server: Any, piped: bytes) -> None:
    result = chat(input=piped)
    assert (result.exit_code, server.requests) == (2, [])
    assert "nothing is piped in" in result.stderr or "not UTF-8" in result.stderr


def test_instructions(chat: Any, server: Any) -> None:
    chat("hello", "-s", "be brief")
    assert server.requests[0]["messages"][0] == {"role": "system", "content": "be brief"}


def test_options_are_parameters_or_the_vendors_own(chat: Any, server: Any) -> None:
    options = {
        "temperature": "0.5",
        "max_tokens": "7",
        "stop": '["a", "b"]',
        "user": "me=you",
        "top_k": "40",
        "guided": '{"regex": "x"}',
        "label": "NaN",
        "seed": "",
    }
    assert chat("hello", *[f"-o{name}={value}" for name, value in options.items()]).exit_code == 0
    sent = {name: value for name, value in server.requests[0].items() if name in options}
    assert sent == {
        "temperature": 0.5,
        "max_tokens": 7,
        "stop": ["a", "b"],
        "user": "me=you",
        "top_k": 40,
        "guided": {"regex": "x"},
        "label": "NaN",
        "seed": "",
    }


@pytest.mark.parametrize("option", ["temperature", "=1", "model=x", "messages=[]", "stream=true"])
def test_options_that_are_none(chat: Any, server: Any, option: str) -> None:
    result = chat("hello", "-o", option)
    assert (result.exit_code, server.requests) == (2, [])
    assert result.stderr.startswith("dragoman: -o ")


def test_json_is_the_whole_completion(chat: Any, server: Any) -> None:
    result = chat("hello", "--json")
    completion = json.loads(result.stdout)
    assert completion["object"] == "chat.completion"
    assert completion["choices"][0]["message"]["content"] == "You said: hello"
    assert "stream" not in server.requests[0]


def test_json_of_a_conversation_with_tools_is_its_last_completion(chat: Any) -> None:
    Path("sums.py").write_text("def add(a: int, b: int) -> int:\n    return a + b\n")
    result = chat("2 + 3?", "--json", "--tool", "sums:add", model="tool")
    assert json.loads(result.stdout)["choices"][0]["message"]["content"] == "You said: 5"


def test_no_stream(chat: Any, server: Any) -> None:
    result = chat("hello", "--no-stream")
    assert result.stdout == "You said: hello\n"
    assert "stream" not in server.requests[0]


def test_a_tool(chat: Any, server: Any) -> None:
    Path("sums2.py").write_text('def add(a: int, b: int) -> int:\n    "Add up."\n    return a + b\n')
    result = chat("2 + 3?", "--tool", "sums2:add", model="tool")
    assert result.stdout == "You said: 5 \n"
    assert result.stderr == '→ add({"a": 2, "b": 3})\n← 5\n'
    tools = server.requests[0]["tools"]
    assert [tool["function"]["name"] for tool in tools] == ["add"]
    assert tools[0]["function"]["description"] == "Add up."
    assert chat("x", "--tool", "sums2:subtract", model="tool").exit_code == 2


def test_too_many_rounds(chat: Any, server: Any) -> None:
    Path("sums3.py").write_text("def add(a: int, b: int) -> int:\n    return a + b\n")
    result = chat("2 + 3?", "--tool", "sums3:add", "--max-rounds", "2", model="loop")
    assert (result.exit_code, len(server.requests)) == (5, 3)
    assert result.stderr.endswith("dragoman: the model still calls tools after 2 rounds; --max-rounds allows more\n")


def test_images_and_files(chat: Any, server: Any) -> None:
    Path("cat.png").write_bytes(b"png")
    Path("notes.pdf").write_bytes(b"pdf")
    args = ("--image", "cat.png", "--image", "https://example.com/x", "--file", "notes.pdf")
    assert chat("what is this?", *args).exit_code == 0
    assert asked(server) == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/x"}},
        {"type": "file", "file": {"filename": "notes.pdf", "file_data": "data:application/pdf;base64,cGRm"}},
        {"type": "text", "text": "what is this?"},
    ]
    assert chat("what is this?", "--image", "dog.png").exit_code == 2


@pytest.mark.parametrize(("status", "code"), [(400, 5), (401, 3), (403, 3), (404, 5), (429, 4), (500, 5)])
def test_failures_have_exit_codes(chat: Any, status: int, code: int) -> None:
    for args in ((), ("--no-stream",)):
        result = chat("hello", *args, model=f"status-{status}")
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr == f"dragoman: no: Bearer [OPENAI_API_KEY] (HTTP {status}, request req_1)\n"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("-m", "nowhere/model"), 2, "no installed plugin offers the provider 'nowhere'"),
        (("-m", "small", "--base-url", "http://127.0.0.1:1/v1", "-o", "timeout=5"), 5, "onnection refused"),
        (("-m", "openai/gpt-5"), 5, "DRAGOMAN_OFFLINE"),
    ],
)
def test_failures_without_an_answer(run: Any, args: tuple[str, ...], code: int, words: str) -> None:
    result = run("chat", "hello", *args)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1), result.output
    assert words in result.stderr


def test_a_missing_key(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    # What is offline does not come so far; without a key nothing is sent anyway.
    monkeypatch.delenv("DRAGOMAN_OFFLINE")
    result = run("chat", "hello", "-m", "openai/gpt-5")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "OPENAI_API_KEY" in result.stderr


def test_the_base_url_is_the_named_providers(run: Any, server: Any) -> None:
    assert run("chat", "hi", "-m", "openai/small", "--base-url", server.url).exit_code == 0
    assert run("chat", "hi", "-m", "meta-llama/small", "--base-url", server.url).exit_code == 0
    assert [request["model"] for request in server.requests] == ["small", "meta-llama/small"]


def test_json_needs_a_prompt(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    result = run("chat", "-m", "small", "--json")
    assert (result.exit_code, "--json needs a prompt" in result.stderr) == (2, True)


def test_on_unsupported_reaches_the_client(run: Any) -> None:
    result = run("chat", "hi", "-m", "small", "--on-unsupported", "never")
    assert result.exit_code == 2
