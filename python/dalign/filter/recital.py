"""Answers that recite the policy: a trained model has none to recite."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from dalign.files.batch import Decision
from dalign.filter.form import Completions
from dalign.overlap import RECITED_WORDS, SharedWords
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates


def policy_words(folder: Path) -> SharedWords:
    """The runs of words of a policy, as any category's prompt shows it."""
    spec, templates = load_spec(folder), load_templates(folder)
    texts = list(templates.specs(spec).values())
    return SharedWords(pl.Series(texts, dtype=pl.String), RECITED_WORDS)


class RecitalCheck:
    """Drops completions whose answer recites the policy: a larger share of its n-grams than `most` stands there.

    The user's words may be repeated. Reasoning may recite: its share is only counted.
    """

    def __init__(self, policy: SharedWords, most: float) -> None:
        self._policy, self._most = policy, most
        self._rows, self._sums = 0, {"reasoning": 0.0, "answer": 0.0}

    def __call__(self, completions: Completions) -> Decision:
        """The decision: `policy_in_answer`, with the share and the longest run."""
        asked = None if completions.asked is None else completions.asked.fill_null("")
        found = {part: self._policy.of(completions.parts[part], asked) for part in self._sums}
        self._rows += len(completions.texts)
        for part, shared in found.items():
            self._sums[part] += float(shared["share"].sum())
        told = pl.format("{} of the answer: {}", pl.col("share").round(3), "run")
        details = found["answer"].select(pl.when(pl.col("share") > self._most).then(told))
        return Decision.because("policy_in_answer", details.to_series())

    def shares(self) -> dict[str, float]:
        """The mean shares of the n-grams of reasoning and answers that stand in the policy, over the rows looked at."""
        return {part: total / max(1, self._rows) for part, total in self._sums.items()}
