"""What every provider does; the proxy's tapes are written from its documentation."""

from dragoman.litellm import LiteLLM
from dragoman.testing import ProviderSuite


class TestLiteLLM(ProviderSuite):
    provider = LiteLLM
