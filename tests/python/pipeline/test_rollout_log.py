"""The log of rollouts: a kill at any moment of a resume or of the end loses no step that a checkpoint has."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.judge.answers import AnswerJudge
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging, ScoreForm
from dalign.judge.scale import Scale
from dalign.models.ask import Ask
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Sampling
from dalign.models.reasoning import THINK
from dalign.pipeline.rollout_log import RolloutLog
from dalign.rows import SECTION_GRADES, Message, Prompt, Section
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.store.folder import StageFolder
from dalign.train.job import Rollout
from dalign.train.rl.completeness import completeness
from dalign.train.rl.rewards import Reward
from policies import ENGLISH

PROMPT = Prompt("p", "general", (Message(role="user", content="x"),))


def log_in(tmp_path: Path, *, has_length: bool = False) -> RolloutLog:
    engine, spec = ScriptedEngine({"": "Score: 5"}), load_spec(ENGLISH)
    form = ScoreForm(spec, load_templates(ENGLISH))
    scale = Scale(1, 1, 0.0, 10.0, "min", None, ())
    judging = Judging(Court.of(engine, THINK, 0), form, scale, Sampling(0, 9))
    folder = StageFolder(tmp_path, "rl", "rl")
    folder.path.mkdir(parents=True)
    judge = AnswerJudge(judging, Ask(engine))
    return RolloutLog(folder, judge, None, {"p": PROMPT}, has_length=has_length)


@pytest.fixture
def log(tmp_path: Path) -> RolloutLog:
    return log_in(tmp_path)


def steps(log: RolloutLog, *numbers: int) -> None:
    for step in numbers:
        log.rollouts(step, [Rollout("p", f"text {step}", 1, Reward("ok", "", "a", 1.0, 1.0), 0.5)])
        log.save(step)


def test_a_resume_forgets_what_came_after_the_checkpoint(log: RolloutLog) -> None:
    steps(log, 1, 2, 3)
    log.resume(2)
    assert log.rows()["step"].to_list() == [1, 2]
    steps(log, 3)
    assert log.rows()["text"].to_list() == ["text 1", "text 2", "text 3"]
    log.resume(0)
    assert log.rows().height == 0


def test_what_the_length_was_paid_by_is_kept_where_it_is_paid(
    tmp_path: Path, log: RolloutLog
) -> None:
    assert "length" not in log.rows().columns
    other = log_in(tmp_path / "other", has_length=True)
    paid = [Reward("ok", "", "a", 1.0, 1.0, None, 0.25), Reward("truncated", "", "", None, 0.0)]
    other.rollouts(1, [Rollout("p", "text", 9, reward, 0.5) for reward in paid])
    assert other.rows()["length"].to_list() == [0.25, None]


def test_each_rollout_has_its_completeness_and_its_parts(log: RolloutLog) -> None:
    complete = completeness("## Dose\n5 g", (Section("Dose", contains=(("mg",), ("5",))), Section("Warning")))  # fmt: skip
    paid = [Reward("ok", "", "a", 1.0, 1.0, complete), Reward("ok", "", "a", 1.0, 1.0)]
    log.rollouts(1, [Rollout("p", "text", 1, reward, 0.5) for reward in paid])
    log.save(1)
    log.resume(1)
    rows = log.rows()
    assert rows["completeness"].to_list() == [0.25, None]
    parts = [{"name": "Dose", "grade": 0.5, "found": "heading"}, {"name": "Warning", "grade": 0.0, "found": "missing"}]  # fmt: skip
    assert rows["sections"].to_list() == [parts, None]
    assert rows.schema["sections"] == SECTION_GRADES


def test_a_resume_that_is_killed_while_it_writes_loses_no_step(
    log: RolloutLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps(log, 1, 2, 3)

    def killed(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # The write itself is broken off.
        patched.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            log.resume(2)
    assert log.rows()["step"].to_list() == [1, 2, 3]
    log.resume(2)
    assert log.rows()["step"].to_list() == [1, 2]


def test_the_end_keeps_the_memory_of_the_last_step(log: RolloutLog) -> None:
    steps(log, 1, 2)
    log.done(2)
    names = sorted(path.name for path in log._folder.path.glob("judge-*.json"))
    assert names == ["judge-2.json"]
    # A kill before the manifest: the training has ended, and the judge's word of it is still known.
    log.done(2)
    log.resume(2)
