"""An answer of dragoman's client, whole or in chunks -> the one message that it is.

What the parts for AutoGen 0.4 to 0.7 and for ag2 share; no framework is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    from dragoman.core import Json


@dataclass(slots=True)
class Answer:
    """One answer. `message` is OpenAI's assistant message: what goes back into a history."""

    message: Json
    finish_reason: str | None = None
    #: OpenAI's usage object, as the provider counted; None if it did not.
    usage: Json | None = None
    #: The log probabilities of the text's tokens, as OpenAI has them.
    logprobs: list[Json] | None = None
    id: str = ""
    model: str = ""

    @property
    def text(self) -> str:
        """What the model said; its refusal, if it said nothing else."""
        return self.message.get("content") or self.message.get("refusal") or ""

    @property
    def thoughts(self) -> str:
        """The model's reasoning, where the provider shows it."""
        return self.message.get("reasoning_content") or ""

    @property
    def calls(self) -> list[Json]:
        """The tool calls: `id`, `function` with `name` and `arguments` (JSON text)."""
        return self.message.get("tool_calls") or []

    def tokens(self, kind: str) -> int:
        """Count of `prompt` or `completion` tokens; 0 if the provider counted none."""
        return int((self.usage or {}).get(f"{kind}_tokens") or 0)


def read(completion: ChatCompletion) -> Answer:
    """Read an answer that came whole. One without choices (a filter's, mostly) is empty."""
    usage = completion.usage.model_dump(exclude_none=True) if completion.usage else None
    if not completion.choices:
        return Answer({"role": "assistant", "content": None}, None, usage, None, completion.id, completion.model)
    choice = completion.choices[0]
    message = choice.message.model_dump(exclude_none=True, warnings=False)
    return Answer(
        {"content": None, **message},
        choice.finish_reason,
        usage,
        _logprobs(choice.logprobs),
        completion.id,
        completion.model,
    )


def _logprobs(found: Any) -> list[Json] | None:
    content = found.content if found else None
    return [token.model_dump() for token in content] if content else None


@dataclass(slots=True)
class Gathering:
    """Chunks of one stream, added up; `answer` is what they come to."""

    _text: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _refusal: list[str] = field(default_factory=list)
    _calls: dict[int, Json] = field(default_factory=dict)
    _extra: Json = field(default_factory=dict)
    _answer: Answer = field(default_factory=lambda: Answer({}))

    def add(self, chunk: ChatCompletionChunk) -> tuple[str, str]:
        """Take one chunk; return the text and the thoughts that are new."""
        answer = self._answer
        answer.id, answer.model = chunk.id or answer.id, chunk.model or answer.model
        if chunk.usage:
            answer.usage = chunk.usage.model_dump(exclude_none=True)
        if not chunk.choices:
            return "", ""
        choice = chunk.choices[0]
        answer.finish_reason = choice.finish_reason or answer.finish_reason
        if found := _logprobs(choice.logprobs):
            answer.logprobs = [*(answer.logprobs or []), *found]
        delta: Any = choice.delta
        text, thoughts = delta.content or "", getattr(delta, "reasoning_content", None) or ""
        self._text.append(text)
        self._thoughts.append(thoughts)
        self._refusal.append(delta.refusal or "")
        self._extra.update(getattr(delta, "extra_content", None) or {})
        for piece in delta.tool_calls or ():
            self._add_call(piece)
        return text, thoughts

    def _add_call(self, piece: Any) -> None:
        call = self._calls.setdefault(
            piece.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = piece.id or call["id"]
        if piece.function is not None:
            function = call["function"]
            function["name"] = piece.function.name or function["name"]
            function["arguments"] += piece.function.arguments or ""

    def answer(self) -> Answer:
        """The whole answer, as it would have come without streaming."""
        message: Json = {"role": "assistant", "content": "".join(self._text) or None}
        more = {
            "refusal": "".join(self._refusal),
            "reasoning_content": "".join(self._thoughts),
            "tool_calls": [self._calls[index] for index in sorted(self._calls)],
            "extra_content": self._extra,
        }
        self._answer.message = {**message, **{key: value for key, value in more.items() if value}}
        return self._answer
