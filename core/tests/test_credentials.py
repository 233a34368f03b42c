"""Who may be sent to directly, and what the requests say of the key."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from textwrap import dedent
from typing import Any

import openai
import pytest

from dragoman.core import (
    AsyncClient,
    Call,
    Client,
    DragomanError,
    FunctionProvider,
    MissingKey,
    PluginError,
    Provider,
    Sender,
    function_sender,
    http_client,
)
from dragoman.core.credentials import Credentials

pytestmark = pytest.mark.timeout(60)


class Own(Provider):
    """Has a sender of its own, and says nothing of keys."""

    name = "own"
    base_url = "http://127.0.0.1:1"

    def sender(self) -> Sender:
        return function_sender(lambda call, wire: {})


class Keyed(Provider):
    name = "keyed"
    base_url = "http://127.0.0.1:1/v1"
    key_env = ("KEYED_KEY",)

    def headers(self, key: str) -> dict[str, str]:
        return {"x-version": "1", **({"x-key": key} if key else {})}


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        (Provider(name="p", client=openai.OpenAI(api_key="k")), "a ready client of an SDK"),
        (Provider(name="p", async_client=openai.AsyncOpenAI(api_key="k")), "a ready client of an SDK"),
        (Provider(name="p", api_key=lambda: "k"), "a function that makes keys"),  # type: ignore[arg-type]  # as Client passes it on
        (Provider(name="p", provider="sealed", workload_identity="w"), r"its SDK understands \(provider, workload_id"),
        (Own(), "has a sender of its own"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_refused_when_the_client_is_made(provider: Provider, reason: str, kind: Any) -> None:
    with pytest.raises(DragomanError, match=f"{reason}.*use sender='sdk' for it"):
        kind(providers=[provider], sender="direct")
    with pytest.raises(DragomanError, match=reason):
        http_client(providers=[provider], sender="direct")
    provider.sender_kind = "sdk"
    try:
        kind(providers=[provider], sender="direct")
    finally:
        provider.sender_kind = None


def test_refused_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Client(base_url="http://127.0.0.1:1", api_key=lambda: "k", sender="direct") as client,
        pytest.raises(DragomanError, match="a function that makes keys"),
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])


def test_what_runs_here_needs_no_network(server: Any) -> None:
    """A function is asked as ever."""
    with Client(providers=[FunctionProvider(lambda _: "yes", name="f")], sender="direct") as client:
        answer = client.chat.completions.create(model="f/x", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "yes"


def test_an_unknown_sender() -> None:
    with pytest.raises(DragomanError, match="sender must be one of sdk, direct, auto, not 'fast'"):
        Client(sender="fast")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(DragomanError, match="not 'fast'"):
        Client(providers=[Keyed(sender="fast")])  # type: ignore[arg-type]  # as above


def test_without_aiohttp(colour: Any, server: Any, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "aiohttp" else find(name))
    colour.make(provider, sender="direct")
    if not colour.asynchronous:
        assert colour.create().choices
        return
    with pytest.raises(PluginError, match=r"pip install 'dragoman-core\[direct\]'"):
        colour.create()


def test_one_provider_directly(our_road: Any, server: Any) -> None:
    own = Provider(name="fast", base_url=server.url, api_key="sk-here-1111", sender="direct")
    other = Provider(name="slow", base_url=server.url, api_key="sk-here-2222")
    our_road.make(own, providers=[other])
    our_road.create(model="fast/m1")
    our_road.create(model="slow/m1")
    first, second = server.requests
    assert first.headers["authorization"] == "Bearer sk-here-1111"
    assert first.headers["user-agent"].startswith("dragoman/")
    assert not second.headers["user-agent"].startswith("dragoman/")


def test_what_is_said(our_road: Any, server: Any) -> None:
    provider = Keyed(
        base_url=server.url,
        api_key="sk-here-1111",
        default_headers={"X-Mine": "1"},
        default_query={"v": "2"},
        organization="org",
        project="pro",
    )
    our_road.make(provider, sender="direct")
    query = {"a": ["x y", 1], "b": {"c": True}}
    our_road.create(extra_headers={"X-Version": "7"}, extra_query=query)
    our_road.create(our_road.client.with_options(api_key="sk-call-2222"))
    first, second = server.requests
    assert first.target == "/v1/chat/completions?v=2&a[]=x%20y&a[]=1&b[c]=true"
    said = {name: first.headers[name] for name in ("x-key", "x-version", "x-mine", "openai-organization")}
    assert said == {"x-key": "sk-here-1111", "x-version": "7", "x-mine": "1", "openai-organization": "org"}
    assert "authorization" not in first.headers
    assert second.headers["x-key"] == "sk-call-2222"


def test_what_the_environment_says_about_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-env")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-One: 1\nX-Two: 2:3")
    call = Call("openai", "m", {}, api_key="sk-call-2222")
    assert Credentials(Provider())(call) == {
        "authorization": "Bearer sk-call-2222",
        "openai-organization": "org-env",
        "x-one": "1",
        "x-two": "2:3",
    }
    assert Credentials(Keyed())(call) == {"x-version": "1", "x-key": "sk-call-2222"}


def test_a_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYED_KEY", raising=False)
    with pytest.raises(MissingKey, match="keyed needs a key: set KEYED_KEY"):
        Credentials(Keyed())(Call("keyed", "m", {}))
    assert Credentials(Keyed())(Call("keyed", "m", {}, extra_headers={"X-Key": "mine"})) == {"x-version": "1"}
    assert Credentials(Keyed(base_url="http://127.0.0.1:2"))(Call("keyed", "m", {})) == {"x-version": "1"}


def test_a_password_in_the_address(colour: Any, server: Any) -> None:
    address = server.url.replace("//", "//me:s%40crt@")
    colour.make(Provider(name="here", base_url=address), sender="direct").create()
    assert server.requests[0].headers["authorization"] == "Basic bWU6c0BjcnQ="


def test_no_address_of_the_web(colour: Any) -> None:
    colour.make(Provider(name="here", base_url="localhost:8000/v1"), sender="direct")
    with pytest.raises(openai.APIConnectionError, match="neither http:// nor https://"):
        colour.create()


def test_a_copy_keeps_its_sender(colour: Any, server: Any, provider: Provider) -> None:
    colour.make(provider, sender="direct")
    colour.create(colour.client.copy(timeout=5))
    assert server.requests[0].headers["user-agent"].startswith("dragoman/")


@pytest.fixture
def client(provider: Provider) -> AsyncClient:
    return AsyncClient(default_provider="here", providers=[provider], sender="direct", max_retries=0)


async def ask(client: AsyncClient) -> None:
    answer = await client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices


def test_a_client_in_two_loops(server: Any, client: AsyncClient) -> None:
    """Each loop has connections of its own; closing in one closes those of both."""
    with asyncio.Runner() as first, asyncio.Runner() as second:
        for runner in (first, second, first, second):
            runner.run(ask(client))
        assert server.connections == 2
        first.run(client.close())
        second.run(asyncio.sleep(0.01))


def test_a_loop_that_is_gone(server: Any) -> None:
    """Its connections are given up. In a process of its own, since asyncio complains of them whenever it likes."""
    code = f"""
        import asyncio
        from dragoman.core import AsyncClient, Provider

        here = Provider(name="here", base_url={server.url!r}, api_key="sk-here-1111")
        client = AsyncClient(default_provider="here", providers=[here], sender="direct", max_retries=0)

        async def ask():
            await client.chat.completions.create(model="m1", messages=[{{"role": "user", "content": "Hi"}}])

        async def end():
            await ask()
            await client.close()

        asyncio.run(ask())
        asyncio.run(ask())
        asyncio.run(end())
        print("done")
        """
    command = [sys.executable, "-W", "ignore", "-c", dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert server.connections == 3
