"""A conversation with a model: one turn asks, shows the answer, and runs the tools it calls until it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.core.assembly import Assembly
from dragoman.core.cli.failures import ProviderFailure, naming
from dragoman.core.cli.tools import Tool, ToolError

if TYPE_CHECKING:
    from dragoman.core.cli.terminal import View
    from dragoman.core.provider import Json

#: Why an answer may be less than what was asked for.
_REMARKS = {
    "length": "the answer was cut: the limit of tokens is reached",
    "content_filter": "the answer was withheld by the provider's filter",
}
_SHOWN = 300


@dataclass
class Conversation:
    """`params` go to `chat.completions.create` as they are; `completion` is the last answer that came whole."""

    client: Any
    params: Json
    view: View
    tools: dict[str, Tool] = field(default_factory=dict)
    messages: list[Json] = field(default_factory=list)
    stream: bool = True
    quiet: bool = False
    max_rounds: int = 10
    completion: Any = None
    _answer: Assembly = field(default_factory=Assembly)

    def ask(self, content: str | list[Json]) -> None:
        """Put a user's message and see it through.

        A turn that fails is forgotten; one that the user stops leaves what could be read of the answer.
        """
        start = len(self.messages)
        question = {"role": "user", "content": content}
        self.messages.append(question)
        self._answer = Assembly()
        try:
            with naming(self.client, self.params["model"]):
                self._rounds()
        except BaseException as error:
            del self.messages[start:]
            text = _first(self._answer.completion())["message"].get("content")
            if isinstance(error, KeyboardInterrupt) and text:
                self.messages += [question, {"role": "assistant", "content": text}]
            raise
        finally:
            self.view.end()

    def clear(self) -> None:
        """Forget everything but the instructions."""
        self.messages = [message for message in self.messages if message["role"] == "system"]

    def _rounds(self) -> None:
        for round_ in range(self.max_rounds + 1):
            self._answer = Assembly()
            choice = _first(self._stream() if self.stream else self._fetch())
            self.view.end()
            if remark := _REMARKS.get(choice["finish_reason"]):
                self.view.note(f"({remark})", "yellow")
            self.messages.append({"role": "assistant", "content": None, **choice["message"]})
            calls = choice["message"].get("tool_calls") or []
            if calls and (round_ < self.max_rounds or not self.tools):
                self.messages += [self._run(call) for call in calls]
            if not calls or not self.tools:
                return
        message = f"the model still calls tools after {self.max_rounds} rounds; --max-rounds allows more"
        raise ProviderFailure(message)

    def _stream(self) -> Json:
        create = self.client.chat.completions.create
        with create(messages=self.messages, stream=True, **self.params) as stream:
            for chunk in stream:
                piece = chunk.model_dump(exclude_unset=True)
                self._answer.add(piece)
                for choice in piece["choices"][:1]:
                    self._show(choice.get("index", 0), choice.get("delta") or {})
        return self._answer.completion()

    def _fetch(self) -> Json:
        self.completion = self.client.chat.completions.create(messages=self.messages, **self.params)
        completion: Json = self.completion.model_dump(exclude_unset=True)
        self._show(0, _first(completion)["message"])
        return completion

    def _show(self, index: int, delta: Json) -> None:
        if self.quiet or index:
            return
        if delta.get("reasoning_content"):
            self.view.reasoning(delta["reasoning_content"])
        for key in ("content", "refusal"):
            if delta.get(key):
                self.view.text(delta[key])

    def _run(self, call: Json) -> Json:
        """Run one call, and return the tool message for it."""
        function = call.get("function") or call.get("custom") or {}
        name, arguments = function.get("name", ""), function.get("arguments", function.get("input", ""))
        self.view.note(f"→ {name}({arguments})")
        try:
            result = self._tool(name).call(arguments)
        except ToolError as error:
            result = f"Error: {error}"
        self.view.note(f"← {result if len(result) <= _SHOWN else result[:_SHOWN] + '…'}")
        return {"role": "tool", "tool_call_id": call.get("id"), "content": result}

    def _tool(self, name: str) -> Tool:
        if name not in self.tools:
            message = f"there is no tool {name!r} here"
            raise ToolError(message)
        return self.tools[name]


def _first(completion: Json) -> Json:
    """The choice that the conversation goes on with."""
    empty: Json = {"message": {}, "finish_reason": None}
    return next(iter(completion["choices"]), empty)
