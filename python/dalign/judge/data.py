"""The data filter's judge: it sees the reasoning too, and every verdict is kept."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dalign.judge.verdicts import Court, Question, Scale
from dalign.models.protocol import Sampling
from dalign.models.replies import replies_to, words_of
from dalign.progress import Progress
from dalign.store import Journal


def judge_questions(
    court: Court,
    questions: Sequence[Question],
    scale: Scale,
    sampling: Sampling,
    *,
    journal: Journal,
    progress: Progress,
    name: str,
) -> pl.DataFrame:
    """The verdicts on all questions, k each, journalled as they come. Columns: `VERDICT_SCHEMA`."""
    requests = court.requests(questions, scale.k)
    replies, taken_over = replies_to(
        court.engine, requests, sampling, journal=journal, progress=progress, name=name
    )
    verdicts = court.read(questions, replies, requests, scale)
    failed = verdicts.filter(pl.col("state") != "ok").height
    progress.finish(
        name, f"{verdicts.height} verdicts{words_of(taken_over)}, {failed} without a score"
    )
    return verdicts
