"""A table of rules: which column says what."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dalign.spec.imports.document import plain
from dalign.spec.imports.draft import Rule, prompts_in
from dalign.spec.imports.items import Item
from dalign.spec.imports.labels import Said, heading_label, label
from dalign.spec.types import SEVERITIES

_COLUMNS = (
    ("code", r"(?:id|code|no\.?|nr\.?|#|number|key|ref\.?|rule (?:id|no\.?|number))"),
    ("ruling", r"(?:ruling|decision|action|verdict|outcome|label|treatment|allowed ?\?|permitted ?\?|ok ?\?|what (?:to|we) do|do we help ?\??|answer ?\??|policy decision)"),
    ("severity", r"(?:severity|risk(?: level)?)"),
    ("includes", r"(?:includes?|covers|also)"),
    ("excludes", r"(?:excludes?|exceptions?|not covered)"),
    ("example", r"(?P<side>.*?)\s*(?:example|e\.g\.)s?\b.*"),
    ("title", r"(?:title|topic|name|subject|category|area)"),
    ("text", r"(?:rule|text|policy|request|content|description|case|what|when|detail|note|situation|explanation|guidance|.*request.*|.*rule.*)s?"),
)  # fmt: skip


class Table:
    """A table by its head."""

    def __init__(self, head: tuple[str, ...]) -> None:
        self._head = [plain(cell) for cell in head]
        self._columns = [self._column(cell) for cell in self._head]
        # Without a column of rulings, each column whose head is one has rules of its own.
        self._sides: list[Said | None] = []
        if "ruling" not in self._columns:
            self._sides = [
                heading_label(cell) if column != "example" else None
                for cell, column in zip(self._head, self._columns, strict=True)
            ]

    @staticmethod
    def _column(cell: str) -> str:
        for name, pattern in _COLUMNS:
            if re.fullmatch(pattern, cell.strip(), re.IGNORECASE):
                return name
        return "text"

    def rules(self, item: Item, tier: Said | None) -> Iterator[Rule]:
        """The rules of a row."""
        cells = list(zip(self._columns, self._head, item.cells, strict=False))
        code = next((plain(cell) for column, _, cell in cells if column == "code"), "")
        title = next((plain(cell) for column, _, cell in cells if column == "title"), "")
        if sum(side is not None for side in self._sides) > 1:
            topic = title or plain(item.cells[0] if self._sides[0] is None else "")
            for side, cell in zip(self._sides, item.cells, strict=False):
                if side is not None and (text := plain(cell)) and text not in ("-", "–", "—"):
                    rule = Rule(code, topic or _first_words(text), item.line, item.text, own=side)
                    rule.texts.append(text)
                    yield rule
            return
        rule = Rule(code, title, item.line, item.text, tier)
        for column, head, cell in cells:
            self._take(rule, column, head, cell)
        rule.title = rule.title or _first_words(" ".join(rule.texts))
        if not rule.texts and rule.title:
            rule.texts.append(rule.title)
        if rule.texts:
            yield rule

    @staticmethod
    def _take(rule: Rule, column: str, head: str, cell: str) -> None:
        text = plain(cell)
        if column == "ruling":
            if said := heading_label(cell):
                rule.label(said)
            elif text:
                rule.texts.append(text)
        elif column == "severity" and text.casefold() in SEVERITIES:
            rule.severity = text.casefold()
        elif column in ("includes", "excludes") and text:
            getattr(rule, column).append(text)
        elif column == "example":
            side = label(re.sub(r"\b(?:examples?|e\.g\.)\b", "", head, flags=re.IGNORECASE))
            rule.examples += [(prompt, side) for prompt in prompts_in(text)]
        elif column == "text" and text:
            rule.texts.append(text)


def _first_words(text: str) -> str:
    return " ".join(re.split(r"[.;:–—(\"“?!]", text, maxsplit=1)[0].split()[:7]) or "Rule"
