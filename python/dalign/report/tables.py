"""The tables of the page: results, paired differences, losses, costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from dalign.figures import DropRow, MetricRow, PairRow, StageRow
from dalign.report.markup import Markup, join, link_to, tag
from dalign.report.words import (
    DIRECTION_SIGNS,
    NOT_MEASURED,
    arm_class,
    arm_name,
    count,
    direction,
    in_order,
    interval,
    mebibytes,
    metric_name,
    percent,
    points,
    points_interval,
    seconds,
)
from dalign.vocabulary import ARMS, GRADERS, METRICS

_Row = TypeVar("_Row")
Columns = Mapping[str, Callable[[_Row], str]]
# A metric and its grader: a column of results.
Graded = tuple[str, str]


def table(head: Sequence[Markup], body: Sequence[Markup], *, caption: str) -> Markup:
    """A table that scrolls by itself when the window is too narrow for it."""
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", *head), tag("tbody", *body)),
        class_="scroll",
    )


def result_table(suite: str, rows: Sequence[MetricRow]) -> Markup:
    """Arms × metrics of one suite, the graders of a metric side by side."""
    cells = {(r.arm, r.metric, r.grader): r for r in rows}
    metrics = in_order((row.metric for row in rows), METRICS)
    columns = [
        (metric, grader)
        for metric in metrics
        for grader in in_order((r.grader for r in rows if r.metric == metric), GRADERS)
    ]
    top = [tag("th", "arm", rowspan="2", scope="col")]
    for metric in metrics:
        graders = sum(1 for name, _ in columns if name == metric)
        definition = METRICS[metric].meaning if metric in METRICS else ""
        top.append(_group(metric_name(metric), tag("code", metric), span=graders, hint=definition))
    below = [tag("th", grader, scope="col", class_="num") for _, grader in columns]
    best = {column: _best(cells, column) for column in columns}
    body = [
        tag("tr", _arm_head(arm), *(_result(cells.get((arm, *c)), best[c]) for c in columns))
        for arm in in_order((row.arm for row in rows), ARMS)
    ]
    return table([tag("tr", *top), tag("tr", *below)], body, caption=f"Suite {suite}")


def _best(cells: dict[tuple[str, str, str], MetricRow], column: Graded) -> float | None:
    """The highest value of a column, if it tells any two arms apart."""
    values = [r.value for (_, *c), r in cells.items() if tuple(c) == column and r.value is not None]
    return max(values) if len(set(values)) > 1 else None


def _group(*children: str, span: int, hint: str) -> Markup:
    return tag(
        "th", *children, colspan=span, scope="colgroup", title=hint or None, class_="num group"
    )


def _arm_head(arm: str) -> Markup:
    key = tag("span", "", class_=f"key {arm_class(arm)}")
    return tag("th", key, arm_name(arm), scope="row")


def _result(row: MetricRow | None, best: float | None) -> Markup:
    if row is None:
        return tag("td", "–", title="this arm was not graded on this", class_="num")
    where = f"{row.rows_path}, seed {row.seed}"
    value = link_to(row.rows_path, percent(row.value), title=f"rows: {where}")
    if row.value is None:
        return tag("td", value, tag("small", _n(row)), class_="num missing")
    is_best = best is not None and row.value == best
    mark = tag("span", "★ best", class_="best") if is_best else Markup("")
    ends = tag("small", interval(row.low, row.high))
    return tag("td", value, ends, tag("small", mark, _n(row)), class_="num")


def _n(row: MetricRow) -> str:
    return f"n {row.n}, {row.missing} missing" if row.missing else f"n {row.n}"


def pair_table(pairs: Sequence[PairRow]) -> Markup:
    """Suites' metrics × pairs of arms; each difference says in words whether it is clear."""
    cells = {(p.suite, p.metric, p.arm_a, p.arm_b): p for p in pairs}
    arms = list(dict.fromkeys((pair.arm_a, pair.arm_b) for pair in pairs))
    lines = list(dict.fromkeys((pair.suite, pair.metric) for pair in pairs))
    head = [tag("th", "suite, metric", scope="col")]
    head += [tag("th", *_from_to(a, b), scope="col", class_="num") for a, b in arms]
    body = [
        tag(
            "tr",
            tag("th", suite, tag("small", metric_name(metric)), scope="row"),
            *(_difference(cells.get((suite, metric, *pair))) for pair in arms),
        )
        for suite, metric in lines
    ]
    caption = "Differences on the same prompts and samples, in percentage points"
    return table([tag("tr", *head)], body, caption=caption)


def _from_to(arm_a: str, arm_b: str) -> tuple[Markup, Markup]:
    # Names break between the arms and never inside one.
    parts = (arm_name(arm_a), f"→ {arm_name(arm_b)}")
    first, second = (tag("span", part, class_="line") for part in parts)
    return first, second


def _difference(pair: PairRow | None) -> Markup:
    if pair is None:
        return tag("td", "–", title="these arms share no graded prompt here", class_="num")
    if pair.diff is None:
        return tag("td", NOT_MEASURED, class_="num missing")
    which = direction(pair.low, pair.high)
    return tag(
        "td",
        points(pair.diff),
        tag("small", points_interval(pair.low, pair.high)),
        tag("small", DIRECTION_SIGNS[which], class_=which),
        class_="num",
    )


def definitions(arms: Iterable[str]) -> Markup:
    """What the metrics, the graders and these arms mean, a line each."""
    metrics = [_definition(row.title, row.name, row.meaning) for row in METRICS.values()]
    graders = [tag("li", tag("b", row.name), ": ", row.meaning, ".") for row in GRADERS.values()]
    known = [
        _definition(row.title, row.name, row.meaning)
        for row in (ARMS[arm] for arm in arms if arm in ARMS)
    ]
    columns = (("Metrics (higher is better)", metrics), ("Graders", graders), ("Arms", known))
    blocks = [tag("div", tag("h4", name), tag("ul", *items)) for name, items in columns]
    return tag("div", *blocks, class_="definitions")


def _definition(title: str, name: str, meaning: str) -> Markup:
    return tag("li", tag("b", title), " (", tag("code", name), "): ", meaning, ".")


# Columns: what stands above one, and what a row shows in it; texts on the left, numbers on the right.
DROP_TEXTS: Columns[DropRow] = {
    "stage": lambda row: row.stage,
    "reason": lambda row: row.reason.replace("_", " "),
}
DROP_NUMBERS: Columns[DropRow] = {"rows": lambda row: count(row.count)}
STAGE_TEXTS: Columns[StageRow] = {
    "stage": lambda row: row.stage,
    "variant": lambda row: row.variant,
}
STAGE_NUMBERS: Columns[StageRow] = {
    "wall time": lambda row: seconds(row.wall_s),
    "CPU time": lambda row: seconds(row.cpu_s),
    "peak memory": lambda row: mebibytes(row.peak_rss_mib),
    "rows in": lambda row: count(row.rows_in),
    "rows out": lambda row: count(row.rows_out),
}


def drop_table(drops: Sequence[DropRow]) -> Markup:
    """Why rows were dropped, and how many."""
    return _listed(drops, DROP_TEXTS, DROP_NUMBERS, caption="Dropped rows by reason")


def stage_table(stages: Sequence[StageRow], elapsed_s: float) -> Markup:
    """What each stage cost. Nothing is summed that was not measured."""
    unmeasured = sum(row.wall_s is None for row in stages)
    note = f" {unmeasured} stages were not measured." if unmeasured else ""
    after = tag("p", f"The calls that made this run took {seconds(elapsed_s)} in all.", note)
    listed = _listed(stages, STAGE_TEXTS, STAGE_NUMBERS, caption="Cost of each stage")
    return join(listed, after)


def _listed(
    rows: Sequence[_Row], texts: Columns[_Row], numbers: Columns[_Row], *, caption: str
) -> Markup:
    head = [tag("th", name) for name in texts]
    head += [tag("th", name, class_="num") for name in numbers]
    body = [
        tag(
            "tr",
            *(tag("td", cell(row)) for cell in texts.values()),
            *(tag("td", cell(row), class_="num") for cell in numbers.values()),
        )
        for row in rows
    ]
    return table([tag("tr", *head)], body, caption=caption)
