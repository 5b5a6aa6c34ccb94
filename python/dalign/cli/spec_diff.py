"""Prints what changed between two policies, and what of a run depends on it."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import asdict
from pathlib import Path

from dalign.spec.diff import Diff, diff_specs, suggested_step
from dalign.spec.parse import load_spec
from dalign.spec.render import clause_lines
from dalign.spec.shipped import spec_folder
from dalign.spec.types import Clause, Spec


def print_diff(old_folder: str, new_folder: str, run: Path | None, *, as_json: bool) -> None:
    """Prints the difference, clause by clause; with `run`, its blast radius too."""
    old, new = load_spec(spec_folder(old_folder)), load_spec(spec_folder(new_folder))
    diff = diff_specs(old, new)
    radius = None
    if run is not None:
        from dalign.cli.spec_run import blast_radius_of

        radius = blast_radius_of(run, old, new)
    if as_json:
        whole = asdict(diff) | {"suggested": suggested_step(diff)}
        if radius is not None:
            whole["blast_radius"] = radius.as_json()
        print(json.dumps(whole, ensure_ascii=False, indent=1))
        return
    _print_text(old, new, diff)
    if radius is not None:
        print("\n".join(radius.as_text()))


def _print_text(old: Spec, new: Spec, diff: Diff) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def say(text: str, style: str = "") -> None:
        console.print(Text(text, style=style))

    for key in diff.added:
        say(f"+ {key} {new.clause(key).ruling}: {new.clause(key).title}", "green")
    for key in diff.removed:
        say(f"- {key} {old.clause(key).ruling}: {old.clause(key).title}", "red")
    for key in diff.ruling_changed:
        before, after = old.clause(key), new.clause(key)
        say(f"! {key} {before.ruling} → {after.ruling}: {after.title}", "bold yellow")
        _print_words(console, before, after)
    for key in diff.reworded:
        say(f"~ {key} {new.clause(key).title}", "cyan")
        _print_words(console, old.clause(key), new.clause(key))
    for kind in ("definitions", "style", "summaries", "principles"):
        for key in getattr(diff, kind):
            say(f"~ {key}", "cyan")
    for name, (before_version, after_version) in diff.versions.items():
        say(f"  {name}: version {before_version or 'none'} → {after_version or 'none'}")
    if diff.is_empty:
        say("no unit changed")
    else:
        counts = f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.ruling_changed)} with another ruling, {len(diff.reworded)} reworded"
        say(f"clauses: {counts}; other units: {len(diff.others)}")
        say(f"the change asks for a new {suggested_step(diff)} version")


def _print_words(console: object, before: Clause, after: Clause) -> None:
    """The clause's lines that differ, word by word."""
    from rich.console import Console
    from rich.text import Text

    assert isinstance(console, Console)
    left = re.findall(r"\S+|\n", "\n".join(clause_lines(before)))
    right = re.findall(r"\S+|\n", "\n".join(clause_lines(after)))
    text = Text("    ")
    for tag, i, j, k, m in difflib.SequenceMatcher(None, left, right, False).get_opcodes():
        if tag == "equal":
            words = right[k:m]
            # A few words on either side tell where it is.
            shown = words if len(words) <= 12 else [*words[:6], "…", *words[-6:]]
            text.append(" ".join(word for word in shown if word != "\n") + " ")
            continue
        if gone := " ".join(word for word in left[i:j] if word != "\n"):
            text.append(f"[-{gone}-] ", style="red")
        if come := " ".join(word for word in right[k:m] if word != "\n"):
            text.append(f"{{+{come}+}} ", style="green")
    console.print(text)
