"""Every error of dalign says its kind, a word of a small vocabulary, so that programs can tell causes apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from dalign import errors
from dalign.errors import KINDS, DalignError, InputError, QuotaError
from tree import PACKAGE, parsed, python_files

CLASSES = {
    name: each
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, DalignError)
}


def calls() -> Iterator[tuple[str, ast.Call, type[DalignError]]]:
    """(place, call, class) of every error that is made: by its class, or by `in_file` of it."""
    for path in python_files():
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            made = node.func
            if isinstance(made, ast.Attribute) and made.attr == "in_file":
                made = made.value
            if isinstance(made, ast.Name) and made.id in CLASSES:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node, CLASSES[made.id]


def given(call: ast.Call) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == "kind"), None)


def test_every_error_says_its_kind() -> None:
    found = list(calls())
    assert len(found) > 100
    assert [place for place, call, made in found if given(call) is None and made.KIND is None] == []


def choices(word: ast.expr) -> tuple[ast.expr, ...]:
    return (word.body, word.orelse) if isinstance(word, ast.IfExp) else (word,)


def literals() -> Iterator[tuple[str, str]]:
    """(place, word) of every kind that is written out where an error is made."""
    for path in python_files():
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
            words = [each.value for each in node.keywords if each.arg == "kind"]
            words += node.args[1:2] if name in ("RowError", "error", "_refused") else []
            if name.endswith("Error") or name in ("in_file", "refuse", "error", "_refused"):
                # One of two words, too.
                for word in (each for given in words for each in choices(given)):
                    if isinstance(word, ast.Constant) and isinstance(word.value, str):
                        yield f"{path.relative_to(PACKAGE)}:{node.lineno}", word.value


def test_kinds_are_words_of_the_vocabulary() -> None:
    assert [(place, word) for place, word in literals() if word not in KINDS] == []
    assert {made.KIND for made in CLASSES.values() if made.KIND} <= KINDS


@pytest.mark.parametrize("made", [InputError("a", kind="empty"), QuotaError("a")])
def test_an_error_in_other_words_keeps_what_programs_match_on(made: DalignError) -> None:
    made.value, made.row = {"tea": 1}, 3
    other = made.worded("b")
    assert str(other) == "b" and type(other) is type(made)
    assert vars(other) == vars(made) and other.kind is not None
