"""Lists of models, and what holds for a model of the configuration's, as Anthropic's clients see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from dragoman.core import InvalidRequest, make_dispatcher
from dragoman.core.errors import httpx
from dragoman.server.messages.models import encode_model, encode_models
from dragoman.server.messages.target import find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Nothing listens there.
NOWHERE = "http://127.0.0.1:9"
MODELS = [{"id": name, "object": "model", "created": 0, "owned_by": "me"} for name in "abcde"]


@pytest.fixture(scope="module")
def url(serve: Callable[..., Any]) -> str:
    entries = [{"name": f"m{number:02}", "model": "llamacpp/demo"} for number in range(30)]
    found: str = serve(config_list=entries, default_provider="llamacpp").state.url
    return found


@pytest.fixture
def client(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as found:
        yield found


def test_the_sdk_lists_models_page_by_page(client: anthropic.Anthropic) -> None:
    first = client.models.list()
    assert len(first.data) == 20
    assert first.has_more is True
    names = [model.id for model in client.models.list(limit=7)]
    assert names[:2] == ["m00", "m01"]
    assert "llamacpp/demo" in names or "demo" in names
    assert len({*names}) == len(names) > 30
    assert first.data[0].created_at == datetime.fromtimestamp(0, UTC)
    assert (first.data[0].display_name, first.data[0].lifecycle) == ("m00", "active")


def test_the_sdk_retrieves_a_model(client: anthropic.Anthropic) -> None:
    found = client.models.retrieve("m07")
    assert (found.id, found.type) == ("m07", "model")
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("nobody/model")
    assert caught.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]  # Anthropic's shape


def test_a_place_that_is_none_is_refused_in_anthropics_words(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="there is no model 'x' in the list"):
        client.models.list(after_id="x")


def test_openais_clients_have_openais_list(url: str) -> None:
    listed = httpx.get(f"{url}/v1/models", trust_env=False).json()
    assert listed["object"] == "list"
    assert listed["data"][0]["object"] == "model"


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ({}, "abcde", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "2", "after_id": "b"}, "cd", True),
        ({"limit": "2", "after_id": "c"}, "de", False),
        ({"limit": "2", "before_id": "d"}, "bc", True),
        ({"limit": "9", "before_id": "c"}, "ab", False),
        ({"after_id": "e"}, "", False),
    ],
)
def test_pages(query: dict[str, str], ids: str, more: bool) -> None:
    page = encode_models(MODELS, query)
    assert ("".join(model["id"] for model in page["data"]), page["has_more"]) == (ids, more)
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "9" * 5000])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(InvalidRequest, match="from 1 to 1000"):
        encode_models(MODELS, {"limit": limit})


def test_what_a_provider_knows_of_a_model_is_kept() -> None:
    given = {"id": "c", "object": "model", "created": 86400, "owned_by": "x", "display_name": "C", "max_tokens": 5}
    assert encode_model(given) == {
        "type": "model",
        "id": "c",
        "created_at": "1970-01-02T00:00:00Z",
        "display_name": "C",
        "lifecycle": "active",
        "max_tokens": 5,
    }


def entry(policy: str | None, **more: Any) -> dict[str, Any]:
    told = {} if policy is None else {"on_unsupported": policy}
    return {"model": "vllm/m", "base_url": NOWHERE, "api_key": "k" * 9, **told, **more}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [(["adapt"], "adapt"), ([None], "warn"), (["adapt", "raise"], "raise"), (["adapt", None, "ignore"], "warn")],
)
@pytest.mark.parametrize("asked", ["m", "alias"])
def test_the_policy_is_the_strictest_of_those_who_may_answer(
    policies: list[str | None], expected: str, asked: str
) -> None:
    entries = [entry(policy, name="m") for policy in policies]
    dispatcher = make_dispatcher(default_provider="openai", config_list=entries, aliases={"alias": "m"})
    target = find_target(dispatcher, asked, "warn")
    assert (target.name, target.policy) == ("vllm", expected)


def test_an_entrys_policy_holds_while_messages_are_translated(serve: Any, vendor: Any) -> None:
    strict = entry(None, name="strict", base_url=f"{vendor.url}/v1")
    lax = entry("ignore", name="lax", base_url=f"{vendor.url}/v1")
    url = serve(config_list=[strict, lax], aliases={"alias": "lax"}, default_provider="openai").state.url
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    answer["choices"] = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]
    asked: dict[str, Any] = {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    asked["extra_body"] = {"speed": "fast"}
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        with pytest.raises(anthropic.BadRequestError, match="speed"):
            client.messages.create(model="strict", **asked)
        for name in ("lax", "alias"):
            vendor.says(answer)
            message: Any = client.messages.create(model=name, **asked)
            assert message.dragoman == {"dropped": ["speed"]}
