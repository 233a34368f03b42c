"""The HTTP clients that the SDKs get from us: when there is one, and what it leaves as the SDKs have it."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
import together

from dragoman.anthropic import Anthropic
from dragoman.core import AsyncClient, Client, async_lean_client, lean_client
from dragoman.core.connections import Connections
from dragoman.core.kinds import async_sender_of
from dragoman.core.outgoing import Outgoing, Phases
from dragoman.core.sessions import Sessions
from dragoman.openai import OpenAI
from dragoman.together import Together

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.timeout(300)
SDKS = ("openai", "anthropic", "together")


@pytest.fixture(scope="module")
def wires(request: pytest.FixtureRequest) -> ModuleType:
    """The conftest's functions; test folders are no packages."""
    return request.config.pluginmanager.getplugin(str(request.path.with_name("conftest.py")))


async def _make_async(client_class: Any) -> Any:
    return async_lean_client(client_class)


@pytest.mark.parametrize("name", SDKS)
def test_it_is_what_the_sdk_makes(name: str) -> None:
    sdk = import_module(name)
    own, made = sdk.DefaultHttpxClient(), lean_client(sdk.DefaultHttpxClient)
    assert isinstance(made, sdk.DefaultHttpxClient)
    assert (made.timeout, made.follow_redirects, made.headers) == (own.timeout, own.follow_redirects, own.headers)
    assert isinstance(asyncio.run(_make_async(sdk.DefaultAsyncHttpxClient)), sdk.DefaultAsyncHttpxClient)


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1", "https://127.0.0.1:1"])
def test_proxies_that_are_the_sdks_business(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("https_proxy", address)
    assert lean_client(openai.DefaultHttpxClient) is None
    if address.startswith("socks") and find_spec("socksio") is None:
        with pytest.raises(ImportError, match="socksio"):
            asyncio.run(_make_async(openai.DefaultAsyncHttpxClient))
    else:
        assert type(asyncio.run(_make_async(openai.DefaultAsyncHttpxClient))) is openai.DefaultAsyncHttpxClient
    monkeypatch.setenv("https_proxy", "127.0.0.1:1")
    assert lean_client(openai.DefaultHttpxClient) is not None


def test_outside_of_asyncio_it_is_one_of_the_sdks() -> None:
    assert type(async_lean_client(openai.DefaultAsyncHttpxClient)) is openai.DefaultAsyncHttpxClient


@pytest.mark.parametrize(("made", "sdk"), [(OpenAI, openai), (Anthropic, anthropic), (Together, together)])
def test_none_is_made_beside_the_callers(made: Any, sdk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not even be made here: for this proxy the HTTP library needs a package."""
    if find_spec("socksio") is not None:
        pytest.skip("socksio is installed")
    own = sdk.DefaultAsyncHttpxClient()
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    assert async_sender_of(made(name="here", api_key="k", http_client=own)) is not None
    asyncio.run(own.aclose())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("made", [OpenAI, Anthropic, Together])
@pytest.mark.parametrize("aiohttp", [True, False], ids=["aiohttp", "without"])
def test_a_client_that_is_dropped_leaves_the_loop_alone(
    made: Any, server: Any, wires: Any, monkeypatch: pytest.MonkeyPatch, aiohttp: bool
) -> None:
    """A task that closes it would come after Python has closed its sockets, whose numbers others have by then."""
    if not aiohttp:
        monkeypatch.setattr("dragoman.core.leanclients.find_spec", lambda name: None)
    wire = wires.AnthropicWire if made is Anthropic else wires.OpenAIWire
    server.script(wires.http(200, wire.answer("x")))

    async def drop() -> int:
        provider = made(name="here", api_key="k", base_url=server.origin)
        client = AsyncClient(default_provider="here", providers=[provider])
        await client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "Hi"}])
        before = len(asyncio.all_tasks())
        del client
        gc.collect()
        return len(asyncio.all_tasks()) - before

    assert asyncio.run(drop()) == 0


def test_a_client_of_the_callers_is_used(server: Any, wires: Any) -> None:
    seen: list[str] = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [lambda request: seen.append(request.method)]})
    server.script(wires.http(200, wires.OpenAIWire.answer("x")))
    provider = OpenAI(name="here", api_key="k", base_url=f"{server.origin}/v1", http_client=http)
    with Client(default_provider="here", providers=[provider]) as client:
        client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "Hi"}])
    assert seen == ["POST"]


def _lean(caller: Any) -> None:
    if caller.kind not in {"openai", "anthropic", "together", "mistralai"}:
        pytest.skip("not a client of ours")


def test_redirects_are_followed_without_the_key(caller: Any, server: Any, wires: Any) -> None:
    _lean(caller)
    other = wires.Faulty()
    try:
        # Another port is another origin: the HTTP library leaves the key behind.
        server.script(wires.http(307, b"", location=f"{other.origin}/else"))
        other.script(wires.http(200, caller.wire.answer(wires.TEXT)))
        assert caller.make(server.origin).text() == wires.TEXT
    finally:
        other.close()
    line, headers, body = other.seen[0]
    assert (line.split()[:2], headers["host"]) == (["POST", "/else"], f"127.0.0.1:{other.port}")
    assert b'"Hi"' in body
    assert "authorization" not in headers


def test_a_proxy_elsewhere_is_refused_offline(caller: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would get the prompt, and of a server without TLS the key."""
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:9")
    with pytest.raises(openai.APIConnectionError, match=r"DRAGOMAN_OFFLINE is set and proxy\.invalid"):
        caller.make(server.origin).create()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(openai.APIResponseValidationError):
        caller.make(server.origin).create()
    assert len(server.seen) == 1


def test_no_request_goes_out_twice(caller: Any, server: Any, wires: Any) -> None:
    """With `max_retries=0`: the server may have done already what it was asked for."""
    _lean(caller)
    server.script(wires.http(200, caller.wire.answer(wires.TEXT)))
    assert caller.make(server.origin).text() == wires.TEXT
    server.script("cut")
    with pytest.raises(openai.APIConnectionError):
        caller.create()
    assert len(server.seen) == 2


def test_cookies_and_repeated_headers(caller: Any, server: Any, wires: Any) -> None:
    _lean(caller)
    answer = wires.http(200, caller.wire.answer(wires.TEXT))
    server.script(answer.replace(b"\r\n", b"\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2; Path=/\r\n", 1))
    server.script(answer)
    caller.make(server.origin)
    assert [caller.text(), caller.text()] == [wires.TEXT] * 2
    assert sorted(server.seen[1][1]["cookie"].split("; ")) == ["a=1", "b=2"]


def test_a_text_that_came_before_the_cut(caller: Any, server: Any, wires: Any) -> None:
    server.script(wires.begun(caller.wire, "one ", "two ", "three"), "cut")
    heard = caller.make(server.origin).listen()
    assert (heard.text, type(heard.failure)) == ("one two three", openai.APIConnectionError)


def test_a_line_break_in_a_header_is_refused(server: Any) -> None:
    headers = {"x-a": "1\r\nx-b: 2"}
    provider = OpenAI(name="here", api_key="k", base_url=f"{server.origin}/v1", default_headers=headers)
    with (
        Client(default_provider="here", providers=[provider], max_retries=0) as client,
        pytest.raises(openai.OpenAIError),
    ):
        client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "Hi"}])
    assert server.seen == []


def test_a_stream_holds_no_key(caller: Any, server: Any, wires: Any) -> None:
    """It may stay open for long, and needs neither what was asked nor who asked."""
    if caller.kind not in {"openai", "anthropic", "together"}:
        pytest.skip("not a client of ours, or below the SDK's own stream")
    server.script(wires.head(), wires.chunked(caller.wire.stream(wires.TEXT)))
    stream = caller.make(server.origin).create(stream=True)
    assert caller.next(stream) is not None
    request = stream._exchange._reply.response.request
    assert (request.method, str(request.url).startswith(server.origin)) == ("POST", True)
    assert wires.KEY not in str(request.headers.raw)
    caller.run(stream.close())


def _pieces(seen: list[int]) -> Any:
    for number in range(3):
        seen.append(number)
        yield b"%d" % number * 70_000


async def _pieces_later() -> Any:
    for piece in _pieces([]):
        await asyncio.sleep(0)
        yield piece


@pytest.mark.parametrize("length", [None, "210000"])
def test_a_body_that_is_made_as_it_is_sent(server: Any, wires: Any, length: str | None) -> None:
    headers = {} if length is None else {"content-length": length}
    wanted = b"".join(_pieces([]))

    async def send() -> None:
        client = async_lean_client(openai.DefaultAsyncHttpxClient)
        await client.post(server.origin, content=_pieces_later(), headers=headers)
        await client.aclose()

    for _ in range(2):
        server.script(wires.http(200, b"{}"))
    with lean_client(openai.DefaultHttpxClient) as client:
        client.post(server.origin, content=_pieces([]), headers=headers)
    asyncio.run(send())
    assert [body for _, _, body in server.seen] == [wanted] * 2
    assert [(seen.get("content-length"), seen.get("transfer-encoding")) for _, seen, _ in server.seen] == [
        ("210000", None)
    ] * 2


_FORGOTTEN = """
import asyncio, sys
from dragoman.core import AsyncClient
from dragoman.openai import OpenAI

async def main():
    client = AsyncClient(default_provider="here", providers=[OpenAI(name="here", api_key="k", base_url=sys.argv[1])])
    await client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "Hi"}])
    return client

kept = asyncio.run(main())
asyncio.run(main())
"""


def test_a_client_that_nobody_closes(server: Any, wires: Any) -> None:
    """aiohttp would log an error; the SDKs' own clients say nothing."""
    for _ in range(2):
        server.script(wires.http(200, wires.OpenAIWire.answer("x")))
    command = [sys.executable, "-c", _FORGOTTEN, f"{server.origin}/v1"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (this Python, our text)
    assert (run.stdout, run.stderr) == ("", "")


_FORKED = """
import os, sys
from dragoman.core import Client
from dragoman.openai import OpenAI

provider = OpenAI(name="here", api_key="k", base_url=sys.argv[1])
client = Client(default_provider="here", providers=[provider], sender=sys.argv[2])

def ask(text, **more):
    return client.chat.completions.create(model="m1", messages=[{"role": "user", "content": text}], **more)

ask("parent")
stream = ask("stream", stream=True)
ask("parent")
child = os.fork()
if not child:
    ask("child")
    client.close()
    os._exit(0)
os.waitpid(child, 0)
ask("last")
print("".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("sender", ["sdk", "direct"])
def test_a_child_leaves_its_parents_connections_alone(server: Any, wires: Any, sender: str) -> None:
    gate = threading.Event()

    def answer(body: bytes) -> tuple[Any, ...]:
        if b'"stream":true' in body:
            whole = wires.head() + wires.chunked(wires.OpenAIWire.stream(wires.TEXT), 30)
            return whole[:300], gate, whole[300:]
        if b'"last"' in body:
            gate.set()
        return (wires.http(200, wires.OpenAIWire.answer("x")),)

    server.usual = answer
    command = [sys.executable, "-W", "ignore", "-c", _FORKED, f"{server.origin}/v1", sender]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)  # noqa: S603 (this Python, our text)
    assert (run.stdout, run.stderr) == (f"{wires.TEXT}\n", "")
    # The parent's stream, its other one, which it uses again, and the child's.
    assert server.connections == 3


def test_a_port_that_is_none(server: Any) -> None:
    with pytest.raises(ValueError, match="Port"):
        Connections("http://127.0.0.1:none", None)
    gc.collect()


def test_an_open_answer_has_its_headers_once(server: Any, wires: Any) -> None:
    async def scenario() -> None:
        sessions = Sessions(server.origin, None)
        headers = [("host", "here"), ("x-key", "k")]
        sent = Outgoing("GET", server.origin, "/", headers, None, Phases(9, 9, 9, 9), streams=True)
        answer = await sessions.open(sent)
        kept = answer._response
        assert (b"content-type", b"application/json") in [(name.lower(), value) for name, value in answer.fields]
        assert [*kept.headers, *kept.raw_headers, *kept.request_info.headers] == []
        assert b"".join([piece async for piece in answer.pieces()])
        await sessions.close()

    server.script(wires.http(200, wires.OpenAIWire.answer("x")))
    asyncio.run(scenario())
