"""Which models a gateway offers: all that its providers serve, but none that only its owner may choose.

Such a model's name is a path on this machine, say. Where the configuration gives it a name, clients may use that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from dragoman.core import DragomanError
from dragoman.server.refusals import Refusal

if TYPE_CHECKING:
    from dragoman.core import Ask, Dispatcher


def is_offered(dispatcher: Dispatcher, model: str) -> bool:
    """Whether clients may name a model; what nobody serves is refused elsewhere, and by its own words."""
    if dispatcher.names(model):
        return True
    try:
        provider, own = dispatcher.router.route(model)
    except DragomanError:
        return True
    return provider.public_models is None or own in provider.public_models


def check_offered(dispatcher: Dispatcher, ask: Ask) -> None:
    """Refuse a request for a model that is not offered. Raises `Refusal` with status 404."""
    head, _, rest = ask.endpoint.partition("/")
    model = unquote(rest) if head == "models" else ask.request.get("model")
    if isinstance(model, str) and model and not is_offered(dispatcher, model):
        message = (
            f"the model {model!r} is not offered here: clients may not name files, and the gateway's configuration "
            "gives it no name"
        )
        raise Refusal(404, message, code="model_not_found", param="model")


def other_names(dispatcher: Dispatcher, model: str) -> tuple[str, ...]:
    """By which other names the same model may be asked for: its provider's may be left out where it is the default.

    What an entry of the configuration is called means that entry, and nobody's model.
    """
    router, config = dispatcher.router, dispatcher.config
    model = router.aliases.get(model, model)
    if not model or (config is not None and config.named(model)):
        return ()
    try:
        provider, own = router.split(model)
        bare = router.split(own) == (provider, own) and not (config is not None and config.named(own))
    except DragomanError:
        return ()
    return (f"{provider}/{own}", own) if bare else (f"{provider}/{own}",)
