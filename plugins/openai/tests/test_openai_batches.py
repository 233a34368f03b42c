"""Azure's batches; the rest is core's."""

from __future__ import annotations

import json

import openai
import pytest

from dragoman.core import Call, InvalidRequest, batches_of
from dragoman.openai import OpenAI


def test_azures_requests_name_no_deployment() -> None:
    azure = openai.AzureOpenAI(api_key="k", api_version="2025-04-01-preview", azure_endpoint="https://x.example")
    provider = OpenAI(client=azure)
    found = batches_of(provider)
    call = Call("openai", "my-deployment", {"model": "my-deployment", "messages": []})
    wire = provider.encode(call)
    wire.content = json.dumps(wire.body).encode()
    line = json.loads(found.line("a", wire))
    assert (line["url"], line["body"]["model"]) == ("/chat/completions", "my-deployment")
    azure.close()


def test_what_has_no_batches_at_azure_either() -> None:
    azure = openai.AzureOpenAI(api_key="k", api_version="2025-04-01-preview", azure_endpoint="https://x.example")
    provider = OpenAI(client=azure)
    wire = provider.encode(Call("openai", "d", {"model": "d"}, "audio/speech"))
    with pytest.raises(InvalidRequest, match="no batches of POST /v1/audio/speech"):
        batches_of(provider).line("a", wire)
    azure.close()
