"""A run whose judge stops early: the same examples, killed and gone on with, with another threshold, in its report and its plan."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from dalign.cli.plan import plan_command
from dalign.models.protocol import Request
from dalign.pipeline.estimate import _asked_in
from dalign.pipeline.run import run_stages
from dalign.progress import Progress
from dalign.sandbox.checkpoint import MODEL
from dalign.settings import load_config
from dalign.store.parts import DROPPED, ROWS, Table
from dalign.store.run import RunFolder
from scripted_run import (
    SCRIPTED,
    KilledError,
    ScriptedRun,
    go,
    reply,
    stops_after,
    write_project,
)

DATA = SCRIPTED


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Eighteen completions, each judged three times, of which about one in three passes."""
    folder = write_project(tmp_path / "project")
    rewrite(folder, "k = 2", "k = 3\nearly_stop = true")
    rewrite(folder, "threshold = 0.0", "threshold = 5.0\nper_prompt = 2")
    return folder


def rewrite(project: Path, old: str, new: str) -> None:
    config = project / "dalign.toml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))


def counts(run: ScriptedRun) -> dict[str, int]:
    return run.folder("judge/main").recorded("counts")


def same(one: Path, other: Path, stage: str, name: str = ROWS) -> bool:
    return Table(one / stage, name).frame().equals(Table(other / stage, name).frame())


def test_the_examples_are_those_of_all_judgements_and_what_was_spared_is_told(
    project: Path, tmp_path: Path
) -> None:
    short = go(project, tmp_path / "short", *DATA)
    rewrite(project, "early_stop = true", "early_stop = false")
    whole = go(project, tmp_path / "whole", *DATA)
    assert same(tmp_path / "short", tmp_path / "whole", "select/main")
    assert Table(tmp_path / "short" / "select" / "main").height() > 0
    made = counts(short)
    assert made["verdicts"] + made["spared"] == counts(whole)["verdicts"] == 54
    assert made["spared"] > 10 and "spared" not in counts(whole)
    assert sum(made["states"].values()) == made["verdicts"]
    assert _asked_in(RunFolder(tmp_path / "short")) == made["verdicts"] / 54
    assert _asked_in(RunFolder(tmp_path / "whole")) == 1.0
    # Those that were asked three times passed twice: they tell nothing of the judge's agreement.
    assert made["reliability"] == {"alpha": None, "split_half": None}
    assert counts(whole)["reliability"]["alpha"] is not None


@pytest.mark.parametrize("after", [1, 17, 18, 20, 26])
def test_killed_in_any_round_it_asks_nothing_again_but_the_batch_in_flight(
    project: Path, tmp_path: Path, after: int
) -> None:
    whole = go(project, tmp_path / "whole", *DATA)
    run = tmp_path / "killed"
    go(project, run, *DATA[:2])
    with pytest.raises(KilledError):
        go(project, run, *DATA, answer=stops_after(after))
    rest = go(project, run, *DATA)
    for stage in ("judge/main", "select/main"):
        assert same(run, tmp_path / "whole", stage)
    assert same(run, tmp_path / "whole", "judge/main", "scores")
    # The engine answers three at once.
    assert len(rest.scripted.requests) <= counts(whole)["verdicts"] - after + 3


def test_another_threshold_asks_for_what_is_missing_alone(project: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = go(project, run, *DATA)
    asked = {request.id for request in first.scripted.requests}
    rewrite(project, "threshold = 5.0", "threshold = 2.0")
    second = go(project, run, *DATA)
    again = {request.id for request in second.scripted.requests}
    made = counts(second)
    assert again and not again & asked and made["taken_over"] + len(again) == made["verdicts"]
    fresh = go(project, tmp_path / "fresh", *DATA)
    assert made["spared"] == counts(fresh)["spared"]
    assert same(run, tmp_path / "fresh", "judge/main") and same(
        run, tmp_path / "fresh", "select/main"
    )


def test_a_trial_asks_for_all_and_tells_how_many_it_takes(project: Path, tmp_path: Path) -> None:
    short = go(project, tmp_path / "short", *DATA)
    rewrite(project, "[data]", "[data]\nlimit = 99")
    trial = go(project, tmp_path / "trial", *DATA)
    assert counts(trial)["verdicts"] == 54 and "spared" not in counts(trial)
    assert counts(trial)["needed"] == counts(short)["verdicts"]
    assert _asked_in(RunFolder(tmp_path / "trial")) == _asked_in(RunFolder(tmp_path / "short"))
    rewrite(project, "early_stop = true", "early_stop = false")
    whole = go(project, tmp_path / "whole", *DATA)
    assert same(tmp_path / "trial", tmp_path / "whole", "select/main")
    assert "needed" not in counts(whole)


@pytest.mark.parametrize("early_stop", ["true", "false"])
def test_a_part_in_which_nobody_was_judged_is_dropped_like_others(
    project: Path, tmp_path: Path, early_stop: str
) -> None:
    rewrite(project, "early_stop = true", f"early_stop = {early_stop}\n[run]\npart_rows = 6")

    def answer(request: Request) -> str:
        is_of_tea = "tea" in request.messages[-1]["content"]
        judged = len(request.messages) == 2 and "score" in request.messages[-1]["content"].lower()
        return "no idea" if judged and is_of_tea else reply(request)

    run = tmp_path / "run"
    go(project, run, *DATA, answer=answer)
    dropped = Table(run / "select" / "main", DROPPED).frame()
    assert set(dropped.filter(pl.col("reason") == "unjudged")["category"]) == {"tea"}


def test_a_setting_that_is_off_leaves_every_digest_as_it_was(project: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    rewrite(project, "\nearly_stop = true", "")
    go(project, run, *DATA)
    before = json.loads((run / "judge" / "main" / "manifest.json").read_text())["inputs_sha256"]
    rewrite(project, "k = 3", "k = 3\nearly_stop = false")
    assert not go(project, run, *DATA).scripted.requests
    after = json.loads((run / "judge" / "main" / "manifest.json").read_text())["inputs_sha256"]
    assert before == after


def test_a_plan_takes_the_share_that_a_trial_was_spared(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three categories' completions, those of two fail at the first judgement."""
    says = {"well stirred": "Score: 9", "spilt": "Score: 1", "soup": "<think>S1</think>well stirred", "": "<think>S1</think>spilt"}  # fmt: skip
    (project / "script.json").write_text(json.dumps(says))
    config, trial = load_config(project / "dalign.toml", []), tmp_path / "trial"
    for stage in SCRIPTED[:3]:
        run_stages(config, trial, Progress(), stage.partition("/")[0])

    def judgements(*overrides: str, by: Path | None) -> int:
        given = (
            f"model.checkpoint={MODEL}",
            "pack.capacity=512",
            "generate.max_new_tokens=64",
            "evaluate.max_new_tokens=64",
            *overrides,
        )
        plan_command(project / "dalign.toml", None, by, given, redo=False, as_json=True)
        plan = json.loads(capsys.readouterr().out)
        [cost] = [cost for cost in plan["costs"] if cost["stage"] == "judge/main"]
        return cost["requests"]

    assert judgements(by=None) == 9 * 2 * 3
    assert judgements(by=trial) == 6 * 3 + 12
    # Of a run that does not stop early, a trial that did tells no share.
    assert judgements("judge.early_stop=false", by=trial) == 9 * 2 * 3
