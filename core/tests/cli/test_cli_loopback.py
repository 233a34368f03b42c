from __future__ import annotations

import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.cli.loopback import LIMIT, Address, FloodError, ask, read_address, tell

if TYPE_CHECKING:
    import socket

ANYWHERE = "0.0.0.0"  # noqa: S104 (read, never bound)


def soon() -> float:
    return time.monotonic() + 10


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("127.0.0.1", ["http://127.0.0.1:7"]),
        ("127.0.0.1:9", ["http://127.0.0.1:9"]),
        (" http://127.0.0.1:9/v1/ ", ["http://127.0.0.1:9"]),
        ("https://127.0.0.2/llm/v1", ["https://127.0.0.2:443/llm"]),
        ("http://127.0.0.1", ["http://127.0.0.1:80"]),
        ("localhost:9", ["http://127.0.0.1:9", "http://[::1]:9"]),
        (ANYWHERE, ["http://127.0.0.1:7"]),
        (":9", ["http://127.0.0.1:9"]),
        ("::1", ["http://[::1]:7"]),
        ("[::]:9", ["http://[::1]:9"]),
        ("http://user:secret@127.0.0.1:9/v1", ["http://127.0.0.1:9"]),
        ("http://127.0.0.1:9/a b", ["http://127.0.0.1:9/a%20b"]),
        ("gpu1:8000", []),
        ("http://192.168.1.2", []),
        ("http://127.0.0.1.example.com", []),
        ("http://127.0.0.1@gpu1/", []),
    ],
)
def test_what_people_write(text: str, urls: list[str]) -> None:
    assert [address.url for address in read_address(text, 7)[1]] == urls


def test_the_host_is_told_without_its_password() -> None:
    assert read_address("http://user:secret@gpu1:9", 7) == ("gpu1", [])


@pytest.mark.parametrize("text", ["ftp://127.0.0.1", "127.0.0.1:port", "http://[::1", "127.0.0.1:99999"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_address(text, 7)


def test_one_question(listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server = listen({"/llm/version": listen.http({"version": "1"}, X_Name="a")})
    answer = ask(Address("127.0.0.1", server.port, prefix="/llm"), "/version", until=soon())
    assert answer is not None
    assert (answer.status, answer.json, answer.get("version"), answer.headers["x-name"]) == (
        200,
        {"version": "1"},
        "1",
        "a",
    )
    assert "authorization" not in server.asked[0].lower()
    assert f"Host: 127.0.0.1:{server.port}\r\n" in server.asked[0]


def test_chunks_are_put_together(listen: Any) -> None:
    server = listen(
        {"/": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n4\r\na":1\r\n1\r\n}\r\n0\r\n\r\n'}
    )
    answer = ask(Address("127.0.0.1", server.port), "/", until=soon())
    assert answer is not None
    assert answer.json == {"a": 1}


@pytest.mark.parametrize("body", ["[" * 100_000, "no json", "\x80", ""])
def test_a_body_that_is_no_json(listen: Any, body: str) -> None:
    server = listen({"/": listen.http(body)})
    answer = ask(Address("127.0.0.1", server.port), "/", until=soon())
    assert answer is not None
    assert (answer.json, answer.get("a")) == (None, None)


def test_nobody_there(listen: Any) -> None:
    server = listen()
    server.close()
    assert ask(Address("127.0.0.1", server.port), "/", until=soon()) is None


def test_no_other_machine_is_ever_asked() -> None:
    for host in ("192.0.2.1", "example.com", "localhost"):
        with pytest.raises(ValueError, match="not on this machine"):
            ask(Address(host, 80), "/", until=soon())


def test_a_redirect_is_an_answer(listen: Any) -> None:
    elsewhere = listen({"/": listen.http("caught")})
    server = listen({"/": listen.http("", 302, Location=elsewhere.url)})
    answer = ask(Address("127.0.0.1", server.port), "/", until=soon())
    assert answer is not None
    assert answer.status == 302
    assert elsewhere.asked == []


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-A: 1\r\n")
        time.sleep(0.1)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"0" * 65536)


def boast(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n")
    flood(connection)


def hang(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        (hang, TimeoutError, "does not answer in time"),
        (lambda connection: connection.close(), OSError, "hangs up"),
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), HTTPException, "does not speak HTTP"),
        (flood, FloodError, f"more than {LIMIT >> 20} MiB"),
        (boast, FloodError, f"more than {LIMIT >> 20} MiB"),
    ],
    ids=["hangs", "closes", "other", "floods", "boasts"],
)
def test_what_servers_do(listen: Any, behaviour: Any, error: type[Exception], words: str) -> None:
    server = listen({"/": behaviour})
    patience = 0.2 if error is TimeoutError else 10
    with pytest.raises(error) as caught:
        ask(Address("127.0.0.1", server.port), "/", until=time.monotonic() + patience)
    assert words in tell(caught.value)


def test_bytes_one_by_one_do_not_buy_time(listen: Any) -> None:
    server = listen({"/": drip})
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(Address("127.0.0.1", server.port), "/", until=started + 0.5)
    assert time.monotonic() - started < 5


def test_plain_http_where_tls_was_expected(listen: Any) -> None:
    server = listen({"/": listen.http("hi")})
    with pytest.raises(OSError, match=r"."):
        ask(Address("127.0.0.1", server.port, tls=True), "/", until=time.monotonic() + 0.5)
