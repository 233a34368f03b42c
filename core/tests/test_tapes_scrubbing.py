"""No secret on a tape, wherever it stood; and what was scrubbed is told by name, and matches anything again."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import openai
import pytest

from dragoman.core import Client, Json, Provider, Recorder, TapeError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Loopback

#: With what JSON and addresses write in another way.
KEY = 'qkey/7 "é+x9-of-nobody'
PLAIN = "plainkey-0123456789"
VARIABLE = "from-the-environment-42"
COOKIE, HEADER, QUERY, FIELD, OWN = (
    "cookie-11223344",
    "header-55667788",
    "query-99001122",
    "field-33445566",
    "tenant-77",
)
SECRETS = (KEY, PLAIN, VARIABLE, COOKIE, HEADER, QUERY, FIELD, OWN)


def leaks(folder: Path) -> list[str]:
    """Which secrets stand in the files, in whatever form."""
    found = []
    for path in folder.rglob("*"):
        text = f"{path.name}\n{path.read_text('utf-8')}"
        for secret in SECRETS:
            forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), secret.replace('"', '\\"')}
            forms |= {json.dumps(form)[1:-1] for form in forms}
            forms.add(base64.b64encode(secret.encode()).decode().rstrip("="))
            found += [f"{path.name}: {secret}" for form in forms if form in text]
    return found


def tape_of(folder: Path) -> Json:
    (path,) = folder.glob("*.json")
    tape: Json = json.loads(path.read_text("utf-8"))
    return tape


def client_of(server: Loopback, folder: Path, **options: Any) -> Client:
    provider = Provider(name="here", base_url=server.url, api_key=PLAIN)
    options = {"record": Recorder(folder, scrub=["X-Tenant", "pet_name"]), **options}
    return Client(default_provider="here", providers=[provider], max_retries=0, **options)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", VARIABLE)
    monkeypatch.setenv("ODD_SECRET", KEY)
    return tmp_path / "tapes"


def test_planted_in_every_place(server: Loopback, folder: Path) -> None:
    echo = {
        **server.COMPLETION,
        "echo": [KEY, PLAIN, VARIABLE, HEADER, QUERY, FIELD, OWN],
        "access_token": "issued-01234567",
        "pet_name": OWN,
    }
    told = {"set-cookie": f"s={COOKIE}", "location": f"https://x.example/?k={PLAIN}", "x-request-id": f"r-{VARIABLE}"}
    server.script(server.json(echo, **{name.replace("-", "_"): value for name, value in told.items()}))
    messages: Any = [{"role": "user", "content": f"my token is {VARIABLE}, my key {PLAIN}; {OWN}"}]
    with client_of(server, folder) as client:
        client.chat.completions.create(
            model="m1",
            messages=messages,
            extra_headers={"X-Service-Key": HEADER, "cookie": f"c={COOKIE}", "X-Tenant": OWN, "X-Plain": "shown"},
            extra_query={"signature": QUERY, "api-version": "3"},
            extra_body={"password": FIELD, "nested": [{"pet_name": OWN, "kept": KEY + PLAIN}], "max_tokens": 5},
        )
    assert leaks(folder) == []
    tape = tape_of(folder)
    assert tape["wire"]["headers"]["X-Plain"] == "shown"
    assert tape["wire"]["query"] == {"signature": "[scrubbed: signature]", "api-version": "3"}
    assert tape["wire"]["body"]["max_tokens"] == 5
    assert tape["reply"]["body"]["access_token"] == "[scrubbed: access_token]"
    assert set(tape["reply"]["headers"]) == {"content-type", "location", "x-request-id"}
    assert set(tape["scrubbed"]["wire.headers"]) == {"x-service-key", "cookie", "x-tenant"}
    assert "SOME_SERVICE_TOKEN" in tape["scrubbed"]["wire.body"]
    assert {"SOME_SERVICE_TOKEN", "api_key", "header x-service-key"} <= set(tape["scrubbed"]["reply.body"])


def test_the_key_of_a_call(server: Loopback, folder: Path) -> None:
    server.script(server.error(401, f"Incorrect API key provided: {FIELD}."))
    with client_of(server, folder) as client, pytest.raises(openai.AuthenticationError):
        client.with_options(api_key=FIELD).chat.completions.create(model="m1", messages=[])
    assert leaks(folder) == []
    assert tape_of(folder)["reply"]["body"]["error"]["message"] == "Incorrect API key provided: [scrubbed: api_key]."


def test_what_an_sdk_found_by_itself(server: Loopback, folder: Path) -> None:
    """Only the SDK knows the key; the request that it sent shows it."""
    server.script(server.json({**server.COMPLETION, "echo": HEADER}))
    ready = openai.OpenAI(
        base_url=server.url, api_key="unused-0000", default_headers={"Authorization": f"Bearer {HEADER}"}
    )
    provider = Provider(name="here", client=ready)
    with Client(providers=[provider], default_provider="here", record=Recorder(folder)) as client:
        client.chat.completions.create(model="m1", messages=[])
    assert leaks(folder) == []


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_secret_cut_into_pieces(server: Loopback, folder: Path, size: int) -> None:
    body = server.chunk(f"é {KEY} and {PLAIN}!") + server.chunk(None, "stop") + server.event("[DONE]")
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    server.script(server.stream(*pieces))
    with client_of(server, folder) as client:
        for _ in client.chat.completions.create(
            model="m1", messages=[], stream=True, extra_headers={"X-Service-Key": "quiet-00112233"}
        ):
            pass
    text = "".join(part for _, *parts in tape_of(folder)["reply"]["pieces"] for part in parts)
    assert PLAIN not in text
    assert "and [scrubbed: api_key]!" in text
    # A stream that was scrubbed is still one that can be read.
    with Client(default_provider="here", providers=[Provider(name="here")], replay=folder) as client:
        chunks = list(client.chat.completions.create(model="m1", messages=[], stream=True))
    assert chunks[0].choices[0].delta.content == "é [scrubbed: ODD_SECRET] and [scrubbed: api_key]!"


def test_keys_that_nobody_knows_of(server: Loopback, folder: Path) -> None:
    shapes = [
        "sk-proj-****************abcd",
        "hf_" + "a1" * 12,
        "org-" + "b2" * 10,
        "eyJ" + "x" * 20 + ".eyJ" + "y" * 20,
    ]
    server.script(server.error(403, f"not {' or '.join(shapes)}, task-management-of-everyone"))
    with client_of(server, folder) as client, pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="m1", messages=[])
    said = tape_of(folder)["reply"]["body"]["error"]["message"]
    mark = "[scrubbed: something like a key]"
    assert said == f"not {mark} or {mark} or {mark} or {mark}, task-management-of-everyone"


def test_a_file_that_is_no_text(server: Loopback, folder: Path) -> None:
    server.script(server.json({"text": "x"}), path="/audio/transcriptions")
    with client_of(server, folder) as client:
        client.audio.transcriptions.create(model="w", file=("a.wav", b"\xff\xfe" + PLAIN.encode() + b"\xff"))
    content = base64.b64decode(tape_of(folder)["wire"]["base64"])
    assert PLAIN.encode() not in content
    assert b"\xff\xfe[scrubbed: api_key]\xff" in content


def test_a_failure_without_an_answer(server: Loopback, folder: Path) -> None:
    class Quoting(Provider):
        def sender(self) -> Any:
            from dragoman.core import function_sender

            def answer(*_: Any) -> Json:
                msg = f"no way to {PLAIN}"
                raise ConnectionError(msg)

            return function_sender(answer)

    provider = Quoting(name="here", api_key=PLAIN)
    with (
        Client(providers=[provider], default_provider="here", record=Recorder(folder)) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(model="m1", messages=[])
    assert leaks(folder) == []


def test_what_was_scrubbed_fits_anything(server: Loopback, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(client: Client, word: str, rest: str = "please") -> Any:
        messages: Any = [{"role": "user", "content": f"use {word}, {rest}"}]
        return client.chat.completions.create(model="m1", messages=messages, extra_query={"sig": word})

    with client_of(server, folder) as client:
        ask(client, VARIABLE)
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "another-one-0000")
    with client_of(server, folder, record=None, replay=folder) as client:
        assert ask(client, "another-one-0000").id == "chatcmpl-1"
        assert ask(client, "nothing\nof the kind").id == "chatcmpl-1"
        with pytest.raises(TapeError) as caught:
            ask(client, "another-one-0000", "now")
    assert "another-one" not in str(caught.value)
    assert '+body.messages[0].content = "use [scrubbed: SOME_SERVICE_TOKEN], now"' in str(caught.value)


def test_short_values_are_words(server: Loopback, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR_KEY", "open")
    provider = Provider(name="here", base_url=server.url, api_key="none")
    with Client(default_provider="here", providers=[provider], record=Recorder(folder)) as client:
        client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "none is open"}])
    tape = tape_of(folder)
    assert tape["wire"]["body"]["messages"][0]["content"] == "none is open"
    assert "scrubbed" not in tape
