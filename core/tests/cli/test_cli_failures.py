from __future__ import annotations

import click
import openai
import pytest

from dragoman.core import InvalidRequest, MissingKey, PluginError, TapeError, UnknownProvider, UnsupportedParameter
from dragoman.core.cli.failures import ProviderFailure, describe, exit_code, prefixed, redact, report
from dragoman.core.errors import a_request as openai_request
from dragoman.core.errors import connection_error, status_error


def status(code: int) -> Exception:
    return status_error(code, {"message": "because", "type": None, "param": None, "code": None})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownProvider("x"), 2),
        (PluginError("x"), 2),
        (InvalidRequest("x"), 2),
        (UnsupportedParameter("n", "x", "one answer"), 2),
        (click.UsageError("x"), 2),
        (click.ClickException("x"), 2),
        (MissingKey("x"), 3),
        (status(401), 3),
        (status(403), 3),
        (status(429), 4),
        (status(400), 5),
        (status(404), 5),
        (status(500), 5),
        (connection_error("x"), 5),
        (openai.APITimeoutError(openai_request()), 5),
        (openai.OpenAIError("x"), 5),
        (ProviderFailure("x"), 5),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (RuntimeError("x"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_errors_are_one_line() -> None:
    assert describe(openai.OpenAIError("first\n\n  second")) == "first second"
    assert describe(status(429)) == "because (HTTP 429)"
    assert describe(RuntimeError("x\ny")) == "internal error: RuntimeError: x y (--debug shows where)"
    assert describe(openai.OpenAIError()) == "OpenAIError"
    refused = openai.APIConnectionError(request=openai_request())
    refused.__cause__ = OSError("nobody there")
    assert describe(refused) == "Connection error: nobody there"


def test_a_reason_is_said_once() -> None:
    inner = connection_error("ollama: connection failed: refused", cause=OSError("refused"))
    outer = connection_error("no ollama answers (refused): start it", cause=inner)
    assert describe(outer) == "no ollama answers (refused): start it"
    assert prefixed("ollama", "ollama: connection failed") == "ollama: connection failed"
    assert prefixed("vllm", "vllm needs a key") == "vllm needs a key"
    assert prefixed("ollama", "ollamas: connection failed") == "ollama: ollamas: connection failed"


def test_what_a_tape_differs_in_keeps_its_lines() -> None:
    assert describe(TapeError("on no tape:\n-a\n+b")) == "on no tape:\n-a\n+b"


def test_secrets_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "abcdefgh12345")
    monkeypatch.setenv("SHORT_TOKEN", "the")
    assert redact("the key abcdefgh12345 is wrong") == "the key [ACME_API_KEY] is wrong"


def test_report_prints_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(MissingKey("no key"), debug=False) == 3
    assert capsys.readouterr() == ("", "dragoman: no key\n")
    assert report(KeyboardInterrupt(), debug=False) == 130
    assert capsys.readouterr() == ("", "\n")
