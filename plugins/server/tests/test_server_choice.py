"""Who answers and what is counted is said in one place: no other spelling of it gets past a key."""

from __future__ import annotations

from typing import Any

import pytest
from server_lab import KEY, ask

from dragoman.core.errors import httpx
from dragoman.server.keys import Key, hash_key
from dragoman.server.limits import Limits

WAIT = 60
SMALL, OTHER = "key-for-the-small-model", "key-for-all-models"
HEADERS = {"authorization": f"Bearer {SMALL}"}
REQUESTS = {
    "chat/completions": ask("openai/text"),
    "embeddings": {"model": "openai/text", "input": "x"},
    "responses": {"model": "openai/text", "input": "x"},
    "messages": {**ask("openai/text"), "max_tokens": 5},
    "messages (native)": {**ask("anthropic/text"), "max_tokens": 5},
    "messages/count_tokens": ask("anthropic/text"),
}


@pytest.fixture
def guarded(serve: Any, provider: Any) -> Any:
    """One key for one model of each provider, and one for all."""
    claude = {"model": "anthropic/text", "base_url": provider.url.removesuffix("/v1"), "api_key": KEY}
    small = Key("small", hash_key(SMALL), ("openai/text", "anthropic/text"))
    return serve(keys=(small, Key("all", hash_key(OTHER))), client={"config_list": [claude]})


def post(server: Any, endpoint: str, body: Any, **headers: str) -> Any:
    url = f"{server.url}/{endpoint.partition(' ')[0]}"
    return httpx.post(url, json=body, headers={**HEADERS, **headers}, timeout=WAIT, trust_env=False)


@pytest.mark.parametrize("endpoint", REQUESTS)
def test_extra_body_does_not_say_who_answers_or_what_is_counted(guarded: Any, provider: Any, endpoint: str) -> None:
    for extra in (
        {"model": "expensive"},
        {"stream": True},
        {"stream_options": {"include_usage": False}},
        {"extra_body": {"model": "expensive"}},
        # Go's JSON takes a name in letters of any case.
        {"Model": "expensive"},
        {"\u017ftream": True},
    ):
        for key in (SMALL, OTHER):
            body = {**REQUESTS[endpoint], "extra_body": extra}
            answer = post(guarded, endpoint, body, authorization=f"Bearer {key}")
            assert answer.status_code == 400
            assert f"{next(iter(extra))} cannot be said in extra_body" in answer.json()["error"]["message"]
    assert provider.seen == []


@pytest.mark.parametrize("endpoint", REQUESTS)
def test_names_are_not_said_in_other_letters(guarded: Any, provider: Any, endpoint: str) -> None:
    for name in ("Model", "STREAM", "Stream_Options", "\u017ftream", "Extra_Body"):
        assert post(guarded, endpoint, {**REQUESTS[endpoint], name: "expensive"}).status_code == 400
    assert provider.seen == []


@pytest.mark.parametrize("endpoint", REQUESTS)
def test_a_key_for_some_models_names_no_others_beside_its_own(guarded: Any, provider: Any, endpoint: str) -> None:
    beside: list[dict[str, Any]] = [
        {"models": ["expensive"]},
        {"fallbacks": [{"model": "expensive"}]},
        {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "expensive"}]},
    ]
    for more in (*beside, *({"extra_body": one} for one in beside)):
        answer = post(guarded, endpoint, {**REQUESTS[endpoint], **more, "dragoman": {"on_unsupported": "ignore"}})
        if endpoint == "messages" and more.keys() & {"fallbacks", "tools"}:
            # It is left out of the translation.
            assert answer.status_code == 200
        else:
            assert answer.status_code == 403
            assert answer.json()["error"].get("code") == "model_not_allowed"
    assert "expensive" not in str([seen.body for seen in provider.seen])


def test_what_is_the_vendors_own_still_goes_to_it(guarded: Any, provider: Any) -> None:
    more: dict[str, Any] = {"own": 1, "extra_body": {"top_k": 3}}
    more["tools"] = [{"type": "function", "function": {"name": "f"}}]
    assert post(guarded, "chat/completions", {**ask("openai/text"), **more}).status_code == 200
    assert provider.seen[0].body | {"own": 1, "top_k": 3, "model": "text"} == provider.seen[0].body
    others = {"models": ["a", "b"]}
    answer = post(guarded, "chat/completions", {**ask("text"), **others}, authorization=f"Bearer {OTHER}")
    assert answer.status_code == 200
    assert provider.seen[1].body["models"] == ["a", "b"]


def test_a_model_is_the_same_with_its_providers_name_and_without(serve: Any, provider: Any) -> None:
    entry = {"name": "entry", "model": "openai/dear", "base_url": provider.url, "api_key": KEY}
    limits = {"openai/*": Limits(requests_per_minute=2), "e5": Limits(requests_per_minute=1)}
    keys = (
        Key("small", hash_key(SMALL), ("openai/text", "e?", "entry")),
        Key("all", hash_key(OTHER)),
    )
    server = serve(keys=keys, limits=limits, client={"config_list": [entry], "aliases": {"alias": "text"}})

    def status(model: str, key: str) -> int:
        return int(post(server, "chat/completions", ask(model), authorization=f"Bearer {key}").status_code)

    # The default provider's name may be left out; that of an entry stands for the entry alone.
    refused = ("openai/entry", "dear", "openai/dear", "nobody/text", "vllm/openai/text", "openai/openai/text")
    assert [status(model, SMALL) for model in refused] == [403] * len(refused)
    assert provider.seen == []
    assert [status(model, SMALL) for model in ("text", "openai:text", "alias")] == [200, 200, 429]
    assert [status(model, OTHER) for model in ("text", "openai/text", "alias")] == [429] * 3
    assert status("entry", SMALL) == 200
    one = serve(keys=keys, limits={"e5": Limits(requests_per_minute=1)})
    answers = [post(one, "chat/completions", ask(model)).status_code for model in ("openai/e5", "e5", "openai:e5")]
    assert answers == [200, 429, 429]
