"""The data filter's judge: it sees the reasoning too, and every verdict is kept."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dalign.judge.verdicts import Court, Question, Scale
from dalign.models.protocol import Reply, Sampling
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
    replies = {
        row["id"]: Reply(row["id"], row["text"], row["finish"], row["tokens"])
        for row in journal.read()
    }
    done = replies.keys() & {request.id for request in requests}
    progress.start(name, len(requests))
    count = len(done)
    for batch in court.engine.stream(requests, sampling, done):
        journal.append(
            [{"id": r.id, "text": r.text, "finish": r.finish, "tokens": r.tokens} for r in batch]
        )
        replies.update((reply.id, reply) for reply in batch)
        count += len(batch)
        progress.advance(name, count)
    verdicts = court.read(questions, replies, requests, scale)
    failed = verdicts.filter(pl.col("state") != "ok").height
    progress.finish(name, f"{verdicts.height} verdicts, {failed} without a score")
    return verdicts
