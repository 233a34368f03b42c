"""Asks a model what the probes want to know, and never more than was announced."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.core.cli.failures import ProviderFailure, describe
from dragoman.core.cli.probes.evidence import Answer, Finding, Verdict, count, of_stream
from dragoman.core.codec import decode_json
from dragoman.core.errors import DragomanError, OpenAIError, UnsupportedParameter
from dragoman.core.framing import SSE
from dragoman.core.provider import StreamCutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dragoman.core.cli.probes.catalogue import Probe
    from dragoman.core.provider import Json

_DONE = b"[DONE]"
#: A key, a payment or a limit: what comes next would fail the same way.
_STOPS = frozenset({401, 402, 429})
_REFUSALS = frozenset({400, 403, 404, 405, 406, 413, 415, 422, 501})
#: Some servers refuse with status 500 or inside a stream, but say so.
_NOT_HERE = re.compile(r"(\bnot?|n't)( be| currently| yet)? support|unsupported|not implemented", re.IGNORECASE)
#: Questions differ by fewer tokens than this; a tool or a picture adds more to the prompt.
_GROWTH = 25
_NAMES = ("prompt_tokens", "completion_tokens", "total_tokens")


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a run may take."""

    requests: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Result:
    """What is known of one feature; `ms`: milliseconds that its requests took together."""

    feature: str
    label: str
    verdict: Verdict
    seen: str
    tries: int
    ms: int


@dataclass
class Prober:
    """One run against one model, of which `ceiling` is the most that it takes.

    `client` must not retry by itself: its requests are counted here.

    Without an answer to the first probe there is nothing to find out, and its failure is raised; later, what a
    server refuses is its verdict, and only a key, a limit or a dead server ends the run. `results` has what was
    found until then.
    """

    client: Any
    model: str
    provider: str
    probes: Sequence[Probe]
    max_tokens: int
    pause: float = 0
    results: list[Result] = field(default_factory=list)
    requests: int = 0
    usage: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NAMES, 0))
    ceiling: Ceiling = field(init=False)
    _spent: int = field(default=0, init=False)
    _limit: str = field(default="max_tokens", init=False)
    _answered: bool = field(default=False, init=False)
    _lost: bool = field(default=False, init=False)
    #: Tokens in the prompt of the first probe's question.
    _prompt: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        answers = sum(probe.answers for probe in self.probes)
        self.ceiling = Ceiling(sum(probe.requests for probe in self.probes), answers * self.max_tokens)

    def run(self, tell: Callable[[Probe], object] = lambda _: None) -> None:
        """Find out about each feature, in order. Raises `openai.OpenAIError`, `ProviderFailure`."""
        for probe in self.probes:
            tell(probe)
            start = time.monotonic()
            finding, tries = self._find(probe)
            took = round((time.monotonic() - start) * 1000)
            self.results.append(Result(probe.feature, probe.label, finding.verdict, finding.seen, tries, took))

    def _find(self, probe: Probe) -> tuple[Finding, int]:
        findings: list[Finding] = []
        answer: Answer | None = None
        while len(findings) < probe.tries:
            finding, answer = self._try(probe)
            findings.append(finding)
            first_yes = finding.verdict == "yes" and len(findings) == 1
            if first_yes or finding.verdict in {"no", "wrong", "error"}:
                break
        finding = combine(findings, enforced=probe.enforced)
        if finding.verdict == "yes" and probe.without:
            finding = self._with_doubt(probe, finding)
        if finding.verdict == "ignored" and probe.shows and answer:
            finding = Finding("ignored", finding.seen + self._growth(probe.shows, answer))
        return finding, len(findings)

    def _try(self, probe: Probe) -> tuple[Finding, Answer | None]:
        try:
            answer = self._ask(probe.request)
        except OpenAIError as error:
            if not self._answered and self._renames_limit(error):
                return self._try(probe)
            return self._judge_failure(error), None
        self._prompt = self._prompt or count(answer.usage, "prompt_tokens")
        return self._judge(probe, answer), answer

    def _judge(self, probe: Probe, answer: Answer) -> Finding:
        if probe.parameter in answer.dropped:
            return Finding("no", f"dragoman: {self.provider} has no equivalent, so it was left out")
        if not answer.choices:
            return Finding("wrong", "an answer without choices")
        finding = probe.judge(answer)
        if adapted := answer.adapted.get(probe.parameter):
            return Finding(finding.verdict, f"{finding.seen} (dragoman: {adapted})")
        return finding

    def _with_doubt(self, probe: Probe, finding: Finding) -> Finding:
        """Ask without the parameter: an answer that is the same proves nothing."""
        try:
            doubt = probe.doubt(self._ask(probe.without))
        except OpenAIError as error:
            self._judge_failure(error)
            return finding
        return Finding("unclear", f"{finding.seen}, {doubt}") if doubt else finding

    def _growth(self, what: str, answer: Answer) -> str:
        tokens = count(answer.usage, "prompt_tokens")
        if not tokens or not self._prompt:
            return ""
        more = tokens - self._prompt
        if more >= _GROWTH:
            return f"; {what} took {more} tokens of the prompt, so the model was shown it"
        return f"; the prompt is hardly longer than without ({tokens} tokens), so {what} was left out of it"

    # Asking.

    def _ask(self, request: Json) -> Answer:
        """Send one request, if it is within the limits. Raises `openai.OpenAIError`, `ProviderFailure`."""
        most = int(request.get("n", 1)) * self.max_tokens
        if self.requests >= self.ceiling.requests or self._spent + most > self.ceiling.tokens:
            message = f"stopped at {self._spent} output tokens: the server does not keep to {self._limit}"
            raise ProviderFailure(message)
        if self.requests and self.pause:
            time.sleep(self.pause)
        self.requests += 1
        self._spent += most
        params = {**request, self._limit: self.max_tokens}
        try:
            answer = self._stream(params) if request.get("stream") else self._fetch(params)
        except DragomanError:
            # Refused before it was sent.
            self.requests -= 1
            raise
        self._answered, self._lost = True, False
        for name in _NAMES:
            self.usage[name] += count(answer.usage, name)
        self._spent += max(0, count(answer.usage, "completion_tokens") - most)
        return answer

    def _fetch(self, params: Json) -> Answer:
        # The bytes, since the SDK's objects hide what is missing or of another type.
        raw = self.client.chat.completions.with_raw_response.create(model=self.model, **params)
        return Answer(decode_json(raw.content))

    def _stream(self, params: Json) -> Answer:
        events = SSE()
        found: list[Json] = []
        create = self.client.chat.completions.with_streaming_response.create
        with create(model=self.model, **params) as response:
            for piece in response.iter_bytes():
                found += [decode_json(event.data) for event in events.feed(piece) if event.data != _DONE]
        found += [decode_json(event.data) for event in events.finish() if event.data != _DONE]
        return of_stream(found)

    # Failures.

    def _renames_limit(self, error: OpenAIError) -> bool:
        """Reasoning models behind a gateway may know the limit by its newer name only."""
        newer = "max_completion_tokens"
        if self._limit == newer or getattr(error, "status_code", None) not in _REFUSALS or newer not in str(error):
            return False
        self._limit = newer
        return True

    def _judge_failure(self, error: OpenAIError) -> Finding:
        """Return what a failure tells; raises it where nothing that follows can succeed."""
        finding = finding_of(error)
        lost = finding is not None and finding.verdict == "error" and _is_lost(error)
        if finding is None or not self._answered or (lost and self._lost):
            raise error
        self._lost = lost
        return finding


def combine(findings: Sequence[Finding], *, enforced: bool) -> Finding:
    """Make one finding of several tries; the last one ended them, or their number did."""
    tries, last = len(findings), findings[-1]
    obeyed = [finding for finding in findings if finding.verdict == "yes"]
    against = [finding for finding in findings if finding.verdict == "ignored"]
    if tries == 1 or last.verdict in {"no", "wrong", "error"}:
        return last
    if obeyed and not (enforced and against):
        return Finding("yes", f"{len(obeyed)} of {tries} tries: {obeyed[-1].seen}")
    if obeyed:
        return Finding("ignored", f"{len(obeyed)} of {tries} tries only; {against[-1].seen}")
    if against:
        return Finding("ignored", f"{len(obeyed)} of {tries} tries; {against[-1].seen}")
    return Finding("unclear", f"{tries} tries; {last.seen}")


def finding_of(error: OpenAIError) -> Finding | None:
    """Read a failure as an answer; None: it has nothing to do with what was asked."""
    if isinstance(error, UnsupportedParameter):
        return Finding("no", f"dragoman: not expressible for {error.provider}: {error.reason}")
    said = describe(error)
    if isinstance(error, DragomanError):
        return Finding("no", f"dragoman: {said}")
    status = getattr(error, "status_code", None)
    names = {cls.__name__ for cls in type(error).__mro__}
    if "APIResponseValidationError" in names or isinstance(error.__cause__, StreamCutError):
        return Finding("wrong", said)
    if status in _STOPS:
        return None
    if status in _REFUSALS or _NOT_HERE.search(said):
        return Finding("no", f"refused: {said}")
    return Finding("error", said)


def _is_lost(error: OpenAIError) -> bool:
    return any(cls.__name__ == "APIConnectionError" for cls in type(error).__mro__)
