"""What was raised during a call -> what the caller sees."""

from __future__ import annotations

import socket
from typing import Any, ClassVar

import openai
import pytest

from dragoman.core import (
    Call,
    Client,
    DragomanError,
    InvalidRequest,
    PluginError,
    Provider,
    StreamCutError,
    VendorError,
)
from dragoman.core.failures import failure_of, no_endpoint, reported
from dragoman.core.framing import FramingError

CALL = Call(provider="acme", model="m", request={"messages": []})
ERROR = {"message": "busy", "type": "overloaded", "param": None, "code": None}


@pytest.mark.parametrize(
    ("raised", "phase", "expected"),
    [
        (VendorError(ERROR, 529), "decoding", openai.InternalServerError),
        (VendorError(ERROR), "decoding", openai.APIError),
        (StreamCutError("cut"), "decoding", openai.APIConnectionError),
        (FramingError("no end"), "decoding", openai.APIResponseValidationError),
        (KeyError("choices"), "decoding", openai.APIResponseValidationError),
        (RecursionError(), "decoding", openai.APIResponseValidationError),
        (TypeError("float"), "encoding", InvalidRequest),
        (ModuleNotFoundError("No module named 'acme'"), "sending", PluginError),
        (TimeoutError(), "sending", openai.APITimeoutError),
        (ConnectionResetError("reset"), "sending", openai.APIConnectionError),
        (ZeroDivisionError(), "sending", openai.APIConnectionError),
    ],
)
def test_everything_is_an_openai_error_with_its_cause(raised: Exception, phase: str, expected: type) -> None:
    failure = failure_of(raised, CALL, phase, None)  # type: ignore[arg-type]  # a parametrised literal
    assert type(failure) is expected
    assert isinstance(failure, openai.OpenAIError)
    assert failure.__cause__ is raised


@pytest.mark.parametrize("raised", [DragomanError("local"), KeyboardInterrupt(), DeprecationWarning("old")])
def test_what_says_enough_stays_as_it_is(raised: BaseException) -> None:
    assert failure_of(raised, CALL, "sending", None) is raised


@pytest.mark.rule(232)
@pytest.mark.parametrize(
    ("code", "body", "status"),
    [
        (429, {"error": {}}, 429),
        ("503", {"error": {}}, 503),
        ("tool_use_failed", {"error": {"status_code": 400}}, 400),
        ("200", {"error": {}}, None),
        ("overloaded", {"error": "busy"}, None),
    ],
)
def test_a_status_is_read_where_servers_put_it(code: object, body: dict[str, object], status: int | None) -> None:
    assert reported({**ERROR, "code": code}, body).status == status


@pytest.mark.rule(171)
def test_a_missing_endpoint_is_a_404_that_names_what_there_is() -> None:
    call = Call(provider="acme", model="m", request={}, endpoint="embeddings")
    failure = no_endpoint(call, frozenset({"models", "chat"}))
    assert isinstance(failure, openai.NotFoundError)
    assert "acme has no 'embeddings' endpoint (it has: chat, models)" in str(failure)
    assert failure.code == "unsupported_endpoint"


def test_where_nobody_listens_the_provider_says_what_to_do() -> None:
    class Local(Provider):
        name = "local"
        start: ClassVar[str] = "start it with `local serve`"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
    provider = Local(base_url=f"http://user:secret@{place}/v1", api_key="k")
    request: Any = {"model": "local/m", "messages": [{"role": "user", "content": "Hi"}]}
    with Client(providers=[provider], max_retries=0) as client:
        with pytest.raises(openai.APIConnectionError) as caught:
            client.chat.completions.create(**request)
        with pytest.raises(openai.APIConnectionError, match="local serve"):
            client.chat.completions.create(**request, stream=True)
    said = str(caught.value)
    assert said.startswith(f"no local answers at http://{place}/v1 (")
    assert said.endswith("start it with `local serve`")
    assert caught.value.__cause__ is not None
