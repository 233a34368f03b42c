from __future__ import annotations

import json
import signal
import threading
from importlib.metadata import version
from typing import Any

import pytest

from dragoman.core.cli.probes.catalogue import PROBES
from dragoman.core.plugins import plugins

FEATURES = [probe.feature for probe in PROBES]
needs_llamacpp = pytest.mark.skipif(
    "llamacpp" not in plugins().providers(), reason="the plugin llamacpp is not installed"
)


@pytest.fixture
def check(run: Any, bench: Any) -> Any:
    def check(*args: str, model: str = "able", **more: Any) -> Any:
        return run("check", model, "--base-url", bench.url, *args, **more)

    return check


def rows(text: str) -> dict[str, str]:
    """Labels and verdicts of a printed table."""
    return {line[:23].strip(): line[23:32].strip() for line in text.splitlines()[:-1]}


def test_the_table(check: Any, bench: Any) -> None:
    result = check()
    assert result.exit_code == 0
    assert rows(result.stdout) == {probe.label: "yes" for probe in PROBES}
    assert result.stdout.splitlines()[-1].startswith(f"{len(bench.requests)} requests, ")
    requests, answers = sum(probe.requests for probe in PROBES), sum(probe.answers for probe in PROBES)
    most = f"at most {requests} requests and {512 * answers} output tokens (512 for each answer)"
    assert result.stderr == f"openai/able: {most}\n"
    assert {body["max_tokens"] for body in bench.requests} == {512}


def test_the_cost_is_said_before_anything_is_asked(check: Any, bench: Any) -> None:
    bench.dies = frozenset({1})
    result = check("--only", "n", "--max-tokens", "16")
    assert result.exit_code == 5
    assert result.stderr.startswith("openai/able: at most 3 requests and 64 output tokens (16 for each answer)\n")
    assert result.stderr.count("\n") == 2
    assert result.stdout == ""


def test_json(check: Any, bench: Any) -> None:
    bench.ignores = frozenset({"n"})
    result = check("--json", "--only", "n")
    found = json.loads(result.stdout)
    times = [each.pop("ms") for each in found["results"]]
    assert all(isinstance(ms, int) and ms >= 0 for ms in times)
    usage = found.pop("usage")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert found == {
        "model": "openai/able",
        "provider": "openai",
        "base_url": bench.url,
        "dragoman": version("dragoman-core"),
        "results": [
            {"feature": "text", "verdict": "yes", "seen": '"Paris, hello."', "tries": 1},
            {"feature": "n", "verdict": "ignored", "seen": "one choice instead of two", "tries": 1},
        ],
        "at_most": {"requests": 3, "output_tokens": 4 * 512},
        "requests": 2,
    }


def test_only_some(check: Any, bench: Any) -> None:
    result = check("--only", "stop, tools")
    assert list(rows(result.stdout)) == ["text", "tool call", "stop"]
    assert len(bench.requests) == 3
    unknown = check("--only", "stop,flight,tools,song")
    assert (unknown.exit_code, len(bench.requests)) == (2, 3)
    assert "--only flight, song: the features are text, stream, " in unknown.stderr


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(401, 3, "status 401"), (429, 4, "--pause"), (500, 5, "status 500"), (404, 5, "status 404")],
)
def test_a_model_that_cannot_be_asked(check: Any, bench: Any, status: int, code: int, said: str) -> None:
    bench.statuses = {1: status}
    result = check()
    assert (result.exit_code, result.stdout, len(bench.requests)) == (code, "", 1)
    assert said in result.stderr


def test_what_was_found_is_shown_when_it_ends_early(check: Any, bench: Any) -> None:
    bench.statuses = {3: 429}
    result = check()
    assert result.exit_code == 4
    assert rows(result.stdout) == {"text": "yes", "streaming": "yes"}
    assert result.stderr.splitlines()[1:] == [
        "the run ends here; --pause SECONDS waits between requests",
        "dragoman: status 429 (HTTP 429)",
    ]


def test_a_dead_server_ends_it(check: Any, bench: Any) -> None:
    bench.dies = frozenset(range(2, 50))
    result = check("--json")
    assert result.exit_code == 5
    assert [each["verdict"] for each in json.loads(result.stdout)["results"]] == ["yes", "error"]


def test_ctrl_c_shows_what_was_found(start: Any, bench: Any) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def words(request: Any) -> None:
        if len(bench.requests) == 3:
            asked.set()
            go_on.wait(30)

    bench.words = words
    # Whoever runs the tests in the background has them ignore Ctrl-C.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = start("check", "able", "--base-url", bench.url, before=heard)
    assert asked.wait(60)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    go_on.set()
    assert process.returncode == 130
    assert list(rows(out.decode())) == ["text", "streaming"]


@pytest.mark.parametrize(
    "args", [["--max-tokens", "15"], ["--pause", "-1"], ["--timeout", "0"], ["--on-unsupported", "x"]]
)
def test_options_that_are_none(check: Any, bench: Any, args: list[str]) -> None:
    assert (check(*args).exit_code, bench.requests) == (2, [])


def test_a_provider_that_is_not_there(run: Any) -> None:
    result = run("check", "nobody/model")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "at most" not in result.stderr


def test_time_outs(check: Any, bench: Any) -> None:
    go_on = threading.Event()
    bench.words = lambda request: len(bench.requests) == 1 and go_on.wait(10) and None
    result = check("--timeout", "0.2")
    go_on.set()
    assert (result.exit_code, len(bench.requests)) == (5, 1), "no retries"


def test_a_password_in_the_address_is_nobodys_business(run: Any, bench: Any) -> None:
    address = bench.url.replace("://", "://me:secret-of-mine@")
    result = run("check", "able", "--base-url", address, "--json", "--only", "text")
    assert json.loads(result.stdout)["base_url"] == bench.url
    assert "secret-of-mine" not in result.output


def test_what_a_model_says_does_not_steer_the_terminal(check: Any, bench: Any) -> None:
    bench.words = lambda request: {"content": "red \x1b[31malert"}
    result = check("--only", "text")
    assert '"red [31malert"' in result.stdout


@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
@needs_llamacpp
def test_the_policy_for_parameters_that_are_not_there(run: Any) -> None:
    refused = run("check", "llamacpp/demo", "--only", "named")
    assert rows(refused.stdout) == {"text": "yes", "tool_choice: a name": "no"}
    assert "dragoman: not expressible for llamacpp: " in refused.stdout
    adapted = run("check", "llamacpp/demo", "--only", "named", "--on-unsupported", "adapt")
    assert rows(adapted.stdout) == {"text": "yes", "tool_choice: a name": "yes"}
    assert "(dragoman: only get_time " in adapted.stdout
    assert "warning" not in adapted.stderr


@needs_llamacpp
def test_a_real_server(start: Any) -> None:
    """The engine's own HTTP server, through the same wire as any other."""
    from dragoman.llamacpp import serve

    with serve() as address:
        process = start("check", "demo", "--base-url", f"{address}/v1", "--json")
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found = json.loads(out)
    verdicts = {each["feature"]: each["verdict"] for each in found["results"]}
    assert list(verdicts) == FEATURES
    # llama.cpp passes over the object form of tool_choice, which only its plugin knows.
    assert verdicts["named"] == "ignored"
    assert verdicts["image"] == "no"
    for feature in ("text", "stream", "tools", "stream_tools", "parallel", "result", "usage", "stop", "logprobs", "n"):
        assert verdicts[feature] == "yes", feature
    assert found["requests"] <= found["at_most"]["requests"]
    assert found["usage"]["completion_tokens"] <= found["at_most"]["output_tokens"]
