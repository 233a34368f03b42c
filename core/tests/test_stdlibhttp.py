"""Heads of answers: cut, folded, repeated, interim, and too long."""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.outgoing import merged
from dragoman.core.stdlibhttp import Response


class Socket:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self.data))  # type: ignore[arg-type]  # bytes will do


def read(data: bytes, method: str = "POST", kind: Any = Response) -> Any:
    response = kind(Socket(data), method=method)
    response.begin()
    return response


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\nX-Long: a\r\n  b\r\nConnection: keep-alive\r\n\r\n"


def test_a_head() -> None:
    found = read(HEAD + b"{}")
    expected = {"content-length": "2", "x-a": "1, 2", "x-long": "a b", "connection": "keep-alive"}
    assert merged(found.fields) == expected
    assert [name for name, _ in found.fields] == [b"Content-Length", b"X-A", b"x-a", b"X-Long", b"Connection"]
    assert (found.status, found.length, found.will_close, found.read()) == (200, 2, False, b"{}")


def test_line_ends_of_unix() -> None:
    assert read(HEAD.replace(b"\r\n", b"\n") + b"{}").read() == b"{}"


def test_interim_answers() -> None:
    early = b"HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\n"
    hints = b"HTTP/1.1 103 Early Hints\r\nx-hint: 1\r\ncontent-length: 9\r\n\r\n"
    found = read(early + hints + early + HEAD + b"{}")
    heads = merged(found.fields)
    assert (found.status, heads["x-a"], "x-hint" in heads, found.read()) == (200, "1, 2", False, b"{}")
    with pytest.raises(http.client.HTTPException):
        read(hints * 40 + HEAD)


@given(
    st.tuples(
        st.sampled_from([b"HTTP/1.0", b"HTTP/1.1"]),
        st.sampled_from([b"200 OK", b"200", b"204 No Content", b"304 Not Modified", b"500 So  it is ", b"999 x"]),
    ),
    st.sampled_from(["POST", "HEAD"]),
    st.permutations(
        [b"Connection: Close", b"connection: Keep-Alive", b"Content-Length: 3", b"TRANSFER-ENCODING: chunked"]
    ),
    st.integers(0, 4),
)
def test_ends_are_where_the_standard_library_finds_them(
    first: tuple[bytes, bytes], method: str, headers: list[bytes], count: int
) -> None:
    head = b"\r\n".join([b" ".join(first), *headers[:count], b"X-More: a: b", b"", b""])
    found, expected = (read(head + b"{}", method, kind) for kind in (Response, http.client.HTTPResponse))
    for name in ("version", "status", "code", "reason", "length", "will_close"):
        assert getattr(found, name) == getattr(expected, name), name
    # The standard library would wait for chunks where there are none.
    assert found.chunked == (expected.chunked and expected.length != 0)


@pytest.mark.parametrize(("status", "method"), [(b"204", "POST"), (b"304", "POST"), (b"200", "HEAD")])
def test_an_answer_without_a_body_has_none(status: bytes, method: str) -> None:
    found = read(b"HTTP/1.1 " + status + b" So\r\nTransfer-Encoding: chunked\r\n\r\n", method)
    assert (found.read1(9), found.read(), found.will_close) == (b"", b"", False)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"\r\n\r\n",
        HEAD.replace(b": 2", b": -2"),
        HEAD.replace(b": 2", b": 2, 3"),
        HEAD.replace(b"X-A: 1", b"content-LENGTH: 3"),
    ],
)
def test_what_is_no_head(head: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        read(head + b"{}")


def test_the_same_length_twice() -> None:
    assert read(HEAD.replace(b"X-A: 1", b"content-LENGTH: 2") + b"{}").read() == b"{}"


@pytest.mark.parametrize("length", range(1, len(HEAD)))
def test_cut(length: int) -> None:
    with pytest.raises(http.client.IncompleteRead):
        read(HEAD[:length])


def test_nothing_came() -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        read(b"")
    with pytest.raises(http.client.IncompleteRead):
        read(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize("more", [b"x: " + b"a" * 70_000 + b"\r\n", b"".join(b"x-%d: 1\r\n" % n for n in range(300))])
def test_too_long(more: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        read(HEAD[:-2] + more + b"\r\n")
