"""A request becomes a call: options, ids, policies, endpoints."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from dragoman.core import DragomanError, InvalidRequest, Provider
from dragoman.core.asks import Ask, CallOptions
from dragoman.core.choices import check_policy
from dragoman.core.dispatch import Dispatcher
from dragoman.core.hooks import Hooks
from dragoman.core.plugins import Plugins
from dragoman.core.routing import Router

MESSAGES = [{"role": "user", "content": "Hi"}]
#: Headers that tell somebody who is asking.
CREDENTIALS = (
    "Cookie",
    "Authorization",
    "Ocp-Apim-Subscription-Key",
    "Helicone-Auth",
    "cf-aig-authorization",
    "X-Goog-Api-Key",
    "api-key",
    "apikey",
    "X-Auth-Token",
    "x-client-secret",
    "X-Password",
    "PROXY-AUTHORIZATION",
)


class Second(Provider):
    name = "second"


@pytest.fixture
def dispatcher() -> Dispatcher:
    registered = Plugins(path=[])
    router = Router(registered, "one", providers=[Provider(name="one"), Second()])
    return Dispatcher(router, Hooks(registered))


def ask(**request: Any) -> Ask:
    return Ask({"model": "m", "messages": MESSAGES, **request})


def test_options_become_the_calls(dispatcher: Dispatcher) -> None:
    options = CallOptions(
        api_key="sk-call-2222",
        timeout=5,
        max_retries=3,
        on_unsupported="warn",
        headers={"X-A": "1"},
        default_headers={"X-A": "0", "X-B": "2", **dict.fromkeys(CREDENTIALS, "c")},
        query={"q": 1},
    )
    own = dispatcher.exchange(ask(), options).call
    assert (own.api_key, own.timeout, own.max_retries, own.on_unsupported) == ("sk-call-2222", 5, 3, "warn")
    assert own.extra_headers == {"X-A": "1", "X-B": "2", **dict.fromkeys(CREDENTIALS, "c")}
    assert own.extra_query == {"q": 1}
    other = dispatcher.exchange(ask(model="second/x"), options).call
    assert other.extra_headers == {"X-A": "1", "X-B": "2"}
    assert (other.provider, other.model, other.request["model"]) == ("second", "x", "x")
    assert "2222" not in repr(options)


def test_every_call_has_its_own_id(dispatcher: Dispatcher) -> None:
    ids = {dispatcher.exchange(ask(), CallOptions()).call.id for _ in range(50)}
    assert len(ids) == 50


@pytest.mark.parametrize(
    ("control", "expected"),
    [(None, "warn"), ({}, "warn"), ({"on_unsupported": "adapt"}, "adapt"), ({"on_unsupported": "raise"}, "raise")],
)
@pytest.mark.parametrize("place", ["extra_body", "request"])
def test_the_policy_of_a_call(dispatcher: Dispatcher, place: str, control: Any, expected: str) -> None:
    inside = {"dragoman": control} if control is not None else {}
    wanted = ask(extra_body=inside) if place == "extra_body" else ask(**inside)
    call = dispatcher.exchange(wanted, CallOptions(on_unsupported="warn")).call
    assert call.on_unsupported == expected
    assert call.extra_body == {}
    assert "dragoman" not in call.request


def test_mistakes(dispatcher: Dispatcher) -> None:
    with pytest.raises(DragomanError, match="knows only 'on_unsupported', not 1, x"):
        dispatcher.exchange(ask(extra_body={"dragoman": {"x": 1, 1: 2}}), CallOptions())
    with pytest.raises(DragomanError, match="dragoman must be an object"):
        dispatcher.exchange(ask(dragoman=["adapt"]), CallOptions())
    with pytest.raises(InvalidRequest, match="extra_body must be an object"):
        dispatcher.exchange(ask(extra_body=[1]), CallOptions())
    with pytest.raises(InvalidRequest, match="model must be"):
        dispatcher.exchange(ask(model=None), CallOptions())
    assert check_policy("ignore") == "ignore"


@pytest.mark.parametrize(
    ("wanted", "provider", "endpoint"),
    [
        (Ask({}, "files", "GET"), "one", "files"),
        (Ask({}, "chat/completions", "GET"), "one", "chat/completions"),
        (Ask({}, "models/second%2Fa%2Fb", "GET"), "second", "models/a%2Fb"),
        (Ask({}, "models/ft:x:y", "DELETE"), "one", "models/ft:x:y"),
        (Ask({"model": "second/e"}, "embeddings"), "second", "embeddings"),
        (Ask({"model": 3}, "embeddings"), "one", "embeddings"),
    ],
)
def test_endpoints(dispatcher: Dispatcher, wanted: Ask, provider: str, endpoint: str) -> None:
    call = dispatcher.exchange(wanted, CallOptions()).call
    assert (call.provider, call.endpoint, call.method) == (provider, endpoint, wanted.method)


def test_models_are_merged(dispatcher: Dispatcher) -> None:
    answers: dict[str, Any] = {
        "one": {"data": [{"id": "a"}, "odd", {"id": "b", "object": "model", "created": 5, "owned_by": "x"}]},
        "second": {"data": [{"id": "c", "owned_by": "y", "created": None}]},
        "third": {"data": "odd"},
        "fourth": ValueError("asleep"),
    }
    assert dispatcher.merge_models(answers, {"fifth": "not there"}) == {
        "object": "list",
        "data": [
            {"object": "model", "created": 0, "owned_by": "one", "id": "a"},
            {"object": "model", "created": 5, "owned_by": "x", "id": "b"},
            {"object": "model", "created": 0, "owned_by": "y", "id": "second/c"},
        ],
        "errors": {
            "fifth": "not there",
            "third": "third answered without a list of models; is the base URL right?",
            "fourth": "asleep",
        },
    }
    assert dispatcher.merge_models({}, {}) == {"object": "list", "data": []}


@pytest.mark.parametrize(
    ("owner", "own", "listed"),
    [
        ("one", "second/c", "one/second/c"),
        ("one", "second:c", "one/second:c"),
        ("one", "one/c", "one/one/c"),
        ("one", "elsewhere/c", "elsewhere/c"),
        ("one", "c:second", "c:second"),
        ("second", "one/c", "second/one/c"),
        ("second", "second/c", "second/second/c"),
    ],
)
def test_what_is_listed_can_be_asked(dispatcher: Dispatcher, owner: str, own: str, listed: str) -> None:
    [model] = dispatcher.merge_models({owner: {"data": [{"id": own}]}}, {})["data"]
    assert model["id"] == listed
    call = dispatcher.exchange(ask(model=listed), CallOptions()).call
    assert (call.provider, call.model) == (owner, own)
    single = dispatcher.exchange(Ask({}, f"models/{quote(listed, safe='')}", "GET"), CallOptions()).call
    assert single.provider == owner
    assert dispatcher.as_listed(single, {"id": own})["id"] == listed


def test_a_provider_that_cannot_be_made_is_a_problem(dispatcher: Dispatcher) -> None:
    dispatcher.router.default_provider = "nobody"
    exchanges, problems = dispatcher.model_lists(CallOptions())
    assert exchanges.keys() == {"one", "second"}
    assert "no installed plugin offers the provider 'nobody'" in problems["nobody"]
