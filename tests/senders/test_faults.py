"""What goes wrong on the network, the same for every sender: nothing cut looks complete, and all fail alike."""

from __future__ import annotations

import email.utils
import threading
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import outgoing

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def wires(request: pytest.FixtureRequest) -> ModuleType:
    """The conftest's functions; test folders are no packages."""
    return request.config.pluginmanager.getplugin(str(request.path.with_name("conftest.py")))


def test_an_answer(caller: Any, server: Any, wires: Any) -> None:
    server.script(wires.http(200, caller.wire.answer(wires.TEXT)))
    assert caller.make(server.origin).text() == wires.TEXT
    _, headers, body = server.seen[0]
    assert wires.KEY in headers.get("authorization", "") + headers.get("x-api-key", "")
    assert b'"Hi"' in body


def test_a_stream_cut_at_every_byte(caller: Any, server: Any, wires: Any) -> None:
    words = [wires.TEXT[:9], wires.TEXT[9:]]
    stream = caller.wire.stream(*words)
    whole = wires.head() + wires.chunked(stream, 96)
    caller.make(server.origin)
    complete = 0
    for length in range(len(whole)):
        server.script(whole[:length], "cut")
        heard = caller.listen()
        if heard.failure is None:
            # The vendor's last event came: only the end of the HTTP body is missing.
            assert (heard.text, heard.finished) == (wires.TEXT, True), length
            complete += 1
        else:
            assert type(heard.failure) is openai.APIConnectionError, (length, heard.failure)
            assert wires.TEXT.startswith(heard.text)
    assert complete <= len(b"\r\n0\r\n\r\n") + len(caller.wire.end)
    server.script(whole)
    heard = caller.listen()
    assert (heard.text, heard.finished, heard.failure) == (wires.TEXT, True, None)


def test_an_answer_cut_anywhere(caller: Any, server: Any, wires: Any) -> None:
    body = caller.wire.answer(wires.TEXT)
    caller.make(server.origin)
    for whole in (wires.http(200, body), wires.head(content_type="application/json") + wires.chunked(body, 64)):
        # The last bytes are the end of the chunks: the body is whole without them.
        for length in range(0, len(whole) - len(b"0\r\n\r\n"), 13):
            server.script(whole[:length], "cut")
            with pytest.raises(openai.APIConnectionError):
                caller.create()


@pytest.mark.parametrize("size", [1, 7, 1024, 4096, 16384, 65536])
def test_chunks_of_any_size(caller: Any, server: Any, wires: Any, size: int) -> None:
    text = wires.TEXT * (4 if size < 1024 else 400)
    words = [text[start : start + 120] for start in range(0, len(text), 120)]
    server.script(wires.head(), wires.chunked(caller.wire.stream(*words), size))
    assert caller.make(server.origin).listen().text == text
    server.script(wires.head(content_type="application/json"), wires.chunked(caller.wire.answer(text), size))
    assert caller.text() == text


def test_chunks_that_come_in_parts(caller: Any, server: Any, wires: Any) -> None:
    whole = wires.head() + wires.chunked(caller.wire.stream(wires.TEXT), 50)
    server.script(*[whole[start : start + 17] for start in range(0, len(whole), 17)])
    assert caller.make(server.origin).listen().text == wires.TEXT


def test_compressed(caller: Any, server: Any, wires: Any) -> None:
    text = wires.TEXT * 500
    caller.make(server.origin)
    packed = wires.gzipped(caller.wire.answer(text))
    server.script(wires.http(200, packed, content_encoding="gzip"))
    assert caller.text() == text
    stream = wires.gzipped(caller.wire.stream(*[wires.TEXT] * 500))
    server.script(wires.head(content_encoding="gzip"), wires.chunked(stream, 100))
    assert caller.listen().text == text
    assert "gzip" in server.seen[0][1]["accept-encoding"]


def test_compressed_and_cut(caller: Any, server: Any, wires: Any) -> None:
    packed = wires.gzipped(caller.wire.stream(*[wires.TEXT + str(number) for number in range(99)]))
    server.script(wires.head(content_encoding="gzip"), wires.chunked(packed[: len(packed) // 2]))
    heard = caller.make(server.origin).listen()
    assert type(heard.failure) is openai.APIConnectionError
    server.script(wires.http(200, b"this is not gzip", content_encoding="gzip"))
    with pytest.raises(openai.APIConnectionError):
        caller.create()


def test_a_reset(caller: Any, server: Any, wires: Any) -> None:
    caller.make(server.origin)
    server.script("reset")
    with pytest.raises(openai.APIConnectionError) as caught:
        caller.create()
    assert type(caught.value) is openai.APIConnectionError
    half = wires.head() + wires.chunked(caller.wire.stream(wires.TEXT), 30)[:200]
    server.script(half, "reset")
    assert type(caller.listen().failure) is openai.APIConnectionError


@pytest.mark.parametrize("before", ["nothing", "the head", "a part"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stall(caller: Any, server: Any, wires: Any, before: str, stream: bool) -> None:
    gate = threading.Event()
    body = caller.wire.stream(wires.TEXT) if stream else caller.wire.answer(wires.TEXT)
    whole = wires.head(**({} if stream else {"content_type": "application/json"})) + wires.chunked(body)
    sent = {"nothing": b"", "the head": whole[: whole.index(b"\r\n\r\n") + 4], "a part": whole[:-120]}[before]
    server.script(sent, gate, "cut")
    caller.make(server.origin, timeout=0.3)
    if stream:
        failure: Any = caller.listen().failure
    else:
        with pytest.raises(openai.APIConnectionError) as caught:
            caller.create()
        failure = caught.value
    gate.set()
    assert type(failure) is openai.APITimeoutError


def test_no_time_at_all(caller: Any, server: Any) -> None:
    """It is no limit of time that there is not, and no other failure."""
    if caller.kind == "own" and not caller.asynchronous:
        pytest.skip("httpx by itself says that the operation is in progress")
    gate = threading.Event()
    server.usual = lambda _: (gate,)
    with pytest.raises(openai.APITimeoutError):
        caller.make(server.origin, timeout=0).create()
    gate.set()


def test_a_slow_first_byte(caller: Any, server: Any, wires: Any) -> None:
    server.script(lambda _: time.sleep(0.3), wires.http(200, caller.wire.answer(wires.TEXT)))
    assert caller.make(server.origin).text() == wires.TEXT


def test_a_length_that_is_wrong(caller: Any, server: Any, wires: Any) -> None:
    body = caller.wire.answer(wires.TEXT)
    caller.make(server.origin)
    server.script(wires.http(200, body, content_length=str(len(body) + 9)), "cut")
    with pytest.raises(openai.APIConnectionError) as caught:
        caller.create()
    assert type(caught.value) is openai.APIConnectionError
    server.script(wires.http(200, body, content_length=str(len(body) - 9)))
    # What is left over may be noticed, too.
    with pytest.raises((openai.APIConnectionError, openai.APIResponseValidationError)):
        caller.create()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["seconds", "a date", "milliseconds"])
def test_sent_again_when_the_server_asks(caller: Any, server: Any, wires: Any, status: int, asked: str) -> None:
    headers = {
        "seconds": {"retry_after": "0.01"},
        "a date": {"retry_after": email.utils.formatdate(time.time() + 1, usegmt=True)},
        "milliseconds": {"retry_after_ms": "10"},
    }[asked]
    if caller.kind == "mistralai" and asked == "milliseconds":
        pytest.skip("Mistral has no such header")
    server.script(wires.http(status, b'{"error": {"message": "later"}}', **headers))
    server.script(wires.http(200, caller.wire.answer(wires.TEXT)))
    assert caller.make(server.origin, max_retries=1).text() == wires.TEXT
    assert len(server.seen) == 2


def test_sent_again_after_a_broken_connection(caller: Any, server: Any, wires: Any) -> None:
    server.script("cut")
    server.script(wires.head(), wires.chunked(caller.wire.stream(wires.TEXT)))
    assert caller.make(server.origin, max_retries=1).listen().text == wires.TEXT
    assert len(server.seen) == 2


@pytest.mark.parametrize(("status", "kind"), [(401, openai.AuthenticationError), (502, openai.InternalServerError)])
def test_a_failure(caller: Any, server: Any, wires: Any, status: int, kind: type[openai.APIStatusError]) -> None:
    body = b'{"error": {"message": "no such luck", "type": "t", "code": "c"}}'
    server.script(wires.http(status, body, x_request_id="req-7", x_other="1"))
    with pytest.raises(kind, match="no such luck") as caught:
        caller.make(server.origin).create()
    assert caught.value.request_id == "req-7"
    response = caught.value.response
    assert (response.status_code, response.headers["x-other"], response.json()["error"]["code"]) == (status, "1", "c")
    assert str(response.request.url).startswith(server.origin)
    if caller.ours:
        assert wires.KEY not in repr(response.request.headers)


def test_a_page_instead_of_an_error(caller: Any, server: Any, wires: Any) -> None:
    page = b"<html><body>Bad gateway</body></html>"
    caller.make(server.origin)
    server.script(wires.http(502, page, content_type="text/html"))
    with pytest.raises(openai.InternalServerError, match=r"HTML page|HTTP 502"):
        caller.create()
    server.script(wires.http(200, page, content_type="text/html"))
    with pytest.raises(openai.APIResponseValidationError) as caught:
        caller.create()
    assert (caught.value.response.status_code, "Bad gateway" in caught.value.response.text) == (200, True)
    server.script(wires.http(200, b""))
    with pytest.raises(openai.APIResponseValidationError):
        caller.create()


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_interim_answers(caller: Any, server: Any, wires: Any, interim: str) -> None:
    early = f"HTTP/1.1 {interim}\r\nlink: </x>\r\n\r\n".encode()
    server.script(early, early, wires.http(200, caller.wire.answer(wires.TEXT)))
    assert caller.make(server.origin).text() == wires.TEXT


def test_a_stream_without_chunks(caller: Any, server: Any, wires: Any) -> None:
    """Its end is the connection's, or comes after so many bytes."""
    stream = caller.wire.stream(wires.TEXT)
    server.script(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + stream, "cut")
    assert caller.make(server.origin).listen().text == wires.TEXT
    server.script(wires.http(200, stream, content_type="text/event-stream"))
    assert caller.listen().text == wires.TEXT
    server.script(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + caller.wire.answer("x"), "cut")
    assert caller.text() == "x"


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 40])
def test_no_http_at_all(caller: Any, server: Any, wires: Any, answer: bytes) -> None:
    server.script(answer, "cut")
    with pytest.raises(openai.APIConnectionError) as caught:
        caller.make(server.origin).create()
    assert type(caught.value) is openai.APIConnectionError


def test_redirects_carry_no_key_away(our_caller: Any, server: Any, wires: Any) -> None:
    server.script(wires.http(307, b"", location="http://127.0.0.1:1/elsewhere"))
    with pytest.raises(openai.APIStatusError, match=r"127\.0\.0\.1:1/elsewhere"):
        our_caller.make(server.origin).create()


def test_a_body_without_end(our_caller: Any, server: Any, wires: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outgoing.MOST == 256 * 1024 * 1024
    for module in ("connections", "outgoing"):
        monkeypatch.setattr(f"dragoman.core.{module}.MOST", 200_000)
        monkeypatch.setattr(f"dragoman.core.{module}.MOST_OF_A_FAILURE", 100_000)
    our_caller.make(server.origin)
    bomb = wires.gzipped(b" " * 10_000_000)
    for answer in (
        wires.http(200, b" " * 300_000),
        wires.head(content_type="application/json") + wires.chunked(b" " * 300_000),
        wires.http(200, bomb, content_encoding="gzip"),
    ):
        server.script(answer)
        with pytest.raises(openai.APIResponseValidationError, match="longer than"):
            our_caller.create()
    server.script(wires.http(500, b'{"error": {"message": "' + b"x" * 150_000))
    with pytest.raises(openai.InternalServerError) as caught:
        our_caller.create()
    assert len(caught.value.response.content) == 100_000
