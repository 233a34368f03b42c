"""What every provider does; Mistral's tapes are written from its documentation."""

import pytest

from dragoman.mistralai import Mistral
from dragoman.testing import ProviderSuite


@pytest.mark.rule(13, 14, 17, 18, 173, 175, 182, 185, 192, 193, 194, 196, 197, 199, 200, 201, 202, 203, 204, 205)
class TestMistral(ProviderSuite):
    provider = Mistral
