"""Checks of requests and of whole answers."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Event
from dragoman.testing.base import KEY, Base, over
from dragoman.testing.comparing import holds, same
from dragoman.testing.playing import replay, side_of
from dragoman.testing.purity import watch
from dragoman.testing.tapes import CHAT, MODELS, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dragoman.core import Json, Provider
    from dragoman.testing.tapes import Tape


class TranslationChecks(Base):
    """OpenAI's request becomes the vendor's, the vendor's answer becomes OpenAI's, and nothing else happens."""

    @pytest.mark.parametrize("name", REQUIRED)
    def test_required_tape(self, name: str, request: pytest.FixtureRequest) -> None:
        """A provider shows text, tool calls, both as streams, a failure, and a parameter that it does not have."""
        path: Path = request.path.parent / self.tapes / f"{name}.json"
        if not path.is_file():
            pytest.skip(f"{path.parent.name}/{path.name} is missing: {REQUIRED[name]}")
        holds(path.stat().st_size, f"{path} is empty")

    @over("sent")
    def test_request(self, tape: Tape) -> None:
        """The request goes out in the vendor's words."""
        outcome, wires = replay(self.make(), tape)
        holds(len(wires) == 1, f"{tape.name}: {len(wires)} requests were sent, not one: {outcome.error}")
        same(f"{tape.name}: `vendor_request`", side_of(wires[0]), tape.data["vendor_request"])

    @over("refused")
    def test_refusal(self, tape: Tape) -> None:
        """What the vendor cannot do is refused before anything is sent."""
        outcome, wires = replay(self.make(), tape)
        holds(not wires, f"{tape.name}: a request was sent, and should have been refused")
        same(f"{tape.name}: `response`", outcome.answer, tape.data["response"])

    @over("whole")
    def test_answer(self, tape: Tape) -> None:
        """The vendor's answer is told in OpenAI's words."""
        outcome, _ = replay(self.make(), tape)
        same(f"{tape.name}: `response`", outcome.answer, tape.data["response"])

    @over("whole")
    def test_answer_is_valid(self, tape: Tape) -> None:
        """An answer is what the openai package's own types say (a `ChatCompletion`), and says why it ended."""
        from openai.types import CreateEmbeddingResponse, Model
        from openai.types.chat import ChatCompletion

        outcome, _ = replay(self.make(), tape)
        if tape.endpoint != CHAT:
            if tape.endpoint == "embeddings":
                valid(tape.name, CreateEmbeddingResponse, outcome.answer)
            for model in (outcome.answer or {})["data"] if tape.endpoint == MODELS else ():
                valid(tape.name, Model, model)
            return
        valid(tape.name, ChatCompletion, outcome.answer)
        choices = (outcome.response or {}).get("choices")
        holds(choices, f"{tape.name}: there is no choice")
        for choice in choices or ():
            calls = choice["message"].get("tool_calls")
            said = choice["finish_reason"]
            holds(not calls or said != "stop", f"{tape.name}: there are tool calls, and finish_reason is {said!r}")

    @over("encoded")
    def test_encoding_is_pure(self, tape: Tape) -> None:
        """`encode` is a function of the request: it changes nothing, and looks at no clock, die or network."""
        provider = self.make()
        request = tape.data["request"]
        policy = "ignore" if "refused" in tape.kinds else tape.data.get("on_unsupported", "raise")

        def encode() -> Any:
            call = self.call(provider, request, **tape.place, on_unsupported=policy)
            before = copy.deepcopy(call.request)
            try:
                wire = provider.encode(call)
            except ValueError as refusal:
                # A refusal that no policy lifts has to be the same twice too.
                return {"refused": str(refusal)}
            same(f"{tape.name}: `encode` changed the request", call.request, before)
            return {"path": wire.path, "body": wire.body, "headers": wire.headers}

        pure(f"{tape.name}: `encode`", encode)

    @over("decoded")
    def test_decoding_is_pure(self, tape: Tape) -> None:
        """`decode` and the stream's decoder are functions of what the vendor sent."""
        provider = self.make()
        pure(f"{tape.name}: decoding", lambda: self._decoded(provider, tape))

    def _decoded(self, provider: Provider, tape: Tape) -> Any:
        call = self.call(provider, tape.data["request"], **tape.place, on_unsupported="ignore")
        if not tape.streams:
            sent = tape.data["vendor_response"]
            # A bare list of models is given to `decode` as an object.
            sent = {"data": sent} if isinstance(sent, list) else sent
            body = copy.deepcopy(sent)
            found = copy.deepcopy(provider.decode(call, body))
            same(f"{tape.name}: `decode` changed the vendor's answer", body, sent)
            return found
        decoder = provider.decode_stream(call)
        if decoder is None:
            return []
        chunks: list[Json] = []
        for event in pieces_of(tape):
            chunks.extend(copy.deepcopy(list(decoder.feed(event))))
        return [*chunks, *decoder.finish()]

    @over("any")
    def test_key_is_secret(self, tape: Tape, caplog: pytest.LogCaptureFixture) -> None:
        """The key stands in no body, address, message, representation or log."""
        caplog.set_level(logging.DEBUG)
        provider = self.make()
        outcome, wires = replay(provider, tape)
        said = {
            "the request": [f"{wire.path} {wire.content!r}" for wire in wires],
            "the provider's repr": [repr(provider)],
            "the exception": [str(outcome.error), repr(outcome.exception)],
            "the log": [record.getMessage() for record in caplog.records],
        }
        for place, texts in said.items():
            holds(not any(KEY in text for text in texts), f"{tape.name}: the key stands in {place}")


def pieces_of(tape: Tape) -> list[Event]:
    """A tape's events as a decoder gets them; lines that stand for themselves are the framing's business."""
    import json

    found = []
    for sent in tape.data["vendor_events"]:
        if isinstance(sent, list):
            found.append(Event(json.dumps(sent[1]).encode(), sent[0]))
        elif isinstance(sent, dict):
            found.append(Event(json.dumps(sent).encode()))
    return found


def valid(name: str, kind: Any, value: Json | None) -> None:
    """Fail unless the openai package's type takes the JSON as it is."""
    from pydantic import ValidationError

    try:
        kind.model_validate(value, strict=True)
    except ValidationError as exception:
        said = "\n".join(f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exception.errors())
        holds(condition=False, what=f"{name}: this is no {kind.__name__}:\n{said}")


def pure(what: str, function: Callable[[], Any]) -> None:
    """Fail unless the function gives the same twice, and calls nothing that could make a difference."""
    first = function()
    with watch() as seen:
        second = function()
    same(f"{what} gave something else the second time", second, first)
    holds(not seen, f"{what} is not pure: it calls {', '.join(sorted(set(seen)))}")
