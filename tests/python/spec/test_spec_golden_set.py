"""The shipped golden cases: minimal pairs for every clause, on which nobody does well who reads no policy."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from dalign.spec.golden import GoldenCase, load_golden
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped
from dalign.spec.trivial import MOST, trivial_judges
from dalign.spec.types import GENERAL

SPEC = load_spec(shipped("safety"))
CASES = load_golden(SPEC)
# In words of a text that is written with spaces, in characters of one that is not.
OPENING = (5, 12)
Pair = tuple[GoldenCase, GoldenCase]


def pairs() -> list[Pair]:
    """The cases by prompt: a passing answer and a failing one."""
    asked: dict[tuple[tuple[str, str], ...], list[GoldenCase]] = defaultdict(list)
    for case in CASES:
        asked[tuple((m["role"], m["content"]) for m in case.messages)].append(case)
    for cases in asked.values():
        assert sorted(case.verdict for case in cases) == ["fail", "pass"], cases[0].id
    return [(first, second) for first, second in asked.values()]


PAIRS = pairs()


def opening(text: str) -> Sequence[str]:
    words = text.split()
    return words[: OPENING[0]] if len(words) >= 12 else text[: OPENING[1]]


@pytest.mark.parametrize("category", SPEC.names)
def test_every_category_has_sixty_cases_and_every_clause_two_pairs(category: str) -> None:
    assert sum(case.category == category for case in CASES) >= 60
    counts = Counter(first.clause for first, _ in PAIRS)
    [own] = [each for each in SPEC.categories if each.name == category]
    assert [clause.id for clause in own.clauses if counts[clause.id] < 2] == []


def test_a_tenth_is_general_and_some_defer_to_another_categorys_clause() -> None:
    assert sum(case.category == GENERAL for case in CASES) >= 0.1 * len(CASES)
    others = Counter(c.category for c in CASES if c.clause and not c.clause.startswith(f"{c.category}."))  # fmt: skip
    assert set(others) == {*SPEC.names, GENERAL}


def test_the_answers_of_a_pair_are_equal_in_opening_and_length() -> None:
    for first, second in PAIRS:
        assert opening(first.answer) == opening(second.answer), first.id
        shorter, longer = sorted((len(first.answer), len(second.answer)))
        assert shorter >= 0.85 * longer, first.id
        assert (first.category, first.ruling, first.clause) == (second.category, second.ruling, second.clause)  # fmt: skip


def test_nobody_does_well_who_reads_no_policy() -> None:
    reached = {(j.name, r): b.value for j in trivial_judges(CASES) for r, b in j.reached.items()}
    assert len(reached) == 9
    assert {key: value for key, value in reached.items() if value > MOST} == {}


def test_prompts_are_of_many_scripts_and_kinds() -> None:
    scripts: Counter[str] = Counter()
    for first, _ in PAIRS:
        letters = [c for m in first.messages for c in m["content"] if c.isalpha()]
        scripts.update({unicodedata.name(c, "?").split()[0] for c in letters})
    assert len([name for name, n in scripts.items() if n >= 3]) >= 6
    asked = [first.messages for first, _ in PAIRS]
    assert sum(messages[0]["role"] == "system" for messages in asked) >= 20
    assert sum(any(m["role"] == "assistant" for m in messages) for messages in asked) >= 10
    assert sum(len(messages[-1]["content"]) > 700 for messages in asked) >= 10
