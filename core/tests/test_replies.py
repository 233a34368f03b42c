"""A reply that came whole."""

from __future__ import annotations

import openai
import pytest

from dragoman.core import Call, Provider, Reply, VendorError
from dragoman.core.replies import Unstreamed, accept, content_type, read_completion, read_json

CALL = Call(provider="acme", model="m", request={"messages": []})
PROVIDER = Provider(base_url="http://127.0.0.1:9/v1")


def test_the_content_type_is_read_without_its_parameters() -> None:
    assert content_type(Reply(200, {"content-type": "Application/JSON; charset=utf-8"})) == "application/json"
    assert content_type(Reply(200)) == ""


def test_a_page_is_no_answer_but_may_be_a_files_content() -> None:
    page = Reply(200, {"content-type": "text/html"}, b"<p>")
    with pytest.raises(openai.APIResponseValidationError, match="an HTML page; is the base URL right"):
        accept(PROVIDER, CALL, page)
    file = Call(provider="acme", model="", request={}, endpoint="files/f-1/content", method="GET")
    accept(PROVIDER, file, page)
    assert page.content == b"<p>"


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "no body"), (b"{cut", "not JSON"), (b"[1]", "not an object"), (b"3", "not an object")]
)
def test_a_body_must_be_an_object(content: bytes, said: str) -> None:
    with pytest.raises(openai.APIResponseValidationError, match=said):
        read_json(CALL, Reply(200), content)


def test_a_bare_list_of_models_is_understood() -> None:
    call = Call(provider="acme", model="", request={}, endpoint="models", method="GET")
    assert read_json(call, Reply(200), b'[{"id": "m"}]') == {"data": [{"id": "m"}]}


@pytest.mark.rule(167)
def test_an_error_with_status_200_is_raised() -> None:
    with pytest.raises(VendorError, match="busy") as caught:
        read_completion(PROVIDER, CALL, Reply(200), {"error": {"message": "busy", "code": 503}})
    assert caught.value.status == 503


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("content", "events"),
    [
        (b'data: {"a": 1}\n\n', True),
        (b"\xef\xbb\xbf\r\n: hello\n\n", True),
        (b"event: ping\n\n", True),
        (b"retry: 5\n\n", True),
        (b'  \n {"data": 1}', False),
        (b'"data: a"', False),
        (b"[]", False),
        (b"database: down", False),
    ],
)
def test_what_is_labelled_json_is_told_by_how_it_begins(content: bytes, events: bool, size: int) -> None:
    body = Unstreamed(CALL, Reply(200))
    found = b""
    for start in range(0, len(content), size):
        found = found or body.take(content[start : start + size])
    assert (content.startswith(found) and bool(found)) == events
    if events:
        return
    if content.lstrip().startswith(b"{"):
        assert body.read() == {"data": 1}
    else:
        with pytest.raises(openai.APIResponseValidationError):
            body.read()


def test_an_answer_without_choices_is_none() -> None:
    with pytest.raises(openai.APIResponseValidationError, match="without choices"):
        read_completion(PROVIDER, CALL, Reply(200), {"id": "x"})
