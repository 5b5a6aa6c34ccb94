"""Coverage of the policy by a run: for each clause, what exercises it, what cites it, and what of it is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dalign.records.citations import Citations
from dalign.records.record import Record, open_record, rows_in
from dalign.rows import SCORES
from dalign.store.parts import ROWS

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
    record = open_record(run)
    project = record.project
    needed = max(1, record.config.select.clause_quota) if least is None else least
    prompts = Counter(project.prompts.clauses)
    citations = Citations([project.spec], project.patterns.values())
    owners, citing = _owners(record, citations)
    replies = rows_in(record, "judge/main", ROWS, ["reply", "category"])
    invoking = Counter(clause for row in replies for clause in citations.named(*row))
    left = {name: _count(owners, ids) for name, ids in _survivors(record).items()}
    reached = [left[name] for name, stage in STATIONS.items() if record.has(stage)]
    last = [prompts, *([_count(owners, owners)] if owners else []), *reached][-1]
    rows = [
        ClauseCoverage(
            clause.id, clause.ruling, prompts[clause.id], citing[clause.id], invoking[clause.id],
            **{name: left[name][clause.id] for name in STATIONS},
            short=last[clause.id] < needed,
        )
        for clause in project.spec.clauses()
    ]  # fmt: skip
    return Coverage(rows, needed)


def _owners(record: Record, citations: Citations) -> tuple[dict[str, set[str]], Counter[str]]:
    """The clauses that each completion counts for, by id, and how many completions cite each clause."""
    labels = record.project.prompts.table.frame(["id", "clause"]).drop_nulls("clause")
    expected: dict[str, str] = dict(labels.iter_rows())
    exercised = set(expected.values())
    owners: dict[str, set[str]] = {}
    citing = Counter[str]()
    columns = ["id", "prompt_id", "text", "category"]
    for row, prompt, text, category in rows_in(record, "generate/main", ROWS, columns):
        cited = citations.of(text, category)
        citing.update(cited)
        found = cited - exercised
        if prompt in expected:
            found.add(expected[prompt])
        if found:
            owners[row] = found
    return owners, citing


def _count(owners: dict[str, set[str]], ids: Iterable[str]) -> Counter[str]:
    """How many of the rows each clause has."""
    return Counter(clause for row in ids for clause in owners.get(row, ()))


def _survivors(record: Record) -> dict[str, list[str]]:
    """The ids of the completions that each stage leaves; none for a stage that has not finished."""
    scores = rows_in(record, "judge", SCORES, ["completion_id", "score"])
    completion_of = dict(rows_in(record, "select", ROWS, ["id", "completion_id"]))
    masked = set(record.stage("pack").recorded("facts").get("masked", ()))
    packed = [row for (rows,) in rows_in(record, "pack", ROWS, ["rows"]) for row in rows]
    return {
        "well_formed": [row for (row,) in rows_in(record, "filter", ROWS, ["id"])],
        "judged": [row for row, score in scores if score is not None],
        "selected": list(completion_of.values()),
        "packed": [completion_of[r] for r in packed if r in completion_of and r not in masked],
    }
