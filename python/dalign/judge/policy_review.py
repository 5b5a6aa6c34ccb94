"""Reviews a policy with a judge: golden cases and examples that it rules otherwise, clauses that contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dalign import _core
from dalign.judge.admission import Admission, Judged, admission
from dalign.judge.contradictions import contradiction_requests, read_pairs
from dalign.judge.ruling_form import Ruled
from dalign.judge.rulings import Bench, Case, reply_state
from dalign.judge.verdicts import Court, Question, Scale, reduce_verdicts
from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.progress import Progress
from dalign.rows import Message
from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase, finding
from dalign.spec.templates import Templates
from dalign.spec.types import Clause, Spec
from dalign.text import short

OTHERWISE = "ruled-otherwise"


def review_golden(
    court: Court,
    cases: Sequence[GoldenCase],
    scale: Scale,
    pass_score: float,
    sampling: Sampling,
    progress: Progress,
) -> tuple[list[Finding], Admission]:
    """The cases whose answer the judge scores on the other side of `pass_score`, and how far it agrees with all."""
    questions = [
        Question(case.id, case.category, case.messages, case.answer, reasoning=None)
        for case in cases
    ]
    requests = court.requests(questions, scale.k)
    replies = _ask(court.engine, requests, sampling, progress, "golden cases")
    verdicts = court.read(questions, replies, requests, scale)
    states = Counter(verdicts["state"].to_list())
    scores = dict(
        reduce_verdicts(verdicts, scale).select("completion_id", "score").iter_rows()
        if cases
        else ()
    )
    judged = [
        Judged(case, score, score is not None and score >= pass_score)
        for case in cases
        for score in (scores[case.id],)
    ]
    found = [
        _of_golden(each, scale, pass_score)
        for each in judged
        if each.score is not None and not each.agrees
    ]
    return found, admission(judged, states)


def _of_golden(judged: Judged, scale: Scale, pass_score: float) -> Finding:
    case = judged.case
    which = f"golden case {case.id!r} is to {case.verdict}"
    gives = f"the judge gives its answer {judged.score:g} of {scale.high:g} ({pass_score:g} passes)"
    named = f"clause {case.clause}" if case.clause else "the policy"
    way_out = f"mend the answer or its verdict, or have {named} say it more plainly"
    return finding(case, OTHERWISE, f"{which}, and {gives}; {way_out}")


@dataclass(frozen=True)
class _Example:
    """An example prompt of a clause, by its label."""

    clause: Clause
    label: str
    text: str

    @property
    def id(self) -> str:
        return _core.row_id([self.clause.id, self.label, self.text], "example", 0)

    def fits(self, ruled: Ruled) -> bool:
        """Whether a ruling is one that the label leaves open."""
        if self.label == "allowed":
            return ruled.ruling == "comply"
        if self.clause.ruling == "comply":
            return ruled.ruling != "comply"
        return ruled.ruling == self.clause.ruling

    @property
    def promise(self) -> str:
        """What the label says, in words."""
        if self.label == "allowed":
            return "comply"
        return "not to comply" if self.clause.ruling == "comply" else self.clause.ruling


def review_examples(
    bench: Bench, spec: Spec, k: int, sampling: Sampling, progress: Progress
) -> tuple[list[Finding], Counter[str]]:
    """The clauses' examples that most of the judge's k rulings contradict, and how many replies are in each state."""
    examples = list(_examples(spec))
    cases = [
        Case(each.id, each.clause.category, (Message(role="user", content=each.text),))
        for each in examples
    ]
    requests = bench.requests(cases, k)
    replies = _ask(bench.engine, requests, sampling, progress, "examples")
    ruled, states = bench.read(cases, replies, requests)
    found = []
    for example in examples:
        against = [each for each in ruled[example.id] if not example.fits(each)]
        if 2 * len(against) > len(ruled[example.id]):
            found.append(_of_example(spec, example, against, len(ruled[example.id])))
    return found, states


def _examples(spec: Spec) -> Iterator[_Example]:
    for clause in spec.clauses():
        for label, texts in (("allowed", clause.allowed), ("disallowed", clause.disallowed)):
            # A text that stands twice below one label is the business of the check without a judge.
            yield from (_Example(clause, label, text) for text in dict.fromkeys(texts))


def _of_example(spec: Spec, example: _Example, against: list[Ruled], read: int) -> Finding:
    most, _ = Counter(against).most_common(1)[0]
    by = f"by {most.clause}" if most.clause else "by no clause"
    what = f"the {example.label} example {short(example.text)!r} is to be ruled {example.promise!r}"
    judge = f"the judge rules it {most.ruling!r} {by} ({len(against)} of {read} rulings are against the label)"
    place = example.clause.place
    return Finding(
        spec.folder / place.file,
        example.clause.lines.get(example.text, place.line),
        OTHERWISE,
        f"{what}, and {judge}; mend the example, or the clause that should rule on it",
        example.clause.id,
    )


def review_contradictions(
    engine: Engine,
    spec: Spec,
    templates: Templates,
    seed: int,
    sampling: Sampling,
    progress: Progress,
) -> tuple[list[Finding], Counter[str]]:
    """The pairs of clauses that the judge says contradict each other, and how many replies are in each state."""
    requests = contradiction_requests(spec, templates, seed)
    replies = _ask(engine, requests, sampling, progress, "contradictions")
    found, states = [], Counter[str]()
    for category, request in zip(spec.categories, requests, strict=True):
        reply = replies[request.id]
        pairs = read_pairs(category, reply)
        state = reply_state(reply, understood=pairs is not None)
        states[state] += 1
        for pair in (pairs or []) if state == "ok" else []:
            text = f"clause {pair.later.key} contradicts {pair.earlier.key}, says the judge ({' '.join(pair.reason.split()) or 'without a reason'}); say in one of the two which one rules"
            place = pair.later.place
            found.append(
                Finding(spec.folder / place.file, place.line, "contradiction", text, pair.later.id)
            )
    return found, states


def _ask(
    engine: Engine, requests: Sequence[Request], sampling: Sampling, progress: Progress, name: str
) -> dict[str, Reply]:
    """The reply to each request by its id."""
    replies: dict[str, Reply] = {}
    progress.start(name, len(requests))
    for batch in engine.stream(requests, sampling):
        replies.update((reply.id, reply) for reply in batch)
        progress.advance(name, len(replies))
    progress.finish(name, f"{len(replies)} replies")
    return replies
