"""Every provider can be recorded and replayed: its tapes alone say what its vendor said, without a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from feature_table.canon import Said
from feature_table.features import HI, ROME, WEATHER
from feature_table.server import Desk, open_desk
from feature_table.vendors import BY_NAME, VENDORS

from dragoman.core import Client, TapeError
from dragoman.core.plugins import Plugins

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9/v1"
KEY = "the-key-of-nobody"


def use(desk: Desk) -> list[Any]:
    """A text and a tool call, whole and streamed, and a failure."""
    said = Said(calls=(ROME,))
    first = desk.ask(said, tools=[WEATHER])
    calls = first.choices[0].message
    # Some vendors give calls no ids: the next request quotes ours.
    result = {"role": "tool", "tool_call_id": calls.tool_calls[0].id, "content": "sun"}
    asked = {"role": "user", "content": "Hello"}
    whole = [first.to_dict(), desk.ask(HI, messages=[asked, calls, result], tools=[WEATHER]).to_dict()]
    streamed = [[chunk.to_dict() for chunk in desk.stream(one, tools=[WEATHER])] for one in (HI, said)]
    with pytest.raises(openai.RateLimitError) as caught:
        desk.ask(Said("too much", status=429), "Again")
    return [whole, streamed, str(caught.value)]


@pytest.mark.parametrize("name", [vendor.name for vendor in VENDORS])
def test_what_was_recorded_comes_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name not in Plugins().providers():
        pytest.skip(f"not installed: {name}")
    vendor = BY_NAME[name]
    monkeypatch.setenv("DRAGOMAN_RECORD", str(tmp_path))
    with open_desk(vendor) as desk:
        first = use(desk)
        sent, server = desk.server.count, desk.server
    monkeypatch.delenv("DRAGOMAN_RECORD")
    tapes = [json.loads(path.read_text("utf-8")) for path in tmp_path.iterdir()]
    assert len(tapes) == sent == 5
    assert sum("pieces" in tape["reply"] for tape in tapes) == 2
    # Neither a key nor an address that would do.
    for variable in (*(provider := Plugins().provider(name)).key_env, *provider.base_url_env):
        monkeypatch.delenv(variable, raising=False)
    absent = provider(base_url=NOWHERE)
    with Client(default_provider=name, providers=[absent], replay=tmp_path, max_retries=0) as client:
        again = Desk(vendor, server, client)
        assert use(again) == first
        with pytest.raises(TapeError, match=r"Hello"):
            again.ask(HI, "Hello?")
    assert server.count == sent
