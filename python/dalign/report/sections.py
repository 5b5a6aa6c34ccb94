"""The sections of the page, each an honest sentence where there is nothing to show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from dalign.figures import JourneyRow, ModelUsed, ReportContent, RlStep
from dalign.report import plots, tables
from dalign.report.curves import Series, chart
from dalign.report.markup import Markup, join, tag, untrusted
from dalign.report.words import arm_class, arm_name, in_order, number
from dalign.vocabulary import ARMS, METRICS

LAST_STEPS = 10
# The charts of RL, and of each curve its name, the field of `RlStep`, colour and dashes.
CHARTS = {
    "reward, truth, retrieval": (
        ("reward", "reward", "line-0"),
        ("truth", "truth", "line-1 dash"),
        ("retrieval", "retrieval", "line-2 dots"),
    ),
    "health of training": (
        ("judged", "judged_share", "line-1"),
        ("unequal", "active_groups", "line-0 dash"),
        ("malformed", "malformed_share", "line-2 dots"),
    ),
    "two judges": (
        ("judge", "judge", "line-0"),
        ("second", "second", "line-1 dash"),
        ("differ", "differ", "line-2 dots"),
    ),
}


def alarms(content: ReportContent) -> Markup:
    """Why the results are not to be relied on, above everything else."""
    head = "These results are not to be relied on"
    boxes = [_box(head, content.alarms, class_="alarms", role="alert")]
    lost = "The trainings cost more of what the model could do than the config allows"
    boxes.append(_box(lost, content.forgotten, class_="alarms", role="alert"))
    return join(*boxes)


def warnings(content: ReportContent) -> Markup:
    """What a reader must know before believing the numbers."""
    return _box("Before you believe the numbers", content.warnings, class_="warnings")


def _box(head: str, texts: Sequence[str], **attributes: str) -> Markup:
    if not texts:
        return Markup("")
    return tag("section", tag("h2", head), _list(texts), **attributes)


def _list(texts: Iterable[str]) -> Markup:
    return tag("ul", *(tag("li", text) for text in texts))


def _note(text: str) -> Markup:
    return tag("p", text, class_="note")


def results(content: ReportContent) -> Markup:
    """Tables and figures of every suite."""
    if not content.rows:
        return tag("p", "Nothing was evaluated.")
    note = (
        "Each value stands above its 95 % interval (bootstrap over prompts; where all prompts are graded alike, "
        "as at 0 and 1, Wilson's score interval of that many prompts) and the number n of grades, and links to the "
        "rows it is computed from. ★ best marks the highest value of a column; whether it is clearly higher, the "
        "paired differences tell."
    )
    legend = "Filled circle: graded by truth. Hollow diamond: graded by the judge. Whisker: 95 % interval."
    names = dict.fromkeys(row.suite for row in content.rows)
    suites = {name: [row for row in content.rows if row.suite == name] for name in names}
    panels = [
        plots.interval_panel(suite, metric, [r for r in rows if r.metric == metric])
        for suite, rows in suites.items()
        for metric in in_order((row.metric for row in rows), METRICS)
    ]
    return join(
        _note(note),
        tables.definitions(in_order((row.arm for row in content.rows), ARMS)),
        *(tables.result_table(suite, rows) for suite, rows in suites.items()),
        tag("h3", "Arms with their intervals"),
        _note(legend),
        tag("div", *panels, class_="panels"),
    )


def differences(content: ReportContent) -> Markup:
    """Which arms differ, beyond what chance explains."""
    if not content.pairs:
        return tag("p", "No two arms were evaluated on the same prompts, so nothing can be paired.")
    note = (
        "▲ better and ▼ worse mark differences whose 95 % interval excludes 0, ≈ unclear those whose interval "
        "includes it: Tango's score interval of paired shares where all prompts differ alike, and a bootstrap over "
        "prompts elsewhere. Where two arms do not differ, about one cell in twenty is still marked, by chance."
    )
    return join(_note(note), tables.pair_table(content.pairs), _forgetting(content), _kl(content))


def _forgetting(content: ReportContent) -> Markup:
    if not content.forgetting:
        return Markup("")
    note = (
        "What the base had right on abilities outside safety and an arm has not, as a share of what the base had right, on "
        "the same prompts and samples: the mean over the trainings that led to the arm (Luo et al. 2023). Below 0, "
        "more is right than before."
    )
    return join(tag("h3", "Forgetting"), _note(note), tables.forgetting_table(content.forgetting))


def _kl(content: ReportContent) -> Markup:
    if not content.kl:
        return Markup("")
    note = (
        "How far each trained arm is from the base on capability rows that nothing was trained on: the divergence of its next token, "
        "KL(arm ‖ base), in nats a token over the answers' tokens, with 95 % intervals over rows. 0: it says them as the base does."
    )
    return join(tag("h3", "Distance from the base"), _note(note), tables.kl_table(content.kl))


def data(content: ReportContent) -> Markup:
    """What became of the prompts."""
    if not content.funnel:
        return tag("p", "The arms of this run need no examples, so no training data was made.")
    return join(
        _note("How many rows of each category are left after each stage."),
        tag("figure", plots.funnel(content.funnel)),
        tables.drop_table(content.drops) if content.drops else tag("p", "No row was dropped."),
        _shifts(content),
    )


def _shifts(content: ReportContent) -> Markup:
    if not content.shifts:
        return Markup("")
    note = "A prompt's shift is the mean score of what the model writes with the policy in sight less that without, as a share of the judge's scale; it is not known where one side has no score."
    return join(_note(note), tables.shift_table(content.shifts))


def judgements(content: ReportContent) -> Markup:
    """Scores of completions, the states of single judgements apart from them, and what the judge gave beside."""
    beside = _beside_scores(content)
    if not content.scores and not content.states:
        none = tag("p", "No completion was judged for training data in this run.")
        return join(none, beside) if beside else none
    states = [
        ("gave a score" if state == "ok" else state.replace("_", " "), amount)
        for state, amount in content.states.items()
    ]
    scores = plots.score_bars(content.scores)
    failed = ": a failed one is no score"
    stopped = "; of one that could not pass any more, what was asked until then"
    partly = stopped if content.states.get("not_asked") else ""
    halves = tag(
        "div",
        _bars("Scores of completions", scores, "No completion got a score.", partly),
        _bars("States of single judgements", states, "No single judgement was made.", failed),
        class_="halves",
    )
    return join(halves, beside) if beside else halves


def _beside_scores(content: ReportContent) -> Markup | None:
    """The judge's admission, sub-scores and violated clauses; None where there is none of them."""
    parts = [tables.admission_table(content.admission)] if content.admission else []
    parts += [tables.sub_score_table(content.sub_scores)] if content.sub_scores else []
    if content.violated:
        title = "Clauses that single judgements found violated"
        parts.append(_bars(title, list(content.violated.items()), ""))
    return join(*parts) if parts else None


def _bars(title: str, items: Sequence[tuple[str, int]], without: str, hint: str = "") -> Markup:
    body = plots.bars(title, items) if items else tag("p", without)
    return tag("figure", tag("figcaption", tag("b", title), hint), body)


def training(content: ReportContent) -> Markup:
    """What RL and SFT did, step by step."""
    parts = [tag("h3", "RL: reward against truth"), _rl(content)]
    if content.distilled:
        parts += [tag("h3", "Distillation: divergence from the teacher"), _distilled(content)]
    return join(*parts, tag("h3", "SFT: loss"), _sft(content))


def _distilled(content: ReportContent) -> Markup:
    """How far the model without the policy is from itself with it, and where the policy made a difference at all."""
    why = (
        "The teacher is the model with the policy in sight; the divergence is that of the model without it, on the tokens that "
        "this one writes, in nats a token. A token is flipped where the teacher has another one most likely."
    )
    charts = [
        chart(
            title,
            [_distilled_series(arm, rows, at) for arm, rows in content.distilled.items()],
            at_least=(0.0, 0.0),
        )
        for title, at in (("divergence, nats a token", 1), ("flip rate", 2))
    ]
    table = [tables.flip_table(content.flips)] if content.flips else []
    return join(tag("p", why), tag("div", *charts, class_="halves"), *table)


def _distilled_series(arm: str, rows: Sequence[tuple[int, float, float]], at: int) -> Series:
    points = _measured((int(row[0]), row[at]) for row in rows)
    return Series(arm_name(arm), arm_class(arm), points)


def _rl(content: ReportContent) -> Markup:
    if not content.curves:
        return tag("p", "No arm of this run was trained with RL.")
    arms = in_order((row.arm for row in content.curves), ARMS)
    rows = {arm: [row for row in content.curves if row.arm == arm] for arm in arms}
    why = (
        "The reward is what the judge, who does not see the reasoning, pays; truth is whether the answer was right. "
        "Training climbs the reward only, so a reward that rises away from truth means that the model has learned "
        "to please the judge (judge hacking) and not to follow the policy. Retrieval is the share of reasonings "
        "that cite the right clause."
    )
    how = (
        "Points: means of single steps; line: their moving average, with its end written beside it. Health: the "
        "shares of completions judged and malformed, and of groups with unequal rewards (the others teach nothing). "
        "Two judges: the means of what both have scored, and the share that one alone passes; the second pays nothing."
    )
    charts = [
        _chart(f"{arm_name(arm)}: {title}", [_series(rows[arm], *curve) for curve in curves])
        for title, curves in CHARTS.items()
        for arm in arms
        if title != "two judges" or any(row.second is not None for row in rows[arm])
    ]
    lengths = [_series(rows[arm], arm_name(arm), "length", arm_class(arm)) for arm in arms]
    return join(
        tag("p", why),
        _list([*(_gap(arm, rows[arm]) for arm in arms), *content.again]),
        _note(how),
        tag("div", *charts, class_="halves"),
        tag("div", _chart("Completion length, tokens", lengths), class_="halves"),
    )


def _series(rows: Sequence[RlStep], name: str, field: str, class_: str) -> Series:
    return Series(name, class_, _measured((row.step, getattr(row, field)) for row in rows))


def _measured(values: Iterable[tuple[int, float | None]]) -> list[tuple[int, float]]:
    return [(step, v) for step, v in values if v is not None and math.isfinite(v)]


def _chart(title: str, curves: Sequence[Series]) -> Markup:
    return chart(title, curves, at_least=(0.0, 1.0))


def _gap(arm: str, rows: Sequence[RlStep]) -> str:
    """Reward and truth at the end of training, over the steps that have both."""
    both = [(r.reward, r.truth) for r in rows if r.reward is not None and r.truth is not None]
    both = both[-LAST_STEPS:]
    if not both:
        return f"{arm_name(arm)}: reward or truth was not measured, so their gap is not known."
    reward, truth = (sum(values) / len(both) for values in zip(*both, strict=True))
    gap = number(reward - truth).replace("-", "\u2212")
    steps = "step" if len(both) == 1 else f"{len(both)} steps"
    return (
        f"{arm_name(arm)}, mean of the last {steps}: reward {number(reward)}, "
        f"truth {number(truth)}, reward minus truth {gap}."
    )


def _sft(content: ReportContent) -> Markup:
    if not content.losses:
        return tag("p", "No arm of this run was trained with SFT.")
    losses = content.losses.items()
    found = [Series(arm_name(arm), arm_class(arm), _measured(values)) for arm, values in losses]
    return tag("div", chart("SFT loss", found, at_least=(0.0, 0.0)), class_="halves")


def journeys(content: ReportContent) -> Markup:
    """Single rows through all stages, folded: the texts may be hazardous."""
    if not content.journeys:
        return tag("p", "No row was followed.")
    note = (
        "Texts of models and of data sets, shown as they are; they may be offensive or hazardous, so they are folded. "
        "Characters that cannot be seen are written as \\uXXXX."
    )
    return join(_note(note), *(_journey(row) for row in content.journeys))


def _journey(row: JourneyRow) -> Markup:
    parts = [tag("h4", "prompt"), untrusted(row.prompt)]
    for step in row.steps:
        parts += [tag("h4", step.stage), _note(step.note)]
        parts += [untrusted(step.text)] if step.text else []
    last = row.steps[-1].note if row.steps else "no stage has read it"
    name = tag("summary", tag("b", row.category), " · ", tag("code", row.row_id), f" · {last}")
    return tag("details", name, *parts)


def costs(content: ReportContent) -> Markup:
    """Time, memory and rows of every stage."""
    if not content.stages:
        return tag("p", "No stage left its costs.")
    return tables.stage_table(content.stages, content.elapsed_s)


def provenance(content: ReportContent) -> Markup:
    """What the numbers rest on, enough to make them again."""
    versions = ", ".join(f"{name} {version}" for name, version in content.spec_versions.items())
    facts = {
        "command": tag("code", content.command),
        "dalign": content.version,
        "seed": str(content.seed),
        "spec, versions": versions or "none",
        "spec, sha256": tag("code", content.spec_sha256),
        "templates, sha256": tag("code", content.templates_sha256),
        "config, sha256": tag("code", content.config_sha256),
        **{f"model: {model.role}": _model(content, model) for model in content.models},
    }
    items = [join(tag("dt", name), tag("dd", value)) for name, value in facts.items()]
    nothing = tag("p", "The template probe reported nothing.")
    probes = _list(content.probes) if content.probes else nothing
    summary = tag("summary", "The resolved config, with all defaults")
    config = tag("details", summary, untrusted(content.config_toml))
    return join(tag("dl", *items), tag("h3", "Template probe"), probes, config)


def _model(content: ReportContent, model: ModelUsed) -> Markup:
    """A model's path and fingerprint, and which other role the same model has."""
    alike = [m.role for m in content.models if m.fingerprint == model.fingerprint]
    same = [role for role in alike if role != model.role]
    note = f" (the same model as: {', '.join(same)})" if same else ""
    return join(model.path, " ", tag("code", model.fingerprint), note)
