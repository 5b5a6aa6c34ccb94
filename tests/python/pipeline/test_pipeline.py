"""The plan of a run: what waits for what, and which settings touch which stage."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path

import pytest
from dalign import vocabulary
from dalign.errors import InputError
from dalign.pipeline.engines import Engines
from dalign.pipeline.plan import choose, make_plan, states
from dalign.pipeline.project import Project, bring_in
from dalign.pipeline.stage import Stage
from dalign.pipeline.stages import evaluate, rl, sft
from dalign.sandbox.checkpoint import MODEL
from dalign.settings import load_config
from dalign.store.run import RunFolder
from dalign.store.whole_files import digest
from dalign.vocabulary import ARMS, Arm


class Finished:
    """Stands for a stage that has finished: its output hash is its name."""

    def __init__(self, name: str, *, done: bool = True) -> None:
        self.name, self.done = name, done

    def output_sha256(self) -> str:
        return self.name

    def is_done(self, inputs: object) -> bool:
        return self.done

    def faults(self) -> tuple[()]:
        return ()


class AllFinished(RunFolder):
    """A run whose stages have all finished, so that every stage's inputs are known."""

    def stage(self, name: str):
        return Finished(name)


def inputs(config_path: Path, *overrides: str) -> dict[str, str]:
    """The hash of each stage's inputs."""
    project, engines, run = opened_inputs(config_path, *overrides)
    plan = make_plan(project.config)
    return {stage.name: digest(stage.inputs(project, engines, run)) for stage in plan}


def opened_inputs(config_path: Path, *overrides: str) -> tuple[Project, Engines, AllFinished]:
    config = load_config(config_path, overrides)
    engines, run = Engines(config), AllFinished(config_path.parent / "run")
    return bring_in(config, run.inputs, engines.budget()), engines, run


EVERY = {"generate/main", "filter/main", "judge/main", "pack/main", "sft/sft"}
EVALUATIONS = {f"evaluate/{arm}" for arm in ("none", "spec", "sft", "rl", "sft+rl")}
EVERY |= {"rl/rl", "rl/sft+rl", *EVALUATIONS}
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
    # The model judges too.
    ("model.dtype=bfloat16", EVERY),
    ("model.reasoning.open=<r>", EVERY),
]
JUDGED = {"judge/main", "rl/sft+rl", "rl/rl", *EVALUATIONS}
TOUCHED_BESIDE_A_JUDGE = [
    ("model.dtype=bfloat16", EVERY - {"judge/main"}),
    ("model.reasoning.close=</r>", EVERY - {"judge/main"}),
    ("judge_model.dtype=bfloat16", JUDGED),
    ("judge_model.reasoning.kind=none", JUDGED),
    ("judge_model.reasoning.close=</r>", JUDGED),
]


def touched_by(config_path: Path, override: str, *more: str) -> set[str]:
    before, after = inputs(config_path, *more), inputs(config_path, *more, override)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(("override", "touched"), TOUCHED, ids=[o for o, _ in TOUCHED])
def test_a_changed_setting_touches_the_stages_that_depend_on_it(
    override: str, touched: set[str], config_path: Path
) -> None:
    assert touched_by(config_path, override) == touched


@pytest.mark.parametrize(("override", "touched"), TOUCHED_BESIDE_A_JUDGE)
def test_a_setting_of_one_model_touches_what_that_model_says(
    override: str, touched: set[str], config_path: Path
) -> None:
    assert touched_by(config_path, override, "judge_model.path=sandbox") == touched


def test_an_engine_is_known_by_one_fingerprint_opened_or_not(config_path: Path) -> None:
    for overrides in ([], ["model.dtype=bfloat16"], ["model.reasoning.open=<r>"]):
        config = load_config(config_path, overrides)
        engines = Engines(config)
        assert engines.open(config.model).fingerprint == engines.fingerprint(config.model)


@pytest.mark.parametrize(
    ("file", "old", "new", "touched"),
    [
        # The hint of the judge stands there, and what a user says is no fault of a completion.
        ("prompts.jsonl", '"comply"', '"refuse"', {"generate/main", "filter/main", "judge/main", "select/main"}),
        # The truth of rollouts is told by the first suite's patterns.
        ("suites/patterns.toml", "[[answer]]", "# edited\n[[answer]]", {"rl/rl", "rl/sft+rl", *EVALUATIONS}),
    ],
)  # fmt: skip
def test_an_edited_file_touches_the_stages_that_read_it(
    file: str, old: str, new: str, touched: set[str], config_path: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(config_path.parent, project, ignore=shutil.ignore_patterns("run"))
    before = inputs(project / config_path.name)
    path = project / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    after = inputs(project / config_path.name)
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


def test_an_arm_that_is_added_trains_from_the_arm_that_its_row_names(
    config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = {
        "sft2": Arm("sft2", "x", "x", trained_by="sft"),
        "sft2+rl": Arm("sft2+rl", "x", "x", trained_by="rl", starts_from="sft2"),
        "rl+rl": Arm("rl+rl", "x", "x", trained_by="rl", starts_from="rl"),
        "sft+sft": Arm("sft+sft", "x", "x", trained_by="sft", starts_from="sft"),
    }
    monkeypatch.setattr(vocabulary, "ARMS", {**ARMS, **added})
    for module in ("pipeline.stage", "pipeline.stages.evaluate"):
        monkeypatch.setattr(f"dalign.{module}.ARMS", vocabulary.ARMS)
    needs = {s.name: s.needs for each in (sft, rl, evaluate) for s in each.stages(list(added))}
    assert needs == {
        "sft/sft": ("pack/main",),
        "sft/sft2": ("pack/main",),
        "sft/sft+sft": ("pack/main", "sft/sft"),
        "rl/rl": (),
        "rl/sft2+rl": ("sft/sft2", "pack/main"),
        "rl/rl+rl": ("rl/rl",),
        "evaluate/sft2": ("sft/sft2",),
        "evaluate/sft2+rl": ("rl/sft2+rl",),
        "evaluate/rl+rl": ("rl/rl+rl",),
        "evaluate/sft+sft": ("sft/sft+sft",),
    }
    project, engines, run = opened_inputs(config_path, "rl.replay=0.2")
    found = {arm: rl.inputs(project, engines, run, arm) for arm in ("sft2+rl", "rl+rl")}
    assert found["sft2+rl"]["start"] == "sft/sft2"
    assert found["rl+rl"]["start"] == "rl/rl"
    # Where no SFT comes before, there are no rows of it to replay.
    assert (found["sft2+rl"]["replay"], found["rl+rl"]["replay"]) == ("pack", None)
    assert sft.inputs(project, engines, run, "sft+sft")["start"] == "sft/sft"


def test_what_waits_for_a_stage_that_is_to_run_is_to_run(config_path: Path) -> None:
    class PackIsGone(AllFinished):
        def stage(self, name: str):
            return Finished(name, done=name != "pack/main")

    project, engines, run = opened_inputs(config_path)
    plan = make_plan(project.config)
    told = {
        str(row["node"]): row["state"]
        for row in states(plan, project, engines, PackIsGone(run.path))
    }
    to_run = {"pack/main", "sft/sft", "rl/sft+rl", "evaluate/sft", "evaluate/sft+rl"}
    assert {name for name, state in told.items() if state == "to run"} == to_run


def test_a_trained_checkpoint_is_held_by_nobody_but_its_stage(config_path: Path) -> None:
    engines = Engines(load_config(config_path, []))
    opened = engines.trained(MODEL)
    gone = weakref.ref(opened)
    del opened
    gc.collect()
    assert gone() is None


def test_a_variant_that_the_config_does_not_need_is_named_with_those_that_there_are(
    config_path: Path,
) -> None:
    with pytest.raises(InputError, match=r"no rl/sft .*variants of rl: sft\+rl, rl"):
        choose(stages(config_path), "rl", "sft")
