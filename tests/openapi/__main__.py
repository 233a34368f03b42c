"""schemathesis on the gateway's own description, with a provider that answers: nox -s openapi -- [its own options].

Everything it can check is checked, but for what needs knowledge of resources, of which the gateway has none.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "soak"))

#: Provider's and client's deeds are those of the soak.
from gateway import Gateway  # noqa: E402 (as above)
from traffic import KEYS  # noqa: E402 (as above)
from upstream import Upstream  # noqa: E402 (as above)

#: Whether what fits the description is accepted is the provider's to say.
LEFT_OUT = "positive_data_acceptance,use_after_free,ensure_resource_availability,object_level_authorization"


async def main(options: list[str]) -> int:
    """Run it, and return its exit status."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent)) or "schemathesis"
    with tempfile.TemporaryDirectory(prefix="dragoman-openapi-") as folder:
        upstream = Upstream()
        await upstream.start()
        gateway = Gateway(Path(folder), upstream.port, stall=60)
        url = await gateway.start()
        try:
            command = [program, "run", f"{url}/openapi.json", "--checks", "all", "--exclude-checks", LEFT_OUT]
            command += ["--seed", "20", "--no-color", *options]
            # Not as a header of all requests: without a key they must be refused.
            (Path(folder) / "schemathesis.toml").write_text(
                f'[auth.openapi.bearer]\nbearer = "{KEYS["all"]}"\n', "utf-8"
            )
            child = await asyncio.create_subprocess_exec(*command, cwd=folder)
            return await child.wait()
        finally:
            await gateway.stop()
            await upstream.stop()
            for line in gateway.failures[:5]:
                print(line)  # noqa: T201 (a command's result)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
