"""`dalign data balance`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from dalign.cli.data.options import AsJson, Force, In, Limit, Many, Memory, Out

By = Annotated[
    Many,
    Option("--by", help="category, clause, or, unless given, both: clauses within categories."),
]


def balance(
    source: In,
    out: Out,
    by: By = None,
    category_field: Annotated[str, Option("--category-field")] = "category",
    clause_field: Annotated[
        str, Option("--clause-field", help="A text, a list of texts, or nothing.")
    ] = "clause",
    max_: Annotated[
        Limit, Option("--max", min=0, help="Of each category; by clause: of each clause.")
    ] = None,
    min_: Annotated[
        int, Option("--min", min=0, help="As --max; what has fewer is reported as short.")
    ] = 0,
    total: Annotated[
        Limit,
        Option("--total", min=0, help="In all, spread evenly; what is scarce gives all it has."),
    ] = None,
    quota: Annotated[
        Path | None,
        Option("--quota", help="A JSON file with total, and min, max and weight by name."),
    ] = None,
    rarest: Annotated[
        bool, Option("--rarest", help="Count a row under its rarest clause so far, not its first.")
    ] = False,
    seed: Annotated[int, Option("--seed", min=0)] = 0,
    memory_mib: Memory = 256,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Draw rows so that every category and clause has its share."""
    from dalign.balance import Limits, Quota, balance_file, wanted_draw
    from dalign.cli.data.told import job, tell

    work = job("balance", source, out, memory_mib, force=force, as_json=json)
    fields = {"category": category_field, "clause": clause_field}
    limits = Limits(Quota(min_, max_), total, quota)
    draw = wanted_draw(by or list(fields), fields, limits, rarest=rarest, seed=seed)
    counts, strata = balance_file(work, draw)
    tell(work, counts, as_json=json, strata=strata)
