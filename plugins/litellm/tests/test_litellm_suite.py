"""What every provider does; the proxy's tapes are written from its documentation."""

import pytest

from dragoman.litellm import LiteLLM
from dragoman.testing import ProviderSuite


@pytest.mark.rule(13, 14, 15, 17, 18, 274, 275, 276, 277, 278, 279, 280, 281, 282)
class TestLiteLLM(ProviderSuite):
    provider = LiteLLM
