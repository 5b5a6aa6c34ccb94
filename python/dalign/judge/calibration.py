"""What a judge is worth beside people: its errors, by category, at each threshold and number of judgements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from dalign import _core
from dalign.data.labels import Labelled
from dalign.errors import InputError
from dalign.figures import Share
from dalign.judge.agreement import (
    Bin,
    Confusion,
    Threshold,
    auroc,
    best_threshold,
    cohen_kappa,
    confusion,
    fleiss_kappa,
    krippendorff_alpha,
    reliability_diagram,
    share_of,
)

if TYPE_CHECKING:
    from dalign.judge.agreement import Flags, Numbers


@dataclass(frozen=True)
class Raters:
    """How far people agree with each other. fleiss: on the answers that all of them labelled, so many; alpha: on all.

    ties: answers that as many pass as fail, which nothing is compared with. None where there is nothing to compare.
    """

    names: tuple[str, ...]
    answers: int
    ties: int
    labelled_by_all: int
    fleiss: float | None
    alpha: float | None
    cohen: dict[str, float | None]


@dataclass(frozen=True)
class Told:
    """A judge beside people at a threshold. sensitivity: of failing answers, the share that it fails; specificity: of passing ones, that it passes."""

    agreement: Share
    sensitivity: Share
    specificity: Share
    kappa: float | None


@dataclass(frozen=True)
class JudgeCard:
    """A judge beside people. unjudged: answers without a score, which are compared with nothing.

    threshold: the score from which it passes an answer; best: the one at which it agrees best with these people, who
    chose it. by_k: with the first judgements alone, so many. parameter: what the aggregate takes beside the scores. reduce, veto: how
    a judgement came to its score, as the config has it; None and empty where the scores were given.
    """

    judge: str
    raters: Raters
    compared: int
    unjudged: int
    low: float
    high: float
    threshold: float
    aggregate: str
    confusion: Confusion
    all: Told
    categories: dict[str, Told]
    auroc: float | None
    best: Threshold | None
    diagram: tuple[Bin, ...]
    by_k: dict[int, Told]
    parameter: float | None = None
    reduce: str | None = None
    veto: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Its fields, to be written."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The same in words."""
        return _lines(self)


def raters_of(answers: Sequence[Labelled]) -> Raters:
    """How far the people agree who labelled these."""
    names = tuple(dict.fromkeys(rater for each in answers for rater in each.labels))
    by_all = [each for each in answers if each.labels.keys() == set(names)]
    counts = np.array(
        [[sum(e.labels.values()), sum(not v for v in e.labels.values())] for e in by_all]
    )
    several = len(names) > 1
    cohen = {}
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            both = [e.labels for e in answers if one in e.labels and other in e.labels]
            told = [[labels[name] for labels in both] for name in (one, other)]
            cohen[f"{one} and {other}"] = cohen_kappa(*told) if both else None
    labels = [list(map(float, each.labels.values())) for each in answers]
    return Raters(
        names,
        len(answers),
        sum(each.passes is None for each in answers),
        len(by_all),
        fleiss_kappa(counts) if several and by_all else None,
        krippendorff_alpha(labels, "nominal") if several else None,
        cohen,
    )


def calibrate(
    answers: Sequence[Labelled],
    *,
    judge: str,
    threshold: float,
    low: float,
    high: float,
    aggregate: str = "min",
    parameter: float | None = None,
) -> JudgeCard:
    """The judge's card. aggregate, parameter: how its scores of an answer become one; threshold: from which that passes.

    Raises InputError where no answer has both a label and a score.
    """
    known = _compared(answers)
    passes = np.array([bool(each.passes) for each in known])
    scores = _reduced(known, aggregate, parameter)
    says = scores >= threshold
    categories = sorted({each.category for each in known})
    of = {name: np.array([each.category == name for each in known]) for name in categories}
    return JudgeCard(
        judge,
        raters_of(answers),
        len(known),
        len(answers) - len(known),
        low,
        high,
        threshold,
        aggregate,
        confusion(passes, says),
        _told(passes, says),
        {name: _told(passes[here], says[here]) for name, here in of.items()},
        auroc(passes, scores),
        best_threshold(passes, scores),
        tuple(reliability_diagram(passes, scores, low, high)),
        {
            k: _told(passes, _reduced(known, aggregate, parameter, k) >= threshold)
            for k in range(1, _judgements(known) + 1)
        },
    )


def _compared(answers: Sequence[Labelled]) -> list[Labelled]:
    """Those with a label that decides and a score. Raises InputError unless there are some that pass, and some that fail."""
    known = [each for each in answers if each.passes is not None and each.scores]
    if len({each.passes for each in known}) < 2:
        said = f"{len(known)} of {len(answers)} answers have both labels that decide and a score of the judge, and these are not of both kinds; name the column of its scores with --judge, or ask it with --model"
        raise InputError(said, kind="too_small", value=len(known))
    return known


def _judgements(answers: Sequence[Labelled]) -> int:
    """How many each answer has; 0 where they have one, or some more than others."""
    counts = {len(each.scores) for each in answers}
    return counts.pop() if len(counts) == 1 and counts != {1} else 0


def _reduced(
    answers: Sequence[Labelled], aggregate: str, parameter: float | None, k: int | None = None
) -> Numbers:
    """One score an answer, of its first k."""
    scores = [each.scores[:k] for each in answers]
    offsets = pl.Series(np.cumsum([0, *map(len, scores)]), dtype=pl.UInt32)
    flat = pl.Series([score for each in scores for score in each], dtype=pl.Float64)
    found = pl.DataFrame(_core.aggregate(flat, offsets, aggregate, parameter, 1))
    return found["score"].to_numpy()


def _told(passes: Flags, says: Flags) -> Told:
    """What it says beside what people say; kappa None where both say one thing throughout."""
    return Told(
        share_of(passes == says),
        share_of(~says[~passes]),
        share_of(says[passes]),
        cohen_kappa(passes.tolist(), says.tolist()) if len(passes) else None,
    )


def _lines(card: JudgeCard) -> list[str]:
    raters, matrix = card.raters, card.confusion
    best = (
        ""
        if card.best is None
        else f"; best from {card.best.score:g} on (balanced accuracy {card.best.balanced:.3f}, on these answers)"
    )
    lines = [
        f"people: {len(raters.names)} raters, {raters.answers} answers, {raters.ties} of them tied; Krippendorff's alpha {_figure(raters.alpha)}, Fleiss' kappa {_figure(raters.fleiss)} (on {raters.labelled_by_all} that all labelled)",
        *(f"  {pair}: Cohen's kappa {_figure(kappa)}" for pair, kappa in raters.cohen.items()),
        f"judge: {card.judge}; {card.compared} answers compared, {card.unjudged} without a score or a majority",
        f"  passes from {card.threshold:g} of {card.low:g} to {card.high:g}: fails {matrix.failed_rightly} rightly and {matrix.failed_wrongly} wrongly, passes {matrix.passed_rightly} rightly and {matrix.passed_wrongly} wrongly",
        f"  AUROC {_figure(card.auroc)}{best}",
        f"  all: {_in_words(card.all)}",
    ]
    if len(card.categories) > 1:
        lines += [f"  {name}: {_in_words(each)}" for name, each in card.categories.items()]
    lines += [f"  first {k} judgements: {_in_words(each)}" for k, each in card.by_k.items()]
    lines += [
        f"  scores {each.low:g} to {each.high:g}: {each.n} answers, mean {each.mean:.2f}; people pass {each.passing}"
        for each in card.diagram
    ]
    return lines


def _in_words(told: Told) -> str:
    return f"agreement {told.agreement}; sensitivity {told.sensitivity}; specificity {told.specificity}; kappa {_figure(told.kappa)}"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
