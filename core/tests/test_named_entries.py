"""Entries with names of their own: who answers for a name, at every endpoint, and in which order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import (
    AsyncClient,
    Client,
    ConfigError,
    DragomanWarning,
    Provider,
    UnsupportedParameter,
    http_client,
    unsupported,
)
from dragoman.core.asks import Ask, CallOptions
from dragoman.core.dispatch import make_dispatcher
from dragoman.core.fallback import ConfigList
from dragoman.core.plugins import Plugins
from dragoman.core.routing import Router

if TYPE_CHECKING:
    from dragoman.core import Call, Wire

HI: Any = [{"role": "user", "content": "Hi"}]
ADDRESS = {"base_url": "http://127.0.0.1:9/v1", "api_key": "k"}
LIST = [
    {"name": "smart", "model": "a", "tags": ["x"]},
    {"name": "smart", "model": "b", "api_rate_limit": 5},
    {"name": "fast", "model": "c"},
    {"model": "d"},
]


class Strict(Provider):
    """Has no parameter `seed`."""

    name = "strict"

    def encode(self, call: Call) -> Wire:
        if "seed" in call.request:
            unsupported(call, "seed", call.request.pop("seed"), reason="not here")
        return super().encode(call)


def named(model: str, **fallbacks: Any) -> list[str]:
    router = Router(Plugins(path=[]), aliases={"quick": "fast", "plain": "openai/x"})
    config = ConfigList(LIST, router, fallbacks)
    return [entry.model for entry in config.named(model)]


def test_a_name_stands_for_its_entries_and_hides_their_models() -> None:
    assert named("smart") == ["a", "b"]
    assert (named("fast"), named("d"), named("a"), named("other")) == (["c"], ["d"], [], [])
    assert named("") == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("fallbacks", "model", "expected"),
    [
        ({"smart": ["fast"]}, "smart", ["a", "b", "c"]),
        ({"smart": ["quick", "fast", "d"]}, "smart", ["a", "b", "c", "d"]),
        ({"fast": ["smart", "e"]}, "fast", ["c", "a", "b", "e"]),
        ({"new": ["plain", "smart"]}, "new", ["new", "openai/x", "a", "b"]),
        ({"fast": ["e"], "d": ["e"]}, "d", ["d", "e"]),
        ({"new": ["fast"]}, "", ["a", "b", "c", "d"]),
        ({"fast": ["d"]}, "smart", ["a", "b"]),
    ],
)
def test_who_answers_when_they_have_failed(fallbacks: Any, model: str, expected: list[str]) -> None:
    assert named(model, **fallbacks) == expected


def test_an_entry_is_one_whoever_asks_for_it() -> None:
    router = Router(Plugins(path=[]))
    config = ConfigList(LIST, router, {"fast": ["smart", "e"], "d": ["e"]})
    assert config.named("fast")[2] is config.named("smart")[1]
    assert config.named("fast")[3] is config.named("d")[1]
    limited = config.named("smart")[1]
    assert config.pace(limited) == 0
    assert config.pace(config.named("fast")[2]) > 0


def test_fallbacks_need_no_list(server: Any) -> None:
    server.script(server.error(500, "broken"))
    with Client(base_url=server.url, api_key="k", fallbacks={"a": ["b"]}, max_retries=0) as client:
        with pytest.warns(DragomanWarning, match=r"a \(a\) failed: .*going on with b \(b\)"):
            client.chat.completions.create(model="a", messages=HI)
        client.chat.completions.create(model="b", messages=HI)
    assert [request.json["model"] for request in server.requests] == ["a", "b", "b"]


def test_the_doors_take_fallbacks_too(server: Any) -> None:
    entry = {"name": "x", "model": "m", "base_url": server.url, "api_key": "k"}
    with http_client(config_list=[entry], fallbacks={"y": ["x"]}) as client:
        assert client.get("http://any/v1/models/x").json()["owned_by"] == "dragoman"


def test_a_name_is_answered_at_every_endpoint(server: Any) -> None:
    found = {"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    server.script(server.json(found), path="/embeddings")
    entry = {
        "name": "words",
        "model": "m",
        "base_url": server.url,
        "api_key": "k",
        "temperature": 1.5,
        "extra_body": {"top_k": 1},
        "extra_headers": {"x-team": "t"},
    }
    with Client(config_list=[entry], aliases={"w": "words"}) as client:
        for model in ("words", "w"):
            client.embeddings.create(model=model, input=["a"], encoding_format="float")
    for request in server.requests:
        assert request.json == {"model": "m", "input": ["a"], "encoding_format": "float"}
        assert request.headers["x-team"] == "t"


def test_names_are_listed_and_found_one_by_one(server: Any) -> None:
    server.script(server.json({"object": "list", "data": [{"id": "m"}]}), path="/models")
    entry = {"name": "a b/c", "model": "m", "base_url": server.url, "api_key": "k"}
    options: Any = {"base_url": server.url, "api_key": "k", "config_list": [entry], "aliases": {"quick": "a b/c"}}
    with Client(**options) as client:
        listed = [(model.id, model.owned_by) for model in client.models.list()]
        assert listed[:3] == [("a b/c", "dragoman"), ("quick", "dragoman"), ("m", "openai")]
        assert client.models.retrieve("quick").id == "quick"
        asked = len(server.requests)
        assert client.models.retrieve("a b/c").owned_by == "dragoman"
        assert len(server.requests) == asked

    async def same() -> None:
        async with AsyncClient(**options) as client:
            assert (await client.models.retrieve("a b/c")).id == "a b/c"

    asyncio.run(same())


@pytest.mark.parametrize(
    ("entry", "client", "call", "refused"),
    [
        (None, "raise", None, True),
        ("ignore", "raise", None, False),
        ("raise", "ignore", None, True),
        ("raise", "raise", "ignore", False),
        ("ignore", "raise", "raise", True),
    ],
)
def test_the_policy_of_an_entry(entry: str | None, client: Any, call: str | None, refused: bool) -> None:
    config_list = [{"name": "n", "model": "strict/m", "on_unsupported": entry}]
    dispatcher = make_dispatcher(
        default_provider="openai", providers=[Strict(name="strict", api_key="k")], config_list=config_list
    )
    request: Any = {"model": "n", "messages": HI, "seed": 1}
    if call is not None:
        request["extra_body"] = {"dragoman": {"on_unsupported": call}}
    exchange = dispatcher.exchange(Ask(request), CallOptions(on_unsupported=client))
    if refused:
        with pytest.raises(UnsupportedParameter):
            exchange.open()
    else:
        exchange.open()
        assert exchange.call.ledger.dropped == ["seed"]


def test_the_first_who_is_asked() -> None:
    dispatcher = make_dispatcher(
        default_provider="openai", config_list=[{"name": "n", "model": "m", **ADDRESS}], aliases={"q": "n"}
    )
    assert [dispatcher.resolve(name)[1] for name in ("n", "q")] == ["m", "m"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"name": 3}, r"config_list\[0\] \(m\): name must be a text"),
        ({"name": ""}, "name must be a text"),
        ({"on_unsupported": "guess"}, "on_unsupported must be one of raise, warn, ignore, adapt"),
        ({"extra_headers": {"x": "env:NOT_SET_HERE"}}, "extra_headers is in the environment variable NOT_SET_HERE"),
    ],
)
def test_what_an_entry_cannot_say(entry: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Client(config_list=[{"model": "m", **entry}])
    assert caught.value.key in entry
