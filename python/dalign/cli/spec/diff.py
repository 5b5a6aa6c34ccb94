"""Prints what changed between two policies, and what of a run depends on it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dalign.cli.terminal import Styled, tell, tell_json, tell_parts
from dalign.spec.diff import Diff, diff_specs, suggested_step, units
from dalign.spec.parse import load_spec
from dalign.spec.render import clause_lines
from dalign.spec.shipped import spec_folder
from dalign.spec.types import Clause, Spec

if TYPE_CHECKING:
    from dalign.records.blast_radius import BlastRadius

# Row ids that the text shows of each kind; JSON has them all.
IDS_SHOWN = 5
ID_CHARACTERS = 12
# Words of a change that are named as telling.
WORDS_SHOWN = 12


def print_diff(old_folder: str, new_folder: str, run: Path | None, *, as_json: bool) -> None:
    """Prints the difference, clause by clause; with `run`, its blast radius too."""
    old, new = load_spec(spec_folder(old_folder)), load_spec(spec_folder(new_folder))
    diff = diff_specs(old, new)
    radius = None
    if run is not None:
        from dalign.records.blast_radius import blast_radius

        radius = blast_radius(run, old, new)
    if as_json:
        whole = asdict(diff) | {"suggested": suggested_step(diff)}
        if radius is not None:
            whole["blast_radius"] = {"run": str(run), **_radius_json(radius)}
        tell_json(whole, indent=1)
        return
    _print_text(old, new, diff)
    if radius is not None:
        tell(f"what of {run} depends on it:")
        tell("\n".join(_radius_lines(radius)))


def _print_text(old: Spec, new: Spec, diff: Diff) -> None:
    for key in diff.added:
        tell(f"+ {key} {new.clause(key).ruling}: {new.clause(key).title}", "green")
    for key in diff.removed:
        tell(f"- {key} {old.clause(key).ruling}: {old.clause(key).title}", "red")
    for key in diff.ruling_changed:
        before, after = old.clause(key), new.clause(key)
        tell(f"! {key} {before.ruling} → {after.ruling}: {after.title}", "bold yellow")
        _print_words(_text(before), _text(after))
    for key in diff.reworded:
        tell(f"~ {key} {new.clause(key).title}", "cyan")
        _print_words(_text(old.clause(key)), _text(new.clause(key)))
    before_units, after_units = dict(units(old)), dict(units(new))
    for key in diff.others:
        gone, come = before_units.get(key), after_units.get(key)
        tell(f"{'~' if gone and come else '-' if gone else '+'} {key}", "cyan")
        _print_words(gone.text if gone else "", come.text if come else "")
    for name, (before_version, after_version) in diff.versions.items():
        tell(f"  {name}: version {before_version or 'none'} → {after_version or 'none'}")
    if diff.is_empty:
        tell("no unit changed")
    else:
        counts = f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.ruling_changed)} with another ruling, {len(diff.reworded)} reworded"
        tell(f"clauses: {counts}; other units: {len(diff.others)}")
        for key, words in diff.telling.items():
            tell(
                f"  {key} may rule otherwise by: {' '.join(words[:WORDS_SHOWN])}{' …' * (len(words) > WORDS_SHOWN)}",
                "yellow",
            )
        tell(f"the change asks for a new {suggested_step(diff)} version")


def _text(clause: Clause) -> str:
    return "\n".join(clause_lines(clause))


def _print_words(before: str, after: str) -> None:
    """What of a unit differs, word by word."""
    left, right = (re.findall(r"\S+|\n", text) for text in (before, after))
    parts: list[Styled] = [("    ", "")]
    for tag, i, j, k, m in difflib.SequenceMatcher(None, left, right, False).get_opcodes():
        if tag == "equal":
            words = right[k:m]
            # A few words on either side tell where it is.
            shown = words if len(words) <= 12 else [*words[:6], "…", *words[-6:]]
            parts.append((" ".join(word for word in shown if word != "\n") + " ", ""))
            continue
        if gone := " ".join(word for word in left[i:j] if word != "\n"):
            parts.append((f"[-{gone}-] ", "red"))
        if come := " ".join(word for word in right[k:m] if word != "\n"):
            parts.append((f"{{+{come}+}} ", "green"))
    tell_parts(parts)


def _radius_json(found: BlastRadius) -> dict[str, object]:
    """Counts, and all ids."""
    return {
        "categories": list(found.categories),
        "clauses": list(found.clauses),
        **_counted(found.rows),
        "cites": _counted(found.cites),
    }


def _radius_lines(found: BlastRadius) -> Iterator[str]:
    """Lines with counts, and the first ids of each kind."""
    yield f"  categories: {', '.join(found.categories) or 'none'}"
    yield from (f"  {kind.replace('_', ' ')}: {_some(ids)}" for kind, ids in found.rows.items())
    if found.clauses:
        yield "rows that cite a changed clause:"
        yield from (f"  {kind}: {_some(ids)}" for kind, ids in found.cites.items())


def _counted(rows: Mapping[str, list[str]]) -> dict[str, object]:
    return {kind: {"count": len(ids), "ids": ids} for kind, ids in rows.items()}


def _some(ids: list[str]) -> str:
    if not ids:
        return "0"
    more = ", …" if len(ids) > IDS_SHOWN else ""
    return f"{len(ids)} ({', '.join(map(_start_of, ids[:IDS_SHOWN]))}{more})"


def _start_of(row: str) -> str:
    """As much of an id as `dalign show` needs; a checkpoint's or evaluated row's keeps what stands before."""
    before, slash, last = row.rpartition("/")
    return f"{before}{slash}{last[:ID_CHARACTERS]}"
