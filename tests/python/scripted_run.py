"""A small project whose every model is one scripted engine, and a run of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Request
from dalign.pipeline.context import RunContext
from dalign.pipeline.plan import make_plan
from dalign.pipeline.runner import run_plan
from dalign.settings import load_config

SCRIPTED = ("generate/main", "filter/main", "judge/main", "select/main")
EVALUATED = ("evaluate/none", "evaluate/spec")
CATEGORIES = ("soup", "tea")
CLAUSE = "Who asks how to cook it gets the recipe."
CONFIG = """
[model]
path = "script.json"
engine = "scripted"
batch_size = 3
[spec]
path = "spec"
[data]
prompts = "prompts.jsonl"
[generate]
n = 2
[judge]
k = 2
[select]
threshold = 0.0
quota = 0
[evaluate]
arms = ["none", "spec", "sft"]
samples = 1
[[evaluate.suites]]
name = "test"
path = "suite.jsonl"
"""


def reply(request: Request) -> str:
    """A text that depends on everything in the request, in the form that its reader expects."""
    text = json.dumps([request.seed, list(request.messages)])
    word = hashlib.sha256(text.encode()).hexdigest()[:12]
    if "score" in request.messages[-1]["content"].lower() and len(request.messages) == 2:
        return f"because of {word}\nScore: {int(word[:4], 16) % 11}"
    return f"<think>the policy says {word}</think>answer {word}"


@dataclass
class ScriptedRun(RunContext):
    """A run whose every model is one scripted engine."""

    scripted: ScriptedEngine = field(
        default_factory=lambda: ScriptedEngine(reply, batch_size=3, fingerprint="one")
    )

    def engine(self, model):
        return self.scripted


def write_project(folder: Path) -> Path:
    spec = folder / "spec"
    spec.mkdir(parents=True)
    (spec / "principles.md").write_text("Be plain.\n")
    for name in CATEGORIES:
        front = f"---\ncategory: {name}\nversion: 1.0.0\nsummary: On {name}.\n---\n"
        (spec / f"{name}.md").write_text(f"{front}## Clauses\n### S1 comply: cooking\n{CLAUSE}\n")
    rows = [prompt(category, i) for category in (*CATEGORIES, "general") for i in range(3)]
    (folder / "prompts.jsonl").write_text("".join(rows))
    (folder / "suite.jsonl").write_text("".join(prompt(name, 7) for name in CATEGORIES))
    (folder / "script.json").write_text('{"": "unused"}')
    (folder / "dalign.toml").write_text(CONFIG.replace("script.json", str(folder / "script.json")))
    return folder


def prompt(category: str, number: int) -> str:
    message = {"role": "user", "content": f"{category}, question {number}"}
    return json.dumps({"category": category, "messages": [message]}) + "\n"


def go(project: Path, run: Path, *names: str) -> ScriptedRun:
    """Runs these nodes as one more call of the command would."""
    ctx = ScriptedRun(load_config(project / "dalign.toml", []), run)
    run_plan(ctx, [node for node in make_plan(ctx) if node.name in names])
    return ctx
