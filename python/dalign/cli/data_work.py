"""Opens the files of a `dalign data` command, does its work, and tells the counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dalign import progress
from dalign.cli.show import visible
from dalign.data.row_balance import OTHERS, Draw, KeepDrawn, Quota, draw_rows, read_quotas
from dalign.data.row_checks import DuplicateCheck
from dalign.data.row_duplicates import Near, best_copies, near_copies
from dalign.data.row_overlap import ContaminationCheck
from dalign.errors import InputError, did_you_mean
from dalign.files.batch import Batch
from dalign.files.sift import (
    Counts,
    Decide,
    RowFile,
    check_out,
    dropped_beside,
    look_through,
    open_rows,
    refusals,
    sift,
)


@dataclass(frozen=True)
class Job:
    """What every command is given."""

    name: str
    source: Path
    out: Path
    memory_mib: int
    force: bool
    as_json: bool

    def open(self) -> RowFile:
        """The input, once the output is known to be writable."""
        rows = open_rows(self.source, self.memory_mib)
        check_out(self.source, self.out, force=self.force)
        return rows

    @property
    def table_mib(self) -> int:
        """What a table of hashes may take of the memory; beyond it they go to temporary files."""
        return max(1, self.memory_mib // 2)

    def progress(self) -> progress.Progress:
        """Silent where stdout is for a program."""
        return progress.Silent() if self.as_json else progress.for_terminal()


def decontaminate_rows(
    job: Job, against: Sequence[Path], text_fields: Sequence[str], eval_field: str, ngram: int
) -> None:
    """Drops the rows that share words in a row with an evaluation set."""
    source, shown = job.open(), job.progress()
    texts, places = [], []
    for path in against:
        rows = open_rows(path, job.memory_mib)
        for batch in look_through(rows, [eval_field], [], shown, path.name):
            texts.append(batch.texts(eval_field))
            where = batch.places()
            places += [where(row) for row in range(batch.rows)]
    with refusals(job.out):
        check = ContaminationCheck(pl.concat(texts), places, text_fields, ngram)
    tell(job, sift(source, job.out, text_fields, check, shown, job.name), against=len(places))


def dedup_rows(job: Job, text_field: str, score_field: str | None, near: Near | None) -> None:
    """Keeps one of the rows with the same text, or nearly the same."""
    source, shown = job.open(), job.progress()
    scores = [] if score_field is None else [score_field]

    def compared() -> Iterator[Batch]:
        return look_through(source, [text_field], scores, shown, "compare")

    decide: Decide
    if near is not None:
        texts_bytes = (job.memory_mib << 20) // 4
        with refusals(job.source):
            decide = near_copies(compared, text_field, near, score_field, texts_bytes)
    elif score_field is None:
        decide = DuplicateCheck(text_field, job.table_mib)
    else:
        decide = best_copies(compared(), text_field, score_field)
    tell(job, sift(source, job.out, [text_field], decide, shown, job.name))


def balance_rows(
    job: Job,
    by: Sequence[str],
    fields: Mapping[str, str],
    limits: tuple[int, int | None, int | None, Path | None],
    *,
    rarest: bool,
    seed: int,
) -> None:
    """Draws rows by their quotas. limits: minimum, maximum, total, quota file."""
    for name in by:
        if name not in fields:
            raise InputError(f"--by {name}: {did_you_mean(name, fields)}")
    source, shown = job.open(), job.progress()
    minimum, maximum, total, quota = limits
    draw = _draw(by, fields, Quota(minimum, maximum), total, quota, rarest=rarest, seed=seed)
    texts = [name for name in (draw.category_field,) if name is not None]
    others = [name for name in (draw.clause_field,) if name is not None]
    drawn = draw_rows(look_through(source, texts, others, shown, "count"), draw)
    counts = sift(source, job.out, texts, KeepDrawn(drawn, draw), shown, job.name)
    strata = drawn.strata.to_dicts()
    for stratum in strata:
        if stratum["short"]:
            name = " / ".join(s for s in (stratum["category"], stratum["clause"]) if s is not None)
            shown.say(
                f"warning: {visible(name)} has {stratum['kept']} of at least {stratum['minimum']} rows"
            )
    tell(job, counts, strata=strata)


def _draw(
    by: Sequence[str],
    fields: Mapping[str, str],
    default: Quota,
    total: int | None,
    quota: Path | None,
    *,
    rarest: bool,
    seed: int,
) -> Draw:
    finest = "clauses" if "clause" in by else "categories"
    quotas: dict[str, dict[str, Quota]] = {"categories": {}, "clauses": {}}
    if quota is not None:
        found = read_quotas(quota)
        total = found.pop("total", None) if total is None else total
        quotas |= found
    if default != Quota():
        quotas[finest].setdefault(OTHERS, default)
    if total is None and not any(quotas.values()):
        raise InputError("nothing to balance by: give --max, --total or --quota")
    return Draw(
        fields["category"] if "category" in by else None,
        fields["clause"] if "clause" in by else None,
        total,
        quotas["categories"],
        quotas["clauses"],
        rarest,
        seed,
    )


def tell(job: Job, counts: Counts, **more: object) -> None:
    """Prints what was done: JSON on stdout, or a few lines on stderr."""
    dropped = dropped_beside(job.source, job.out)
    if job.as_json:
        files = {"in": str(job.source), "out": str(job.out), "dropped_rows": str(dropped)}
        print(json.dumps(files | counts.as_json() | more, ensure_ascii=False))
        return
    for reason, rows in counts.dropped.items():
        print(f"  dropped {rows}: {reason}", file=sys.stderr)
    print(f"wrote {job.out} and {dropped}", file=sys.stderr)
