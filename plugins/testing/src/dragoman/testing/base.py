"""What every check stands on: the provider, its tapes, and an environment that is nobody's."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest

from dragoman.core import Call
from dragoman.testing.playing import complete
from dragoman.testing.tapes import CALL_ID, CREATED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core import Json, Provider
    from dragoman.testing.evidence import Evidence
    from dragoman.testing.tapes import Tape

#: What the tests hand over as the key, and look for where it does not belong.
KEY = "the-key-of-nobody"
#: Addresses where nobody listens: a check that needs none must not reach anybody.
NOWHERE = "http://127.0.0.1:9"
#: What `--tapes=write` has written in this run, for the report.
WRITTEN = pytest.StashKey[list[str]]()
#: Suites -> what their tapes show, for `--capabilities=write`.
SHOWN = pytest.StashKey[dict[type["Base"], "Evidence"]]()
#: Folders -> their tapes, read once: a tape that is filled in is so for every check.
SHELF = pytest.StashKey[dict["Path", list["Tape"]]]()
_F = TypeVar("_F", bound="Callable[..., Any]")


def over(kind: str, *, first: bool = False) -> Callable[[_F], _F]:
    """Run a check once per tape of a kind (see `Tape.kinds`), or with the first such tape only."""

    def mark(function: _F) -> _F:
        vars(function)["over"] = (kind, first)
        return function

    return mark


class Base:
    """What a suite is told, and how it makes providers and calls."""

    #: The provider's class.
    provider: ClassVar[type[Provider]]
    #: The folder with the tapes, seen from the test file.
    tapes: ClassVar[str] = "tapes"
    #: Arguments for the provider's constructor, besides `name`, `base_url` and `api_key`.
    options: ClassVar[Mapping[str, Any]] = {}
    #: The provider's own address, with `http`, for a class that looks at its address: calls over the wire then reach
    #: the fake vendor as a proxy. Any other class is given the fake vendor's address.
    address: ClassVar[str] = ""
    #: Where the conversation stands in the body of the vendor's request.
    history: ClassVar[str] = "messages"
    #: Whether the tapes tell what the class has; not where it is tried at another address, or with other options.
    tells_capabilities: ClassVar[bool] = True
    #: Checks that the provider is known to fail -> why. They run as `xfail(strict=True, reason=…)`.
    known_failures: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _nobodys_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (*self.provider.key_env, *self.provider.base_url_env):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
        # Loopback needs no certificates, and reading them anew takes most of the time of a call: here are none.
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.setenv("SSL_CERT_DIR", str(Path(__file__).parent))

    @pytest.fixture
    def tape(self, request: pytest.FixtureRequest) -> Tape:
        """One tape, with all sides; `--tapes=write` makes those that are missing."""
        tape: Tape | str = request.param
        if isinstance(tape, str):
            pytest.skip(tape)
        self._fill_in(request.config, tape)
        if missing := tape.missing():
            pytest.fail(f"{tape.path} lacks {', '.join(missing)}: `pytest --tapes=write` fills it in", pytrace=False)
        return tape

    def _fill_in(self, config: pytest.Config, tape: Tape) -> None:
        """Make the sides of a tape that are missing, where `--tapes` asks for it."""
        if config.getoption("tapes") != "check" and (written := complete(self.make(), tape)):
            config.stash[WRITTEN].append(f"{tape.path}: {', '.join(written)}")

    def make(self, **options: Any) -> Provider:
        """Make the provider; for constructors that want something else, overwrite this."""
        given: Json = {"base_url": self.address or NOWHERE, "api_key": KEY, **self.options, **options}
        return self.provider(**given)

    def call(self, provider: Provider, request: Json, **more: Any) -> Call:
        """Make a call as the client would."""
        request = copy.deepcopy({key: value for key, value in request.items() if not key.startswith("extra_")})
        told: Json = {"base_url": provider.base_url, "api_key": KEY, "id": CALL_ID, "created": CREATED, **more}
        return Call(provider.name, str(request.get("model", "")), request, **told)
