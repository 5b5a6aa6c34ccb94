"""Judges completions: k verdicts each, and one score of these (paper 2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dalign.judge.court import Asked, Court
from dalign.judge.forms.score import Question, Scale, ScoreForm, scores_of, verdicts_of
from dalign.models.protocol import Sampling
from dalign.rows import messages_from_json


def questions_of(completions: pl.DataFrame, *, reasoning: bool, hint: bool) -> list[Question]:
    """A question a row. Columns: id, category, messages (JSON), reasoning, answer, ruling.

    reasoning: whether the judge sees it; hint: whether it is told of the prompt's expected ruling.
    """
    columns = ("id", "category", "messages", "answer", "reasoning", "ruling")
    return [
        Question(
            row, category, messages_from_json(messages), answer,
            reasoning=thought if reasoning else None, hint=ruling if hint else None,
        )
        for row, category, messages, answer, thought, ruling in (
            completions.select(columns).iter_rows()
        )
    ]  # fmt: skip


def judge(
    questions: Sequence[Question],
    court: Court,
    form: ScoreForm,
    scale: Scale,
    ask: Asked,
    sampling: Sampling,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(verdicts, scores) of questions: columns `Verdict` and `Score`, in the order of the questions."""
    requests = court.requests(form, questions, scale.k)
    verdicts = verdicts_of(questions, requests, ask(requests, sampling), court.said, scale)
    return verdicts, scores_of(verdicts, scale)
