"""The probes: what is asked, so that a server which passes over a parameter gives another answer.

A parameter that forces something is sent with a question that suggests the opposite: a tool is required where
none fits, another one is named than the one that does, the schema's keys are nobody's guess.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dragoman.core.cli.probes import judges
from dragoman.core.cli.probes.judges import ALTERNATIVES, CLOCK, CODEWORD, RESULT_WORD, SCHEMA_KEYS, STOP_WORD, WEATHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.cli.probes.evidence import Answer, Finding
    from dragoman.core.provider import Json

#: How often a model is asked that did not do what would show the feature.
TRIES = 3
#: Pixels; smaller pictures are refused by some servers, and some count no tokens for them.
_SIDE = 256
_ORANGE = b"\xff\x80\x00"
_JSON_TYPES = {str: "string", int: "integer"}


@dataclass(frozen=True)
class Probe:
    """One feature. `request`: parameters of `create`; `parameter`: the one in question.

    `enforced`: a server that honours it does so each time, whatever the model would like. `without`: the same
    request without the parameter, asked after a "yes"; `doubt` says why its answer devalues that one, if it does.
    `shows`: what the request adds to the prompt, which the count of its tokens tells. `spare`: requests that may
    come on top.
    """

    feature: str
    label: str
    judge: Callable[[Answer], Finding]
    request: Json
    parameter: str = ""
    tries: int = 1
    spare: int = 0
    enforced: bool = False
    without: Json = field(default_factory=dict)
    doubt: Callable[[Answer], str] = lambda _: ""
    shows: str = ""

    @property
    def requests(self) -> int:
        """The most requests that it takes."""
        return self.tries + self.spare + bool(self.without)

    @property
    def answers(self) -> int:
        """The most answers that it asks for; `n` asks for several in one request."""
        return self.tries * int(self.request.get("n", 1)) + self.spare + bool(self.without)


def plain_picture() -> bytes:
    """Make a PNG of one plain colour: https://www.w3.org/TR/png-3/."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    rows = (b"\0" + _ORANGE * _SIDE) * _SIDE
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _asked(text: str | list[Json], *before: Json) -> list[Json]:
    return [*before, {"role": "user", "content": text}]


def _tool(name: str, description: str) -> Json:
    city = {"type": "string", "description": "Name of the city."}
    parameters = {"type": "object", "properties": {"city": city}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _picture_question() -> list[Json]:
    url = f"data:image/png;base64,{b64encode(plain_picture()).decode()}"
    return [
        {"type": "text", "text": "What colour is this picture? Answer with one word."},
        {"type": "image_url", "image_url": {"url": url}},
    ]


def _schema() -> Json:
    properties = {name: {"type": _JSON_TYPES[kind]} for name, kind in SCHEMA_KEYS.items()}
    schema = {"type": "object", "properties": properties, "required": [*SCHEMA_KEYS], "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def _past_call() -> list[Json]:
    # An id of nine letters and digits is one at every vendor, the strictest (Mistral) included.
    function = {"name": WEATHER, "arguments": '{"city": "Paris"}'}
    call = {"id": "call00001", "type": "function", "function": function}
    return [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": f'{{"celsius": 21, "sky": "{RESULT_WORD}"}}'},
    ]


_WEATHER_TOOL = _tool(WEATHER, "The current weather in a city.")
_BOTH_TOOLS = [_WEATHER_TOOL, _tool(CLOCK, "The local time in a city.")]
_WEATHER_QUESTION = _asked("What is the weather in Paris? Use the tool.")
_CAPITAL_QUESTION = "What is the capital of France?"
_NO_TOOL_QUESTION = _asked("Answer with the single word hello. Do not call any function.")
_HELLO = _asked("Answer with the single word hello.")
_LIST = "one two three four five six seven eight"
_WEATHER_CALL: Json = {"messages": _WEATHER_QUESTION, "tools": [_WEATHER_TOOL]}
_NO_TOOL_NEEDED: Json = {"messages": _NO_TOOL_QUESTION, "tools": _BOTH_TOOLS}

#: `text` comes first: whatever fails there fails everywhere.
PROBES = (
    Probe(
        "text",
        "text",
        judges.judge_text,
        {"messages": _HELLO},
        # The limit of tokens may have to be sent by its other name.
        spare=1,
    ),
    Probe(
        "stream",
        "streaming",
        judges.judge_stream,
        {"messages": _asked(f"Repeat these words: {_LIST}"), "stream": True},
        "stream",
    ),
    Probe(
        "system",
        "system message",
        judges.judge_system,
        {
            "messages": _asked(
                _CAPITAL_QUESTION,
                {"role": "system", "content": f"Begin each answer with the word {CODEWORD.upper()}."},
            )
        },
        tries=TRIES,
    ),
    Probe("tools", "tool call", judges.judge_tools, _WEATHER_CALL, "tools", TRIES, shows="the tool"),
    Probe(
        "stream_tools",
        "tool call, streamed",
        judges.judge_stream_tools,
        {**_WEATHER_CALL, "stream": True},
        "tools",
        TRIES,
    ),
    Probe(
        "parallel",
        "parallel calls",
        judges.judge_parallel,
        {
            "messages": _asked("What is the weather in Paris and in Rome? Call the tool for both cities at once."),
            "tools": [_WEATHER_TOOL],
            "parallel_tool_calls": True,
        },
        "parallel_tool_calls",
        TRIES,
    ),
    Probe(
        "result",
        "tool result",
        judges.judge_result,
        {"messages": _past_call(), "tools": [_WEATHER_TOOL]},
        "tools",
        TRIES,
    ),
    Probe(
        "named",
        "tool_choice: a name",
        judges.judge_named,
        {
            "messages": _WEATHER_QUESTION,
            "tools": _BOTH_TOOLS,
            "tool_choice": {"type": "function", "function": {"name": CLOCK}},
        },
        "tool_choice",
        TRIES,
        enforced=True,
    ),
    Probe(
        "required",
        "tool_choice: required",
        judges.judge_required,
        {**_NO_TOOL_NEEDED, "tool_choice": "required"},
        "tool_choice",
        TRIES,
        enforced=True,
        without=_NO_TOOL_NEEDED,
        doubt=lambda answer: "but it calls one without being told to, too" if answer.calls else "",
    ),
    Probe(
        "none",
        "tool_choice: none",
        judges.judge_none,
        {**_WEATHER_CALL, "tool_choice": "none"},
        "tool_choice",
        TRIES,
        enforced=True,
        without=_WEATHER_CALL,
        doubt=lambda answer: "" if answer.calls else "but it calls none when it may, either",
    ),
    Probe(
        "json_object",
        "json_object",
        judges.judge_json_object,
        {
            # OpenAI wants the word JSON somewhere in the messages.
            "messages": _asked(f"{_CAPITAL_QUESTION} (By the way, I like JSON.)"),
            "response_format": {"type": "json_object"},
        },
        "response_format",
        TRIES,
        enforced=True,
    ),
    Probe(
        "json_schema",
        "json_schema",
        judges.judge_json_schema,
        {"messages": _asked(_CAPITAL_QUESTION), "response_format": _schema()},
        "response_format",
        TRIES,
        enforced=True,
    ),
    Probe(
        "image", "image", judges.judge_image, {"messages": _asked(_picture_question())}, "", TRIES, shows="the image"
    ),
    Probe(
        "usage",
        "usage in streams",
        judges.judge_usage,
        {
            "messages": _HELLO,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
        "stream_options",
    ),
    Probe(
        "stop",
        "stop",
        judges.judge_stop,
        {"messages": _asked(f"Repeat these words: {_LIST}"), "stop": [STOP_WORD]},
        "stop",
        TRIES,
    ),
    Probe(
        "logprobs",
        "logprobs",
        judges.judge_logprobs,
        {"messages": _HELLO, "logprobs": True, "top_logprobs": ALTERNATIVES},
        "logprobs",
    ),
    Probe("n", "n", judges.judge_n, {"messages": _HELLO, "n": 2}, "n"),
    Probe(
        "reasoning",
        "reasoning text",
        judges.judge_reasoning,
        {"messages": _asked("Think step by step: what is 17 times 23?")},
    ),
)
