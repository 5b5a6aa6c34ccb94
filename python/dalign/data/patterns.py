"""What tells an answer's ruling where the truth is known: patterns, and expected answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dalign import _core
from dalign.data.adapters.prompts import PATTERN_MARK
from dalign.data.denied import denied
from dalign.data.jsonl import RowError
from dalign.errors import did_you_mean, no_file
from dalign.parsing import UnreadableError, toml_table
from dalign.pattern import read_pattern
from dalign.spec.types import RULINGS
from dalign.text import spelt_plainly

# A clause as the default generation template has it cited: "the NAME policy, KEY, says", or its id; its key has a digit.
# A sentence may begin with a name, and its hyphens be of any kind: else one that ends another would be read in its place.
_NAME = r"[A-Za-z0-9][A-Za-z0-9_\x{ad}\x{2010}-\x{2013}\x{2212}\x{fe63}\x{ff0d}-]*"
_KEY = "[A-Za-z]*[0-9][A-Za-z0-9_-]*"
_CITATION = (
    rf"\b(?P<category>{_NAME})\.(?P<clause>{_KEY})"
    rf"|\b(?P<policy>{_NAME})\s+policy(?:['’]s)?[,:]?\s+\(?(?:(?:clause|section|rule)\s+)?(?P<key>{_KEY})"
)


@dataclass(frozen=True)
class AnswerPattern:
    """Answers that `pattern` is found in have that ruling; `adheres`: they keep to the style guide."""

    ruling: str
    pattern: _core.Pattern
    adheres: bool


@dataclass(frozen=True)
class Patterns:
    """Patterns that tell an answer's ruling and the clause that its reasoning cites."""

    answers: tuple[AnswerPattern, ...]
    retrieval: _core.Pattern = field(default_factory=lambda: read_pattern(_CITATION))

    def ruling_of(self, answer: str) -> tuple[str, bool] | None:
        """The answer's ruling and whether it adheres to the style; the first pattern that is found counts.

        None when no pattern is found: a broken answer.
        """
        text = answer.strip()
        for entry in self.answers:
            if entry.pattern.is_in(text):
                return entry.ruling, entry.adheres
        return None

    def cited(self, reasoning: str, known: Collection[str] | None = None) -> str | None:
        """The first clause id that the reasoning cites (of `known`, if given), or None.

        A clause that it names to say that it does not apply (`not harm.S1 but …`, `harm.S1 does not apply`) is not
        cited there; one of which it says anything else is, whatever that is.
        """
        named = ids_in(self.retrieval, reasoning)
        return next(
            (i for i, is_cited in named if is_cited and (known is None or i in known)), None
        )


def ids_in(retrieval: _core.Pattern, text: str) -> list[tuple[str, bool]]:
    """The clause ids that a retrieval pattern finds in a text, in order, and whether each is cited or denied there.

    Categories are in small letters.
    """
    ids, places, at = [], [], 0
    for match in retrieval.groups(text):
        category = spelt_plainly(match["category"] or match.get("policy") or "").lower()
        ids.append(f"{category}.{match['clause'] or match.get('key')}")
        whole = match[""] or ""
        start = text.index(whole, at)
        places.append((start, at := start + len(whole)))
    return [(i, not is_denied) for i, is_denied in zip(ids, denied(text, places), strict=True)]


def answer_is(expected_answer: str, answer: str) -> bool:
    """Whether the answer is the expected one: the same text whatever its white space.

    An expected answer that starts with `re:` is a regular expression for the whole answer.
    """
    if expected_answer.startswith(PATTERN_MARK):
        pattern = expected_answer.removeprefix(PATTERN_MARK).strip()
        return read_pattern(pattern).is_all_of(answer.strip())
    return expected_answer.split() == answer.split()


def read_patterns(path: Path) -> Patterns:
    """The patterns of a TOML file: `[[answer]]` with ruling, pattern, adheres; `[retrieval]` with pattern.

    Raises InputError, which names the entry, its value and the way out.
    """
    try:
        return _patterns(_toml(path))
    except RowError as error:
        raise error.at(path) from error


def _patterns(values: Mapping[str, object]) -> Patterns:
    _only_keys("", values, ("answer", "retrieval"))
    entries = values.get("answer")
    if not isinstance(entries, list) or not entries:
        raise RowError("has no [[answer]] entry; each needs a ruling and a pattern", "missing_key")
    answers = tuple(_answer(f"answer {n}", entry) for n, entry in enumerate(entries, 1))
    if "retrieval" not in values:
        return Patterns(answers)
    retrieval = values["retrieval"]
    if not isinstance(retrieval, dict):
        what = f"retrieval is not a table ({retrieval!r}); write [retrieval]"
        raise RowError(what, "wrong_type")
    _only_keys("retrieval: ", retrieval, ("pattern",))
    pattern = _pattern("retrieval", retrieval)
    for name in ("category", "clause"):
        if name not in pattern.names:
            way_out = f"write (?P<{name}>…) in it"
            what = f"retrieval: pattern {pattern.text!r} has no group {name!r}; {way_out}"
            raise RowError(what, "pattern")
    return Patterns(answers, pattern)


def _toml(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise RowError(f"{no_file(path)}; give a TOML file with [[answer]] entries", "missing_file")
    try:
        return toml_table(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        what = f"not UTF-8 (at byte {error.start}); save it as UTF-8"
        raise RowError(what, "encoding") from error
    except UnreadableError as error:
        way_out = "patterns are easiest between single quotes, as in pattern = '^sorry'"
        what = f"not TOML: {error} (line {error.line}); {way_out}"
        raise RowError(what, "syntax") from error


def _only_keys(where: str, values: Mapping[str, object], known: Sequence[str]) -> None:
    for key in values:
        if key not in known:
            raise RowError(f"{where}unknown key {key!r}; {did_you_mean(key, known)}", "unknown_key")


def _answer(where: str, entry: object) -> AnswerPattern:
    if not isinstance(entry, dict):
        raise RowError(f"{where} is not a table ({entry!r}); write [[answer]]", "wrong_type")
    _only_keys(f"{where}: ", entry, ("ruling", "pattern", "adheres"))
    ruling, adheres = entry.get("ruling"), entry.get("adheres", True)
    if ruling not in RULINGS:
        what = f"{where}: unknown ruling {ruling!r}; {did_you_mean(str(ruling), RULINGS)}"
        raise RowError(what, "unknown_choice")
    if not isinstance(adheres, bool):
        raise RowError(f"{where}: adheres is {adheres!r}; write true or false", "wrong_type")
    return AnswerPattern(str(ruling), _pattern(where, entry), adheres)


def _pattern(where: str, entry: Mapping[str, object]) -> _core.Pattern:
    text = entry.get("pattern")
    if not isinstance(text, str) or not text:
        raise RowError(f"{where}: pattern is {text!r}; write a regular expression", "pattern")
    try:
        return read_pattern(text)
    except ValueError as error:
        raise RowError(f"{where}: pattern {error}", "pattern") from error
