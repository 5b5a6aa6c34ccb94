"""The checks that a written prompt has to pass: new, no evaluation prompt, ruled as it was ordered, no copy of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from dalign import _core
from dalign.overlap import SharedWords
from dalign.spec.types import Ruling
from dalign.synth.written import Candidate, Rejected

# Reason and detail by the candidate's place.
Flaws = dict[int, tuple[str, str]]
Check = Callable[[Sequence[Candidate]], Flaws]
# A ruling and the clause that gives it (None: none does).
Rulings = Sequence[tuple[Ruling, str | None]]

# Texts that are there already, each with its place.
Known = Sequence[tuple[str, str]]

# Prompts are short: two of them are nearly the same by their pairs of words.
NEAR_WORDS = 2
NEAR_SIMILARITY = 0.7
# With four hashes a band, a pair of similarity 0.7 is looked at with a chance above 0.9999.
_PERMUTATIONS, _BANDS = 256, 64
# As many words in a row as an evaluation prompt count as contamination; fewer than in documents, since prompts are short.
CONTAMINATION_WORDS = 8


def sift(
    candidates: Sequence[Candidate], checks: Sequence[Check]
) -> tuple[list[Candidate], list[Rejected]]:
    """The candidates that pass each check, and the others with the first one's reason. A later check sees the rest alone."""
    left = list(candidates)
    dropped = []
    for check in checks:
        flaws = check(left)
        dropped += [Rejected(left[n].order, left[n].text, *flaws[n]) for n in sorted(flaws)]
        left = [each for n, each in enumerate(left) if n not in flaws]
    return left, dropped


def not_known(known: Known) -> Check:
    """The check against what is there already. Reasons: duplicate, near_duplicate."""

    def check(candidates: Sequence[Candidate]) -> Flaws:
        texts = [text for text, _ in known] + [each.text for each in candidates]
        first = _first_copies(texts)
        start = len(known)
        flaws: Flaws = {
            n: ("duplicate", f"the same as {known[first[start + n]][1]}")
            for n in range(len(candidates))
            if first[start + n] < start
        }
        for a, b, similarity in _near_pairs(texts):
            if a < start <= b and b - start not in flaws:
                flaws[b - start] = _nearly(similarity, known[a][1])
        # A copy of a near copy is compared with its first alone.
        for n in range(len(candidates)):
            if n not in flaws and first[start + n] - start in flaws:
                flaws[n] = flaws[first[start + n] - start]
        return flaws

    return check


def not_evaluated(evaluation: Known) -> Check:
    """The check against evaluation sets. Reason: contaminated."""

    def check(candidates: Sequence[Candidate]) -> Flaws:
        if not evaluation:
            return {}
        known = pl.Series([text for text, _ in evaluation], dtype=pl.String)
        texts = pl.Series([each.text for each in candidates], dtype=pl.String)
        found = SharedWords(known, CONTAMINATION_WORDS).of(texts)["reference"]
        return {
            n: ("contaminated", f"shares words with {evaluation[reference][1]}")
            for n, reference in enumerate(found)
            if reference is not None
        }

    return check


@dataclass
class RuledAsOrdered:
    """The check by a judge. Reasons: unjudged, wrong_category, wrong_ruling, wrong_clause.

    rule: the valid ones of a judge's rulings on each candidate, at most k. needed: how many must be valid; all
    of these must be as ordered. clauses: what it names for each prompt that passes, by the prompt's id.
    """

    rule: Callable[[Sequence[Candidate]], Sequence[Rulings]]
    k: int
    needed: int
    clauses: dict[str, str | None] = field(default_factory=dict)

    def __call__(self, candidates: Sequence[Candidate]) -> Flaws:
        """The flaws by the judge's rulings."""
        flaws: Flaws = {}
        for n, rulings in enumerate(self.rule(candidates)):
            flaw = self._flaw(candidates[n], rulings)
            if flaw is not None:
                flaws[n] = flaw
            else:
                named = {clause for _, clause in rulings}
                self.clauses[candidates[n].id] = named.pop() if len(named) == 1 else None
        return flaws

    def _flaw(self, candidate: Candidate, rulings: Rulings) -> tuple[str, str] | None:
        order, named = candidate.order, candidate.order.promised_clause
        if len(rulings) < self.needed:
            valid = f"{len(rulings)} of {self.k} rulings are valid, {self.needed} needed"
            return "unjudged", valid
        wrong = {
            "wrong_category": [r for r in rulings if r[1] and r[1].split(".")[0] != order.category.name],
            "wrong_ruling": [r for r in rulings if r[0] != order.promised_ruling],
            "wrong_clause": [r for r in rulings if named is not None and r[1] != named],
        }  # fmt: skip
        for reason, flawed in wrong.items():
            if flawed:
                (ruling, clause), count = Counter(flawed).most_common(1)[0]
                said = f"{ruling} by {clause or 'no clause'} ({count} of {len(rulings)})"
                return reason, f"{said}, ordered {order.promised_ruling} by {named or 'any'}"
        return None


def no_copies(candidates: Sequence[Candidate]) -> Flaws:
    """The check against the candidates that are kept before. Reasons: duplicate, near_duplicate."""
    texts = [each.text for each in candidates]
    flaws: Flaws = {
        n: ("duplicate", f"the same as {candidates[first].id}")
        for n, first in enumerate(_first_copies(texts))
        if first != n
    }
    # By the later one: whether the earlier ones are kept is then known.
    for a, b, similarity in sorted(_near_pairs(texts), key=lambda pair: (pair[1], pair[0])):
        if a not in flaws and b not in flaws:
            flaws[b] = _nearly(similarity, candidates[a].id)
    return flaws


def _nearly(similarity: float, place: str) -> tuple[str, str]:
    return "near_duplicate", f"{similarity:.2f} of the pairs of words of {place}"


def _first_copies(texts: Sequence[str]) -> list[int]:
    """For each text the first one that is the same up to white space."""
    return [int(first) for first in _core.exact_duplicates(pl.Series(texts, dtype=pl.String))]


def _near_pairs(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Pairs (a < b) of nearly the same texts, with their similarity; sorted."""
    _, table = _core.near_duplicates(
        pl.Series(texts, dtype=pl.String), NEAR_WORDS, _PERMUTATIONS, _BANDS, NEAR_SIMILARITY, None
    )
    return sorted(pl.DataFrame(table).select("a", "b", "jaccard").iter_rows())
