"""spec(category) within a number of tokens: examples are left out, last ones first, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dalign.errors import InputError
from dalign.spec.types import GENERAL, Category, Clause

# (the category as it is to be shown) -> the composed text
Compose = Callable[[Category | None], str]


@dataclass(frozen=True)
class Fitted:
    """A composed policy, its size, and how many examples of which clauses it leaves out."""

    text: str
    tokens: int
    left_out: dict[str, int]


def fit(
    category: Category | None, compose: Compose, count: Callable[[str], int], most: int | None
) -> Fitted:
    """The longest form of spec(category) that has at most `most` tokens; the whole form without a bound.

    Every clause keeps as many examples as all others, or all that it has. Raises InputError where it
    is too long without examples too: a rule is never left out.
    """
    text = compose(category)
    tokens = count(text)
    if most is None or tokens <= most:
        return Fitted(text, tokens, {})
    deepest = max((_depth(clause) for clause in category.clauses), default=0) if category else 0
    for kept in range(deepest - 1, -1, -1):
        assert category is not None
        shown = replace(category, clauses=tuple(_cut(each, kept) for each in category.clauses))
        text = compose(shown)
        tokens = count(text)
        if tokens <= most:
            return Fitted(text, tokens, _left_out(category, shown))
    name = category.name if category else GENERAL
    said = f"spec({name}) has {tokens:,} tokens even without examples, more than {most:,}; raise spec.max_tokens, or shorten the summaries, the principles or the category"
    raise InputError(said, kind="over_long", key="spec.max_tokens", value=tokens, limit=most)


def _depth(clause: Clause) -> int:
    return max(len(clause.allowed), len(clause.disallowed))


def _cut(clause: Clause, kept: int) -> Clause:
    return replace(clause, allowed=clause.allowed[:kept], disallowed=clause.disallowed[:kept])


def _left_out(category: Category, shown: Category) -> dict[str, int]:
    counts = {}
    for whole, cut in zip(category.clauses, shown.clauses, strict=True):
        gone = len(whole.allowed) + len(whole.disallowed) - len(cut.allowed) - len(cut.disallowed)
        if gone:
            counts[whole.id] = gone
    return counts
