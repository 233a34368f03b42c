"""What is known of one request, for the log and the metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core import Call, Json
    from dragoman.server.refusals import Failure


@dataclass(slots=True)
class Record:
    """One request, from its first byte to the last of its answer. Times are of `time.perf_counter`, in seconds."""

    request_id: str
    method: str
    endpoint: str
    started: float = field(default_factory=time.perf_counter)
    caller: str = ""
    #: As the client named it.
    model: str = ""
    status: int = 0
    stream: bool = False
    first_piece: float | None = None
    ended: float | None = None
    call: Call | None = None
    #: Who was to be asked, where no call came of it.
    asked: str = ""
    pieces: int = 0
    failure: Failure | None = None
    provider_id: str = ""
    #: Whether the client hung up, and whether all was said, so that hanging up is no news.
    gone: bool = False
    over: bool = False
    #: What was asked, where the log is to have it.
    request: Json | None = None

    @property
    def provider(self) -> str:
        """Who was asked; empty if nobody was."""
        return self.call.provider if self.call is not None else self.asked

    @property
    def seconds(self) -> float:
        """How long it took so far, or in all."""
        return (time.perf_counter() if self.ended is None else self.ended) - self.started

    @property
    def outcome(self) -> str:
        """In one word: "complete", "failed" or "abandoned"."""
        if self.gone:
            return "abandoned"
        return "failed" if self.failure is not None else "complete"

    def tokens(self) -> tuple[int, int] | None:
        """Prompt and completion tokens, in the provider's own counts; None if it did not say."""
        usage = self.call.usage if self.call is not None else None
        if not isinstance(usage, dict):
            return None
        prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
        completion = usage.get("completion_tokens", usage.get("output_tokens"))
        return _count(prompt), _count(completion)

    def charged(self) -> int:
        """Tokens to charge: by the provider's count, and by pieces where it did not count to the end of a stream."""
        counted = self.tokens()
        prompt, completion = counted or (0, 0)
        whole = counted is not None and self.outcome == "complete"
        return prompt + (completion if whole else max(completion, self.pieces))


def count_events(piece: bytes) -> int:
    """Return how many events of a stream end in a piece, whatever its lines end with."""
    found = piece.count(b"\n\n")
    return found + piece.count(b"\r\n\r\n") + piece.count(b"\r\r") if b"\r" in piece else found


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
