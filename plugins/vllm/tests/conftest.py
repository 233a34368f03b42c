"""An environment that is nobody's."""

import pytest

from dragoman.core.policy import forget_warnings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of whoever runs the tests."""
    for name in ("VLLM_API_KEY", "VLLM_API_BASE", "DRAGOMAN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    # Each warning is given once in a process, and each test wants its own.
    forget_warnings()
