"""Engines in this process: shared, closed, and what their errors become."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from dragoman.core import Call, Wire
from dragoman.llamacpp import demo_model_path, engine
from dragoman.llamacpp.engine import engines
from dragoman.llamacpp.options import EngineOptions

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import Json


def text(answer: Json) -> Any:
    return answer["choices"][0]["message"]["content"]


def test_one_engine_serves_all_who_ask_for_the_same(make_desk: Any) -> None:
    desks = [make_desk(context_size=4096) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda desk: engines.get("demo", EngineOptions(4096), desk.sender), desks))
    assert len({id(engine) for engine in found}) == 1
    for desk in desks[1:]:
        desk.sender.close()
    assert engines.get("demo", EngineOptions(4096), desks[0].sender) is found[0]
    desks[0].sender.close()
    assert engines.get("demo", EngineOptions(4096), desks[1].sender) is not found[0]


def test_other_options_are_another_engine(desk: Any, make_desk: Any) -> None:
    assert text(desk.ask()) == text(make_desk(context_size=2048).ask())
    mine, other = (engines.get("demo", EngineOptions(size), desk.sender) for size in (8192, 2048))
    assert mine is not other


@pytest.mark.timeout(60)
def test_a_client_that_is_collected_while_a_model_is_loaded(make_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python may collect a client that was dropped at any time, and its engine is let go in the thread that loads."""
    dropped, desk = make_desk(context_size=2560), make_desk(context_size=4096)
    first = engines.get("demo", EngineOptions(2560), dropped.sender)

    def load(*arguments: Any) -> Any:
        engines.release(dropped.sender)
        return real(*arguments)

    real = engine._load
    monkeypatch.setattr(engine, "_load", load)
    assert text(desk.ask("there")).endswith("there")
    assert engines.get("demo", EngineOptions(2560), dropped.sender) is not first


def test_more_calls_than_slots_are_all_answered(make_desk: Any) -> None:
    desk = make_desk(parallel=2)
    said = [f"number {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda words: text(desk.ask(words)), said))
    assert [answer.rpartition("said: ")[2] for answer in answers] == said


@pytest.mark.rule(293)
def test_a_prompt_that_is_too_long_is_400(desk: Any) -> None:
    status, error = desk.fail("x " * 9000)
    assert (status, error["code"], error["n_ctx"]) == (400, "context_length_exceeded", 8192)
    assert error["n_prompt_tokens"] > 9000


def test_the_context_size_is_the_engines(make_desk: Any) -> None:
    status, error = make_desk(context_size=2048, parallel=2).fail("x " * 2000)
    assert (status, error["n_ctx"]) == (400, 2048)


@pytest.mark.rule(297)
def test_a_grammar_beside_tools_is_400(desk: Any, tool: Json) -> None:
    status, error = desk.fail(tools=[tool], grammar='root ::= "a"')
    assert status == 400
    assert "grammar" in error["message"]


@pytest.mark.rule(298)
def test_a_picture_for_a_model_without_eyes_is_400(desk: Any) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    status, error = desk.fail([{"role": "user", "content": [picture]}])
    assert status == 400
    assert "image input is not supported" in error["message"]


def test_nonsense_is_400(desk: Any) -> None:
    for params in ({"max_tokens": "many"}, {"response_format": {"type": "poem"}}):
        status, error = desk.fail(**params)
        assert (status, error["type"]) == (400, "invalid_request_error")


@pytest.mark.rule(290)
def test_a_template_of_the_callers_is_used(make_desk: Any) -> None:
    desk = make_desk(chat_template="{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}")
    assert desk.ask("ab", max_tokens=1)["usage"]["prompt_tokens"] == 3


def test_a_file_that_cannot_be_loaded_says_so(tmp_path: Path, desk: Any) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(demo_model_path().read_bytes()[:20_000])
    status, error = desk.fail(model=str(file))
    assert (status, error["code"]) == (400, "model_not_found")
    assert "could not load" in error["message"]


def test_a_file_answers_under_its_own_name(tmp_path: Path, desk: Any) -> None:
    file = tmp_path / "mine.gguf"
    shutil.copy(demo_model_path(), file)
    answer = desk.ask(model=str(file))
    assert answer["model"] == str(file)
    assert text(answer).endswith("You said: Hello")


def test_embeddings_need_a_pooling(desk: Any, make_desk: Any) -> None:
    def embed(at: Any) -> tuple[int, Json]:
        call = Call("llamacpp", "demo", {"model": "demo", "input": ["a", "b"]}, endpoint="embeddings")
        reply = at.send(call)
        return reply.status, json.loads(reply.content)

    status, body = embed(desk)
    assert status == 501
    assert "pooling='mean'" in body["error"]["message"]
    status, body = embed(make_desk(pooling="mean"))
    assert status == 200
    assert [len(item["embedding"]) for item in body["data"]] == [128, 128]


def test_completions_are_answered_and_streamed(desk: Any) -> None:
    request = {"model": "demo", "prompt": "x", "max_tokens": 2}
    whole = desk.send(Call("llamacpp", "demo", request, endpoint="completions"))
    body = json.loads(whole.content)
    assert (whole.status, body["object"]) == (200, "text_completion")
    streamed = desk.send(Call("llamacpp", "demo", {**request, "stream": True}, endpoint="completions"))
    events = b"".join(streamed.pieces).split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    texts = [json.loads(event[6:])["choices"][0]["text"] for event in events[:-2]]
    assert "".join(texts) == body["choices"][0]["text"]


def test_the_loaded_models_are_listed(desk: Any) -> None:
    desk.ask()
    reply = desk.send(Call("llamacpp", "", {}, endpoint="models", method="GET"))
    models = json.loads(reply.content)["data"]
    assert models[0] == {"id": "demo", "object": "model", "created": 0, "owned_by": "llamacpp"}
    one = desk.send(Call("llamacpp", "demo", {}, endpoint="models/demo", method="GET"))
    assert json.loads(one.content) == models[0]
    none = desk.send(Call("llamacpp", "gone", {}, endpoint="models/gone", method="GET"))
    assert none.status == 404


def test_what_the_engine_does_not_have_is_404(desk: Any) -> None:
    reply = desk.sender.send(Call("llamacpp", "demo", {}), Wire("/rerank", {}))
    assert reply.status == 404


def test_the_engines_port_is_locked(desk: Any) -> None:
    desk.ask()
    address = engines.get("demo", EngineOptions(), desk.sender).address
    assert address.startswith("http://127.0.0.1:")
    request = Request(f"{address}/v1/chat/completions", b"{}", {"content-type": "application/json"})  # noqa: S310 (http)
    with pytest.raises(HTTPError) as caught, urlopen(request, timeout=10):  # noqa: S310 (loopback)
        pass
    assert caught.value.code == 401
    caught.value.close()


HUB = """
import hashlib, json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
model = Path(sys.argv[1]).read_bytes()
sha, commit = hashlib.sha256(model).hexdigest(), "a" * 40
class Hub(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.endswith("/refs"):
            branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": commit}
            body = json.dumps({"branches": [branch]}).encode()
        elif "/tree/" in self.path:
            lfs = {"oid": sha, "size": len(model), "pointerSize": 100}
            file = {"type": "file", "path": "t-Q8_0.gguf", "size": len(model), "oid": "b" * 40, "lfs": lfs}
            body = json.dumps([file]).encode()
        else:
            body = model
        found = self.path.startswith(("/api/models/acme/tiny/", "/acme/tiny/"))
        self.send_response(200 if found else 404)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", f'"{sha}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *args): pass
server = HTTPServer(("127.0.0.1", 0), Hub)
print(server.server_port, flush=True)
server.serve_forever()
"""

ASK = """
import json
from dragoman.core import Call
from dragoman.llamacpp import LlamaCpp
provider = LlamaCpp()
sender = provider.sender()
for model in ("acme/tiny:Q8_0", "acme/none"):
    call = Call("llamacpp", model, {"model": model, "messages": [{"role": "user", "content": "hi"}]})
    reply = sender.send(call, provider.encode(call))
    body = json.loads(reply.content)
    print(reply.status, body["error"]["message"] if "error" in body else body["model"])
"""


def test_a_repository_is_downloaded_by_the_engine(tmp_path: Path, run_python: Any) -> None:
    """Against a hub on loopback, in processes of their own: the engine reads the hub's address once."""
    command = [sys.executable, "-c", HUB, str(demo_model_path())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hub:  # noqa: S603 (our own code)
        assert hub.stdout is not None
        address = f"http://127.0.0.1:{hub.stdout.readline().strip()}/"
        places = dict.fromkeys(("HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE"), str(tmp_path))
        try:
            done = run_python(ASK, {**os.environ, **places, "HF_ENDPOINT": address, "MODEL_ENDPOINT": address})
        finally:
            hub.kill()
    found, missing = done.stdout.splitlines()
    assert found == "200 acme/tiny:Q8_0"
    assert missing.startswith("400 llama.cpp could not load 'acme/none' from Hugging Face")
    assert missing.endswith("and can huggingface.co be reached?")


BRIEF = """
from dragoman.llamacpp.engine import Engine
from dragoman.llamacpp.options import EngineOptions
for _ in range(40):
    Engine("demo", EngineOptions())
print("all closed")
"""


def test_an_engine_may_be_closed_as_soon_as_it_is_loaded(run_python: Any) -> None:
    assert run_python(BRIEF).stdout == "all closed\n"


LIFE = """
import asyncio, sys
from dragoman.core import Call
from dragoman.llamacpp import LlamaCpp
provider = LlamaCpp(parallel=1, context_size=65536)
def call(**params):
    request = {"model": "demo", "messages": [{"role": "user", "content": "hello " * 30}], **params}
    return Call("llamacpp", "demo", request)
def send(sender, **params):
    made = call(**params)
    return sender.send(made, provider.encode(made))
sender = provider.sender()
assert send(sender).status == 200
"""
ENDINGS = {
    "nothing": "",
    "closed": "sender.close()",
    "an open stream": "reply = send(sender, stream=True); next(reply.pieces)",
    "an endless stream": "reply = send(sender, stream=True, ignore_eos=True); next(reply.pieces)",
    "an unread stream": "reply = send(sender, stream=True)",
    "an open async stream": (
        "reply = asyncio.run(send(provider.async_sender(), stream=True)); assert reply.status == 200"
    ),
    "an error": "assert send(sender, max_tokens='x').status == send(sender, stream=True, n='x').status == 400",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_engine_prints_nothing_and_the_interpreter_ends(ending: str, run_python: Any) -> None:
    done = run_python(LIFE + ENDINGS[ending])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_thread_is_left_after_a_call(desk: Any) -> None:
    desk.ask()
    desk.stream()
    for thread in threading.enumerate():
        if thread.name == "dragoman-llamacpp":
            thread.join(10)
            assert not thread.is_alive()
