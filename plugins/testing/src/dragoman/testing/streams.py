"""Checks of streams."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import pytest

from dragoman.testing.assembling import gist_of_answer, gist_of_chunks, meaning
from dragoman.testing.base import Base, over
from dragoman.testing.comparing import holds, same, without_nulls
from dragoman.testing.playing import replay
from dragoman.testing.tapes import read_tape
from dragoman.testing.translation import valid

if TYPE_CHECKING:
    from dragoman.core import Json
    from dragoman.testing.tapes import Tape

#: Bytes per piece: each alone, sizes that cut in the middle of everything, as networks do it.
SIZES = (1, 7, 4096)


class StreamChecks(Base):
    """A stream is OpenAI's stream, however the network cuts it."""

    @over("events")
    def test_chunks(self, tape: Tape) -> None:
        """The vendor's events are told as OpenAI's chunks, and a failure in the middle as a failure."""
        outcome, _ = replay(self.make(), tape)
        same(f"{tape.name}: `chunks`", outcome.chunks, tape.data["chunks"])
        same(f"{tape.name}: `response`", outcome.answer, tape.data.get("response"))

    @pytest.mark.parametrize("size", SIZES)
    @over("streamed")
    def test_chunks_do_not_depend_on_cuts(self, tape: Tape, size: int) -> None:
        """Wherever the bytes are cut, the chunks are the same."""
        whole, _ = replay(self.make(), tape)
        cut, _ = replay(self.make(), tape, size)
        same(f"{tape.name}, {size} bytes at a time", cut.chunks, whole.chunks)
        holds(cut.exception is None, f"{tape.name}, {size} bytes at a time: {cut.error}")

    @over("streamed")
    def test_chunks_are_valid(self, tape: Tape) -> None:
        """Each chunk is a `ChatCompletionChunk`, and all have one id, one model and one `created`."""
        from openai.types.chat import ChatCompletionChunk

        outcome, _ = replay(self.make(), tape)
        for number, chunk in enumerate(outcome.chunks):
            valid(f"{tape.name}: chunk {number}", ChatCompletionChunk, _with_functions(chunk))
        for key in ("id", "model", "created"):
            found = sorted({str(chunk.get(key)) for chunk in outcome.chunks})
            holds(len(found) == 1, f"{tape.name}: `{key}` is one for the whole stream, not {', '.join(found)}")

    @over("streamed")
    def test_chunks_keep_openais_promises(self, tape: Tape) -> None:
        """The role comes once and first, the finish reason once and last; calls are counted from 0 and named once."""
        outcome, _ = replay(self.make(), tape)
        choices: dict[int, list[Json]] = {}
        for chunk in outcome.chunks:
            for choice in chunk["choices"]:
                choices.setdefault(choice["index"], []).append(choice)
        holds(choices, f"{tape.name}: there is no choice")
        for pieces in choices.values():
            roles = [bool(piece["delta"].get("role")) for piece in pieces]
            same(f"{tape.name}: pieces with a role", roles, [True] + [False] * (len(roles) - 1))
            ends = [bool(piece.get("finish_reason")) for piece in pieces]
            same(f"{tape.name}: pieces with a finish_reason", ends, [False] * (len(ends) - 1) + [True])
            fragments = [call for piece in pieces for call in piece["delta"].get("tool_calls") or ()]
            opened = [call["index"] for call in fragments if call.get("id")]
            same(f"{tape.name}: the indexes of tool calls with an id", opened, list(range(len(opened))))
            strays = sorted({call["index"] for call in fragments} - set(opened))
            holds(not strays, f"{tape.name}: tool calls {strays} have no id")

    @over("streamed")
    def test_usage_comes_when_asked(self, tape: Tape) -> None:
        """Usage is a chunk of its own, the last one, if it was asked for; else there is none."""
        asked = (tape.data["request"].get("stream_options") or {}).get("include_usage")
        outcome, _ = replay(self.make(), tape)
        found = [bool(chunk.get("usage")) for chunk in outcome.chunks]
        wanted = [False] * len(found)
        if asked:
            wanted[-1] = True
            same(f"{tape.name}: choices beside usage", outcome.chunks[-1]["choices"], [])
        same(f"{tape.name}: chunks with usage", found, wanted)

    @over("twin")
    def test_stream_equals_answer(self, tape: Tape) -> None:
        """Put together, a stream says what the whole answer says (`x_stream.json` and `x.json`)."""
        if not tape.twin.is_file():
            pytest.skip(f"there is no tape with the same answer, whole: {tape.twin.name}")
        streamed, _ = replay(self.make(), tape)
        whole, _ = replay(self.make(), read_tape(tape.twin))
        found, wanted = gist_of_chunks(streamed.chunks), gist_of_answer(whole.response or {})
        if not found["usage"]:
            wanted["usage"] = found["usage"]
        same(f"{tape.name} and {tape.twin.name}", without_nulls(meaning(found)), without_nulls(meaning(wanted)))

    @over("streamed")
    def test_a_cut_stream_is_no_answer(self, tape: Tape) -> None:
        """A stream that ends before the vendor's last word is a failure, and not a short answer."""
        import openai

        events = tape.data["vendor_events"]
        short = dataclasses.replace(tape, data={**tape.data, "vendor_events": events[: len(events) // 2]})
        outcome, _ = replay(self.make(), short)
        failed = isinstance(outcome.exception, openai.APIError)
        holds(failed, f"{tape.name}: half of the events made a whole answer: {outcome.chunks[-1:]}")


def _with_functions(chunk: Json) -> Json:
    """Take calls of custom tools for calls of functions: OpenAI streams both, and the type has the latter only."""
    found = copy.deepcopy(chunk)
    calls = [call for choice in found["choices"] for call in choice["delta"].get("tool_calls") or ()]
    for call in calls:
        if "custom" in call:
            said = call.pop("custom")
            call["function"] = {"arguments": said.pop("input", None), **said}
            call["type"] = "function" if call.get("type") else None
    return found
