"""A wire as its caller may see it."""

from __future__ import annotations

import json

from dragoman.core import Call, Provider, Wire, show_wire

KEY = "my-key-of-this-test-only"


def test_a_secret_where_a_long_text_is_cut_is_not_shown_in_part() -> None:
    text = "x" * 190 + KEY + "y" * 5000
    wire = Wire("/chat/completions", {"messages": [{"role": "user", "content": text}]})
    shown = show_wire(Provider(api_key=KEY), Call("openai", "m", {}), wire)
    content = shown["body"]["messages"][0]["content"]
    assert content.startswith("x" * 190)
    assert len(content) < 300
    assert KEY[:8] not in json.dumps(shown)
