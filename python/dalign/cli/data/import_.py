"""`dalign data import`: public suites in their real formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from dalign.cli.data.options import MOST, AsJson, Force, Limit, Many, given
from dalign.cli.terminal import tell, tell_json, warn

if TYPE_CHECKING:
    from dalign.data.imported import Imported, Placing

Name = Annotated[str | None, Argument(metavar="NAME", help="The suite's name; --list has them all.")]  # fmt: skip
SuiteFile = Annotated[
    Path | None,
    Argument(metavar="FILE", readable=False, help="The suite's file, as its makers publish it: .csv, .json, .jsonl or .parquet."),
]  # fmt: skip
OutPrompts = Annotated[
    Path | None, Argument(metavar="OUT", readable=False, help="A .jsonl file of prompts for a suite.")
]  # fmt: skip
Maps = Annotated[
    Many,
    Option("--map", metavar="OWN=CATEGORY", help="Where a category of the suite's stands in your policy; may be given again."),
]  # fmt: skip
Rest = Annotated[
    str | None, Option("--category", help="The category of your policy for all that is not mapped.")
]
Ruled = Annotated[
    str | None,
    Option("--ruling", help="What is to be done with all of them, over what the suite says: comply, refuse or safe-complete."),
]  # fmt: skip
Hash = Annotated[str | None, Option("--sha256", help="What the file's hash has to be.")]
Part = Annotated[bool, Option("--partial", help="Take a file with another number of rows too.")]
Top = Annotated[
    Limit,
    Option("--top", min=1, max=MOST, help="Of wildchat: so many conversations a category of its moderation; 200 unless given."),
]  # fmt: skip
Listed = Annotated[bool, Option("--list", help="Print the suites by name, and stop.")]


def import_(
    name: Name = None,
    source: SuiteFile = None,
    out: OutPrompts = None,
    maps: Maps = None,
    category: Rest = None,
    ruling: Ruled = None,
    sha256: Hash = None,
    partial: Part = False,
    top: Top = None,
    listed: Listed = False,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Write the prompts of a public suite as a suite of your policy; each row keeps its source, its own category and its licence."""
    from dalign.data.imported import import_suite
    from dalign.data.public.suites import SUITES
    from dalign.errors import InputError, did_you_mean

    if listed:
        _list(as_json=json)
        return
    if name is None or source is None or out is None:
        said = "a suite's name, its file and a name for what is made of it are needed; give all three, or --list"
        raise InputError(said, kind="not_valid")
    if name not in SUITES:
        said = f"{name}: no such suite; {did_you_mean(name, SUITES)}"
        raise InputError(said, kind="unknown_choice", value=name)
    placing = _placing(maps or [], category, ruling)
    more = given(top=top)
    made = import_suite(
        SUITES[name], source, out, placing, sha256=sha256, partial=partial, force=force, **more
    )
    _tell(out, made, as_json=json)


def _placing(maps: list[str], category: str | None, ruling: str | None) -> Placing:
    from dalign.data.imported import Placing
    from dalign.errors import InputError, did_you_mean
    from dalign.spec.types import RULINGS

    by = {}
    for said in maps:
        own, sign, place = said.rpartition("=")
        if not sign or not own or not place:
            what = f"--map {said}: write OWN=CATEGORY, the suite's category and yours"
            raise InputError(what, kind="not_valid", key="map", value=said)
        if own in by:
            what = f"--map names {own!r} twice; give it one place"
            raise InputError(what, kind="repeated", key="map", value=said)
        by[own] = place
    if category is not None and not category.strip():
        raise InputError(
            "--category is empty; name one of your policy", kind="empty", key="category"
        )
    found = next((each for each in RULINGS if each == ruling), None)
    if ruling is not None and found is None:
        what = f"--ruling {ruling}: no such ruling; {did_you_mean(ruling, RULINGS)}"
        raise InputError(what, kind="unknown_choice", key="ruling", value=ruling)
    return Placing(by, category, found)


def _list(*, as_json: bool) -> None:
    from dalign.data.public.suites import SUITES

    if as_json:
        rows = [
            {"name": s.name, "title": s.title, "licence": s.licence, "gated": s.gating == "gated", "columns": s.columns, "rows": sorted(s.sizes)}
            for s in SUITES.values()
        ]  # fmt: skip
        tell_json(rows, indent=1)
        return
    for suite in SUITES.values():
        gated = ", gated" if suite.gating == "gated" else ""
        columns = ", ".join(suite.columns[0])
        tell(f"{suite.name:<16} {suite.title}: {columns} ({suite.licence}{gated})")


def _tell(out: Path, made: Imported, *, as_json: bool) -> None:
    counts = {
        "rows": made.rows,
        "categories": made.categories,
        "rulings": made.rulings,
        "passed_over": made.passed,
    }
    if as_json:
        tell_json({"out": str(out), "sha256": made.sha256} | counts)
        return
    for name, told in (("category", made.categories), ("ruling", made.rulings)):
        warn(f"  {name}: " + ", ".join(f"{key} {n}" for key, n in sorted(told.items())))
    for reason, count in made.passed.items():
        warn(f"  passed over {count}: {reason}")
    pinned = f"; the file's sha256 is {made.sha256}" if made.sha256 else ""
    warn(f"wrote {made.rows} prompts to {out}{pinned}")
