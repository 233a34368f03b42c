"""Tapes -> what they show of each feature."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dragoman.core import FEATURES as NAMES
from dragoman.core import Capability
from dragoman.testing.failures import CLASSES
from dragoman.testing.features import FEATURES, gist, named
from dragoman.testing.playing import Replay, play, settle, side_of
from dragoman.testing.tapes import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dragoman.core import Json, Ledger, Provider
    from dragoman.testing.features import Feature
    from dragoman.testing.playing import Outcome
    from dragoman.testing.tapes import Tape

    #: Makes the provider anew: what one tape does to an instance must not count for the next.
    Make = Callable[[], Provider]

#: What counts more comes first: what works in one tape works, though a model, or a value, may be refused in another.
_RANK = ("yes", "adapted", "no")
#: A tape that shows how the vendor itself refuses a feature is called by this and the feature's name.
REFUSES = "no_"


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


def gather(make: Make, tapes: Iterable[Tape]) -> Evidence:
    """Look at all tapes. One that the provider does not play as it stands shows nothing."""
    evidence = Evidence()
    for tape in tapes:
        if not tape.missing():
            _look(make, tape, evidence)
    return evidence


def _look(make: Make, tape: Tape, evidence: Evidence) -> None:
    outcome, sender = _played(make, tape)
    if not _as_taped(tape, outcome, sender):
        return
    if "failed" in tape.kinds:
        if (tape.error or {}).get("class") == CLASSES.get(tape.status):
            evidence.add("errors", Capability("yes"))
        feature = next((one for one in FEATURES if tape.name == REFUSES + one.name and one.asked(_request(tape))), None)
        if feature is not None:
            evidence.add(feature.name, Capability("no", _reason(outcome)))
        return
    for feature in FEATURES:
        if feature.endpoint == tape.endpoint and feature.asked(_request(tape)):
            _judge(make, tape, feature, outcome, sender, evidence)


def _judge(  # noqa: PLR0913 (what is known of one tape and one feature)
    make: Make, tape: Tape, feature: Feature, outcome: Outcome, sender: Replay, evidence: Evidence
) -> None:
    if not tape.sent:
        if _is_blamed(make, tape, feature, outcome):
            _judge_refusal(make, tape, feature, outcome, evidence)
    elif tape.error is None:
        found = _judge_answer(make, tape, feature, outcome, sender)
        if isinstance(found, str):
            evidence.doubts.setdefault(feature.name, f"{tape.name}: {found}")
        elif found is not None:
            evidence.add(feature.name, found)


def _judge_answer(make: Make, tape: Tape, feature: Feature, outcome: Outcome, sender: Replay) -> Any:
    """A capability; or why there is none though it was asked for; or None."""
    request, ledger = _request(tape), sender.ledger
    if feature.name == "reasoning" and _counts_thoughts(outcome) and not feature.told(outcome, request):
        return Capability("no", "thoughts are counted, and not told")
    if not feature.told(outcome, request):
        return None
    if any(param.startswith(feature.params) for param in ledger.dropped):
        return None
    if notes := [note for param, note in ledger.adapted.items() if param.startswith(feature.params)]:
        raised, _ = _played(make, tape, "raise")
        if _is_about(raised, feature):
            return Capability("adapted", _in_general("; ".join(notes), request))
        return 'it is adapted, and not refused under on_unsupported="raise"'
    wire = json.dumps(side_of(sender.wires[0]), ensure_ascii=False)
    if lost := [text for text in feature.texts(request) if json.dumps(text, ensure_ascii=False)[1:-1] not in wire]:
        if feature.name == "reasoning_back":
            return Capability("no", "left out of the history")
        return f"the vendor is not sent {lost[0][:40]!r}"
    if feature.without is not None and not _makes_a_difference(make, tape, feature, sender):
        return "the vendor is sent the same without it"
    return Capability("yes")


def _judge_refusal(make: Make, tape: Tape, feature: Feature, outcome: Outcome, evidence: Evidence) -> None:
    _, adapted = _played(make, tape, "adapt")
    if any(param.startswith(feature.params) for param in adapted.ledger.adapted):
        evidence.doubts[feature.name] = 'it is adapted, and no tape with "on_unsupported": "adapt" shows how'
        return
    evidence.add(feature.name, Capability("no", _reason(outcome)))


def _played(make: Make, tape: Tape, policy: str | None = None) -> tuple[Outcome, Replay]:
    provider = make()
    if policy is not None:
        tape = replace(tape, data={**tape.data, "on_unsupported": policy})
    sender = Replay(tape, provider.framing)
    return play(settle(provider, sender), tape), sender


def _as_taped(tape: Tape, outcome: Outcome, sender: Replay) -> bool:
    """Whether the provider does what stands in the tape."""
    sent = [side_of(wire) for wire in sender.wires]
    found = (sent, outcome.answer, outcome.chunks)
    taped = ([tape.data["vendor_request"]] if tape.sent else [], tape.data.get("response"), tape.data.get("chunks", []))
    return json.dumps(found, sort_keys=True) == json.dumps(taped, sort_keys=True)


def _request(tape: Tape) -> Json:
    request: Json = tape.data["request"]
    return request


def _makes_a_difference(make: Make, tape: Tape, feature: Feature, sender: Replay) -> bool:
    without = _without(tape, feature)
    _, other = _played(make, without)
    return not other.wires or other.wires[0].body != sender.wires[0].body


def _without(tape: Tape, feature: Feature) -> Tape:
    assert feature.without is not None  # noqa: S101 (as those who call this know)
    return replace(tape, data={**tape.data, "request": feature.without(_request(tape))})


def _is_blamed(make: Make, tape: Tape, feature: Feature, outcome: Outcome) -> bool:
    """Whether a request was refused because of this feature: by the parameter's name, and not without it."""
    if feature.endpoint != CHAT:
        return True
    if feature.without is None or not (_is_about(outcome, feature) or _param(outcome) is None):
        return False
    _, other = _played(make, _without(tape, feature))
    return bool(other.wires)


def _is_about(outcome: Outcome, feature: Feature) -> bool:
    return (_param(outcome) or "").startswith(feature.params)


def _param(outcome: Outcome) -> str | None:
    param = getattr(outcome.exception, "param", None)
    return param if isinstance(param, str) else None


def _reason(outcome: Outcome) -> str:
    """Why something was refused, in one line."""
    exception = outcome.exception
    body = getattr(exception, "body", None)
    said = getattr(exception, "reason", None) or (body.get("message") if isinstance(body, dict) else None)
    return " ".join(str(said or exception).split())


def _counts_thoughts(outcome: Outcome) -> bool:
    usage = gist(outcome)["usage"] or {}
    return bool((usage.get("completion_tokens_details") or {}).get("reasoning_tokens"))


def _in_general(note: str, request: Json) -> str:
    """Say of any tool what was said of the one in the tape."""
    name = re.escape(named(request))
    return re.sub(rf"'{name}'|\b{name}\b", "the named tool", note) if name else note
