"""The forms that are told apart: what names a rule in a text."""

from __future__ import annotations

from typing import Literal

from dalign.spec.imports.draft import Draft
from dalign.spec.imports.items import FIELD, Item, code_at, items_of
from dalign.spec.imports.labels import heading_label, leading_label
from dalign.spec.imports.reader import Reader

Form = Literal["safeguard", "model-spec", "markdown"]


def form_of(text: str) -> Form:
    """The form that a text has: anchors at its headings, codes at its rules, or neither."""
    items = items_of(text)
    if any(item.anchor for item in items):
        return "model-spec"
    return "safeguard" if any(map(_coded, items)) else "markdown"


def _coded(item: Item) -> bool:
    if item.kind == "row":
        return bool(code_at(f"{item.cells[0]} "))
    if item.kind == "heading":
        return bool(code_at(f"{item.text} ")) or ("(" in item.text and heading_label(item.text) is not None)  # fmt: skip
    if (match := FIELD.match(item.text)) and match["name"].casefold() in ("id", "code", "key", "rule id"):  # fmt: skip
        return bool(code_at(f"{match['rest']} "))
    led = leading_label(item.text)
    return item.kind != "block" and bool(code_at(item.text) or (led and code_at(led[1])))


def read_form(text: str, form: Form) -> Draft:
    """What a policy of that form says: codes name its rules, or anchors, or numbers where it has neither."""
    reader = Reader(items_of(text), codes=form != "markdown", anchors=form == "model-spec")
    draft = reader.read()
    draft.title = draft.title or "policy"
    return draft
