"""A wire request in the making: what the parts of the translation share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.anthropic.names import tool_names, wrapped_tools
from dragoman.core import unsupported, warn_once

if TYPE_CHECKING:
    from dragoman.anthropic.models import ModelFacts
    from dragoman.core import Call, Json


@dataclass(slots=True)
class Draft:
    """The call, what its model accepts, and the body as far as it is written.

    `extras` are the request's keys that are not OpenAI's, and those of `call.extra_body`. They go to the wire as they
    are, after all else, and are looked at where the translation depends on them.
    """

    call: Call
    facts: ModelFacts
    extras: Json = field(default_factory=dict)
    body: Json = field(default_factory=dict)
    names: dict[str, str] = field(init=False)
    wrapped: frozenset[str] = field(init=False)
    #: The lifetime that the request wants for all its cache breakpoints, if it names one.
    ttl: str | None = field(init=False)

    def __post_init__(self) -> None:
        chat = self.call.request
        options = chat.get("prompt_cache_options")
        self.ttl = options.get("ttl") if isinstance(options, dict) else None
        self.names = tool_names(chat)
        self.wrapped = wrapped_tools(chat)

    @property
    def thinking(self) -> Any:
        """The `thinking` that will be sent: the caller's own, or the translation's; None if none."""
        return self.extras.get("thinking") or self.body.get("thinking")

    @property
    def thinks(self) -> bool:
        """Whether the request itself asks the model to think."""
        thinking = self.thinking
        return isinstance(thinking, dict) and thinking.get("type") in {"enabled", "adaptive"}

    def unsupported(self, param: str, value: Any, *, reason: str, hint: str = "", nearest: str = "") -> bool:
        """Ask the caller's policy; True: do the nearest thing (`dragoman.core.unsupported`)."""
        return unsupported(self.call, param, value, reason=reason, hint=hint, nearest=nearest)

    def warn(self, topic: str, message: str) -> None:
        """Tell about something that is not for the policy to refuse; silent under "ignore"."""
        if self.call.on_unsupported != "ignore":
            warn_once(self.call.provider, topic, f"{self.call.provider}: {message}")

    def wire_name(self, name: str) -> str:
        """The name that a tool has at Anthropic."""
        return self.names.get(name, name)

    def instruct(self, text: str) -> None:
        """Add a sentence to the end of the system prompt; only where the caller chose "adapt"."""
        self.body.setdefault("system", []).append({"type": "text", "text": text})
