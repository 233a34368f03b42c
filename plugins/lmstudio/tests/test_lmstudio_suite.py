"""What every provider does; LM Studio's tapes are written from its documentation."""

import pytest

from dragoman.lmstudio import LMStudio
from dragoman.testing import ProviderSuite


@pytest.mark.rule(223, 267, 268, 269, 270, 271, 272, 273)
class TestLMStudio(ProviderSuite):
    provider = LMStudio
