"""`dragoman batch --engine ray` on a cluster of several nodes, one of which is killed on the way."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if find_spec("ray") is None:
    pytest.skip("needs Ray: nox -s ray", allow_module_level=True)

from cluster_lab import Cluster, Program, tell

from dragoman.batch import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Each node has a key of its own, by which the provider tells them apart; the run's must be nobody's.
KEYS = ("key-of-a-node-01234567", "key-of-another-76543210")
OWN_KEY = "key-of-the-driver-01234567"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head without workers, and two nodes."""
    made = Cluster(tmp_path_factory.mktemp("r"), cpus=0)
    for key in KEYS:
        made.add(cpus=2, OPENAI_API_KEY=key)
    yield made
    assert made.close() == []


class Place:
    """A folder with a batch in it."""

    def __init__(self, folder: Path, cluster: Cluster, base_url: str) -> None:
        self.folder, self._cluster, self._base_url = folder, cluster, base_url
        self.running: list[Program] = []

    def write(self, count: int, model: str = "text", *, config: str = "") -> None:
        """Write so many requests, each of which says its number."""
        said = [{"role": "user", "content": ""}]
        lines = []
        for number in range(count):
            said = [{"role": "user", "content": f"number {number}"}]
            lines.append(json.dumps({"custom_id": f"r{number}", "body": {"model": model, "messages": said}}))
        (self.folder / "in.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        default = f'[providers.openai]\nbase_url = "{self._base_url}"\n'
        (self.folder / "config.toml").write_text(config or default, "utf-8")

    def start(self, *options: str, **env: str) -> Program:
        where = ["--config", str(self.folder / "config.toml"), "--engine", "ray", "--address", self._cluster.address]
        command = [sys.executable, "-m", "dragoman", "batch", str(self.folder / "in.jsonl"), *where, *options]
        self.running.append(Program(*command, **{"OPENAI_API_KEY": OWN_KEY, **env}))
        return self.running[-1]

    def answered(self) -> Counter[str]:
        """Which lines the output has, and how often."""
        output = self.folder / "in.out.jsonl"
        lines = output.read_text("utf-8").splitlines() if output.exists() else []
        return Counter(json.loads(line)["custom_id"] for line in lines)

    def errors(self) -> list[Any]:
        errors = self.folder / "in.errors.jsonl"
        return [json.loads(line) for line in errors.read_text("utf-8").splitlines()] if errors.exists() else []


@pytest.fixture
def place(tmp_path: Path, cluster: Cluster, provider: Any) -> Iterator[Place]:
    made = Place(tmp_path, cluster, provider.url)
    yield made
    provider.release.set()
    for program in made.running:
        program.kill()


def test_a_node_is_killed_and_no_line_is_lost(place: Place, cluster: Cluster, provider: Any) -> None:
    place.write(400)
    provider.hold_after(100)
    begun = time.monotonic()
    program = place.start("--max-concurrency", "40")
    provider.until_held(40)
    # The node that has asked most recently.
    number = KEYS.index(provider.seen[-1].headers["authorization"].removeprefix("Bearer "))
    cluster.nodes[1 + number].kill()
    provider.release.set()
    assert program.wait() == 0, program.said
    took = time.monotonic() - begun
    answered, asked = place.answered(), Counter(seen.body["messages"][-1]["content"] for seen in provider.seen)
    assert answered == Counter(f"r{number}" for number in range(400))
    assert place.errors() == []
    repeated = asked.total() - len(asked)
    assert 0 < repeated <= 40
    lines = f"{len(answered)} lines answered, {400 - len(answered)} lost, {repeated} asked twice"
    tell(f"{lines}, {took:.1f} s\n{program.said}")
    cluster.nodes[1 + number] = cluster.add(cpus=2, OPENAI_API_KEY=KEYS[number])


def test_keys_are_those_of_the_workers(place: Place, provider: Any) -> None:
    place.write(20)
    assert place.start().wait() == 0
    assert {seen.headers["authorization"] for seen in provider.seen} <= {f"Bearer {key}" for key in KEYS}


@pytest.mark.parametrize("sent", [False, True])
def test_other_keys_are_sent_where_that_is_said(place: Place, provider: Any, sent: bool) -> None:
    config = f'[providers.openai]\nbase_url = "{provider.url}"\napi_key = "key-written-down-01234567"\n'
    place.write(5, config=config)
    program = place.start(*(["--send-keys"] if sent else []))
    assert program.wait() == (0 if sent else 2), program.said
    assert "key-written" not in program.said
    if sent:
        assert {seen.headers["authorization"] for seen in provider.seen} == {"Bearer key-written-down-01234567"}
    else:
        assert "--send-keys" in program.said
        assert provider.seen == []


def test_limits_are_those_of_all_workers_together(place: Place, provider: Any) -> None:
    place.write(60)
    assert place.start("--max-concurrency", "3", "--requests-per-minute", "600").wait() == 0
    assert place.answered().total() == 60
    assert provider.most_at_once <= 3
    first, last = provider.times[0], provider.times[-1]
    # Ten a second; the first may have been late.
    assert last - first > 4


def test_the_cost_cap_holds_for_all_workers_together(place: Place, provider: Any) -> None:
    """An answer has 5 and 3 tokens: 0.01 dollars. Those that are on their way are not known yet."""
    entry = f'[[models.priced]]\nmodel = "openai/text"\nbase_url = "{provider.url}"\nprice = [1.25, 1.25]\n'
    place.write(200, "priced", config=entry)
    capped = place.start("--max-cost", "0.5", "--max-concurrency", "8")
    assert capped.wait() == 7, capped.said
    assert 40 < place.answered().total() <= 50 + 8
    assert place.start("--max-cost", "100").wait() == 0
    assert place.answered() == Counter(f"r{number}" for number in range(200))
    assert len(provider.seen) == 200


def test_what_was_killed_goes_on(place: Place, provider: Any) -> None:
    place.write(200)
    provider.hold_after(100)
    program = place.start()
    provider.until_held(4)
    program.kill()
    before = place.answered()
    assert before.total() > 0
    provider.release.set()
    again = place.start()
    assert again.wait() == 0, again.said
    assert place.answered() == Counter(f"r{number}" for number in range(200))
    asked = Counter(seen.body["messages"][-1]["content"] for seen in provider.seen)
    assert {asked[f"number {name[1:]}"] for name in before} == {1}


def test_ctrl_c_waits_for_what_is_on_its_way(place: Place, provider: Any) -> None:
    place.write(200)
    provider.hold_after(50)
    program = place.start()
    provider.until_held(4)
    program.send(signal.SIGINT)
    program.until("Ctrl-C again")
    provider.release.set()
    assert program.wait() == 130, program.said
    assert place.answered().total() == len(provider.seen)


def test_nobody_is_at_the_address(place: Place, provider: Any) -> None:
    place.write(1)
    program = place.start("--address", "127.0.0.1:1")
    assert program.wait() == 2
    assert "there is no Ray cluster at 127.0.0.1:1" in program.said
    assert "Traceback" not in program.said


#: Ray Data has its own way with warnings, and a process of its own.
TABLE = """
import sys
import ray
from dragoman.batch.ray import ChatCompletions

ray.init(address=sys.argv[1], log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
rows = [{"n": n, "q": f"number {n}", "chat": [{"role": "user", "content": f"number {n}"}]} for n in range(40)]
given = {"model": "text", "client": {"base_url": sys.argv[2]}, "parameters": {"max_tokens": 8}}
two = ray.data.ActorPoolStrategy(size=2)
data = ray.data.from_items(rows)

def answers(**more):
    found = data.map_batches(ChatCompletions, fn_constructor_kwargs={**given, **more}, batch_size=10, compute=two)
    return sorted(found.take_all(), key=lambda row: row["n"])

columns = ("n", "response", "response_prompt_tokens", "response_error")
told = [tuple(row[name] for name in columns) for row in answers(prompt="q")]
assert told == [(n, "Hello!", 5, None) for n in range(40)], told
assert {row["said"] for row in answers(messages="chat", system="Be brief.", output="said")} == {"Hello!"}
failed = answers(prompt="q", model="busy", max_retries=0)
assert all("slow down" in row["response_error"] and row["response"] is None for row in failed), failed
try:
    answers(prompt="q", model="busy", max_retries=0, raise_errors=True)
except Exception as exception:
    assert "slow down" in str(exception), exception
    print("as it should be")
"""


def test_ray_data_gets_columns(cluster: Cluster, provider: Any, tmp_path: Path) -> None:
    script = tmp_path / "table.py"
    script.write_text(TABLE, "utf-8")
    program = Program(sys.executable, str(script), cluster.address, provider.url)
    assert program.wait() == 0, program.said
    assert "as it should be" in program.said
    asked = [seen.body for seen in provider.seen if seen.body["model"] == "text"]
    assert {body["max_tokens"] for body in asked} == {8}
    assert Counter(len(body["messages"]) for body in asked) == {1: 40, 2: 40}
    assert {seen.headers["authorization"] for seen in provider.seen} <= {f"Bearer {key}" for key in KEYS}


def test_the_engine_has_its_name() -> None:
    assert make_engine("ray", workers=2).name == "ray"
