"""Checks over a real connection, with both clients, at a server on loopback that serves the tapes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from dragoman.testing.base import KEY, Base, over
from dragoman.testing.comparing import holds, same
from dragoman.testing.playing import Outcome, arguments_of, options_of, play, play_async, settle
from dragoman.testing.tapes import body_of, content_type_of, events_of
from dragoman.testing.vendor import PATIENCE, FakeVendor, Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Provider
    from dragoman.testing.tapes import Tape

_PLAYERS = {"sync": play, "async": play_async}
#: Seconds that a client waits for a server that says nothing.
_TIMEOUT = 0.2
_JSON = {"content-type": "application/json"}
clients = pytest.mark.parametrize("client", _PLAYERS)


class NetworkChecks(Base):
    """The same answers over a connection; and what happens where the connection or the server fails."""

    @clients
    @over("sent")
    def test_over_the_wire(self, tape: Tape, client: str) -> None:
        """Both clients send the tape's request and get its answer; the key is in one header, and nowhere else."""
        with self._vendor(self._scripted(tape)) as vendor:
            outcome = self._play(vendor, tape, client)
        seen = vendor.seen[0]
        wanted = tape.data["vendor_request"]
        base = urlsplit(self._provider(vendor).base_url).path
        same(
            f"{tape.name}: the request's path",
            seen.path.partition("?")[0],
            base.rstrip("/") + wanted["path"].partition("?")[0],
        )
        same(f"{tape.name}: the request's body", seen.json if seen.content else None, wanted.get("body"))
        same(f"{tape.name}: `chunks`", outcome.chunks, tape.data.get("chunks", []))
        same(f"{tape.name}: `response`", outcome.answer, tape.data.get("response"))
        headers = [name for name, value in seen.headers if KEY in value]
        holds(len(headers) == 1, f"{tape.name}: the key stands in {len(headers)} headers: {', '.join(headers)}")
        elsewhere = KEY in seen.path or KEY.encode() in seen.content
        holds(not elsewhere, f"{tape.name}: the key stands in the address or the body")

    @clients
    @over("streamed", first=True)
    def test_closing_a_stream_hangs_up(self, tape: Tape, client: str) -> None:
        """Who closes a stream in the middle closes its connection, and stops paying."""
        events = events_of(tape, self.make().framing)
        with self._vendor(self._scripted(tape, b"".join(events[:-1]), then="hold")) as vendor:
            provider = self._provider(vendor)
            hung_up = (
                asyncio.run(_abandon_async(provider, tape, vendor))
                if client == "async"
                else _abandon(provider, tape, vendor)
            )
        holds(hung_up, f"{tape.name}: the stream was closed, and its connection was not")

    @clients
    @over("answered", first=True)
    def test_busy_is_retried_once(self, tape: Tape, client: str) -> None:
        """`max_retries=1` means one more request after HTTP 429, and `max_retries=0` none."""
        busy = Scripted(b"{}", 429, {"retry-after-ms": "1", "retry-after": "0", **_JSON})
        with self._vendor(busy, self._scripted(tape)) as vendor:
            outcome = self._play(vendor, tape, client, max_retries=1)
        same(f"{tape.name}: the answer after a retry", outcome.answer, tape.data["response"])
        holds(len(vendor.seen) == 2, f"max_retries=1: {len(vendor.seen)} requests were sent, not 2")  # noqa: PLR2004 (one and its retry)
        with self._vendor(busy) as vendor:
            outcome = self._play(vendor, tape, client)
        same("HTTP 429", (outcome.error or {}).get("class"), "RateLimitError")
        holds(len(vendor.seen) == 1, f"max_retries=0: {len(vendor.seen)} requests were sent, not 1")

    @clients
    @over("answered", first=True)
    def test_silence_times_out(self, tape: Tape, client: str) -> None:
        """A server that says nothing is `APITimeoutError` after `timeout` seconds, and is hung up on."""
        with self._vendor(Scripted(then="silence")) as vendor:
            outcome = self._play(vendor, tape, client, timeout=_TIMEOUT)
            hung_up = vendor.hung_up.wait(PATIENCE)
        same("after the timeout", (outcome.error or {}).get("class"), "APITimeoutError")
        holds(hung_up, "after the timeout the connection was left open")

    @clients
    @pytest.mark.parametrize("broken", ["half", "page", "empty"])
    @over("answered", first=True)
    def test_broken_body(self, tape: Tape, client: str, broken: str) -> None:
        """An answer of HTTP 200 that cannot be read is a failure of the openai package's, not of a JSON parser's."""
        whole = body_of(tape)
        body = {"half": whole[: len(whole) // 2], "page": b"<html>Welcome</html>", "empty": b""}[broken]
        with self._vendor(self._scripted(tape, body)) as vendor:
            outcome = self._play(vendor, tape, client)
        same(f"a body that is {broken}", (outcome.error or {}).get("class"), "APIResponseValidationError")

    @clients
    @over("streamed", first=True)
    def test_broken_connection(self, tape: Tape, client: str) -> None:
        """A connection that breaks inside a stream is `APIConnectionError`, after the chunks that came."""
        events = events_of(tape, self.make().framing)
        with self._vendor(self._scripted(tape, b"".join(events[: len(events) // 2]), then="cut")) as vendor:
            outcome = self._play(vendor, tape, client)
        same("a broken connection", (outcome.error or {}).get("class"), "APIConnectionError")
        same("the chunks before it", outcome.chunks, tape.data["chunks"][: len(outcome.chunks)])

    @contextlib.contextmanager
    def _vendor(self, *script: Scripted) -> Iterator[FakeVendor]:
        """Serve the answers where the provider will ask: at an address of its own, or as the proxy before it."""
        with FakeVendor(*script) as vendor, pytest.MonkeyPatch.context() as patch:
            if self.address:
                for name in ("DRAGOMAN_OFFLINE", "NO_PROXY", "no_proxy"):
                    patch.delenv(name, raising=False)
                patch.setenv("http_proxy", vendor.url)
            yield vendor

    def _provider(self, vendor: FakeVendor) -> Provider:
        if self.address:
            return settle(self.make())
        return settle(self.make(base_url=vendor.url + urlsplit(self.provider.base_url).path))

    def _play(self, vendor: FakeVendor, tape: Tape, client: str, **more: Any) -> Outcome:
        return _PLAYERS[client](self._provider(vendor), tape, **more)

    def _scripted(self, tape: Tape, body: bytes | None = None, *, then: Any = "end") -> Scripted:
        framing = self.make().framing
        if body is None:
            body = b"".join(events_of(tape, framing)) if tape.streams else body_of(tape)
        headers = {"content-type": content_type_of(tape, framing), **(tape.data.get("headers") or {})}
        return Scripted(body, tape.status, headers, then)


def _abandon(provider: Provider, tape: Tape, vendor: FakeVendor) -> bool:
    """Take one chunk and close the stream; the client stays open, for closing it would close everything."""
    from dragoman.core import Client

    with Client(**options_of(provider, tape, 0)) as client:
        stream: Any = client.chat.completions.create(**arguments_of(provider, tape))
        next(iter(stream))
        stream.close()
        return vendor.hung_up.wait(PATIENCE)


async def _abandon_async(provider: Provider, tape: Tape, vendor: FakeVendor) -> bool:
    from dragoman.core import AsyncClient

    async with AsyncClient(**options_of(provider, tape, 0)) as client:
        stream: Any = await client.chat.completions.create(**arguments_of(provider, tape))
        await anext(aiter(stream))
        await stream.close()
        return await asyncio.to_thread(vendor.hung_up.wait, PATIENCE)
