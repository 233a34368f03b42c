"""What every provider does; vLLM's tapes are written from its documentation."""

import pytest

from dragoman.testing import ProviderSuite
from dragoman.vllm import VLLM


@pytest.mark.rule(255, 256, 257, 258, 259, 260, 261, 263, 264, 265)
class TestVLLM(ProviderSuite):
    provider = VLLM
