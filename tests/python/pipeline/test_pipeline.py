"""The plan of a run: what waits for what, and which settings touch which stage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.pipeline.engines import Engines
from dalign.pipeline.plan import choose, make_plan
from dalign.pipeline.project import bring_in
from dalign.pipeline.stage import Stage
from dalign.settings import load_config
from dalign.store.run import RunFolder
from dalign.store.whole_files import digest


class Finished:
    """Stands for a stage that has finished: its output hash is its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def output_sha256(self) -> str:
        return self.name


class AllFinished(RunFolder):
    """A run whose stages have all finished, so that every stage's inputs are known."""

    def stage(self, name: str):
        return Finished(name)


def inputs(config_path: Path, *overrides: str) -> dict[str, str]:
    """The hash of each stage's inputs."""
    config = load_config(config_path, overrides)
    engines, run = Engines(config), AllFinished(config_path.parent / "run")
    project = bring_in(config, run.inputs, engines.budget())
    return {stage.name: digest(stage.inputs(project, engines, run)) for stage in make_plan(config)}


EVALUATIONS = {f"evaluate/{arm}" for arm in ("none", "spec", "sft", "rl", "sft+rl")}
TOUCHED = [
    ("generate.temperature=0.9", {"generate/main"}),
    ("filter.quality=true", {"filter/main"}),
    ("judge.k=3", {"judge/main", "rl/sft+rl", "rl/rl", *EVALUATIONS}),
    ("select.threshold=1.5", {"select/main"}),
    ("evaluate.pass_score=2.0", EVALUATIONS),
    ("pack.capacity=600", {"pack/main"}),
    ("sft.learning_rate=0.002", {"sft/sft"}),
    ("sft.capability_ratio=0.4", {"pack/main", "sft/sft"}),
    ("rl.steps=5", {"rl/sft+rl", "rl/rl"}),
    # The arm without SFT has no SFT rows to replay.
    ("rl.replay=0.2", {"rl/sft+rl"}),
    ("evaluate.samples=2", EVALUATIONS),
    ("evaluate.temperature=0.5", EVALUATIONS),
    ("select.clause_quota=1", {"select/main"}),
    ("run.workers=1", set()),
    # A row does not depend on the batch it is in.
    ("model.batch_size=5", set()),
]


@pytest.mark.parametrize(("override", "touched"), TOUCHED, ids=[o for o, _ in TOUCHED])
def test_a_changed_setting_touches_the_stages_that_depend_on_it(
    override: str, touched: set[str], config_path: Path
) -> None:
    before, after = inputs(config_path), inputs(config_path, override)
    assert {name for name in before if before[name] != after[name]} == touched


DATA = {"generate/main", "judge/main", "select/main"}
# pack looks for the whole policy in its prompts; the suites and the RL prompts are on every category.
ALWAYS = {"pack/main", "rl/rl", "rl/sft+rl", *EVALUATIONS}


@pytest.mark.parametrize(
    ("old", "new", "with_prompts", "touched"),
    [
        ("Who wants", "Anyone who wants", True, DATA | ALWAYS),
        # No prompt of the data stages is on the edited category.
        ("Who wants", "Anyone who wants", False, ALWAYS),
        # A summary stands in every category's prompt.
        ("summary: ", "summary: Roughly, ", False, DATA | ALWAYS),
        # No model is shown a version.
        ("version: 1.0.0", "version: 1.0.1", True, set()),
    ],
)
def test_an_edited_category_touches_the_stages_whose_prompts_show_it(
    old: str, new: str, with_prompts: bool, touched: set[str], config_path: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(config_path.parent, project)
    if not with_prompts:
        rows = (project / "prompts.jsonl").read_text().splitlines(keepends=True)
        kept = [row for row in rows if json.loads(row)["category"] != "advice"]
        (project / "prompts.jsonl").write_text("".join(kept))
    before = inputs(project / config_path.name)
    path = project / "spec" / "advice.md"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    after = inputs(project / config_path.name)
    assert {name for name in before if before[name] != after[name]} == touched


def test_another_seed_touches_every_stage_that_draws(config_path: Path) -> None:
    before, after = inputs(config_path), inputs(config_path, "run.seed=9")
    assert {name for name in before if before[name] == after[name]} == {"filter/main"}


def stages(config_path: Path, *overrides: str) -> list[Stage]:
    return make_plan(load_config(config_path, overrides))


def test_every_stage_comes_after_what_it_needs(config_path: Path) -> None:
    seen: set[str] = set()
    for stage in stages(config_path):
        assert set(stage.needs) <= seen
        seen.add(stage.name)
    assert len(seen) == 13


def test_arms_that_are_not_asked_for_are_not_run(config_path: Path) -> None:
    names = [stage.name for stage in stages(config_path, 'evaluate.arms=["none", "rl"]')]
    assert names == ["rl/rl", "evaluate/none", "evaluate/rl"]


def test_a_variant_that_the_config_does_not_need_is_named_with_those_that_there_are(
    config_path: Path,
) -> None:
    with pytest.raises(InputError, match=r"no rl/sft .*variants of rl: sft\+rl, rl"):
        choose(stages(config_path), "rl", "sft")
