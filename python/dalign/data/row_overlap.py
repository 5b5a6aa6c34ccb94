"""Rows that say what they must not: evaluation prompts in training texts, the policy in an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from dalign import _core
from dalign.data.row_checks import Form, parsed_parts
from dalign.files.batch import Batch, Decision


class ContaminationCheck:
    """Drops rows of which a text shares `ngram` words in a row with an evaluation text.

    An evaluation text of fewer words counts where a text has the same words and no others. places: where each
    evaluation text stands. Raises CoreError for an `ngram` below 1.
    """

    def __init__(
        self, evaluation: pl.Series, places: Sequence[str], text_fields: Sequence[str], ngram: int
    ) -> None:
        self._index = _core.NgramIndex(evaluation, ngram)
        self._places = places
        self._text_fields = text_fields

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: `contaminated`, with the words shared and the evaluation row."""
        decision = Decision.keep_all(batch.rows)
        for name in self._text_fields:
            decision = decision.then(self._field(batch.texts(name)))
        return decision

    def _field(self, texts: pl.Series) -> Decision:
        found = pl.DataFrame(self._index.overlap(texts, None)).with_row_index("row")
        hits = found.filter(pl.col("reference").is_not_null())
        reasons: list[str | None] = [None] * len(texts)
        details: list[str | None] = [None] * len(texts)
        for hit in hits.iter_rows(named=True):
            row, place = hit["row"], self._places[hit["reference"]]
            reasons[row] = "contaminated"
            details[row] = f"{place}: {_span(texts[row], hit)}"
        return Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))


def _span(text: str, hit: dict[str, int | None]) -> str:
    """The longest shared run, as the text has it; the whole text where it equals a short reference."""
    return text.encode()[hit["start"] : hit["end"]].decode() if hit["start"] is not None else text


@dataclass
class Recited:
    """Shares of the n-grams of reasoning and answers that stand in the policy: sums over the rows looked at."""

    rows: int = 0
    reasoning: float = 0.0
    answer: float = 0.0

    def as_json(self) -> dict[str, float]:
        """The mean shares."""
        rows = max(1, self.rows)
        return {"reasoning": self.reasoning / rows, "answer": self.answer / rows}


@dataclass
class RecitalCheck:
    """Drops rows whose answer recites the policy: a larger share of its n-grams than `most` stands there.

    own_field: the user's prompt, whose words may be repeated. Reasoning may recite: its share is only counted.
    """

    index: _core.NgramIndex
    form: Form
    most: float
    own_field: str | None = None
    recited: Recited = field(default_factory=Recited)

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: `policy_in_answer`, with the share and the longest run."""
        parsed = parsed_parts(batch, self.form)
        own = None if self.own_field is None else batch.texts(self.own_field)
        reasoning = _shares(pl.DataFrame(self.index.overlap(parsed["reasoning"], own)))
        answer = _shares(pl.DataFrame(self.index.overlap(parsed["answer"], own)))
        self.recited.rows += batch.rows
        self.recited.reasoning += float(reasoning["share"].sum())
        self.recited.answer += float(answer["share"].sum())
        reasons: list[str | None] = [None] * batch.rows
        details: list[str | None] = [None] * batch.rows
        for hit in (
            answer.with_row_index("row").filter(pl.col("share") > self.most).iter_rows(named=True)
        ):
            row = hit["row"]
            reasons[row] = "policy_in_answer"
            details[row] = f"{hit['share']:.3f} of the answer: {_span(parsed['answer'][row], hit)}"
        return Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))


def _shares(overlap: pl.DataFrame) -> pl.DataFrame:
    share = pl.col("shared") / pl.max_horizontal("ngrams", 1)
    return overlap.with_columns(share=share)
