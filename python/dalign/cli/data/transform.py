"""`dalign data transform`: prompts in the coats of jailbreaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from dalign.cli.data.options import AsJson, Force, Many
from dalign.cli.terminal import tell, tell_json, warn

if TYPE_CHECKING:
    from dalign.data.transformed import Transformed

Prompts = Annotated[
    Path | None,
    Argument(metavar="IN", readable=False, help="Prompts, as data.prompts or a suite has them; it is only read."),
]  # fmt: skip
OutPrompts = Annotated[
    Path | None,
    Argument(metavar="OUT", readable=False, help="A .jsonl file; what a transform cannot be goes to its name.dropped."),
]  # fmt: skip
Names = Annotated[
    Many, Option("--transform", metavar="NAME", help="This one, not all; may be given again.")
]
Listed = Annotated[bool, Option("--list", help="Print the transforms by name, and stop.")]
Plain = Annotated[
    bool, Option("--with-plain", help="The prompts as they are too, under the transform 'none'.")
]


def transform(
    source: Prompts = None,
    out: OutPrompts = None,
    names: Names = None,
    listed: Listed = False,
    plain: Plain = False,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Write each prompt once for each jailbreak transform, for a suite; --list names them.

    A row has its prompt's keys, the prompt's id as origin, and the name of its transform.
    """
    from dalign import progress
    from dalign.errors import InputError
    from dalign.transforms import chosen

    transforms = chosen(names or ())
    if listed:
        _list([(each.name, each.family, each.meaning) for each in transforms], as_json=json)
        return
    if source is None or out is None:
        said = (
            "a file of prompts and a name for what is made of them are needed; give both, or --list"
        )
        raise InputError(said, kind="not_valid")
    from dalign.data.transformed import transform_file

    shown = progress.Progress() if json else progress.for_terminal()
    made = transform_file(source, out, transforms, plain=plain, force=force, progress=shown)
    _tell(out, made, as_json=json)


def _list(rows: list[tuple[str, str, str]], *, as_json: bool) -> None:
    if as_json:
        tell_json([dict(zip(("name", "family", "meaning"), row, strict=True)) for row in rows])
        return
    for name, family, meaning in rows:
        tell(f"{name:<28} {family:<12} {meaning}")


def _tell(out: Path, made: Transformed, *, as_json: bool) -> None:
    from dalign.data.transformed import dropped_beside

    aside = dropped_beside(out)
    dropped = [{"transform": t, "reason": r, "rows": n} for (t, r), n in made.dropped.items()]
    if as_json:
        files = {"out": str(out), "dropped_rows": str(aside)}
        tell_json(files | {"prompts": made.prompts, "rows": made.written, "dropped": dropped})
        return
    for row in dropped:
        warn(f"  dropped {row['rows']}: {row['transform']} {row['reason']}")
    warn(f"wrote {made.written} rows to {out}, the others to {aside}")
