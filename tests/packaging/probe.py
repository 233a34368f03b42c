"""Uses every installed plugin through its client, in the environment that it is installed in; prints JSON."""

import json
import sys
from importlib import import_module

import dragoman
from dragoman.core import Client
from dragoman.core.plugins import plugins

client = Client()
used = {}
for finding in plugins().describe():
    if finding.kind == "provider":
        answer = client.chat.completions.create(model=f"{finding.name}/m", messages=[{"role": "user", "content": "Hi"}])
        found = plugins().provider(finding.name)
        used[finding.name] = {
            "origin": plugins().providers()[finding.name].origin,
            "module": found.__module__,
            "file": sys.modules[found.__module__].__file__,
            "shelf": found().shelf(),
            "said": answer.choices[0].message.content,
            "seen": answer.model_extra["seen"],
        }
# Whoever joins the namespace leaves it open: everybody in it can still be imported by name.
for module in [one["module"] for one in used.values()]:
    import_module(f"{module}.hooks")
sys.stdout.write(json.dumps({"used": used, "namespace": getattr(dragoman, "__file__", None)}))
