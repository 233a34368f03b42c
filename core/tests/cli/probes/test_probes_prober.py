from __future__ import annotations

from dataclasses import replace
from typing import Any

import openai
import pytest

from dragoman.core import Client, Json, Provider, unsupported
from dragoman.core.cli.failures import ProviderFailure
from dragoman.core.cli.probes.catalogue import PROBES, TRIES
from dragoman.core.cli.probes.evidence import Finding
from dragoman.core.cli.probes.prober import Ceiling, Prober, combine
from dragoman.core.plugins import plugins

FEATURES = [probe.feature for probe in PROBES]
needs_llamacpp = pytest.mark.skipif(
    "llamacpp" not in plugins().providers(), reason="the plugin llamacpp is not installed"
)


def verdicts(prober: Prober) -> dict[str, str]:
    return {result.feature: result.verdict for result in prober.results}


def seen(prober: Prober, feature: str) -> str:
    return next(result.seen for result in prober.results if result.feature == feature)


def test_a_server_that_can_do_everything(prober: Any, bench: Any) -> None:
    run = prober()
    told: list[str] = []
    run.run(lambda probe: told.append(probe.feature))
    assert verdicts(run) == dict.fromkeys(FEATURES, "yes")
    assert told == FEATURES
    assert all(result.tries == 1 and result.ms >= 0 for result in run.results)
    # One request for each, and two more for what a yes to a forced choice is worth.
    assert len(bench.requests) == len(FEATURES) + 2
    assert run.usage["completion_tokens"] == 5 * (len(FEATURES) + 2 - 2), "two of the streams count nothing"


def test_a_server_that_passes_over_parameters(prober: Any, bench: Any) -> None:
    """As Ollama's /v1 does with tool_choice, n and logprobs."""
    bench.ignores = frozenset({"tool_choice", "n", "logprobs", "parallel_tool_calls", "stream_options", "stop"})
    run = prober()
    run.run()
    found = verdicts(run)
    ignored = {"named", "required", "none", "n", "logprobs", "parallel", "usage", "stop"}
    assert found == {feature: "ignored" if feature in ignored else "yes" for feature in FEATURES}
    assert seen(run, "named").startswith(f"0 of {TRIES} tries; another tool is called: get_weather(")
    assert seen(run, "none").startswith(f"0 of {TRIES} tries; a tool is called: get_weather(")


def test_a_server_that_passes_over_the_rest(prober: Any, bench: Any) -> None:
    bench.ignores = frozenset({"system", "tools", "tool", "json_object", "json_schema", "image"})
    run = prober("system", "tools", "stream_tools", "result", "json_object", "json_schema", "image")
    run.run()
    assert set(verdicts(run).values()) == {"yes", "ignored"}
    assert [result.feature for result in run.results if result.verdict == "yes"] == ["text"]


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        (
            lambda request: 20 + 200 * len(request.keys() & {"tools"}),
            "; the tool took 200 tokens of the prompt, so the model was shown it",
        ),
        (lambda request: 20, "; the prompt is hardly longer than without (20 tokens), so the tool was left out of it"),
        (lambda request: 0, ""),
    ],
)
def test_the_length_of_the_prompt_tells_what_the_model_was_shown(
    prober: Any, bench: Any, prompt: Any, told: str
) -> None:
    bench.words = lambda request: {"content": "Sunny."}
    bench.prompt = prompt
    run = prober("tools")
    run.run()
    assert seen(run, "tools") == f'0 of {TRIES} tries; no call: "Sunny."{told}'


REFUSED = {
    "stream": {"stream", "stream_tools", "usage"},
    "tools": {"tools", "stream_tools", "parallel", "result", "named", "required", "none"},
    "tool_choice": {"named", "required", "none"},
    "response_format": {"json_object", "json_schema"},
    "n": {"n"},
    "stop": {"stop"},
    "logprobs": {"logprobs"},
}


@pytest.mark.parametrize("parameter", REFUSED)
def test_a_server_that_refuses(prober: Any, bench: Any, parameter: str) -> None:
    bench.refuses = frozenset({parameter})
    run = prober()
    run.run()
    assert verdicts(run) == {feature: "no" if feature in REFUSED[parameter] else "yes" for feature in FEATURES}
    refused = next(result for result in run.results if result.verdict == "no")
    assert (refused.tries, refused.seen) == (1, f"refused: {parameter} is not known here (HTTP 400)")


@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_what_dragoman_refuses_or_changes() -> None:
    class Poor(Provider):
        name = "poor"

        def encode(self, call: Any) -> Any:
            for param, nearest in (("n", "one is asked for"), ("logprobs", "")):
                unsupported(call, param, call.request.get(param), reason="it has none", nearest=nearest)
            return super().encode(call)

        def sender(self) -> Any:
            class Echo:
                def send(self, call: Any, wire: Any) -> Any:
                    from dragoman.core import Reply

                    body = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"},'
                    body += b'"finish_reason": "stop"}], "object": "chat.completion", "id": "1", "created": 1,'
                    return Reply(200, {}, body + b'"model": "m"}')

                def close(self) -> None: ...

            return Echo()

    def found(policy: Any) -> Prober:
        probes = [probe for probe in PROBES if probe.feature in {"text", "n", "logprobs"}]
        with Client(providers=[Poor()], on_unsupported=policy, max_retries=0) as client:
            prober = Prober(client, "poor/x", "poor", probes, 20)
            prober.run()
        return prober

    refused = found("raise")
    assert verdicts(refused) == {"text": "yes", "n": "no", "logprobs": "no"}
    assert seen(refused, "n") == "dragoman: not expressible for poor: it has none"
    assert refused.requests == 1, "what is refused here is not sent"
    left_out = found("ignore")
    assert verdicts(left_out) == {"text": "yes", "n": "no", "logprobs": "no"}
    assert seen(left_out, "logprobs") == "dragoman: poor has no equivalent, so it was left out"
    adapted = found("adapt")
    assert verdicts(adapted) == {"text": "yes", "n": "ignored", "logprobs": "no"}
    assert seen(adapted, "n") == "one choice instead of two (dragoman: one is asked for)"


def bend_reason(body: Json) -> Json:
    for choice in body["choices"]:
        choice["finish_reason"] = choice["finish_reason"] and "stop"
    return body


def bend_arguments(body: Json) -> Json:
    for choice in body["choices"]:
        for call in choice.get("message", {}).get("tool_calls") or ():
            call["function"]["arguments"] = {"city": "Paris"}
    return body


def bend_ids(body: Json) -> Json:
    for choice in body["choices"]:
        for call in choice.get("message", choice.get("delta")).get("tool_calls") or ():
            call.pop("id", None)
    return body


def two_ends(chunk: Json) -> Any:
    ended = any(choice["finish_reason"] for choice in chunk["choices"])
    return [chunk, chunk] if ended and "delta" in chunk["choices"][0] else chunk


def no_index(chunk: Json) -> Json:
    for choice in chunk["choices"]:
        for call in choice.get("delta", {}).get("tool_calls") or ():
            del call["index"]
    return chunk


@pytest.mark.parametrize(
    ("bend", "wrong", "said"),
    [
        (bend_reason, {"tools", "stream_tools", "parallel"}, "finish_reason is 'stop' beside a call"),
        (bend_arguments, {"tools", "parallel", "named", "required"}, 'arguments are no text, but "{"city": "Paris"}"'),
        (bend_ids, {"tools", "parallel", "named", "required", "stream_tools"}, "a call without an id"),
        (two_ends, {"stream", "stream_tools"}, "2 chunks with a finish_reason"),
        (no_index, {"stream_tools"}, "a call's fragment without an index"),
    ],
)
def test_a_server_that_breaks_the_shape(prober: Any, bench: Any, bend: Any, wrong: set[str], said: str) -> None:
    bench.bend = bend
    run = prober("tools", "stream", "stream_tools", "parallel", "named", "required")
    run.run()
    assert {feature for feature, verdict in verdicts(run).items() if verdict == "wrong"} == wrong
    first = next(result for result in run.results if result.verdict == "wrong")
    assert (first.seen, first.tries) == (said, 1)


def test_an_answer_that_cannot_be_read(prober: Any, bench: Any) -> None:
    run = prober("n", "logprobs")
    bench.bend = lambda body: {1: body, 2: [], 3: {**body, "choices": []}}[len(bench.requests)]
    run.run()
    assert verdicts(run) == {"text": "yes", "logprobs": "wrong", "n": "wrong"}
    assert "JSON that is not an object" in seen(run, "logprobs")
    assert seen(run, "n") == "an answer without choices"


def test_a_stream_that_ends_early(prober: Any, bench: Any) -> None:
    bench.cuts = True
    run = prober("stream", "usage")
    run.run()
    assert verdicts(run) == {"text": "yes", "stream": "wrong", "usage": "wrong"}
    assert "the stream ended before its finish_reason" in seen(run, "stream")


def test_a_connection_that_dies_once(prober: Any, bench: Any) -> None:
    bench.dies = frozenset({3})
    run = prober("system", "stop", "n")
    run.run()
    assert verdicts(run) == {"text": "yes", "system": "yes", "stop": "error", "n": "yes"}
    assert "connection failed" in seen(run, "stop")


def test_connections_that_die_now_and_then(prober: Any, bench: Any) -> None:
    bench.dies = frozenset({3, 5})
    run = prober("system", "stop", "logprobs", "n", "reasoning")
    run.run()
    assert list(verdicts(run).values()) == ["yes", "yes", "error", "yes", "error", "yes"]


def test_a_stream_that_trails_off_behind_its_end(prober: Any, bench: Any) -> None:
    bench.trails_off = True
    run = prober("stream", "usage")
    run.run()
    assert verdicts(run) == {"text": "yes", "stream": "yes", "usage": "yes"}


def test_a_server_that_dies(prober: Any, bench: Any) -> None:
    bench.dies = frozenset(range(3, 100))
    run = prober()
    with pytest.raises(openai.APIConnectionError):
        run.run()
    assert verdicts(run) == {"text": "yes", "stream": "yes", "system": "error"}
    assert len(bench.requests) == 4


def test_nothing_answers_at_all(prober: Any, bench: Any) -> None:
    bench.dies = frozenset({1})
    run = prober()
    with pytest.raises(openai.APIConnectionError):
        run.run()
    assert (run.results, len(bench.requests)) == ([], 1)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_first_answer_that_fails(prober: Any, bench: Any, status: int) -> None:
    bench.statuses = {1: status}
    run = prober()
    with pytest.raises(openai.APIStatusError) as caught:
        run.run()
    assert (caught.value.status_code, run.results, len(bench.requests)) == (status, [], 1)


@pytest.mark.parametrize("status", [401, 402, 429])
def test_what_ends_a_run(prober: Any, bench: Any, status: int) -> None:
    bench.statuses = {2: status}
    run = prober()
    with pytest.raises(openai.APIStatusError):
        run.run()
    assert (verdicts(run), len(bench.requests)) == ({"text": "yes"}, 2)


@pytest.mark.parametrize(("status", "verdict"), [(403, "no"), (404, "no"), (422, "no"), (500, "error"), (503, "error")])
def test_what_does_not_end_a_run(prober: Any, bench: Any, status: int, verdict: str) -> None:
    bench.statuses = {2: status, 3: status}
    run = prober("system", "logprobs", "n")
    run.run()
    assert verdicts(run) == {"text": "yes", "system": verdict, "logprobs": verdict, "n": "yes"}


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("image input is not supported - hint: a projector", "no"),
        ("this model doesn't support tools", "no"),
        ("unsupported content", "no"),
        ("out of memory", "error"),
    ],
)
def test_a_failure_that_says_it_is_a_refusal(prober: Any, bench: Any, message: str, verdict: str) -> None:
    bench.bend = lambda body: {"error": {"message": message, "code": 500}} if len(bench.requests) == 2 else body
    run = prober("system")
    run.run()
    assert verdicts(run)["system"] == verdict


def test_the_limits_newer_name(prober: Any, bench: Any) -> None:
    error = {"message": "max_tokens is not known here; use max_completion_tokens", "code": 400}
    bench.bend = lambda body: body if "max_completion_tokens" in bench.requests[-1] else {"error": error}
    run = prober("n")
    run.run()
    assert verdicts(run) == {"text": "yes", "n": "yes"}
    assert [body.get("max_completion_tokens") for body in bench.requests] == [None, 20, 20]


def test_a_limit_by_neither_name(prober: Any, bench: Any) -> None:
    bench.bend = lambda body: {"error": {"message": "max_completion_tokens is not known here", "code": 400}}
    with pytest.raises(openai.BadRequestError):
        prober().run()
    assert len(bench.requests) == 2


@pytest.mark.parametrize(
    ("answers", "seen"),
    [
        (["no idea", "no idea", "MARZIPAN"], '1 of 3 tries: "MARZIPAN"'),
        (["no idea", "MARZIPAN", "MARZIPAN"], '2 of 3 tries: "MARZIPAN"'),
        (["no idea", "MARZIPAN", "no idea"], '1 of 3 tries: "MARZIPAN"'),
    ],
)
def test_weak_models_get_several_tries(prober: Any, bench: Any, answers: list[str], seen: str) -> None:
    said = iter(["hello", *answers])
    bench.words = lambda request: {"content": next(said)}
    run = prober("system")
    run.run()
    assert [(result.verdict, result.tries, result.seen) for result in run.results[1:]] == [("yes", 3, seen)]


EAGER = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "x"}'}}


def test_a_model_that_always_calls(prober: Any, bench: Any) -> None:
    bench.words = lambda request: {"tool_calls": [EAGER]} if request.get("tools") else {"content": "hello"}
    run = prober("required")
    run.run()
    assert verdicts(run)["required"] == "unclear"
    assert seen(run, "required").endswith("but it calls one without being told to, too")


def test_a_model_that_never_calls(prober: Any, bench: Any) -> None:
    bench.words = lambda request: {"content": "hello"}
    run = prober("none")
    run.run()
    assert verdicts(run)["none"] == "unclear"
    assert seen(run, "none").endswith("but it calls none when it may, either")


def test_a_comparison_that_fails_takes_nothing_away(prober: Any, bench: Any) -> None:
    bench.statuses = {3: 500}
    run = prober("required")
    run.run()
    assert verdicts(run)["required"] == "yes"


def test_a_server_that_does_not_keep_to_the_limit(prober: Any, bench: Any) -> None:
    bench.output = 500
    run = prober()
    with pytest.raises(ProviderFailure, match="does not keep to max_tokens"):
        run.run()
    assert len(bench.requests) < len(FEATURES)
    assert run.usage["completion_tokens"] < run.ceiling.tokens + 500


@pytest.mark.parametrize("over", [False, True])
def test_the_last_token_that_was_announced(prober: Any, bench: Any, over: bool) -> None:
    """80 tokens are: 20 for the text, 20 to spare, and 40 for two choices."""
    bench.output = 40 + over
    run = prober("n")
    assert run.ceiling == Ceiling(3, 80)
    if over:
        with pytest.raises(ProviderFailure, match="stopped at 41 output tokens"):
            run.run()
    else:
        run.run()
    assert len(bench.requests) == 2 - over


def test_the_ceiling_is_what_the_worst_server_takes(prober: Any, bench: Any) -> None:
    """Each try fails, no answer decides: all that was announced is asked for, and no more."""

    def stubborn(request: Json) -> Json:
        return {"content": "Repeat" if request.get("stream") else "No."}

    bench.words = stubborn
    run = prober()
    run.run()
    spare = sum(probe.spare + bool(probe.without) for probe in PROBES)
    decided = {"none", "reasoning"}
    saved = sum(probe.tries - 1 for probe in PROBES if probe.feature in decided)
    # `required` is never a yes, so nothing is compared; `none` is one at once, and is compared.
    assert len(bench.requests) == run.ceiling.requests - spare - saved + 1
    assert run.ceiling == Ceiling(sum(probe.requests for probe in PROBES), 20 * sum(probe.answers for probe in PROBES))


def test_the_pause(prober: Any, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    run = prober("n", "logprobs")
    run.pause = 2.5
    run.run()
    assert slept == [2.5, 2.5]


YES, IGNORED, UNCLEAR = Finding("yes", "y"), Finding("ignored", "i"), Finding("unclear", "u")
WRONG, NO = Finding("wrong", "w"), Finding("no", "n")


@pytest.mark.parametrize(
    ("findings", "enforced", "combined"),
    [
        ([YES], False, YES),
        ([IGNORED], True, IGNORED),
        ([IGNORED, WRONG], False, WRONG),
        ([UNCLEAR, NO], True, NO),
        ([IGNORED, YES, YES], False, Finding("yes", "2 of 3 tries: y")),
        ([IGNORED, YES, IGNORED], True, Finding("ignored", "1 of 3 tries only; i")),
        ([UNCLEAR, UNCLEAR, YES], True, Finding("yes", "1 of 3 tries: y")),
        ([IGNORED, UNCLEAR, IGNORED], False, Finding("ignored", "0 of 3 tries; i")),
        ([UNCLEAR, UNCLEAR, UNCLEAR], False, Finding("unclear", "3 tries; u")),
    ],
)
def test_tries_together(findings: list[Finding], enforced: bool, combined: Finding) -> None:
    assert combine(findings, enforced=enforced) == combined


@needs_llamacpp
def test_a_real_engine() -> None:
    with Client(max_retries=0) as client:
        prober = Prober(client, "llamacpp/demo", "llamacpp", PROBES, 512)
        prober.run()
    found = verdicts(prober)
    # The rehearsal model reads no instructions, and calls a tool whenever it has one.
    assert {feature: verdict for feature, verdict in found.items() if verdict != "yes"} == {
        "system": "ignored",
        "named": "no",
        "required": "unclear",
        "image": "no",
    }
    assert seen(prober, "named").startswith("dragoman: not expressible for llamacpp: ")
    assert prober.requests <= prober.ceiling.requests
    assert 0 < prober.usage["completion_tokens"] <= prober.ceiling.tokens


def test_probes_can_be_replaced(prober: Any) -> None:
    """The table is data: a probe with another judge needs no more."""
    own = replace(PROBES[0], feature="own", label="own", judge=lambda answer: Finding("yes", answer.text))
    run = prober("own", probes=[own])
    run.run()
    assert [(result.label, result.seen) for result in run.results] == [("own", "Paris, hello.")]
