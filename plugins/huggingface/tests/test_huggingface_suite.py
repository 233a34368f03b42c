"""What every provider does; the router's tapes are written from its documentation."""

import pytest

from dragoman.huggingface import HuggingFace
from dragoman.testing import ProviderSuite


@pytest.mark.rule(284, 285, 287, 288)
class TestHuggingFace(ProviderSuite):
    provider = HuggingFace
