"""An answer as judges read it: JSON that may have any shape, through accessors that never raise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dragoman.core.assembly import Assembly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.core.provider import Json

#: yes; no: refused; ignored: accepted, but without effect; wrong: an answer that breaks OpenAI's shape;
#: unclear: the model did not do what would have shown it; error: the probe itself failed.
Verdict = Literal["yes", "no", "ignored", "wrong", "unclear", "error"]

#: Under which names servers show a model's thoughts.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_QUOTED = 70


@dataclass(frozen=True, slots=True)
class Finding:
    """What one answer tells about one feature; `seen` is for people."""

    verdict: Verdict
    seen: str


@dataclass(frozen=True)
class Answer:
    """A whole answer, or with `chunks` what a stream adds up to."""

    body: Json
    chunks: Sequence[Json] = field(default_factory=tuple)

    @property
    def choices(self) -> list[Json]:
        """All choices that are objects."""
        return objects(self.body.get("choices"))

    @property
    def choice(self) -> Json:
        """The first choice; empty if there is none."""
        return next(iter(self.choices), {})

    @property
    def message(self) -> Json:
        """The first choice's message."""
        return an_object(self.choice.get("message"))

    @property
    def reason(self) -> Any:
        """The first choice's finish_reason."""
        return self.choice.get("finish_reason")

    @property
    def text(self) -> str:
        """The message's text; empty if it has none."""
        return a_text(self.message.get("content"))

    @property
    def calls(self) -> list[Json]:
        """The message's tool calls."""
        return objects(self.message.get("tool_calls"))

    @property
    def thoughts(self) -> tuple[str, str]:
        """The key under which the message shows thoughts, and the thoughts; empty if it shows none."""
        found = ((key, a_text(self.message.get(key))) for key in _THOUGHTS)
        return next(((key, text) for key, text in found if text.strip()), ("", ""))

    @property
    def usage(self) -> Json:
        """Counted tokens."""
        return an_object(self.body.get("usage"))

    @property
    def dropped(self) -> list[Any]:
        """Parameters that dragoman left out, since the provider does not have them."""
        found = self._report.get("dropped")
        return found if isinstance(found, list) else []

    @property
    def adapted(self) -> Json:
        """Parameters for which dragoman sent the nearest thing, and what that was."""
        return an_object(self._report.get("adapted"))

    @property
    def _report(self) -> Json:
        return an_object(an_object(self.message.get("extra_content")).get("dragoman"))


def of_stream(chunks: Sequence[Json]) -> Answer:
    """Put a stream's chunks together; chunks of no shape at all add up to nothing."""
    whole = Assembly()
    try:
        for chunk in chunks:
            whole.add(chunk)
        body = whole.completion()
    except (AttributeError, LookupError, TypeError, ValueError):
        body = {}
    return Answer(body, chunks)


def an_object(value: Any) -> Json:
    """Return a JSON object, empty for what is none."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Json]:
    """Return the objects of a JSON array."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def a_text(value: Any) -> str:
    """Return a text, empty for what is none."""
    return value if isinstance(value, str) else ""


def count(usage: Json, key: str) -> int:
    """Return a number of tokens, 0 where none was counted."""
    value = usage.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def called(call: Json) -> tuple[str, Any]:
    """Return a call's name and arguments."""
    function = an_object(call.get("function"))
    return a_text(function.get("name")), function.get("arguments")


def quote(text: str) -> str:
    """Quote the beginning of a text on one line."""
    line = " ".join(text.split())
    return f'"{line if len(line) <= _QUOTED else line[:_QUOTED] + "…"}"'


def quote_end(text: str) -> str:
    """Quote the end of a text on one line."""
    line = " ".join(text.split())
    return f'"{line if len(line) <= _QUOTED else "…" + line[-_QUOTED:]}"'


def show(calls: Sequence[Json]) -> str:
    """Write calls as code would."""
    return ", ".join(f"{name}({arguments})" for name, arguments in map(called, calls))
