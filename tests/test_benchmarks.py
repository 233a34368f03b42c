"""The benchmarks measure what they say, and the page says what was measured. No test here looks at a clock."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent / "benchmarks"
pytestmark = pytest.mark.usefixtures("scripts")


@pytest.fixture(scope="module")
def port(scripts: None) -> Iterator[int]:
    import loopback

    with loopback.provider() as found:
        yield found


def test_the_page_is_what_was_stored() -> None:
    import page

    for place, text in page.files().items():
        assert place.read_text("utf-8") == text, "run: python tests/benchmarks --write"


def test_a_stored_run_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import page

    run: dict[str, Any] = {"date": "today", "calls": [["a", "text", "sync", "sdk", [[1.0, 2.0, 3]]]], "notes": {}}
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    page.store("calls", run)
    assert page.load("calls") == run
    assert page.load("growth") is None


@pytest.mark.parametrize("compiler", ["gcc", None], ids=["c", "python"])
def test_both_providers_give_the_same_answers(compiler: str | None) -> None:
    import canned
    import loopback
    import workload

    def ask(port: int, path: str, **body: object) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 (as above)
            content: bytes = reply.read()
            return content

    with loopback.provider([30], compiler=compiler) as port:
        for vendor in workload.VENDORS:
            wire, model = canned.WIRES[vendor], workload.MODELS[vendor]["tool"]
            whole = ask(port, wire.tail, model=model, messages="x" * 300_000)
            assert json.loads(whole) == json.loads(wire.whole(canned.LEAD, canned.ARGUMENTS))
            lines = ask(port, wire.tail, stream=True, model="stream-30").splitlines()
            assert len(lines) >= 30
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(port, "/v1/messages", model="a-model-of-no-one")


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "mistral", "together", "ollama"])
def test_the_whole_answer_arrives_in_every_scenario(vendor: str, port: int) -> None:
    import campaign
    import environments
    import worker
    import workload

    scenarios = [*workload.SCENARIOS, "parallel"]
    # One of the SDKs shows that they are called rightly; a run of the benchmarks tells of the others.
    sides = ["sdk", "dragoman"] if vendor == "anthropic" else ["dragoman"]
    plan = campaign.Plan([vendor], scenarios, sides, list(campaign.MODES), rounds=1, blocks=1, seconds=0)
    run = campaign.Campaign(plan, environments.Environments(None), port, lambda text: None)
    run.run()
    assert run.notes == {}
    assert len(run.rows) == len(sides) * 2 * len(scenarios)
    assert all(calls >= 2 and cpu > 0 for [[cpu, _, calls]] in run.rows.values())
    assert worker.versions()["openai"] == run.versions[f"dragoman-{vendor}"]["openai"]


def test_a_side_that_does_not_work_is_told_and_harms_nobody(port: int) -> None:
    import campaign
    import environments

    plan = campaign.Plan(["ollama"], ["text"], ["dragoman", "tensorzero"], ["sync"], rounds=1, blocks=1, seconds=0)
    run = campaign.Campaign(plan, environments.Environments(None), port, lambda text: None)
    run.run()
    assert run.notes == {"tensorzero, ollama": "NotMadeForThisError: not measured with ollama"}
    assert list(run.rows) == [("ollama", "text", "sync", "dragoman")]


def test_an_answer_that_lost_something_is_noticed() -> None:
    import canned
    import worker

    text = "".join(canned.TEXT)
    worker.judge("stream", text)
    worker.judge("tool", "I look." + json.dumps(canned.ARGUMENTS))
    with pytest.raises(AssertionError, match="another text"):
        worker.judge("stream", text[:-1])
    with pytest.raises(AssertionError, match="other arguments"):
        worker.judge("tool", json.dumps({**canned.ARGUMENTS, "days": 8}))


def test_a_conversation_means_the_same_in_each_form() -> None:
    import workload

    chat = workload.chat("large")
    assert len(chat.messages) == 200
    assert len(chat.tools) == 40
    assert 320_000 < len(json.dumps(chat.request)) < 340_000
    results = [one for one in chat.messages if one["role"] == "tool"]
    for vendor in workload.VENDORS:
        text = json.dumps(workload.native(vendor, chat))
        assert text.count("Question ") == sum("Question " in str(one["content"]) for one in chat.messages)
        assert text.count("Lisbon, Portugal") >= len(results)
    assert [len(workload.history(length)) for length in (2, 3, 10, 99, 100)] == [2, 3, 10, 99, 100]


def test_ratios_are_of_the_same_round() -> None:
    import budget
    import report

    sides = [["anthropic", "large", "sync", "sdk", [[100.0, 50.0, 9], [200.0, 50.0, 9]]]]
    sides += [["anthropic", "large", "sync", "dragoman", [[20.0, 5.0, 9], [60.0, 5.0, 9]]]]
    row = next(line for line in report.calls_table({"calls": sides}).splitlines() if "332" in line)
    assert "| 0.25 [0.20..0.30] | 0.10 | 40 | 0.25 | 0.1 | must |" in row
    assert [budget.Limit(0.25, 0.1).mark(value) for value in (0.1, 0.11, 0.26)] == ["aim", "must", "miss"]


def test_growth_that_is_more_than_linear_is_told() -> None:
    import growing

    sizes = [1.0, 10.0, 100.0, 1000.0]
    assert growing.exponent(sizes, [size**2 for size in sizes]) == pytest.approx(2)
    curves = {"it": {"sizes": sizes, "series": {"flat": [5.0] * 4, "linear": sizes, "steep": [x**1.3 for x in sizes]}}}
    assert growing.steep({"curves": curves}) == ["it, steep: 1.30"]
    assert "**1.30**" in next(growing.tables({"curves": curves}))[1]


def test_counts_are_compared_by_the_yardstick() -> None:
    import instructions

    before = {"yardstick": 100, "a.encode": 1000, "a.decode": 1000, "b.encode": 10}
    now = {"yardstick": 200, "a.encode": 2180, "a.decode": 2300, "c.encode": 10}
    text, moved = instructions.compare(now, before)
    assert moved == ["a.decode: +15.0%", "b.encode is gone", "c.encode is new"]
    assert "| a.encode | 2,000 | 2,180 | +9.0% |" in text
    dump = "desc: Trigger: Client Request: a.encode 8\nevents: Ir\nsummary: 12\ntotals: 4711\n"
    assert instructions.read(dump) == (("a.encode", 8), 4711)
    assert instructions.read(dump.replace("a.encode 8", "between")) is None


def test_what_is_counted_runs() -> None:
    import counted

    names = []
    for name, run in counted.everything():
        run()
        names.append(name)
    assert {"yardstick", "core.json", "anthropic.encode", "ollama.stream", "vllm.decode"} <= set(names)


def test_memory_that_stays_is_seen() -> None:
    import memory

    kept: list[bytearray] = []

    def leak(times: int) -> None:
        kept.extend(bytearray(1_000) for _ in range(times))

    assert memory.traced(leak, 5, 200)["second"] > 100_000
    assert memory.traced(lambda times: None, 5, 200)["second"] < 10_000


def test_memory_is_measured_of_a_real_side(port: int) -> None:
    import campaign
    import environments

    found = campaign.memory(environments.Environments(None), "dragoman", "anthropic", port, (20, 6, 5))
    assert found["calls"]["times"] == 20
    assert found["held"]["open"] == 5
    assert found["connections"] <= 1


@pytest.mark.skipif(not shutil.which("gcc"), reason="the load is a program in C")
def test_the_load_checks_every_answer(port: int, tmp_path: Path) -> None:
    import canned
    import gateways

    load, body = gateways.Load(tmp_path), gateways.asked("openai", stream=True)
    path = canned.WIRES["openai"].tail
    found = load.run(port, path, {}, body, "[DONE]", 3, 0.05)
    assert found["answers"] >= 3
    assert 0 < found["p50"] <= found["p99"] <= found["most"]
    with pytest.raises(RuntimeError, match=r"were not right: HTTP/1\.1 200"):
        load.run(port, path, {}, body, "[NEVER]", 1, 0.01)
    with pytest.raises(RuntimeError, match=r"were not right: HTTP/1\.1 404"):
        load.run(port, "/v1/nothing", {}, body, "[DONE]", 1, 0.01)


def test_a_rate_is_held_against_its_budget() -> None:
    import gatewaytables

    values = {"p50": 1.0, "p99": 2.0, "answers": 9, "cpu": 0.5}
    rows = [
        [name, "openai", "16", turn, {**values, "rate": rate + turn}]
        for name, rate in {"dragoman": 2000.0, "litellm": 50.0}.items()
        for turn in range(3)
    ]
    starts = [["dragoman", 0, {"seconds": 1.5, "idle": 70.0, "after": 75.0}]]
    text = "\n".join(gatewaytables.parts({"rows": rows, "starts": starts, "versions": {}, "notes": {"x": "broken"}}))
    assert "| dragoman | 2,001 [2,000..2,002] | 1.00 | 2.00 | 0.50 | 1,500 | 2,900 | must |" in text
    assert "| litellm | 51 [50..52] | 1.00 | 2.00 | 0.50 |  |  |  |" in text
    assert "| dragoman | 1.5 | 70.0 | 75.0 |" in text
    assert "x was not measured: broken" in text
