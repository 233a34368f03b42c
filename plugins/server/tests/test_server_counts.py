"""What requests are charged and counted as: by whose counts, and under which provider's name."""

from __future__ import annotations

import json

import pytest
from server_lab import KEY, ask
from test_server_streams import eventually, metric, post

from dragoman.core.errors import httpx

USAGE = {"input_tokens": 40, "output_tokens": 60, "total_tokens": 100}


@pytest.fixture
def responses(monkeypatch):
    """The provider streams a response, and counts it in its last event."""
    from server_lab import Handler

    def do_POST(handler):  # noqa: N802 (the base class's name)
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        told = [
            ("response.created", {"response": {"id": "r", "usage": None}}),
            ("response.output_text.delta", {"delta": "Hello"}),
            ("response.completed", {"response": {"id": "r", "model": body["model"], "usage": USAGE}}),
        ]
        handler._open()
        for kind, more in told:
            handler.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode())

    monkeypatch.setattr(Handler, "do_POST", do_POST)


@pytest.mark.usefixtures("responses")
def test_a_stream_of_responses_is_settled_by_its_own_counts(serve):
    charged = []

    class Gate:
        """Lets everybody in, and notes what they took."""

        name = ""

        def admit(self, headers):
            return self

        def allows(self, model):
            return True

        async def begin(self, caller, model):
            return self

        async def settle(self, tokens):
            charged.append(tokens)

        async def close(self):
            pass

    server = serve(make={"gate_of": lambda _: Gate()})
    body = {"model": "m", "input": "Hi", "stream": True}
    answer = httpx.post(f"{server.url}/responses", json=body, timeout=60, trust_env=False)
    assert answer.text.count("event: ") == 3
    eventually(lambda: charged, [100])
    assert metric(server, 'dragoman_tokens_total{kind="prompt"') == 40
    assert metric(server, 'dragoman_tokens_total{kind="completion"') == 60


@pytest.mark.parametrize("name", ["named", "alias", "spare", "plain", "llamacpp/demo"])
def test_failures_are_counted_under_the_provider_that_was_to_be_asked(serve, provider, name):
    entry = {"name": "named", "model": "vllm/text", "base_url": provider.url, "api_key": KEY}
    client = {"config_list": [entry], "aliases": {"alias": "named"}, "fallbacks": {"spare": ["named"]}}
    server = serve(client=client)
    answer = post(server, ask(name, dragoman={"on_unsupported": "never"}))
    assert answer.status_code == 400
    expected = {"plain": "openai", "llamacpp/demo": "llamacpp"}.get(name, "vllm")
    eventually(lambda: metric(server, f'dragoman_errors_total{{endpoint="chat/completions",kind="DragomanError",provider="{expected}"') or metric(server, f'dragoman_errors_total{{endpoint="chat/completions",kind="ConfigError",provider="{expected}"'), 1)
