"""Lists of models: the providers' own, joined and filled in to what OpenAI's have, and the configuration's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dragoman.core.provider import Json


def named_model(name: str) -> Json:
    """Make the model object of a name that the configuration gives."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "dragoman"}


def provider_model(model: Json, owner: str, name: str) -> Json:
    """Fill in what OpenAI's model object must have; `name` is what the caller asks for."""
    given = {key: value for key, value in model.items() if value is not None}
    filled = {"object": "model", "created": 0, "owned_by": owner, **given, "id": name}
    return model if filled == model else filled


def join_lists(
    names: Iterable[str],
    answers: Mapping[str, Json | BaseException],
    problems: Mapping[str, str],
    listed: Callable[[str, str], str],
) -> Json:
    """Join the configuration's names and the providers' lists; what went wrong is reported beside them, as `errors`.

    `listed` says what to ask for, given a provider's name and what it calls its model.
    """
    data = [named_model(name) for name in names]
    errors = dict(problems)
    for name, answer in answers.items():
        if isinstance(answer, BaseException):
            errors[name] = str(answer)
        elif not isinstance(answer.get("data"), list):
            errors[name] = f"{name} answered without a list of models; is the base URL right?"
        else:
            models = [model for model in answer["data"] if isinstance(model, dict)]
            data += [provider_model(model, name, listed(name, str(model.get("id", "")))) for model in models]
    return {"object": "list", "data": data, **({"errors": errors} if errors else {})}
