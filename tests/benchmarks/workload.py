"""What is asked in each scenario: OpenAI's request, and the vendor's own form of it, as its SDK's users write it.

A plain SDK gets its own form ready made, so that its row holds no translation; whoever translates gets OpenAI's.
Standard library only: every environment that is measured imports this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

#: A scenario's name -> the model that plays it ("text" or "tool"), whether it is streamed, what the table calls it.
SCENARIOS: dict[str, tuple[str, bool, str]] = {
    "text": ("text", False, "text"),
    "tool": ("tool", False, "tool call"),
    "stream": ("text", True, "stream of 200"),
    "toolstream": ("tool", True, "tool stream"),
    "large": ("text", False, "332 KB request"),
}

#: Names that vendors really have, so that whoever looks models up finds them; the loopback provider knows them apart.
MODELS: dict[str, dict[str, str]] = {
    "anthropic": {"text": "claude-sonnet-4-6", "tool": "claude-opus-4-5", "held": "claude-haiku-4-5"},
    "openai": {"text": "gpt-4o-mini", "tool": "gpt-4o", "held": "gpt-4.1-mini"},
    "mistral": {"text": "mistral-small-latest", "tool": "mistral-large-latest", "held": "mistral-medium-latest"},
    "together": {
        "text": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "tool": "Qwen/Qwen2.5-72B-Instruct-Turbo",
        "held": "deepseek-ai/DeepSeek-V3",
    },
    "ollama": {"text": "llama3.2", "tool": "qwen3", "held": "gemma3"},
}
VENDORS = list(MODELS)

_MAX_TOKENS = 1024
_SYSTEM = "You are a careful assistant who answers in plain words."
_QUESTION = "How will the weather be in Lisbon this week? Two or three sentences will do."
_PARAGRAPH = (
    "The harbour office keeps a ledger of every ship that enters, with its tonnage, its flag and the hour of its "
    "arrival; whoever wants to know more asks the pilot, who has seen them all and forgets none of them. "
) * 6


@dataclass(frozen=True)
class Chat:
    """One conversation in OpenAI's form."""

    messages: list[Json]
    tools: list[Json]

    @property
    def request(self) -> Json:
        """Arguments of `chat.completions.create`, without the model."""
        return {"messages": self.messages, "max_tokens": _MAX_TOKENS, **({"tools": self.tools} if self.tools else {})}


def tool(number: int = 0, *, options: int = 0) -> Json:
    """Return a tool; `options` parameters with a schema of their own make it heavier."""
    properties: Json = {
        "place": {"type": "string", "description": "A city and its country, as in Lisbon, Portugal"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "parts": {"type": "array", "items": {"type": "string"}},
    }
    for index in range(options):
        properties[f"choice_{index}"] = {
            "type": "object",
            "description": "A choice among several, and its value. " * 4,
            "properties": {
                "label": {"type": "string", "description": "What the choice is called where people see it."},
                "value": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
            },
            "required": ["label"],
        }
    return {
        "type": "function",
        "function": {
            "name": "get_forecast" if number == 0 else f"get_forecast_{number}",
            "description": "Look up the weather forecast of a place. " * (4 if options else 1),
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": ["place"],
                "additionalProperties": False,
            },
        },
    }


def history(length: int) -> list[Json]:
    """Return `length` messages; in a fifth of the turns a tool is called."""
    messages: list[Json] = [{"role": "system", "content": f"{_SYSTEM} {_PARAGRAPH}"}]
    turn = 0
    while len(messages) < length - 1:
        turn += 1
        room = length - 1 - len(messages)
        if turn % 5 == 0 and room >= 4:
            identity = f"call_{turn:024d}"
            arguments = json.dumps({"place": "Lisbon, Portugal", "unit": "celsius", "days": 3})
            call = {"id": identity, "type": "function", "function": {"name": "get_forecast", "arguments": arguments}}
            messages += [
                {"role": "user", "content": f"Question {turn}: look up the weather."},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": identity, "content": _PARAGRAPH},
                {"role": "assistant", "content": _PARAGRAPH},
            ]
        elif room >= 2:
            messages += [
                {"role": "user", "content": f"Question {turn}: {_PARAGRAPH}"},
                {"role": "assistant", "content": _PARAGRAPH},
            ]
        else:
            messages.append({"role": "user", "content": _PARAGRAPH})
    return [*messages, {"role": "user", "content": "And what now?"}]


_SMALL = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _QUESTION}]
_CHATS = {
    "text": Chat(_SMALL, []),
    "tool": Chat(_SMALL, [tool()]),
    "stream": Chat(_SMALL, []),
    "toolstream": Chat(_SMALL, [tool()]),
    "large": Chat(history(200), [tool(number, options=5) for number in range(40)]),
}


def chat(scenario: str) -> Chat:
    """Return the conversation of a scenario."""
    return _CHATS[scenario]


def model(vendor: str, scenario: str) -> str:
    """Return the model that plays a scenario, by the vendor's name of it."""
    return MODELS[vendor][SCENARIOS[scenario][0]]


def native(vendor: str, chat: Chat) -> Json:
    """Return a conversation as arguments of the vendor's own SDK, without the model."""
    if vendor == "anthropic":
        return _for_anthropic(chat)
    if vendor == "ollama":
        return _for_ollama(chat)
    return chat.request


def _for_anthropic(chat: Chat) -> Json:
    turns: list[Json] = []
    for message in chat.messages[1:]:
        if message["role"] == "tool":
            block = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
            turns.append({"role": "user", "content": [block]})
        elif calls := message.get("tool_calls"):
            blocks = [
                {
                    "type": "tool_use",
                    "id": call["id"],
                    "name": call["function"]["name"],
                    "input": json.loads(call["function"]["arguments"]),
                }
                for call in calls
            ]
            turns.append({"role": "assistant", "content": blocks})
        else:
            turns.append({"role": message["role"], "content": message["content"]})
    tools = [
        {"name": each["name"], "description": each["description"], "input_schema": each["parameters"]}
        for each in (one["function"] for one in chat.tools)
    ]
    request: Json = {"system": chat.messages[0]["content"], "messages": turns, "max_tokens": _MAX_TOKENS}
    return {**request, "tools": tools} if tools else request


def _for_ollama(chat: Chat) -> Json:
    messages: list[Json] = []
    for message in chat.messages:
        if calls := message.get("tool_calls"):
            named = [
                {"function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
                for call in calls
            ]
            messages.append({"role": "assistant", "content": "", "tool_calls": named})
        elif message["role"] == "tool":
            messages.append({"role": "tool", "content": message["content"], "tool_name": "get_forecast"})
        else:
            messages.append(message)
    request: Json = {"messages": messages, "options": {"num_predict": _MAX_TOKENS}}
    return {**request, "tools": chat.tools} if chat.tools else request
