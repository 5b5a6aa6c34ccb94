"""What of a source reached no unit of a draft: told by comparing texts, whatever the reader believes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dalign.spec.imports.document import quoted, sentences, unmarked
from dalign.spec.imports.items import FIELD, Item, code_at, items_of
from dalign.spec.imports.labels import label, leading_label, trailing_label

# Share of a sentence's words, in runs of three, that a unit has to have.
_SHARE = 0.6
_NAMED = re.compile(
    rf"(?:{FIELD.pattern}|(?:goal|examples?(?: \d+)?(?: \([^)]*\))?)\s*:?\s*(?P<other>.*))$",
    re.IGNORECASE | re.DOTALL,
)
_USER = re.compile(r"<user[^>]*>(.*?)</user>", re.DOTALL)


class Lost(NamedTuple):
    """A sentence or an example of the source, with its line."""

    line: int
    text: str


class Losses(NamedTuple):
    """How many sentences and examples a source has, and which reached no unit."""

    sentences: int
    examples: int
    lost_sentences: list[Lost]
    lost_examples: list[Lost]


def losses(source: str, written: str) -> Losses:
    """What of a source is not in the files that were written, comments aside."""
    kept = _words(re.sub(r"<!--.*?-->", " ", written, flags=re.DOTALL))
    runs = set(_runs(kept))
    whole = f" {' '.join(kept)} "
    said = [(line, text) for line, text in _sentences(source) if _words(text)]
    shown = [(line, text) for line, text in _examples(source) if _words(text)]
    lost = [Lost(line, text) for line, text in said if not _reached(text, runs, whole)]
    missing = [Lost(line, text) for line, text in shown if f" {' '.join(_words(text))} " not in whole]  # fmt: skip
    return Losses(len(said), len(shown), lost, missing)


def _sentences(source: str) -> Iterator[tuple[int, str]]:
    """The sentences outside of quotations, headings and blocks; what is a label alone is none."""
    for item in items_of(source):
        if item.kind in ("heading", "block"):
            continue
        cells = item.cells if item.kind == "row" else (item.text,)
        for cell in cells:
            for sentence in sentences(re.sub(r"[\"“][^\"”]*[\"”]", " ", unmarked(cell))):
                bare = _bare(sentence)
                if len(_words(bare)) > 1:
                    yield item.line, bare


def _bare(sentence: str) -> str:
    """A sentence without codes, labels and names of fields: they become keys, rulings and bullets."""
    for _ in range(3):
        found = code_at(sentence)
        sentence = found[1] if found else sentence
        if (match := _NAMED.match(sentence)) is not None:
            sentence = match["rest"] or match["other"] or ""
        for part in (leading_label(sentence), trailing_label(sentence)):
            sentence = part[1] if part else sentence
        sentence = "" if label(sentence) else sentence
    return re.sub(r"[\[(][^\])]*[\])]", lambda m: " " if label(m[0]) else m[0], sentence)


def _examples(source: str) -> Iterator[tuple[int, str]]:
    for item in items_of(source):
        yield from ((item.line, text) for text in _quoted(item) if len(_words(text)) > 1)


def _quoted(item: Item) -> list[str]:
    if item.kind == "block":
        return [" ".join(text.split()) for text in _USER.findall(item.text)]
    return quoted(item.text) if item.kind != "heading" else []


def _reached(sentence: str, runs: set[tuple[str, ...]], whole: str) -> bool:
    words = _words(sentence)
    own = list(_runs(words))
    if len(own) < 3:
        return f" {' '.join(words)} " in whole or (bool(own) and any(run in runs for run in own))
    return sum(run in runs for run in own) >= _SHARE * len(own)


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(words, words[1:], words[2:], strict=False)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().replace("*", ""))
