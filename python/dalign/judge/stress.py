"""Which clauses are not followed even with the policy in sight, or not by every model: what to mend before data is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from dalign.figures import Share
from dalign.rows import Message
from dalign.spec.golden import GoldenCase
from dalign.spec.types import Clause, Spec


@dataclass(frozen=True)
class Probe:
    """A prompt that a clause rules."""

    id: str
    clause: Clause
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Answered:
    """What became of an answer to a probe: whether it passes the judge; None: malformed, or not judged."""

    probe: str
    model: str
    passes: bool | None


@dataclass(frozen=True)
class Stressed:
    """What became of a clause. models: of each, the share of its judged answers that pass; lost: answers that say nothing.

    apart: how far the models' shares lie apart; torn: how often a model's answers to one prompt go both ways, from 0 to 1:
    the mean of 4 p (1 - p) over prompts and models, p the share that passes.
    """

    clause: str
    ruling: str
    file: str
    line: int
    prompts: int
    models: Mapping[str, Share]
    lost: int
    apart: float
    torn: float

    @property
    def passing(self) -> float | None:
        """The mean share over the models; None where nothing was judged."""
        told = [share.value for share in self.models.values() if share.value is not None]
        return fmean(told) if told else None

    @property
    def urgency(self) -> float:
        """What it is sorted by: how much is not followed, and how far apart or torn the answers are."""
        passing = 0.0 if self.passing is None else self.passing
        return (1 - passing) + max(self.apart, self.torn) / 2


def probes_of(
    spec: Spec, golden: Sequence[GoldenCase], most: int, only: Sequence[str]
) -> list[Probe]:
    """Prompts of each clause, at most so many: its own examples that it rules, and the golden cases that name it. only: these clauses alone."""
    found = []
    for clause in spec.clauses():
        if only and clause.id not in only and clause.category not in only:
            continue
        asked = dict.fromkeys([*_examples(clause), *_cases(golden, clause)])
        for number, turns in enumerate(islice(asked, most)):
            messages = tuple(Message(role=role, content=text) for role, text in turns)
            found.append(Probe(f"{clause.id} {number}", clause, messages))
    return found


def _examples(clause: Clause) -> Iterator[tuple[tuple[str, str], ...]]:
    """The examples that the clause rules itself."""
    own = clause.allowed if clause.ruling == "comply" else clause.disallowed
    elsewhere = {text for text, _ in clause.ruled}
    yield from ((("user", text),) for text in own if text not in elsewhere)


def _cases(golden: Sequence[GoldenCase], clause: Clause) -> Iterator[tuple[tuple[str, str], ...]]:
    for case in golden:
        # A case that defers to another category's clause is asked with its own category's policy.
        if case.clause == clause.id and case.category == clause.category:
            yield tuple((turn["role"], turn["content"]) for turn in case.messages)


def stressed(probes: Sequence[Probe], answers: Sequence[Answered]) -> list[Stressed]:
    """Each clause with what became of it, the most urgent first."""
    by_probe: dict[str, dict[str, list[bool | None]]] = {}
    for each in answers:
        by_probe.setdefault(each.probe, {}).setdefault(each.model, []).append(each.passes)
    by_clause: dict[str, list[Probe]] = {}
    for probe in probes:
        by_clause.setdefault(probe.clause.id, []).append(probe)
    models = list(dict.fromkeys(each.model for each in answers))
    found = [_one(own, by_probe, models) for own in by_clause.values()]
    return sorted(found, key=lambda each: (-each.urgency, each.clause))


def _one(
    probes: Sequence[Probe],
    answers: Mapping[str, Mapping[str, Sequence[bool | None]]],
    models: Sequence[str],
) -> Stressed:
    clause, shares, torn, lost = probes[0].clause, {}, list[float](), 0
    for model in models:
        of_model = [answers.get(probe.id, {}).get(model, []) for probe in probes]
        judged = [[passes for passes in each if passes is not None] for each in of_model]
        lost += sum(len(each) - len(kept) for each, kept in zip(of_model, judged, strict=True))
        shares[model] = Share.of_counts(sum(map(sum, judged)), sum(map(len, judged)))
        torn += [4 * (p := sum(each) / len(each)) * (1 - p) for each in judged if each]
    told = [share.value for share in shares.values() if share.value is not None]
    return Stressed(
        clause.id,
        clause.ruling,
        clause.place.file,
        clause.place.line,
        len(probes),
        shares,
        lost,
        max(told) - min(told) if told else 0.0,
        fmean(torn) if torn else 0.0,
    )
