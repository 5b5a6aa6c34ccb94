"""Answers that people have labelled, beside what a judge said of them, from any file of rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from dalign.data.jsonl import RowError, messages_field, rows_of
from dalign.errors import InputError, did_you_mean
from dalign.files import chat
from dalign.rows import Message
from dalign.text import one_line, short, storable

# Labels that say of an answer by themselves whether it passes.
PASSES = ("pass", "yes", "true", "1", "safe", "compliant", "followed")
FAILS = ("fail", "no", "false", "0", "unsafe", "non-compliant", "violated")
# Whose labels a column of that name has, where no column is named: one rater's, or several under their names.
LABEL, LABELS, RATER = "label", "labels", "rater"
SCORE, SCORES = "score", "scores"
ALL = "all"


@dataclass(frozen=True)
class Reading:
    """How a file of labelled answers is read.

    columns: those that have labels, a rater each; none: `label`, with `rater` where each row is one rater's, or `labels`.
    passes, fails: the labels that say so; without fails, all others fail. passes_from, fails_from: labels are numbers, and
    those from it on pass, or fail. asks: a judge is asked, and the file's scores count for nothing. judge: the column with the judge's score, its k scores, or its label.
    """

    columns: tuple[str, ...] = ()
    passes: tuple[str, ...] = PASSES
    fails: tuple[str, ...] = FAILS
    passes_from: float | None = None
    fails_from: float | None = None
    judge: str | None = None
    low: float = 0.0
    high: float = 10.0
    asks: bool = False


@dataclass
class Labelled:
    """An answer. labels: whether it passes, by rater; scores: the judge's, none where it was not asked.

    place: the number of its first row, counted from 1.
    """

    id: str
    category: str
    place: int
    labels: dict[str, bool] = field(default_factory=dict)
    scores: tuple[float, ...] = ()
    messages: tuple[Message, ...] = ()
    answer: str | None = None

    @property
    def passes(self) -> bool | None:
        """What most raters say; None where as many say one as the other."""
        votes = Counter(self.labels.values())
        return None if votes[True] == votes[False] else votes[True] > votes[False]


def read_labels(path: Path, how: Reading) -> list[Labelled]:
    """The labelled answers of a file, in its order; the rows of one id are one answer.

    Raises InputError, which names line, column, value and way out, for the first row that is none; for a rater with one
    row, and for answers that all pass, or all fail.
    """
    number, row_number = count(), count(1)
    found: dict[str, Labelled] = {}
    read = partial(_row, how=how, numbers=row_number)
    rows: Iterator[Labelled] = rows_of(path, read, lambda _: str(next(number)), as_is=True)
    for row in rows:
        first = found.setdefault(row.id, row)
        if first is not row:
            _add(first, row, path)
    answers = list(found.values())
    _check(path, answers, how)
    return answers


def _add(first: Labelled, row: Labelled, path: Path) -> None:
    """Another rater's row of the same answer."""
    what = ""
    if again := first.labels.keys() & row.labels.keys():
        rater = short(min(again))
        what = f"rater {rater!r} labels answer {short(row.id)!r} a second time (rows {first.place} and {row.place}, counted from 1); keep one of the two, or give the two answers ids of their own"
    elif row.scores and first.scores and row.scores != first.scores:
        what = f"answer {short(row.id)!r} has two scores (rows {first.place} and {row.place}, counted from 1); keep one"
    elif row.answer and first.answer and row.answer != first.answer:
        what = f"two answers have the id {short(row.id)!r} (rows {first.place} and {row.place}, counted from 1); give each its own"
    if what:
        raise InputError.in_file(path, what, kind="repeated", value=row.id)
    first.labels |= row.labels
    first.scores, first.answer = first.scores or row.scores, first.answer or row.answer
    first.messages = first.messages or row.messages


def _check(path: Path, answers: Sequence[Labelled], how: Reading) -> None:
    raters = Counter(rater for each in answers for rater in each.labels)
    for rater, rows in raters.items():
        if rows == 1 and len(answers) > 1:
            what = f"rater {short(rater)!r} has labelled one row, which tells nothing of agreement; leave that label out, or have more labelled"
            raise InputError.in_file(path, what, kind="too_small", key=RATER, value=rater)
    for column in how.columns:
        if column not in raters:
            what = f"no row has a label in the column {column!r}; name another one with --label"
            raise InputError.in_file(path, what, kind="missing_key", key=column)
    said = {each.passes for each in answers if each.passes is not None}
    if not said:
        what = f"no answer ({len(answers)}) has a label that decides: none, or as many that pass as fail"
        raise InputError.in_file(path, what, kind="too_small", key=LABEL)
    if len(said) < 2:
        which = "fail" if said == {False} else "pass"
        what = f"by their labels, all answers ({len(answers)}) {which}, so nothing can be told of the others; label some that do not, or see to --passes and --fails"
        raise InputError.in_file(path, what, kind="unknown_choice", key=LABEL, value=which)


def _row(row: Mapping[str, object], how: Reading, numbers: Iterator[int]) -> Labelled:
    place, given = next(numbers), row.get("id")
    messages, answer = _asked(row) if how.asks else ((), None)
    return Labelled(
        id=f"row {place}" if given is None else json.dumps(given, ensure_ascii=False).strip('"'),
        category=one_line(str(row.get("category") or ALL)),
        place=place,
        labels={one_line(rater): passes for rater, passes in _labels(row, how)},
        scores=() if how.asks else _scores(row, how),
        messages=messages,
        answer=answer,
    )


def _asked(row: Mapping[str, object]) -> tuple[tuple[Message, ...], str | None]:
    """The conversation of a row and its answer, where the judge is to be shown them."""
    told, answer = dict(row), row.get("answer", row.get("completion"))
    for name in ("answer", "completion"):
        told.pop(name, None)
    if isinstance(told.get("prompt"), str):
        told["messages"] = [Message(role="user", content=str(told.pop("prompt")))]
    found = chat.with_messages(told).get("messages")
    turns = messages_field(chat.with_messages(told)) if found is not None else []
    messages = tuple(
        Message(role=str(turn["role"]), content=storable(str(turn["content"]))) for turn in turns
    )
    return messages, storable(answer) if isinstance(answer, str) else None


def _labels(row: Mapping[str, object], how: Reading) -> Iterator[tuple[str, bool]]:
    """Each rater's label of a row; an empty cell is none."""
    if how.columns:
        for column in how.columns:
            if row.get(column) is not None:
                yield column, _passes(row[column], column, how)
        return
    told: dict[str, object] = {}
    match row.get(LABELS):
        case None:
            pass
        case list(several):
            told = {f"{LABELS}[{n}]": value for n, value in enumerate(several)}
        case dict(named):
            told = {str(name): value for name, value in named.items()}
        case other:
            what = (
                f"labels is no list and no object ({short(str(other))!r}); write one label a rater"
            )
            raise RowError(what, "wrong_type", LABELS, other)
    if row.get(LABELS) is not None:
        yield from ((n, _passes(v, LABELS, how)) for n, v in told.items() if v is not None)
        return
    if row.get(LABEL) is None:
        known = ", ".join(row)
        what = f"has no label (columns: {short(known, 200)}); name the column with --label"
        raise RowError(what, "missing_key", LABEL)
    yield str(row.get(RATER, LABEL)), _passes(row[LABEL], LABEL, how)


def _passes(label: object, column: str, how: Reading) -> bool:
    if how.passes_from is not None:
        return _number(label, column) >= how.passes_from
    if how.fails_from is not None:
        return _number(label, column) < how.fails_from
    if isinstance(label, list | dict):
        what = f"column {column!r} has {short(str(label))!r}, which is no label; write one word, or one a rater under 'labels'"
        raise RowError(what, "wrong_type", column, label)
    # A table with gaps has its whole numbers as 1.0.
    whole = int(label) if isinstance(label, float) and label.is_integer() else label
    said = str(whole).strip().casefold()
    known = {word.casefold() for word in how.passes}
    if said in known:
        return True
    others = {word.casefold() for word in how.fails}
    if others and said not in others:
        what = f"column {column!r} has the label {short(str(label))!r}, which is none of {', '.join((*how.passes, *how.fails))}; {did_you_mean(said, sorted(known | others))}, or say which labels pass with --passes and --fails"
        raise RowError(what, "unknown_choice", column, label)
    return False


def _scores(row: Mapping[str, object], how: Reading) -> tuple[float, ...]:
    """The judge's scores of a row; its label counts as the scale's end."""
    column = how.judge or next((name for name in (SCORES, SCORE) if name in row), None)
    given = None if column is None else row.get(column)
    if given is None or column is None:
        return ()
    is_label = str(given).strip().casefold() in {w.casefold() for w in (*how.passes, *how.fails)}
    if (
        how.judge is not None
        and not isinstance(given, list)
        and (is_label or not _is_number(given))
    ):
        return (how.high if _passes(given, column, how) else how.low,)
    scores = tuple(
        _number(each, column) for each in (given if isinstance(given, list) else [given])
    )
    for score in scores:
        if not how.low <= score <= how.high:
            what = f"column {column!r} has the score {score:g}, outside the scale from {how.low:g} to {how.high:g}; give the judge's own scale with --low and --high"
            raise RowError(what, "out_of_range", column, score)
    return scores


def _is_number(value: object) -> bool:
    try:
        _number(value, "")
    except RowError:
        return False
    return True


def _number(value: object, column: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = float(value)
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError
    except ValueError:
        what = f"column {column!r} has {short(str(value))!r}, which is no number; name a column of numbers"
        raise RowError(what, "wrong_type", column, value) from None
    return number
