"""The capability file: what the tapes show of each feature, and nothing that they do not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import FEATURES, capability_file, lay_out
from dragoman.testing.base import SHELF, SHOWN, Base
from dragoman.testing.comparing import holds, same
from dragoman.testing.evidence import Evidence, gather
from dragoman.testing.tapes import read_tapes

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import Json, Provider


class CapabilityChecks(Base):
    """Capabilities are proved, not declared."""

    def test_capabilities(self, request: pytest.FixtureRequest) -> None:
        """The capability file says what the tapes show: `pytest --capabilities=write` writes it from a green suite."""
        self._must_tell()
        evidence = self._evidence(request)
        if request.config.getoption("capabilities") == "write":
            return
        path = capability_file(self.provider)
        told = read_file(path).get(self.provider.__qualname__) if path is not None else None
        if told is None:
            pytest.skip(f"{self.provider.__name__} has no capability file: `pytest --capabilities=write` writes it")
        same(f"{path}: {self.provider.__qualname__}", plain(evidence), told)

    def test_features_are_shown(self, request: pytest.FixtureRequest) -> None:
        """The tapes show each feature, be it by a refusal."""
        self._must_tell()
        missing = self._evidence(request).missing()
        listed = [f"{name} ({reason})" if reason else name for name, reason in missing.items()]
        if listed:
            pytest.skip(f"no tape of {self.provider.__name__} shows: {', '.join(listed)}")
        holds(FEATURES, "there are no features")

    def _must_tell(self) -> None:
        if not self.tells_capabilities:
            pytest.skip(f"another suite tells what {self.provider.__name__} has (`tells_capabilities`)")

    def _evidence(self, request: pytest.FixtureRequest) -> Evidence:
        """What the tapes show, found out once per run."""
        known = request.config.stash[SHOWN]
        if type(self) not in known:
            folder = request.path.parent / self.tapes
            tapes = request.config.stash[SHELF].get(folder) or read_tapes(folder)
            for tape in tapes:
                self._fill_in(request.config, tape)
            known[type(self)] = gather(self.make, tapes)
        return known[type(self)]


def plain(evidence: Evidence) -> Json:
    """What was shown as the file has it, in the order of tables."""
    found = {name: asdict(evidence.shown[name]) for name in FEATURES if name in evidence.shown}
    return {name: {key: value for key, value in one.items() if value} for name, one in found.items()}


def read_file(path: Path) -> Json:
    """Classes' names -> what is told of each; nothing, where there is no file. Fails for one that is not JSON."""
    if not path.is_file():
        return {}
    try:
        told: Any = json.loads(path.read_text("utf-8"))
    except ValueError as exception:
        pytest.fail(f"{path}: this is no JSON: {exception}", pytrace=False)
    holds(isinstance(told, dict), f"{path}: this is no JSON object")
    return dict(told)


def write_file(provider: type[Provider], evidence: Evidence) -> str:
    """Write what was shown; what the file tells of other classes stays. Return a line for the report."""
    path = capability_file(provider)
    if path is None:
        return f"{provider.__name__}: it stands in no file, so there is no place for its capabilities"
    told = read_file(path)
    told[provider.__qualname__] = plain(evidence)
    path.write_text(lay_out(told) + "\n", "utf-8")
    values = [one.value for one in evidence.shown.values()]
    counts = ", ".join(f"{values.count(value)} {value}" for value in ("yes", "adapted", "no"))
    return f"{path}: {provider.__qualname__}: {counts}, {len(FEATURES) - len(values)} not shown"
