"""Answers that recite the policy: a trained model has none to recite."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from dalign.files.batch import Decision
from dalign.filter.form import Completions
from dalign.overlap import RECITED_WORDS, SharedWords
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.spec.types import GENERAL


def policy_words(folder: Path) -> SharedWords:
    """The runs of words of a policy, as any category's prompt shows it."""
    spec, templates = load_spec(folder), load_templates(folder)
    texts = [templates.spec(spec, name) for name in (*spec.names, GENERAL)]
    return SharedWords(pl.Series(texts, dtype=pl.String), RECITED_WORDS)


@dataclass
class Recited:
    """Shares of the n-grams of reasoning and answers that stand in the policy: sums over the rows looked at."""

    rows: int = 0
    reasoning: float = 0.0
    answer: float = 0.0

    def as_json(self) -> dict[str, float]:
        """The mean shares."""
        rows = max(1, self.rows)
        return {"reasoning": self.reasoning / rows, "answer": self.answer / rows}


@dataclass
class RecitalCheck:
    """Drops completions whose answer recites the policy: a larger share of its n-grams than `most` stands there.

    The user's words may be repeated. Reasoning may recite: its share is only counted.
    """

    policy: SharedWords
    most: float
    recited: Recited = field(default_factory=Recited)

    def __call__(self, completions: Completions) -> Decision:
        """The decision: `policy_in_answer`, with the share and the longest run."""
        asked = None if completions.asked is None else completions.asked.fill_null("")
        reasoning = self.policy.of(completions.parts["reasoning"], asked)
        answer = self.policy.of(completions.parts["answer"], asked)
        self.recited.rows += completions.rows
        self.recited.reasoning += float(reasoning["share"].sum())
        self.recited.answer += float(answer["share"].sum())
        told = pl.format("{} of the answer: {}", pl.col("share").round(3), "run")
        details = answer.select(pl.when(pl.col("share") > self.most).then(told)).to_series()
        return Decision.because("policy_in_answer", details)
