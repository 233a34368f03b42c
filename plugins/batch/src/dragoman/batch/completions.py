"""A column of prompts -> columns of answers: a callable class for `ray.data.Dataset.map_batches`."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dragoman.batch.answering import Answerer
from dragoman.batch.counts import counted
from dragoman.batch.options import RETRIES, TIMEOUT, settings_of
from dragoman.batch.records import Request
from dragoman.core import DragomanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dragoman.batch.records import Result
    from dragoman.core import Json

#: Seconds: the first pause before a request is asked again, and the longest.
_FIRST, _LONGEST = 0.5, 60.0
#: Seconds that closing connections may take.
_PARTING = 1.0
#: What is told of each answer, beside its text.
_COLUMNS = ("json", "finish_reason", "prompt_tokens", "completion_tokens", "error")


class ChatCompletions:
    """Asks a model for each row of a batch, many rows at a time, and adds what it said as columns.

    Give the class itself to `map_batches`, and these as its `fn_constructor_kwargs`; each worker makes one instance.
    `prompt` names a column of texts, or `messages` one of chats, each a list of messages; `system` comes first.
    `parameters` are those of the request (`temperature`, `max_tokens`, …). `client`: keyword arguments of
    `dragoman.core.Client`, or the path of a configuration file there. Keys belong into the workers' environment: Ray
    keeps what a constructor is given.

    The columns are `output` (the text), and, each with `output` and `_` before it: `json` (the whole completion),
    `finish_reason`, `prompt_tokens`, `completion_tokens`, and `error` (OpenAI's error object, as JSON). Where there
    is an error the others are null; with `raise_errors` a `DragomanError` ends it all instead.
    """

    def __init__(  # noqa: PLR0913 (each is one option, all are named)
        self,
        model: str,
        *,
        prompt: str = "prompt",
        messages: str | None = None,
        system: str | None = None,
        output: str = "response",
        parameters: Mapping[str, Any] | None = None,
        client: Mapping[str, Any] | str | None = None,
        max_concurrency: int = 64,
        max_retries: int = RETRIES,
        timeout: float | None = TIMEOUT,
        raise_errors: bool = False,
    ) -> None:
        from dragoman.core import Client

        given = client if isinstance(client, str | None) else Client(**client)
        settings, _ = settings_of(given)
        self._answerer = Answerer(replace(settings, timeout=timeout))
        self._request = {"model": model, **(parameters or {})}
        self._column, self._is_prompt = (prompt, True) if messages is None else (messages, False)
        self._system: list[Json] = [{"role": "system", "content": system}] if system else []
        self._output = output
        self._places = asyncio.Semaphore(max_concurrency)
        self._max_retries = max_retries
        self._raise_errors = raise_errors
        self._loop: asyncio.AbstractEventLoop | None = None

    def __del__(self) -> None:
        """Give back connections: Ray tells instances of their end in no other way."""
        loop = getattr(self, "_loop", None)
        if loop is None or not loop.is_running():
            return
        closing = asyncio.run_coroutine_threadsafe(self._answerer.close(), loop)
        with suppress(Exception):
            # The loop is in a thread of Ray's. Should this be that thread, nothing could be waited for.
            closing.result(_PARTING if threading.get_ident() != self._thread else 0)

    async def __call__(self, batch: Any) -> Any:
        """Return the batch (a dict of arrays, or a pandas DataFrame) with the answers' columns."""
        if not isinstance(batch, dict) and not hasattr(batch, "assign"):
            message = (
                f"a batch must be a dict of arrays or a DataFrame, not a {type(batch).__name__}: batch_format='numpy'"
            )
            raise DragomanError(message)
        if self._column not in batch:
            message = f"there is no column {self._column!r}; there are {', '.join(map(str, batch))}"
            raise DragomanError(message)
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        answers = [self._answer(line, value) for line, value in enumerate(batch[self._column], 1)]
        results = await asyncio.gather(*answers)
        if self._raise_errors:
            _check(results)
        rows = [_told(result) for result in results]
        names = (self._output, *(f"{self._output}_{name}" for name in _COLUMNS))
        columns = {name: _array([row[place] for row in rows]) for place, name in enumerate(names)}
        return {**batch, **columns} if isinstance(batch, dict) else batch.assign(**columns)

    async def _answer(self, line: int, value: Any) -> Result:
        chat = [{"role": "user", "content": str(value)}] if self._is_prompt else _plain(value)
        request = Request(str(line), {**self._request, "messages": [*self._system, *chat]}, line=line)
        async with self._places:
            result = await self._answerer.answer(request)
        for number in range(self._max_retries):
            if not result.retriable:
                break
            pause = min(_FIRST * 2.0**number, _LONGEST) * random.uniform(0.75, 1)  # noqa: S311 (no secret: it spreads workers apart)
            await asyncio.sleep(max(pause, result.retry_after or 0.0))
            async with self._places:
                result = await self._answerer.answer(request)
        return result


def _check(results: Iterable[Result]) -> None:
    for result in results:
        if result.error is not None:
            message = f"row {result.line} of a batch: {result.error['message']}"
            raise DragomanError(message)


def _plain(value: Any) -> Any:
    """Return JSON of what a table made of it, without the fields that are there for other rows' sake."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return _plain(value.tolist()) if hasattr(value, "tolist") else value


def _told(result: Result) -> tuple[Any, ...]:
    """Return the columns of one row."""
    if result.error is not None:
        return (*(None,) * len(_COLUMNS), json.dumps(result.error, ensure_ascii=False))
    choice = (result.body.get("choices") or [{}])[0]
    usage = counted(result.usage) or {}
    return (
        (choice.get("message") or {}).get("content"),
        result.content.decode(),
        choice.get("finish_reason"),
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        None,
    )


def _array(values: list[Any]) -> Any:
    import numpy as np

    return np.array(values, dtype=object)
