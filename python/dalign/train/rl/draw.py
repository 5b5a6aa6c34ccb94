"""Which prompts and which replayed rows a step of RL uses: a function of seed and step alone."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import polars as pl

from dalign.config import Balance
from dalign.errors import InputError
from dalign.rows import Expected, Prompt, row_seed
from dalign.spec.types import GENERAL

# The class of `Balance` that a prompt belongs to.
CLASS = (
    pl.when(pl.col("category") == GENERAL)
    .then(pl.lit("general"))
    .when(pl.col("ruling") != "comply")
    .then(pl.lit("disallowed"))
    .when(pl.col("clause").is_null())
    .then(pl.lit("ungoverned"))
    .otherwise(pl.lit("permitted"))
)


def prompt_columns(prompts: Sequence[Prompt]) -> pl.DataFrame:
    """What `draw_prompts` looks at of each prompt."""
    expected = [prompt.expected or Expected() for prompt in prompts]
    columns = {
        "id": [prompt.id for prompt in prompts],
        "category": [prompt.category for prompt in prompts],
        "ruling": [known.ruling for known in expected],
        "clause": [known.clause for known in expected],
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def draw_prompts(
    prompts: pl.DataFrame, *, steps: int, per_step: int, seed: int, balance: Balance | None
) -> list[list[int]]:
    """For each step the positions of its prompts, `per_step` of them. More steps leave the earlier
    ones as they are.

    prompts: a row each, with `id`, `category`, and what is expected: `ruling` and `clause`, null
    where it is not known. Without balance all prompts are gone through in a shuffled order, again
    and again. With it the classes get their shares; inside a class its cells (category, clause)
    take turns, and inside a cell its prompts.
    Raises InputError where there is no prompt, or none of a class, or a prompt of no class.
    """
    if prompts.height == 0:
        raise InputError(
            "there are no prompts to train on; give some in data.rl_prompts or data.prompts"
        )
    if balance is None:
        order = endless(range(prompts.height), seed, "prompts")
        return [[next(order) for _ in range(per_step)] for _ in range(steps)]
    turns = {
        name: cells_in_turn(cells, seed, name) for name, cells in cells_by_class(prompts).items()
    }
    shares = class_shares(balance, turns)
    drawn = []
    for step in range(steps):
        names = classes_of_step(
            shares, per_step, random.Random(row_seed(seed, "classes", str(step)))
        )
        drawn.append([next(turns[name]) for name in names])
    return drawn


def draw_replay(rows: int, *, count: int, seed: int, step: int) -> list[int]:
    """Positions of the SFT rows that a step replays: `count` different ones, all if fewer."""
    return random.Random(row_seed(seed, "replay", str(step))).sample(range(rows), min(count, rows))


def endless(items: Sequence[int], seed: int, name: str) -> Iterator[int]:
    """The items in a shuffled order, and again in another, without end."""
    turn = 0
    while True:
        order = list(items)
        random.Random(row_seed(seed, "order", name, str(turn))).shuffle(order)
        yield from order
        turn += 1


def cells_in_turn(
    cells: Mapping[tuple[str, str], Sequence[int]], seed: int, name: str
) -> Iterator[int]:
    """Prompts of a class: its cells in turn, and of a cell its prompts in turn."""
    keys = sorted(cells)
    prompts = [endless(cells[key], seed, f"{name}/{'/'.join(key)}") for key in keys]
    for cell in endless(range(len(keys)), seed, name):
        yield next(prompts[cell])


def cells_by_class(prompts: pl.DataFrame) -> dict[str, dict[tuple[str, str], list[int]]]:
    """Positions of the prompts, by class and (category, clause).

    Raises InputError where the expected ruling is not known: a guess would unbalance the draw
    unseen.
    """
    without = prompts.filter((pl.col("category") != GENERAL) & pl.col("ruling").is_null())
    if without.height:
        raise InputError(
            f"prompt {without['id'][0]} has no expected ruling, by which rl.balance draws; add "
            "'expected' or leave rl.balance out"
        )
    cells = (
        prompts.with_row_index("position")
        .group_by(
            CLASS.alias("class"), "category", pl.col("clause").fill_null(""), maintain_order=True
        )
        .agg("position")
    )
    classes: dict[str, dict[tuple[str, str], list[int]]] = defaultdict(dict)
    for name, category, clause, positions in cells.iter_rows():
        classes[name][category, clause] = positions
    return classes


def class_shares(balance: Balance, present: Mapping[str, object]) -> list[tuple[str, float]]:
    """Each class with its share of a step's prompts; the shares sum to 1."""
    weights: dict[str, float] = {
        name: weight for name, weight in balance.model_dump().items() if weight > 0
    }
    missing = [name for name in weights if name not in present]
    if missing:
        raise InputError(
            f"no prompt is {missing[0]}, yet rl.balance.{missing[0]} = {weights[missing[0]]}; set "
            "it to 0 or add such prompts"
        )
    total = sum(weights.values())
    if total == 0:
        raise InputError("every weight of rl.balance is 0; set one above 0 or leave rl.balance out")
    return [(name, weight / total) for name, weight in weights.items()]


def classes_of_step(
    shares: Sequence[tuple[str, float]], per_step: int, rng: random.Random
) -> list[str]:
    """The class of each of a step's prompts.

    A class with share s gets ⌊s · per_step⌋ or ⌈s · per_step⌉ of them, and s · per_step on average:
    the ends of the classes' stretches are laid over evenly spaced points whose common offset is
    random.
    """
    offset = rng.random()
    ends = list(accumulate(share * per_step for _, share in shares))
    # Rounding must not leave the last point beyond the last end.
    ends[-1] = float(per_step)
    points = [i + offset for i in range(per_step)]
    return [
        next(name for (name, _), end in zip(shares, ends, strict=True) if point < end)
        for point in points
    ]
