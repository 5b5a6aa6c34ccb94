"""Reviews a policy with a judge: golden cases and examples that it rules otherwise, clauses that contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from dalign import _core
from dalign.judge.admission import Judged, admission, judge_golden
from dalign.judge.forms.contradictions import BorderForm, ContradictionForm, Pair, borders
from dalign.judge.forms.ruling import Case, RulingForm, policies_without_examples
from dalign.judge.forms.ruling_words import Ruled
from dalign.judge.forms.score import Judging
from dalign.models.ask import Ask
from dalign.rows import Message
from dalign.spec.findings import Finding, finding_at
from dalign.spec.golden import GoldenCase, finding
from dalign.spec.templates import Templates
from dalign.spec.trivial import Trivial
from dalign.spec.types import Clause, Spec
from dalign.text import short

OTHERWISE = "ruled-otherwise"
_NOT_TO_COMPLY = "not to comply"


class Reviewer(NamedTuple):
    """A judge to be asked about a policy. ask: of each kind of question, by its name."""

    judging: Judging
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

    def note(self, name: str, found: list[Finding], states: Counter[str]) -> None:
        """Notes findings and the replies that said nothing."""
        total, unread = states.total(), states.total() - states["ok"]
        self.findings += found
        self.facts[name] = {"replies": total, "states": dict(sorted(states.items()))}
        if total and not states["ok"]:
            self.unread.append(name)
        more = f"; {unread} not understood ({_failed(states)})" if unread else ""
        self.said.append(f"{name}: {total} replies, {len(found)} to mend{more}")


def review_policy(
    spec: Spec,
    golden: Sequence[GoldenCase],
    trivial: Sequence[Trivial],
    templates: Templates,
    by: Reviewer,
) -> Review:
    """What a judge says of a policy, its golden cases, its examples, and its clauses beside each other.

    Raises InputError for templates that cannot be used.
    """
    # An example is ruled on by a policy that does not tell its label.
    ruling = RulingForm(spec, templates, policies_without_examples(spec, templates))
    review = Review()
    if golden:
        _review_golden(review, golden, trivial, by)
    else:
        review.skip("golden_cases", "the policy has none")
    lacks = f"{templates.folder} has no {{0}}_system.j2 and {{0}}_user.j2"
    if templates.has_pair(ruling.name):
        _review_examples(review, spec, ruling, by)
    else:
        review.skip("examples", lacks.format(ruling.name))
    if templates.has_pair(ContradictionForm.name):
        _review_clauses(review, spec, templates, by)
    else:
        review.skip("contradictions", lacks.format(ContradictionForm.name))
    return review


def _review_golden(
    review: Review, cases: Sequence[GoldenCase], trivial: Sequence[Trivial], by: Reviewer
) -> None:
    """The cases whose answer the judge scores on the other side of the pass score, and how far it agrees with all."""
    ask = by.ask("golden cases")
    verdicts, _, judged = judge_golden(cases, by.judging, by.pass_score, ask)
    ask.finish(f"{verdicts.height} replies")
    states = Counter(verdicts["state"].to_list())
    for each in judged:
        if each.score is not None and not each.agrees:
            review.findings.append(_of_golden(each, by))
    shown = admission(judged, states, trivial)
    review.facts["golden_cases"] = asdict(shown)
    lines = [f"golden cases: agreement {shown.all.agreement}, {shown.cases} in all"]
    if shown.all.sensitivity.n:
        lines.append(f"sensitivity {shown.all.sensitivity} (failing answers told as such)")
    if shown.all.specificity.n:
        lines.append(f"specificity {shown.all.specificity} (passing answers told as such)")
    if shown.unjudged:
        lines.append(f"{shown.unjudged} without a score ({_failed(states)})")
    review.said.append("; ".join(lines))
    if shown.cases == shown.unjudged:
        review.unread.append("golden cases")
    for groups in (shown.categories, shown.rulings):
        review.said += [f"  {name}: {each}" for name, each in groups.items()]
    review.said += [f"  {name}, above judges that read no policy: {each}" for name, each in shown.margins.items()]  # fmt: skip


def _of_golden(judged: Judged, by: Reviewer) -> Finding:
    case = judged.case
    which = f"golden case {case.id!r} is to {case.verdict}"
    gives = f"the judge gives its answer {judged.score:g} of {by.judging.scale.high:g} ({by.pass_score:g} passes)"
    named = f"clause {case.clause}" if case.clause else "the policy"
    way_out = f"mend the answer or its verdict, or have {named} say it more plainly"
    return finding(case, OTHERWISE, f"{which}, and {gives}; {way_out}")


class _Example(NamedTuple):
    """An example prompt of a clause, by its label."""

    clause: Clause
    label: str
    text: str

    @property
    def promise(self) -> str:
        """What the label says, in words."""
        if self.label == "allowed":
            return "comply"
        return _NOT_TO_COMPLY if self.clause.ruling == "comply" else self.clause.ruling

    def fits(self, ruled: Ruled) -> bool:
        """Whether a ruling is one that the label leaves open."""
        if self.promise == _NOT_TO_COMPLY:
            return ruled.ruling != "comply"
        return ruled.ruling == self.promise


def _review_examples(review: Review, spec: Spec, form: RulingForm, by: Reviewer) -> None:
    """The clauses' examples that most of the judge's k rulings contradict."""
    examples = {
        # A text that stands twice below one label is the business of the check without a judge.
        _core.row_id([clause.id, label, text], "example", 0): _Example(clause, label, text)
        for clause in spec.clauses()
        for label, texts in (("allowed", clause.allowed), ("disallowed", clause.disallowed))
        for text in texts
    }
    cases = {
        row: Case(each.clause.category, (Message(role="user", content=each.text),))
        for row, each in examples.items()
    }
    ask, judging = by.ask("examples"), by.judging
    said, states = judging.court.ask(form, cases, judging.scale.k, ask, judging.sampling)
    ask.finish(f"{states.total()} replies")
    found = []
    for row, ruled in said.items():
        against = [each for each in ruled if not examples[row].fits(each)]
        if 2 * len(against) > len(ruled):
            found.append(_of_example(spec, examples[row], against, len(ruled)))
    review.note("examples", found, states)


def _of_example(spec: Spec, example: _Example, against: list[Ruled], read: int) -> Finding:
    most, _ = Counter(against).most_common(1)[0]
    by = f"by {most.clause}" if most.clause else "by no clause"
    what = f"the {example.label} example {short(example.text)!r} is to be ruled {example.promise!r}"
    judge = f"the judge rules it {most.ruling!r} {by} ({len(against)} of {read} rulings are against the label)"
    text = f"{what}, and {judge}; mend the example, or the clause that should rule on it"
    clause, place = example.clause, example.clause.place
    line = clause.lines.get(example.text, place.line)
    return Finding(spec.folder / place.file, line, OTHERWISE, text, clause.id)


def _review_clauses(review: Review, spec: Spec, templates: Templates, by: Reviewer) -> None:
    """The pairs of clauses that the judge says contradict each other: within each category, and between each two."""
    ask, judging = by.ask("contradictions"), by.judging
    said: dict[str, list[list[Pair]]] = {}
    states: Counter[str] = Counter()
    asked = (
        (ContradictionForm(spec, templates), spec.categories),
        (BorderForm(spec, templates), tuple(borders(spec))),
    )
    for form, categories in asked:
        questions = {category.name: category for category in categories}
        heard, became = judging.court.ask(form, questions, 1, ask, judging.sampling)
        said |= heard
        states += became
    ask.finish(f"{states.total()} replies")
    found = []
    for earlier, later, reason in [
        pair for (pairs,) in filter(None, said.values()) for pair in pairs
    ]:
        why = " ".join(reason.split()) or "without a reason"
        one, two = (
            each.key if earlier.category == later.category else each.id for each in (earlier, later)
        )
        text = f"clause {two} contradicts {one}, says the judge ({why}); say in one of the two which one rules"
        found.append(finding_at(spec, later.place, "contradiction", text, later.id))
    review.note("contradictions", found, states)


def _failed(states: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(states.items()) if name != "ok")
