"""Connections: kept, given up, shared, cut off, through proxies and with certificates; the same for every sender."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def wires(request: pytest.FixtureRequest) -> ModuleType:
    """The conftest's functions; test folders are no packages."""
    return request.config.pluginmanager.getplugin(str(request.path.with_name("conftest.py")))


def usual(server: Any, caller: Any, wires: Any) -> None:
    """Let the server answer as the vendor does."""

    def answer(body: bytes) -> tuple[bytes, ...]:
        if b'"stream":true' in body:
            return wires.head(), wires.chunked(caller.wire.stream(wires.TEXT), 200)
        return (wires.http(200, caller.wire.answer(wires.TEXT)),)

    server.usual = answer


def test_a_connection_is_used_again(caller: Any, server: Any, wires: Any) -> None:
    usual(server, caller, wires)
    caller.make(server.origin)
    for _ in range(3):
        assert caller.text() == wires.TEXT
    assert server.connections == 1
    server.script(wires.http(400, b'{"error": {"message": "no"}}'))
    with pytest.raises(openai.BadRequestError):
        caller.create()
    assert caller.text() == wires.TEXT
    assert server.connections == 1


def test_a_stream_gives_its_connection_back(our_caller: Any, server: Any, wires: Any) -> None:
    usual(server, our_caller, wires)
    our_caller.make(server.origin)
    for _ in range(3):
        assert our_caller.listen().text == wires.TEXT
    if our_caller.kind != "http" or not our_caller.asynchronous:
        assert server.connections == 1


def test_the_server_closes_after_each_answer(caller: Any, server: Any, wires: Any) -> None:
    caller.make(server.origin)
    for _ in range(3):
        server.script(wires.http(200, caller.wire.answer(wires.TEXT)), "cut")
        assert caller.text() == wires.TEXT
        assert server.gone.acquire(timeout=10)
    server.script(wires.http(200, caller.wire.answer(wires.TEXT), connection="close"), "cut")
    assert caller.text() == wires.TEXT
    server.script(wires.head(), wires.chunked(caller.wire.stream(wires.TEXT)))
    assert caller.listen().text == wires.TEXT


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_kept_connection_that_closes_under_the_request(our_caller: Any, server: Any, wires: Any, how: str) -> None:
    """No byte of an answer came: it is sent again on a new connection, which is no retry."""
    if our_caller.kind == "http" and our_caller.asynchronous:
        pytest.skip("httpx leaves this to retries")
    usual(server, our_caller, wires)
    our_caller.make(server.origin)
    assert our_caller.text() == wires.TEXT
    server.script(how)
    assert our_caller.text() == wires.TEXT
    assert (server.connections, len(server.seen)) == (2, 3)
    # On a new connection it is a failure.
    server.script(how)
    server.script(how)
    with pytest.raises(openai.APIConnectionError):
        our_caller.create()


def test_leaving_a_stream(caller: Any, server: Any, wires: Any) -> None:
    gate = threading.Event()
    server.script(wires.begun(caller.wire, "one ", "two ", "three"), gate, _until_closed)
    made = caller.make(server.origin).create(stream=True)
    assert caller.next(made) is not None
    caller.run(made.close())
    gate.set()
    assert server.gone.acquire(timeout=10)
    usual(server, caller, wires)
    assert caller.text() == wires.TEXT


def _until_closed(sock: Any) -> None:
    with suppress(OSError):
        assert sock.recv(1) == b""


def test_closing_from_another_thread(our_sync_caller: Any, server: Any, wires: Any) -> None:
    server.script(wires.begun(our_sync_caller.wire, "one ", "two ", "three"), _until_closed, "cut")
    made = our_sync_caller.make(server.origin).create(stream=True)
    failures: list[Exception] = []

    def read() -> None:
        try:
            for _ in made:
                pass
        except Exception as exception:  # noqa: BLE001 (the test looks at it)
            failures.append(exception)

    thread = threading.Thread(target=read)
    thread.start()
    while not _waits(thread):
        time.sleep(0.01)
    made.close()
    thread.join(10)
    assert not thread.is_alive()
    assert server.gone.acquire(timeout=10)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_closing_the_client_while_a_task_reads(async_caller: Any, server: Any, wires: Any, elsewhere: bool) -> None:
    """Its own time-out has gone with the connection: it would wait for ever. `elsewhere`: closed by another loop."""
    if async_caller.kind == "mistralai" or (elsewhere and async_caller.kind in {"http", "own"}):
        pytest.skip("httpx by itself, which is bound to one loop")
    server.script(wires.begun(async_caller.wire, "one ", "two ", "three"), _until_closed, "cut")
    async_caller.make(server.origin)

    async def scenario() -> None:
        stream = await async_caller.client.chat.completions.create(
            model="m1", messages=[{"role": "user", "content": "Hi"}], max_tokens=9, stream=True
        )
        heard = wires.Heard()
        while "one two" not in heard.text:
            heard.add(await anext(stream))
        reading = asyncio.create_task(heard.alisten(stream))
        await asyncio.sleep(0)
        if elsewhere:
            await asyncio.to_thread(lambda: asyncio.run(async_caller.client.close()))
        else:
            await async_caller.client.close()
        with pytest.raises(openai.APIConnectionError):
            await asyncio.wait_for(reading, 10)

    async_caller.run(scenario())
    assert server.gone.acquire(timeout=10)


def _waits(thread: threading.Thread) -> bool:
    """Whether a thread reads from a socket."""
    import sys

    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code.co_name in {"readinto", "recv", "read", "recv_into", "recv_stream"}


def test_a_stream_that_is_collected_meanwhile(
    our_sync_caller: Any, server: Any, wires: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python may do so at any time, and so while its own thread keeps the connections to itself."""
    usual(server, our_sync_caller, wires)
    gate = threading.Event()
    server.script(wires.begun(our_sync_caller.wire, "one ", "two"), gate)
    held = [our_sync_caller.make(server.origin).create(stream=True)]
    assert our_sync_caller.next(held[0]) is not None

    def collect() -> float:
        while held:
            held.pop().close()
        return time.monotonic()

    monkeypatch.setattr("dragoman.core.connections.time", SimpleNamespace(monotonic=collect))
    assert our_sync_caller.text() == wires.TEXT
    assert not held
    gate.set()


def test_cancelling(async_caller: Any, server: Any, wires: Any) -> None:
    server.script(_until_closed)
    async_caller.make(server.origin)

    async def give_up() -> None:
        task = asyncio.ensure_future(
            async_caller.client.chat.completions.create(
                model="m1", messages=[{"role": "user", "content": "Hi"}], max_tokens=9
            )
        )
        assert await asyncio.to_thread(server.arrived.acquire, timeout=20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_caller.run(give_up())
    assert server.gone.acquire(timeout=10)
    usual(server, async_caller, wires)
    assert async_caller.text() == wires.TEXT


def test_back_pressure(caller: Any, server: Any, wires: Any) -> None:
    """Who does not read is not sent more than the system's buffers take."""
    event = b": " + b"x" * 8000 + b"\n\n"
    sent, stuck = [0], threading.Event()

    def pour(sock: Any) -> None:
        sock.setblocking(False)
        part = b"%x\r\n%b\r\n" % (len(event), event)
        for _ in range(16_000):
            if not select.select([], [sock], [], 0.5)[1]:
                break
            with suppress(BlockingIOError):
                sent[0] += sock.send(part)
        stuck.set()

    server.script(wires.begun(caller.wire, "one ", "two ", "three"), pour, "cut")
    made = caller.make(server.origin).create(stream=True)
    assert caller.next(made) is not None
    if caller.asynchronous:
        # The loop goes on meanwhile, and nobody asks it for the next chunk.
        caller.run(asyncio.to_thread(stuck.wait, 60))
    assert stuck.wait(60)
    caller.run(made.close())
    assert sent[0] < 32 * 1024 * 1024


def test_many_at_once(async_caller: Any, server: Any, wires: Any) -> None:
    usual(server, async_caller, wires)
    async_caller.make(server.origin)

    async def one() -> str:
        stream = await async_caller.client.chat.completions.create(
            model="m1", messages=[{"role": "user", "content": "Hi"}], max_tokens=9, stream=True
        )
        return "".join([c.delta.content or "" async for chunk in stream for c in chunk.choices])

    async def all_of_them() -> list[str]:
        return list(await asyncio.gather(*[one() for _ in range(64)]))

    assert async_caller.run(all_of_them()) == [wires.TEXT] * 64


def test_many_threads(sync_caller: Any, server: Any, wires: Any) -> None:
    usual(server, sync_caller, wires)
    sync_caller.make(server.origin)
    found: list[str] = []

    def work() -> None:
        for _ in range(5):
            found.append(sync_caller.text())
            found.append(sync_caller.listen().text)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [wires.TEXT] * 160
    if sync_caller.ours:
        assert server.connections <= 32


def test_nobody_listens(caller: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(openai.APIConnectionError) as caught:
        caller.make(f"http://127.0.0.1:{port}").create()
    assert type(caught.value) is openai.APIConnectionError


def test_a_name_that_nobody_has(caller: Any) -> None:
    with pytest.raises(openai.APIConnectionError) as caught:
        caller.make("http://no-such-host.invalid").create()
    assert type(caught.value) is openai.APIConnectionError


def test_connecting_takes_too_long(caller: Any) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        # Once its queue is full, the system answers no more.
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        timeout = openai.Timeout(20, connect=0.3)
        with pytest.raises(openai.APITimeoutError):
            caller.make(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=timeout).create()
        for sock in waiting:
            sock.close()


def test_a_request_is_not_taken(caller: Any, server: Any) -> None:
    gate = threading.Event()
    server.script(gate, "cut")
    timeout = openai.Timeout(20, write=0.3, read=1)
    caller.make(server.origin, timeout=timeout)
    long = [{"role": "user", "content": "x" * 30_000_000}]
    with pytest.raises(openai.APITimeoutError):
        caller.create(messages=long, extra_headers={"x-unread": "1"})
    gate.set()


def test_a_long_request_is_refused_early(our_caller: Any, server: Any, wires: Any) -> None:
    answer = wires.http(413, b'{"error": {"message": "too long"}}', connection="close")
    server.script(answer, lambda sock: [sock.recv(1 << 20) for _ in range(3)], "cut")
    long = [{"role": "user", "content": "x" * 3_000_000}]
    with pytest.raises(openai.APIError) as caught:
        our_caller.make(server.origin).create(messages=long, extra_headers={"x-unread": "1"})
    assert isinstance(caught.value, openai.APIConnectionError) or caught.value.status_code == 413


class Proxy:
    """A forward proxy: absolute targets are fetched, CONNECT is tunnelled. `asked` are the first lines it read."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for sock in [self._listener, *self._sockets]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.add(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(65536)
            line, _, rest = head.partition(b"\r\n")
            method, target, _ = line.decode().split()
            lines = [one for one in rest.decode("latin-1").split("\r\n") if one.lower().startswith("proxy-auth")]
            self.asked.append((f"{method} {target}", lines[0].partition(": ")[2] if lines else ""))
            place = target if method == "CONNECT" else target.split("/")[2]
            host, _, port = place.partition(":")
            far = socket.create_connection((host, int(port)))
            self._sockets.add(far)
            if method == "CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                far.sendall(head)
            threading.Thread(target=self._copy, args=(sock, far), daemon=True).start()
            self._copy(far, sock)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, wires: Any) -> Iterator[Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    made = wires.Faulty(context)
    yield made
    made.close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy(
    caller: Any, server: Any, wires: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    usual(server, caller, wires)
    monkeypatch.setenv(variable.lower(), f"http://me:pass%21@127.0.0.1:{proxy.port}")
    assert caller.make(server.origin).text() == wires.TEXT
    assert caller.listen().text == wires.TEXT
    target, who = proxy.asked[0]
    assert target.startswith(f"POST {server.origin}/")
    assert who == "Basic bWU6cGFzcyE="


def test_no_proxy(caller: Any, server: Any, wires: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usual(server, caller, wires)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "example.com,127.0.0.1")
    assert caller.make(server.origin).text() == wires.TEXT


def test_a_proxy_that_refuses(
    caller: Any, secure: Any, server: Any, wires: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "cut")
    monkeypatch.setenv("https_proxy", server.origin)
    with pytest.raises(openai.APIConnectionError) as caught:
        caller.make(secure.origin).create()
    assert type(caught.value) is openai.APIConnectionError
    assert secure.seen == []


def test_certificates(
    caller: Any, secure: Any, wires: Any, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual(secure, caller, wires)
    with pytest.raises(openai.APIConnectionError, match=r"(?i)certificate"):
        caller.make(secure.origin).create()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    caller.make(secure.origin)
    for _ in range(2):
        assert caller.text() == wires.TEXT
        assert caller.listen().text == wires.TEXT
    with pytest.raises(openai.APIConnectionError):
        caller.make(secure.origin.replace("127.0.0.1", "127.0.0.2")).create()


def test_a_tunnel(
    caller: Any,
    secure: Any,
    wires: Any,
    proxy: Proxy,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual(secure, caller, wires)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("https_proxy", f"http://me:pass@127.0.0.1:{proxy.port}")
    assert caller.make(secure.origin).text() == wires.TEXT
    assert caller.listen().text == wires.TEXT
    assert proxy.asked[0] == (f"CONNECT 127.0.0.1:{secure.port}", "Basic bWU6cGFzcw==")
    assert wires.KEY not in str(proxy.asked)
