"""Which models clients may name: what the providers serve, and of files only what the configuration names."""

from __future__ import annotations

from typing import Any

import pytest
from server_lab import ask, completion

from dragoman.core.errors import httpx
from dragoman.llamacpp import LlamaCpp, demo_model_path
from dragoman.llamacpp.engine import engines

WAIT = 60
TEXT = {"max_tokens": 4}


def post(server: Any, body: Any, path: str = "chat/completions") -> Any:
    return httpx.post(f"{server.url}/{path}", json=body, timeout=WAIT, trust_env=False)


@pytest.fixture(scope="module")
def file() -> str:
    return str(demo_model_path())


@pytest.mark.parametrize("path", ["chat/completions", "messages", "embeddings", "completions", "responses"])
def test_a_client_cannot_name_a_file(server: Any, file: str, path: str) -> None:
    before = engines.loaded()
    for name in (f"llamacpp/{file}", "llamacpp:/etc/passwd", "llamacpp/org/repo"):
        answer = post(server, {**ask(name), "max_tokens": 4, "input": "x", "prompt": "x"}, path)
        assert answer.status_code == 404
        error = answer.json()["error"]
        assert "is not offered here" in error["message"]
        assert error["code"] == "model_not_found"
        read = httpx.get(f"{server.url}/models/{name}", trust_env=False)
        assert (read.status_code, read.json()["error"]["code"]) == (404, "model_not_found")
    assert engines.loaded() == before


def test_not_where_llamacpp_is_the_default_provider_either(serve: Any, file: str) -> None:
    server = serve(client={"default_provider": "llamacpp", "default_options": {}})
    assert post(server, ask(file, **TEXT)).json()["error"]["code"] == "model_not_found"
    assert post(server, ask("demo", **TEXT)).status_code == 200


def test_what_comes_with_the_engine_and_what_the_configuration_names_is_offered(serve: Any, file: str) -> None:
    entry = f"llamacpp/{file}"
    client = {
        "aliases": {"small": entry},
        "config_list": [{"model": entry}, {"name": "big", "model": entry}],
        "fallbacks": {"spare": ["big"]},
    }
    server = serve(client=client)
    for name in ("llamacpp/demo", "small", entry, "big", "spare"):
        assert post(server, ask(name, **TEXT)).status_code == 200, name


def test_a_list_does_not_tell_of_files(serve: Any, file: str) -> None:
    server = serve(client={"aliases": {"small": f"llamacpp/{file}"}})
    assert post(server, ask("small", **TEXT)).status_code == 200
    listed = httpx.get(f"{server.url}/models", timeout=WAIT, trust_env=False).json()["data"]
    names = [model["id"] for model in listed]
    assert {"small", "llamacpp/demo", "text"} <= {*names}
    assert [name for name in names if file in name] == []


def test_a_server_of_llamacpps_knows_its_own_names(serve: Any, provider: Any) -> None:
    client = {"default_options": {}, "providers": [LlamaCpp(base_url=provider.url)]}
    assert post(serve(client=client), ask("llamacpp/org/repo")).json()["model"] == completion("org/repo")["model"]
