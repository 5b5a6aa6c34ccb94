"""Which prompts and replayed rows a step of RL uses."""

from __future__ import annotations

from collections import Counter

import pytest
from dalign.config import Balance
from dalign.errors import InputError
from dalign.rows import Expected, Prompt
from dalign.train.draw import MOST_WEIGHT, clause_weights, draw_prompts, draw_replay
from tiny import prompt_columns

SHARES = Balance.model_validate({})  # 0.4, 0.25, 0.2, 0.15


def prompt(id, category="violence", ruling=None, clause=None, expected=True):
    known = Expected(ruling, clause) if expected else None
    return Prompt(id, category, ({"role": "user", "content": id},), expected=known)


def mixed():
    """Two cells of 3 and 1 disallowed prompts, one of 2 permitted, 2 ungoverned, 2 general."""
    return [
        *(prompt(f"a{i}", ruling="refuse", clause="V1") for i in range(3)),
        prompt("b0", ruling="safe-complete", clause="V2"),
        *(prompt(f"c{i}", ruling="comply", clause="V3") for i in range(2)),
        *(prompt(f"d{i}", ruling="comply") for i in range(2)),
        *(prompt(f"e{i}", category="general") for i in range(2)),
    ]


@pytest.mark.parametrize("balance", [None, SHARES])
def test_the_draw_depends_on_the_seed_and_more_steps_change_no_earlier_one(balance):
    def draw(steps, seed):
        return draw_prompts(
            prompt_columns(mixed()), steps=steps, per_step=4, seed=seed, balance=balance
        )

    assert draw(9, 1) == draw(9, 1)
    assert draw(9, 1)[:4] == draw(4, 1)
    assert draw(9, 1) != draw(9, 2)


@pytest.mark.parametrize(
    ("balance", "positions"),
    [
        (None, [[7, 8, 3, 2], [9, 5, 6, 0], [1, 4, 6, 0]]),
        (SHARES, [[1, 3, 5, 6], [3, 4, 7, 9], [0, 5, 7, 8]]),
    ],
)
def test_a_draw_stays_what_it_was(balance, positions):
    drawn = draw_prompts(prompt_columns(mixed()), steps=3, per_step=4, seed=7, balance=balance)
    assert drawn == positions


def test_without_balance_every_prompt_comes_before_any_comes_again():
    drawn = draw_prompts(prompt_columns(mixed()), steps=5, per_step=4, seed=0, balance=None)
    flat = [position for step in drawn for position in step]
    assert sorted(flat[:10]) == sorted(flat[10:]) == list(range(10))


def test_with_balance_a_class_gets_its_share_of_each_step_up_to_one_prompt():
    drawn = draw_prompts(prompt_columns(mixed()), steps=200, per_step=16, seed=0, balance=SHARES)
    # 16 × (0.4, 0.25, 0.2, 0.15) = 6.4, 4, 3.2, 2.4
    allowed = {"disallowed": {6, 7}, "permitted": {4}, "ungoverned": {3, 4}, "general": {2, 3}}
    names = ["disallowed"] * 4 + ["permitted"] * 2 + ["ungoverned"] * 2 + ["general"] * 2
    totals: Counter[str] = Counter()
    for step in drawn:
        counts = Counter(names[position] for position in step)
        assert all(counts[name] in numbers for name, numbers in allowed.items())
        totals += counts
    # Shares of 3,200; one standard deviation of the rounding over 200 steps is below 8.
    assert abs(totals["disallowed"] - 1280) < 40


def test_inside_a_class_cells_take_turns_and_inside_a_cell_its_prompts():
    only = Balance(disallowed=1, permitted=0, ungoverned=0, general=0)
    drawn = draw_prompts(prompt_columns(mixed()), steps=3, per_step=4, seed=0, balance=only)
    # 12 draws: 6 of each cell, so 2 of each of the three prompts of the first.
    assert Counter(p for step in drawn for p in step) == {0: 2, 1: 2, 2: 2, 3: 6}


@pytest.mark.parametrize(
    ("prompts", "balance", "message"),
    [
        ([], None, "no prompts"),
        ([prompt("x", expected=False)], SHARES, "prompt x has no expected ruling"),
        ([prompt("x", clause="V1")], SHARES, "prompt x has no expected ruling"),
        ([prompt("x", ruling="refuse")], SHARES, "rl.balance.permitted = 0.25"),
    ],
)
def test_a_draw_that_cannot_be_balanced_is_refused(prompts, balance, message):
    with pytest.raises(InputError, match=message):
        draw_prompts(prompt_columns(prompts), steps=1, per_step=2, seed=0, balance=balance)


def test_replayed_rows_differ_within_a_step_and_depend_on_seed_and_step():
    assert draw_replay(50, count=5, seed=3, step=2) == [21, 45, 13, 25, 8]
    first = draw_replay(50, count=16, seed=0, step=1)
    assert len(set(first)) == 16
    assert first == draw_replay(50, count=16, seed=0, step=1)
    assert first != draw_replay(50, count=16, seed=0, step=2)
    assert first != draw_replay(50, count=16, seed=1, step=1)
    assert sorted(draw_replay(3, count=16, seed=0, step=1)) == [0, 1, 2]


def test_a_rare_clause_weighs_as_much_as_a_common_one():
    common, rare = prompt("a", clause="V1"), prompt("b", clause="V2")
    assert clause_weights([[common, rare, common], [common]]) == {"a": 4 / 6, "b": 2.0}
    # The same clause in two prompts is one; a prompt without a clause counts by its category.
    other, general = prompt("c", clause="V1"), prompt("d", category="general")
    assert clause_weights([[common, other], [general, general]]) == dict.fromkeys("acd", 1.0)


def test_no_clause_weighs_more_than_the_most():
    steps = [[prompt("a", clause="V1")] * 99 + [prompt("b", clause="V2")]]
    assert clause_weights(steps)["b"] == MOST_WEIGHT
