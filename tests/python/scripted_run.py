"""A small project whose every model is one scripted engine, and a run of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dalign.models.engines.scripted import Script, ScriptedEngine
from dalign.models.protocol import Request
from dalign.pipeline.engines import Engines
from dalign.pipeline.plan import make_plan
from dalign.pipeline.project import bring_in
from dalign.pipeline.runner import Opened, run_plan
from dalign.progress import Progress
from dalign.settings import dump_toml, load_config
from dalign.store.folder import StageFolder
from dalign.store.ledger import open_ledger
from dalign.store.run import RunFolder

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


EVALUATION = """
[evaluate]
arms = ["none"]
samples = 1
resamples = {resamples}
[[evaluate.suites]]
name = "mine"
path = "prompts.jsonl"
"""
PATTERNS = "[[answer]]\nruling = 'refuse'\npattern = '^Sorry'\n[[answer]]\nruling = 'comply'\npattern = '.'\n"


def write_evaluation(
    folder: Path,
    settings: str,
    prompts: Sequence[Mapping[str, object]],
    policy: Path,
    resamples: int = 100,
    by_patterns: Sequence[str] = (),
) -> Path:
    """The config of a project that evaluates one arm on its own prompts. settings: its models, and what else it has.

    by_patterns: the metrics of the suite, which patterns grade and no judge: an answer that begins with "Sorry" refuses.
    """
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    data = f'spec = {{ path = "{policy}" }}\ndata = {{ prompts = "prompts.jsonl" }}\n'
    config = folder / "dalign.toml"
    suite = ""
    if by_patterns:
        (folder / "p.toml").write_text(PATTERNS)
        suite = f'patterns = "p.toml"\njudge = false\nmetrics = {json.dumps(list(by_patterns))}\n'
    config.write_text(f"{settings}\n{data}{EVALUATION.format(resamples=resamples)}{suite}")
    return config


def reply(request: Request) -> str:
    """A text that depends on everything in the request, in the form that its reader expects."""
    text = json.dumps([request.seed, list(request.messages)])
    word = hashlib.sha256(text.encode()).hexdigest()[:12]
    if "score" in request.messages[-1]["content"].lower() and len(request.messages) == 2:
        return f"because of {word}\nScore: {int(word[:4], 16) % 11}"
    return f"<think>the policy says {word}</think>answer {word}"


class KilledError(Exception):
    """The process is gone."""


def stops_after(count: int) -> Script:
    """`reply` to that many requests; then the process is gone."""
    asked = iter(range(count))

    def answer(request: Request) -> str:
        if next(asked, None) is None:
            raise KilledError
        return reply(request)

    return answer


class ScriptedEngines(Engines):
    """Every model is one scripted engine."""

    def __init__(self, config, scripted: ScriptedEngine) -> None:
        super().__init__(config)
        self.scripted = scripted

    def open(self, model, *, afresh=False):
        return self.scripted


@dataclass
class ScriptedRun:
    """A call of the command: its engine, and what the run's folder holds."""

    scripted: ScriptedEngine
    opened: Opened

    def folder(self, name: str) -> StageFolder:
        return self.opened.run.stage(name)


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


def opened(project: Path, run: Path, scripted: ScriptedEngine) -> Opened:
    """A run as the command opens it."""
    config, folder = load_config(project / "dalign.toml", []), RunFolder(run)
    brought = bring_in(config, folder.inputs, None)
    open_ledger(run, dump_toml(config))
    return Opened(brought, ScriptedEngines(config, scripted), folder, Progress())


def go(
    project: Path,
    run: Path,
    *names: str,
    answer: Script = reply,
    retry_missing: bool = False,
    progress: Progress | None = None,
) -> ScriptedRun:
    """Runs these stages as one more call of the command would. answer: what the engine says to a request."""
    scripted = ScriptedEngine(answer, batch_size=3, fingerprint="one")
    made = replace(opened(project, run, scripted), retry_missing=retry_missing)
    made = made if progress is None else replace(made, progress=progress)
    plan = make_plan(made.project.config)
    run_plan(made, [stage for stage in plan if stage.name in names])
    return ScriptedRun(scripted, made)
