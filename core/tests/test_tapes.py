"""Record and replay over every road: what was recorded is what comes again, and nothing is sent for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import (
    AsyncClient,
    Client,
    ConfigError,
    Json,
    Provider,
    Recorder,
    Replayer,
    TapeError,
    VendorError,
    async_function_sender,
    function_sender,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Loopback, Road

    from dragoman.core import AsyncSender, Call, Sender, Wire

NOWHERE = "http://127.0.0.1:9/v1"
ASKED: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tapes"


@pytest.fixture
def absent() -> Provider:
    """The provider of the tapes, without a key, and where nobody listens."""
    return Provider(name="here", base_url=NOWHERE)


def tapes_in(folder: Path) -> list[Json]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]


def only_tape(folder: Path) -> Json:
    (tape,) = tapes_in(folder)
    return tape


def recording(provider: Provider, folder: Path, **options: Any) -> Client:
    options = {"default_provider": provider.name, "max_retries": 0, **options}
    return Client(providers=[provider], record=Recorder(folder), **options)


def replaying(provider: Provider, replay: Any, **options: Any) -> Client:
    return Client(default_provider=provider.name, providers=[provider], replay=replay, **options)


def say(client: Client, text: str = "Hi", **more: Any) -> Any:
    return client.chat.completions.create(model="m1", messages=[{"role": "user", "content": text}], **more)


def test_answers_and_streams_over_every_road(
    road: Road, server: Loopback, provider: Provider, absent: Provider, folder: Path
) -> None:
    road.make(provider, record=Recorder(folder))
    answer, text = road.create(), road.text(road.stream())
    sent = len(server.requests)
    road.make(absent, replay=folder)
    assert road.create() == answer
    assert road.text(road.stream()) == text == "Hello there"
    assert len(server.requests) == sent == 2
    whole, streamed = sorted(tapes_in(folder), key=lambda tape: "pieces" in tape["reply"])
    assert whole["wire"] == {"method": "POST", "path": "/chat/completions", "body": {"messages": ASKED, "model": "m1"}}
    assert whole["reply"]["body"] == server.COMPLETION
    assert whole["reply"]["headers"] == {"content-type": "application/json", "x-request-id": "req-1"}
    times = [ms for ms, *_ in streamed["reply"]["pieces"]]
    assert times == sorted(times)
    assert "end" not in streamed["reply"]


@pytest.mark.parametrize("key", ["", "sk-here-1111"], ids=["plain", "scrubbed"])
def test_half_a_character_comes_again(
    road: Road, server: Loopback, provider: Provider, absent: Provider, folder: Path, key: str
) -> None:
    """Models cut an emoji at max_tokens; JSON can say what is left, and UTF-8 cannot."""
    choice = {**server.COMPLETION["choices"][0], "message": {"role": "assistant", "content": f"cut \ud83d {key}"}}
    server.script(server.json({**server.COMPLETION, "api_key": key, "choices": [choice]}))
    road.make(provider, record=Recorder(folder))
    assert "cut \ud83d" in road.create().choices[0].message.content
    road.make(absent, replay=folder)
    assert "cut \ud83d" in road.create().choices[0].message.content


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_failures_in_the_vendors_words(
    road: Road, server: Loopback, provider: Provider, absent: Provider, folder: Path, status: int
) -> None:
    server.script(server.error(status, "no such luck", x_request_id="req-9", retry_after="7"))
    road.make(provider, record=Recorder(folder))
    with pytest.raises(openai.APIStatusError) as recorded:
        road.create()
    road.make(absent, replay=folder)
    with pytest.raises(type(recorded.value)) as replayed:
        road.create()
    assert str(replayed.value) == str(recorded.value)
    assert replayed.value.status_code == status
    assert replayed.value.request_id == "req-9"
    assert replayed.value.response.headers["retry-after"] == "7"


def test_raw_responses_parsed_answers_and_stream_helpers(
    server: Loopback, provider: Provider, absent: Provider, folder: Path
) -> None:
    def use(client: Client) -> list[Any]:
        raw = client.chat.completions.with_raw_response.create(model="m1", messages=ASKED)
        parsed = client.chat.completions.parse(model="m1", messages=ASKED)
        with client.chat.completions.stream(model="m1", messages=ASKED) as stream:
            events = [event.type for event in stream]
            final = stream.get_final_completion()
        streaming = client.chat.completions.with_streaming_response.create
        with streaming(model="m1", messages=ASKED, stream=True) as response:
            lines = list(response.iter_lines())
        return [raw.headers["x-request-id"], raw.parse(), parsed, events, final, lines]

    with recording(provider, folder) as client:
        first = use(client)
    sent = len(server.requests)
    with replaying(absent, folder) as client:
        assert use(client) == first
    assert len(server.requests) == sent == 4


def test_other_endpoints(server: Loopback, provider: Provider, absent: Provider, folder: Path) -> None:
    vector = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 1.0]}]}
    server.script(server.json({**vector, "usage": {"prompt_tokens": 1, "total_tokens": 1}}), path="/embeddings")
    server.script(server.json({"object": "list", "data": [{"id": "m1", "object": "model"}]}), path="/models")
    server.script(server.json({"text": "spoken"}), path="/audio/transcriptions")

    def use(client: Client) -> list[Any]:
        embedded = client.embeddings.create(model="e", input="x", encoding_format="float")
        # A form, whose boundary is another one each time.
        heard = client.audio.transcriptions.create(model="whisper", file=("a.wav", b"RIFF\xff\xfe"))
        listed = [model.id for model in client.models.list() if model.id == "m1"]
        return [embedded, heard.text, listed]

    with recording(provider, folder) as client:
        first = use(client)
    with replaying(absent, folder) as client:
        assert use(client) == first
    assert first[1:] == ["spoken", ["m1"]]


def test_a_query_is_part_of_a_request(server: Loopback, provider: Provider, absent: Provider, folder: Path) -> None:
    server.script(*(server.json({"page": number}) for number in (1, 2)))
    with recording(provider, folder) as client:
        for page in "ab":
            client.get("/files", cast_to=object, options={"params": {"after": page}})
    with replaying(absent, folder) as client:
        found = [client.get("/files", cast_to=object, options={"params": {"after": page}}) for page in "ba"]
    assert found == [{"page": 2}, {"page": 1}]


def test_one_tape_for_a_call_however_often_it_was_tried(
    server: Loopback, provider: Provider, absent: Provider, folder: Path
) -> None:
    server.script(server.error(429, "wait", retry_after_ms="1"))
    with recording(provider, folder, max_retries=1) as client:
        say(client)
    assert len(server.requests) == 2
    assert only_tape(folder)["reply"]["status"] == 200
    with replaying(absent, folder) as client:
        assert say(client).choices[0].message.content == "Hello there"


class Failing(Provider):
    """Its senders raise."""

    failure: Exception

    def sender(self) -> Sender:
        def answer(call: Call, wire: Wire) -> Json:
            raise self.failure

        return function_sender(answer)

    def async_sender(self) -> AsyncSender:
        async def answer(call: Call, wire: Wire) -> Json:
            raise self.failure

        return async_function_sender(answer)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TimeoutError("slow"), openai.APITimeoutError),
        (ConnectionRefusedError(111, "refused"), openai.APIConnectionError),
        (VendorError({"message": "full", "type": "t", "param": None, "code": None}, 503), openai.InternalServerError),
    ],
)
def test_no_answer_is_recorded_too(
    colour: Road, absent: Provider, folder: Path, failure: Exception, kind: type[Exception]
) -> None:
    failing = Failing(name="here")
    failing.failure = failure
    colour.make(failing, record=Recorder(folder))
    with pytest.raises(kind) as recorded:
        colour.create()
    colour.make(absent, replay=folder)
    with pytest.raises(kind) as replayed:
        colour.create()
    assert type(replayed.value) is type(recorded.value)
    assert str(replayed.value) == str(recorded.value)


def test_what_never_went_out_leaves_no_tape(folder: Path) -> None:
    class Hosted(Provider):
        key_env = ("HOSTED_KEY",)
        base_url = NOWHERE

    with recording(Hosted(name="hosted"), folder) as client, pytest.raises(openai.OpenAIError, match="needs a key"):
        say(client)
    assert list(folder.iterdir()) == []


def test_an_abandoned_stream(
    colour: Road, server: Loopback, provider: Provider, absent: Provider, folder: Path
) -> None:
    server.script(server.stream(server.chunk("Hello"), "watch"))
    colour.make(provider, record=Recorder(folder))
    stream = colour.stream()
    first = next(colour.items(stream))
    colour.run(stream.close())
    assert server.closed.wait(10)
    tape = only_tape(folder)
    assert tape["reply"]["end"] == "closed"
    assert len(tape["reply"]["pieces"]) == 1
    colour.make(absent, replay=folder)
    stream = colour.stream()
    assert next(colour.items(stream)) == first
    colour.run(stream.close())
    read = []
    with pytest.raises(openai.APIConnectionError, match=r"tapes/here-chat-.*json ends here.*record it again"):
        read.extend(colour.items(colour.stream()))
    assert len(read) <= 1


def test_a_connection_that_broke(
    colour: Road, server: Loopback, provider: Provider, absent: Provider, folder: Path
) -> None:
    def read() -> list[Any]:
        chunks = []
        with pytest.raises(openai.APIConnectionError, match="not whole"):
            chunks.extend(colour.items(colour.stream()))
        return chunks

    server.script(server.stream(server.chunk("Hello"), server.chunk(" th"), "cut"))
    colour.make(provider, record=Recorder(folder))
    read()
    assert only_tape(folder)["failure"]["kind"] == "connection"
    colour.make(absent, replay=folder)
    read()


def test_a_stream_that_the_program_leaves_open(server: Loopback, folder: Path) -> None:
    server.script(server.stream(server.chunk("Hello"), "watch"))
    code = f"""
import os
from dragoman.core import Client
client = Client(base_url={server.url!r}, api_key="sk-1234567890")
stream = client.chat.completions.create(model="m1", messages=[], stream=True)
kept = iter(stream)
next(kept)
"""
    run_program(code, {"DRAGOMAN_RECORD": str(folder)})
    assert only_tape(folder)["reply"]["end"] == "closed"


def run_program(code: str, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    process = start_program(code, settings)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    return process


def start_program(code: str, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE)  # noqa: S603 (our own code)


def test_two_processes_record_into_one_folder(server: Loopback, folder: Path) -> None:
    code = f"""
from dragoman.core import Client
with Client(base_url={server.url!r}, api_key="sk-1234567890") as client:
    for _ in range(5):
        client.chat.completions.create(model="m1", messages=[])
"""
    settings = {"DRAGOMAN_RECORD": str(folder), "DRAGOMAN_RECORD_SINCE": "2026-01-01T00:00:00.000000Z"}
    running = [start_program(code, settings) for _ in range(2)]
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
    assert len(tapes_in(folder)) == 10
    assert sorted(path.suffix for path in folder.iterdir()) == [".json"] * 10


def test_many_calls_at_once(server: Loopback, provider: Provider, absent: Provider, folder: Path) -> None:
    server.script(*(server.json({**server.COMPLETION, "id": f"id-{number}"}) for number in range(12)))

    async def ask(provider: Provider, **how: Any) -> list[str]:
        async with AsyncClient(default_provider="here", providers=[provider], max_retries=0, **how) as client:
            calls = [
                client.chat.completions.create(model="m1", messages=[{"role": "user", "content": str(number % 3)}])
                for number in range(12)
            ]
            return [answer.id for answer in await asyncio.gather(*calls)]

    recorded = asyncio.run(ask(provider, record=Recorder(folder)))
    replayed = asyncio.run(ask(absent, replay=folder))
    assert len(tapes_in(folder)) == len(set(recorded)) == 12
    for third in range(3):
        assert sorted(replayed[third::3]) == sorted(recorded[third::3])


@pytest.fixture
def thrice(server: Loopback, provider: Provider, folder: Path) -> Path:
    server.script(*(server.json({**server.COMPLETION, "id": f"id-{number}"}) for number in (1, 2, 3)))
    with recording(provider, folder) as client:
        for _ in range(3):
            say(client)
    return folder


def test_the_same_request_again(thrice: Path, absent: Provider) -> None:
    with replaying(absent, thrice) as client:
        assert [say(client).id for _ in range(5)] == ["id-1", "id-2", "id-3", "id-3", "id-3"]
    with replaying(absent, thrice) as client:
        # A copy of a client goes on where it is.
        assert [say(one).id for one in (client, client.with_options(timeout=1))] == ["id-1", "id-2"]
    with replaying(absent, Replayer(thrice, strict=True)) as client:
        assert [say(client).id for _ in range(3)] == ["id-1", "id-2", "id-3"]
        with pytest.raises(TapeError, match="was recorded 3 times, and is made once more"):
            say(client)


def test_recorded_anew_a_request_keeps_its_name(
    thrice: Path, server: Loopback, provider: Provider, absent: Provider
) -> None:
    names = sorted(path.name for path in thrice.iterdir())
    (thrice / "notes.json").write_text("{}")
    with recording(provider, thrice) as client:
        say(client, "something else")
        assert {*names, "notes.json"} < {path.name for path in thrice.iterdir()}
        say(client)
    (thrice / "notes.json").unlink()
    again = sorted(path.name for path in thrice.iterdir())
    assert len(again) == 2
    assert set(again) & set(names) == {min(names, key=len)}
    with replaying(absent, thrice) as client:
        assert say(client).id == "chatcmpl-1"


def test_the_recorded_time_on_request(
    colour: Road, server: Loopback, provider: Provider, absent: Provider, folder: Path
) -> None:
    colour.make(provider, record=Recorder(folder))
    colour.text(colour.stream())
    (path,) = folder.iterdir()
    tape = json.loads(path.read_text())
    tape["reply"]["pieces"] = [[3_600_000, *parts] for _, *parts in tape["reply"]["pieces"]]
    path.write_text(json.dumps(tape))
    colour.make(absent, replay=folder)
    assert colour.text(colour.stream()) == "Hello there"
    colour.make(absent, replay=Replayer(folder, speed=36_000))
    started = time.monotonic()
    assert colour.text(colour.stream()) == "Hello there"
    assert time.monotonic() - started >= 0.1
    with pytest.raises(ConfigError, match="above 0"):
        Replayer(folder, speed=0)


def test_a_changed_request_is_shown(thrice: Path, absent: Provider) -> None:
    with replaying(absent, thrice) as client, pytest.raises(TapeError) as caught:
        say(client, "Ho", temperature=0.5)
    text = str(caught.value)
    assert text.startswith("here POST /chat/completions: this request is on no tape; the nearest is ")
    (name,) = [path.name for path in thrice.iterdir() if path.name in text]
    assert text.splitlines()[1:] == [
        f"--- {thrice / name}",
        "+++ this request",
        "@@ -1,4 +1,5 @@",
        '-body.messages[0].content = "Hi"',
        '+body.messages[0].content = "Ho"',
        ' body.messages[0].role = "user"',
        ' body.model = "m1"',
        "+body.temperature = 0.5",
        ' method = "POST"',
        f"to record: dragoman record --into {thrice} -- YOUR PROGRAM",
    ]


def test_the_nearest_tape_is_the_one_shown(
    server: Loopback, provider: Provider, absent: Provider, folder: Path
) -> None:
    with recording(provider, folder) as client:
        say(client, "far", temperature=1, top_p=1, n=1)
        say(client, "near", seed=7)
    with replaying(absent, folder) as client, pytest.raises(TapeError, match=r'-body.messages\[0\].content = "near"'):
        say(client, "nearly", seed=7)
    with replaying(absent, folder) as client, pytest.raises(TapeError, match=r"there are: here POST /chat/com.* \(2\)"):
        client.embeddings.create(model="e", input="x")


def test_what_is_not_on_tape_is_final(thrice: Path) -> None:
    entry = {"base_url": NOWHERE, "api_type": "openai", "api_key": "sk-none-at-all"}
    listed = Client(config_list=[{"model": "m1", **entry}, {"model": "m2", **entry}], replay=thrice)
    with pytest.raises(TapeError, match=r"no tape in .* answers openai POST"):
        listed.chat.completions.create(model="", messages=ASKED)


WIRE = {"method": "POST", "path": "/x"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is no tape: JSONDecodeError"),
        ("{", "is no tape: JSONDecodeError"),
        ("[]", "dragoman_tape"),
        ('{"request": {}}', "dragoman_tape"),
        ('{"dragoman_tape": 2}', "version 2"),
        ('{"dragoman_tape": 1}', "`provider`"),
        ('{"dragoman_tape": 1, "provider": "a", "wire": {}}', "`method` or `path`"),
        (json.dumps({"dragoman_tape": 1, "provider": "a", "wire": WIRE}), "neither a `reply` nor a `failure`"),
        (json.dumps({"dragoman_tape": 1, "provider": "a", "wire": WIRE, "failure": {}}), "`kind`"),
        (json.dumps({"dragoman_tape": 1, "provider": "a", "wire": WIRE, "reply": {}}), "`status`"),
        (
            json.dumps({"dragoman_tape": 1, "provider": "a", "wire": WIRE, "reply": {"status": 200, "base64": "%"}}),
            "read",
        ),
        (
            json.dumps({"dragoman_tape": 1, "provider": "a", "wire": WIRE, "reply": {"status": 200, "pieces": [7]}}),
            "read",
        ),
    ],
)
def test_a_broken_tape_is_named(thrice: Path, content: str, told: str) -> None:
    (thrice / "broken.json").write_text(content)
    with pytest.raises(TapeError) as caught:
        Client(replay=thrice)
    assert str(thrice / "broken.json") in str(caught.value)
    assert told in str(caught.value)


def test_no_folder_and_no_tapes(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"there is no folder .*nothing with tapes; to record: dragoman record --into"):
        Client(replay=tmp_path / "nothing")
    with pytest.raises(TapeError, match="there is no tape in"):
        Client(replay=tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(TapeError, match=r"tapes cannot be written into .*file"):
        Client(record=file)


def test_a_tape_that_cannot_be_written_costs_no_answer(
    server: Loopback, provider: Provider, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(provider, folder) as client:
        folder.rmdir()
        folder.touch()
        with pytest.warns(UserWarning, match="an answer of here is not on tape"):
            assert say(client).choices[0].message.content == "Hello there"


def test_the_environment_says_it_for_all_clients(
    thrice: Path, absent: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def client(**options: Any) -> Client:
        return Client(default_provider="here", providers=[absent], **options)

    monkeypatch.setenv("DRAGOMAN_REPLAY", str(thrice))
    # One after the other they are one program.
    assert [say(client()).id for _ in range(3)] == ["id-1", "id-2", "id-3"]
    with pytest.raises(ConfigError, match="DRAGOMAN_REPLAY and record="):
        client(record=thrice)
    monkeypatch.setenv("DRAGOMAN_RECORD", str(thrice))
    with pytest.raises(ConfigError, match="DRAGOMAN_REPLAY and DRAGOMAN_RECORD"):
        client()
    assert say(client(replay=thrice)).id == "id-1"
    with pytest.raises(ConfigError, match="replay= and record="):
        client(replay=thrice, record=thrice)


def test_nothing_is_imported_for_those_who_need_none() -> None:
    code = "import sys, dragoman.core.client as c; c.Client(api_key='k'); print('dragoman.core.tapes' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 (ours)
    assert found.stdout == "False\n"
