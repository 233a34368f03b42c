"""Two vendors on loopback, OpenAI's and Anthropic's wire, that do what the last message tells them: `<<NONCE|DEED>>`.

Whatever they say holds the nonce, so that an answer that reaches somebody else is found out. They notice when the other
side closes a connection while an answer is under way, and when that was.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from contextlib import suppress
from typing import Any

#: What asks: who it is, and what is to be done.
ORDER = re.compile(rb"<<([0-9a-f]+)\|([a-z0-9]+)>>")
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
#: Pieces of a stream, and seconds between those of one that takes its time.
PIECES, PAUSE = 24, 0.04
#: A long stream: so many pieces of so many bytes.
LONG, WIDE = 300, 8192
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests", 500: "Server Error"}


class Upstream:
    """`closed`: nonces whose connection the gateway closed before the end, and when (`time.monotonic`)."""

    def __init__(self) -> None:
        self.closed: dict[str, float] = {}
        #: What is being answered.
        self.busy: set[str] = set()
        self.connections = 0
        self.answered = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen; `port` says where."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 25)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False: the connection is not kept."""
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].partition(b"?")[0].decode()
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        content = await reader.readexactly(int(length[1]) if length else 0)
        models = [{"id": "one", "type": "model", "object": "model", "created": 1, "owned_by": "soak"}]
        if path.endswith("/models"):
            return await _send(writer, 200, {"object": "list", "data": models, "has_more": False})
        if "/models/" in path:
            return await _send(writer, 200, {**models[0], "id": path.partition("/models/")[2]})
        order = ORDER.findall(content)
        nonce, deed = (one.decode() for one in order[-1]) if order else ("0", "plain")
        wire = Anthropic(nonce, deed) if path.endswith("/messages") else OpenAI(nonce, deed)
        self.answered += 1
        self.busy.add(nonce)
        # Nothing more is sent before this is answered: what comes now is the end of the connection.
        gone = asyncio.ensure_future(reader.read(1))
        doing = asyncio.ensure_future(self._do(wire, content, path, writer))
        try:
            await asyncio.wait((gone, doing), return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                self.closed[nonce] = time.monotonic()
                return False
            return doing.result()
        finally:
            self.busy.discard(nonce)
            for task in (gone, doing):
                task.cancel()
            await asyncio.gather(gone, doing, return_exceptions=True)

    async def _do(  # noqa: PLR0911 (one for each deed)
        self, wire: Any, content: bytes, path: str, writer: asyncio.StreamWriter
    ) -> bool:
        body = json.loads(content)
        if (other := _other(path, wire.nonce)) is not None:
            return await _send(writer, 200, other)
        if wire.deed == "image" and picture(wire.nonce).encode() not in content:
            return await _send(writer, 400, wire.error(400))
        if wire.deed.startswith("error"):
            return await _send(writer, int(wire.deed[5:]), wire.error(int(wire.deed[5:])))
        if wire.deed == "stall":
            await asyncio.sleep(3600)
        if wire.deed == "liar":
            less = json.dumps(wire.whole(body)).encode()
            writer.write(_head(200, "application/json", len(less) + 999) + less)
            await writer.drain()
            return False
        if not body.get("stream"):
            return await _send(writer, 200, wire.whole(body))
        writer.write(_head(200, "text/event-stream", None))
        for number, event in enumerate(wire.events(body)):
            if wire.deed == "cut" and number == PIECES // 2:
                return False
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
            if wire.deed == "slow":
                await asyncio.sleep(PAUSE)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _other(path: str, nonce: str) -> Any:
    """Answer for what is no chat; None: it is one."""
    if path.endswith("/count_tokens"):
        return {"input_tokens": 7}
    if path.endswith("/responses"):
        return {"id": f"resp_{nonce}", "object": "response", "output": []}
    if path.endswith("/embeddings"):
        row = {"object": "embedding", "index": 0, "embedding": [float(int(nonce[:6], 16))]}
        return {"object": "list", "model": "one", "data": [row], "usage": USAGE}
    return None


def _head(status: int, kind: str, length: int | None) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Else')}\r\ncontent-type: {kind}\r\n{size}\r\n\r\n".encode()


async def _send(writer: asyncio.StreamWriter, status: int, body: Any) -> bool:
    content = json.dumps(body).encode()
    writer.write(_head(status, "application/json", len(content)) + content)
    await writer.drain()
    return True


def picture(nonce: str) -> str:
    """Return what stands for an image, in base64."""
    return base64.b64encode(f"picture of {nonce}".encode()).decode()


def said(nonce: str, deed: str) -> list[str]:
    """What is said to a nonce, piece by piece."""
    if deed == "long":
        return [f"{nonce} {'x' * WIDE}"] * LONG
    return [f"{nonce}:{number} " for number in range(PIECES)]


class OpenAI:
    """OpenAI's wire."""

    def __init__(self, nonce: str, deed: str) -> None:
        self.nonce, self.deed = nonce, deed

    def error(self, status: int) -> Any:
        error = {"message": f"sorry {self.nonce}", "type": "server_error", "param": None, "code": f"soak_{status}"}
        return {"error": error}

    def _call(self, body: Any) -> Any:
        arguments = json.dumps({"nonce": self.nonce})
        function = {"name": body["tools"][0]["function"]["name"], "arguments": arguments}
        return {"id": f"call_{self.nonce}", "type": "function", "function": function}

    def whole(self, body: Any) -> Any:
        message: Any = {"role": "assistant", "content": "".join(said(self.nonce, self.deed))}
        if body.get("tools"):
            message = {"role": "assistant", "content": None, "tool_calls": [self._call(body)]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if body.get("tools") else "stop"}
        made = {"id": f"chatcmpl-{self.nonce}", "object": "chat.completion", "created": 1, "model": "one"}
        return {**made, "choices": [choice], "usage": USAGE}

    def events(self, body: Any) -> Any:
        def chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
            made = {"id": f"chatcmpl-{self.nonce}", "object": "chat.completion.chunk", "created": 1, "model": "one"}
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
            return b"data: " + json.dumps({**made, "choices": choices, **more}).encode() + b"\n\n"

        yield chunk({"role": "assistant", "content": ""})
        if body.get("tools"):
            yield chunk({"tool_calls": [{"index": 0, **self._call(body)}]})
        else:
            for piece in said(self.nonce, self.deed):
                yield chunk({"content": piece})
        yield chunk({}, "tool_calls" if body.get("tools") else "stop")
        if (body.get("stream_options") or {}).get("include_usage"):
            yield chunk({}, choices=[], usage=USAGE)
        yield b"data: [DONE]\n\n"


class Anthropic:
    """Anthropic's wire."""

    def __init__(self, nonce: str, deed: str) -> None:
        self.nonce, self.deed = nonce, deed

    def error(self, status: int) -> Any:
        kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": f"sorry {self.nonce}"}}

    def _call(self, body: Any, given: Any) -> Any:
        return {"type": "tool_use", "id": f"toolu_{self.nonce}", "name": body["tools"][0]["name"], "input": given}

    def _message(self, content: Any, reason: str | None) -> Any:
        return {
            "id": f"msg_{self.nonce}",
            "type": "message",
            "role": "assistant",
            "model": "one",
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "output_tokens": 5},
        }

    def whole(self, body: Any) -> Any:
        text = {"type": "text", "text": "".join(said(self.nonce, self.deed))}
        tools = body.get("tools")
        block = self._call(body, {"nonce": self.nonce}) if tools else text
        return self._message([block], "tool_use" if tools else "end_turn")

    def events(self, body: Any) -> Any:
        def event(kind: str, **more: Any) -> bytes:
            return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()

        tools = body.get("tools")
        yield event("message_start", message=self._message([], None))
        block = self._call(body, {}) if tools else {"type": "text", "text": ""}
        yield event("content_block_start", index=0, content_block=block)
        pieces = [json.dumps({"nonce": self.nonce})] if tools else said(self.nonce, self.deed)
        for piece in pieces:
            delta = (
                {"type": "input_json_delta", "partial_json": piece} if tools else {"type": "text_delta", "text": piece}
            )
            yield event("content_block_delta", index=0, delta=delta)
        yield event("content_block_stop", index=0)
        reason = {"stop_reason": "tool_use" if tools else "end_turn", "stop_sequence": None}
        yield event("message_delta", delta=reason, usage={"output_tokens": 5})
        yield event("message_stop")
