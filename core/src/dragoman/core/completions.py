"""OpenAI's older text completions, handed on as they are: what was used, and whether a stream came to its end.

Source: https://platform.openai.com/docs/api-reference/completions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.chunks import Endings, reports_error
from dragoman.core.failures import error_in
from dragoman.core.framing import SSE
from dragoman.core.provider import StreamCutError
from dragoman.core.replies import read_chunk

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Json, Provider

COMPLETIONS = "completions"


class CompletionsWatch:
    """Looks on while one answer goes by. `usage` is None until the provider has counted."""

    def __init__(self, provider: Provider, call: Call) -> None:
        self._provider, self._call = provider, call
        self._frames = SSE()
        self._endings = Endings()
        #: Whether there is text, or the end of one, and whether the stream has said that it is done.
        self._begun = self._done = False
        self.usage: Json | None = None

    def read(self, body: Json) -> Json:
        """Look at a whole answer, or at a piece of one. Raises `VendorError` for one that reports a failure."""
        if reports_error(body) and not body.get("choices"):
            raise error_in(self._provider, self._call, body)
        if isinstance(usage := body.get("usage"), dict):
            self.usage = usage
        return body

    def look(self, piece: bytes | None) -> tuple[bool, bool]:
        """Look at a piece (None: it has ended), and note the usage in the call.

        Return whether there is content, and whether the stream has said that it is done. Raises `VendorError`, and
        `StreamCutError` if the events end before all texts do and it was not said.
        """
        try:
            for event in self._frames.finish() if piece is None else self._frames.feed(piece):
                if event.data.strip() == b"[DONE]":
                    self._done = True
                else:
                    self._look_at(self.read(read_chunk(self._provider, self._call, event)))
        finally:
            self._call.usage = self.usage
        if piece is None and not (self._done or self._endings.all):
            message = "the stream ended before its finish_reason"
            raise StreamCutError(message)
        return self._begun, self._done

    def _look_at(self, chunk: Json) -> None:
        choices = chunk.get("choices") or ()
        if self._endings.see(choices) or any(choice.get("text") for choice in choices):
            self._begun = True
