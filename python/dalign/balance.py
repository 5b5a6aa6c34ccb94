"""As many rows of each category and clause as a quota says, drawn at random."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign import _core
from dalign.errors import InputError, did_you_mean
from dalign.files.batch import Batch, Decision
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, FileJob, look_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The name in a quota file for every category or clause that has no quota of its own.
OTHERS = "*"
_KEYS = ("min", "max", "weight")


@dataclass(frozen=True)
class Quota:
    """Fewer rows than the minimum are reported as short, more than the maximum never kept; the weight is a share."""

    minimum: int = 0
    maximum: int | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Draw:
    """What to draw. Fields None: not balanced by that. `total`: spread over categories, then over their clauses."""

    category_field: str | None
    clause_field: str | None
    total: int | None = None
    categories: Mapping[str, Quota] = field(default_factory=dict)
    clauses: Mapping[str, Quota] = field(default_factory=dict)
    rarest: bool = False
    seed: int = 0

    @property
    def fields(self) -> list[str]:
        """The fields that are looked at."""
        return [name for name in (self.category_field, self.clause_field) if name is not None]


@dataclass(frozen=True)
class Drawn:
    """The numbers of the kept rows, rising; `strata`: category, clause, seen, kept, minimum, short."""

    kept: NDArray[np.uint64]
    strata: pl.DataFrame


def draw_rows(batches: Iterable[Batch], draw: Draw) -> Drawn:
    """Goes through the rows once, and decides which are kept."""
    with refusals("quota"):
        balancer = _core.Balancer(
            draw.total, _named(draw.categories), _named(draw.clauses), draw.rarest, draw.seed
        )
    for batch in batches:
        categories = None if draw.category_field is None else batch.texts(draw.category_field)
        if draw.clause_field is None:
            balancer.offer(categories, None, None)
        else:
            balancer.offer(categories, *batch.label_lists(draw.clause_field))
    kept, strata, by_category = balancer.finish()
    counts = pl.DataFrame(by_category if draw.clause_field is None else strata)
    if draw.category_field is None:
        counts = counts.with_columns(category=pl.lit(None, dtype=pl.String))
    elif draw.clause_field is not None:
        # A category has a quota of its own beside its clauses'.
        short = pl.DataFrame(by_category).filter("short")
        counts = pl.concat([counts, short])
    return Drawn(kept, counts)


class KeepDrawn:
    """Keeps the rows that were drawn; the others are `surplus`."""

    def __init__(self, drawn: Drawn, draw: Draw) -> None:
        self._kept = drawn.kept
        self._fields = draw.fields

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch."""
        import numpy as np

        first = np.uint64(batch.first_row)
        ends = np.searchsorted(self._kept, [first, first + np.uint64(batch.rows)])
        keep = np.zeros(batch.rows, dtype=bool)
        keep[(self._kept[ends[0] : ends[1]] - first).astype(np.int64)] = True
        strata = zip(*(batch.objects(name) for name in self._fields), strict=True)
        told = [
            (None, None) if kept else ("surplus", " / ".join(map(_word, stratum)))
            for kept, stratum in zip(keep.tolist(), strata, strict=True)
        ]
        reasons, details = zip(*told, strict=True)
        return Decision.of(pl.Series(reasons, dtype=pl.String), pl.Series(details, dtype=pl.String))


def _word(label: object) -> str:
    return ", ".join(map(str, label)) if isinstance(label, list) else str(label or "none")


def _named(quotas: Mapping[str, Quota]) -> list[tuple[str | None, int, int | None, float]]:
    return [
        (None if name == OTHERS else name, quota.minimum, quota.maximum, float(quota.weight))
        for name, quota in quotas.items()
    ]


def read_quotas(path: Path) -> dict[str, Any]:
    """`total`, `categories` and `clauses` of a quota file, as far as it has them.

    The file: {"total": 5000, "categories": {"*": {"max": 800}, "violence": {"min": 300, "weight": 2}}, "clauses": {…}}.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a JSON file with quotas") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    known = ("total", "categories", "clauses")
    if not isinstance(value, dict):
        raise InputError(f"{path}: must be a JSON object with {', '.join(known)}")
    for key in value:
        if key not in known:
            raise InputError(f"{path}: unknown key {key!r}; {did_you_mean(key, known)}")
    found: dict[str, Any] = {}
    for part in known[1:]:
        quotas = value.get(part, {})
        if not isinstance(quotas, dict):
            raise InputError(f'{path}: {part} must be an object such as {{"name": {{"max": 100}}}}')
        found[part] = {name: _quota(path, part, name, quota) for name, quota in quotas.items()}
    total = value.get("total")
    if total is not None:
        found["total"] = _whole(path, "total", total)
    return found


def _quota(path: Path, part: str, name: str, value: object) -> Quota:
    where = f"{part}.{name}"
    if not isinstance(value, dict):
        raise InputError(f'{path}: {where} must be an object such as {{"max": 100}}')
    for key in value:
        if key not in _KEYS:
            raise InputError(f"{path}: unknown key {key!r} in {where}; {did_you_mean(key, _KEYS)}")
    weight = value.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise InputError(f"{path}: {where}.weight is {weight!r}, not a number")
    minimum = _whole(path, f"{where}.min", value.get("min", 0))
    maximum = None if "max" not in value else _whole(path, f"{where}.max", value["max"])
    return Quota(minimum, maximum, weight)


def _whole(path: Path, where: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{path}: {where} is {value!r}, not a whole number from 0 on")
    return value


@dataclass(frozen=True)
class Limits:
    """How many rows are wanted: of each stratum that has no quota of its own, in all, and by a file of quotas."""

    each: Quota = Quota()
    total: int | None = None
    quotas: Path | None = None


def wanted_draw(
    by: Sequence[str], fields: Mapping[str, str], limits: Limits, *, rarest: bool, seed: int
) -> Draw:
    """The draw by `category`, `clause` or both. fields: what rows call these. Raises InputError where nothing limits it."""
    for name in by:
        if name not in fields:
            raise InputError(f"--by {name}: {did_you_mean(name, fields)}")
    total = limits.total
    quotas: dict[str, dict[str, Quota]] = {"categories": {}, "clauses": {}}
    if limits.quotas is not None:
        found = read_quotas(limits.quotas)
        total = found.pop("total", None) if total is None else total
        quotas |= found
    if limits.each != Quota():
        finest = "clauses" if "clause" in by else "categories"
        quotas[finest].setdefault(OTHERS, limits.each)
    if total is None and not any(quotas.values()):
        raise InputError("nothing to balance by: give --max, --total or --quota")
    category, clause = (fields[name] if name in by else None for name in ("category", "clause"))
    return Draw(category, clause, total, quotas["categories"], quotas["clauses"], rarest, seed)


def balance_file(job: FileJob, draw: Draw) -> tuple[Counts, list[dict[str, Any]]]:
    """Keeps the rows that are drawn; with the strata, as `Drawn` has them, and a warning of each that is short."""
    source = job.open()
    texts = [name for name in (draw.category_field,) if name is not None]
    others = [name for name in (draw.clause_field,) if name is not None]
    drawn = draw_rows(look_through(source, texts, others, job.progress, "count"), draw)
    counts = job.sift(source, texts, KeepDrawn(drawn, draw))
    strata = drawn.strata.to_dicts()
    for stratum in strata:
        if stratum["short"]:
            name = " / ".join(s for s in (stratum["category"], stratum["clause"]) if s is not None)
            job.progress.say(
                f"warning: {name} has {stratum['kept']} of at least {stratum['minimum']} rows"
            )
    return counts, strata
