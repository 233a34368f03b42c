"""`dragoman_mock`: scripted answers for tests of code that calls models, and what that code asked."""

from __future__ import annotations

import copy
import json
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import AsyncReply, Json, Provider, Reply, stand_in
from dragoman.testing.mock_answers import Answer, failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from typing import Self

    from dragoman.core import Call, Wire


@dataclass(frozen=True, slots=True)
class _Scripted:
    """One answer to come: as the test wrote it, and what makes the reply of the call and its number."""

    written: str
    reply: Callable[[Call, int], Reply]


class DragomanMock:
    """Answers every call of every client of the process, from a script. Its methods add to the script's end.

    `requests` are the chats that were asked for, in order, as OpenAI's JSON: copies, with `extra_body` merged, and
    `model` as the code under test wrote it. `calls` are the same calls as hooks see them, with their headers, provider
    and outcome.
    """

    def __init__(self) -> None:
        self.requests: list[Json] = []
        self.calls: list[Call] = []
        self._script: deque[_Scripted] = deque()
        self._respond: Callable[[Json], object] | None = None
        self._unexpected: list[str] = []
        self._providers: dict[tuple[str, str], _Mock] = {}
        self._tool_calls = 0
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<DragomanMock: {len(self.requests)} asked, {len(self._script)} answers left>"

    # The script.

    def answer(
        self,
        content: str | None = None,
        *,
        tool_calls: Iterable[tuple[str, Mapping[str, Any] | str]] = (),
        finish_reason: str | None = None,
        usage: tuple[int, int] = (0, 0),
        **message: Any,
    ) -> Self:
        """Answer with text, with tool calls as pairs of name and arguments, or with both.

        Where a stream is asked for, the text comes word by word and each call's arguments in two pieces. `usage` are
        prompt and completion tokens. What else is given stands in the message (`reasoning_content`, `refusal`, …).
        """
        calls = tuple(self._numbered(name, arguments) for name, arguments in tool_calls)
        answer = Answer(content, calls, finish_reason, usage, message)
        return self._add(f"answer({content!r})" if content is not None else "answer(…)", answer.reply)

    def tool_call(self, tool: str, /, **arguments: Any) -> Self:
        """Answer with one tool call. The ids of a script's tool calls are `call_1`, `call_2` and so on."""
        answer = Answer(tool_calls=(self._numbered(tool, arguments),))
        return self._add(f"tool_call({tool!r})", answer.reply)

    def stream(
        self,
        pieces: Iterable[str],
        *,
        finish_reason: str | None = None,
        usage: tuple[int, int] = (0, 0),
        cut: bool = False,
    ) -> Self:
        """Answer with text in exactly these pieces (joined, where no stream is asked for).

        With `cut`, the connection breaks after them, and the caller gets `openai.APIConnectionError`.
        """
        pieces = tuple(pieces)
        answer = Answer("".join(pieces), finish_reason=finish_reason, usage=usage, pieces=pieces, cut=cut)
        return self._add(f"stream({list(pieces)!r})", answer.reply)

    def error(
        self,
        status: int,
        message: str = "scripted by the test",
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Answer with an HTTP error status: the caller gets the `openai` exception that belongs to it.

        It stands for what is left when all retries are over: the mock is asked once for each call.
        """
        reply = failure(status, message, code, headers or {})
        return self._add(f"error({status})", lambda call, number: reply)  # noqa: ARG005 (the same for every call)

    def fail(self, exception: BaseException) -> Self:
        """Raise where the network would: `TimeoutError()` and `OSError()` become what a client makes of them."""

        def reply(call: Call, number: int) -> Reply:  # noqa: ARG001 (as above)
            raise exception

        return self._add(f"fail({type(exception).__name__})", reply)

    def respond(self, function: Callable[[Json], object]) -> Callable[[Json], object]:
        """Call a function with each request for which the script has no answer left; it may add to the script.

        For answers that depend on the request, and for calls whose order is not known. May be used as a decorator.
        """
        self._respond = function
        return function

    def _numbered(self, tool: str, arguments: Mapping[str, Any] | str) -> tuple[str, str, str]:
        with self._lock:
            self._tool_calls += 1
            text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            return f"call_{self._tool_calls}", tool, text

    def _add(self, written: str, reply: Callable[[Call, int], Reply]) -> Self:
        with self._lock:
            self._script.append(_Scripted(written, reply))
        return self

    # The answers.

    def provider(self, name: str, model: str) -> Provider:
        """Return who answers in place of the provider `name`; `model` is what the caller wrote. For `stand_in`."""
        with self._lock:
            return self._providers.setdefault((name, model), _Mock(self, name, model))

    def reply(self, call: Call, request: Json) -> Reply:
        """Give the script's next answer. Fails the test if there is none, past any `except Exception`."""
        with self._lock:
            if call.endpoint != "chat/completions" or call.method != "POST":
                self._refuse(f"{call.method} /{call.endpoint} of {call.provider}: it answers chat completions only")
            self.requests.append(request)
            self.calls.append(call)
            if not self._script and self._respond is not None:
                self._respond(copy.deepcopy(request))
            if not self._script:
                self._refuse(f"call {len(self.requests)}, {_shape(request)}: {self._advice()}")
            scripted = self._script.popleft()
            number = len(self.requests)
        return scripted.reply(call, number)

    def check(self) -> None:
        """Fail the test if something was asked that was not expected, or if scripted answers are left."""
        problems = [f"dragoman_mock did not expect {told}" for told in self._unexpected]
        if self._script:
            left = ", ".join(scripted.written for scripted in self._script)
            asked = f"{len(self.requests)} call{'s' * (len(self.requests) != 1)}"
            problems.append(f"dragoman_mock has answers left after {asked} that nobody asked for: {left}")
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)

    def _advice(self) -> str:
        if self._respond is not None:
            return "the function given to dragoman_mock.respond added no answer to the script"
        why = "the script has ended" if len(self.requests) > 1 else "nothing is scripted"
        return f'{why}; before it, say for example dragoman_mock.answer("…")'

    def _refuse(self, told: str) -> None:
        self._unexpected.append(told)
        pytest.fail(f"dragoman_mock did not expect {told}")


class _Mock(Provider):
    """OpenAI's own wire, and the mock at its other end."""

    base_url = "http://dragoman-mock.invalid/v1"

    def __init__(self, mock: DragomanMock, name: str, model: str) -> None:
        super().__init__(name=name, api_key="", sender="sdk")
        self._mock = mock
        self._model = model

    def sender(self) -> _Sender:
        return _Sender(self.reply)

    def async_sender(self) -> _AsyncSender:
        return _AsyncSender(self.reply)

    def reply(self, call: Call, wire: Wire) -> Reply:
        """Ask the mock; the code under test may go on to change what it asked with."""
        call.request = copy.deepcopy(call.request)
        return self._mock.reply(call, {**copy.deepcopy(wire.body or {}), "model": self._model})


class _Sender:
    def __init__(self, reply: Callable[[Call, Wire], Reply]) -> None:
        self._reply = reply

    def send(self, call: Call, wire: Wire) -> Reply:
        return self._reply(call, wire)

    def close(self) -> None:
        """There is no connection."""


class _AsyncSender:
    def __init__(self, reply: Callable[[Call, Wire], Reply]) -> None:
        self._reply = reply

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        reply = self._reply(call, wire)
        pieces = None if reply.pieces is None else _each(reply.pieces)
        return AsyncReply(reply.status, reply.headers, reply.content, pieces)

    async def close(self) -> None:
        """There is no connection."""


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _shape(request: Json) -> str:
    """What was asked, without its words: prompts stay out of messages."""
    roles = ", ".join(str(message.get("role")) for message in request["messages"])
    others = ", ".join(sorted(request.keys() - {"messages", "model"}))
    return f"model {request['model']!r}, messages ({roles}){f', with {others}' if others else ''}"


@pytest.fixture
def dragoman_mock(request: pytest.FixtureRequest) -> Iterator[DragomanMock]:
    """Answer every dragoman client's chat completions from a script: any model, installed or not, and no network.

    `answer`, `tool_call`, `stream`, `error` and `fail` write the script; `requests` says what was asked. A call that
    is not expected fails the test, and so does an answer that nobody asked for.
    """
    mock = DragomanMock()
    failed = request.session.testsfailed
    with stand_in(mock.provider):
        yield mock
    # A test that failed has said what is wrong.
    if request.session.testsfailed == failed:
        mock.check()
