"""Which prompts and which replayed rows a step of a training uses: a function of seed and step alone."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import polars as pl

from dalign.config import Balance, Distill, Rl
from dalign.errors import InputError
from dalign.rows import Prompt, row_seed
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


def check_split(settings: Rl | Distill, devices: int) -> None:
    """Raises InputError where a step cannot be dealt evenly to so many devices (run.devices), in passes of one size: RL's by groups."""
    section, whole, of = "distill", settings.completions_per_step, "completions of a step"
    if isinstance(settings, Rl):
        section, whole, of = "rl", settings.prompts_per_step, "groups of an RL step"
    said = f"run.devices = {devices}: "
    if whole % devices:
        fits = max(n for n in range(1, min(whole, devices) + 1) if whole % n == 0)
        said += f"it does not divide the {whole} {of} ({section}.prompts_per_step); set it to {fits}, or that to a multiple of it"
        raise InputError(said, kind="broken_rule", key="run.devices", value=devices)
    rows, each = settings.rows_per_pass, settings.completions_per_step // devices
    if rows is not None and each % rows:
        fits = max(n for n in range(1, min(rows, each) + 1) if each % n == 0)
        key = f"{section}.rows_per_pass"
        said += f"{key} = {rows} does not divide the {each} completions that each has of a step; set it to {fits}, or another divisor"
        raise InputError(said, kind="broken_rule", key=key, value=rows)


def draw_prompts(
    prompts: pl.DataFrame, *, steps: int, per_step: int, seed: int, balance: Balance | None
) -> list[list[int]]:
    """For each step the positions of its prompts, `per_step` of them. More steps leave the earlier ones as they are.

    prompts: a row each, with `id`, `category`, and what is expected: `ruling` and `clause`, null where it is not known.
    Without balance all prompts are gone through in a shuffled order, again and again. With it the classes get their
    shares; inside a class its cells (category, clause) take turns, and inside a cell its prompts.
    Raises InputError where there is no prompt, or none of a class, or a prompt of no class.
    """
    if prompts.is_empty():
        said = "there are no prompts to train on; give some in data.rl_prompts or data.prompts"
        raise InputError(said, kind="empty")
    if balance is None:
        order = endless(range(prompts.height), seed, "prompts")
        return [[next(order) for _ in range(per_step)] for _ in range(steps)]
    turns = turns_by_class(prompts, seed)
    shares = class_shares(balance, turns)
    rngs = [random.Random(row_seed(seed, "classes", str(step))) for step in range(steps)]
    return [[next(turns[name]) for name in classes_of_step(shares, per_step, rng)] for rng in rngs]


def draw_replay(rows: int, *, count: int, seed: int, step: int) -> list[int]:
    """Positions of the SFT rows that a step replays: `count` different ones, all if fewer."""
    return random.Random(row_seed(seed, "replay", str(step))).sample(range(rows), min(count, rows))


# A rare clause weighs at most so many times as much as the mean.
MOST_WEIGHT = 4.0


def clause_weights(steps: Sequence[Sequence[Prompt]]) -> dict[str, float]:
    """What an advantage of each prompt's completions is multiplied by, so that its clause weighs as much as others.

    Inverse to how often the clause is drawn over all steps, and to its category where a prompt has none; the mean over
    what is drawn is 1 before the heaviest are held at four times that.
    """
    drawn = [prompt for of_step in steps for prompt in of_step]
    clauses = [(p.category, p.expected and p.expected.clause) for p in drawn]
    counts = Counter(clauses)
    even = len(drawn) / len(counts)
    return {
        prompt.id: min(even / counts[clause], MOST_WEIGHT)
        for prompt, clause in zip(drawn, clauses, strict=True)
    }


def endless(items: Sequence[int], seed: int, name: str) -> Iterator[int]:
    """The items in a shuffled order, and again in another, without end."""
    turn = 0
    while True:
        order = list(items)
        random.Random(row_seed(seed, "order", name, str(turn))).shuffle(order)
        yield from order
        turn += 1


def turns_by_class(prompts: pl.DataFrame, seed: int) -> dict[str, Iterator[int]]:
    """Positions of each class's prompts: its cells in turn, and of a cell its prompts in turn.

    Raises InputError where the expected ruling is not known: a guess would unbalance the draw unseen.
    """
    without = prompts.filter((pl.col("category") != GENERAL) & pl.col("ruling").is_null())
    if without.height:
        said = f"prompt {without['id'][0]} has no expected ruling, by which rl.balance draws; add 'expected' or leave rl.balance out"
        raise InputError(said, kind="missing_field")
    keys = [CLASS.alias("class"), pl.col("category"), pl.col("clause").fill_null("")]
    cells = prompts.with_row_index("position").group_by(keys, maintain_order=True).agg("position")
    by_class: dict[str, list[Iterator[int]]] = defaultdict(list)
    for name, category, clause, positions in sorted(cells.iter_rows()):
        by_class[name].append(endless(positions, seed, f"{name}/{category}/{clause}"))
    return {name: _in_turn(of_class, seed, name) for name, of_class in by_class.items()}


def _in_turn(cells: Sequence[Iterator[int]], seed: int, name: str) -> Iterator[int]:
    return (next(cells[i]) for i in endless(range(len(cells)), seed, name))


def class_shares(balance: Balance, present: Mapping[str, object]) -> list[tuple[str, float]]:
    """Each class with its share of a step's prompts; the shares sum to 1."""
    given: dict[str, float] = balance.model_dump()
    weights = {name: weight for name, weight in given.items() if weight > 0}
    for name, weight in weights.items():
        if name not in present:
            said = f"no prompt is {name}, yet rl.balance.{name} = {weight}; set it to 0 or add such prompts"
            raise InputError(said, kind="not_valid")
    total = sum(weights.values())
    return [(name, weight / total) for name, weight in weights.items()]


def classes_of_step(
    shares: Sequence[tuple[str, float]], per_step: int, rng: random.Random
) -> list[str]:
    """The class of each of a step's prompts.

    A class with share s gets ⌊s · per_step⌋ or ⌈s · per_step⌉ of them, and s · per_step on average:
    the ends of the classes' stretches are laid over evenly spaced points whose common offset is random.
    """
    offset = rng.random()
    ends = list(accumulate(share * per_step for _, share in shares))
    # Rounding must not leave the last point beyond the last end.
    ends[-1] = float(per_step)
    return [shares[bisect_right(ends, i + offset)][0] for i in range(per_step)]
