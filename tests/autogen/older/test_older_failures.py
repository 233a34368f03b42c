"""What goes wrong at one entry, and what AutoGen then does with the others."""

from __future__ import annotations

import threading
import time
from typing import Any

import openai
import pytest

from dragoman.autogen import DragomanModelClient, install, wire

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")

HI = [{"role": "user", "content": "Hi"}]


def ask(config_list: Any, **more: Any) -> Any:
    return autogen.OpenAIWrapper(config_list=config_list, cache_seed=None).create(messages=HI, **more)


def text(answer: Any) -> str:
    return str(answer.choices[0].message.content)


@pytest.mark.scenario(13)
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_status_lets_the_next_entry_answer(status: int, start: Any, said: Any, is_classic: bool) -> None:
    broken, healthy = start("vllm", said("no", status=status)), start("vllm", said("here"))
    answer = ask(wire([broken.entry(), healthy.entry()]))
    assert text(answer) == "here"
    assert is_classic or answer.config_id == 1
    assert (len(broken.bodies), len(healthy.bodies)) == (1, 1)


@pytest.mark.scenario(13)
@pytest.mark.parametrize("trouble", ["refused", "timeout"])
def test_no_answer_lets_the_next_entry_answer(trouble: str, start: Any, said: Any, raw: Any) -> None:
    never = threading.Event()
    slow, healthy = start("vllm", raw(wait=never)), start("vllm", said("here"))
    entries = {
        "refused": {**slow.entry(), "base_url": "http://127.0.0.1:9/v1"},
        "timeout": slow.entry(timeout=0.3),
    }
    assert text(ask(wire([entries[trouble], healthy.entry()]))) == "here"
    never.set()


@pytest.mark.scenario(14)
@pytest.mark.parametrize("way", ["wired", "registered", "installed"])
@pytest.mark.parametrize("status", [429, 500, 529])
@pytest.mark.parametrize("name", ["anthropic", "mistralai", "together", "ollama"])
def test_every_providers_failures_let_the_next_entry_answer(
    name: str, status: int, way: str, start: Any, said: Any
) -> None:
    broken, healthy = start(name, said("busy", status=status)), start("vllm", said("here"))
    first = broken.entry()
    if way == "installed":
        install()
        api_type = {"mistralai": "mistral"}.get(name, name)
        first = {**first, "api_type": api_type, "model": first["model"].partition("/")[2]}
    if way == "registered":
        first["model_client_cls"] = "DragomanModelClient"
    config_list = [*(wire([first]) if way == "wired" else [first]), *wire([healthy.entry()])]
    wrapper = autogen.OpenAIWrapper(config_list=config_list, cache_seed=None)
    if way == "registered":
        wrapper.register_model_client(DragomanModelClient)
    assert text(wrapper.create(messages=HI)) == "here"
    assert len(broken.bodies) == 1


@pytest.mark.scenario(14)
@pytest.mark.parametrize("name", ["anthropic", "mistralai", "together", "ollama"])
def test_every_providers_silence_lets_the_next_entry_answer(name: str, start: Any, said: Any, raw: Any) -> None:
    never = threading.Event()
    slow, healthy = start(name, raw(wait=never)), start("vllm", said("here"))
    assert text(ask(wire([slow.entry(timeout=0.3), healthy.entry()]))) == "here"
    never.set()


@pytest.mark.scenario(15)
def test_a_content_filter_is_final(start: Any, said: Any, raw: Any) -> None:
    error = {"error": {"message": "no", "type": "t", "param": None, "code": "content_filter"}}
    broken, healthy = start("vllm", raw(400, error)), start("vllm", said("here"))
    with pytest.raises(openai.BadRequestError) as caught:
        ask(wire([broken.entry(), healthy.entry()]))
    assert caught.value.code == "content_filter"
    assert healthy.bodies == []


@pytest.mark.scenario(16)
@pytest.mark.parametrize("name", ["anthropic", "vllm"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_page_of_html(name: str, stream: bool, start: Any, said: Any, raw: Any) -> None:
    page = raw(200, b"<html>Sign in</html>", {"content-type": "text/html"})
    broken, healthy = start(name, page), start("vllm", said("here"))
    assert text(ask(wire([broken.entry(stream=stream), healthy.entry()]))) == "here"


@pytest.mark.scenario(17)
def test_the_last_entry_times_out(start: Any, raw: Any) -> None:
    never = threading.Event()
    slow = start("vllm", raw(wait=never))
    with pytest.raises(TimeoutError, match="timed out"):
        ask(wire([slow.entry(timeout=0.3)]))
    never.set()


@pytest.mark.scenario(18)
@pytest.mark.parametrize("name", ["anthropic", "vllm", "together"])
def test_retry_after_is_waited_for_once(name: str, start: Any, said: Any, raw: Any) -> None:
    busy = raw(429, {"error": {"message": "slow down"}}, {"retry-after": "1", "content-type": "application/json"})
    vendor = start(name, busy, said("here"))
    begun = time.monotonic()
    assert text(ask(wire([vendor.entry(max_retries=1)]))) == "here"
    assert len(vendor.bodies) == 2
    assert time.monotonic() - begun >= 0.9
    # The openai package's client, which AutoGen makes, does not retry once more.
    again = start(name, busy)
    with pytest.raises(openai.RateLimitError):
        ask(wire([again.entry(max_retries=1)]))
    assert len(again.bodies) == 2


@pytest.mark.scenario(54)
@pytest.mark.parametrize("way", ["wired", "installed"])
def test_a_missing_plugin_hurts_its_own_entry_only(
    way: str, start: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.core import plugins

    healthy = start("vllm", said("here"))
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "no:anthropic")
    monkeypatch.setattr(plugins, "_installed", plugins.Plugins())
    missing = {"model": "claude-sonnet-4-5", "api_type": "anthropic", "api_key": "k"}
    if way == "installed":
        install()
        config_list = [missing, *wire([healthy.entry()])]
    else:
        config_list = wire([missing, healthy.entry()])
    assert text(ask(config_list)) == "here"
    with pytest.raises(openai.APIError, match="anthropic"):
        ask(config_list[:1])


@pytest.mark.scenario(54)
def test_a_missing_key_is_named(start: Any, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    keyless = {"model": "anthropic/claude-sonnet-4-5"}
    with pytest.raises(openai.AuthenticationError, match="ANTHROPIC_API_KEY"):
        ask(wire([keyless]))
    assert text(ask(wire([keyless, start("vllm", said("here")).entry()]))) == "here"
