"""A model server on loopback that does all that the probes look for, and whatever faults a test gives it."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from base64 import b64decode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Client, Json, Provider
from dragoman.core.cli.probes.catalogue import PROBES
from dragoman.core.cli.probes.prober import Prober

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = ("prompt_tokens", "completion_tokens", "total_tokens")


@dataclass
class Bench:
    """`requests` keeps the bodies. What is in `ignores` is taken out of them, what is in `refuses` is a 400.

    `statuses` answers the request of that number (from 1) with an error, `dies` closes its connection, `cuts` ends
    a stream in its middle and `trails_off` behind its last event, without the blank line and `[DONE]`. `bend`
    changes an answer or chunk before it is sent, or makes several of it; `words` speaks for the model.
    """

    url: str = ""
    requests: list[Json] = field(default_factory=list)
    ignores: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    statuses: dict[int, int] = field(default_factory=dict)
    dies: frozenset[int] = frozenset()
    cuts: bool = False
    trails_off: bool = False
    bend: Callable[[Json], Any] = lambda body: body
    words: Callable[[Json], Json | None] = lambda _: None
    prompt: Callable[[Json], int] = lambda request: len(json.dumps(request)) // 4
    output: int = 5

    @property
    def asked_for(self) -> int:
        """Output tokens that the requests allowed, together."""
        limits = [body.get("max_tokens") or body["max_completion_tokens"] for body in self.requests]
        return sum(limit * body.get("n", 1) for limit, body in zip(limits, self.requests, strict=True))

    def honoured(self, request: Json) -> Json:
        """The request without what this server passes over."""
        request = {key: value for key, value in request.items() if key not in self.ignores}
        messages = [message for message in request["messages"] if message["role"] not in self.ignores]
        if "image" in self.ignores:
            parts = [message["content"] for message in messages if isinstance(message["content"], list)]
            messages = [{"role": "user", "content": parts[0][0]["text"]}] if parts else messages
        if request.get("response_format", {}).get("type") in self.ignores:
            del request["response_format"]
        return {**request, "messages": messages}

    def message(self, request: Json) -> Json:  # noqa: PLR0911 (one for each thing that the probes ask)
        """What the model says: an assistant's message."""
        if message := self.words(request):
            return message
        *_, last = request["messages"]
        asked = last["content"] or ""
        if isinstance(asked, list):
            return {"content": f"It is {colour_of(asked[1]['image_url']['url'])}."}
        if last["role"] == "tool":
            return {"content": f"The sky over Paris is {json.loads(asked)['sky']}."}
        if "response_format" in request:
            return {"content": json.dumps(fill(request["response_format"]))}
        names = chosen_tools(request, asked)
        if names:
            return {"content": None, "tool_calls": [call(number, *name) for number, name in enumerate(names)]}
        if "Repeat these words: " in asked:
            text = asked.partition(": ")[2]
            for word in request.get("stop") or ():
                text = text.partition(word)[0].rstrip()
            return {"content": text}
        thoughts = {"reasoning_content": "17 times 20 is 340."} if "Think" in asked else {}
        begin = "MARZIPAN " if request["messages"][0]["role"] == "system" else ""
        return {**thoughts, "content": f"{begin}Paris, hello."}

    def answer(self, request: Json) -> Json:
        message = self.message(request)
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        choice = {"message": {"role": "assistant", **message}, "finish_reason": reason, "logprobs": None}
        if request.get("logprobs"):
            other = {"token": "a", "logprob": -0.5}
            choice["logprobs"] = {"content": [{**other, "top_logprobs": [other] * request.get("top_logprobs", 0)}]}
        choices = [{"index": index, **choice} for index in range(request.get("n", 1))]
        return {**head("chat.completion"), "choices": choices, "usage": self.usage(request)}

    def usage(self, request: Json) -> Json:
        prompt = self.prompt(request)
        return dict(zip(NAMES, (prompt, self.output, prompt + self.output), strict=True))

    def chunks(self, request: Json) -> Iterator[Json]:
        message = self.message(request)
        yield piece({"role": "assistant", "content": "" if message.get("content") else None})
        for word in (message.get("content") or "").split():
            yield piece({"content": f"{word} "})
        for index, whole in enumerate(message.get("tool_calls") or ()):
            function, text = whole["function"], whole["function"]["arguments"]
            yield piece({"tool_calls": [{**whole, "index": index, "function": {**function, "arguments": text[:4]}}]})
            yield piece({"tool_calls": [{"index": index, "function": {"arguments": text[4:]}}]})
        yield piece({}, "tool_calls" if message.get("tool_calls") else "stop")
        if (request.get("stream_options") or {}).get("include_usage"):
            yield {**head("chat.completion.chunk"), "choices": [], "usage": self.usage(request)}


def head(kind: str) -> Json:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "able"}


def piece(delta: Json, reason: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {**head("chat.completion.chunk"), "choices": [choice]}


def call(number: int, name: str, city: str) -> Json:
    function = {"name": name, "arguments": json.dumps({"city": city})}
    return {"id": f"call_{number}", "type": "function", "function": function}


def chosen_tools(request: Json, asked: str) -> list[tuple[str, str]]:
    """Names and cities of the calls that the question and tool_choice ask for."""
    offered = [tool["function"]["name"] for tool in request.get("tools") or ()]
    choice = request.get("tool_choice", "auto")
    if not offered or choice == "none":
        return []
    if isinstance(choice, dict):
        return [(choice["function"]["name"], "Paris")]
    cities = [city for city in ("Paris", "Rome") if city in asked]
    if request.get("parallel_tool_calls") is not True:
        cities = cities[:1]
    if not cities and choice == "required":
        cities = ["Nowhere"]
    return [(offered[0], city) for city in cities]


def fill(response_format: Json) -> Json:
    """Make an object that fits."""
    if response_format["type"] == "json_object":
        return {"capital": "Paris"}
    samples = {"string": "a", "integer": 1}
    properties = response_format["json_schema"]["schema"]["properties"]
    return {name: samples[schema["type"]] for name, schema in properties.items()}


def colour_of(url: str) -> str:
    """Look at a PNG: all its pixels must be of one colour, and that one orange."""
    picture = b64decode(url.removeprefix("data:image/png;base64,"))
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    found: dict[bytes, bytes] = {}
    rest = picture[8:]
    while rest:
        size, kind = struct.unpack(">I4s", rest[:8])
        data, (checksum,) = rest[8 : 8 + size], struct.unpack(">I", rest[8 + size : 12 + size])
        assert checksum == zlib.crc32(kind + data)
        found[kind], rest = data, rest[12 + size :]
    assert list(found) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert form == [8, 2, 0, 0, 0]
    pixels = zlib.decompress(found[b"IDAT"])
    assert pixels == (b"\0" + pixels[1:4] * width) * height
    red, green, blue = pixels[1:4]
    return "orange" if red > 2 * green - 10 > green > blue == 0 else "something else"


class Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        bench: Bench = self.server.bench
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        bench.requests.append(request)
        number = len(bench.requests)
        if number in bench.dies:
            self.close_connection = True
            return
        refused = sorted(bench.refuses & request.keys())
        status = 400 if refused else bench.statuses.get(number, 200)
        if status != 200:
            message = f"{refused[0]} is not known here" if refused else f"status {status}"
            self.reply(status, {"error": {"message": message, "type": "t", "param": None, "code": None}})
            return
        request = bench.honoured(request)
        if request.get("stream"):
            self.stream(bench, request)
        else:
            self.reply(200, bench.bend(bench.answer(request)))

    def reply(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, bench: Bench, request: Json) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        chunks = list(bench.chunks(request))
        events: list[bytes] = []
        for chunk in chunks[: len(chunks) // 2] if bench.cuts else chunks:
            bent = bench.bend(chunk)
            events += [b"data: " + json.dumps(each).encode() for each in (bent if isinstance(bent, list) else [bent])]
        end = b"" if bench.trails_off else b"\n\n" if bench.cuts else b"\n\ndata: [DONE]\n\n"
        self.wfile.write(b"\n\n".join(events) + end)


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Quiet(("127.0.0.1", 0), Handler) as http:
        http.bench = bench = Bench(f"http://127.0.0.1:{http.server_address[1]}/v1")  # type: ignore[attr-defined]  # the handler's
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield bench
        http.shutdown()
        thread.join()


@pytest.fixture
def prober(bench: Bench) -> Iterator[Callable[..., Prober]]:
    """A function that makes a prober on the server, for some features; afterwards its promise must have held."""
    made: list[Prober] = []

    def prober(*features: str, probes: Any = PROBES, max_tokens: int = 20, **options: Any) -> Prober:
        # The contract's own class: what the server sends is handed on as it is.
        provider = Provider(name="raw", base_url=bench.url)
        client = Client(providers=[provider], max_retries=0, **options)
        chosen = [probe for probe in probes if not features or probe.feature in ("text", *features)]
        made.append(Prober(client, "raw/able", "raw", chosen, max_tokens))
        return made[-1]

    yield prober
    for each in made:
        each.client.close()
        assert len(bench.requests) == each.requests <= each.ceiling.requests
        assert bench.asked_for <= each.ceiling.tokens
        assert bench.requests == [] or max(body.get("max_tokens", 0) for body in bench.requests) <= each.max_tokens
