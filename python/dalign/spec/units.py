"""Every unit of a policy by its address: what is hashed, diffed and named by a result."""

from __future__ import annotations

import re

from dalign.spec.types import Category, Place, Spec, Unit


def units(spec: Spec) -> dict[str, Unit]:
    """The units of a policy by id.

    Ids: `self-harm.S3` (a clause), `self-harm.definitions.method-information`, `self-harm.style.refuse`,
    `self-harm.summary`; `principles.helpfulness` and `principles.definitions.minor` of the principles.
    """
    found = [unit for category in spec.categories for unit in _of_category(category)]
    for section in spec.principle.sections:
        name = f"principles.{_slug(section.title) or 'text'}"
        found.append(Unit(name, "principle", "", section.sha256, section.place))
    for definition in spec.principle.definitions:
        name = f"principles.definitions.{_slug(definition.term)}"
        found.append(Unit(name, "definition", "", definition.sha256, definition.place))
    return {unit.id: unit for unit in found}


def _of_category(category: Category) -> list[Unit]:
    name = category.name
    place = category.front.get("summary", Place(category.place.file, 1, 0, 0))
    found = [Unit(f"{name}.summary", "summary", name, category.summary_sha256, place)]
    for definition in category.definitions:
        unit_id = f"{name}.definitions.{_slug(definition.term)}"
        found.append(Unit(unit_id, "definition", name, definition.sha256, definition.place))
    found += [Unit(each.id, "clause", name, each.sha256, each.place) for each in category.clauses]
    found += [
        Unit(f"{name}.style.{guide.ruling}", "style", name, guide.sha256, guide.place)
        for guide in category.style
    ]
    return found


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-")
