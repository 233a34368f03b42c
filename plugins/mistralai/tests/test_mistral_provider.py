"""The provider: names, addresses, endpoints, options of the SDK."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import mistralai.client
import openai
import pytest
from mistralai.client.sdk import httpx  # httpx2 since mistralai 3
from mistralai.client.sdkconfiguration import SERVERS

from dragoman.core import Call, Client
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "mistralai/mistral-small-latest"
HI = [{"role": "user", "content": "Hi"}]


def test_entry_point_finds_it() -> None:
    (found,) = entry_points(group="dragoman.providers", name="mistralai")
    assert found.load() is Mistral


def test_facts_of_the_contract() -> None:
    provider = Mistral(api_key="secret")
    assert (provider.api, provider.name, provider.framing) == (1, "mistralai", "sse")
    assert provider.base_url == "https://api.mistral.ai"
    assert "secret" not in repr(provider)


@pytest.mark.parametrize(
    "url",
    ["http://host:1", "http://host:1/", "http://host:1/v1", "http://host:1/v1/", "http://host:1/v1/chat/completions"],
)
def test_addresses_are_understood_with_and_without_v1(url: str) -> None:
    assert Mistral(base_url=url).base_url == "http://host:1"
    assert Mistral(base_url="eu.example").base_url == "https://eu.example"


@pytest.mark.parametrize(
    ("endpoint", "method", "path"),
    [
        ("chat/completions", "POST", "/v1/chat/completions"),
        ("embeddings", "POST", "/v1/embeddings"),
        ("models", "GET", "/v1/models"),
        ("models/ft%3Ax", "GET", "/v1/models/ft%3Ax"),
        ("models/a/../b?c", "DELETE", "/v1/models/a%2F..%2Fb%3Fc"),
        ("audio/transcriptions", "POST", "/v1/audio/transcriptions"),
    ],
)
def test_endpoints(make_call: Callable[..., Call], endpoint: str, method: str, path: str) -> None:
    call = make_call(endpoint=endpoint)
    call.method = method
    wire = Mistral().encode(call)
    assert (wire.method, wire.path) == (method, path)


def test_what_is_not_translated_passes(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="classifications", input="x")
    assert Mistral().encode(call).body == call.request
    body = {"id": "m", "results": []}
    assert Mistral().decode(call, body) is body
    deleted = make_call(endpoint="models/m")
    deleted.method = "DELETE"
    assert Mistral().decode(deleted, {"id": "m", "deleted": True}) == {"id": "m", "deleted": True}


@pytest.mark.rule(204)
def test_one_model(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="models/m")
    call.method = "GET"
    assert Mistral().decode(call, {"id": "m", "created": 5})["owned_by"] == "mistralai"


def test_options_of_the_sdk(server: Any) -> None:
    said: list[str] = []

    class Logger:
        def debug(self, text: str, *args: Any, **options: Any) -> None:
            said.append(text)

    with Client(providers=[Mistral(api_key="k", base_url=server.url, debug_logger=Logger())]) as client:
        client.chat.completions.create(model=MODEL, messages=HI)  # type: ignore[arg-type]  # JSON
    assert any(text.startswith("Request") for text in said)


def test_a_server_of_the_sdks_is_chosen_by_its_name() -> None:
    made = Mistral(api_key="k", server="eu")._make()
    assert made.sdk_configuration.get_server_details()[0] == SERVERS["eu"]
    made = Mistral(api_key="k", server="eu", base_url="http://host:1/v1")._make()
    assert made.sdk_configuration.get_server_details()[0] == "http://host:1"


@pytest.mark.rule(202)
def test_no_response_is_a_connection_error(server: Any) -> None:
    class Silent(httpx.Client):
        def send(self, *args: Any, **options: Any) -> Any:
            return None

    ready = mistralai.client.Mistral(api_key="k", server_url=server.url, client=Silent())
    with (
        Client(providers=[Mistral(client=ready)], max_retries=0) as client,
        pytest.raises(openai.APIConnectionError, match="NoResponseError"),
    ):
        client.chat.completions.create(model=MODEL, messages=HI)  # type: ignore[arg-type]  # JSON


def test_what_a_moderation_flags(server: Any) -> None:
    """Mistral says it by category only."""
    bad, good = {"violence": True, "pii": False}, {"violence": False}
    results = [{"categories": bad}, {"categories": good}, {"categories": None}, {"categories": bad, "flagged": False}]
    server.says({"id": "m", "model": "mistral-moderation", "results": results})
    with Client(providers=[Mistral(api_key="k", base_url=server.url)], max_retries=0) as client:
        answer = client.moderations.create(model="mistralai/mistral-moderation", input=["a", "b", "c", "d"])
    assert [result.flagged for result in answer.results] == [True, False, None, False]
