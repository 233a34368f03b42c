from __future__ import annotations

import json
import shlex
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

KEY = "a-key-of-this-test-only-WXYZ"
NOWHERE = "1"
PROVIDER = """
from dragoman.core import Provider

class Here(Provider):
    name = "vllm"
    base_url = "http://127.0.0.1:8000/v1"
    key_env = ("VLLM_API_KEY",)
"""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address or key of whoever runs the tests."""
    for name in ("OLLAMA_HOST", "HF_TOKEN", "LM_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("OPENAI_API_KEY")


@pytest.fixture
def doctor(start: Any) -> Any:
    """Run the program in a process of its own, with the plugins of some folders only."""

    def doctor(*args: str, folders: list[str] | None = None) -> tuple[int, str, str]:
        found = folders or []
        before = f"import sys; sys.path[:0] = {found}\nfrom dragoman.core import plugins\n"
        process = start("doctor", *args, before=f"{before}plugins._installed = plugins.Plugins({found})")
        out, err = process.communicate(timeout=60)
        return process.returncode, out.decode(), err.decode()

    return doctor


def test_help(run: Any) -> None:
    assert "--debug" in run("doctor", "--help").stdout
    assert "doctor " in run("--help").stdout


def test_every_kind_of_server(doctor: Any, listen: Any, products: Any) -> None:
    servers = {name: listen(answers) for name, answers in products.items()}
    code, out, err = doctor("--json", *(f"--port={server.port}" for server in servers.values()))
    assert (code, err) == (0, "")
    report = json.loads(out)
    found = {server["url"]: server for server in report["servers"]}
    assert {name: found[server.url]["product"] for name, server in servers.items()} == {
        "ollama": "Ollama",
        "lmstudio": "LM Studio",
        "lmstudio locked": "LM Studio",
        "vllm": "vLLM",
        "vllm locked": "vLLM",
        "llamacpp": "llama.cpp",
        "llamacpp loading": "llama.cpp",
        "litellm": "LiteLLM",
        "litellm locked": "LiteLLM",
        "unknown": None,
        "web": None,
    }
    ollama = found[servers["ollama"].url]
    assert ollama["models"] == ["nomic-embed-text:latest", "llama3.2:1b"]
    assert ollama["commands"][0] == "pip install dragoman-ollama"
    assert ollama["commands"][1] == (
        f"dragoman chat -m openai/llama3.2:1b --base-url http://127.0.0.1:{servers['ollama'].port}/v1"
    )
    assert report["versions"]["openai"] == version("openai")


def test_the_command_that_it_names_works(doctor: Any, run: Any, server: Any) -> None:
    port = server.url.removesuffix("/v1").rpartition(":")[2]
    found = json.loads(doctor("--json", "--port", port)[1])["servers"][0]
    _, *command = shlex.split(found["commands"][0])
    assert run(*command, "hi").stdout == "You said: hi \n"
    assert server.requests[0]["model"] == "small"


def test_for_people(doctor: Any, listen: Any, products: Any) -> None:
    ollama, web = listen(products["ollama"]), listen(products["web"])
    code, out, err = doctor("--port", str(ollama.port), "--port", str(web.port))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"dragoman-core {version('dragoman-core')}, openai {version('openai')}, Python 3.")
    assert lines[2] == "model servers on this machine"
    assert lines[3].split("  ")[0] == ollama.url
    assert "Ollama 0.12.6" in lines[3]
    assert lines[3].endswith("serving  nomic-embed-text:latest, llama3.2:1b")
    assert lines[4] == "  pip install dragoman-ollama"
    assert lines[6].startswith(web.url)
    assert lines[6].endswith("GET /v1/models gives HTTP 404 and a web page")
    assert "\x1b" not in out


def test_what_a_server_writes_stays_in_its_line(doctor: Any, listen: Any) -> None:
    names = ["\x1b[31mred\r\nfake line", *(f"model-{number}" + "x" * 100 for number in range(9))]
    server = listen({"/v1/models": listen.http({"data": [{"id": name} for name in names]})})
    _, out, _ = doctor("--port", str(server.port))
    line = next(line for line in out.splitlines() if line.startswith(server.url))
    assert "[31mred fake line, model-0" in line
    assert line.endswith(" and 5 more")
    assert len(line) < 500
    assert "\x1b" not in out
    assert "\nfake" not in out


def test_keys_are_masked(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", "short-one")
    Path(".env").write_text(f"TOGETHER_API_KEY=file-{KEY}\n")
    outputs = [doctor("--port", NOWHERE), doctor("--json", "--port", NOWHERE)]
    for _, out, err in outputs:
        assert KEY[:-4] not in out + err
        assert KEY[-5:] not in out + err
        assert "short-one" not in out + err
    rows = [line.split(maxsplit=2) for line in outputs[0][1].partition("keys\n")[2].splitlines()[:3]]
    assert rows == [
        ["HF_TOKEN", "set", "no plugin uses it: pip install dragoman-huggingface"],
        ["OPENAI_API_KEY", "…WXYZ", "no plugin uses it: pip install dragoman-openai"],
        ["TOGETHER_API_KEY", "…WXYZ", "no plugin uses it: pip install dragoman-together"],
    ]


def test_nothing_at_all(doctor: Any, listen: Any) -> None:
    gone = listen()
    gone.close()
    code, out, _ = doctor("--port", str(gone.port))
    assert code == 2
    assert out.partition("\n\n")[2] == (
        "model servers on this machine\nnone was found\n\nkeys\nnone is set\n\n"
        "plugins\nnone is installed: pip install dragoman-openai (or another provider)\n"
    )


def test_plugins_ready_broken_and_missing_their_server(
    doctor: Any, install: Any, listen: Any, products: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("dragoman-vllm", "dragoman.providers:vllm=dragoman_vllm:Here", code=PROVIDER)
    broken = ("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme")
    folders = install(*broken, code="import no_such_module")._path
    gone = listen()
    gone.close()
    code, out, err = doctor("--port", str(gone.port), folders=folders)
    assert (code, err) == (5, "")
    rows = {line.split()[1]: line for line in out.splitlines() if line.startswith("provider")}
    assert "not ready  its server was not found" in rows["vllm"]
    assert "broken" in rows["acme"]
    assert "pip uninstall dragoman-acme" in rows["acme"]
    server = listen(products["vllm"])
    monkeypatch.setenv("VLLM_API_BASE", f"{server.url}/v1")
    code, out, _ = doctor("--port", str(gone.port), folders=folders)
    assert code == 0
    assert f"ready   its server is at {server.url}" in out
    assert "  dragoman chat -m vllm/Qwen/Qwen3-0.6B\n" in out


def test_addresses_of_other_machines_are_not_asked(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_BASE", "http://user:secret@192.0.2.1:8000/v1")
    started = time.monotonic()
    _, out, err = doctor("--port", NOWHERE)
    assert time.monotonic() - started < 20
    assert "VLLM_API_BASE names 192.0.2.1, which is not this machine and was not asked" in out
    assert "secret" not in out + err


def test_a_server_that_hangs_holds_nobody_up(doctor: Any, listen: Any, products: Any) -> None:
    hanging = listen({"/v1/models": lambda connection: connection.recv(1)})
    good = listen(products["ollama"])
    code, out, _ = doctor("--port", str(hanging.port), "--port", str(good.port))
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith(hanging.url))
    assert line.endswith("silent   takes the connection, but does not answer in time")


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_ports_that_are_none(run: Any, port: str) -> None:
    assert run("doctor", "--port", port).exit_code == 2
