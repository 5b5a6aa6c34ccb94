"""How long a completion is beside the others of its category in a step: what a reward for length pays.

What is long is told by the category's own completions, so that a hard category may think longer than an easy one
(as the risk-adaptive reward of Wei et al. 2026, 2602.04224), and only those that stand out are paid less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median


def length_parts(
    tokens: Sequence[int], categories: Sequence[str], counts: Sequence[bool], slack: float
) -> list[float]:
    """From 0 to 1 for each completion: 1 up to `slack` times as many tokens more than its category's median, 0 from twice that on, and a line between.

    counts: whether a completion is among those that the median is of; where none of a category is, each is paid 1.
    """
    counted: dict[str, list[int]] = defaultdict(list)
    for length, category, is_counted in zip(tokens, categories, counts, strict=True):
        if is_counted:
            counted[category].append(length)
    usual = {category: median(lengths) for category, lengths in counted.items()}
    return [
        _part(length / usual[category] - 1.0, slack) if category in usual else 1.0
        for length, category in zip(tokens, categories, strict=True)
    ]


def _part(excess: float, slack: float) -> float:
    return min(1.0, max(0.0, 2.0 - excess / slack))
