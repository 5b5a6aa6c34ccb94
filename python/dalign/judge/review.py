"""Reviews a policy with a judge: golden cases and examples that it rules otherwise, clauses that contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dalign import _core
from dalign.judge.admission import Admission, Judged, admission
from dalign.judge.completions import judge
from dalign.judge.court import Court
from dalign.judge.forms.contradictions import ContradictionForm
from dalign.judge.forms.ruling import Case, RulingForm, policies_without_examples
from dalign.judge.forms.ruling_words import Ruled, read_words
from dalign.judge.forms.score import Question, Scale, ScoreForm
from dalign.models.ask import Ask
from dalign.models.protocol import Sampling
from dalign.rows import Message
from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase, finding
from dalign.spec.templates import Templates
from dalign.spec.types import Clause, Spec
from dalign.text import short

OTHERWISE = "ruled-otherwise"


@dataclass(frozen=True)
class Forms:
    """How each kind of question is put; None where the templates for it are not there."""

    score: ScoreForm
    ruling: RulingForm | None
    contradictions: ContradictionForm | None


def forms_of(spec: Spec, templates: Templates) -> Forms:
    """The forms of a policy's review. Raises InputError for templates that cannot be used."""
    # An example is ruled on by a policy that does not tell its label.
    shown = policies_without_examples(spec, templates)
    words = read_words(spec, templates)
    return Forms(
        ScoreForm(spec, templates),
        RulingForm(shown, templates, words) if templates.has_pair(RulingForm.name) else None,
        ContradictionForm(spec, templates) if templates.has_pair(ContradictionForm.name) else None,
    )


@dataclass(frozen=True)
class Reviewer:
    """A judge to be asked about a policy. ask: of each kind of question, by its name."""

    court: Court
    scale: Scale
    sampling: Sampling
    pass_score: float
    ask: Callable[[str], Ask]


@dataclass
class Review:
    """What a judge finds to mend, and what it did: `facts` is a JSON value, `said` the same in sentences.

    `unread` names the reviews of which no reply at all was understood: they say nothing of the policy.
    """

    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def skip(self, name: str, sentence: str) -> None:
        """Notes that a review did not take place."""
        self.facts[name] = {"skipped": sentence}
        self.said.append(f"{name.replace('_', ' ')}: skipped, {sentence}")


def review_policy(
    spec: Spec, golden: Sequence[GoldenCase], templates: Templates, forms: Forms, by: Reviewer
) -> Review:
    """What a judge says of a policy, its golden cases, its examples, and its clauses beside each other."""
    review = Review()
    if golden:
        _note_golden(review, *_review_golden(golden, forms.score, by))
    else:
        review.skip("golden_cases", "the policy has none")
    if forms.ruling is not None:
        _note(review, "examples", *_review_examples(spec, forms.ruling, by))
    else:
        review.skip("examples", _lacks(templates.folder, RulingForm.name))
    if forms.contradictions is not None:
        _note(review, "contradictions", *_review_clauses(spec, forms.contradictions, by))
    else:
        review.skip("contradictions", _lacks(templates.folder, ContradictionForm.name))
    return review


def _review_golden(
    cases: Sequence[GoldenCase], form: ScoreForm, by: Reviewer
) -> tuple[list[Finding], Admission]:
    """The cases whose answer the judge scores on the other side of the pass score, and how far it agrees with all."""
    questions = [
        Question(case.id, case.category, case.messages, case.answer, reasoning=None)
        for case in cases
    ]
    ask = by.ask("golden cases")
    verdicts, scores = judge(questions, by.court, form, by.scale, ask, by.sampling)
    ask.finish(f"{verdicts.height} replies")
    score_of = dict(scores.select("completion_id", "score").iter_rows())
    judged = [
        Judged(case, score, score is not None and score >= by.pass_score)
        for case in cases
        for score in (score_of[case.id],)
    ]
    found = [
        _of_golden(each, by.scale, by.pass_score)
        for each in judged
        if each.score is not None and not each.agrees
    ]
    return found, admission(judged, Counter(verdicts["state"].to_list()))


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


def _review_examples(
    spec: Spec, form: RulingForm, by: Reviewer
) -> tuple[list[Finding], Counter[str]]:
    """The clauses' examples that most of the judge's k rulings contradict, and how many replies are in each state."""
    examples = list(_examples(spec))
    cases = [
        Case(each.id, each.clause.category, (Message(role="user", content=each.text),))
        for each in examples
    ]
    ask = by.ask("examples")
    said = by.court.ask(form, cases, by.scale.k, ask, by.sampling)
    ask.finish(f"{said.states.total()} replies")
    found = []
    for example, ruled in zip(examples, said.values, strict=True):
        against = [each for each in ruled if not example.fits(each)]
        if 2 * len(against) > len(ruled):
            found.append(_of_example(spec, example, against, len(ruled)))
    return found, said.states


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


def _review_clauses(
    spec: Spec, form: ContradictionForm, by: Reviewer
) -> tuple[list[Finding], Counter[str]]:
    """The pairs of clauses that the judge says contradict each other, and how many replies are in each state."""
    ask = by.ask("contradictions")
    said = by.court.ask(form, spec.categories, 1, ask, by.sampling)
    ask.finish(f"{said.states.total()} replies")
    found = []
    for pair in [pair for pairs in said.values for named in pairs for pair in named]:
        text = f"clause {pair.later.key} contradicts {pair.earlier.key}, says the judge ({' '.join(pair.reason.split()) or 'without a reason'}); say in one of the two which one rules"
        place = pair.later.place
        found.append(
            Finding(spec.folder / place.file, place.line, "contradiction", text, pair.later.id)
        )
    return found, said.states


def _lacks(folder: Path, name: str) -> str:
    return f"{folder} has no {name}_system.j2 and {name}_user.j2"


def _note_golden(review: Review, found: list[Finding], admission: Admission) -> None:
    """Notes findings, and how far the judge can be relied on."""
    review.findings += found
    review.facts["golden_cases"] = admission.as_json()
    lines = [f"golden cases: agreement {admission.agreement or 'unknown'} of {admission.cases}"]
    for name, share in (("failing", admission.sensitivity), ("passing", admission.specificity)):
        if share is not None:
            word = "sensitivity" if name == "failing" else "specificity"
            lines.append(f"{word} {share:.3f} ({name} answers told as such)")
    if admission.unjudged:
        lines.append(f"{admission.unjudged} without a score ({_failed(admission.states)})")
    review.said.append("; ".join(lines))
    if admission.cases == admission.unjudged:
        review.unread.append("golden cases")
    review.said += [f"  {name}: {each}" for name, each in admission.categories.items()]


def _note(review: Review, name: str, found: list[Finding], states: Counter[str]) -> None:
    """Notes findings and the replies that said nothing."""
    review.findings += found
    review.facts[name] = {"replies": states.total(), "states": dict(sorted(states.items()))}
    if states.total() and not states["ok"]:
        review.unread.append(name)
    unread = states.total() - states["ok"]
    more = f"; {unread} not understood ({_failed(states)})" if unread else ""
    review.said.append(f"{name}: {states.total()} replies, {len(found)} to mend{more}")


def _failed(states: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(states.items()) if name != "ok")
