"""Well-judged completions to training examples: threshold, duplicates, quotas per category and clause; the policy taken out.

An example holds the prompt as the user gave it: the conversation with the policy never reaches it.
Rows are read part by part, twice: once for what the choice needs of each (no text), once for the texts of those chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from dalign import _core
from dalign.balance import Draw, draw_rows
from dalign.config import Select
from dalign.duplicates import Near, near_rows, picked, text_hashes
from dalign.errors import QuotaError, UnjudgedError
from dalign.files.batch import FrameBatch
from dalign.overlap import RECITED_WORDS, SharedWords
from dalign.rows import MESSAGES, Columns, Dropped, Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Bytes of texts that are compared at once for being nearly the same.
NEAR_BYTES = 64 << 20
DROPPED_ROWS = 50_000

# Goes through the judged completions from the start, a part of them at a time. Columns: `Judged`, in any order.
Parts = Callable[[], Iterator[pl.DataFrame]]


@dataclass(frozen=True)
class Selection:
    """The choice, and how many examples there are of each category and clause that falls short of its quota."""

    short: dict[str, int]
    short_clauses: dict[str, int]
    rows: int
    _parts: Parts
    _chosen: NDArray[np.uint32]
    _dropped: pl.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """How many rows went in, and how many examples came out."""
        return {"rows_in": self.rows, "rows_out": len(self._chosen)}

    def examples(self) -> Iterator[pl.DataFrame]:
        """The examples in the order of the rows, part by part. Columns: `Example`."""
        for part in picked(self._parts(), self._chosen):
            yield part.rename({"id": "completion_id"}).select(
                pl.Series("id", _example_ids(part["id"])), *list(Example.COLUMNS)[1:]
            )

    def dropped(self) -> Iterator[pl.DataFrame]:
        """The other rows with their reasons, in their order. Columns: `Dropped`."""
        return (
            part.cast({"category": pl.String, "reason": pl.String})
            for part in self._dropped.iter_slices(DROPPED_ROWS)
        )


def select(
    parts: Parts,
    settings: Select,
    *,
    categories: Collection[str],
    clauses: Collection[str],
    spec_texts: Mapping[str, str],
    seed: int,
    least: float | None,
    shifts: pl.DataFrame | None = None,
) -> Selection:
    """Chooses examples among the judged completions; holds about 400 bytes a row, and one part.

    least: the score that an example has at least; None: they were brought as examples, and nobody judged them.
    shifts: columns prompt_id and shift, where those of the largest are preferred.

    categories, clauses: all that prompts have, each of which has its quota. spec_texts: spec(category) as the model saw it.
    Raises UnjudgedError or QuotaError where the settings say so.
    """
    rows, candidates, drops = _look_through(parts, least, spec_texts)
    if settings.unjudged == "error" and (unjudged := drops.ids("unjudged")):
        said = f"{len(unjudged)} of {rows} completions have no verdict (first: {unjudged[0]}); lower judge.min_valid, or set select.unjudged = 'drop' to go on without them"
        raise UnjudgedError(said, kind="unjudged", value=len(unjudged))
    # The best judged first; of equals the one whose example's id is the least, which is as good as by lot.
    chosen = candidates.sort("score", "example", descending=[True, False]).drop("example")
    del candidates
    chosen = _with_shifts(chosen, shifts, settings.least_shift, drops)
    chosen = drops.take(chosen, _of_equal_texts(chosen), "duplicate")
    if settings.near is not None:
        chosen = drops.take(chosen, _of_near_texts(chosen, parts, settings.near), "near_duplicate")
    chosen = drops.take(chosen, _beyond(settings.per_prompt), "surplus")
    if settings.max_examples is not None and chosen.height > settings.max_examples:
        chosen = _even_draw(chosen, settings.max_examples, seed, drops)
    short = _short(chosen["category"], categories, settings.quota)
    short_clauses = _short(chosen["clause"], clauses, settings.clause_quota)
    if settings.on_short == "error" and (short or short_clauses):
        told = _too_few(short, short_clauses, settings, len(drops.ids("small_shift")))
        raise QuotaError(told, value=short | short_clauses)
    numbers = chosen["row"].sort().to_numpy()
    return Selection(short, short_clauses, rows, parts, numbers, drops.in_order())


class _Drops:
    """The rows that are no examples, with their reasons, as they are found."""

    def __init__(self) -> None:
        self._found: list[pl.DataFrame] = []

    def take(self, rows: pl.DataFrame, detail: pl.Expr | pl.Series, reason: str) -> pl.DataFrame:
        """The rows without a detail; those that have one are noted by their row, id and category."""
        told = rows.with_columns(detail=detail)
        is_dropped = pl.col("detail").is_not_null()
        dropped = told.filter(is_dropped)
        if dropped.height:
            category, why = pl.col("category").cast(pl.Categorical), pl.lit(reason, pl.Categorical)
            self._found.append(dropped.select("row", "id", category, why.alias("reason"), "detail"))
        return told.filter(~is_dropped).drop("detail")

    def ids(self, reason: str) -> list[str]:
        """The rows noted for this reason so far."""
        of = pl.col("reason") == reason
        return [row for part in self._found for row in part.filter(of)["id"]]

    def in_order(self) -> pl.DataFrame:
        """All of them in the order of the rows."""
        if not self._found:
            return pl.DataFrame(schema=pl.Schema(Dropped.COLUMNS))
        found, self._found = pl.concat(self._found), []
        return found.sort("row").drop("row")


def _look_through(
    parts: Parts, least: float | None, spec_texts: Mapping[str, str]
) -> tuple[int, pl.DataFrame, _Drops]:
    """The number of rows, the well-judged ones that recite nothing (without texts), and the others."""
    drops, found, rows = _Drops(), [_candidates(pl.DataFrame(schema=_NO_ROWS))], 0
    policies = {
        name: SharedWords(pl.Series([text]), RECITED_WORDS) for name, text in spec_texts.items()
    }
    for part in parts():
        numbered = part.with_row_index("row", rows)
        rows += part.height
        judged = numbered if least is None else _well_judged(numbered, least, drops)
        judged = drops.take(judged, _recited(judged, policies), "policy_in_answer")
        found.append(_candidates(judged))
        # Else it would live until the next part is made.
        del part, numbered, judged
    return rows, pl.concat(found), drops


def _well_judged(rows: pl.DataFrame, least: float, drops: _Drops) -> pl.DataFrame:
    valid = pl.format("{} valid verdicts", pl.col("n_valid").fill_null(0))
    without = pl.when(pl.col("score").is_null()).then(valid)
    judged = drops.take(rows, without, "unjudged")
    below = pl.when(pl.col("score") < least).then(pl.format(f"score {{}} < {least}", "score"))
    return drops.take(judged, below, "below_threshold")


_NO_ROWS: Columns = {
    **dict.fromkeys(("id", "prompt_id", "category", "clause"), pl.String),
    **dict.fromkeys(("reasoning", "answer"), pl.String),
    "messages": MESSAGES,
    "row": pl.UInt32,
    "score": pl.Float64,
}


def _text() -> pl.Expr:
    """All that an example says."""
    turn = pl.format("{}: {}", pl.element().struct["role"], pl.element().struct["content"])
    asked = pl.col("messages").list.eval(turn).list.join("\n")
    return pl.concat_str(asked, "reasoning", "answer", separator="\n")


def _candidates(rows: pl.DataFrame) -> pl.DataFrame:
    """What the choice needs of rows: hashes in place of their texts."""
    slim = rows.select(
        "row", "id", "prompt_id", pl.col("category", "clause").cast(pl.Categorical), "score"
    )
    hashes = text_hashes(rows.select(_text()).to_series())
    return slim.hstack([*hashes, pl.Series("example", _example_ids(rows["id"]))])


def _example_ids(completions: pl.Series) -> pl.Series:
    zeros = pl.zeros(len(completions), pl.UInt32, eager=True)
    return pl.Series(_core.row_ids([completions], "example", zeros))


def _recited(rows: pl.DataFrame, policies: Mapping[str, SharedWords]) -> pl.Series:
    """The longest run of words of its category's policy in each answer that the conversation does not hold, or null."""
    told = [
        part.select("row").hstack(policies[name].of(part["answer"], part["asked"]))
        for (name,), part in rows.partition_by("category", as_dict=True).items()
        if name in policies
    ]
    if not told:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
    # A policy of fewer words than that is recited by no answer.
    runs = pl.concat(told).filter(pl.col("share") > 0)
    return rows.select("row").join(runs, on="row", how="left", maintain_order="left")["run"]


def _with_shifts(
    rows: pl.DataFrame, shifts: pl.DataFrame | None, least: float | None, drops: _Drops
) -> pl.DataFrame:
    """The rows with the shifts of their prompts, without those of less than the least; what is not known is not less."""
    if shifts is None:
        return rows.with_columns(shift=pl.lit(None, pl.Float64))
    of = shifts.select("prompt_id", "shift")
    rows = rows.join(of, on="prompt_id", how="left", maintain_order="left")
    if least is None:
        return rows
    below = pl.when(pl.col("shift") < least).then(pl.format(f"shift {{}} < {least}", "shift"))
    return drops.take(rows, below, "small_shift")


def _of_equal_texts(ranked: pl.DataFrame) -> pl.Series:
    """The first row with the same text up to white space, where that is another one."""
    first = pl.col("id").first().over("a", "b")
    is_copy = pl.col("row") != pl.col("row").first().over("a", "b")
    return ranked.select(pl.when(is_copy).then(pl.format("of {}", first))).to_series()


def _of_near_texts(ranked: pl.DataFrame, parts: Parts, threshold: float) -> pl.Series:
    """The best judged row with nearly the same text, where that is another one."""
    rows = ranked.select("row", "id").sort("row")
    numbers = rows["row"].to_numpy()

    def texts() -> Iterator[tuple[pl.Series, pl.Series]]:
        for part in picked(parts(), numbers):
            yield part.select(_text()).to_series(), part["score"]

    best = near_rows(texts, Near(threshold), NEAR_BYTES)
    of = pl.format("of {}", rows["id"].gather(best))
    told = rows.select("row", detail=pl.when(pl.Series(best) != pl.int_range(pl.len())).then(of))
    return ranked.select("row").join(told, on="row", how="left", maintain_order="left")["detail"]


def _beyond(per_prompt: int) -> pl.Expr:
    """That a row has as many better judged ones of its prompt before it."""
    better = pl.int_range(pl.len()).over("prompt_id")
    return pl.when(better >= per_prompt).then(pl.lit(f"more than {per_prompt} of one prompt"))


def _even_draw(rows: pl.DataFrame, limit: int, seed: int, drops: _Drops) -> pl.DataFrame:
    """So many of the rows, spread evenly over the categories; within each those of the largest shift, and of equals by lot."""
    rows = rows.sort("row").cast({"category": pl.String})
    draw = Draw("category", None, limit, seed=seed % 2**64)
    kept, _ = draw_rows([FrameBatch(rows, 0, "")], draw)
    is_drawn = pl.int_range(pl.len()).is_in(pl.Series(kept).implode())
    # Where no shift is known, these are the drawn ones themselves.
    ranked = rows.with_columns(is_drawn=is_drawn).sort(
        "shift", "is_drawn", "id", descending=[True, True, False], nulls_last=True
    )
    wanted = pl.col("is_drawn").sum().over("category")
    beyond = pl.int_range(pl.len()).over("category") >= wanted
    surplus = pl.when(beyond).then(pl.lit(f"more than {limit} examples"))
    return drops.take(ranked, surplus, "surplus").drop("is_drawn")


def _short(chosen: pl.Series, wanted: Collection[str], quota: int) -> dict[str, int]:
    """How many examples each name has, of those that have fewer than the quota."""
    counts: Counter[str] = Counter(dict(chosen.cast(pl.String).value_counts().iter_rows()))
    return {name: counts[name] for name in sorted(wanted) if counts[name] < quota}


def _too_few(
    short: Mapping[str, int], clauses: Mapping[str, int], settings: Select, small_shift: int
) -> str:
    """small_shift: rows that were dropped for their shift."""
    found = []
    if short:
        named = ", ".join(f"'{name}' has {count}" for name, count in short.items())
        found.append(f"{named}, and select.quota = {settings.quota} are needed of each category")
    if clauses:
        named = ", ".join(f"clause '{name}' has {count}" for name, count in clauses.items())
        quota = f"select.clause_quota = {settings.clause_quota}"
        found.append(f"{named}, and {quota} are needed of each clause that prompts exercise")
    lower = (
        f"select.least_shift ({small_shift} rows have a smaller shift) or " if small_shift else ""
    )
    return (
        f"too few examples: {'; '.join(found)}; add prompts, raise generate.n, lower {lower}select.threshold, "
        "or set select.on_short = 'warn' to go on without them"
    )
