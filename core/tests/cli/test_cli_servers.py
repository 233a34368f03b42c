from __future__ import annotations

import time
from typing import Any

import pytest

from dragoman.core.cli.loopback import Address
from dragoman.core.cli.servers import (
    PRODUCTS,
    Server,
    configured_addresses,
    default_addresses,
    examine,
    find_servers,
)


def look(port: int, patience: float = 10) -> Server:
    found = examine(Address("127.0.0.1", port), until=time.monotonic() + patience)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ollama", ("serving", "Ollama 0.12.6", ("nomic-embed-text:latest", "llama3.2:1b"))),
        ("lmstudio", ("serving", "LM Studio", ("qwen3-4b",))),
        ("lmstudio locked", ("locked", "LM Studio", ())),
        ("vllm", ("serving", "vLLM 0.11.0", ("Qwen/Qwen3-0.6B",))),
        ("vllm locked", ("locked", "vLLM 0.11.0", ())),
        ("llamacpp", ("serving", "llama.cpp b8681-e1", ("demo",))),
        ("llamacpp loading", ("loading", "llama.cpp", ())),
        ("litellm locked", ("locked", "LiteLLM", ())),
        ("litellm", ("serving", "LiteLLM 1.109.0", ("gpt-4o", "claude"))),
        ("unknown", ("serving", "OpenAI-compatible", ("some/model",))),
        ("web", ("other", "no model server", ())),
    ],
)
def test_each_product_is_known_by_its_answers_on_any_port(listen: Any, products: Any, kind: str, expected: Any) -> None:
    found = look(listen(products[kind]).port)
    assert (found.state, found.title, found.models) == expected
    assert found.usable is (found.state in {"serving", "locked"})


@pytest.mark.parametrize("port_of", [product.plugin for product in PRODUCTS])
@pytest.mark.parametrize("kind", [product.plugin for product in PRODUCTS])
def test_the_port_decides_nothing(
    listen: Any, products: Any, monkeypatch: pytest.MonkeyPatch, kind: str, port_of: str
) -> None:
    server = listen(products[kind])
    # Whatever is asked for first, another product is not taken for it.
    order = sorted(PRODUCTS, key=lambda product: product.plugin != port_of)
    monkeypatch.setattr("dragoman.core.cli.servers.PRODUCTS", order)
    product = look(server.port).product
    assert product is not None
    assert product.plugin == kind


def test_what_would_cost_something_is_never_asked(listen: Any, products: Any) -> None:
    for kind in products:
        server = listen(products[kind])
        look(server.port)
        # It makes LiteLLM call each of its models.
        assert "/health" not in server.paths
        assert all(head.startswith("GET ") for head in server.asked)


def test_an_older_llama_cpp_owns_its_models(listen: Any, products: Any) -> None:
    unsigned = {path: answer.replace(b"Server: llama.cpp\r\n", b"") for path, answer in products["llamacpp"].items()}
    assert look(listen(unsigned).port).title == "llama.cpp b8681-e1"


def test_an_unknown_server_with_a_key(listen: Any) -> None:
    server = listen({"/v1/models": listen.http({"error": {"message": "no key"}}, 401)})
    assert (look(server.port).state, look(server.port).title) == ("locked", "OpenAI-compatible")


def test_a_product_that_does_not_list_its_models(listen: Any, products: Any) -> None:
    server = listen({**products["ollama"], "/v1/models": listen.http("oops", 500)})
    found = look(server.port)
    assert (found.state, found.detail) == ("failing", "GET /v1/models gives HTTP 500")


def test_models_of_any_shape(listen: Any) -> None:
    assert look(listen({"/v1/models": listen.http([{"id": "a"}, {"id": 1}, "b", None])}).port).models == ("a",)
    for body in ({"data": None}, {"data": {"id": "a"}}, "data", None):
        assert look(listen({"/v1/models": listen.http(body)}).port).state == "other"


def test_a_fingerprint_that_hangs_hides_no_models(listen: Any, products: Any) -> None:
    server = listen({**products["unknown"], "/": lambda connection: connection.recv(1)})
    found = look(server.port, 0.5)
    assert (found.state, found.models) == ("serving", ("some/model",))


def test_nothing_there_is_nothing_to_tell(listen: Any) -> None:
    server = listen()
    server.close()
    assert examine(Address("127.0.0.1", server.port), until=time.monotonic() + 10) is None
    assert find_servers(default_addresses([server.port])) == []
    assert find_servers([]) == []


def test_all_are_asked_side_by_side(listen: Any, products: Any) -> None:
    hanging = [listen({"/v1/models": lambda connection: connection.recv(1)}) for _ in range(8)]
    good = listen(products["ollama"])
    addresses = [Address("127.0.0.1", server.port) for server in [*hanging, good]]
    started = time.monotonic()
    found = find_servers(addresses, patience=1.0)
    assert time.monotonic() - started < 4
    assert [server.state for server in found] == ["silent"] * 8 + ["serving"]
    assert "does not answer in time" in found[0].detail


def test_one_line_for_both_loopback_addresses(listen: Any, products: Any) -> None:
    try:
        sixth = listen(products["ollama"], host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    listen(products["ollama"], port=sixth.port)
    found = find_servers(default_addresses([sixth.port]))
    assert [(server.address.host, [other.host for other in server.also]) for server in found] == [
        ("127.0.0.1", ["::1"])
    ]


def test_two_servers_on_one_port_are_two(listen: Any, products: Any) -> None:
    try:
        sixth = listen(products["vllm"], host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    listen(products["ollama"], port=sixth.port)
    found = find_servers(default_addresses([sixth.port]))
    assert [server.product.plugin for server in found if server.product] == ["ollama", "vllm"]


def test_equal_servers_on_two_ports_are_two(listen: Any, products: Any) -> None:
    ports = [listen(products["vllm"]).port for _ in range(2)]
    assert [server.address.port for server in find_servers([Address("127.0.0.1", port) for port in ports])] == ports


def test_addresses_of_the_environment() -> None:
    here, elsewhere = configured_addresses(
        {
            "OLLAMA_HOST": "[::]:11434",
            "VLLM_API_BASE": "http://user:secret@gpu1:8000/v1",
            "LM_STUDIO_API_BASE": "http://127.0.0.1:nine",
            "LITELLM_API_BASE": " ",
            "OPENAI_BASE_URL": "http://localhost:5000/v1",
        }
    )
    assert [address.url for address in here] == [
        "http://[::1]:11434",
        "http://127.0.0.1:5000",
        "http://[::1]:5000",
    ]
    assert [(one.variable, one.reason) for one in elsewhere] == [
        ("LM_STUDIO_API_BASE", "is no address"),
        ("VLLM_API_BASE", "names gpu1, which is not this machine and was not asked"),
    ]


def test_the_ports_are_those_of_the_documentation() -> None:
    ports = {product.plugin: product.port for product in PRODUCTS}
    assert ports == {"ollama": 11434, "lmstudio": 1234, "vllm": 8000, "llamacpp": 8080, "litellm": 4000}
