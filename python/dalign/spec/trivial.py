"""What judges that read no policy reach on golden cases: a set on which they do well admits anybody.

Each counts what is there to count. It learns from cases and is asked about others: an answer's words are weighed by
logistic regression on the other categories, the rest by naive Bayes on cases with other prompts.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import polars as pl

from dalign import _core
from dalign.figures import wilson
from dalign.spec.golden import GoldenCase
from dalign.spec.types import RULINGS, Ruling

# What a trivial judge may reach in a ruling, as balanced accuracy: 0.5 is a coin's.
MOST = 0.62
# In so many cases of a ruling, no fewer.
LEAST_CASES = 20
_FOLDS = 10
# Words that an answer opens with, and by how much lengths of one kind differ.
_OPENING, _LENGTHS = 5, 1.15
_EPOCHS, _RATE = 5, 0.05
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Balanced:
    """The mean of the shares of passing and of failing cases told as such, with the ends of its 95 % interval."""

    cases: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Trivial:
    """What a trivial judge says of each case, whether it passes, and what it reaches in each ruling."""

    name: str
    passes: Sequence[bool]
    reached: dict[Ruling, Balanced]


def trivial_judges(cases: Sequence[GoldenCase]) -> list[Trivial]:
    """The three of them on a policy's golden cases. A ruling without passing or without failing cases is left out."""
    by_prompt = [_asked(case) for case in cases]
    order = {prompt: at for at, prompt in enumerate(dict.fromkeys(by_prompt))}
    folds = [order[prompt] % _FOLDS for prompt in by_prompt]
    rulings = [case.ruling for case in cases]
    told = {
        "the answer's words, learnt in other categories": _weighed(cases),
        "the answer's length and opening, the ruling known": _told(cases, _shape, folds, rulings),
        "the prompt's words, the ruling known": _told(cases, _prompt_words, folds, rulings),
    }
    return [Trivial(name, passes, by_ruling(cases, passes)) for name, passes in told.items()]


def by_ruling(cases: Sequence[GoldenCase], passes: Sequence[bool]) -> dict[Ruling, Balanced]:
    """What a judge that says this of the cases reaches in each ruling that has passing and failing ones."""
    agrees: dict[tuple[Ruling, str], list[bool]] = defaultdict(list)
    for case, said in zip(cases, passes, strict=True):
        agrees[case.ruling, case.verdict].append(said == (case.verdict == "pass"))
    return {
        ruling: balanced(agrees[ruling, "pass"], agrees[ruling, "fail"])
        for ruling in RULINGS
        if agrees[ruling, "pass"] and agrees[ruling, "fail"]
    }


def balanced(passing: Sequence[bool], failing: Sequence[bool]) -> Balanced:
    """The balanced accuracy of what was told rightly, both at least one long.

    The interval combines Wilson's of both shares (Newcombe 1998, method 10).
    """
    shares = [(sum(told) / len(told), len(told)) for told in (passing, failing)]
    ends = [(share, *wilson(share, n)) for share, n in shares]
    value = sum(share for share, _, _ in ends) / 2
    below = math.hypot(*(share - low for share, low, _ in ends)) / 2
    above = math.hypot(*(high - share for share, _, high in ends)) / 2
    cases = len(passing) + len(failing)
    return Balanced(cases, value, max(0.0, value - below), min(1.0, value + above))


def _weighed(cases: Sequence[GoldenCase]) -> list[bool]:
    """Whether each case passes by its answer's words, as logistic regression weighs them on the other categories."""
    known: dict[str, int] = defaultdict(lambda: len(known))
    seen = [sorted({known[word] for word in _WORD.findall(c.answer.lower())}) for c in cases]
    words = pl.Series(list(chain.from_iterable(seen)), dtype=pl.UInt32)
    offsets = pl.Series(list(accumulate(map(len, seen), initial=0)), dtype=pl.UInt64)
    told_as = pl.Series([case.verdict == "pass" for case in cases], dtype=pl.Boolean)
    passes = [False] * len(cases)
    for category in dict.fromkeys(case.category for case in cases):
        order = _order([at for at, case in enumerate(cases) if case.category != category])
        *weights, bias = _core.word_weights((words, offsets), told_as, order, _RATE)
        for at, case in enumerate(cases):
            if case.category == category:
                passes[at] = sum(map(weights.__getitem__, seen[at]), bias) > 0
    return passes


def _order(learnt: list[int]) -> pl.Series:
    """These cases, epoch by epoch in another order."""
    drawn, order = random.Random(0), list[int]()
    for _ in range(_EPOCHS):
        drawn.shuffle(learnt)
        order += learnt
    return pl.Series(order, dtype=pl.UInt32)


def _told(
    cases: Sequence[GoldenCase],
    features: Callable[[GoldenCase], Collection[Hashable]],
    folds: Sequence[Hashable],
    groups: Sequence[Hashable],
) -> list[bool]:
    """Whether each case passes, by naive Bayes on the cases of its group in other folds."""
    seen = [frozenset(features(case)) for case in cases]
    counts: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    numbers: Counter[Hashable] = Counter()
    for case, has, fold, group in zip(cases, seen, folds, groups, strict=True):
        for learnt in ((case.verdict, group), (case.verdict, group, fold)):
            counts[learnt].update(has)
            numbers[learnt] += 1
    passes = []
    for has, fold, group in zip(seen, folds, groups, strict=True):
        # Exactly, in whatever order a set has its features: cases that differ in nothing else are a tie.
        odds: list[float] = []
        for verdict, sign in (("pass", 1.0), ("fail", -1.0)):
            whole, own = (verdict, group), (verdict, group, fold)
            in_whole, in_own = counts[whole], counts[own]
            trained = numbers[whole] - numbers[own] + 2
            odds.append(sign * math.log(trained / 2))
            odds += (sign * math.log((in_whole[f] - in_own[f] + 1) / trained) for f in has)
        passes.append(math.fsum(odds) > 0)
    return passes


def _asked(case: GoldenCase) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in case.messages)


def _prompt_words(case: GoldenCase) -> Collection[Hashable]:
    return [word for m in case.messages for word in _WORD.findall(m["content"].lower())]


def _shape(case: GoldenCase) -> Collection[Hashable]:
    opening = _WORD.findall(case.answer.lower()[:200])[:_OPENING]
    length = round(math.log(len(case.answer)) / math.log(_LENGTHS))
    return [("length", length), *(tuple(opening[:end]) for end in range(1, len(opening) + 1))]
