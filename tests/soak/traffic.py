"""What the soak's clients do, each with a nonce of its own, and what must come of it."""

from __future__ import annotations

import asyncio
import io
import json
import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from upstream import picture, said

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from upstream import Upstream

#: Who may do what, as `gateway.py` configures it.
KEYS = {name: f"soak-key-of-{name}-0123456789" for name in ("all", "limited", "narrow", "expired")}
MODELS = ("openai/one", "anthropic/one")
#: Requests a minute of the key `limited`.
LIMITED = 30
_TOOL = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"nonce": {"type": "string"}}}},
}
_ANTHROPIC_TOOL = {"name": "look_up", "input_schema": _TOOL["function"]["parameters"]}  # type: ignore[index]  # ours
#: Seconds within which even a loaded machine answers.
_LONGEST = 120


class WrongError(AssertionError):
    """An answer that is not the one that was to come."""


@dataclass
class Tally:
    """`wrong`: what came out wrong, by kind; `left`: nonces whose client hung up, and when."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    crossed: int = 0
    left: dict[str, float] = field(default_factory=dict)
    #: When the key `limited` was served.
    served: list[float] = field(default_factory=list)
    refused: int = 0


class Clients:
    """Asks the gateway at `url`; `kinds` are what may be asked, with how often."""

    def __init__(self, url: str, upstream: Upstream, tally: Tally, seed: int = 20) -> None:
        self.url, self.upstream, self.tally = url, upstream, tally
        self._chance = random.Random(seed)  # noqa: S311 (the same traffic each time)
        self.kinds: dict[str, tuple[int, Callable[[str], Awaitable[None]]]] = {
            "plain": (28, self._plain),
            "stream": (18, self._stream),
            "tool": (8, self._tool),
            "image": (5, self._image),
            "messages": (14, self._messages),
            "left stream": (10, self._left_stream),
            "left call": (3, self._left_call),
            "slow reader": (2, self._slow_reader),
            "upstream error": (10, self._upstream_error),
            "upstream cut": (3, self._upstream_cut),
            "upstream lie": (2, self._upstream_lie),
            "upstream stall": (1, self._upstream_stall),
            "refused": (8, self._refused),
            "limited": (4, self._limited),
            "embeddings": (3, self._embeddings),
            "models": (2, self._models),
        }

    async def __aenter__(self) -> Self:
        time_out = aiohttp.ClientTimeout(_LONGEST)
        connector = aiohttp.TCPConnector(limit=0)
        self.session = aiohttp.ClientSession(self.url, connector=connector, timeout=time_out, read_bufsize=4096)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def work(self, until: float) -> None:
        """Ask one thing after the other."""
        names, weights = [*self.kinds], [weight for weight, _ in self.kinds.values()]
        while time.monotonic() < until:
            await self.ask(self._chance.choices(names, weights)[0])

    async def ask(self, name: str) -> None:
        """Ask one thing, and note what came of it."""
        nonce = secrets.token_hex(8)
        try:
            await self.kinds[name][1](nonce)
        except Exception as failure:  # noqa: BLE001 (whatever it is, it is the report's)
            self.tally.wrong.append(f"{name} {nonce}: {type(failure).__name__}: {str(failure)[:300]}")
        self.tally.done[name] += 1

    # What is asked, and how it is read.

    def _body(self, nonce: str, deed: str, **more: Any) -> dict[str, Any]:
        content = more.pop("content", None) or f"Hi! <<{nonce}|{deed}>>"
        return {"model": self._chance.choice(MODELS), "messages": [{"role": "user", "content": content}], **more}

    def _post(self, path: str, body: Any, key: str = "all") -> Any:
        return self.session.post(path, json=body, headers={"authorization": f"Bearer {KEYS[key]}"})

    def _check(self, nonce: str, content: str | bytes, *, says: str | None = None, was: str | None = None) -> None:
        """Raise `WrongError` for an answer to somebody else, or for one that is not what was to be said."""
        text = content if isinstance(content, str) else content.decode("utf-8", "replace")
        if nonce not in text:
            self.tally.crossed += 1
            message = f"its nonce is not in {text[:200]!r}"
            raise WrongError(message)
        if was != says:
            message = f"it says {str(was)[:200]!r}"
            raise WrongError(message)

    async def _plain(self, nonce: str) -> None:
        async with self._post("/v1/chat/completions", self._body(nonce, "plain")) as reply:
            content = await reply.read()
            _expect(reply, 200, content)
            self._check(nonce, content, says="".join(said(nonce, "plain")), was=_text(json.loads(content)))

    async def _stream(self, nonce: str) -> None:
        body = self._body(nonce, self._chance.choice(["plain", "plain", "slow"]), stream=True)
        async with self._post("/v1/chat/completions", body) as reply:
            content = await reply.read()
        _expect(reply, 200, content)
        self._check(nonce, content, says="".join(said(nonce, "plain")), was=_streamed(content))

    async def _tool(self, nonce: str) -> None:
        stream = self._chance.random() < 0.5
        async with self._post("/v1/chat/completions", self._body(nonce, "tool", tools=[_TOOL], stream=stream)) as reply:
            content = await reply.read()
        _expect(reply, 200, content)
        arguments = _streamed(content) if stream else _text(json.loads(content))
        self._check(nonce, content, says=nonce, was=json.loads(arguments).get("nonce"))

    async def _image(self, nonce: str) -> None:
        url = f"data:image/png;base64,{picture(nonce)}"
        parts = [{"type": "text", "text": f"<<{nonce}|image>>"}, {"type": "image_url", "image_url": {"url": url}}]
        async with self._post("/v1/chat/completions", self._body(nonce, "", content=parts)) as reply:
            content = await reply.read()
        _expect(reply, 200, content)
        self._check(nonce, content, says="".join(said(nonce, "image")), was=_text(json.loads(content)))

    async def _messages(self, nonce: str) -> None:
        tools = {"tools": [_ANTHROPIC_TOOL]} if self._chance.random() < 0.3 else {}
        stream = self._chance.random() < 0.5
        body = self._body(nonce, "plain", max_tokens=99, stream=stream, **tools)
        async with self._post("/v1/messages", body) as reply:
            content = await reply.read()
        _expect(reply, 200, content)
        was = _streamed_messages(content) if stream else _block(json.loads(content)["content"][0])
        if tools:
            was = json.loads(was)["nonce"]
        self._check(nonce, content, says=nonce if tools else "".join(said(nonce, "plain")), was=was)

    # Clients that go, and one that is slow.

    async def _left_stream(self, nonce: str) -> None:
        path = self._chance.choice(["/v1/chat/completions", "/v1/messages"])
        async with self._post(path, self._body(nonce, "slow", stream=True, max_tokens=99)) as reply:
            _expect(reply, 200, b"")
            for _ in range(self._chance.randrange(12)):
                await reply.content.readany()
            self.tally.left[nonce] = time.monotonic()
            reply.close()

    async def _left_call(self, nonce: str) -> None:
        asking = asyncio.ensure_future(self._ask(self._body(nonce, "stall")))
        while nonce not in self.upstream.busy and not asking.done():  # noqa: ASYNC110 (two things may end it)
            await asyncio.sleep(0.01)
        await asyncio.sleep(self._chance.random() / 4)
        if nonce in self.upstream.busy:
            self.tally.left[nonce] = time.monotonic()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    async def _ask(self, body: Any) -> None:
        async with self._post("/v1/chat/completions", body) as reply:
            await reply.read()

    async def _slow_reader(self, nonce: str) -> None:
        async with self._post("/v1/chat/completions", self._body(nonce, "long", stream=True)) as reply:
            parts = []
            while part := await reply.content.read(65536):
                parts.append(part)
                await asyncio.sleep(0.02)
        content = b"".join(parts)
        _expect(reply, 200, content)
        self._check(nonce, content, says="".join(said(nonce, "long")), was=_streamed(content))

    # What goes wrong.

    async def _upstream_error(self, nonce: str) -> None:
        status = self._chance.choice([400, 401, 429, 500])
        path = self._chance.choice(["/v1/chat/completions", "/v1/messages"])
        stream = self._chance.random() < 0.5
        async with self._post(path, self._body(nonce, f"error{status}", stream=stream, max_tokens=99)) as reply:
            content = await reply.read()
        _expect(reply, status, content)
        self._check(nonce, content, says=f"sorry {nonce}", was=json.loads(content)["error"]["message"])

    async def _upstream_cut(self, nonce: str) -> None:
        async with self._post("/v1/chat/completions", self._body(nonce, "cut", stream=True)) as reply:
            content = await reply.read()
        if b"[DONE]" in content or b'"error"' not in content:
            message = f"a stream that was cut looks whole, status {reply.status}: {content[-200:]!r}"
            raise WrongError(message)

    async def _upstream_lie(self, nonce: str) -> None:
        async with self._post("/v1/chat/completions", self._body(nonce, "liar")) as reply:
            _expect(reply, 502, await reply.read())

    async def _upstream_stall(self, nonce: str) -> None:
        async with self._post("/v1/chat/completions", self._body(nonce, "stall")) as reply:
            _expect(reply, 504, await reply.read())

    async def _refused(self, nonce: str) -> None:
        good = self._body(nonce, "plain")
        status, key, content = self._chance.choice(
            [
                (400, "all", json.dumps(good).encode()[:-1]),
                (400, "all", json.dumps({**good, "messages": "none"}).encode()),
                (400, "all", json.dumps({**good, "base_url": "http://elsewhere"}).encode()),
                (400, "all", json.dumps({**good, "model": ""}).encode()),
                (401, "expired", json.dumps(good).encode()),
                (401, "", json.dumps(good).encode()),
                (403, "narrow", json.dumps(good).encode()),
                (413, "all", json.dumps({**good, "padding": "x" * 1_100_000}).encode()),
            ]
        )
        headers = {"authorization": f"Bearer {KEYS.get(key, 'sk-of-nobody')}", "content-type": "application/json"}
        try:
            async with self.session.post("/v1/chat/completions", data=io.BytesIO(content), headers=headers) as reply:
                _expect(reply, status, await reply.read())
        except aiohttp.ClientOSError:
            # The server does not read the rest of a body that is too large; the client may still be sending it.
            if status != 413:
                raise
        if nonce in self.upstream.busy:
            message = "what was refused has reached the provider"
            raise WrongError(message)

    async def _limited(self, nonce: str) -> None:
        async with self._post("/v1/chat/completions", self._body(nonce, "plain"), "limited") as reply:
            content = await reply.read()
        if reply.status == 429:
            self.tally.refused += 1
            if not int(reply.headers["retry-after"]) >= 1:
                message = f"retry-after is {reply.headers['retry-after']}"
                raise WrongError(message)
            return
        self.tally.served.append(time.monotonic())
        _expect(reply, 200, content)
        self._check(nonce, content, says="".join(said(nonce, "plain")), was=_text(json.loads(content)))

    # The other endpoints.

    async def _embeddings(self, nonce: str) -> None:
        async with self._post("/v1/embeddings", {"model": MODELS[0], "input": f"<<{nonce}|plain>>"}) as reply:
            content = await reply.read()
        _expect(reply, 200, content)
        number = json.loads(content)["data"][0]["embedding"][0]
        if number != int(nonce[:6], 16):
            self.tally.crossed += 1
            message = f"the vector is of somebody else: {number}"
            raise WrongError(message)

    async def _models(self, _: str) -> None:
        async with self.session.get("/v1/models", headers={"authorization": f"Bearer {KEYS['all']}"}) as reply:
            content = await reply.read()
        _expect(reply, 200, content)
        if b"openai/one" not in content and b'"one"' not in content:
            message = f"the list has no model: {content[:200]!r}"
            raise WrongError(message)


def _expect(reply: aiohttp.ClientResponse, status: int, content: bytes) -> None:
    if reply.status != status:
        message = f"status {reply.status}, not {status}: {content[:200]!r}"
        raise WrongError(message)


def _text(answer: Any) -> str:
    """The text of a completion, or the arguments of its tool call."""
    message = answer["choices"][0]["message"]
    calls = message.get("tool_calls")
    return str(calls[0]["function"]["arguments"] if calls else message["content"])


def _streamed(content: bytes) -> str:
    """The same of a stream, which must be whole."""
    events = [line.removeprefix(b"data: ") for line in content.split(b"\n") if line.startswith(b"data: ")]
    if not events or events.pop() != b"[DONE]":
        message = f"the stream has no end: {content[-200:]!r}"
        raise WrongError(message)
    found = ""
    for event in events:
        for choice in json.loads(event).get("choices") or ():
            found += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls") or ():
                found += call["function"].get("arguments") or ""
    return found


def _block(block: Any) -> str:
    return str(block["text"]) if block["type"] == "text" else json.dumps(block["input"])


def _streamed_messages(content: bytes) -> str:
    events = [json.loads(line[6:]) for line in content.split(b"\n") if line.startswith(b"data: ")]
    if not events or events[-1]["type"] != "message_stop":
        message = f"the stream has no end: {content[-200:]!r}"
        raise WrongError(message)
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta.get("text") or delta.get("partial_json") or "" for delta in deltas)
