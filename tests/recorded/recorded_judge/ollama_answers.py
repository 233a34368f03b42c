"""What a client must see of a recorded answer in Ollama's own format; read from the recording.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md (Generate a chat completion)
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from recorded_judge.compatible_answers import add_fragment, finish, plus
from recorded_judge.expected import ANYTHING, SOME_TEXT, Answer, Json, Outcome

if TYPE_CHECKING:
    from recorded_judge.traffic import Exchange


def expected(exchange: Exchange) -> Outcome:
    """The whole expectation: a stream is the same messages in pieces, and the last line says how it ended."""
    events = exchange.events() if exchange.streamed else [exchange.body]
    answer = Answer()
    error = None
    last: Json = {}
    for event in events:
        if event.get("error"):
            error = "APIError"
            break
        message = event.get("message") or {}
        answer.text = plus(answer.text, message.get("content"))
        answer.reasoning = plus(answer.reasoning, message.get("thinking"))
        for call in message.get("tool_calls") or []:
            add_fragment(answer.calls, call, whole=True)
        last = event if event.get("done") else last
    if not last and error is None:
        error = "APIConnectionError"
    finish(answer, None if error else last.get("done_reason") or "stop")
    return Outcome(
        id=SOME_TEXT,
        model=events[0].get("model") or exchange.model,
        answers={0: answer},
        usage=ANYTHING if error else numbers(last),
        error=error,
        created=seconds(events[0].get("created_at")),
    )


def seconds(created: str | None) -> int | None:
    """The time as a number; Ollama writes nine digits behind the second, which Python cuts itself since 3.11."""
    if not created:
        return None
    return int(datetime.fromisoformat(created).timestamp()) or None


def numbers(last: Json) -> dict[str, int] | str:
    """Tokens; a prompt that was wholly cached has no count. Nothing at all said: nothing to judge."""
    if not {"prompt_eval_count", "eval_count"} & last.keys():
        return ANYTHING
    prompt, completion = last.get("prompt_eval_count") or 0, last.get("eval_count") or 0
    counts = {"prompt": prompt, "completion": completion, "total": prompt + completion}
    return {**counts, "cached": 0, "cache_write": 0, "reasoning": 0}
