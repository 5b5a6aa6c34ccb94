"""Asks a judge model k times about each answer, and reads its replies into verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from dalign import _core
from dalign.models.protocol import Engine, Reply, Request
from dalign.rows import Message, row_seed
from dalign.spec.templates import Templates, escape_control
from dalign.spec.types import GENERAL, Spec

VERDICT_SCHEMA = {
    "id": pl.String,
    "completion_id": pl.String,
    "category": pl.String,
    "sample": pl.UInt32,
    "state": pl.String,
    "score": pl.Float64,
    "stance": pl.String,
    "reply": pl.String,
}
SCORE_SCHEMA = {
    "completion_id": pl.String,
    "category": pl.String,
    "score": pl.Float64,
    "n_valid": pl.UInt32,
}


@dataclass(frozen=True)
class Question:
    """What a judge is asked about. `reasoning` is None where it must not be seen; `hint` is the other AI's opinion."""

    id: str
    category: str
    messages: tuple[Message, ...]
    answer: str
    reasoning: str | None
    hint: str | None = None


@dataclass(frozen=True)
class Scale:
    """How verdicts are drawn and reduced. low and high bound a valid score; parameter: what the aggregate needs, if anything."""

    k: int
    min_valid: int
    low: float
    high: float
    aggregate: str
    parameter: float | None


class Court:
    """Renders questions, and reads replies: what every use of a judge shares."""

    def __init__(self, engine: Engine, spec: Spec, templates: Templates, seed: int) -> None:
        self.engine = engine
        self.templates = templates
        self.seed = seed
        self._composed = {name: templates.spec(spec, name) for name in (*spec.names, GENERAL)}

    def requests(self, questions: Sequence[Question], k: int) -> list[Request]:
        """k requests a question, sample by sample. The nonce is a keyed hash of seed, row and sample."""
        return [self._request(question, sample) for question in questions for sample in range(k)]

    def _request(self, question: Question, sample: int) -> Request:
        row = _core.row_id([question.id], "verdict", sample)
        keyed = _core.row_id([str(self.seed), row], "nonce", sample)
        clean = self.engine.control_tokens
        messages = self.templates.judgement(
            self._composed[question.category],
            [
                {"role": m["role"], "content": escape_control(m["content"], clean)}
                for m in question.messages
            ],
            escape_control(question.answer, clean),
            reasoning=None
            if question.reasoning is None
            else escape_control(question.reasoning, clean),
            nonce=keyed,
            hint=question.hint,
        )
        as_messages = tuple(Message(role=m["role"], content=m["content"]) for m in messages)
        return Request(row, as_messages, row_seed(self.seed, row))

    def retrieval_messages(
        self, names: Sequence[str], excerpts: Sequence[str], row: str
    ) -> tuple[Message, ...]:
        """The conversation that asks from which category's policy these excerpts of a reasoning were taken."""
        clean = [escape_control(text, self.engine.control_tokens) for text in excerpts]
        nonce = _core.row_id([str(self.seed), row], "nonce", 0)
        return tuple(
            Message(role=m["role"], content=m["content"])
            for m in self.templates.retrieval(names, clean, nonce)
        )

    def read(
        self,
        questions: Sequence[Question],
        replies: dict[str, Reply],
        requests: Sequence[Request],
        scale: Scale,
    ) -> pl.DataFrame:
        """The verdicts (columns `VERDICT_SCHEMA`): a reply's score, or the state that stands for none."""
        texts = [replies[request.id].text for request in requests]
        parsed = pl.DataFrame(
            _core.parse_verdicts(pl.Series(texts, dtype=pl.String), scale.low, scale.high)
        )
        finishes = [replies[request.id].finish for request in requests]
        owners = [question for question in questions for _ in range(scale.k)]
        frame = pl.DataFrame(
            {
                "id": [request.id for request in requests],
                "completion_id": [question.id for question in owners],
                "category": [question.category for question in owners],
                "sample": [i % scale.k for i in range(len(owners))],
                "finish": finishes,
                "reply": texts,
            },
            schema_overrides={
                "sample": pl.UInt32,
                "finish": pl.String,
                "id": pl.String,
                "completion_id": pl.String,
                "category": pl.String,
                "reply": pl.String,
            },
        )
        state = (
            pl.when(pl.col("finish") == "timeout").then(pl.lit("timed_out"))
            .when(pl.col("finish") == "error").then(pl.lit("error"))
            .when((pl.col("finish") == "length") & (pl.col("state") != "ok")).then(pl.lit("truncated"))
            .otherwise(pl.col("state"))
        )  # fmt: skip
        rows = pl.concat(
            [frame, parsed.select("state", "score", "stance")], how="horizontal"
        ).with_columns(state=state)
        return rows.with_columns(
            score=pl.when(pl.col("state") == "ok").then(pl.col("score"))
        ).select(list(VERDICT_SCHEMA))


def reduce_verdicts(verdicts: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """One row a completion: the aggregated score (null: unjudged) and how many verdicts were valid."""
    owners = verdicts["completion_id"].to_list()[:: scale.k]
    categories = verdicts["category"].to_list()[:: scale.k]
    offsets = pl.Series(range(0, len(owners) * scale.k + 1, scale.k), dtype=pl.UInt32)
    reduced = pl.DataFrame(
        _core.aggregate(
            verdicts["score"], offsets, scale.aggregate, scale.parameter, scale.min_valid
        )
    )
    named = pl.DataFrame(
        {"completion_id": owners, "category": categories},
        schema={"completion_id": pl.String, "category": pl.String},
    )
    scores = pl.concat([named, reduced.select("score", "n_valid")], how="horizontal")
    return scores.cast(pl.Schema(SCORE_SCHEMA))
