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
    veto: ids of clauses of which a violated one gives the lowest score.
    """

    k: int
    min_valid: int
    low: float
    high: float
    aggregate: str
    parameter: float | None = None
    sub_scores: tuple[str, ...] = ()
    reduce: str = OWN
    veto: tuple[str, ...] = ()

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
        found = rows.with_columns(score=pl.when(is_ok).then(score), state=state)
        if not self.veto:
            return found
        lowest = pl.when(pl.col("score").is_not_null() & self._vetoed(rows)).then(self.low)
        return found.with_columns(score=lowest.otherwise(pl.col("score")))

    def _vetoed(self, rows: pl.DataFrame) -> pl.Series:
        """Which judgements find a clause violated that has a veto; one that may be quoted, or is said both ways, counts too."""
        said = rows.with_row_index("nth").select("nth", "category", "clause_ids", "clause_verdicts")
        each = said.explode("clause_ids", "clause_verdicts")
        # What is judged could lift a veto otherwise, by saying the same.
        each = each.filter(pl.col("clause_verdicts").is_in(["violated", "contradictory"]))
        # An id without its category is of the answer's own.
        said_id = pl.col("clause_ids")
        whole = pl.when(said_id.str.contains(".", literal=True)).then(said_id)
        clause = whole.otherwise(pl.format("{}.{}", "category", "clause_ids")).str.to_lowercase()
        named = [name.casefold() for name in self.veto]
        vetoed = each.filter(clause.is_in(named))["nth"].unique()
        return said["nth"].is_in(vetoed.implode())

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

    verdicts: in their order, each completion's first with sample 0. Of one that was not asked k times, score and sub-scores
    are of what was asked, unless too many of these failed; a single one is its own lower bound.
    """
    starts = (verdicts["sample"] == 0).arg_true()
    offsets = starts.append(pl.Series([verdicts.height], dtype=pl.UInt32))
    asked = offsets.diff()[1:]
    is_valid = pl.col("score").is_not_null()
    parts = [pl.when(is_valid).then(pl.col(name)).alias(name) for name in scale.sub_scores]
    valid = verdicts.select("score", *parts)

    def reduced(name: str, least: int, how: str = scale.aggregate) -> pl.DataFrame:
        parameter = scale.parameter if how == scale.aggregate else None
        return pl.DataFrame(_core.aggregate(valid[name], offsets, how, parameter, least))

    def of_asked(name: str) -> pl.Series:
        """Of one score there is no bound."""
        some, mean = reduced(name, 1)["score"], reduced(name, 1, "mean")["score"]
        return some.zip_with(n_valid > 1, mean) if scale.aggregate == "lower_bound" else some

    found = {name: reduced(name, scale.min_valid) for name in valid.columns}
    columns = {name: each["score"] for name, each in found.items()}
    n_valid = found["score"]["n_valid"]
    is_short = (asked < scale.k) & (asked - n_valid <= scale.k - scale.min_valid)
    if is_short.any():
        columns = {name: of_asked(name).zip_with(is_short, each) for name, each in columns.items()}
    owners = verdicts.select("completion_id", "category")[starts[: len(asked)]]
    scores = owners.with_columns(n_valid, **columns)
    return scores.select(list(scale.score_columns)).cast(pl.Schema(scale.score_columns))


def can_pass(
    scores: NDArray[np.float64], asked: int, scale: Scale, least: float
) -> NDArray[np.bool_]:
    """Whether each completion's score can still reach `least`. scores, asked: see `most_of`."""
    most = most_of(scores, asked, scale)["score"].fill_null(-np.inf).to_numpy()
    # A sum in another order may be less.
    rounding = 1e-9 * max(1.0, abs(scale.low), abs(scale.high))
    found: NDArray[np.bool_] = most >= least - rounding
    return found


def needed(verdicts: pl.DataFrame, scale: Scale, least: float) -> int:
    """Of k judgements of each completion, how many it takes to know which pass."""
    scores = verdicts["score"].fill_null(np.nan).to_numpy().reshape(-1, scale.k)
    asked = 0
    for sample in range(scale.k):
        asked += len(scores)
        scores = scores[can_pass(scores, sample + 1, scale, least)]
    return asked


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


def reliability(scores: pl.Series, k: int, seed: int) -> dict[str, float | None]:
    """Krippendorff's alpha of single judgements, and the split-half reliability of their means.

    scores: k judgements a completion, one after the other; null where one failed. None where nothing can be compared.
    """
    offsets = pl.int_range(0, len(scores) + 1, k, dtype=pl.UInt32, eager=True)
    return {
        "alpha": _core.krippendorff_alpha(scores, offsets, "interval"),
        "split_half": _core.split_half(scores, offsets, _SPLITS, seed),
    }
