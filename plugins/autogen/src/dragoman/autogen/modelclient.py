"""`DragomanModelClient`: every provider as a custom model client of AutoGen 0.2 and AG2 classic.

The protocol: https://microsoft.github.io/autogen/0.2/docs/notebooks/agentchat_custom_model
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.autogen.entries import PLACEHOLDERS, named, rates_of, request_parameters, take_apart
from dragoman.autogen.wiring import SHOW, door_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai.types.chat import ChatCompletion, ChatCompletionMessage

log = logging.getLogger("dragoman")

_THOUSAND = 1000


class DragomanModelClient:
    """For `register_model_client`; entries say `"model_client_cls": "DragomanModelClient"` and all that `wire` takes.

    Failures are openai's exceptions, so AutoGen goes on with the next entry. Streams are shown as they come and
    counted by the provider. `on_unsupported` is the client's.
    """

    RESPONSE_USAGE_KEYS: ClassVar = ["prompt_tokens", "completion_tokens", "total_tokens", "cost", "model"]

    def __init__(self, config: Mapping[str, Any], *, on_unsupported: str = "raise") -> None:
        import openai

        own = {key: value for key, value in config.items() if key != "model_client_cls"}
        self._entry = take_apart(own)
        door = door_of(self._entry, on_unsupported)
        self._sdk = openai.OpenAI(**PLACEHOLDERS, http_client=door, max_retries=0)

    def create(self, params: Mapping[str, Any]) -> ChatCompletion:
        """Ask for an answer. Raises `openai.OpenAIError`."""
        asked = {key: value for key, value in params.items() if value is not None and key != "model_client_cls"}
        stream = asked.pop("stream", False) or self._entry.stream
        asked.pop("hide_tools", None)
        # What is in the entry is known behind the door; the rest was said for all entries.
        strange = asked.keys() - request_parameters() - {"messages"}
        extra = {key: asked.pop(key) for key in strange}
        extra = {key: value for key, value in extra.items() if key not in self._entry.inner}
        if stream:
            asked["extra_headers"] = {**asked.get("extra_headers", {}), SHOW: "1"}
        if extra:
            asked["extra_body"] = {**asked.get("extra_body", {}), **extra}
        asked.setdefault("model", self._entry.inner["model"])
        answer: ChatCompletion = self._sdk.chat.completions.create(**asked)
        return answer

    def message_retrieval(self, response: ChatCompletion) -> list[ChatCompletionMessage | str | None]:
        """Return each choice's text, or its whole message where it calls a tool."""
        messages = [choice.message for choice in response.choices]
        return [said if said.tool_calls or said.function_call else said.content for said in messages]

    def cost(self, response: ChatCompletion) -> float:
        """Return US dollars, by the entry's `price` or an installed price list; 0, with a warning, if neither is."""
        usage = response.usage
        price = self._entry.outer.get("price")
        price = (price, price) if isinstance(price, int | float) else price
        if price is None:
            price = rates_of(*named(self._entry.inner))
        if price is None or usage is None:
            log.warning("what %s costs is not known and counts as 0; give its entry a price", response.model)
            return 0.0
        return float(usage.prompt_tokens * price[0] + usage.completion_tokens * price[1]) / _THOUSAND

    @staticmethod
    def get_usage(response: ChatCompletion) -> dict[str, Any]:
        """Return the provider's own counts under AutoGen's five keys; nothing, if it said nothing."""
        usage = response.usage
        if usage is None:
            return {}
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "cost": getattr(response, "cost", 0),
            "model": response.model,
        }
