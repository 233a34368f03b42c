from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dragoman.core.cli.health import Health, find_keys, judge, mask
from dragoman.core.cli.loopback import Address
from dragoman.core.cli.servers import PRODUCTS, Elsewhere, Server
from dragoman.core.plugins import Finding

PRODUCT = {product.plugin: product for product in PRODUCTS}
LONG = "a-key-of-this-test-only-WXYZ"


def finding(name: str, *key_env: str, **more: Any) -> Finding:
    return replace(Finding("provider", name, f"dragoman-{name}", "0.1.0", "ok", key_env=key_env), **more)


def server(plugin: str, state: Any = "serving", port: int = 0, models: tuple[str, ...] = ("m",)) -> Server:
    product = PRODUCT.get(plugin)
    return Server(Address("127.0.0.1", port or (product.port if product else 9)), state, product, models=models)


ADDRESSES = {
    "acme": "https://api.acme.example/v1",
    "local": "http://127.0.0.1:9999/v1",
    "llamacpp": "",
    "ollama": "http://127.0.0.1:11434",
    "openai": "https://api.openai.com/v1",
    "vllm": "http://127.0.0.1:8000/v1",
}


def health(*findings: Finding, servers: Any = (), elsewhere: Any = (), **environ: str) -> Health:
    addresses = {one.name: ADDRESSES[one.name] for one in findings if one.state == "ok" and one.kind == "provider"}
    return judge(servers, elsewhere, findings, addresses, environ)


def condition(found: Health) -> tuple[bool, str]:
    (only,) = found.conditions
    return only.ready, only.text


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (LONG, "…WXYZ"),
        (f" {LONG}\n", "…WXYZ"),
        ("a" * 20, "…aaaa"),
        ("a" * 19, ""),
        ("", ""),
        ("a" * 30 + "-\x1b]0", ""),
    ],
)
def test_of_a_key_four_characters_are_shown_and_of_a_short_one_none(key: str, shown: str) -> None:
    assert mask(key) == shown


def test_keys_that_are_set() -> None:
    environ = {"OPENAI_API_KEY": LONG, "HF_TOKEN": "short", "ACME_KEY": LONG, "TOGETHER_API_KEY": " ", "OTHER": LONG}
    found = find_keys([finding("acme", "ACME_KEY", "OPENAI_API_KEY")], environ)
    assert [(key.variable, key.hint, key.providers) for key in found] == [
        ("ACME_KEY", "…WXYZ", ("acme",)),
        ("HF_TOKEN", "", ("huggingface",)),
        ("OPENAI_API_KEY", "…WXYZ", ("openai", "acme")),
    ]


def test_a_provider_behind_the_network_needs_its_key() -> None:
    assert condition(health(finding("openai", "OPENAI_API_KEY"))) == (False, "key missing: OPENAI_API_KEY")
    assert condition(health(finding("openai", "OPENAI_API_KEY"), OPENAI_API_KEY=LONG)) == (
        True,
        "key found: OPENAI_API_KEY",
    )
    assert condition(health(finding("acme"))) == (True, "needs no key")


def test_a_local_provider_needs_its_server() -> None:
    vllm = finding("vllm", "VLLM_API_KEY")
    assert condition(health(vllm)) == (False, "its server was not found")
    assert condition(health(vllm, VLLM_API_KEY=LONG)) == (False, "its server was not found")
    assert condition(health(vllm, servers=[server("ollama")])) == (False, "its server was not found")
    slow = replace(server("vllm", "loading"), detail="is not ready yet")
    assert condition(health(vllm, servers=[slow])) == (False, "its server at http://127.0.0.1:8000: is not ready yet")
    both = [slow, server("vllm", port=9)]
    assert condition(health(vllm, servers=both)) == (True, "its server is at http://127.0.0.1:9")
    assert condition(health(vllm, servers=[server("vllm")])) == (True, "its server is at http://127.0.0.1:8000")


def test_a_locked_server_needs_its_key() -> None:
    vllm, locked = finding("vllm", "VLLM_API_KEY"), [server("vllm", "locked")]
    found = health(vllm, servers=locked)
    assert condition(found) == (False, "its server at http://127.0.0.1:8000 wants a key: VLLM_API_KEY")
    assert found.exit_code == 3
    assert health(vllm, servers=locked, VLLM_API_KEY="k").usable == ["vllm"]


def test_other_places() -> None:
    assert condition(health(finding("llamacpp"))) == (True, "runs in this process")
    assert condition(health(finding("llamacpp"), LLAMACPP_API_BASE="127.0.0.1:8080"))[0] is False
    assert condition(health(finding("local")))[1].startswith("expects a server at http://127.0.0.1:9999/v1")
    away = Elsewhere("VLLM_API_BASE", "vllm", "names gpu1, which was not asked")
    found = health(finding("vllm"), elsewhere=[away], VLLM_API_BASE="gpu1")
    assert condition(found) == (True, "VLLM_API_BASE names gpu1, which was not asked")


def test_a_broken_plugin_is_not_ready_and_says_why() -> None:
    broken = finding("openai", state="broken", reason="cannot be imported; pip uninstall it")
    assert condition(health(broken, OPENAI_API_KEY=LONG)) == (False, "cannot be imported; pip uninstall it")
    hooks = replace(finding("cache"), kind="hooks")
    assert health(hooks).usable == []


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (health(), 2),
        (health(finding("openai", "OPENAI_API_KEY", state="broken")), 2),
        (health(servers=[server("nobody")]), 0),
        (health(servers=[server("nobody", "other")]), 2),
        (health(finding("openai", "OPENAI_API_KEY")), 3),
        (health(finding("openai", "OPENAI_API_KEY"), finding("vllm")), 3),
        (health(finding("vllm")), 5),
        (health(finding("openai", "OPENAI_API_KEY"), OPENAI_API_KEY=LONG), 0),
        (health(finding("openai", "OPENAI_API_KEY"), servers=[server("ollama")]), 0),
    ],
)
def test_exit_codes(found: Health, code: int) -> None:
    assert found.exit_code == code


def test_what_to_type_with_the_plugin() -> None:
    found = health(finding("vllm"), finding("llamacpp"))
    assert found.commands(server("vllm")) == ["dragoman chat -m vllm/m"]
    assert found.commands(server("vllm", port=9)) == ["dragoman chat -m vllm/m --base-url http://127.0.0.1:9"]
    # Without an address it would run in this process.
    assert found.commands(server("llamacpp")) == ["dragoman chat -m llamacpp/m --base-url http://127.0.0.1:8080"]
    named = health(finding("vllm"), VLLM_API_BASE="localhost:9")
    assert named.commands(server("vllm", port=9)) == ["dragoman chat -m vllm/m"]
    assert named.commands(server("vllm")) == ["dragoman chat -m vllm/m --base-url http://127.0.0.1:8000"]


def test_what_to_type_without_the_plugin() -> None:
    plain = "dragoman chat -m openai/m --base-url http://127.0.0.1:11434/v1"
    assert health().commands(server("ollama")) == ["pip install dragoman-ollama", plain]
    assert health(finding("ollama", state="broken")).commands(server("ollama")) == [plain]
    assert health().commands(server("nobody")) == ["dragoman chat -m openai/m --base-url http://127.0.0.1:9/v1"]


def test_what_to_type_is_safe_to_paste() -> None:
    (command,) = health(finding("vllm")).commands(server("vllm", models=("m; rm -rf ~",)))
    assert command == "dragoman chat -m 'vllm/m; rm -rf ~'"


def test_a_model_that_can_chat_is_named() -> None:
    models = ("nomic-embed-text", "llama3")
    assert health(finding("vllm")).commands(server("vllm", models=models)) == ["dragoman chat -m vllm/llama3"]
    assert health(finding("vllm")).commands(server("vllm", models=())) == ["dragoman chat -m vllm/MODEL"]
    assert health(finding("vllm")).commands(server("vllm", "other")) == []
