"""What the tests of the request side share."""

from __future__ import annotations

import copy
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from dragoman.anthropic.content import blocks_of
from dragoman.anthropic.models import facts_of
from dragoman.anthropic.request import encode_request
from dragoman.core import Call, Json
from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable

_numbers = itertools.count()


@dataclass
class Encoded:
    """A translated request, its headers, and what the call remembers."""

    body: Json
    headers: dict[str, str]
    call: Call

    @property
    def messages(self) -> list[Json]:
        found: list[Json] = self.body["messages"]
        return found

    @property
    def blocks(self) -> list[Json]:
        """All content blocks, in order."""
        return [block for message in self.messages for block in blocks_of(message["content"])]


@pytest.fixture(autouse=True)
def warned_anew() -> None:
    """What is said once in a process is said once in every test, in whatever order and however often they run."""
    forget_warnings()


@pytest.fixture
def make_call() -> Callable[..., Call]:
    def make(model: str = "claude-sonnet-4-5", policy: Any = "raise", **chat: Any) -> Call:
        # A provider name of its own: warnings that are given once per provider are given in every test.
        name = f"anthropic{next(_numbers)}"
        chat.setdefault("messages", [{"role": "user", "content": "Hello"}])
        return Call(name, model, {"model": model, **chat}, on_unsupported=policy)

    return make


@pytest.fixture
def encode(make_call: Callable[..., Call]) -> Callable[..., Encoded]:
    """Encode a request and see that it was left as it is, and that the wire is JSON."""

    def run(model: str = "claude-sonnet-4-5", facts_for: Any = facts_of, **settings: Any) -> Encoded:
        call = make_call(model, **settings)
        before = copy.deepcopy(call.request)
        wire = encode_request(call, facts_for)
        assert call.request == before
        assert json.dumps(call.request) == json.dumps(before)
        assert wire.path == "/v1/messages"
        assert wire.body is not None
        json.dumps(wire.body, allow_nan=False)
        return Encoded(wire.body, wire.headers, call)

    return run


@pytest.fixture(scope="session")
def schema_of() -> Callable[[str], Draft202012Validator]:
    """Validators made of the vendor's own types; they are kept beside the recordings."""
    recordings = os.environ.get("DRAGOMAN_RECORDINGS")
    if not recordings:
        pytest.skip("DRAGOMAN_RECORDINGS is unset: there are no vendor schemas to compare with")
    folder = Path(recordings).parent / "schemas"

    def load(name: str) -> Draft202012Validator:
        return Draft202012Validator(json.loads((folder / f"anthropic_{name}.json").read_text(encoding="utf-8")))

    return load
