"""Coverage of the policy by a run: for each clause, what exercises it, what cites it, and what of it is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign.pipeline.citations import Citations
from dalign.pipeline.context import RunContext, open_run
from dalign.pipeline.data_stages import SCORES
from dalign.store import ROWS

# From the prompts to the training rows: what is counted of each clause, and the stage that makes it.
STATIONS = {"well_formed": "filter", "judged": "judge", "selected": "select", "packed": "pack"}


@dataclass(frozen=True)
class ClauseCoverage:
    """What a run holds of one clause. All are counts of rows, 0 for a stage that has not run.

    The survivors (`well_formed` to `packed`) are completions to prompts that name the clause as the one to apply,
    or, where no prompt does, completions that cite it. short: the last stage that has run leaves fewer than needed.
    """

    clause: str
    ruling: str
    prompts: int
    completions_citing: int
    verdicts_invoking: int
    well_formed: int
    judged: int
    selected: int
    packed: int
    short: bool


@dataclass(frozen=True)
class Coverage:
    """A row for each clause of the policy, in its order. needed: survivors that each should have."""

    rows: list[ClauseCoverage]
    needed: int

    @property
    def short(self) -> list[ClauseCoverage]:
        """The clauses that have too few survivors."""
        return [row for row in self.rows if row.short]


def coverage(run: Path, least: int | None = None) -> Coverage:
    """The coverage of each clause of the run's policy.

    least: survivors that each clause needs; None: select.clause_quota, at least 1. Raises InputError if it is no run.
    """
    ctx = open_run(run)
    needed = max(1, ctx.config.select.clause_quota) if least is None else least
    expected = {p.id: p.expected.clause for p in ctx.prompts if p.expected and p.expected.clause}
    prompts = Counter(expected.values())
    completions, verdicts = _table(ctx, "generate"), _table(ctx, "judge")
    cited = _cited(ctx, completions, "text")
    owners = _owners(completions, expected, cited, set(prompts))
    left = {name: _count(owners, ids) for name, ids in _survivors(ctx).items()}
    reached = [left[name] for name, stage in STATIONS.items() if ctx.folder(stage).manifest()]
    last = [prompts, *([_count(owners, owners)] if owners else []), *reached][-1]
    citing, invoking = _count(cited, cited), _invoked(ctx, verdicts)
    rows = [
        ClauseCoverage(
            clause.id, clause.ruling, prompts[clause.id], citing[clause.id], invoking[clause.id],
            **{name: left[name][clause.id] for name in STATIONS},
            short=last[clause.id] < needed,
        )
        for clause in ctx.spec.clauses()
    ]  # fmt: skip
    return Coverage(rows, needed)


def _table(ctx: RunContext, stage: str) -> pl.DataFrame:
    """The rows of a finished stage; an empty table before."""
    if ctx.folder(stage).manifest() is None:
        return pl.DataFrame()
    return ctx.folder(stage).rows()


def _cited(ctx: RunContext, rows: pl.DataFrame, text: str) -> dict[str, set[str]]:
    """The clauses that each row's text cites, by row id."""
    citations = Citations([ctx.spec], ctx.patterns.values())
    return {
        row["id"]: citations.of(row[text], row["category"]) for row in rows.iter_rows(named=True)
    }


def _invoked(ctx: RunContext, verdicts: pl.DataFrame) -> Counter[str]:
    cited = _cited(ctx, verdicts, "reply")
    return _count(cited, cited)


def _owners(
    completions: pl.DataFrame,
    expected: dict[str, str],
    cited: dict[str, set[str]],
    exercised: set[str],
) -> dict[str, set[str]]:
    """The clauses that each completion counts for."""
    owners: dict[str, set[str]] = {}
    for row in completions.iter_rows(named=True):
        clause = expected.get(row["prompt_id"])
        own = {clause} if clause else set()
        owners[row["id"]] = own | (cited[row["id"]] - exercised)
    return owners


def _count(owners: dict[str, set[str]], ids: Iterable[str]) -> Counter[str]:
    """How many of the rows each clause has."""
    return Counter(clause for row in ids for clause in owners.get(row, ()))


def _survivors(ctx: RunContext) -> dict[str, list[str]]:
    """The ids of the completions that each stage leaves; none for a stage that has not finished."""
    examples = _table(ctx, "select")
    completion_of = (
        dict(examples.select("id", "completion_id").iter_rows()) if examples.width else {}
    )
    packed = ctx.folder("pack").manifest()
    masked = set(packed["facts"]["masked"]) if packed else set()
    bins = pl.read_parquet(ctx.folder("pack").path / ROWS, columns=["rows"]) if packed else None
    rows = [] if bins is None else bins["rows"].explode().to_list()
    judged: list[str] = []
    if ctx.folder("judge").manifest() is not None:
        scores = pl.read_parquet(ctx.folder("judge").path / SCORES)
        judged = scores.filter(pl.col("score").is_not_null())["completion_id"].to_list()
    well_formed = _table(ctx, "filter")
    return {
        "well_formed": well_formed["id"].to_list() if well_formed.width else [],
        "judged": judged,
        "selected": list(completion_of.values()),
        "packed": [completion_of[r] for r in rows if r in completion_of and r not in masked],
    }
