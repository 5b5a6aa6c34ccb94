"""What changed between two versions of a policy, unit by unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dalign.spec.render import clause_lines
from dalign.spec.rewording import telling_changes
from dalign.spec.types import NOWHERE, Clause, Place, Spec

_OTHERS = ("definitions", "style", "summaries", "principles")


class Unit(NamedTuple):
    """Anything of a policy that has an address and a hash of its own. `kind` is "clauses" or a field of Diff."""

    kind: str
    sha256: str
    place: Place
    text: str


def units(spec: Spec) -> Iterator[tuple[str, Unit]]:
    """The units of a policy with their ids.

    Ids: `self-harm.S3` (a clause), `self-harm.definitions.method-information`, `self-harm.style.refuse`,
    `self-harm.summary`; `principles.helpfulness` and `principles.definitions.minor` of the principles.
    """
    owners = [(category.name, category.definitions) for category in spec.categories]
    for owner, definitions in (*owners, ("principles", spec.principle.definitions)):
        for each in definitions:
            unit = Unit("definitions", each.sha256, each.place, each.text)
            yield f"{owner}.definitions.{_slug(each.term)}", unit
    for category in spec.categories:
        place = category.front.get("summary", category.place)
        unit = Unit("summaries", category.summary_sha256, place, category.summary)
        yield f"{category.name}.summary", unit
        for clause in category.clauses:
            yield clause.id, Unit("clauses", clause.sha256, clause.place, _sorted_text(clause))
        for guide in category.style:
            unit = Unit("style", guide.sha256, guide.place, guide.text)
            yield f"{category.name}.style.{guide.ruling}", unit
    for section in spec.principle.sections:
        unit = Unit("principles", section.sha256, section.place, section.text)
        yield f"principles.{_slug(section.title) or 'text'}", unit


def _sorted_text(clause: Clause) -> str:
    """The clause without its heading; the order of its bullets carries no meaning."""
    prose = clause.text.splitlines()
    bullets = clause_lines(replace(clause, text=""))[1:]
    whole = "\n".join(bullets).split("\n- ")
    return "\n".join(
        [*prose, *sorted(f"- {bullet.strip().removeprefix('- ')}" for bullet in whole)]
    )


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-")


@dataclass(frozen=True)
class Diff:
    """Ids of clauses by what happened to them, and of the other units that changed; each list is sorted.

    A clause whose ruling changed stands in `ruling_changed` alone, whatever else changed in it. `telling` has, by the id of a unit,
    the words of its change that can change a ruling.
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
    telling: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the two say the same, versions aside."""
        clauses = (self.added, self.removed, self.reworded, self.ruling_changed)
        return not (any(clauses) or self.others)

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
    names = sorted(old.versions.keys() | new.versions.keys())
    versions = {name: (old.versions.get(name, ""), new.versions.get(name, "")) for name in names}
    return Diff(
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        reworded=sorted(set(changed) - set(ruled)),
        ruling_changed=sorted(ruled),
        **_other_units(old, new),
        versions={name: pair for name, pair in versions.items() if pair[0] != pair[1]},
        telling=_telling(dict(units(old)), dict(units(new))),
    )


def _telling(before: dict[str, Unit], after: dict[str, Unit]) -> dict[str, list[str]]:
    """By unit, the changed words that can change a ruling. A style guide or a summary rules by few words, other units by each."""
    found: dict[str, list[str]] = {}
    none = Unit("", "", NOWHERE, "")
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, none), after.get(key, none)
        # Clauses that came or went are told of as such.
        if old.sha256 != new.sha256 and not (
            none in (old, new) and "clauses" in (old.kind, new.kind)
        ):
            rules = (old.kind or new.kind) not in ("style", "summaries")
            found[key] = telling_changes(old.text, new.text, any_word=rules)
    return {key: words for key, words in found.items() if words}


def _other_units(old: Spec, new: Spec) -> dict[str, list[str]]:
    """The units that changed and are no clauses, by their kind."""
    before, after = (
        {key: (unit.kind, unit.sha256) for key, unit in units(spec) if unit.kind != "clauses"}
        for spec in (old, new)
    )
    found: dict[str, list[str]] = {kind: [] for kind in _OTHERS}
    for key in sorted({key for key, _ in before.items() ^ after.items()}):
        found[(after.get(key) or before[key])[0]].append(key)
    return found


def suggested_step(diff: Diff) -> str:
    """Which part of the version a change asks for: `major`, `minor`, `patch`; empty where nothing changed.

    major: a ruling changed or a clause is gone; minor: a clause is new, or words came, went or changed that
    can change a ruling; patch: other wording.
    """
    if diff.removed or diff.ruling_changed:
        return "major"
    if diff.added or diff.telling:
        return "minor"
    return "" if diff.is_empty else "patch"
