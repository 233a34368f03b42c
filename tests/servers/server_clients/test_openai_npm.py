"""The `openai` package for node, as programs in JavaScript have it."""

from __future__ import annotations

import json
import subprocess


def test_the_openai_package_of_npm(url: str, node: tuple[str, str]) -> None:
    program, folder = node
    run = subprocess.run([program, "client.mjs", url], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 (node, our script)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["whole"]
    assert found["whole"] == found["streamed"] == found["helper"] == found["raw"]
    assert found["usage"] > 12
    assert found["finish"] == "length"
    assert found["id"].startswith("req_")
    assert found["tool"]["name"] == "add"
    assert json.loads(found["tool"]["arguments"]).keys() == {"a", "b"}
    assert found["failures"]["nobody/model"] == {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}
    assert found["failures"]["llamacpp/demo"]["kind"] == "BadRequestError"
