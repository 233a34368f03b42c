"""What becomes of single parameters and blocks, at a provider that has the dialect and at one that has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from dragoman.core import InvalidRequest, UnsupportedParameter
from dragoman.server.messages.request import decode_request
from dragoman.server.messages.stream import MessageEncoder
from dragoman.server.messages.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core import Json

NATIVE = Target("anthropic", native=True)
PLAIN = Target("elsewhere")
TOOL: Json = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
PDF: Json = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
URL = "data:application/pdf;base64,JVBERi0="


def decoded(target: Target = PLAIN, policy: Any = "raise", **more: Any) -> tuple[Json, Json]:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **more}
    chat, ledger = decode_request(body, target, policy)
    return chat, ledger.report()


def parts_of(block: Json, target: Target = PLAIN, policy: Any = "raise") -> Any:
    chat, _ = decoded(target, policy, messages=[{"role": "user", "content": [block]}])
    return chat["messages"][0]["content"]


@pytest.mark.parametrize("target", [PLAIN, NATIVE])
def test_whether_to_stream_is_yes_or_no(target: Target) -> None:
    for value in ("true", 1, [True]):
        with pytest.raises(InvalidRequest, match="send true or false"):
            decoded(target, stream=value)
    assert "stream" not in decoded(target, stream=False)[0]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, "high"),
        ({"thinking": {"type": "enabled"}}, "low"),
        ({"output_config": {"effort": "max"}}, "max"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, "none"),
        ({"output_config": {"effort": "low"}, "thinking": {"type": "disabled"}}, "none"),
        ({"output_config": {"effort": "low"}, "thinking": {"type": "enabled", "budget_tokens": 20000}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 20000}, "output_config": {"effort": "low"}}, "low"),
    ],
)
def test_how_much_to_think(more: Json, expected: str | None) -> None:
    chat, report = decoded(**more)
    assert chat.get("reasoning_effort") == expected
    # A level for a budget is not the same, and is said.
    budget = more.get("thinking", {}).get("type") == "enabled" and "output_config" not in more
    assert report == ({"adapted": {"thinking": f'reasoning_effort "{expected}"'}} if budget else {})


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "auto", "disable_parallel_tool_use": False}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "tool", "name": "look"}, {"type": "function", "function": {"name": "look"}}, None),
        ({"type": "none", "disable_parallel_tool_use": True}, "none", None),
    ],
)
def test_the_choice_of_a_tool(choice: Json, expected: Any, parallel: bool | None) -> None:
    # The choice may stand before the tools.
    chat, _ = decoded(tool_choice=choice, tools=[TOOL])
    assert (chat["tool_choice"], chat.get("parallel_tool_calls")) == (expected, parallel)
    assert "tool_choice" not in decoded(tool_choice=choice)[0]


def test_a_tools_settings() -> None:
    tool = {**TOOL, "type": "custom", "strict": True, "defer_loading": True, "allowed_callers": ["direct"]}
    chat, report = decoded(tools=[tool])
    assert chat["tools"] == [
        {"type": "function", "function": {"name": "look", "parameters": TOOL["input_schema"], "strict": True}}
    ]
    assert report == {}
    with pytest.raises(UnsupportedParameter, match="input_examples"):
        decoded(tools=[{**TOOL, "input_examples": [{}]}])
    with pytest.raises(UnsupportedParameter, match="allowed_callers"):
        decoded(tools=[{**TOOL, "allowed_callers": ["code_execution_20250825"]}])


def test_an_id_that_is_too_long_for_openai_is_left_out() -> None:
    short, long = "u" * 64, "u" * 65
    assert decoded(metadata={"user_id": short})[0]["safety_identifier"] == short
    chat, report = decoded(metadata={"user_id": long})
    assert "safety_identifier" not in chat
    assert report == {"dropped": ["metadata.user_id"]}
    assert decoded(NATIVE, metadata={"user_id": long})[0]["safety_identifier"] == long
    assert "safety_identifier" not in decoded(metadata={"user_id": None})[0]


def test_what_has_another_name_or_means_nothing() -> None:
    more: Json = {
        "service_tier": "standard_only",
        "stop_sequences": [],
        "speed": "standard",
        "cache_control": {"type": "ephemeral"},
        "context_management": {},
        "stream": False,
        "top_p": None,
    }
    chat, report = decoded(**more)
    rest = {key: value for key, value in chat.items() if key not in {"model", "messages"}}
    assert rest == {"max_completion_tokens": 9, "service_tier": "default"}
    assert report == {}
    assert "service_tier" not in decoded(service_tier="auto")[0]
    with pytest.raises(UnsupportedParameter, match="speed"):
        decoded(speed="fast")
    with pytest.raises(UnsupportedParameter, match=r"output_config\.verbosity"):
        decoded(output_config={"verbosity": "low"})


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "document", "source": PDF}, {"filename": "document.pdf", "file_data": URL}),
        ({"type": "document", "source": PDF, "title": "a.pdf"}, {"filename": "a.pdf", "file_data": URL}),
    ],
)
def test_a_pdf_is_a_file(block: Json, expected: Json) -> None:
    assert parts_of(block) == [{"type": "file", "file": expected}]


@pytest.mark.parametrize("more", [{"context": "From 2020."}, {"citations": {"enabled": True}}])
def test_what_a_document_says_beside_its_data_is_not_lost_where_it_is_known(more: Json) -> None:
    block = {"type": "document", "source": PDF, **more}
    assert parts_of(block, NATIVE) == [block]


def test_documents_that_are_text() -> None:
    text = {"type": "document", "title": "T", "context": "C", "source": {"type": "text", "data": "Words."}}
    assert parts_of(text) == [{"type": "text", "text": "T\nC"}, {"type": "text", "text": "Words."}]
    inner = [{"type": "text", "text": "Words."}, {"type": "image", "source": {"type": "url", "url": "https://x.test"}}]
    content = {"type": "document", "source": {"type": "content", "content": inner}}
    assert [part["type"] for part in parts_of(content)] == ["text", "image_url"]
    found = {"type": "search_result", "source": "https://x.test", "title": "T", "content": inner[:1]}
    assert parts_of(found)[0] == {"type": "text", "text": "T\nhttps://x.test"}


def test_citations_go_by_the_policy() -> None:
    block = {"type": "document", "source": PDF, "citations": {"enabled": True}}
    with pytest.raises(UnsupportedParameter, match="cited"):
        parts_of(block)
    assert parts_of(block, policy="ignore")[0]["type"] == "file"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "container_upload", "file_id": "file_1"},
    ],
)
def test_what_would_have_to_be_fetched_is_refused(block: Json) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\.0\.content\.0: elsewhere cannot read"):
        parts_of(block)
    assert parts_of(block, NATIVE) == [block]


def test_what_another_providers_tools_did_is_left_out_and_said() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "text", "text": "Found."},
    ]
    chat, report = decoded(messages=[{"role": "assistant", "content": blocks}])
    assert chat["messages"] == [{"role": "assistant", "content": "Found."}]
    assert report == {"dropped": ["messages.server_tool_use", "messages.web_search_tool_result"]}


def test_dragomans_own_keys_stay_dragomans() -> None:
    chat, _ = decoded(dragoman={"on_unsupported": "warn"}, extra_body={"seed": 1}, min_p=0.1)
    assert chat["dragoman"] == {"on_unsupported": "warn"}
    assert chat["extra_body"] == {"seed": 1, "min_p": 0.1}


def test_further_choices_are_not_the_answer() -> None:
    encoder = MessageEncoder()
    choices = [{"index": index, "delta": {"content": text}} for index, text in enumerate(("Yes.", "No."))]
    events = [*encoder.feed({"id": "c", "model": "m", "choices": choices}), *encoder.finish()]
    assert [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"] == ["Yes."]


@pytest.mark.filterwarnings("ignore:config_list:dragoman.core.DragomanWarning")
def test_where_another_entry_steps_in_the_message_begins_anew(serve: Callable[..., Any], vendor: Any) -> None:
    entry = {"model": "good", "base_url": f"{vendor.url}/v1", "max_retries": 0}
    app = serve(config_list=[{**entry, "api_key": "sk-one"}, {**entry, "api_key": "sk-two"}])
    vendor.chunks({"role": "assistant", "content": ""}, reason=None, cut=True)
    vendor.chunks({"role": "assistant", "content": ""}, {"content": "Yes."})
    with (
        anthropic.Anthropic(base_url=app.state.url, api_key="none", max_retries=0) as client,
        client.messages.create(
            model="good", max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True
        ) as stream,
    ):
        kinds = [event.type for event in stream]
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
