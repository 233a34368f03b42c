"""A session with the engine in this process, recorded; replayed, it needs neither engine nor model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import Json

SESSION = """
import asyncio, json, sys
from dragoman.core import AsyncClient, Client

tools = json.loads(sys.argv[1])
messages = [{"role": "user", "content": "What is the weather in Oslo and Bergen?"}]
said = []
with Client() as client:
    message = client.chat.completions.create(model="llamacpp/demo", messages=messages, tools=tools).choices[0].message
    said.append(message.to_dict())
    messages.append(message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    with client.chat.completions.stream(model="llamacpp/demo", messages=messages, tools=tools) as stream:
        said.append([event.type for event in stream])
        said.append(stream.get_final_completion().to_dict())

async def again():
    async with AsyncClient() as client:
        asked = {"model": "llamacpp/demo", "messages": messages, "tools": tools, "stream": True}
        stream = await client.chat.completions.create(**asked)
        return [chunk.to_dict() async for chunk in stream]

said.append(asyncio.run(again()))
print(json.dumps([said, [name for name in ("xllamacpp", "dragoman.llamacpp.engine") if name in sys.modules]]))
"""


def test_a_session_with_tools_and_streams(tmp_path: Path, tool: Json) -> None:
    def run(**settings: str) -> list[Json]:
        command = [sys.executable, "-c", SESSION, json.dumps([tool])]
        made = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, check=True)  # noqa: S603 (our own code)
        found: list[Json] = json.loads(made.stdout.splitlines()[-1])
        return found

    recorded, engine = run(DRAGOMAN_RECORD=str(tmp_path))
    assert "xllamacpp" in engine
    assert len(list(tmp_path.iterdir())) == 3
    assert run(DRAGOMAN_REPLAY=str(tmp_path)) == [recorded, []]
