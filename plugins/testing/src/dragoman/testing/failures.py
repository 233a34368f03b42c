"""Checks of failures, and of parameters that the vendor does not have."""

from __future__ import annotations

import dataclasses
import itertools
import re
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import DragomanWarning
from dragoman.testing.base import Base, over
from dragoman.testing.comparing import holds, same
from dragoman.testing.playing import Outcome, replay
from dragoman.testing.tapes import CLASSES

if TYPE_CHECKING:
    from dragoman.core import Json
    from dragoman.testing.tapes import Tape

#: What servers and the proxies before them send instead of an error object.
ODD_BODIES: tuple[Any, ...] = ("", "no", "<html>no</html>", None, [], {}, {"error": None}, {"error": "no"}, ["no"])
#: Warnings are given once per provider's name and parameter: each check has a name of its own.
_numbers = itertools.count(1)


class FailureChecks(Base):
    """A failure is the openai package's exception, and says what the vendor said."""

    @over("wrong")
    def test_error(self, tape: Tape) -> None:
        """The vendor's failure has OpenAI's class, and its text, type, param and code."""
        outcome, _ = replay(self.make(), tape)
        same(f"{tape.name}: `response`", outcome.answer, tape.data["response"])

    @pytest.mark.parametrize("status", CLASSES)
    @over("failed", first=True)
    def test_error_class(self, tape: Tape, status: int) -> None:
        """The class of an exception is that of its HTTP status, and the text says more than the status."""
        body = tape.data["vendor_response"]
        failed = dataclasses.replace(tape, data={**tape.data, "status": status})
        outcome, _ = replay(self.make(), failed)
        error = outcome.error or {}
        same(f"HTTP {status}", error.get("class"), CLASSES[status])
        same(f"HTTP {status}", getattr(outcome.exception, "status_code", None), status)
        said = self.make().decode_error(status, body)["message"]
        holds(said and said in error["message"], f"HTTP {status}: the text {error['message']!r} lacks {said!r}")

    @pytest.mark.parametrize("body", ODD_BODIES, ids=repr)
    def test_odd_error_body(self, body: Any) -> None:
        """Whatever stands in the body of a failure, `decode_error` makes OpenAI's error object of it."""
        for status in (400, 500):
            found = self.make().decode_error(status, body)
            lacking = {"message", "type", "param", "code"} - set(found)
            holds(not lacking, f"HTTP {status} with {body!r}: the error object lacks {', '.join(sorted(lacking))}")
            message = found["message"]
            holds(isinstance(message, str) and message.strip(), f"HTTP {status} with {body!r}: there is no message")
            holds("<html" not in message, f"HTTP {status} with {body!r}: the message is a page: {message}")

    @over("unsupported")
    def test_unsupported(self, tape: Tape) -> None:
        """A parameter that the vendor does not have follows `on_unsupported`, and the answer tells what was done."""
        param = (tape.error or {}).get("param")
        raised, wires, _ = self._asked(tape, "raise")
        same(f"{tape.name}: raise", (raised.error or {}).get("param"), param)
        holds(not wires, f"{tape.name}: raise: a request was sent all the same")
        for policy in ("ignore", "warn", "adapt"):
            outcome, wires, warned = self._asked(tape, policy)
            what = f"{tape.name}: {policy}"
            holds(len(wires) == 1, f"{what}: nothing was sent: {outcome.error}")
            done = wires[0]["done"]
            named = {*done.get("dropped", ()), *done.get("adapted", ())}
            holds(param in named, f"{what}: nothing says that {param} was dropped or adapted, only {done}")
            holds(policy == "adapt" or "adapted" not in done, f"{what}: it was adapted: {done}")
            texts = [text for text in warned if re.search(rf"(?<!\w){re.escape(str(param))}(?!\w)", text)]
            count = 0 if policy == "ignore" else 1
            holds(len(texts) == count, f"{what}: {len(texts)} warnings tell of {param}, not {count}: {warned}")

    def _asked(self, tape: Tape, policy: Any) -> tuple[Outcome, list[Json], list[str]]:
        """Encode under a policy: the failure, what would be sent with what was done, and the warnings."""
        provider = self.make(name=f"{self.provider.name}-{next(_numbers)}")
        call = self.call(provider, tape.data["request"], **tape.place, on_unsupported=policy)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DragomanWarning)
            try:
                wire = provider.encode(call)
            except ValueError as exception:
                return Outcome(exception=exception), [], []
        said = [str(warning.message) for warning in caught]
        return Outcome(), [{"body": wire.body, "done": call.ledger.report()}], said
