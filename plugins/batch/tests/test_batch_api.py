from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from batch_lab import Json, Vendor, completion, request, usual, write

from dragoman.batch import Request, Result, arun, run
from dragoman.core import AsyncClient, Client, DragomanError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


def test_results_come_as_they_are_there(vendor: Vendor) -> None:
    results = run(request(number) for number in range(50))
    found = {result.custom_id: result for result in results}
    assert len(found) == 50
    one = found["r7"]
    assert (one.ok, one.status, one.line, one.provider, one.retries) == (True, 200, 8, "openai", 0)
    assert one.body["choices"][0]["message"]["content"] == "question 7"
    assert results.summary.answered == 50
    assert one.usage == completion()["usage"]


def test_what_may_be_asked(vendor: Vendor, tmp_path: Path) -> None:
    body = request(1)["body"]
    asked: list[Any] = [
        Request("a", body),
        {"messages": body["messages"]},
        {"custom_id": "b", "body": body},
        {"x": 1},
        5,
    ]
    found = {result.line: result for result in run(asked, model="m")}
    assert [found[line].custom_id for line in range(1, 5)] == ["a", "line-2", "b", ""]
    assert [found[line].ok for line in range(1, 6)] == [True, True, True, False, False]
    assert found[4].error
    assert found[4].error["code"] == "missing_custom_id"
    path = write(tmp_path / "r.jsonl", [request(1), request(2)])
    for name in (path, str(path)):
        assert sorted(result.custom_id for result in run(name)) == ["r1", "r2"]
    for thread in threading.enumerate():
        if thread.name.startswith("dragoman-batch"):
            thread.join(60)
            assert not thread.is_alive(), thread.name


def test_asynchronously(vendor: Vendor) -> None:
    async def requests() -> AsyncIterator[Json]:
        for number in range(20):
            await asyncio.sleep(0)
            yield request(number)

    async def go() -> list[Result]:
        return [result async for result in arun(requests())]

    assert len(asyncio.run(go())) == 20


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_says_how_providers_are_reached(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, kind: type[Client | AsyncClient]
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    client = kind(base_url=vendor.url, api_key="sk-other", aliases={"m": "openai/x"}, default_headers={"x-team": "t"})
    [result] = run([request(1)], client=client)
    assert result.ok
    assert "sk-other" in vendor.heads[0]
    assert "x-team: t" in vendor.heads[0]


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(DragomanError, match=r"client must be a dragoman.core.Client"):
        run([], client=5)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DragomanError, match="there is no engine 'x'"):
        run([], engine="x")


def test_whoever_leaves_early_ends_it(vendor: Vendor) -> None:
    def endless() -> Iterator[Json]:
        number = 0
        while True:
            number += 1
            yield request(number)

    for result in run(endless()):
        assert result.ok
        break
    assert not [thread for thread in threading.enumerate() if thread.name == "dragoman-batch"]

    async def go() -> None:
        results = arun(endless()).take()
        async for result in results:
            assert result.ok
            break
        await results.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(go())


def test_nothing_new_is_asked_while_nobody_reads(vendor: Vendor) -> None:
    results = iter(run(request(number) for number in range(6000)))
    next(results)
    quiet = threading.Event()
    before = -1
    # Until nothing more is asked.
    while before != (before := sum(vendor.asked.values())):
        quiet.wait(1.0)
    assert before < 4000
    assert sum(1 for _ in results) == 5999


def test_what_ends_it_is_raised(vendor: Vendor, tmp_path: Path) -> None:
    async def refuse(body: Json) -> Any:
        return 401, {}, {"error": {"message": "bad key"}}

    vendor.answer = refuse
    with pytest.raises(DragomanError, match="bad key"):
        list(run([request(1)]))
    vendor.answer = usual

    def broken() -> Iterator[Json]:
        yield request(1)
        message = "the database is gone"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="the database is gone"):
        list(run(broken()))
    with pytest.raises(DragomanError, match="cannot be read"):
        list(run(tmp_path / "nowhere.jsonl"))


def test_results_can_be_written_as_files_have_them(vendor: Vendor) -> None:
    from dragoman.batch.lines import output_line

    [result] = run([request(1)])
    assert json.loads(output_line(result))["response"]["body"] == result.body
