"""Sending through a Stainless SDK: offline, keys, clients of the user's own."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from dragoman.core import (
    AsyncClient,
    Batches,
    Client,
    ConfigError,
    FunctionProvider,
    MissingKey,
    Provider,
    async_sdk_sender,
    batches_of,
    sdk_sender,
)
from dragoman.core.senders import _openai_options, offline, refuse_offline

pytestmark = pytest.mark.timeout(60)


class Keyed(Provider):
    name = "keyed"
    key_env = ("KEYED_KEY", "KEYED_TOKEN")
    base_url = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize("value", ["1", "yes"])
def test_offline_refuses_before_connecting(road: Any, monkeypatch: pytest.MonkeyPatch, value: str, diary: Any) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", value)
    # An address that would answer nobody: a connection would show as a time-out.
    road.make(Provider(name="here", base_url="http://192.0.2.1/v1"), timeout=0.5)
    with pytest.raises(openai.APIConnectionError, match=r"DRAGOMAN_OFFLINE is set and 192\.0\.2\.1"):
        road.create()
    assert diary.outcomes == ["failed"]


def test_offline_lets_loopback_pass(
    road: Any, server: Any, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    assert road.make(provider).create().choices[0].message.content == "Hello there"


def test_offline_follows_no_redirect(
    road: Any, server: Any, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    server.script(server.json({}, 307, location="http://192.0.2.1/v1/chat/completions"))
    with pytest.raises(openai.APIStatusError, match="points to another address") as caught:
        road.make(provider, timeout=0.5).create()
    assert caught.value.status_code == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.1.2.3", "http://[::1]:8080/v1"])
def test_what_loopback_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    refuse_offline(url)
    with pytest.raises(openai.APIConnectionError, match="not on this machine"):
        refuse_offline("http://127.0.0.1.example:1")


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True)])
def test_what_offline_is(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", value)
    assert offline() is expected


def test_a_missing_key(road: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keyed, "base_url", server.url)
    with pytest.raises(MissingKey, match="keyed needs a key: set KEYED_KEY or pass api_key="):
        road.make(Keyed()).create()
    if road.kind != "door":
        road.create(road.client.with_options(api_key="sk-call-2222"))
        assert server.requests[0].headers["authorization"] == "Bearer sk-call-2222"
    monkeypatch.setenv("KEYED_TOKEN", "sk-token")
    road.make(Keyed()).create()
    assert server.requests[-1].headers["authorization"] == "Bearer sk-token"


def test_another_address_may_need_no_key(road: Any, server: Any) -> None:
    road.make(Keyed(base_url=server.url)).create()
    assert "authorization" not in server.requests[0].headers


class Startable(Keyed):
    name = "startable"
    start = "start it with `startable serve`"


@pytest.mark.parametrize("sender", ["sdk", "direct", "auto"])
def test_a_server_of_ones_own_may_need_no_key(
    road: Any, server: Any, monkeypatch: pytest.MonkeyPatch, sender: Any
) -> None:
    monkeypatch.setattr(Startable, "base_url", server.url)
    road.make(Startable(sender=sender)).create()
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("sender", ["sdk", "direct"])
def test_a_server_of_ones_own_that_does_not_run(road: Any, sender: Any) -> None:
    with pytest.raises(openai.APIConnectionError, match="start it with `startable serve`"):
        road.make(Startable(sender=sender)).create()


def test_the_callers_own_header_stands_for_a_key(our_road: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keyed, "base_url", server.url)
    our_road.make(Keyed()).create(extra_headers={"authorization": "Basic abc"})
    assert server.requests[0].headers["authorization"] == "Basic abc"


def test_a_client_of_the_users_own(colour: Any, server: Any) -> None:
    if colour.asynchronous:
        own: dict[str, Any] = {"async_client": openai.AsyncOpenAI(base_url=server.url, api_key="sk-own", max_retries=0)}
    else:
        own = {"client": openai.OpenAI(base_url=server.url, api_key="sk-own", max_retries=0)}
    colour.make(Provider(name="here", **own)).create()
    assert server.requests[0].headers["authorization"] == "Bearer sk-own"


@pytest.mark.parametrize("sender", ["sdk", "auto"])
def test_a_ready_client_of_the_other_colour(road: Any, server: Any, sender: Any) -> None:
    """The vendor's public address, with the environment's key, is not what was meant."""
    own: dict[str, Any]
    if road.asynchronous:
        own = {"client": openai.OpenAI(base_url=server.url, api_key="sk-own")}
        said = "here has a ready client for synchronous calls only; give it async_client= too"
    else:
        own = {"async_client": openai.AsyncOpenAI(base_url=server.url, api_key="sk-own")}
        said = "here has a ready client for asynchronous calls only; give it client= too"
    road.make(Provider(name="here", base_url=server.url, api_key="sk-env", sender=sender, **own))
    with pytest.raises(ConfigError, match=said):
        road.create()
    assert not server.requests


def test_batches_are_synchronous() -> None:
    class Batched(Provider):
        def batches(self) -> Batches:
            return Batches(self)

    provider = Batched(name="here", async_client=openai.AsyncOpenAI(api_key="sk-own"))
    with pytest.raises(ConfigError, match="here has a ready client for asynchronous calls only"):
        batches_of(provider)


def test_an_option_that_the_sdk_does_not_know(road: Any, server: Any, diary: Any) -> None:
    fallback = FunctionProvider(lambda _: "other", name="other")
    road.make(Provider(name="here", base_url=server.url, api_key="k", max_retry=3), providers=[fallback])
    with pytest.raises(ConfigError, match=r"here cannot send .*unexpected keyword argument 'max_retry'") as caught:
        road.create()
    assert isinstance(caught.value.__cause__, TypeError)
    assert diary.outcomes == ["failed"]


def test_a_subclass_of_the_sdks_client_gets_the_path(colour: Any, server: Any) -> None:
    """It may make an address of its own of it, as Azure's does."""
    base: Any = openai.AsyncOpenAI if colour.asynchronous else openai.OpenAI

    class Moved(base):  # type: ignore[misc]  # one of two
        def post(self, path: str, **more: Any) -> Any:
            return super().post(f"/moved{path}", **more)

    name = "async_client" if colour.asynchronous else "client"
    client = Moved(base_url=server.url, api_key="k", max_retries=0)
    colour.make(Provider(name="here", **{name: client})).create()
    assert server.requests[0].path == "/v1/moved/chat/completions"


def test_an_address_that_is_changed(colour: Any, server: Any) -> None:
    """The client's own address is what counts, in each call."""
    name = "async_client" if colour.asynchronous else "client"
    client = (openai.AsyncOpenAI if colour.asynchronous else openai.OpenAI)(
        base_url=f"{server.url}/one/", api_key="k", max_retries=0
    )
    made = colour.make(Provider(name="here", **{name: client}))
    made.create()
    client.base_url = f"{server.url}/two"
    made.create()
    made.create()
    assert [request.path.rpartition("/chat")[0][-4:] for request in server.requests] == ["/one", "/two", "/two"]


def test_options_of_the_sdk(colour: Any, server: Any) -> None:
    options = {"default_headers": {"X-Sdk": "1"}, "organization": "org"}

    class Other(Provider):
        name = "other"

    colour.make(Other(base_url=server.url, **options)).create()
    assert (server.requests[0].headers["x-sdk"], server.requests[0].headers["openai-organization"]) == ("1", "org")


def test_the_sdks_other_credentials() -> None:
    sealed = _openai_options(Provider(provider="sealed"))
    assert sealed == ({"provider": "sealed"}, False, "")
    admin = _openai_options(Provider(admin_api_key="sk-admin", base_url="http://x"))
    assert admin == ({"admin_api_key": "sk-admin", "base_url": "http://x"}, False, "")


def test_the_clients_own_key_said_again(our_road: Any, server: Any, provider: Provider) -> None:
    our_road.create(our_road.make(provider).client.with_options(api_key="sk-here-1111"))
    assert server.requests[0].headers["authorization"] == "Bearer sk-here-1111"


@pytest.mark.rule(113)
@pytest.mark.parametrize("timeout", [None, 5, {"read": 5.0}])
def test_time_outs_are_those_of_the_sdks_library(
    colour: Any, server: Any, provider: Provider, diary: Any, timeout: Any
) -> None:
    diary.on["before_call"] = lambda call: setattr(call, "timeout", timeout)
    colour.make(provider).create()
    assert diary.outcomes == ["complete"]


def test_closing() -> None:
    client = openai.OpenAI(base_url="http://127.0.0.1:1", api_key="k")
    sdk_sender(client).close()
    assert client.is_closed()
    asynchronous = openai.AsyncOpenAI(base_url="http://127.0.0.1:1", api_key="k")
    asyncio.run(async_sdk_sender(asynchronous).close())
    assert asynchronous.is_closed()


def test_what_is_no_client_of_a_stainless_sdk() -> None:
    with pytest.raises(TypeError, match="APIStatusError"):
        sdk_sender(object())


@pytest.mark.rule(112)
@pytest.mark.parametrize("sender", ["sdk", "direct"])
def test_a_header_that_is_a_list_is_joined_of_all_levels(our_road: Any, server: Any, sender: Any) -> None:
    options: dict[str, Any] = {"default_headers": {"Anthropic-Beta": "sdk, both", "X-Other": "sdk"}}
    provider = Provider(name="here", base_url=server.url, api_key="k", sender=sender, **options)
    every = {"anthropic-beta": "client,both", "X-Other": "client"}
    our_road.make(provider, default_headers=every).create(extra_headers={"ANTHROPIC-BETA": "call", "X-Other": "call"})
    our_road.create()
    our_road.create(extra_headers={"anthropic-beta": "call"})
    assert [request.headers["anthropic-beta"] for request in server.requests] == [
        "sdk,both,client,call",
        "sdk,both,client",
        "sdk,both,client,call",
    ]
    assert [request.headers["x-other"] for request in server.requests] == ["call", "client", "client"]
    assert all(sum("beta" in line.lower() for line in request.lines) == 1 for request in server.requests)


@pytest.mark.rule(112)
def test_a_header_that_is_a_list_in_an_entry(colour: Any, server: Any) -> None:
    kind = AsyncClient if colour.asynchronous else Client
    headers = {"default_headers": {"Anthropic-Beta": "every"}, "extra_headers": {"anthropic-beta": "entry"}}
    entry = {"model": "m", "base_url": server.url, "api_key": "k", **headers}
    colour.use(kind(config_list=[entry], default_headers={"anthropic-beta": "client"}, max_retries=0))
    colour.create(model="m", extra_headers={"anthropic-beta": "call"})
    assert server.requests[0].headers["anthropic-beta"] == "client,every,entry,call"
