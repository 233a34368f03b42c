"""What a client must see of a recorded answer in OpenAI's shape with an accent; read from the recording.

Sources: OpenAI's reference (https://platform.openai.com/docs/api-reference/chat) for what a client relies on,
and the catalogue of rules for what each server does to it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from recorded_judge.expected import ANYTHING, SOME_TEXT, Answer, Json, Outcome, ToolCall

if TYPE_CHECKING:
    from recorded_judge.traffic import Exchange

#: OpenAI's five, and what other servers say for them. Anything else is "stop".
FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "function_call",
    "model_length": "length",
    "max_tokens": "length",
}
#: Reasons that are true also where there are tool calls.
_CUT = {"length", "content_filter"}
_ERRORS = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError"}
_ERRORS |= {409: "ConflictError", 422: "UnprocessableEntityError", 429: "RateLimitError"}


def unreadable(exchange: Exchange) -> str | None:
    """Why nothing can be expected of a line; None if something can."""
    if exchange.streamed:
        ended = {
            event.get("id")
            for event in exchange.events()
            if any(one.get("finish_reason") for one in event.get("choices") or [])
        }
        return "one recorded stream with two answers in it" if len(ended) > 1 else None
    if not isinstance(exchange.body, dict):
        return "the body is no JSON object"
    if exchange.family.native:
        return None
    if not isinstance(exchange.body.get("choices"), list):
        return "filed as chat, but the body is the answer of another endpoint"
    messages = [choice.get("message") or {} for choice in exchange.body["choices"]]
    if any(isinstance(message.get("content"), dict) for message in messages):
        return "the content is an object where OpenAI's is text, and no rule says what becomes of it"
    return None


def expected(exchange: Exchange) -> Outcome:
    """The whole expectation for one exchange."""
    return _of_stream(exchange) if exchange.streamed else _of_body(exchange)


def _of_body(exchange: Exchange) -> Outcome:
    body = exchange.body
    answers = {choice.get("index", number): _choice(choice) for number, choice in enumerate(body["choices"])}
    return Outcome(
        id=body.get("id") or SOME_TEXT,
        model=body.get("model") or exchange.model,
        answers=answers,
        usage=numbers(body.get("usage"), exchange.family.name),
        created=whole_seconds(body.get("created")),
    )


def whole_seconds(created: object) -> int | None:
    """The recorded time; None (not judged) where there is none, or where the recorder blotted it out."""
    return int(created) or None if isinstance(created, int | float) else None


def _choice(choice: Json) -> Answer:
    message = choice.get("message") or {}
    text, thoughts = texts_of(message.get("content"))
    answer = Answer(
        text=text,
        refusal=message.get("refusal") or None,
        reasoning=thoughts or reasoning_of(message),
        annotations=message.get("annotations") or [],
        other={key: message[key] for key in ("function_call", "audio") if said(message.get(key))},
    )
    for call in message.get("tool_calls") or []:
        add_fragment(answer.calls, call, whole=True)
    finish(answer, choice.get("finish_reason") or "stop")
    return answer


def said(thing: Json | None) -> bool:
    """Whether a legacy `function_call` or an `audio` says anything: some servers send all keys, all empty."""
    return any((thing or {}).values())


def texts_of(content: Any) -> tuple[str | None, str]:
    """The text of a message and the thoughts in it: content may be text, or a list of parts (Mistral).

    A list without a text settles nothing: no text and an empty one both say so.
    """
    if not isinstance(content, list):
        return content, ""
    text, thoughts = "", ""
    for part in content:
        match part["type"]:
            case "text":
                text += part["text"]
            case "thinking":
                inner = part["thinking"]
                thoughts += inner if isinstance(inner, str) else "".join(piece.get("text", "") for piece in inner)
    return text or ANYTHING, thoughts


def reasoning_of(message: Json) -> str | None:
    """The thoughts, whichever key they came under; of structured ones only that there must be some."""
    found = message.get("reasoning_content") or message.get("reasoning")
    if found:
        return str(found)
    details = message.get("reasoning_details") or []
    return ANYTHING if any(part.get("text") or part.get("summary") for part in details) else None


def finish(answer: Answer, reason: str | None) -> None:
    """Settle what is known only at the end: the reason by the truth rule, and the calls' arguments."""
    answer.finish = FINISH.get(reason, "stop") if reason else None
    if answer.calls:
        # A turn that only calls has no text, and "" is one.
        answer.text = None if answer.text in {"", ANYTHING} else answer.text
        if answer.finish and answer.finish not in _CUT:
            answer.finish = "tool_calls"
    for call in answer.calls:
        if call.value is not None:
            continue  # it came as an object, not as text
        if call.arguments.strip():
            call.value = value_of(call.arguments)
        elif answer.finish == "length":
            call.arguments, call.value = ANYTHING, ANYTHING
        else:
            call.arguments, call.value = "{}", {}


def value_of(arguments: str) -> Any:
    """What the text says; None where the model was cut off and it says nothing."""
    try:
        return json.loads(arguments)
    except ValueError:
        return None


def add_fragment(calls: list[ToolCall], part: Json, *, whole: bool = False, seen: dict[Any, int] | None = None) -> None:
    """Add one call, or a piece of one. `seen` (streams): which call an index or an id belongs to."""
    seen = {} if seen is None else seen
    function = part.get("function") or {}
    arguments = function.get("arguments")
    place = None if whole else _place(calls, part, seen)
    if place is None:
        place = len(calls)
        calls.append(ToolCall(part.get("id") or SOME_TEXT, function.get("name") or "", "", None))
    for key in ("id", "index"):
        if part.get(key) not in {None, ""}:
            seen[key, part[key]] = place
    if isinstance(arguments, dict):
        calls[place].value = arguments
    else:
        calls[place].arguments += arguments or ""


def _place(calls: list[ToolCall], part: Json, seen: dict[Any, int]) -> int | None:
    """Where a piece belongs; None: it begins a call. An id of its own begins one, whatever the index says."""
    if part.get("id"):
        by_id = seen.get(("id", part["id"]))
        # Two calls with one id but different indexes are two calls.
        return by_id if part.get("index") is None or by_id == seen.get(("index", part["index"])) else None
    if part.get("index") is not None:
        return seen.get(("index", part["index"]))
    return None if (part.get("function") or {}).get("name") or not calls else len(calls) - 1


def _of_stream(exchange: Exchange) -> Outcome:
    events = exchange.events()
    answers: dict[int, Answer] = {}
    reasons: dict[int, str] = {}
    seen: dict[int, dict[Any, int]] = {}
    error = None
    for event in events:
        if event.get("error"):
            error = error_in_stream(event["error"])
            break
        for choice in event.get("choices") or []:
            index = choice.get("index", 0)
            _extend(answers.setdefault(index, Answer()), choice.get("delta") or {}, seen.setdefault(index, {}))
            if choice.get("finish_reason"):
                reasons[index] = choice["finish_reason"]
    if error is None and not reasons:
        error = "APIConnectionError"
    for index, answer in answers.items():
        # LiteLLM ends only the last of several choices; that of the others is for its plugin to say.
        finish(answer, reasons.get(index))
        if reasons and index not in reasons:
            answer.finish = ANYTHING
    speaking = [event for event in events if event.get("choices")] or [{}]
    return Outcome(
        id=speaking[0].get("id") or SOME_TEXT,
        model=next((event["model"] for event in events if event.get("model")), exchange.model),
        answers=answers,
        usage=ANYTHING if error else _last_usage(events, exchange.family.name),
        error=error,
        created=whole_seconds(speaking[0].get("created")),
    )


def _extend(answer: Answer, delta: Json, seen: dict[Any, int]) -> None:
    text, thoughts = texts_of(delta.get("content"))
    answer.text = plus(answer.text, None if text == ANYTHING else text)
    answer.refusal = plus(answer.refusal, delta.get("refusal"))
    answer.reasoning = plus(answer.reasoning, thoughts or reasoning_of(delta))
    answer.annotations = answer.annotations + (delta.get("annotations") or [])
    for part in delta.get("tool_calls") or []:
        add_fragment(answer.calls, part, seen=seen)


def plus(text: str | None, more: str | None) -> str | None:
    """Add a piece of text; nothing and empty text are the same in a stream."""
    if ANYTHING in {text, more}:
        return ANYTHING
    return (text or "") + (more or "") or None


def error_in_stream(error: Any) -> str:
    """The class of an error that came inside a stream: by the HTTP status in it, if there is one."""
    found = [error.get(key) for key in ("code", "status_code", "status")] if isinstance(error, dict) else []
    for status in (int(value) for value in map(str, found) if value.isdigit()):
        if 400 <= status < 600:
            return _ERRORS.get(status, "InternalServerError" if status >= 500 else "APIStatusError")
    return "APIError"


def _last_usage(events: list[Json], family: str) -> dict[str, Any] | str | None:
    """Usage may stand on every chunk, growing: the last counts. Groq's may be in a place of its own only."""
    found = [event["usage"] for event in events if event.get("usage")]
    if not found and any((event.get("x_groq") or {}).get("usage") for event in events):
        return ANYTHING
    return numbers(found[-1], family) if found else None


def numbers(usage: Json | None, family: str) -> dict[str, Any] | None:
    """OpenAI's numbers. Counts that stand elsewhere are judged where a rule names the place."""
    if not usage:
        return None
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    inputs, outputs = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cached = [inputs.get("cached_tokens"), usage.get("cached_tokens")]
    if family == "mistralai":
        # Three places, of which some say 0 where others know better.
        cached += [(usage.get("prompt_token_details") or {}).get("cached_tokens"), usage.get("num_cached_tokens")]
        cached = [max((count for count in cached if count), default=0)]
    written = [inputs.get("cache_write_tokens")]
    if family == "litellm":
        cached.append(usage.get("cache_read_input_tokens"))
        written.append(usage.get("cache_creation_input_tokens"))
    elsewhere = ("prompt_cache_hit_tokens", "cache_read_input_tokens")
    rest = (usage.get("total_tokens") or 0) - prompt - completion
    if rest > 0 and rest == outputs.get("reasoning_tokens"):
        completion += rest  # xAI counts thoughts apart; for OpenAI they are part of what was completed
    elif rest > 0 and "prompt_audio_seconds" in usage:
        prompt += rest  # Mistral's prompt count leaves sound out
    return {
        "prompt": prompt,
        "completion": completion,
        "total": prompt + completion,
        "cached": _first(cached, any(usage.get(key) for key in elsewhere)),
        "cache_write": _first(written, bool(usage.get("cache_creation_input_tokens"))),
        "reasoning": _first([outputs.get("reasoning_tokens")], bool(usage.get("reasoning_tokens"))),
    }


def _first(values: list[int | None], elsewhere: bool) -> int | str:
    """The first number that was sent; none is 0, unless there is one in a place that no rule names."""
    return next((value for value in values if value is not None), ANYTHING if elsewhere else 0)
