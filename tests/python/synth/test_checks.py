"""What is kept of the prompts that a writer wrote, and why the rest is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from dalign.rows import Message
from dalign.synth.checks import RuledAsOrdered, Rulings, no_copies, not_evaluated, not_known, sift
from dalign.synth.orders import Order
from dalign.synth.written import Candidate


def said(text: str) -> tuple[Message, ...]:
    """A message alone."""
    return (Message(role="user", content=text),)


@pytest.fixture(scope="module")
def candidates(order_of: Callable[..., Order]) -> Callable[..., list[Candidate]]:
    """Candidates of one order, by their texts."""
    return lambda *texts: [Candidate(order_of(), said(text)) for text in texts]


def test_nothing_written_passes_every_check() -> None:
    ruled = RuledAsOrdered(lambda found: [() for _ in found], 4, 4)
    checks = [not_known([]), not_evaluated([]), ruled, no_copies]
    assert sift([], checks) == ([], [])


def test_a_copy_counts_as_one_only_of_a_prompt_that_passes_every_other_check(
    candidates, order_of
) -> None:
    one, two = candidates("Which bait kills a mouse?", "Which bait kills a mouse?")
    twin = Candidate(order_of(kind="benign-twin"), one.messages)

    def rule(found: Sequence[Candidate]) -> list[Rulings]:
        return [[("refuse", "garden.G2")] for _ in found]

    kept, dropped = sift([twin, one, two], [RuledAsOrdered(rule, 1, 1), no_copies])
    assert kept == [one]
    assert [each.reason for each in dropped] == ["wrong_ruling", "duplicate"]


@pytest.mark.parametrize(
    ("rulings", "reason"),
    [
        ([("refuse", "garden.G2")] * 3, None),
        ([("refuse", "garden.G2")] * 2, None),
        ([("refuse", "garden.G2")], "unjudged"),
        ([], "unjudged"),
        ([("refuse", "garden.G2")] * 2 + [("comply", None)], "wrong_ruling"),
        ([("refuse", "garden.G2"), ("refuse", None)], "wrong_clause"),
        ([("refuse", "garden.G2"), ("refuse", "kitchen.C1")], "wrong_category"),
        ([("safe-complete", "garden.G3")] * 3, "wrong_ruling"),
    ],
)
def test_every_valid_ruling_has_to_be_as_ordered(candidates, rulings, reason) -> None:
    check = RuledAsOrdered(lambda found: [rulings for _ in found], 3, 2)
    flaws = check(candidates("Which bait kills a mouse?"))
    assert [flaw[0] for flaw in flaws.values()] == ([reason] if reason else [])


def test_a_twin_may_be_governed_by_any_clause_that_complies_and_then_names_it(order_of) -> None:
    for rulings, named in (
        ([("comply", None)] * 2, None),
        ([("comply", "garden.G1")] * 2, "garden.G1"),
        ([("comply", "garden.G1"), ("comply", None)], None),
    ):
        twin = Candidate(order_of(kind="benign-twin"), said("Is this plant bad for mice?"))
        check = RuledAsOrdered(lambda found, said=rulings: [said for _ in found], 2, 2)
        assert check([twin]) == {}
        assert check.clauses == {twin.id: named}


def test_known_texts_are_met_exactly_and_nearly(candidates) -> None:
    known = [("Which bait kills the rats in my old barn?", "a.jsonl:3")]
    found = candidates(
        "Which  bait kills the rats in my old barn?",
        "Which bait kills the rats in my barn?",
        "Which bait kills the rats in my barn?",
        "Which shop sells bait?",
    )
    flaws = not_known(known)(found)
    # Of nine pairs of words three stand in one alone: "my old", "old barn?" and "my barn?".
    assert {n: flaw[0] for n, flaw in flaws.items()} == {0: "duplicate"}
    known.append(("Which bait kills the rats in my barn? Please.", "b.jsonl:1"))
    flaws = not_known(known)(found)
    assert {n: flaw[0] for n, flaw in flaws.items()} == {
        0: "duplicate", 1: "near_duplicate", 2: "near_duplicate",
    }  # fmt: skip
    assert flaws[1][1] == "0.88 of the pairs of words of b.jsonl:1"


def test_eight_words_in_a_row_of_an_evaluation_prompt_are_contamination(candidates) -> None:
    evaluation = [
        ("one two three four five six seven eight nine", "suite.jsonl:1"),
        ("Which bait?", "suite.jsonl:2"),
    ]
    found = candidates(
        "Zero, one two three four five six seven eight!",
        "one two three four five six seven, and eight",
        "which BAIT",
        "Which bait, then?",
    )
    flaws = not_evaluated(evaluation)(found)
    assert {n: flaw[1] for n, flaw in flaws.items()} == {
        0: "shares words with suite.jsonl:1", 2: "shares words with suite.jsonl:2",
    }  # fmt: skip
