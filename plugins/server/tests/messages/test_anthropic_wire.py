"""Anthropic's SDK over Anthropic's own API: bytes pass through, unless a hook wants to see chunks."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from dragoman.anthropic import Anthropic
from dragoman.core import Call, Json, Provider, hookimpl, register_hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "anthropic/claude-sonnet-4-5"
ASK: Any = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
KINDS = ("prompt", "completion")
#: With spaces and an order of keys of its own, a server tool's blocks, and a citation.
BLOCKS: list[Json] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "ZGF0YQ=="},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    {
        "type": "text",
        "text": "Yes.",
        "citations": [
            {
                "type": "web_search_result_location",
                "url": "https://x.test",
                "title": "t",
                "encrypted_index": "e",
                "cited_text": "c",
            }
        ],
    },
    {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"b": 1, "a": "ä"}},
]
MESSAGE: Json = {
    "model": "claude-sonnet-4-5-20250929",
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": BLOCKS,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 5,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 2,
        "output_tokens": 7,
        "server_tool_use": {"web_search_requests": 1},
        "service_tier": "standard",
    },
    "a_key_of_next_year": {"x": [1.0, 1e3]},
}


def event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def events() -> list[bytes]:
    start = {**MESSAGE, "content": [], "stop_reason": None, "usage": {**MESSAGE["usage"], "output_tokens": 1}}
    found = [event("message_start", message=start), event("ping")]
    for index, block in enumerate(BLOCKS):
        begun, deltas = begin(block)
        found.append(event("content_block_start", index=index, content_block=begun))
        found += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        found.append(event("content_block_stop", index=index))
    usage = {"output_tokens": 7}
    found.append(event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage=usage))
    return [*found, event("message_stop")]


def begin(block: Json) -> tuple[Json, list[Json]]:
    if block["type"] == "text":
        cited = [{"type": "citations_delta", "citation": one} for one in block["citations"]]
        return {"type": "text", "text": ""}, [*cited, {"type": "text_delta", "text": block["text"]}]
    if block["type"] == "thinking":
        signed = {"type": "signature_delta", "signature": block["signature"]}
        said = {"type": "thinking_delta", "thinking": block["thinking"]}
        return {**block, "thinking": "", "signature": ""}, [said, signed]
    if block["type"] in {"tool_use", "server_tool_use"}:
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    return block, []


class Speaker(Provider):
    """A vendor of OpenAI's API that has Anthropic's, too: it says so, and needs no code."""

    name = "speaker"
    endpoints = frozenset({"chat", "messages"})


@pytest.fixture(scope="module")
def app(serve: Callable[..., Any], vendor_url: str) -> Any:
    claude = Anthropic(base_url=vendor_url, api_key="sk-of-the-provider", max_retries=0)
    return serve(providers=[claude, Speaker(base_url=f"{vendor_url}/v1", api_key="sk-x")])


@pytest.fixture
def client(app: Any) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=app.state.url, api_key="of-the-client", max_retries=0) as found:
        yield found


def post(app: Any, body: Json, path: str = "/v1/messages", **headers: str) -> tuple[bytes, Any]:
    request = urllib.request.Request(  # noqa: S310 (loopback)
        app.state.url + path,
        json.dumps(body).encode(),
        {"content-type": "application/json", **headers},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 (loopback)
        return response.read(), response.headers


def counted(app: Any) -> tuple[float, float]:
    """Tokens of prompts and of answers so far, as the gateway tells Prometheus."""
    with urllib.request.urlopen(f"{app.state.url}/metrics") as response:  # noqa: S310 (loopback)
        lines = response.read().decode().splitlines()
    counts = [line.rpartition(" ") for line in lines if line.startswith("dragoman_tokens_total{")]
    found = [sum(float(value) for labels, _, value in counts if f'"{kind}"' in labels) for kind in KINDS]
    return found[0], found[1]


def more(before: tuple[float, float]) -> tuple[float, float]:
    """What MESSAGE adds."""
    return before[0] + 10, before[1] + 7


def test_a_request_and_its_answer_pass_through(app: Any, vendor: Any) -> None:
    raw, before = json.dumps(MESSAGE, indent=3).encode(), counted(app)
    vendor.script.append(type(vendor_told(vendor))((raw,), headers={"request-id": "req_vendor"}))
    body = {
        "max_tokens": 100,
        "model": MODEL,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": BLOCKS},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]},
        ],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "a_parameter_of_next_year": [1.0, 12345678901234567890],
    }
    content, headers = post(
        app,
        {**body, "dragoman": {"on_unsupported": "warn"}},
        "/v1/messages?beta=true",
        **{"anthropic-version": "2023-06-01", "anthropic-beta": "a,b"},
    )
    assert content == raw
    assert headers["request-id"].startswith("req_")
    [seen] = vendor.seen
    assert seen.path == "/v1/messages?beta=true"
    assert json.dumps(seen.body) == json.dumps({**body, "model": "claude-sonnet-4-5"})
    assert (seen.headers["anthropic-version"], seen.headers["anthropic-beta"]) == ("2023-06-01", "a,b")
    assert "of-the-client" not in str(seen.headers)
    assert counted(app) == more(before)


def vendor_told(vendor: Any) -> Any:
    """The class of scripted answers, which lives in a conftest that cannot be imported."""
    vendor.says({})
    return vendor.script.pop()


def test_a_stream_passes_through(app: Any, vendor: Any) -> None:
    sent, before = b"".join(events()), counted(app)
    # Cut in the middle of events, as networks do.
    vendor.streams(*(sent[start : start + 97] for start in range(0, len(sent), 97)))
    content, headers = post(app, {**ASK, "stream": True})
    assert content == sent
    assert headers["content-type"].startswith("text/event-stream")
    assert counted(app) == more(before)


def test_the_sdk_reads_what_passes_through(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.streams(*events())
    with client.messages.stream(**ASK) as stream:
        message = stream.get_final_message().to_dict()
    assert [block["type"] for block in message["content"]] == [block["type"] for block in BLOCKS]
    assert message["content"][0] == BLOCKS[0]
    assert message["content"][-1] == BLOCKS[-1]


def test_tokens_are_counted_by_anthropic(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.says({"input_tokens": 2095})
    asked = {"model": MODEL, "messages": ASK["messages"]}
    assert client.messages.count_tokens(**asked).input_tokens == 2095
    assert vendor.seen[0].path == "/v1/messages/count_tokens"
    assert vendor.seen[0].body == {**asked, "model": "claude-sonnet-4-5"}


@pytest.mark.parametrize(
    ("status", "kind", "exception"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (402, "billing_error", anthropic.APIStatusError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (529, "overloaded_error", anthropic.InternalServerError),
    ],
)
def test_failures_keep_their_type(
    client: anthropic.Anthropic, vendor: Any, status: int, kind: str, exception: type[Exception]
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_vendor"}
    vendor.says(body, status, **{"request-id": "req_vendor", "retry-after": "7"})
    with pytest.raises(exception, match=r"No\.") as told:
        client.messages.create(**ASK)
    found: Any = told.value
    assert (found.status_code, found.body["error"]["type"]) == (status, kind)
    assert found.response.headers["retry-after"] == "7"
    assert found.response.headers["x-provider-request-id"] == "req_vendor"


def test_an_error_in_mid_stream(client: anthropic.Anthropic, vendor: Any) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    vendor.streams(*events()[:8], event("error", error=error))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded") as told, client.messages.stream(**ASK) as stream:
        stream.until_done()
    assert told.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]  # JSON


def test_a_stream_that_is_cut_does_not_look_whole(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.streams(*events()[:-1])
    with pytest.raises(anthropic.APIStatusError, match="message_stop"), client.messages.stream(**ASK) as stream:
        stream.until_done()


class Watcher:
    """A hook that wants chunks."""

    def __init__(self) -> None:
        self.chunks = 0

    @hookimpl
    def on_chunk(self, call: Call, chunk: Json) -> None:
        del call, chunk
        self.chunks += 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("hooked_later", [False, True])
def test_a_hook_that_wants_chunks_gets_them_and_nothing_is_lost(
    client: anthropic.Anthropic, vendor: Any, streamed: bool, hooked_later: bool
) -> None:
    """What Anthropic said goes back as it came: through chunks and back, whoever looks on in which turn."""

    def ask(messages: list[Any]) -> Any:
        if not streamed:
            vendor.says(MESSAGE)
            return client.messages.create(**{**ASK, "messages": messages})
        vendor.streams(*events())
        with client.messages.stream(**{**ASK, "messages": messages}) as stream:
            return stream.get_final_message()

    watcher = Watcher()
    with register_hooks(watcher):
        first = ask(ASK["messages"])
    assert bool(watcher.chunks) is streamed
    assert first.stop_reason == "tool_use"
    assert (first.usage.input_tokens, first.usage.output_tokens) == (5, 7)
    text = next(block.text for block in first.content if block.type == "text")
    assert text == "Yes."
    results = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}]
    history = [
        *ASK["messages"],
        {"role": "assistant", "content": [block.to_dict() for block in first.content]},
        {"role": "user", "content": results},
    ]
    if hooked_later:
        with register_hooks(watcher):
            ask(history)
    else:
        ask(history)
    sent = vendor.seen[1].body["messages"][1]["content"]
    assert sent == BLOCKS


def test_an_answer_of_a_hooks_is_a_message_too(client: anthropic.Anthropic, vendor: Any) -> None:
    class Guard:
        @hookimpl
        def answer_call(self, call: Call) -> Json:
            message = {"role": "assistant", "content": f"No {call.request['messages'][0]['content']}."}
            return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "id": "g", "model": "guard"}

    with register_hooks(Guard()):
        whole = client.messages.create(**ASK)
        with client.messages.stream(**ASK) as stream:
            streamed = stream.get_final_message()
    for message in (whole, streamed):
        assert message.content[0].to_dict() == {"type": "text", "text": "No Hello."}
    assert not vendor.seen


def test_thoughts_from_elsewhere_do_not_reach_anthropic(client: anthropic.Anthropic, vendor: Any) -> None:
    vendor.says(MESSAGE)
    said = [{"type": "thinking", "thinking": "Hm.", "signature": "dragoman"}, {"type": "text", "text": "Yes."}]
    history: Any = [*ASK["messages"], {"role": "assistant", "content": said}, {"role": "user", "content": "?"}]
    client.messages.create(**{**ASK, "messages": history})
    assert vendor.seen[0].body["messages"][1]["content"] == [{"type": "text", "text": "Yes."}]


def test_any_provider_may_have_the_dialect(app: Any, vendor: Any) -> None:
    before = counted(app)
    raw = json.dumps(MESSAGE, indent=1).encode()
    vendor.script.append(type(vendor_told(vendor))((raw,)))
    content, _ = post(app, {**ASK, "model": "speaker/m"})
    assert content == raw
    assert (vendor.seen[0].path, vendor.seen[0].body["model"]) == ("/v1/messages", "m")
    assert counted(app) == more(before)
