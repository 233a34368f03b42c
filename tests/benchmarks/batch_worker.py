"""A file of requests, run by hand over a vendor's SDK or over litellm, as its users write it.

python batch_worker.py SIDE VENDOR PORT REQUESTS ANSWERS CONCURRENCY
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: No key of anybody's.
KEY = "sk-benchmark"


def _sdk(vendor: str, port: int) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    if vendor == "anthropic":
        from anthropic import AsyncAnthropic

        claude = AsyncAnthropic(api_key=KEY, base_url=f"http://127.0.0.1:{port}")

        def ask_claude(body: dict[str, Any]) -> Awaitable[Any]:
            # Its own form, as whoever writes for it alone has it.
            system, *messages = body["messages"]
            own = {**body, "system": system["content"], "messages": messages}
            return claude.messages.create(**own)

        return ask_claude
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1")
    return lambda body: client.chat.completions.create(**body)


def _litellm(vendor: str, port: int) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    # Without this it fetches a list of models while it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    url = f"http://127.0.0.1:{port}" + ("" if vendor == "anthropic" else "/v1")

    def ask(body: dict[str, Any]) -> Awaitable[Any]:
        answer: Awaitable[Any] = litellm.acompletion(
            **{**body, "model": f"{vendor}/{body['model']}"}, api_key=KEY, api_base=url
        )
        return answer

    return ask


async def run(ask: Callable[[dict[str, Any]], Awaitable[Any]], source: Path, target: Path, most: int) -> None:
    """Read, ask, write: so many workers that take lines in turn."""
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as answers:

        async def work() -> None:
            for line in lines:
                asked = json.loads(line)
                answer = await ask(asked["body"])
                made = {"custom_id": asked["custom_id"], "response": {"status_code": 200, "body": answer.model_dump()}}
                answers.write(json.dumps(made) + "\n")

        await asyncio.gather(*(work() for _ in range(most)))


if __name__ == "__main__":
    side, vendor, port, source, target, most = sys.argv[1:]
    made = {"sdk": _sdk, "litellm": _litellm}[side](vendor, int(port))
    asyncio.run(run(made, Path(source), Path(target), int(most)))
