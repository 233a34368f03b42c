"""What requests are charged and counted as: by whose counts, and under which provider's name."""

from __future__ import annotations

from typing import Any

import pytest
from server_lab import KEY, ask, responses_events
from test_server_streams import eventually, metric, post

from dragoman.core.errors import httpx


def test_a_stream_of_responses_is_settled_by_its_own_counts(serve: Any) -> None:
    charged = []

    class Gate:
        """Lets everybody in, and notes what they took."""

        name = ""

        def admit(self, headers: Any) -> Any:
            return self

        def allows(self, model: str) -> bool:
            return True

        async def begin(self, caller: Any, model: str) -> Any:
            return self

        async def settle(self, tokens: Any) -> None:
            charged.append(tokens)

        async def close(self) -> None:
            pass

    server = serve(make={"gate_of": lambda _: Gate()})
    body = {"model": "m", "input": "Hi", "stream": True}
    answer = httpx.post(f"{server.url}/responses", json=body, timeout=60, trust_env=False)
    assert answer.content == responses_events("m")
    eventually(lambda: charged, [10])
    assert metric(server, 'dragoman_tokens_total{kind="prompt"') == 4
    assert metric(server, 'dragoman_tokens_total{kind="completion"') == 6


@pytest.mark.parametrize("name", ["named", "alias", "spare", "plain", "llamacpp/demo"])
def test_failures_are_counted_under_the_provider_that_was_to_be_asked(serve: Any, provider: Any, name: str) -> None:
    entry = {"name": "named", "model": "vllm/text", "base_url": provider.url, "api_key": KEY}
    client = {"config_list": [entry], "aliases": {"alias": "named"}, "fallbacks": {"spare": ["plain"]}}
    server = serve(client=client)
    answer = post(server, ask(name, dragoman={"on_unsupported": "never"}))
    assert answer.status_code == 400
    expected = {"named": "vllm", "alias": "vllm", "llamacpp/demo": "llamacpp"}.get(name, "openai")
    eventually(lambda: metric(server, "dragoman_errors_total{"), 1)
    page = httpx.get(f"http://127.0.0.1:{server.port}/metrics", trust_env=False).text
    assert f'provider="{expected}"' in next(
        line for line in page.splitlines() if line.startswith("dragoman_errors_total{")
    )
