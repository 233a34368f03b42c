"""Heads of answers: cut, folded, repeated, interim, and too long."""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest

from dragoman.core.outgoing import merged
from dragoman.core.stdlibhttp import Response


class Socket:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self.data))  # type: ignore[arg-type]  # bytes will do


def read(data: bytes) -> Response:
    sock: Any = Socket(data)
    response = Response(sock, method="POST")
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
