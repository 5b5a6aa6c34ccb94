"""What changed between two versions of a policy, unit by unit."""

from __future__ import annotations

from dataclasses import dataclass

from dalign.spec.types import Clause, Spec
from dalign.spec.units import units


@dataclass(frozen=True)
class Diff:
    """Ids of clauses by what happened to them, and of the other units that changed; each list is sorted.

    A clause whose ruling changed stands in `ruling_changed` alone, whatever else changed in it.
    """

    added: list[str]
    removed: list[str]
    reworded: list[str]
    ruling_changed: list[str]
    definitions: list[str]
    style: list[str]
    summaries: list[str]
    principles: list[str]
    versions: dict[str, tuple[str, str]]

    @property
    def is_empty(self) -> bool:
        """Whether the two say the same, versions aside."""
        return not (self.clauses or self.others)

    @property
    def clauses(self) -> list[str]:
        """All clauses that changed in some way."""
        return sorted([*self.added, *self.removed, *self.reworded, *self.ruling_changed])

    @property
    def others(self) -> list[str]:
        """All units that changed and are no clauses."""
        return sorted([*self.definitions, *self.style, *self.summaries, *self.principles])


def diff_specs(old: Spec, new: Spec) -> Diff:
    """The semantic difference: order, line breaks and places change nothing."""
    before = {clause.id: clause for clause in old.clauses()}
    after = {clause.id: clause for clause in new.clauses()}
    changed = [
        key for key in before.keys() & after.keys() if before[key].sha256 != after[key].sha256
    ]
    ruled = [key for key in changed if before[key].ruling != after[key].ruling]
    others = _other_units(old, new)
    versions = {
        name: (old.versions.get(name, ""), new.versions.get(name, ""))
        for name in sorted(old.versions.keys() | new.versions.keys())
        if old.versions.get(name) != new.versions.get(name)
    }
    return Diff(
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        reworded=sorted(set(changed) - set(ruled)),
        ruling_changed=sorted(ruled),
        definitions=others["definition"],
        style=others["style"],
        summaries=others["summary"],
        principles=others["principle"],
        versions=versions,
    )


def _other_units(old: Spec, new: Spec) -> dict[str, list[str]]:
    before, after = units(old), units(new)
    found: dict[str, list[str]] = {"definition": [], "style": [], "summary": [], "principle": []}
    for key in sorted(before.keys() | after.keys()):
        unit = after.get(key) or before[key]
        same = key in before and key in after and before[key].sha256 == after[key].sha256
        if unit.kind != "clause" and not same:
            found[unit.kind].append(key)
    return found


def suggested_step(diff: Diff) -> str:
    """Which part of the version a change asks for: `major`, `minor`, `patch`; empty where nothing changed.

    major: a ruling changed or a clause is gone; minor: a clause is new; patch: wording.
    """
    if diff.removed or diff.ruling_changed:
        return "major"
    if diff.added:
        return "minor"
    return "" if diff.is_empty else "patch"


def clause_pairs(old: Spec, new: Spec, ids: list[str]) -> list[tuple[Clause, Clause]]:
    """The two forms of clauses that both have."""
    return [(old.clause(key), new.clause(key)) for key in ids]
