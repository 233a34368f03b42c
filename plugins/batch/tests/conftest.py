from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from batch_lab import Served, Vendor


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch):
    """A provider that this process reaches as its OpenAI."""
    with Served(Vendor()) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield vendor
