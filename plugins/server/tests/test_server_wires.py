"""What a client is shown of its request on the provider's wire: who, what of it, and never a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server_lab import KEY, ask, events

from dragoman.core.errors import httpx
from dragoman.server.keys import Key, hash_key
from dragoman.server.settings import ServerSettings

WAIT = 60


def post(server: Any, body: Any, path: str = "chat/completions", **headers: str) -> Any:
    headers = {"x-dragoman-wire": "1", **headers}
    return httpx.post(f"{server.url}/{path}", json=body, headers=headers, timeout=WAIT, trust_env=False)


def wires(answer: Any) -> Any:
    """What is told in a whole answer, or in the first comment of a stream."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.json()["dragoman"]["wires"]
    first, _, _ = answer.text.partition("\n\n")
    return json.loads(first.removeprefix(": dragoman "))["wires"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_sees_what_was_sent(server: Any, provider: Any, stream: bool) -> None:
    answer = post(server, ask("text", stream=stream, n=1))
    (wire,) = wires(answer)
    assert wire["body"] == provider.seen[0].body
    assert (wire["provider"], wire["model"], wire["method"]) == ("openai", "text", "POST")
    assert wire["path"] == "/chat/completions"
    assert wire["bytes"] > 50
    assert KEY not in answer.text
    assert "authorization" not in answer.text.lower()


def test_a_comment_before_a_stream_is_all_that_is_added(server: Any) -> None:
    answer = post(server, ask("text", stream=True))
    assert answer.content.partition(b"\n\n")[2] == b"".join(events(usage=False))


def test_failures_show_it_too(server: Any) -> None:
    answer = post(server, ask("busy"))
    assert answer.status_code == 429
    assert [wire["model"] for wire in wires(answer)] == ["busy"]
    assert wires(post(server, ask("llamacpp/org/repo"))) == []


def test_each_attempt_is_shown_with_what_was_adapted_for_it(serve: Any, provider: Any) -> None:
    entries = [
        {"name": "m", "model": "anthropic/claude-sonnet-4-5", "base_url": provider.url, "on_unsupported": "ignore"},
        {"name": "m", "model": "text", "base_url": provider.url},
    ]
    for entry in entries:
        entry["api_key"] = KEY
    server = serve(client={"config_list": entries})
    with pytest.warns(UserWarning, match="going on with"):
        answer = post(server, ask("m", seed=1))
    first, second = wires(answer)
    assert (first["provider"], first["path"], first["dropped"]) == ("anthropic", "/v1/messages", ["seed"])
    assert (second["provider"], second["body"]["seed"]) == ("openai", 1)
    assert "dropped" not in second


def test_anthropics_clients_see_it_beside_their_answer(server: Any) -> None:
    answer = post(server, {**ask("text"), "max_tokens": 5}, "messages")
    assert answer.json()["type"] == "message"
    assert [wire["path"] for wire in wires(answer)] == ["/chat/completions"]


def test_who_does_not_ask_is_not_told(server: Any) -> None:
    answer = post(server, ask("text"), **{"x-dragoman-wire": "0"})
    assert "dragoman" not in answer.json()


@pytest.mark.parametrize(
    ("settings", "shows"),
    [
        ({}, True),
        ({"show_wire": False}, False),
        ({"keys": (Key("me", hash_key("k" * 40)),)}, False),
        ({"keys": (Key("me", hash_key("k" * 40)),), "show_wire": True}, True),
    ],
)
def test_the_settings_decide(serve: Any, settings: Any, shows: bool) -> None:
    assert ServerSettings(**settings).shows_wires is shows
    answer = post(serve(**settings), ask("text"), authorization=f"Bearer {'k' * 40}")
    assert ("dragoman" in answer.json()) is shows


def test_a_wider_address_shows_none() -> None:
    assert ServerSettings(host="0.0.0.0").shows_wires is False  # noqa: S104 (nobody listens)
    assert ServerSettings(host="0.0.0.0", show_wire=True).shows_wires is True  # noqa: S104 (as above)


def test_secrets_of_the_configuration_are_scrubbed(serve: Any, provider: Any) -> None:
    entry = {
        "model": "text",
        "base_url": provider.url,
        "api_key": KEY,
        "extra_body": {"api_key": "short", "also": f"it is {KEY}"},
    }
    server = serve(client={"config_list": [entry]})
    answer = post(server, ask("text"))
    assert provider.seen[0].body["also"] == f"it is {KEY}"
    assert KEY not in answer.text
    assert "short" not in answer.text


def test_long_strings_are_shortened_and_long_bodies_left_out(server: Any, provider: Any) -> None:
    url = "data:image/png;base64," + "A" * 100_000
    (wire,) = wires(post(server, ask("text", pad=url)))
    assert provider.seen[0].body["pad"] == url
    assert wire["body"]["pad"] == f"{url[:200]}… ({len(url)} characters)"
    assert wire["bytes"] > 100_000
    (wire,) = wires(post(server, ask("text", pad=["x" * 4000] * 100)))
    assert wire["body"] is None


def test_a_form_has_no_body_to_show(server: Any) -> None:
    url = f"{server.url}/audio/transcriptions"
    files = {"file": ("a.wav", b"\x00\x01", "audio/wav")}
    headers = {"x-dragoman-wire": "1"}
    answer = httpx.post(url, files=files, data={"model": "w"}, headers=headers, timeout=WAIT, trust_env=False)
    (wire,) = wires(answer)
    assert (wire["path"], wire["body"]) == ("/audio/transcriptions", None)
