"""What the judge gave beside its scores, from its replies to the report's rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dalign.config import Judge
from dalign.judge.answers import AnswerJudge
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging, ScoreForm
from dalign.models.ask import Ask
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Request, Sampling
from dalign.models.reasoning import THINK
from dalign.pipeline.judging import scale_of
from dalign.pipeline.rollout_log import RolloutLog
from dalign.records.journey import journeys_of
from dalign.records.record import open_record
from dalign.records.sub_scores import sub_score_rows, violated_clauses
from dalign.rows import AnswerToJudge, Message, Prompt, RolloutRow
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.store.folder import Finished, StageFolder
from dalign.train.job import Rollout
from dalign.train.rl.rewards import Reward
from policies import ENGLISH
from scripted_run import EVALUATED, SCRIPTED, go, reply, write_project

PARTS = "S1: violated\ntea.S1: violated\nS9: violated\nCompliance: 8\nCorrectness: 6\nHelpfulness: 4\nReasoning: 2\nScore: 7"


def judged(request: Request) -> str:
    is_judge = "Rate the answer" in request.messages[-1]["content"]
    return PARTS if is_judge else reply(request)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    project = write_project(tmp_path / "project")
    go(project, tmp_path / "run", *SCRIPTED, *EVALUATED, answer=judged)
    return tmp_path / "run"


def test_means_are_told_of_training_data_by_category_and_of_each_arm(run: Path) -> None:
    rows = {row.where: row for row in sub_score_rows(open_record(run))}
    parts = {"compliance": 8.0, "correctness": 6.0, "helpfulness": 4.0}
    assert rows["training data, tea"].means == {**parts, "reasoning": 2.0}
    # Where answers alone are judged nothing is said of the reasoning.
    assert rows["evaluation of none"].means == {**parts, "reasoning": None}
    assert rows.keys() == {
        *(f"training data, {name}" for name in ("general", "soup", "tea")),
        "evaluation of none", "evaluation of spec",
    }  # fmt: skip


def test_means_are_told_of_rls_first_and_last_steps_on_the_judges_scale(run: Path) -> None:
    parts = {"judge_compliance": pl.Float64, "judge_helpfulness": pl.Float64}
    columns = RolloutRow.COLUMNS | parts
    rows = [
        {"step": step, "judge": 0.5, "judge_compliance": step / 20, "judge_helpfulness": 0.3}
        for step in range(1, 21)
    ]
    unjudged = {"step": 20, "judge": None, "judge_compliance": None, "judge_helpfulness": None}
    stage = StageFolder(run, "rl", "rl")
    stage.start({})
    written = stage.table().write(0, pl.DataFrame([*rows, unjudged], schema=columns))
    stage.finish({}, Finished({"rows_out": 21}, [written], {}))
    found = {row.where: row for row in sub_score_rows(open_record(run)) if "RL" in row.where}
    # Of steps 1 to 10 the shares are 0.05 to 0.5, on a scale from 0 to 10.
    first, last = found["RL of rl, first 10 steps"], found["RL of rl, last 10 steps"]
    assert first.means == pytest.approx({"compliance": 2.75, "helpfulness": 3.0})
    assert last.means == pytest.approx({"compliance": 7.75, "helpfulness": 3.0})
    assert (first.judged, last.judged) == (10, 10)


def test_a_rows_journey_tells_what_the_judge_gave_beside_the_score(run: Path) -> None:
    record = open_record(run)
    row = record.stage("judge/main").table().frame()["completion_id"][0]
    [journey] = journeys_of(record, row)
    said = [step.note for step in journey.steps if step.stage == "judge"]
    assert "compliance 8, correctness 6, helpfulness 4, reasoning 2" in said[0]
    assert "clauses S1 violated, tea.S1 violated, S9 violated" in said[0]
    assert "compliance 8" in said[-1]


def test_violated_clauses_are_counted_by_their_ids_and_others_are_left_out(run: Path) -> None:
    found = violated_clauses(open_record(run))
    assert set(found) == {"soup.S1", "tea.S1"} and found["tea.S1"] > found["soup.S1"] > 0


def test_each_rollout_has_the_sub_scores_of_its_answer(tmp_path: Path) -> None:
    spec, templates = load_spec(ENGLISH), load_templates(ENGLISH)
    scale = scale_of(Judge(k=1), templates=templates)
    form = ScoreForm(spec, templates, sub_scores=scale.sub_scores)
    engine = ScriptedEngine({"": PARTS})
    judge = AnswerJudge(
        Judging(Court.of(engine, THINK, 0), form, scale, Sampling(0, 9)), Ask(engine)
    )
    asked = (Message(role="user", content="What is a contract?"),)
    prompt = Prompt("p", "regulated-advice", asked)
    judge([AnswerToJudge("p", "regulated-advice", asked, "a")])
    folder = StageFolder(tmp_path, "rl", "rl")
    folder.path.mkdir(parents=True)
    log = RolloutLog(folder, judge, None, {"p": prompt})
    answers = [Rollout("p", "t", 1, Reward("ok", "", a, 0.7, 0.7), 0.5) for a in ("a", "other")]
    log.rollouts(1, answers)
    assert log.rows()["judge_compliance"].to_list() == [0.8, None]
    assert log.rows()["judge_helpfulness"].to_list() == [0.4, None]
    assert "judge_reasoning" not in log.rows().columns
