"""Whole plugins, each with one fault that a plugin may well have, and the check that sees it.

They are `acme/acme_llm.py`, which does everything right, but for the lines in the list. README's table is this list.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.testing import ProviderSuite

if TYPE_CHECKING:
    from conftest import Desk

README = Path(__file__).parents[1] / "README.md"
TEST = """
from broken_llm import Acme
from dragoman.testing import ProviderSuite

class TestAcme(ProviderSuite):
    provider = Acme
    history = "turns"
"""
_SENDER = """
-    def decode_error(self, status: int, body: Any) -> Json:
+    def sender(self):
+        from acme_senders import {0}
+        return {0}(self)
+
+    def decode_error(self, status: int, body: Any) -> Json:
"""
#: What is wrong -> the check that sees it, and the difference from the good plugin.
BROKEN: dict[str, tuple[str, str]] = {
    "it drops a parameter": (
        "test_request",
        """
-        if chat.get("tools"):
+        if chat.get("functions"):
""",
    ),
    "it takes what the vendor lacks out of the caller's request": (
        "test_encoding_is_pure",
        """
-        chat = dict(call.request)
+        chat = call.request

-            unsupported(call, param, chat[param], reason=ABSENT[param], nearest="the usual one")
+            unsupported(call, param, chat.pop(param), reason=ABSENT[param], nearest="the usual one")
""",
    ),
    "it dates answers by its own clock": (
        "test_decoding_is_pure",
        """
-        head = {"id": call.id, "created": call.created, "model": call.model, "object": "chat.completion"}
+        from time import time
+        head = {"id": call.id, "created": int(time()), "model": call.model, "object": "chat.completion"}
""",
    ),
    "it tells the key in its errors": (
        "test_key_is_secret",
        """
-            return {"message": body["trouble"], "type": "acme_trouble", "param": None, "code": None}
+            said = f"{body['trouble']} (asked with {self.api_key})"
+            return {"message": said, "type": "acme_trouble", "param": None, "code": None}
""",
    ),
    "it loses the second of two calls": (
        "test_answer",
        """
-            message["tool_calls"] = [decode_use(use) for use in body["uses"]]
+            message["tool_calls"] = [decode_use(body["uses"][0])]
""",
    ),
    "it counts each streamed call as the first": (
        "test_chunks_keep_openais_promises",
        """
-            self.message["tool_calls"].append(call)
+            self.message["tool_calls"].append(call)
+            self.chunks.tool_calls = 0
""",
    ),
    "it ends answers that call tools with `stop`": (
        "test_answer_is_valid",
        """
-REASONS = {"done": "stop", "limit": "length", "use": "tool_calls"}
+REASONS = {"done": "stop", "limit": "length", "use": "stop"}
""",
    ),
    "it takes a stream that was cut for a whole one": (
        "test_a_cut_stream_is_no_answer",
        """
-            message = "acme never said that it was done"
-            raise StreamCutError(message)
+            yield self.chunks.finish("stop")
""",
    ),
    "it mixes up prompt and completion tokens": (
        "test_answer",
        """
-    spent = {"prompt_tokens": count["in"], "completion_tokens": count["out"]}
+    spent = {"prompt_tokens": count["out"], "completion_tokens": count["in"]}
""",
    ),
    "it counts the tokens of a stream otherwise": (
        "test_stream_equals_answer",
        """
-            yield self.chunks.usage(decode_count(sent["count"]))
+            yield self.chunks.usage({**decode_count(sent["count"]), "prompt_tokens": 0})
""",
    ),
    "it tells every failure as a bad request": (
        "test_error_class",
        """
-            return {"message": body["trouble"], "type": "acme_trouble", "param": None, "code": None}
+            raise VendorError({"message": body["trouble"], "type": None, "param": None, "code": None}, 400)
""",
    ),
    "it passes over a failure in the middle of a stream": (
        "test_chunks",
        """
-            raise VendorError({"message": sent["trouble"], "type": None, "param": None, "code": None}, 503)
+            return
""",
    ),
    "it forgets the beginning of a conversation": (
        "test_history_only_grows",
        """
-        if chat.get("tools"):
+        body["turns"] = body["turns"][-3:]
+        if chat.get("tools"):
""",
    ),
    "it sends what other providers left in a message": (
        "test_history_of_strangers_stays_home",
        """
-        turn["seal"] = kept["seal"]
+        turn.update(seal=kept["seal"], left=message["extra_content"])
""",
    ),
    "it retries as often as it likes": ("test_busy_is_retried_once", _SENDER.format("Stubborn")),
    "it waits for ever": ("test_silence_times_out", _SENDER.format("Patient")),
    "it leaves the connection of an abandoned stream open": (
        "test_closing_a_stream_hangs_up",
        _SENDER.format("Keeping"),
    ),
}


def with_changes(source: str, difference: str) -> str:
    """Apply hunks, with a blank line between them: the lines with `-` become those with `+`."""
    for hunk in difference.strip("\n").split("\n\n"):
        old, new = (
            "".join(line[1:] + "\n" for line in hunk.splitlines() if line.startswith(sign)) for sign in ("-", "+")
        )
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in the good plugin"
        source = source.replace(old, new)
    return source


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_caught(desk: Desk, short_patience: None, name: str) -> None:
    check, difference = BROKEN[name]
    folder = desk.pytester.path
    good = (folder / "acme_llm.py").read_text("utf-8")
    (folder / "broken_llm.py").write_text(with_changes(good, difference), "utf-8")
    (folder / "test_acme.py").write_text(TEST, "utf-8")
    outcomes, said = desk.run(f"test_acme.py::TestAcme::{check}")
    assert outcomes.get("failed"), said
    rule: str = getattr(ProviderSuite, check).__doc__
    assert rule in said


@pytest.mark.skipif(not README.exists(), reason="README.md is not beside these tests")
def test_readme_has_the_list() -> None:
    rows = re.findall(r"^\| (it .*?) \| `(test_\w+)` \|$", README.read_text("utf-8"), re.MULTILINE)
    assert rows == [(name, check) for name, (check, _) in BROKEN.items()]
