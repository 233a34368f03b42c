from __future__ import annotations

from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.autogen.gathering import Gathering, read

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
CALLS = [
    {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
    {"id": "2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
]
MESSAGE = {
    "role": "assistant",
    "content": "Hello.",
    "reasoning_content": "Hm.",
    "tool_calls": CALLS,
    "extra_content": {"anthropic": {"blocks": []}},
}
LOGPROB = {"token": "Hello.", "logprob": -0.5, "bytes": None, "top_logprobs": []}


def completion(message: dict[str, Any] | None, finish_reason: str = "stop") -> ChatCompletion:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    choice["logprobs"] = {"content": [LOGPROB], "refusal": None}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE}
    return ChatCompletion.model_validate({**head, "choices": [choice] if message else []})


def chunk(delta: dict[str, Any] | None, **more: Any) -> ChatCompletionChunk:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    usage = {"usage": more.pop("usage")} if "usage" in more else {}
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None, **more}]
    return ChatCompletionChunk.model_validate({**head, "choices": choices, **usage})


def test_a_gathered_stream_is_the_answer_that_came_whole() -> None:
    gathering = Gathering()
    first = {**CALLS[0], "index": 0, "function": {"name": "add", "arguments": ""}}
    deltas = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm."}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo."}, logprobs={"content": [LOGPROB], "refusal": None}),
        chunk({"tool_calls": [first]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}, {**CALLS[1], "index": 1}]}),
        chunk({"extra_content": MESSAGE["extra_content"]}, finish_reason="tool_calls"),
        chunk(None, usage=USAGE),
    ]
    said = [gathering.add(delta) for delta in deltas]
    assert "".join(text for text, _ in said) == "Hello."
    assert "".join(thought for _, thought in said) == "Hm."
    assert gathering.answer() == read(completion(MESSAGE, "tool_calls"))


def test_an_answer_shows_what_there_is() -> None:
    answer = read(completion(MESSAGE, "tool_calls"))
    assert (answer.text, answer.thoughts, answer.calls) == ("Hello.", "Hm.", CALLS)
    assert (answer.finish_reason, answer.tokens("prompt"), answer.tokens("completion")) == ("tool_calls", 7, 5)
    assert answer.logprobs == [LOGPROB]
    refused = read(completion({"role": "assistant", "content": None, "refusal": "I will not."}))
    assert (refused.text, refused.thoughts, refused.calls) == ("I will not.", "", [])


def test_an_answer_without_choices_is_empty() -> None:
    answer = read(completion(None))
    assert (answer.text, answer.calls, answer.finish_reason) == ("", [], None)
    assert answer.tokens("prompt") == 7


def test_a_stream_without_usage_counts_nothing() -> None:
    gathering = Gathering()
    gathering.add(chunk({"content": "Hi.", "refusal": "No."}, finish_reason="stop"))
    answer = gathering.answer()
    assert answer.usage is None
    assert answer.tokens("completion") == 0
    assert answer.message == {"role": "assistant", "content": "Hi.", "refusal": "No."}
