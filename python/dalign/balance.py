"""As many rows of each category and clause as a quota says, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign import _core
from dalign.errors import InputError, did_you_mean
from dalign.files.batch import Batch, Decision
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, FileJob, look_through
from dalign.parsing import file_text, json_value
from dalign.text import short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The name in a quota file for every category or clause that has no quota of its own.
OTHERS = "*"
# The most that a quota can ask for.
MOST_ROWS = 2**63 - 1
_PARTS = ("categories", "clauses")
# The error of a quota file, from what is wrong with it and the kind.
Refuse = Callable[..., InputError]


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


def draw_rows(batches: Iterable[Batch], draw: Draw) -> tuple[NDArray[np.uint64], pl.DataFrame]:
    """Goes through the rows once: the numbers of those that are kept, rising, and how each stratum does.

    Columns of the strata: category, clause, seen, kept, minimum, short.
    """
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
    return kept, counts


def keep_drawn(drawn: NDArray[np.uint64], fields: Sequence[str], batch: Batch) -> Decision:
    """The decision to keep the rows that were drawn; the others are `surplus`."""
    import numpy as np

    ends = np.array([batch.first_row, batch.first_row + batch.rows], dtype=np.uint64)
    kept = set(drawn[slice(*np.searchsorted(drawn, ends))].tolist())
    strata = zip(*(batch.objects(name) for name in fields), strict=True)
    told = [
        None if row in kept else " / ".join(map(_word, stratum))
        for row, stratum in enumerate(strata, batch.first_row)
    ]
    return Decision.because("surplus", pl.Series(told, dtype=pl.String))


def _word(label: object) -> str:
    return ", ".join(map(str, label)) if isinstance(label, list) else str(label or "none")


def _named(quotas: Mapping[str, Quota]) -> list[tuple[str | None, int, int | None, float]]:
    return [
        (None if name == OTHERS else name, quota.minimum, quota.maximum, float(quota.weight))
        for name, quota in quotas.items()
    ]


def read_quotas(path: Path) -> tuple[int | None, dict[str, dict[str, Quota]]]:
    """The total of a quota file, if it has one, and its quotas of `categories` and `clauses`.

    The file: {"total": 5000, "categories": {"*": {"max": 800}, "violence": {"min": 300, "weight": 2}}, "clauses": {…}}.
    """
    refuse = partial(InputError.in_file, path, kind="wrong_type")
    try:
        value = json_value(file_text(path))
    except OSError as error:
        said = f"{error.strerror}; name a JSON file with quotas"
        raise refuse(said, kind="unreadable_file") from error
    except ValueError as error:
        raise refuse(f"not JSON ({error})", kind="syntax") from error
    known = ("total", *_PARTS)
    if not isinstance(value, dict):
        raise refuse(f"must be a JSON object with {', '.join(known)}")
    _only_keys(value, known, refuse, "")
    found: dict[str, dict[str, Quota]] = {}
    for part in _PARTS:
        quotas = value.get(part, {})
        if not isinstance(quotas, dict):
            raise refuse(f'{part} must be an object such as {{"name": {{"max": 100}}}}')
        found[part] = {
            name: _quota(refuse, f"{part}.{name}", each) for name, each in quotas.items()
        }
    return _whole(refuse, "total", value.get("total")), found


def _only_keys(value: Mapping[str, Any], known: Sequence[str], refuse: Refuse, where: str) -> None:
    for key in value:
        if key not in known:
            said = f"unknown key {key!r}{where}; {did_you_mean(key, known)}"
            raise refuse(said, kind="unknown_key")


def _quota(refuse: Refuse, where: str, value: object) -> Quota:
    if not isinstance(value, dict):
        raise refuse(f'{where} must be an object such as {{"max": 100}}')
    _only_keys(value, ("min", "max", "weight"), refuse, f" in {where}")
    weight = value.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise refuse(f"{where}.weight is {weight!r}, not a number")
    if not abs(weight) <= MOST_ROWS:
        said = f"{where}.weight is {short(repr(weight))}, more than {MOST_ROWS:,}"
        raise refuse(said, kind="out_of_range", key=f"{where}.weight", value=weight)
    minimum, maximum = (_whole(refuse, f"{where}.{key}", value.get(key)) for key in ("min", "max"))
    return Quota(minimum or 0, maximum, weight)


def _whole(refuse: Refuse, where: str, value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= MOST_ROWS:
        said = f"{where} is {short(repr(value))}, not a whole number from 0 to {MOST_ROWS:,}"
        kind = "out_of_range" if type(value) is int else "wrong_type"
        raise refuse(said, kind=kind, key=where, value=value)
    return value


def wanted_draw(
    by: Sequence[str] | None,
    fields: Mapping[str, str],
    each: Quota,
    total: int | None,
    quota_file: Path | None,
    *,
    rarest: bool,
    seed: int,
) -> Draw:
    """The draw by `category`, `clause` or, unless given, both. Raises InputError where nothing limits it.

    fields: what rows call these. each: of each stratum that has no quota of its own. total: goes before the file's.
    """
    by = by or list(fields)
    for name in by:
        if name not in fields:
            raise InputError(f"--by {name}: {did_you_mean(name, fields)}", kind="unknown_choice")
    quotas: dict[str, dict[str, Quota]] = {part: {} for part in _PARTS}
    if quota_file is not None:
        in_all, quotas = read_quotas(quota_file)
        total = in_all if total is None else total
    if each != Quota():
        quotas["clauses" if "clause" in by else "categories"].setdefault(OTHERS, each)
    if total is None and not any(quotas.values()):
        raise InputError("nothing to balance by: give --max, --total or --quota", kind="not_valid")
    category, clause = (fields[name] if name in by else None for name in fields)
    return Draw(category, clause, total, quotas["categories"], quotas["clauses"], rarest, seed)


def balance_file(job: FileJob, draw: Draw) -> tuple[Counts, list[dict[str, Any]]]:
    """Keeps the rows that are drawn; with the strata, as `draw_rows` has them, and a warning of each that is short."""
    source = job.open()
    texts, others = (
        [] if name is None else [name] for name in (draw.category_field, draw.clause_field)
    )
    drawn, counted = draw_rows(look_through(source, texts, others, job.progress, "count"), draw)
    counts = job.sift(source, texts, partial(keep_drawn, drawn, [*texts, *others]))
    strata = counted.to_dicts()
    for stratum in strata:
        if stratum["short"]:
            name = " / ".join(s for s in (stratum["category"], stratum["clause"]) if s is not None)
            told = f"{name} has {stratum['kept']} of at least {stratum['minimum']} rows"
            job.progress.say(f"warning: {told}")
    return counts, strata
