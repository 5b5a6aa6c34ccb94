"""What an arm makes of some prompts of a suite: completions, the judge's scores of their answers, grades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from dalign.data.patterns import Patterns
from dalign.evaluate.grades import Graded, judge_grades, truth_grades
from dalign.rows import NEVER_CAME, OK, Evaluated, Grade, Outcome, Prompt, table

# (verdicts, scores) of answers: columns id, category, messages, answer.
Judge = Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]]
# Grades of retrieval; see `evaluate.retrieval`.
Retrieval = Callable[[Sequence[Graded]], Sequence[Grade]]


@dataclass(frozen=True)
class Suite:
    """How a suite's completions are graded. patterns: None without truth; pass_score: from which the judge passes."""

    name: str
    metrics: Sequence[str]
    patterns: Patterns | None
    judged: bool
    pass_score: float


def evaluated(
    completions: pl.DataFrame,
    prompts: pl.DataFrame,
    suite: Suite,
    judge: Judge | None,
    retrieval: Retrieval | None,
    *,
    arm: str,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None, dict[str, int]]:
    """(rows, grades, verdicts, counts) of an arm's completions of some prompts: columns `Evaluated`, `Grade`, `Verdict`.

    completions: columns `Completion`, status, reasoning, answer. judge, retrieval: None where nobody is asked.
    """
    verdicts = None
    rows = completions.with_columns(
        status=Outcome.of(pl.col("finish"), pl.col("status")),
        suite=pl.lit(suite.name),
        arm=pl.lit(arm),
    )
    if judge is not None:
        rows, verdicts = judged_answers(rows, prompts, judge)
    grades = grades_of(rows, prompts, suite, retrieval)
    rows = pl.concat([table(Evaluated.COLUMNS), rows], how="diagonal")
    never_came = int(rows["status"].is_in(list(NEVER_CAME)).sum())
    counts = {
        "rows_out": rows.height,
        "never_came": never_came,
        "malformed": int((rows["status"] != OK).sum()) - never_came,
        "missing": sum(grade.grade is None for grade in grades),
    }
    return rows, table(Grade.COLUMNS, [grade.row for grade in grades]), verdicts, counts


def judged_answers(
    rows: pl.DataFrame, prompts: pl.DataFrame, judge: Judge
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows with `judge_score`, verdicts): each well-formed answer's score; equal answers to a prompt are judged once.

    The answer alone is judged, as in RL: every arm is graded alike, whether or not it cites.
    """
    same = ["prompt_id", "answer"]
    asked = rows.filter(pl.col("status") == OK)
    firsts = asked.unique(same, keep="first", maintain_order=True)
    conversations = prompts.select(prompt_id="id", messages="messages")
    answers = firsts.join(conversations, on="prompt_id", how="left", maintain_order="left")
    verdicts, scores = judge(answers.select("id", "category", "messages", "answer"))
    given = scores.select(id="completion_id", judge_score="score")
    keyed = firsts.select(*same, "id").join(given, on="id").drop("id")
    joined = rows.join(keyed, on=same, how="left", maintain_order="left")
    score = pl.when(pl.col("status") == OK).then(pl.col("judge_score"))
    return joined.with_columns(judge_score=score), verdicts


def grades_of(
    rows: pl.DataFrame, prompts: pl.DataFrame, suite: Suite, retrieval: Retrieval | None
) -> list[Grade]:
    """Every grade of some completions of a suite.

    rows: columns id, prompt_id, status, reasoning, answer and, where the suite is judged, judge_score.
    """
    by_id = {prompt.id: prompt for prompt in Prompt.read(prompts)}
    scores = rows["judge_score"] if suite.judged else [None] * rows.height
    columns = rows.select("id", "prompt_id", "status", "reasoning", "answer").iter_rows()
    graded = [Graded.of(row, suite.name, by_id[prompt], *rest) for row, prompt, *rest in columns]
    retrieved = {grade.id: grade for grade in retrieval(graded)} if retrieval is not None else {}
    grades: list[Grade] = []
    for row, score in zip(graded, scores, strict=True):
        if suite.patterns is not None:
            grades += truth_grades(row, suite.patterns, suite.metrics)
        if suite.judged:
            grades += judge_grades(row, score, suite.pass_score, suite.metrics)
        if row.id in retrieved:
            grades.append(retrieved[row.id])
    return grades
