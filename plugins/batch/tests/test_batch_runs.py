from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from batch_lab import Json, Vendor, completion, ids, read, request, usual, write

from dragoman.batch.compression import zstd
from dragoman.batch.files import Places, run_file
from dragoman.batch.limits import Limits
from dragoman.batch.lines import read_line
from dragoman.batch.local import LocalEngine
from dragoman.batch.options import Options, read_file, settings_of
from dragoman.core import DragomanError

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.batch.summary import Summary


def go(folder: Path, lines: list[Any] | None = None, *, config: Path | None = None, **given: Any) -> Summary:
    """Run in this process: requests.jsonl, answers.jsonl, errors.jsonl."""
    if lines is not None:
        write(folder / "requests.jsonl", lines)
    where = {name: given.pop(name) for name in ("overwrite", "retry_failed") if name in given}
    places = Places(*(str(folder / f"{name}.jsonl") for name in ("requests", "answers", "errors")), **where)
    settings, options = settings_of(config)
    given = {name: getattr(options, name) for name in Options.__slots__} | given
    return run_file(places, LocalEngine(), settings, Options(**given), quiet=True)


def test_each_request_has_one_answer(vendor: Vendor, tmp_path: Path) -> None:
    summary = go(tmp_path, [request(number) for number in range(300)])
    assert (summary.answered, summary.failed, summary.bad, summary.stopped) == (300, 0, 0, "")
    lines = read(tmp_path / "answers.jsonl")
    assert sorted(line["custom_id"] for line in lines) == sorted(f"r{number}" for number in range(300))
    for line in lines:
        said = line["response"]["body"]["choices"][0]["message"]["content"]
        assert said == f"question {line['custom_id'][1:]}"
        assert (line["response"]["status_code"], line["error"]) == (200, None)
    assert summary.prompt_tokens == 3000
    assert set(vendor.asked.values()) == {1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "errors.jsonl", "requests.jsonl"]


def test_bad_lines_never_stop_the_rest(vendor: Vendor, tmp_path: Path) -> None:
    bad = ["{nonsense", request(1), {"custom_id": "u", "url": "/v1/x", "body": {}}, "[]"]
    summary = go(tmp_path, [request(1), *bad, "", request(2)])
    assert (summary.answered, summary.bad) == (2, 4)
    errors = read(tmp_path / "errors.jsonl")
    assert [(line["error"]["line"], line["error"]["code"]) for line in errors] == [
        (2, "invalid_json"),
        (3, "duplicate_custom_id"),
        (4, "unknown_endpoint"),
        (5, "invalid_request"),
    ]
    assert errors[1]["error"]["message"] == "line 3 has the custom_id of line 1"
    # They are not told again.
    again = go(tmp_path)
    assert (again.answered, again.bad, again.skipped, again.failed_before) == (0, 0, 2, 4)
    assert len(read(tmp_path / "errors.jsonl")) == 4


def test_what_a_provider_does_not_have_is_an_error_with_its_line(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    body = {"model": "anthropic/claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}], "seed": 7}
    summary = go(tmp_path, [request(1), request(2, body=body)])
    assert (summary.answered, summary.failed) == (1, 1)
    [error] = read(tmp_path / "errors.jsonl")
    assert (error["custom_id"], error["error"]["code"], error["error"]["line"]) == ("r2", "unsupported_parameter", 2)
    assert "anthropic does not support seed" in error["error"]["message"]


def test_a_refusal_is_kept_as_openai_does(vendor: Vendor, tmp_path: Path) -> None:
    async def refuse(body: Json) -> Any:
        return 400, {"x-request-id": "q1"}, {"error": {"message": "no", "type": "t", "param": "p", "code": "c"}}

    vendor.answer = refuse
    summary = go(tmp_path, [request(1)])
    assert (summary.failed, summary.retries) == (1, 0)
    [error] = read(tmp_path / "errors.jsonl")
    body = {"error": {"message": "no", "type": "t", "param": "p", "code": "c"}}
    assert error["response"] == {"status_code": 400, "request_id": "q1", "body": body}
    assert (error["error"], error["line"]) == (None, 1)
    # Failures are final, unless they are asked for.
    vendor.answer = usual
    assert go(tmp_path).answered == 0
    assert go(tmp_path, retry_failed=True).answered == 1
    assert read(tmp_path / "errors.jsonl") == []


@pytest.mark.parametrize("status", [200, 400])
def test_half_a_character_in_an_error_is_one_requests_affair(vendor: Vendor, tmp_path: Path, status: int) -> None:
    """Servers quote the prompt, and cut it anywhere."""

    async def answer(body: Json) -> Any:
        if body["messages"][-1]["content"] != "question 2":
            return await usual(body)
        return status, {}, {"error": {"message": "cut emoji \ud83d", "type": None, "code": "c", "x": float("nan")}}

    vendor.answer = answer
    summary = go(tmp_path, [request(number) for number in (1, 2, 3)])
    assert (summary.answered, summary.failed, summary.failure) == (2, 1, None)
    assert "cut emoji \ud83d" in json.dumps(read(tmp_path / "errors.jsonl"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": "5", "completion_tokens": "x"}, (0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": None, "total_tokens": "n/a"}, (5, 0)),
        ({"prompt_tokens": 5.0, "completion_tokens": 1e999}, (5, 0)),
        ([1], (0, 0)),
        ("n/a", (0, 0)),
    ],
)
def test_odd_counts_are_not_known(vendor: Vendor, tmp_path: Path, usage: Any, tokens: tuple[int, int]) -> None:
    async def answer(body: Json) -> Any:
        return 200, {}, {**await _completion(body), "usage": usage}

    vendor.answer = answer
    summary = go(tmp_path, [request(1)], limits={"openai": Limits(tokens_per_minute=1e9)})
    assert (summary.answered, summary.failed, summary.failure) == (1, 0, None)
    assert (summary.prompt_tokens, summary.completion_tokens) == tokens


async def _completion(body: Json) -> Json:
    _, _, answer = await usual(body)
    return dict(answer)


def test_other_endpoints(vendor: Vendor, tmp_path: Path) -> None:
    async def answer(body: Json) -> Any:
        usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        return 200, {}, {"id": "x", "object": "any", "usage": usage, "got": body["input"]}

    vendor.answer = answer
    lines = [
        {"custom_id": kind, "url": f"/v1/{kind}", "body": {"model": "m", "input": kind}}
        for kind in ("embeddings", "responses")
    ]
    summary = go(tmp_path, lines)
    assert (summary.answered, summary.prompt_tokens, summary.completion_tokens) == (2, 6, 8)
    got = {line["custom_id"]: line["response"]["body"]["got"] for line in read(tmp_path / "answers.jsonl")}
    assert got == {"embeddings": "embeddings", "responses": "responses"}
    assert {head.split()[1] for head in vendor.heads} == {"/v1/embeddings", "/v1/responses"}


def test_a_provider_without_an_endpoint_says_so(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    go(
        tmp_path,
        [{"custom_id": "a", "url": "/v1/embeddings", "body": {"model": "anthropic/claude-sonnet-4-5", "input": "x"}}],
    )
    [error] = read(tmp_path / "errors.jsonl")
    assert "has no 'embeddings' endpoint" in error["response"]["body"]["error"]["message"]


def test_a_provider_with_too_much_to_do_is_asked_less(vendor: Vendor, tmp_path: Path) -> None:
    async def answer(body: Json) -> Any:
        await asyncio.sleep(0.02)
        if vendor.open > 12:
            return 429, {}, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        return 200, {}, completion()

    vendor.answer = answer
    summary = go(tmp_path, [request(number) for number in range(400)])
    assert (summary.answered, summary.failed) == (400, 0)
    assert 0 < summary.retries < 200
    assert summary.retries == sum(vendor.asked.values()) - 400


def test_retry_after_is_waited_for(vendor: Vendor, tmp_path: Path) -> None:
    told: list[float] = []

    async def answer(body: Json) -> Any:
        if not told:
            told.append(time.monotonic())
            return 429, {"retry-after": "2"}, {"error": {"message": "slow down"}}
        return 200, {}, completion()

    vendor.answer = answer
    go(tmp_path, [request(number) for number in range(50)])
    # What was under way already does not count.
    late = [at for at in vendor.times if at > told[0] + 1]
    assert late
    assert min(late) >= told[0] + 2 - 0.01


def test_failures_of_a_requests_own_are_tried_so_often(vendor: Vendor, tmp_path: Path) -> None:
    async def answer(body: Json) -> Any:
        if body["messages"][-1]["content"] == "question 1":
            return 500, {"retry-after": "0"}, {"error": {"message": "broken"}}
        return 200, {}, completion()

    vendor.answer = answer
    summary = go(tmp_path, [request(1), request(2)], max_retries=2)
    assert (summary.answered, summary.failed, summary.retries) == (1, 1, 2)
    assert vendor.asked["question 1"] == 3


def test_an_attempt_takes_so_long_at_most(vendor: Vendor, tmp_path: Path) -> None:
    async def answer(body: Json) -> Any:
        if body["messages"][-1]["content"] == "question 1":
            await asyncio.sleep(60)
        return 200, {}, completion()

    vendor.answer = answer
    summary = go(tmp_path, [request(1), request(2)], timeout=0.5, max_retries=0)
    assert (summary.answered, summary.failed) == (1, 1)
    [error] = read(tmp_path / "errors.jsonl")
    assert (error["error"]["code"], error["response"]) == ("timeout", None)
    assert "within 0.5 seconds" in error["error"]["message"]


def test_requests_per_minute(vendor: Vendor, tmp_path: Path) -> None:
    begun = time.monotonic()
    summary = go(tmp_path, [request(number) for number in range(40)], limits={"openai": Limits(1200)})
    assert summary.answered == 40
    assert time.monotonic() - begun >= 38 / 20
    assert all(sum(at <= other < at + 1 for other in vendor.times) <= 23 for at in vendor.times)


def test_tokens_per_minute(vendor: Vendor, tmp_path: Path) -> None:
    begun = time.monotonic()
    # 15 tokens each; a tenth of a second's worth may be taken at once.
    summary = go(tmp_path, [request(number) for number in range(40)], limits={"": Limits(None, 18000)})
    assert summary.answered == 40
    assert time.monotonic() - begun >= (40 * 15 - 300 - 30) / 300


def test_one_providers_limit_does_not_hold_up_another(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_BASE", vendor.url)
    monkeypatch.setenv("VLLM_API_KEY", "k")
    other = {"model": "vllm/m", "messages": [{"role": "user", "content": "other"}]}
    lines = [request(number) for number in range(20)] + [request(100 + number, body=other) for number in range(20)]
    go(tmp_path, lines, limits={"openai": Limits(600)})
    first = [line["custom_id"] for line in read(tmp_path / "answers.jsonl")][:20]
    assert sum(len(custom_id) == 4 for custom_id in first) >= 15


def test_the_cost_cap_stops_and_says_where(vendor: Vendor, tmp_path: Path) -> None:
    async def answer(body: Json) -> Any:
        await asyncio.sleep(0.01)
        return 200, {}, completion()

    vendor.answer = answer
    config = tmp_path / "dragoman.toml"
    # 10 and 5 tokens: 0.02 dollars.
    config.write_text(f'[models.m]\nmodel = "openai/m"\nbase_url = "{vendor.url}"\nprice = [1.0, 2.0]\n', "utf-8")
    lines = [request(number) for number in range(400)]
    summary = go(tmp_path, lines, config=config, max_cost=Decimal(1))
    assert summary.stopped == "cost"
    assert Decimal("0.9") <= summary.cost <= 1
    assert summary.answered == sum(vendor.asked.values()) < 100
    assert summary.first_left == summary.answered + 1
    more = go(tmp_path, config=config)
    assert more.answered + summary.answered == 400
    assert set(vendor.asked.values()) == {1}


def test_a_cap_on_what_nobody_knows_is_refused(vendor: Vendor, tmp_path: Path) -> None:
    summary = go(tmp_path, [request(number) for number in range(500)], max_cost=Decimal(1))
    assert "no price is known for the model 'm'" in str(summary.failure)
    assert "an entry of the configuration can have a price" in str(summary.failure)
    assert (summary.stopped, summary.first_left, vendor.asked) == ("input", 1, {})


def test_a_cap_is_held_where_one_of_several_models_has_no_price(vendor: Vendor, tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    entry = f'[[models.m]]\nmodel = "openai/m"\nbase_url = "{vendor.url}"\n'
    config.write_text(f"{entry}{entry}price = [1.0, 2.0]\n", "utf-8")
    summary = go(tmp_path, [request(number) for number in range(500)], config=config, max_cost=Decimal(1))
    assert "nobody knows what the answer to r" in str(summary.failure)
    assert 0 < summary.answered < 500


def test_a_provider_that_is_not_here_stops_before_anything_fails(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At a server of somebody's own, any name may be a model's.
    monkeypatch.delenv("OPENAI_BASE_URL")
    lines = [request(number) for number in range(300)]
    for line in lines:
        del line["body"]["model"]
    summary = go(tmp_path, lines, model="lamacpp/demo")
    assert (summary.stopped, summary.answered, summary.failed, summary.first_left) == ("input", 0, 0, 1)
    assert "'lamacpp'" in str(summary.failure)
    assert "did you mean llamacpp?" in str(summary.failure)
    assert read(tmp_path / "errors.jsonl") == []
    monkeypatch.setenv("OPENAI_BASE_URL", vendor.url)
    assert go(tmp_path, model="openai/m").answered == 300


def test_a_model_that_its_provider_does_not_have_fails_alone(vendor: Vendor, tmp_path: Path) -> None:
    async def answer(body: Json) -> Any:
        if body["model"] == "none":
            return 200, {}, {"error": {"message": "there is no such model", "code": "model_not_found"}}
        if body["model"] == "nothing":
            return 404, {}, {"error": {"message": "there is no such model", "code": "model_not_found"}}
        return await usual(body)

    vendor.answer = answer
    lines = [request(number) for number in range(4)]
    for line, model in zip(lines, ("none", "nothing", "m", "m"), strict=True):
        line["body"]["model"] = model
    summary = go(tmp_path, lines)
    assert (summary.stopped, summary.answered, summary.failed) == ("", 2, 2)


def test_limits_of_a_provider_that_is_nowhere_are_refused(vendor: Vendor, tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text(f'[models.mine]\nmodel = "openai/m"\nbase_url = "{vendor.url}"\n', "utf-8")
    lines = [request(1, body={**request(1)["body"], "model": "mine"})]
    with pytest.raises(DragomanError, match=r"limits for 'lamacpp', .*; did you mean llamacpp"):
        go(tmp_path, lines, config=config, limits={"lamacpp": Limits(1)})
    with pytest.raises(DragomanError, match=r"limits for 'zzz', .*; known are .*anthropic.*mine"):
        go(tmp_path, lines, config=config, limits={"zzz": Limits(1)})
    assert not vendor.asked
    known = {"mine": Limits(600), "anthropic": Limits(5), "": Limits(600)}
    assert go(tmp_path, lines, config=config, limits=known).answered == 1


def test_another_model_steps_in(vendor: Vendor, tmp_path: Path) -> None:
    async def answer(body: Json) -> Any:
        if body["model"] == "first":
            return 500, {}, {"error": {"message": "down"}}
        return 200, {}, completion(body["model"])

    vendor.answer = answer
    config = tmp_path / "dragoman.toml"
    text = 'max_retries = 0\n[[models.m]]\nmodel = "openai/first"\n[[models.m]]\nmodel = "openai/second"\n'
    config.write_text(text, "utf-8")
    with pytest.warns(match="going on with"):
        summary = go(tmp_path, [request(1)], config=config)
    assert summary.answered == 1
    [line] = read(tmp_path / "answers.jsonl")
    assert line["response"]["body"]["choices"][0]["message"]["content"] == "second"


def test_a_refused_key_stops_before_anything_is_lost(vendor: Vendor, tmp_path: Path) -> None:
    async def refuse(body: Json) -> Any:
        return 401, {}, {"error": {"message": "bad key", "code": "invalid_api_key"}}

    vendor.answer = refuse
    summary = go(tmp_path, [request(number) for number in range(3000)])
    assert (summary.stopped, summary.answered, summary.failed, summary.first_left) == ("key", 0, 0, 1)
    assert str(summary.failure) == "openai: bad key"
    assert sum(vendor.asked.values()) <= 16
    vendor.answer = usual
    assert go(tmp_path, [request(number) for number in range(3000)][:50]).answered == 50


def test_a_provider_that_nobody_reaches_ends_it_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        summary = go(tmp_path, [request(number) for number in range(300)], max_retries=1)
    assert (summary.stopped, summary.failed, summary.first_left) == ("provider", 0, 1)
    assert str(summary.failure).startswith("openai: connection failed")
    assert read(tmp_path / "errors.jsonl") == []


def test_an_outage_on_the_way_is_no_requests_fault(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.batch.desk._FIRST", 0.01)
    cut = 0

    async def answer(body: Json) -> Any:
        nonlocal cut
        if 20 <= sum(vendor.asked.values()) < 200:
            cut += 1
            raise ConnectionError
        return await usual(body)

    vendor.answer = answer
    summary = go(tmp_path, [request(number) for number in range(60)], max_retries=1)
    assert (summary.answered, summary.failed, summary.stopped) == (60, 0, "")
    assert cut == 180


def test_a_request_that_breaks_connections_fails_alone(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.batch.desk._FIRST", 0.01)

    async def answer(body: Json) -> Any:
        if body["messages"][-1]["content"] == "question 0":
            raise ConnectionError
        return await usual(body)

    vendor.answer = answer
    summary = go(tmp_path, [request(number) for number in range(60)], max_retries=1)
    assert (summary.answered, summary.failed, summary.stopped) == (59, 1, "")


def test_large_lines_are_not_read_far_ahead(vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.batch.desk._BYTES_AHEAD", 100_000)
    monkeypatch.setattr("dragoman.batch.inputs._BYTES_AT_ONCE", 10_000)
    read_so_far = 0

    async def answer(body: Json) -> Any:
        nonlocal read_so_far
        if not read_so_far:
            await asyncio.sleep(0.2)
            read_so_far = max(line for line in lines_read)
        return await usual(body)

    lines_read = [0]

    def note(text: bytes | None, number: int, model: str = "") -> Any:
        lines_read.append(number)
        return read_line(text, number, model)

    monkeypatch.setattr("dragoman.batch.sources.read_line", note)
    vendor.answer = answer
    large = [request(number, padding="x" * 10_000) for number in range(200)]
    assert go(tmp_path, large, limits={"": Limits(max_concurrency=1)}).answered == 200
    assert 1 < read_so_far < 20


def test_no_key_is_said_before_anybody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    summary = go(tmp_path, [request(1)])
    assert summary.stopped == "key"
    assert "OPENAI_API_KEY" in str(summary.failure)


@pytest.mark.parametrize("ending", ["jsonl.gz", "jsonl.zst"])
def test_compressed_files(vendor: Vendor, tmp_path: Path, ending: str) -> None:
    text = "".join(json.dumps(request(number)) + "\n" for number in range(100)).encode()
    source = tmp_path / f"requests.{ending}"
    opener: Any = gzip.open if ending.endswith("gz") else zstd().open
    with opener(str(source), "wb") as file:
        file.write(text)
    places = Places(*(str(tmp_path / f"{name}.{ending}") for name in ("requests", "answers", "errors")))
    settings, options = settings_of()
    first = run_file(places, LocalEngine(), settings, options, quiet=True)
    assert first.answered == 100
    with opener(str(tmp_path / f"answers.{ending}"), "rb") as file:
        found = [json.loads(line)["custom_id"] for line in file]
    assert sorted(found) == sorted(f"r{number}" for number in range(100))
    assert run_file(places, LocalEngine(), settings, options, quiet=True).skipped == 100
    # Half of a compressed file is half of the requests, and one clear failure.
    source.write_bytes(source.read_bytes()[:-30])
    broken = run_file(places, LocalEngine(), settings, options, quiet=True)
    assert broken.stopped == "input"
    assert "is broken after line" in str(broken.failure)


def test_overwrite_begins_anew(vendor: Vendor, tmp_path: Path) -> None:
    go(tmp_path, [request(1)])
    assert go(tmp_path, [request(2)], overwrite=True).answered == 1
    assert ids(tmp_path / "answers.jsonl") == ["r2"]


def test_answers_to_nothing_in_the_input_are_noticed(vendor: Vendor, tmp_path: Path) -> None:
    go(tmp_path, [request(1), request(2)])
    assert go(tmp_path, [request(2), request(3)]).strangers == 1


def test_files_that_are_one(tmp_path: Path) -> None:
    name = str(write(tmp_path / "a.jsonl", [request(1)]))
    linked = tmp_path / "b.jsonl"
    linked.hardlink_to(name)
    for output in (name, str(linked)):
        with pytest.raises(DragomanError, match="three different files"):
            Places(name, output, str(tmp_path / "e")).check()


def test_a_configuration_says_it(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.toml"
    path.write_text(
        "[batch]\nmax_retries = 1\nmax_cost = 2.5\nrequest_timeout = 3\nmax_concurrency = 9\n"
        "[batch.limits.anthropic]\nrequests_per_minute = 50\n",
        "utf-8",
    )
    _, options = read_file(path)
    assert (options.max_retries, options.max_cost, options.timeout) == (1, Decimal("2.5"), 3)
    assert options.limits_of("anthropic") == Limits(50, None, 9)
    path.write_text("[batch]\nmax_cots = 1\n", "utf-8")
    with pytest.raises(DragomanError, match=r"dragoman.toml:2: batch.max_cots: is unknown; did you mean max_cost"):
        read_file(path)
    path.write_text("[batch.limits]\nanthropic = 5\n", "utf-8")
    with pytest.raises(DragomanError, match=r"dragoman.toml:2: batch.limits.anthropic: must be a table"):
        read_file(path)


def test_keys_stay_out_of_errors(vendor: Vendor, tmp_path: Path) -> None:
    async def refuse(body: Json) -> Any:
        return 400, {}, {"error": {"message": "not for sk-test-long-enough"}}

    vendor.answer = refuse
    config = tmp_path / "c.toml"
    config.write_text(f'[models.m]\nmodel = "openai/m"\nbase_url = "{vendor.url}"\napi_key = "sk-test-long-enough"\n')
    go(tmp_path, [request(1)], config=config)
    assert "sk-test-long-enough" not in (tmp_path / "errors.jsonl").read_text("utf-8")
