"""Tapes -> what they show of each feature."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dragoman.core import FEATURES as NAMES
from dragoman.core import Capability
from dragoman.testing.features import FEATURES, gist, named
from dragoman.testing.playing import Replay, play, settle, side_of
from dragoman.testing.tapes import CHAT, CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dragoman.core import Json, Provider
    from dragoman.testing.features import Feature
    from dragoman.testing.playing import Outcome
    from dragoman.testing.tapes import Tape

    #: Makes the provider anew: what one tape does to an instance must not count for the next.
    Make = Callable[[], Provider]

#: What counts more comes first: what works in one tape works, though a model, or a value, may be refused in another.
_RANK = ("yes", "adapted", "no")
#: A tape that shows how the vendor itself refuses a feature is called by this and the feature's name.
REFUSES = "no_"
_SHORT = 40


@dataclass(slots=True)
class Evidence:
    """What tapes have shown; `doubts` are for the author: features that were asked for, and that nothing shows."""

    shown: dict[str, Capability] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)

    def add(self, feature: str, found: Capability) -> None:
        """Keep the better of what is known and what is found."""
        known = self.shown.get(feature)
        if known is None or _RANK.index(found.value) < _RANK.index(known.value):
            self.shown[feature] = found

    def missing(self) -> dict[str, str]:
        """Features that no tape shows, with the reason where there is one."""
        return {name: self.doubts.get(name, "") for name in NAMES if name not in self.shown}


class Showing:
    """A tape that is played, and what a feature can be seen by."""

    def __init__(self, make: Make, tape: Tape) -> None:
        self.make = make
        self.tape = tape
        provider = make()
        self.sender = Replay(tape, provider.framing)
        self.outcome: Outcome = play(settle(provider, self.sender), tape)

    @property
    def request(self) -> Json:
        """OpenAI's request."""
        found: Json = self.tape.data["request"]
        return found

    def again(self, **changed: Any) -> Showing:
        """Play the tape with other sides."""
        return Showing(self.make, replace(self.tape, data={**self.tape.data, **changed}))

    def without(self, feature: Feature) -> Showing:
        """Play the same request, not asking for a feature."""
        return self.again(request=feature.without(self.request) if feature.without else self.request)

    def is_as_taped(self) -> bool:
        """Whether the provider does what stands in the tape."""
        taped = self.tape.data
        sent = [taped["vendor_request"]] if self.tape.sent else []
        wanted = (sent, taped.get("response"), taped.get("chunks", []))
        found = ([side_of(wire) for wire in self.sender.wires], self.outcome.answer, self.outcome.chunks)
        return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)

    def refuses(self, feature: Feature) -> bool:
        """Whether the exception names a parameter of this feature."""
        return _touches(getattr(self.outcome.exception, "param", None), feature)

    def is_refused_for(self, feature: Feature) -> bool:
        """Whether a feature is why nothing was sent: by the parameter's name, and since without it something is."""
        if feature.endpoint != CHAT:
            return True
        named_otherwise = getattr(self.outcome.exception, "param", None) is not None and not self.refuses(feature)
        if feature.without is None or named_otherwise:
            return False
        return bool(self.without(feature).sender.wires)

    def reason(self) -> str:
        """Why it was refused, in one line."""
        exception = self.outcome.exception
        body = getattr(exception, "body", None)
        said = getattr(exception, "reason", None) or (body.get("message") if isinstance(body, dict) else None)
        return " ".join(str(said or exception).split())

    def lost(self, feature: Feature) -> str:
        """What was asked for, and is not found in the vendor's request; empty where nothing is lost."""
        wire = self.sender.wires[0]
        sent = json.dumps(side_of(wire), ensure_ascii=False)
        for text in feature.texts(self.request):
            if json.dumps(text, ensure_ascii=False)[1:-1] not in sent:
                return f"the vendor is not sent {text[:_SHORT]!r}"
        others = self.without(feature).sender.wires if feature.without is not None else []
        return "the vendor is sent the same without it" if others and others[0].body == wire.body else ""


def gather(make: Make, tapes: Iterable[Tape]) -> Evidence:
    """Look at all tapes. One that the provider does not play as it stands shows nothing."""
    evidence = Evidence()
    for tape in tapes:
        showing = None if tape.missing() else Showing(make, tape)
        if showing is None or not showing.is_as_taped():
            continue
        if "failed" in tape.kinds:
            _look_at_failure(showing, evidence)
        else:
            _look(showing, evidence)
    return evidence


def _look_at_failure(showing: Showing, evidence: Evidence) -> None:
    tape = showing.tape
    if (tape.error or {}).get("class") == CLASSES.get(tape.status):
        evidence.add("errors", Capability("yes"))
    for feature in FEATURES:
        if tape.name == REFUSES + feature.name and feature.asked(showing.request):
            evidence.add(feature.name, Capability("no", f"the provider refuses it: {showing.reason()}"))


def _look(showing: Showing, evidence: Evidence) -> None:
    tape = showing.tape
    for feature in FEATURES:
        if feature.endpoint != tape.endpoint or not feature.asked(showing.request):
            continue
        if not tape.sent:
            found = _refused(showing, feature)
        else:
            found = _answered(showing, feature) if tape.error is None else None
        if isinstance(found, str):
            evidence.doubts.setdefault(feature.name, f"{tape.name}: {found}")
        elif found is not None:
            evidence.add(feature.name, found)


def _refused(showing: Showing, feature: Feature) -> Capability | str | None:
    """A capability; or why there is none though a feature was asked for; or None."""
    if not showing.is_refused_for(feature):
        return None
    adapted = showing.again(on_unsupported="adapt").sender.ledger.adapted
    if any(_touches(param, feature) for param in adapted):
        return 'it is adapted, and no tape with "on_unsupported": "adapt" shows how'
    return Capability("no", showing.reason())


def _answered(showing: Showing, feature: Feature) -> Capability | str | None:
    """As `_refused`."""
    ledger, outcome = showing.sender.ledger, showing.outcome
    if not feature.told(outcome, showing.request):
        untold = feature.name == "reasoning" and _counts_thoughts(outcome)
        return Capability("no", "thoughts are counted, and not told") if untold else None
    if any(_touches(param, feature) for param in ledger.dropped):
        return None
    if notes := [note for param, note in ledger.adapted.items() if _touches(param, feature)]:
        if showing.again(on_unsupported="raise").refuses(feature):
            return Capability("adapted", _in_general("; ".join(notes), showing.request))
        return 'it is adapted, and not refused under on_unsupported="raise"'
    lost = showing.lost(feature)
    if lost and feature.name == "reasoning_back":
        # What only another provider would understand is left out of every history.
        return Capability("no", "left out of the history")
    return lost or Capability("yes")


def _touches(param: Any, feature: Feature) -> bool:
    """Whether a parameter's name, with the place in it (`messages[0]…`), is one of the feature's."""
    return isinstance(param, str) and re.split(r"[.\[]", param)[0] in feature.params


def _counts_thoughts(outcome: Outcome) -> bool:
    usage = gist(outcome)["usage"] or {}
    return bool((usage.get("completion_tokens_details") or {}).get("reasoning_tokens"))


def _in_general(note: str, request: Json) -> str:
    """Say of any tool what was said of the one in the tape."""
    name = re.escape(named(request))
    return re.sub(rf"'{name}'|\b{name}\b", "the named tool", note) if name else note
