"""How a judge's replies are read on its scale, and a completion's judgements made one score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from dalign import _core
from dalign.rows import Columns, Score, Verdict
from dalign.vocabulary import OF_PRODUCT, OF_REASONING, OWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPLITS = 20


@dataclass(frozen=True)
class Scale:
    """How verdicts are drawn and reduced. low and high bound a valid score.

    sub_scores: what is read beside it; reduce: what of them is the score: the judge's own, or as `config.Judge` says.
    """

    k: int
    min_valid: int
    low: float
    high: float
    aggregate: str
    parameter: float | None = None
    sub_scores: tuple[str, ...] = ()
    reduce: str = OWN

    @property
    def columns(self) -> Columns:
        """Those of its verdicts: with sub-scores, these and the single clauses too."""
        clauses: Columns = dict.fromkeys(("clause_ids", "clause_verdicts"), pl.List(pl.String))
        return Verdict.COLUMNS | (self._parts | clauses if self.sub_scores else {})

    @property
    def score_columns(self) -> Columns:
        """Those of its scores: each sub-score is reduced as the score is."""
        return Score.COLUMNS | self._parts

    @property
    def _parts(self) -> Columns:
        return dict.fromkeys(self.sub_scores, pl.Float64)

    def reduced(self, hidden: pl.Expr) -> pl.Expr:
        """A judgement's score, by its columns score and sub-scores; null where one that it takes is missing.

        hidden: whether the reasoning was not shown; then its sub-score is not asked for, and not missed.
        """
        parts = [pl.col(name) for name in self.sub_scores]
        given = [
            pl.col(name).is_not_null() | (hidden if name == OF_REASONING else False)
            for name in self.sub_scores
        ]
        match self.reduce:
            case "score":
                return pl.col("score")
            case "min":
                return pl.when(pl.all_horizontal(given)).then(pl.min_horizontal(parts))
            case "mean":
                return pl.when(pl.all_horizontal(given)).then(pl.mean_horizontal(parts))
            case "product":
                safe, helpful = (pl.col(name) - self.low for name in OF_PRODUCT)
                return self.low + safe * helpful / (self.high - self.low)
            case name:
                return pl.col(name)

    def scored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with the score that the scale makes of each; one of which it makes none is missing."""
        hidden = pl.col("hidden")
        if OF_REASONING in self.sub_scores:
            shown = pl.when(~hidden).then(pl.col(OF_REASONING))
            rows = rows.with_columns(shown.alias(OF_REASONING))
        is_ok, score = pl.col("state") == "ok", self.reduced(hidden)
        is_lost = is_ok & score.is_null()
        state = pl.when(is_lost).then(pl.lit("missing")).otherwise(pl.col("state"))
        return rows.with_columns(score=pl.when(is_ok).then(score), state=state)

    def parse(
        self,
        replies: pl.Series,
        seals: pl.Series | None = None,
        materials: pl.Series | None = None,
        cut: pl.Series | None = None,
    ) -> pl.DataFrame:
        """State, score and stance of each reply, with sub-scores and clauses where they are asked for.

        seals, materials, cut: see `_core.parse_verdicts`.
        """
        low, high, parts = self.low, self.high, list(self.sub_scores)
        if not parts:
            return pl.DataFrame(_core.parse_verdicts(replies, low, high, seals, materials, cut))
        return pl.DataFrame(
            _core.parse_judgements(replies, low, high, parts, seals, materials, cut)
        )


def scores_of(verdicts: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """One row a completion (columns `scale.score_columns`): the aggregated score (null: unjudged), how many verdicts were valid, and each sub-score of valid ones, aggregated alike.

    verdicts: in their order, each completion's first with sample 0. Of one that was not asked k times, the score is the
    most that it could still have become, and sub-scores are of what was asked.
    """
    starts = (verdicts["sample"] == 0).arg_true()
    offsets = starts.append(pl.Series([verdicts.height], dtype=pl.UInt32))
    is_short = offsets.diff()[1:] < scale.k

    def reduced(name: str, least: int) -> pl.DataFrame:
        how = (scale.aggregate, scale.parameter, least)
        return pl.DataFrame(_core.aggregate(valid[name], offsets, *how))

    is_valid = pl.col("score").is_not_null()
    parts = [pl.when(is_valid).then(pl.col(name)).alias(name) for name in scale.sub_scores]
    valid = verdicts.select("score", *parts)
    score = reduced("score", scale.min_valid)
    given = {name: reduced(name, scale.min_valid)["score"] for name in scale.sub_scores}
    if is_short.any():
        most = _most_of_all(verdicts, offsets, scale)
        score = score.with_columns(score=_either(is_short, most, score["score"]))
        given = {
            name: _either(is_short, reduced(name, 1)["score"], each) for name, each in given.items()
        }
    owners = verdicts.select("completion_id", "category")[starts[: len(is_short)]]
    scores = owners.with_columns(score["score"], score["n_valid"])
    return scores.with_columns(**given).cast(pl.Schema(scale.score_columns))


def _either(where: pl.Series, one: pl.Series, other: pl.Series) -> pl.Series:
    return one.zip_with(where, other)


def _most_of_all(verdicts: pl.DataFrame, offsets: pl.Series, scale: Scale) -> pl.Series:
    """What each completion's score could have become at most, had all k been asked."""
    asked = offsets.diff()[1:].to_numpy()
    scores = np.full((len(asked), scale.k), scale.high)
    rows = np.repeat(np.arange(len(asked)), asked)
    scores[rows, verdicts["sample"].to_numpy()] = verdicts["score"].fill_null(np.nan).to_numpy()
    return most_of(scores, scale.k, scale)["score"]


def most_of(scores: NDArray[np.float64], asked: int, scale: Scale) -> pl.DataFrame:
    """What completions' scores can become at most; null where too many judgements have failed. Columns: score, n_valid.

    scores: shape (completions, k); NaN: failed. asked: the first so many columns; the others are taken for the highest. Each
    way of aggregating grows with each score and with a further highest one, but the lower bound, which is at most the mean.
    """
    all_ = np.where(np.arange(scale.k) < asked, scores, scale.high)
    offsets = pl.int_range(0, all_.size + 1, scale.k, dtype=pl.UInt32, eager=True)
    by_mean = scale.aggregate == "lower_bound"
    how = ("mean", None) if by_mean else (scale.aggregate, scale.parameter)
    flat = pl.Series(all_.ravel())
    return pl.DataFrame(_core.aggregate(flat, offsets, *how, scale.min_valid))


def reliability(verdicts: pl.DataFrame, k: int, seed: int) -> dict[str, float | None]:
    """Krippendorff's alpha of single judgements, and the split-half reliability of their means, of completions that were asked k times.

    verdicts: columns score (null: failed) and sample, each completion's one after the other. None where nothing can be compared.
    """
    is_first, is_last = verdicts["sample"] == 0, verdicts["sample"] == k - 1
    if is_first.sum() != is_last.sum():
        ends = is_last.arg_true().to_numpy()
        rows = (ends[:, None] - np.arange(k - 1, -1, -1)).ravel()
        verdicts = verdicts[pl.Series(rows, dtype=pl.UInt32)]
    scores = verdicts["score"]
    offsets = pl.int_range(0, len(scores) + 1, k, dtype=pl.UInt32, eager=True)
    return {
        "alpha": _core.krippendorff_alpha(scores, offsets, "interval"),
        "split_half": _core.split_half(scores, offsets, _SPLITS, seed),
    }
