"""`dragoman demo`: one conversation with a tool through two providers, on this machine alone, and checked.

Both answer through the same small rehearsal model of the llamacpp plugin: once in this process, once behind the
engine's own HTTP server, which the anthropic plugin talks to as it would talk to Anthropic.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from dragoman.core.cli import debug_option
from dragoman.core.cli.tools import Tool, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from dragoman.core.provider import Json, Provider

QUESTION = "What is the weather in Paris?"
#: A streamed answer comes in pieces; one that came whole would have two.
_FEW_CHUNKS = 5
_PARTS = ("dragoman-core", "dragoman-llamacpp", "dragoman-anthropic", "openai", "anthropic", "xllamacpp")


def get_weather(city: str) -> Json:
    """Tell the weather in a city.

    Args:
        city: Name of the city.

    """
    return {"city": city, "sky": "sunny", "celsius": 21}


TOOL = Tool(get_weather, "get_weather")


@click.command()
@debug_option
@click.pass_context
def command(ctx: click.Context) -> None:
    """Rehearse a conversation with a tool through two providers; no key, no network.

    Every step is checked, and the exit code is 1 if one is not what it should be. The rehearsal model follows
    a script; what runs around it (tokenizer, sampler, template, parser, streaming) is llama.cpp's own.
    """
    from dragoman.core.cli.failures import FAULT
    from dragoman.core.cli.terminal import Console

    os.environ["DRAGOMAN_OFFLINE"] = "1"
    llamacpp, anthropic, serve = _parts()
    from dragoman.core.client import Client

    screen = _Screen(Console())
    screen.say("Each step is checked. The model is a rehearsal: it follows a script, in a real llama.cpp engine.\n")
    with Client(providers=[llamacpp(name="llamacpp")]) as client:
        Rehearsal(client, "llamacpp/demo", screen).run("llama.cpp inside this process")
    with serve() as address:
        provider = anthropic(name="anthropic", base_url=address, api_key="rehearsal")
        with Client(providers=[provider]) as client:
            rehearsal = Rehearsal(client, "anthropic/demo", screen, wire="anthropic")
            rehearsal.run(f"Anthropic's wire, to llama.cpp's server at {address}/v1/messages")
    screen.say("took part  " + ", ".join(f"{name} {version(name)}" for name in _PARTS))
    if screen.wrong:
        screen.say(f"{screen.wrong} of {screen.right + screen.wrong} checks failed", "bold red")
        ctx.exit(FAULT)
    screen.say(f"all {screen.right} checks passed", "bold green")


def _parts() -> tuple[type[Provider], type[Provider], Callable[[], AbstractContextManager[str]]]:
    """Find the two plugins, and the engine's server. Raises `UnknownProvider` or `PluginError`."""
    from dragoman.core.errors import UnknownProvider
    from dragoman.core.plugins import plugins

    installed = plugins()
    offers = installed.providers()
    if missing := [name for name in ("llamacpp", "anthropic") if name not in offers]:
        needs = " ".join(f"dragoman-{name}" for name in missing)
        message = f"the demo needs the plugins llamacpp and anthropic: pip install {needs}"
        raise UnknownProvider(message)
    llamacpp, anthropic = installed.provider("llamacpp"), installed.provider("anthropic")
    # An address in the environment would send the rehearsal to a server of the user's.
    for name in llamacpp.base_url_env:
        os.environ.pop(name, None)
    return llamacpp, anthropic, import_module(offers["llamacpp"].value.partition(":")[0]).serve


class _Screen:
    """Prints, and counts what was as it should be."""

    def __init__(self, console: Any) -> None:
        self._console = console
        self.right = self.wrong = 0

    def say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style)

    def row(self, label: str, text: object) -> None:
        self._console.print(f"  {label:<9}", style="cyan", end="")
        self._console.print(str(text))

    def check(self, what: str, found: object, wanted: object) -> None:
        if found == wanted:
            self.right += 1
        else:
            self.wrong += 1
            self.row("WRONG", f"{what} is {found!r} instead of {wanted!r}")


@dataclass
class Turns:
    """One run of the conversation: the answer that calls the tool, what that returned, the final answer."""

    called: Json
    answered: Json
    results: list[str] = field(default_factory=list)
    chunks: int = 0

    @property
    def calls(self) -> list[Json]:
        """The calls without their ids, which differ from run to run."""
        return [call["function"] for call in self.called["message"].get("tool_calls") or ()]

    def gist(self) -> list[object]:
        """What must be the same, streamed or not."""
        reasons = [self.called["finish_reason"], self.answered["finish_reason"]]
        texts = [self.called["message"].get("content") or "", self.answered["message"].get("content") or ""]
        return [*reasons, *texts, *[(call["name"], _read(call["arguments"])) for call in self.calls]]


def _read(text: str) -> object:
    """JSON, whose spaces mean nothing (Anthropic's wire has them in streams only); what is none stays text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass
class Rehearsal:
    """The conversation with one model. `wire`: whose own data the answers must carry."""

    client: Any
    model: str
    screen: _Screen
    wire: str = ""

    def run(self, where: str) -> None:
        """Have the conversation twice, whole and streamed; show the first and hold it against the second."""
        self.screen.say(f"{self.model}: {where}", "bold")
        whole, streamed = self.converse(stream=False), self.converse(stream=True)
        self.screen.row("asked", QUESTION)
        for call, result in zip(whole.calls, whole.results, strict=True):
            self.screen.row("called", f"{call['name']}({call['arguments']})")
            self.screen.row("returned", result)
        self.screen.row("answered", whole.answered["message"].get("content"))
        self.verify(whole)
        same = whole.gist() == streamed.gist()
        self.screen.row("streamed", f"{'the same' if same else streamed.gist()}, in {streamed.chunks} chunks")
        self.screen.check("the streamed conversation", streamed.gist(), whole.gist())
        self.screen.check("streaming in pieces", streamed.chunks > _FEW_CHUNKS, wanted=True)
        self.screen.say("")

    def converse(self, *, stream: bool) -> Turns:
        """Ask, run what is called, and ask again with the results."""
        messages: list[Json] = [{"role": "user", "content": QUESTION}]
        called, pieces = self.ask(messages, stream=stream)
        turns = Turns(called, {}, chunks=pieces)
        messages.append(called["message"])
        for call in called["message"].get("tool_calls") or ():
            try:
                result = TOOL.call(call["function"]["arguments"])
            except ToolError as error:
                result = str(error)
            turns.results.append(result)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        turns.answered, pieces = self.ask(messages, stream=stream)
        turns.chunks += pieces
        return turns

    def ask(self, messages: list[Json], *, stream: bool) -> tuple[Json, int]:
        """Return the choice, and the number of chunks that it came in."""
        from dragoman.core.assembly import Assembly

        request: Json = {"model": self.model, "messages": messages, "tools": [TOOL.definition()]}
        if not stream:
            completion = self.client.chat.completions.create(**request)
            choice: Json = completion.choices[0].model_dump(exclude_none=True)
            return choice, 0
        answer, pieces = Assembly(), 0
        for chunk in self.client.chat.completions.create(**request, stream=True):
            answer.add(chunk.model_dump(exclude_unset=True))
            pieces += 1
        choice = answer.completion()["choices"][0]
        return choice, pieces

    def verify(self, turns: Turns) -> None:
        """Hold a conversation against what the question, the tool and OpenAI's schema ask for."""
        check = self.screen.check
        check("the first finish_reason", turns.called["finish_reason"], "tool_calls")
        check("the tool called", [call["name"] for call in turns.calls], [TOOL.name])
        check("the arguments", [_read(call["arguments"]) for call in turns.calls], [{"city": "Paris"}])
        check("the tool's result", [_read(result) for result in turns.results], [get_weather("Paris")])
        check("the last finish_reason", turns.answered["finish_reason"], "stop")
        message = turns.answered["message"]
        check("a call in the last answer", message.get("tool_calls"), None)
        missing = [word for word in ("Paris", "sunny", "21") if word not in (message.get("content") or "")]
        check("what the answer lacks", missing, [])
        if self.wire:
            extras = [choice["message"].get("extra_content", {}) for choice in (turns.called, turns.answered)]
            check(f"{self.wire}'s own data in the answers", [self.wire in extra for extra in extras], [True, True])
