from __future__ import annotations

import json
from typing import Any

import pytest
from batch_lab import completion, request
from hypothesis import given
from hypothesis import strategies as st

from dragoman.batch.failures import failed
from dragoman.batch.lines import LONGEST_ID, bad_line, output_line, read_line, refusal_of
from dragoman.batch.records import BadLine, Request, Result

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read(line: Any, model: str = "") -> Request | BadLine | None:
    return read_line(line if isinstance(line, bytes) else json.dumps(line).encode(), 7, model)


def test_openais_line_and_togethers_and_a_body_alone() -> None:
    whole = read(request(1))
    assert isinstance(whole, Request)
    assert (whole.custom_id, whole.url, whole.line, whole.model) == ("r1", "/v1/chat/completions", 7, "m")
    assert whole.endpoint == "chat/completions"
    short = read({"custom_id": "a", "body": CHAT})
    assert isinstance(short, Request)
    assert (short.custom_id, short.body) == ("a", CHAT)
    alone = read({"messages": CHAT["messages"]}, "anthropic/claude")
    assert isinstance(alone, Request)
    assert (alone.custom_id, alone.body) == ("line-7", {**CHAT, "model": "anthropic/claude"})
    named = read({**CHAT, "custom_id": "mine"}, "other")
    assert isinstance(named, Request)
    assert (named.custom_id, named.body) == ("mine", CHAT)


@pytest.mark.parametrize(("url", "name"), [("/v1/embeddings", "input"), ("/v1/responses", "input")])
def test_other_endpoints(url: str, name: str) -> None:
    found = read({"custom_id": "a", "url": url, "body": {"model": "m", name: "text"}})
    assert isinstance(found, Request)
    assert found.url == url
    bad = read({"custom_id": "a", "url": url, "body": CHAT})
    assert isinstance(bad, BadLine)
    assert f"has no {name} in its body" in bad.reason


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b"{nonsense", "invalid_json", "is not JSON"),
        (b"\xff\xfe", "invalid_json", "is not JSON"),
        (b"[" * 100_000, "invalid_json", "is not JSON"),
        ([CHAT], "invalid_request", "is a list"),
        (7, "invalid_request", "is a number"),
        ({"body": CHAT}, "missing_custom_id", "has no custom_id"),
        ({"custom_id": "", "body": CHAT}, "missing_custom_id", "has no custom_id"),
        ({"custom_id": 5, "body": CHAT}, "missing_custom_id", "a number"),
        ({"custom_id": "x" * (LONGEST_ID + 1), "body": CHAT}, "missing_custom_id", str(LONGEST_ID)),
        ({"custom_id": "a"}, "invalid_request", "has nothing for a body"),
        ({"custom_id": "a", "body": "text"}, "invalid_request", "has a text for a body"),
        (request(1, method="GET"), "invalid_request", "another method"),
        (request(1, url="/v1/images/generations"), "unknown_endpoint", "/v1/embeddings"),
        (request(1, url=["/v1/embeddings"]), "unknown_endpoint", "none of"),
        (request(1, body={"messages": []}), "invalid_request", "no model"),
        (request(1, body={"model": "m"}), "invalid_request", "no messages"),
        (request(1, body={"model": "m", "messages": "hi"}), "invalid_request", "must be a list"),
        (request(1, body={**CHAT, "stream": True}), "invalid_request", "stream"),
    ],
)
def test_a_bad_line_says_why(line: Any, code: str, words: str) -> None:
    bad = read(line)
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.code) == (7, code)
    assert words in bad.reason
    written = json.loads(bad_line(bad))
    assert written["response"] is None
    assert written["error"] == {"code": code, "line": 7, "message": f"line 7 {bad.reason}"}
    result = refusal_of(bad)
    assert not result.ok
    assert result.error
    assert result.error["message"].startswith("line 7 ")


def test_empty_lines_and_a_mark_at_the_beginning() -> None:
    assert read(b"") is None
    assert read(b" \r\n") is None
    marked = read_line(b"\xef\xbb\xbf" + json.dumps(request(1)).encode() + b"\r\n", 1)
    assert isinstance(marked, Request)
    assert isinstance(read_line(None, 3), BadLine)


def test_half_a_character_is_kept() -> None:
    found = read(b'{"custom_id":"\\ud83d","body":{"model":"m","messages":[{"role":"user","content":"\\ud83d"}]}}')
    assert isinstance(found, Request)
    line = output_line(Result(found.custom_id, 1, 200, b"{}"))
    assert json.loads(line)["custom_id"] == "\ud83d"


def test_half_a_character_in_an_error_is_kept() -> None:
    error = {"message": "cut emoji \ud83d", "type": None, "param": float("nan"), "code": "c"}
    written = output_line(Result("a", 3, error=error))
    written.decode()
    assert b"NaN" not in written
    assert json.loads(written)["error"] == {**error, "param": None, "line": 3}


@given(JSON)
def test_any_json_is_a_request_or_a_reason(value: Any) -> None:
    found = read(value)
    assert isinstance(found, Request | BadLine)


@given(st.binary())
def test_any_bytes_are_read(text: bytes) -> None:
    found = read_line(text, 7)
    assert found is None or isinstance(found, Request | BadLine)


@given(st.text(min_size=1, max_size=LONGEST_ID), JSON)
def test_what_was_asked_is_what_was_written(custom_id: str, extra: Any) -> None:
    body = {**CHAT, "metadata": extra}
    found = read({"custom_id": custom_id, "body": body})
    assert isinstance(found, Request)
    assert (found.custom_id, found.body) == (custom_id, body)


@given(st.text(), JSON, st.sampled_from([200, 400, 500]), st.text())
def test_an_output_line_is_one_line_and_openais(custom_id: str, body: Any, status: int, request_id: str) -> None:
    error = None if status == 200 else {"message": "no", "code": "c"}
    content = json.dumps(body).encode()
    line = output_line(Result(custom_id, 3, status, content, error, request_id))
    assert line.count(b"\n") == 1
    found = json.loads(line)
    assert found["id"].startswith("batch_req_")
    assert found["custom_id"] == custom_id
    assert found["error"] is None
    assert found["response"] == {"status_code": status, "request_id": request_id, "body": body}
    assert found.get("line") == (None if status == 200 else 3)


def test_nobody_answered() -> None:
    error = {"message": "no connection", "type": "server_error", "param": None, "code": "connection_error"}
    found = json.loads(output_line(Result("a", 3, error=error)))
    assert found["response"] is None
    assert found["error"] == {**error, "line": 3}
    assert Result("a", 3, 200, json.dumps(completion()).encode()).body == completion()


class Untold(Exception):  # noqa: N818 (it stands for any)
    def __str__(self) -> str:
        raise LookupError


def test_a_failure_that_cannot_be_told_is_a_result_too() -> None:
    found = failed(Untold(), Request("a", {}, line=3), str)
    assert json.loads(output_line(found))["error"] == {
        "code": "internal_error",
        "line": 3,
        "message": "Untold, which cannot be told (LookupError)",
        "param": None,
        "type": "server_error",
    }
