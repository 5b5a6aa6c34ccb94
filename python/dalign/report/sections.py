"""The sections of the page, each an honest sentence where there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from dalign.figures import JourneyRow, MetricRow, ModelUsed, RlStep, SftStep
from dalign.report import plots, tables
from dalign.report.content import ReportContent
from dalign.report.curves import Series, chart
from dalign.report.markup import Markup, join, tag, untrusted
from dalign.report.words import arm_class, arm_name, in_order, number
from dalign.vocabulary import ARMS, METRICS

LAST_STEPS = 10
OK = "ok"


def alarms(content: ReportContent) -> Markup:
    """Why the results are not to be relied on, above everything else."""
    if not content.alarms:
        return Markup("")
    items = [tag("li", text) for text in content.alarms]
    head = tag("h2", "These results are not to be relied on")
    return tag("section", head, tag("ul", *items), class_="alarms", role="alert")


def warnings(content: ReportContent) -> Markup:
    """What a reader must know before believing the numbers."""
    if not content.warnings:
        return Markup("")
    items = [tag("li", text) for text in content.warnings]
    head = tag("h2", "Before you believe the numbers")
    return tag("section", head, tag("ul", *items), class_="warnings")


def results(content: ReportContent) -> Markup:
    """Tables and figures of every suite."""
    if not content.rows:
        return tag("p", "Nothing was evaluated.")
    note = (
        "Each value stands above its 95 % interval (bootstrap over prompts) and the number n of grades, and "
        "links to the rows it is computed from. ★ best marks the highest value of a column; whether it is "
        "clearly higher, the paired differences tell."
    )
    arms = in_order((row.arm for row in content.rows), ARMS)
    parts = [tag("p", note, class_="note"), tables.definitions(arms)]
    suites = list(dict.fromkeys(row.suite for row in content.rows))
    parts += [tables.result_table(s, _of(content.rows, s)) for s in suites]
    parts.append(tag("h3", "Arms with their intervals"))
    legend = "Filled circle: graded by truth. Hollow diamond: graded by the judge. Whisker: 95 % interval."
    parts.append(tag("p", legend, class_="note"))
    panels = [
        plots.interval_panel(suite, metric, [r for r in rows if r.metric == metric])
        for suite, rows in ((suite, _of(content.rows, suite)) for suite in suites)
        for metric in in_order((row.metric for row in rows), METRICS)
    ]
    parts.append(tag("div", *panels, class_="panels"))
    return join(*parts)


def _of(rows: Sequence[MetricRow], suite: str) -> list[MetricRow]:
    return [row for row in rows if row.suite == suite]


def differences(content: ReportContent) -> Markup:
    """Which arms differ, beyond what chance explains."""
    if not content.pairs:
        return tag("p", "No two arms were evaluated on the same prompts, so nothing can be paired.")
    note = (
        "▲ better and ▼ worse mark differences whose 95 % interval excludes 0, ≈ unclear those whose interval "
        "includes it, and = equal those that are 0 in every resample. Where two arms do not differ, about one "
        "cell in twenty is still marked, by chance."
    )
    return join(tag("p", note, class_="note"), tables.pair_table(content.pairs))


def data(content: ReportContent) -> Markup:
    """What became of the prompts."""
    if not content.funnel:
        return tag("p", "The arms of this run need no examples, so no training data was made.")
    drops: Markup = tag("p", "No row was dropped.")
    if content.drops:
        drops = tables.drop_table(content.drops)
    return join(
        tag("p", "How many rows of each category are left after each stage.", class_="note"),
        tag("figure", plots.funnel(content.funnel)),
        drops,
    )


def judgements(content: ReportContent) -> Markup:
    """Scores of completions, and apart from them the states of single judgements."""
    if not content.score_histogram and not content.states:
        return tag("p", "No completion was judged for training data in this run.")
    scores = plots.score_bars(content.score_histogram)
    histogram: Markup = tag("p", "No completion got a score.")
    if scores:
        histogram = plots.bars("Scores of completions", scores)
    states = [(_state_name(row.state), row.count) for row in content.states]
    state_bars: Markup = tag("p", "No single judgement was made.")
    if states:
        state_bars = plots.bars("States of single judgements", states)
    return tag(
        "div",
        tag("figure", tag("figcaption", tag("b", "Scores of completions")), histogram),
        tag(
            "figure",
            tag(
                "figcaption", tag("b", "States of single judgements"), ": a failed one is no score"
            ),
            state_bars,
        ),
        class_="halves",
    )


def _state_name(state: str) -> str:
    return "gave a score" if state == OK else state.replace("_", " ")


def training(content: ReportContent) -> Markup:
    """What RL and SFT did, step by step."""
    return join(
        tag("h3", "RL: reward against truth"), _rl(content), tag("h3", "SFT: loss"), _sft(content)
    )


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
        "shares of completions judged and malformed, and of groups with unequal rewards (the others teach nothing)."
    )
    rewards = [_reward_chart(arm, rows[arm]) for arm in arms]
    lengths = [
        _series(rows[arm], lambda row: row.length, arm_name(arm), arm_class(arm)) for arm in arms
    ]
    health = [_health_chart(arm, rows[arm]) for arm in arms]
    return join(
        tag("p", why),
        tag("ul", *(tag("li", _gap(arm, rows[arm])) for arm in arms)),
        tag("p", how, class_="note"),
        tag("div", *rewards, *health, class_="halves"),
        tag(
            "div", chart("Completion length, tokens", lengths, at_least=(0.0, 1.0)), class_="halves"
        ),
    )


_Step = TypeVar("_Step", RlStep, SftStep)


def _series(
    rows: Sequence[_Step], value: Callable[[_Step], float | None], name: str, class_: str
) -> Series:
    return Series(name, class_, [row.step for row in rows], [value(row) for row in rows])


def _reward_chart(arm: str, rows: Sequence[RlStep]) -> Markup:
    lines = [
        _series(rows, lambda row: row.reward, "reward", "line-0"),
        _series(rows, lambda row: row.truth, "truth", "line-1 dash"),
        _series(rows, lambda row: row.retrieval, "retrieval", "line-2 dots"),
    ]
    return chart(f"{arm_name(arm)}: reward, truth, retrieval", lines, at_least=(0.0, 1.0))


def _health_chart(arm: str, rows: Sequence[RlStep]) -> Markup:
    lines = [
        _series(rows, lambda row: row.judged_share, "judged", "line-1"),
        _series(rows, lambda row: row.active_groups, "unequal", "line-0 dash"),
        _series(rows, lambda row: row.malformed_share, "malformed", "line-2 dots"),
    ]
    title = f"{arm_name(arm)}: health of training"
    return chart(title, lines, at_least=(0.0, 1.0))


def _gap(arm: str, rows: Sequence[RlStep]) -> str:
    """Reward and truth at the end of training, over the steps that have both."""
    both = [
        (row.reward, row.truth) for row in rows if row.reward is not None and row.truth is not None
    ][-LAST_STEPS:]
    if not both:
        return f"{arm_name(arm)}: reward or truth was not measured, so their gap is not known."
    reward, truth = (sum(values) / len(both) for values in zip(*both, strict=True))
    gap = number(reward - truth).replace("-", "\u2212")
    return (
        f"{arm_name(arm)}, mean of the last {_steps(len(both))}: reward {number(reward)}, "
        f"truth {number(truth)}, reward minus truth {gap}."
    )


def _steps(amount: int) -> str:
    return "step" if amount == 1 else f"{amount} steps"


def _sft(content: ReportContent) -> Markup:
    if not content.sft_curve:
        return tag("p", "No arm of this run was trained with SFT.")
    arms = in_order((row.arm for row in content.sft_curve), ARMS)
    lines = [
        _series(
            [row for row in content.sft_curve if row.arm == arm],
            lambda row: row.loss,
            "loss",
            arm_class(arm),
        )
        for arm in arms
    ]
    return tag("div", chart("SFT loss", lines, at_least=(0.0, 0.0)), class_="halves")


def journeys(content: ReportContent) -> Markup:
    """Single rows through all stages, folded: the texts may be hazardous."""
    if not content.journeys:
        return tag("p", "No row was followed.")
    note = (
        "Texts of models and of data sets, shown as they are; they may be offensive or hazardous, so they are folded. "
        "Characters that cannot be seen are written as \\uXXXX."
    )
    return join(tag("p", note, class_="note"), *(_journey(row) for row in content.journeys))


def _journey(row: JourneyRow) -> Markup:
    steps = [
        join(
            tag("h4", step.stage),
            tag("p", step.note, class_="note"),
            untrusted(step.text) if step.text else Markup(""),
        )
        for step in row.steps
    ]
    last = row.steps[-1].note if row.steps else "no stage has read it"
    name = tag("summary", tag("b", row.category), " · ", tag("code", row.row_id), f" · {last}")
    return tag("details", name, tag("h4", "prompt"), untrusted(row.prompt), *steps)


def costs(content: ReportContent) -> Markup:
    """Time, memory and rows of every stage."""
    if not content.stages:
        return tag("p", "No stage left its costs.")
    return tables.stage_table(content.stages, content.elapsed_s)


def provenance(content: ReportContent) -> Markup:
    """What the numbers rest on, enough to make them again."""
    facts = [
        ("command", tag("code", content.command)),
        ("dalign", content.version),
        ("seed", str(content.seed)),
        ("spec, versions", _versions(content.spec_versions)),
        ("spec, sha256", tag("code", content.spec_sha256)),
        ("templates, sha256", tag("code", content.templates_sha256)),
        ("config, sha256", tag("code", content.config_sha256)),
    ]
    facts += [(f"model: {model.role}", _model(content, model)) for model in content.models]
    items = [join(tag("dt", name), tag("dd", value)) for name, value in facts]
    probes: Markup = tag("p", "The template probe reported nothing.")
    if content.probes:
        probes = tag("ul", *(tag("li", sentence) for sentence in content.probes))
    config = tag(
        "details",
        tag("summary", "The resolved config, with all defaults"),
        untrusted(content.config_toml),
    )
    return join(tag("dl", *items), tag("h3", "Template probe"), probes, config)


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "none"


def _model(content: ReportContent, model: ModelUsed) -> Markup:
    """A model's path and fingerprint, and which other role the same model has."""
    same = [
        other.role
        for other in content.models
        if other.fingerprint == model.fingerprint and other.role != model.role
    ]
    note = f" (the same model as: {', '.join(same)})" if same else ""
    return join(model.path, " ", tag("code", model.fingerprint), note)
