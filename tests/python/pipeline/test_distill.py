"""The stage distill: what its student reads, what its teacher reads, what it leaves, and what it refuses first."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from dalign.config import Config
from dalign.errors import InputError
from dalign.models.checkpoint import load_tokenizer
from dalign.pipeline import memory
from dalign.pipeline.engines import Engines
from dalign.pipeline.leaks import trained_on
from dalign.pipeline.plan import make_plan
from dalign.pipeline.project import bring_in
from dalign.pipeline.run import pinned, plan_of, run_stages
from dalign.pipeline.stages.distill import flip_prompts, told
from dalign.pipeline.work import COMPLETE, planned_work, work_of
from dalign.progress import Progress
from dalign.records.journey import journeys_of
from dalign.records.record import open_record
from dalign.records.report_content import _curve
from dalign.rows import TaughtRow
from dalign.sandbox.checkpoint import MODEL
from dalign.settings import load_config
from dalign.store.run import RunFolder
from scripted_run import write_project

SMALL = (
    'evaluate.arms=["none", "distill"]', "run.workers=1", "distill.steps=2", "distill.prompts_per_step=2",
    "distill.max_new_tokens=24", "distill.flip_prompts=1", "distill.save_steps=1",
)  # fmt: skip
ALONE = 'evaluate.arms=["none", "distill"]'


class Said(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def say(self, text: str) -> None:
        self.all.append(text)


class Distilled(NamedTuple):
    """A run whose stage distill has finished, what was said, what completions were drawn of, and all prompts that were read."""

    run: Path
    said: list[str]
    drawn: list[list[int]]
    read: list[list[int]]


@pytest.fixture(scope="module")
def distilled(config_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Distilled:
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    from dalign.train.distill import reading

    made = Distilled(tmp_path_factory.mktemp("distilled") / "run", [], [], [])
    draws, pads = reading.decode, reading.padded

    def decode(model, prompts, *others):
        made.drawn.extend(prompts)
        return draws(model, prompts, *others)

    def padded(prompts, *others):
        made.read.extend(prompts)
        return pads(prompts, *others)

    config, told = load_config(config_path, SMALL), Said()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "decode", decode)
        patch.setattr(reading, "padded", padded)
        assert run_stages(config, made.run, told, "distill") == ["distill/distill"]
    made.said.extend(told.all)
    return made


def test_a_run_has_the_stage_where_the_arm_is_asked_for_and_only_there(config_path: Path) -> None:
    def names(*sets: str) -> list[str]:
        return [stage.name for stage in make_plan(load_config(config_path, sets))]

    assert not any("distill" in name for name in names())
    assert names(ALONE) == ["distill/distill", "evaluate/none", "evaluate/distill"]
    assert "distill/distill" in names('evaluate.arms=["none", "sft", "distill"]')


def test_it_leaves_a_checkpoint_a_row_a_completion_and_flips_by_clause(distilled) -> None:
    run, said = distilled.run, distilled.said
    stage = RunFolder(run).stage("distill/distill")
    rows = stage.made().frame()
    assert dict(rows.schema) == TaughtRow.COLUMNS and rows["step"].to_list() == [1, 1, 2, 2]
    assert rows["id"].n_unique() == 4 and (rows["divergence"] > 0).all()
    assert (stage.checked("final") / "model.safetensors").is_file()
    curve = _curve(stage, "step", "loss", "tokens", "flip_rate", "grad_norm", "learning_rate")
    for row, (_, of_step) in zip(curve, rows.group_by("step", maintain_order=True), strict=True):
        assert row["tokens"] == of_step["tokens"].sum()
        assert row["flip_rate"] == of_step["flips"].sum() / row["tokens"]
    flips, prompts = stage.recorded("facts")["flips"], open_record(run).project.prompts
    asked = prompts.table.frame(["category", "clause"]).unique().sort("category", "clause", nulls_last=False)  # fmt: skip
    assert [(row["category"], row["clause"]) for row in flips] == asked.rows()
    assert {row["prompts"] for row in flips} == {1}
    assert all(0 <= row["flip_rate"] <= 1 and row["divergence"] > 0 for row in flips)
    # They are printed before the first step, clause by clause.
    assert [line for line in said if line.startswith("distill: ")] == [f"distill: {line}" for line in told_of(flips)]  # fmt: skip
    clause = next(row["clause"] for row in flips if row["clause"])
    assert any(line.startswith(f"distill: flip rate of {clause}: ") for line in said)


def told_of(flips: list[dict]) -> list[str]:
    from dalign.figures import FlipRow

    return list(told([FlipRow(**row) for row in flips]))


def test_it_is_done_once_verified_and_told_by_row(distilled, config_path: Path, dalign) -> None:
    run = distilled.run
    assert run_stages(load_config(config_path, SMALL), run, Progress(), "distill") == []
    code, out, _ = dalign("verify", run)
    assert code == 0 and "all as the run wrote them" in out
    row = RunFolder(run).stage("distill/distill").made().frame().row(0, named=True)
    [journey] = journeys_of(open_record(run), row["id"])
    step = next(step for step in journey.steps if step.row == row["id"])
    assert (journey.prompt.id, step.stage, step.text) == (row["prompt_id"], "distill", row["text"])
    assert step.facts["flips"] == row["flips"]


def shingles(text: str) -> set[tuple[str, ...]]:
    """Its runs of four words."""
    words = re.findall(r"\w+", text)
    return set(zip(*(words[i:] for i in range(4)), strict=False))


def test_the_student_reads_nothing_of_the_policy_and_the_teacher_all_of_it(distilled) -> None:
    tokenizer = load_tokenizer(MODEL, trust_remote_code=False)
    stage = RunFolder(distilled.run).stage("distill/distill")
    project = open_record(distilled.run).project
    policies = [text.strip() for text in project.templates.specs(project.spec).values()]
    known = set().union(*map(shingles, policies))
    without = tokenizer.batch_decode(distilled.drawn)
    assert len(without) == 4 + len(stage.recorded("facts")["flips"])
    assert len(known) > 100 and not any(known & shingles(text) for text in without)
    # Each is read twice: as it was drawn of, and with a whole policy before it.
    asked = list(map(tuple, distilled.drawn))
    others = [ids for ids in distilled.read if tuple(ids) not in asked]
    assert len(distilled.read) == 2 * len(others) == 2 * len(asked)
    for text in tokenizer.batch_decode(others):
        assert sum(shingles(policy) <= shingles(text) for policy in policies) >= 1


def planted(folder: Path, config_path: Path) -> Path:
    """The sandbox's model with a chat template that brings the policy into every prompt."""
    project = bring_in(load_config(config_path, [ALONE]), folder / "inputs", None)
    text = project.templates.spec(project.spec, "violence")
    model = Path(shutil.copytree(MODEL, folder / "model"))
    template = (model / "chat_template.jinja").read_text()
    (model / "chat_template.jinja").write_text(f"{{{{ {text!r} }}}}" + template)
    return model


@pytest.mark.parametrize("arm", ["distill", "rl"])
def test_a_template_that_brings_the_policy_in_is_refused_before_anything_is_drawn(
    config_path: Path, tmp_path: Path, arm: str
) -> None:
    arms = f'evaluate.arms=["none", "{arm}"]'
    given = [*SMALL, arms, "rl.steps=2", f"model.path={planted(tmp_path, config_path)}"]
    with pytest.raises(InputError, match="its prompt holds a run of 8 tokens of the policy") as caught:  # fmt: skip
        run_stages(load_config(config_path, given), tmp_path / "run", Progress(), arm)
    assert caught.value.kind == "policy_in_prompt"
    assert not (tmp_path / "run" / arm / arm / "final").exists()


def lengths(config: Config, place: Path) -> list[tuple[int, int]]:
    """Tokens of each prompt as student and teacher read it."""
    from dalign.generate import SIGHTS
    from dalign.models.checkpoint import ids_of
    from dalign.rows import Prompt

    project, renderer = bring_in(config, place, None), Engines(config).renderer
    prompts = list(Prompt.read(project.prompts.table.frame()))

    def of(name: str) -> list[int]:
        sight = SIGHTS[name](project.spec, project.templates)
        read = [sight(prompt.category, prompt.messages) for prompt in prompts]
        return [len(ids) for ids in ids_of(renderer.tokenizer, renderer.prompts(read))]

    return list(zip(of("none"), of("category"), strict=True))


def test_policy_prompt_and_completion_that_do_not_fit_are_refused_by_line(
    config_path: Path, tmp_path: Path
) -> None:
    found = lengths(load_config(config_path, [ALONE]), tmp_path / "inputs")
    student, teacher = (max(of) for of in zip(*found, strict=True))
    # A few tokens more than the teacher has room for, and plenty for the student.
    most = 512 - teacher + 6
    assert student + most <= 512
    config = load_config(config_path, [ALONE, f"distill.max_new_tokens={most}"])
    for call in (plan_of, run_stages):
        with pytest.raises(InputError, match=rf"prompts\.jsonl:\d+: prompt \w+: it has \d+ tokens as the model reads it, which with distill\.max_new_tokens = {most} exceeds its 512 positions.*; shorten it or the policy, lower distill\.max_new_tokens, or take a model of more positions"):  # fmt: skip
            call(config, tmp_path / "run", Progress())
    assert not (tmp_path / "run").exists()
    plan_of(load_config(config_path, [ALONE, f"distill.max_new_tokens={512 - teacher}"]), tmp_path / "run", Progress())  # fmt: skip


def test_truth_decides_neither_what_is_drawn_nor_what_is_trained(
    config_path: Path, tmp_path: Path
) -> None:
    """Without `expected` the same prompts are drawn, and the teacher reads the same."""
    from dalign.pipeline.training import drawn_prompts

    with_truth = bring_in(load_config(config_path, SMALL), tmp_path / "with", None)
    project = Path(shutil.copytree(config_path.parent, tmp_path / "project"))
    ids = iter(with_truth.prompts.table.frame(["id"])["id"])
    rows = [json.loads(line) for line in (project / "prompts.jsonl").read_text().splitlines()]
    without = [{key: row[key] for key in ("category", "messages")} | {"id": next(ids)} for row in rows]  # fmt: skip
    (project / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in without))
    config = load_config(project / "dalign.toml", SMALL)
    bare = bring_in(config, tmp_path / "without", None)
    drawn = [drawn_prompts(each.prompts.table, config.distill, 0) for each in (with_truth, bare)]
    assert [[p.id for p in step] for step in drawn[0]] == [[p.id for p in step] for step in drawn[1]]  # fmt: skip
    assert not any(p.expected for step in drawn[1] for p in step)


def test_so_many_prompts_of_each_clause_tell_its_flips(config_path: Path, tmp_path: Path) -> None:
    project = bring_in(load_config(config_path, [ALONE]), tmp_path / "inputs", None)
    sizes = {
        (category, clause): n
        for category, clause, n in project.prompts.table.frame(["category", "clause"])
        .group_by("category", "clause")
        .len()
        .iter_rows()
    }
    for each in (1, 2, 5):
        found = flip_prompts(project, each)
        counted = pl.DataFrame([(p.category, p.expected and p.expected.clause) for p in found], orient="row")  # fmt: skip
        told = {(a, b): n for a, b, n in counted.group_by(pl.all()).len().iter_rows()}
        assert told == {key: min(each, size) for key, size in sizes.items()}
        # The estimate is no less.
        config = load_config(config_path, [ALONE, f"distill.flip_prompts={each}"])
        [work] = [w for w in work_of(bring_in(config, tmp_path / "inputs", None)) if w.stage == "distill/distill"]  # fmt: skip
        assert (work.asks, work.is_asked, work.written) == (COMPLETE, False, 72)
        assert len(found) <= work.requests - 16 <= len(found) + len(project.prompts.categories) * each  # fmt: skip
    assert flip_prompts(project, 0) == []


def test_a_plan_counts_what_it_draws_and_a_default_one_nothing(config_path, tmp_path) -> None:
    project = bring_in(load_config(config_path, [ALONE, "distill.samples=3", "distill.flip_prompts=0"]), tmp_path / "inputs", None)  # fmt: skip
    assert planned_work(project)["distill_completions"] == 4 * 4 * 3
    other = bring_in(load_config(config_path, []), tmp_path / "inputs", None)
    assert "distill_completions" not in planned_work(other)


def test_its_prompts_are_looked_at_for_those_of_suites() -> None:
    assert trained_on(["none", "distill"], has_rl_prompts=True) == ["prompts"]


def test_a_trial_goes_through_its_prompts_once(config_path: Path) -> None:
    trial = pinned(load_config(config_path, [ALONE, "data.limit=6", "distill.prompts_per_step=4", "distill.steps=50", "distill.rows_per_pass=2"]))  # fmt: skip
    settings = trial.distill
    assert (settings.steps, settings.prompts_per_step, settings.rows_per_pass) == (2, 4, None)


def test_its_memory_is_told_and_what_cannot_fit_is_refused(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(config_path, [ALONE])
    project = bring_in(config, tmp_path / "inputs", None)
    moments = memory.moments_of(project, Engines(config), {"distill"})
    assert moments is not None
    assert [moment.stage for moment in moments] == ["distill, rollouts", "distill, update"]
    # The teacher's weights stand beside the student's.
    assert moments[1].parts["reference"] == moments[1].parts["weights"] > 0
    adapted = config.model_copy(update={"distill": config.distill.model_copy(update={"method": "lora"})})  # fmt: skip
    [_, update] = memory._moments(adapted, memory._facts(project, Engines(config), {"distill"}, {"distill"}), {"distill"})  # fmt: skip
    assert update.parts["reference"] == 0
    room = int(moments[1].held) - 1
    monkeypatch.setattr(memory, "memory_of_device", lambda _: room)
    with pytest.raises(InputError, match=r"^distill, .*; set distill\.method = 'lora'"):
        list(memory.check_memory(project, Engines(config), {"distill"}))


REFUSED = {
    "an unknown key": ("distill.top_p=1", r"distill\.top_p: unknown key"),
    "a negative top_k": ("distill.top_k=-1", r"distill\.top_k = -1: must be at least 0"),
    "an unknown teacher": ("distill.teacher=judge", r"distill\.teacher = 'judge'.*known: start, ema"),
    "a whole average": ("distill.ema_decay=1", r"distill\.ema_decay = 1.*must be less than 1"),
    "parts of no step": ("distill.rows_per_pass=3", r"distill\.rows_per_pass = 3 does not divide the 4 completions of a step; set it to 2"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED)
def test_a_setting_that_cannot_be_is_refused_by_its_key(config_path, given: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_config(config_path, [given])
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", r"prompts\.jsonl: .*(no|empty)"),
        ('{"category": "jam", "messages": [{"role": "user", "content": "Jam?"}]}\n', r"prompts\.jsonl:1: unknown category 'jam'"),
    ],
    ids=["no prompts", "a category without policy"],
)  # fmt: skip
def test_prompts_that_nothing_can_be_taught_of_are_refused_first(
    tmp_path: Path, rows: str, said: str
) -> None:
    project = write_project(tmp_path / "project")
    (project / "prompts.jsonl").write_text(rows)
    path = project / "dalign.toml"
    config = load_config(path, [ALONE, f"model.path={MODEL}", "model.engine=transformers"])
    for call in (plan_of, run_stages):
        with pytest.raises(InputError, match=said):
            call(config, tmp_path / "run", Progress())
    assert not (tmp_path / "run").exists()
