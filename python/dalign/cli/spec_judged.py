"""Has the judge of a config review a checked policy, and tells how far the judge can be relied on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dalign import progress
from dalign.judge.admission import Admission
from dalign.judge.contradictions import TEMPLATE as CONTRADICTIONS
from dalign.judge.policy_review import review_contradictions, review_examples, review_golden
from dalign.judge.ruling_form import read_form
from dalign.judge.rulings import TEMPLATE as RULING
from dalign.judge.rulings import Bench, policies_without_examples
from dalign.judge.verdicts import Court
from dalign.models.protocol import Sampling
from dalign.pipeline.context import RunContext
from dalign.sandbox.checkpoint import checkpoints
from dalign.settings import load_config
from dalign.spec.check import Checked
from dalign.spec.findings import Finding


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


def judged_findings(checked: Checked, model: Path, *, silent: bool) -> Review:
    """What the judge of a config says of a policy. model: the config's path; silent: tells nothing on stderr.

    Raises InputError for a config, a template or a model that cannot be used.
    """
    config = load_config(model, [])
    spec = checked.spec
    reviewed = config.spec.model_copy(update={"path": spec.folder})
    ctx = RunContext(config.model_copy(update={"spec": reviewed}), Path(), checkpoints())
    templates = ctx.templates
    form = read_form(spec, templates)
    engine = ctx.engine(config.judge_of_record)
    shown = progress.Silent() if silent else progress.for_terminal()
    sampling = Sampling(config.judge.temperature, config.judge.max_new_tokens)
    seed = config.run.seed
    review = Review()
    if checked.golden:
        court = Court(engine, spec, templates, seed)
        found, admission = review_golden(
            court, checked.golden, ctx.scale(), config.pass_score, sampling, shown
        )
        _golden(review, found, admission)
    else:
        review.skip("golden_cases", "the policy has none")
    if templates.has_pair(RULING):
        bench = Bench(engine, policies_without_examples(spec, templates), templates, form, seed)
        _counted(review, "examples", *review_examples(bench, spec, config.judge.k, sampling, shown))
    else:
        review.skip("examples", _lacks(templates.folder, RULING))
    if templates.has_pair(CONTRADICTIONS):
        found, states = review_contradictions(engine, spec, templates, seed, sampling, shown)
        _counted(review, "contradictions", found, states)
    else:
        review.skip("contradictions", _lacks(templates.folder, CONTRADICTIONS))
    for sentence in review.said:
        shown.say(sentence)
    return review


def _lacks(folder: Path, name: str) -> str:
    return f"{folder} has no {name}_system.j2 and {name}_user.j2"


def _golden(review: Review, found: list[Finding], admission: Admission) -> None:
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


def _counted(review: Review, name: str, found: list[Finding], states: Counter[str]) -> None:
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
