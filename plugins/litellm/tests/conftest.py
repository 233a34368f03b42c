"""An environment that is nobody's."""

import pytest


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of whoever runs the tests."""
    for name in ("LITELLM_API_KEY", "LITELLM_API_BASE", "DRAGOMAN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
