"""What `serve` runs in its child process: one open engine, until the parent is gone."""

from __future__ import annotations

import json
import os
import sys

from dragoman.llamacpp.engine import Engine
from dragoman.llamacpp.options import EngineOptions
from dragoman.llamacpp.source import EngineError


def main(model: str, options: str) -> None:
    """Load the model, say where it is (or why not) in one line of JSON, and wait for the end of stdin."""
    try:
        engine = Engine(model, EngineOptions(**json.loads(options)))
    except EngineError as exception:
        failure = {"status": exception.status, "message": str(exception), "code": exception.error["code"]}
        sys.stdout.write(json.dumps(failure) + "\n")
        return
    sys.stdout.write(json.dumps({"address": engine.address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    # Closing an engine would wait for its clients, and the parent may have left some hanging.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
