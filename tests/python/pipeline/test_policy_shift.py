"""A run that chooses by the shift of its policy: what it asks, chooses, keeps and tells; and one by score, as ever."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from dalign.errors import InputError, QuotaError
from dalign.figures import ShiftRow
from dalign.models.protocol import Request
from dalign.pipeline.plan import make_plan
from dalign.pipeline.preflight import warnings_of
from dalign.pipeline.work import planned_work, work_of
from dalign.records.journey import journeys_of
from dalign.records.record import open_record
from dalign.records.shifts import shift_rows
from dalign.rows import SHIFTS
from dalign.settings import load_config
from dalign.store.parts import DROPPED, ROWS, Table
from dalign.store.whole_files import digest
from scripted_run import SCRIPTED, KilledError, go, stops_after, write_project

BARE = ("generate/bare", "filter/bare", "judge/bare")
DATA = (*SCRIPTED, *BARE)
SHIFT = '\nby = "policy-shift"'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Nine prompts, three of each category."""
    return write_project(tmp_path / "project")


def choose_by_shift(project: Path, more: str = "") -> None:
    rewrite(project, "quota = 0", f"quota = 0{SHIFT}{more}")


def rewrite(project: Path, old: str, new: str) -> None:
    config = project / "dalign.toml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))


def shown(request: Request) -> str:
    return "\n".join(message["content"] for message in request.messages)


def answer(request: Request) -> str:
    """Question 1 is answered badly without the policy, others as well as with it; question 2 in no form at all."""
    asked = request.messages[-1]["content"]
    if "score" in asked.lower() and len(request.messages) == 2:
        return f"because\nScore: {2 if 'spilt' in asked else 8}"
    is_bare = "Be plain." not in shown(request)
    if is_bare and "question 2" in asked:
        return "no reasoning here"
    said = "spilt" if is_bare and "question 1" in asked else "stirred"
    return f"<think>thought {request.seed}</think>well {said}: {asked}"


def shifts(run: Path) -> dict[str, list[float | None]]:
    """The shifts by what the prompt asks, of the three categories."""
    frame = Table(run / "select" / "main", SHIFTS).frame()
    found: dict[str, list[float | None]] = {}
    record = open_record(run)
    asked = record.project.prompts.table.frame(["id", "messages"])
    of = frame.join(asked, left_on="prompt_id", right_on="id", how="left", maintain_order="left")
    for messages, shift in of.select("messages", "shift").iter_rows():
        found.setdefault(messages[-1]["content"].rpartition(", ")[2], []).append(shift)
    return found


def questions(run: Path) -> list[str]:
    """What the examples' prompts ask."""
    rows = Table(run / "select" / "main").frame()["messages"].to_list()
    return [messages[-1]["content"].rpartition(", ")[2] for messages in rows]


def test_the_prompts_on_which_the_policy_changes_something_are_chosen(
    project: Path, tmp_path: Path
) -> None:
    choose_by_shift(project, "\nmax_examples = 3")
    run = tmp_path / "run"
    made = go(project, run, *DATA, answer=answer)
    assert shifts(run) == {
        "question 0": [0.0] * 3, "question 1": [0.6] * 3, "question 2": [None] * 3,
    }  # fmt: skip
    assert questions(run) == ["question 1"] * 3
    assert made.folder("select/main").recorded("counts")["without_shift"] == 3
    assert set(Table(run / "filter" / "bare", DROPPED).frame()["reason"]) == {"no_tags"}
    # Seven more are wanted than there are with a large shift: nothing is lost.
    rewrite(project, "max_examples = 3", "max_examples = 9")
    again = go(project, run, *DATA, answer=answer)
    assert len(questions(run)) == 9 and not again.scripted.requests


def test_nothing_of_the_policy_is_shown_to_a_bare_completion_and_its_judge_sees_it(
    project: Path, tmp_path: Path
) -> None:
    choose_by_shift(project, "\nshift_n = 2")
    made = go(project, tmp_path / "run", *DATA, answer=answer)
    ids = set(Table(tmp_path / "run" / "generate" / "bare").frame()["id"])
    bare = [request for request in made.scripted.requests if request.id in ids]
    assert len(bare) == 18 and all(len(request.messages) == 1 for request in bare)
    judged = Table(tmp_path / "run" / "judge" / "bare").frame()["id"].to_list()
    of_judge = [request for request in made.scripted.requests if request.id in set(judged)]
    assert len(of_judge) == 2 * 12 and all("Be plain." in shown(each) for each in of_judge)
    assert not ids & set(Table(tmp_path / "run" / "generate" / "main").frame()["id"])


def test_rows_below_the_least_shift_are_dropped_with_their_reason(
    project: Path, tmp_path: Path
) -> None:
    choose_by_shift(project, "\nleast_shift = 0.1")
    run = tmp_path / "run"
    go(project, run, *DATA, answer=answer)
    dropped = Table(run / "select" / "main", DROPPED).frame()
    small = dropped.filter(pl.col("reason") == "small_shift")
    assert set(small["detail"]) == {"shift 0.0 < 0.1"} and small.height == 6
    assert sorted(set(questions(run))) == ["question 1", "question 2"]
    # Where that leaves too few, it is what is named.
    rewrite(project, "least_shift = 0.1", "least_shift = 0.1\nquota = 3\non_short = 'error'")
    rewrite(project, "quota = 0\n", "")
    with pytest.raises(QuotaError, match=r"lower select\.least_shift \(6 rows have a smaller"):
        go(project, run, *DATA, answer=answer)


def test_by_score_the_plan_the_rows_and_every_digest_are_as_ever(
    project: Path, tmp_path: Path
) -> None:
    config = load_config(project / "dalign.toml", [])
    assert not [s for s in make_plan(config) if "bare" in " ".join([s.name, *s.needs])]
    select = next(stage for stage in make_plan(config) if stage.kind == "select")
    assert select.needs == ("filter/main", "judge/main")
    run = tmp_path / "run"
    made = go(project, run, *SCRIPTED)
    manifest = json.loads((run / "select" / "main" / "manifest.json").read_text())
    settings = {
        "threshold": 0.0, "near": None, "per_prompt": 1, "max_examples": None, "quota": 0,
        "clause_quota": 0, "on_short": "error", "unjudged": "drop",
    }  # fmt: skip
    assert manifest["inputs"]["settings"] == settings
    assert set(manifest["inputs"]) == {
        "filter", "judge", "shown", "templates", "settings", "prompts", "seed",
    }  # fmt: skip
    assert manifest["inputs_sha256"] == digest(manifest["inputs"])
    assert set(manifest["counts"]) == {"rows_in", "rows_out", "short", "short_clauses"}
    assert not Table(run / "select" / "main", SHIFTS).paths()
    assert not (run / "generate" / "bare").exists() and len(made.scripted.requests) == 18 + 36
    # What it says of shifts is nothing to it.
    rewrite(project, "quota = 0", "quota = 0\nshift_n = 5")
    assert not go(project, run, *SCRIPTED).scripted.requests
    assert json.loads((run / "select" / "main" / "manifest.json").read_text()) == manifest


def test_a_run_by_score_goes_on_by_shift_and_asks_for_the_bare_ones_alone(
    project: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    before = go(project, run, *SCRIPTED, answer=answer)
    made = {n: before.folder(n).output_sha256() for n in SCRIPTED[:3]}
    choose_by_shift(project, "\nmax_examples = 3")
    after = go(project, run, *DATA, answer=answer)
    assert {n: after.folder(n).output_sha256() for n in SCRIPTED[:3]} == made
    # Nine completions, and two judgements of each of the six in form.
    assert len(after.scripted.requests) == 9 + 12


@pytest.mark.parametrize("after", [19, 58, 70])
def test_killed_anywhere_it_ends_in_the_same_rows(
    project: Path, tmp_path: Path, after: int
) -> None:
    choose_by_shift(project, "\nmax_examples = 3")
    go(project, tmp_path / "whole", *DATA)
    with pytest.raises(KilledError):
        go(project, tmp_path / "killed", *DATA, answer=stops_after(after))
    go(project, tmp_path / "killed", *DATA)
    for stage, name in ((n, ROWS) for n in DATA):
        one, other = (Table(tmp_path / run / stage, name) for run in ("whole", "killed"))
        assert one.frame().equals(other.frame())
    one, other = (Table(tmp_path / run / "select/main", SHIFTS) for run in ("whole", "killed"))
    assert one.frame().equals(other.frame())


def test_a_damaged_table_of_shifts_is_made_again(project: Path, tmp_path: Path) -> None:
    choose_by_shift(project)
    run = tmp_path / "run"
    made = go(project, run, *DATA)
    path = Table(run / "select" / "main", SHIFTS).path(0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert made.folder("select/main").faults()
    assert not go(project, run, *DATA).scripted.requests
    assert path.read_bytes() == whole


def test_early_stopping_spares_nothing_where_scores_are_compared(
    project: Path, tmp_path: Path
) -> None:
    choose_by_shift(project)
    rewrite(project, "threshold = 0.0", "threshold = 9.0")
    whole = go(project, tmp_path / "whole", *DATA)
    rewrite(project, "k = 2", "k = 2\nearly_stop = true")
    stopped = go(project, tmp_path / "stopped", *DATA)
    assert len(stopped.scripted.requests) == len(whole.scripted.requests)
    one, other = (Table(tmp_path / run / "select/main", SHIFTS) for run in ("whole", "stopped"))
    assert one.frame().equals(other.frame())


def test_the_plan_counts_what_is_asked_without_the_policy(project: Path, tmp_path: Path) -> None:
    choose_by_shift(project, "\nshift_n = 3")
    made = go(project, tmp_path / "run")
    asked = {
        (each.stage, each.asks): (each.requests, each.sight)
        for each in work_of(made.opened.project)
        if each.stage.endswith("/bare")
    }
    assert asked == {("generate/bare", "complete"): (27, "none"), ("judge/bare", "judge"): (54, "none")}  # fmt: skip
    told = planned_work(made.opened.project)
    assert (told["completions"], told["completions_without_policy"]) == (18, 27)
    names = [stage.name for stage in make_plan(made.opened.project.config)]
    assert names[:7] == [
        "generate/main", "generate/bare", "filter/main", "filter/bare", "judge/main", "judge/bare",
        "select/main",
    ]  # fmt: skip


def test_a_journey_tells_what_the_policy_changed(project: Path, tmp_path: Path) -> None:
    choose_by_shift(project)
    run = tmp_path / "run"
    go(project, run, *DATA, answer=answer)
    row = Table(run / "judge" / "bare").frame()["id"][0]
    [journey] = journeys_of(open_record(run), row)
    steps = [step for step in journey.steps if step.stage == "generate"]
    assert [step.facts.get("policy") for step in steps] == [None, None, "not in sight"]
    [told] = [step.facts for step in journey.steps if "shift" in step.facts]
    assert told["shift"] == (told["with_policy"] - told["without_policy"]) / 10


def test_the_report_has_the_shifts_of_each_category(project: Path, tmp_path: Path) -> None:
    choose_by_shift(project, "\nmax_examples = 3")
    run = tmp_path / "run"
    go(project, run, *DATA, answer=answer)
    # Of three questions, one shifts by 0.6, one by nothing, and of one nothing is known.
    assert shift_rows(open_record(run)) == [
        ShiftRow(name, 3, 2, 8.0, 5.0, 0.3, 0.6) for name in ("general", "soup", "tea")
    ]
    rewrite(project, SHIFT, "")
    go(project, run, *DATA, answer=answer)
    assert shift_rows(open_record(run)) == []


def test_a_choice_that_shifts_cannot_change_is_said(project: Path, tmp_path: Path) -> None:
    choose_by_shift(project)
    made = go(project, tmp_path / "run").opened
    [said] = warnings_of(made.project, made.engines, {"select"})
    assert "chooses nothing without select.max_examples or select.least_shift" in said


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["select.by=shift"], "select.by"),
        (["select.shift_n=0"], "select.shift_n"),
        (["select.by=policy-shift", "select.least_shift=1.5"], "select.least_shift"),
        (["select.least_shift=0.1"], "needs the shift of prompts; set select.by = 'policy-shift'"),
        (["select.by=policy-shift", "data.completions=prompts.jsonl"], "data.completions were written elsewhere; leave data.completions out, or set select.by = 'score'"),
        (["select.by=policy-shift", "data.examples=prompts.jsonl"], "data.examples were written elsewhere"),
    ],
)  # fmt: skip
def test_settings_that_cannot_hold_are_refused(
    project: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(InputError) as met:
        load_config(project / "dalign.toml", overrides)
    assert said in str(met.value) and "\n" not in str(met.value)
