"""Whatever goes wrong becomes an `openai` exception of the right class.

Failures that the caller caused locally are one family of our own, which is an `openai.OpenAIError` too, so
`except openai.OpenAIError` catches everything and `except openai.APIError` everything that the provider said.
"""

from __future__ import annotations

import openai


class DragomanError(openai.OpenAIError, ValueError):
    """A failure that dragoman found before anything was sent."""


class UnsupportedParameter(DragomanError):  # noqa: N818 (the name users read in the message is the fact)
    """The provider has no equivalent for a parameter, or for this value of it."""

    def __init__(self, param: str, provider: str, reason: str, hint: str = "") -> None:
        advice = hint or 'leave it out, or choose on_unsupported="adapt", "warn" or "ignore"'
        super().__init__(f"{provider} does not support {param}: {reason}. To go on: {advice}.")
        self.param = param
        self.provider = provider
        self.reason = reason
        self.hint = hint


class InvalidRequest(DragomanError):  # noqa: N818 (as above)
    """The request cannot be valid at this provider, whatever the policy (a tool result without its call, say)."""


class MissingKey(DragomanError):  # noqa: N818 (as above)
    """No credential was found for a provider that needs one."""


class UnknownProvider(DragomanError):  # noqa: N818 (as above)
    """The model names a provider that is not installed."""


class PluginError(DragomanError):
    """An installed plugin cannot be loaded, or two of them offer one name."""
