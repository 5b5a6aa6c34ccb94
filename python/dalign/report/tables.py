"""The tables of the page: results, paired differences, losses, costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dalign.figures import (
    AdmissionRow,
    CardContent,
    Corrected,
    DropRow,
    FlipRow,
    ForgettingRow,
    KlRow,
    MetricRow,
    PairRow,
    Share,
    ShiftRow,
    StageRow,
    SubScoreRow,
)
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
    number,
    percent,
    points,
    points_interval,
    seconds,
)
from dalign.vocabulary import ARMS, GRADERS, METRICS


def _table(head: Sequence[Markup], body: Sequence[Markup], *, caption: str) -> Markup:
    """A table that scrolls by itself when the window is too narrow for it."""
    parts = (tag("caption", caption), tag("thead", *head), tag("tbody", *body))
    return tag("div", tag("table", *parts), class_="scroll")


def result_table(suite: str, rows: Sequence[MetricRow]) -> Markup:
    """Arms × metrics of one suite, the graders of a metric side by side."""
    cells = {(r.arm, r.metric, r.grader): r for r in rows}
    graders = {
        metric: in_order((r.grader for r in rows if r.metric == metric), GRADERS)
        for metric in in_order((row.metric for row in rows), METRICS)
    }
    top = [tag("th", "arm", rowspan="2", scope="col")]
    top += [_group(metric, len(found)) for metric, found in graders.items()]
    columns = [(metric, grader) for metric, found in graders.items() for grader in found]
    below = [tag("th", grader, scope="col", class_="num") for _, grader in columns]
    best = {
        column: _best([r for r in rows if (r.metric, r.grader) == column]) for column in columns
    }
    body = [
        tag("tr", _arm_head(arm), *(_result(cells.get((arm, *c)), best[c]) for c in columns))
        for arm in in_order((row.arm for row in rows), ARMS)
    ]
    return _table([tag("tr", *top), tag("tr", *below)], body, caption=f"Suite {suite}")


def sub_score_table(rows: Sequence[SubScoreRow]) -> Markup:
    """The judge's sub-scores, a column each."""
    names = list(dict.fromkeys(name for row in rows for name in row.means))
    head = [tag("th", "of", scope="col"), tag("th", "judged", scope="col", class_="num")]
    head += [tag("th", name, scope="col", class_="num") for name in names]
    body = [
        tag(
            "tr",
            tag("th", row.where, scope="row"),
            tag("td", count(row.judged), class_="num"),
            *(tag("td", _mean(row.means.get(name)), class_="num") for name in names),
        )
        for row in rows
    ]
    caption = (
        "Means of the judge's sub-scores, on its scale; a completion's are reduced as its score is"
    )
    return _table([tag("tr", *head)], body, caption=caption)


def admission_table(rows: Sequence[AdmissionRow]) -> Markup:
    """The judge on the policy's golden cases."""
    names = (
        "golden cases of",
        "cases",
        "agreement",
        "sensitivity",
        "specificity",
        "above no policy",
    )
    head = [
        tag("th", name, scope="col", **({} if at == 0 else {"class_": "num"}))
        for at, name in enumerate(names)
    ]
    body = [
        tag(
            "tr",
            tag("th", row.where, scope="row"),
            tag("td", count(row.cases), class_="num"),
            *map(_share, (row.agreement, row.sensitivity, row.specificity)),
            _above(row.margin),
        )
        for row in rows
    ]
    caption = "What the judge says of answers that are known to keep the policy or not; sensitivity: of those that do not, the share that it fails"
    return _table([tag("tr", *head)], body, caption=caption)


def errors_table(card: CardContent) -> Markup:
    """A judge beside people, in one row."""
    errors = card.errors
    names = ("labelled answers", "agreement", "sensitivity", "specificity", "kappa")
    kappa = NOT_MEASURED if errors.kappa is None else f"{errors.kappa:.2f}"
    row = tag(
        "tr",
        tag("td", count(errors.agreement.n), class_="num"),
        *map(_share, (errors.agreement, errors.sensitivity, errors.specificity)),
        tag("td", kappa, class_="num"),
    )
    head = tag("tr", *(tag("th", name, scope="col", class_="num") for name in names))
    caption = "What the judge says of answers that people labelled; sensitivity: of those that people fail, the share that it fails; specificity: of those that they pass, that it passes"
    return _table([head], [row], caption=caption)


def corrected_table(rows: Sequence[Corrected]) -> Markup:
    """Rates as the judge measured them, and what they stand for."""
    names = ("prompts", "measured", "stands for", "by the labels")
    head = [tag("th", name, scope="col") for name in ("suite, metric", "arm")]
    head += [tag("th", name, scope="col", class_="num") for name in names]
    body = [
        tag(
            "tr",
            tag("th", row.suite, tag("small", metric_name(row.metric)), scope="row"),
            _arm_head(row.arm),
            tag("td", count(row.prompts), class_="num"),
            tag("td", percent(row.measured), class_="num"),
            _stands_for(row),
            _by_labels(row),
        )
        for row in sorted(rows, key=lambda row: (row.suite, row.metric))
    ]
    caption = "What the rates that the judge measured stand for, by its card"
    return _table([tag("tr", *head)], body, caption=caption)


def _stands_for(row: Corrected) -> Markup:
    if row.value is None:
        why = tag("small", "the judge is no better than chance")
        return tag("td", "not known", why, class_="num missing")
    return tag("td", percent(row.value), tag("small", interval(row.low, row.high)), class_="num")


def _by_labels(row: Corrected) -> Markup:
    if row.by_labels is None:
        return tag("td", NOT_MEASURED, class_="num missing")
    value, low, high = row.by_labels
    return tag("td", percent(value), tag("small", interval(low, high)), class_="num")


def _share(share: Share) -> Markup:
    if share.value is None:
        return tag("td", NOT_MEASURED, class_="num missing")
    ends = tag("small", interval(share.low, share.high))
    return tag("td", percent(share.value), ends, class_="num")


def _above(margin: tuple[float, float, float] | None) -> Markup:
    if margin is None:
        return tag("td", "–", class_="num")
    return tag("td", points(margin[0]), tag("small", points_interval(*margin[1:])), class_="num")


def _mean(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2f}"


def _best(rows: Sequence[MetricRow]) -> float | None:
    """The highest value of a column, if it tells any two arms apart."""
    values = {row.value for row in rows if row.value is not None}
    return max(values) if len(values) > 1 else None


def _group(metric: str, span: int) -> Markup:
    hint = METRICS[metric].meaning if metric in METRICS else None
    names = (metric_name(metric), tag("code", metric))
    return tag("th", *names, colspan=span, scope="colgroup", title=hint, class_="num group")


def _arm_head(arm: str) -> Markup:
    key = tag("span", "", class_=f"key {arm_class(arm)}")
    return tag("th", key, arm_name(arm), scope="row")


def _result(row: MetricRow | None, best: float | None) -> Markup:
    if row is None:
        return tag("td", "–", title="this arm was not graded on this", class_="num")
    hint = f"rows: {row.rows_path}, seed {row.seed}"
    value = link_to(row.rows_path, percent(row.value), title=hint)
    n = f"n {row.n}, {row.missing} missing" if row.missing else f"n {row.n}"
    if row.value is None:
        return tag("td", value, tag("small", n), class_="num missing")
    mark = tag("span", "★ best", class_="best") if row.value == best else Markup("")
    ends = tag("small", interval(row.low, row.high))
    return tag("td", value, ends, tag("small", mark, n), class_="num")


def pair_table(pairs: Sequence[PairRow]) -> Markup:
    """Suites' metrics × pairs of arms; each difference says in words whether it is clear."""
    cells = {(p.suite, p.metric, p.arm_a, p.arm_b): p for p in pairs}
    arms = list(dict.fromkeys((pair.arm_a, pair.arm_b) for pair in pairs))
    head = [tag("th", "suite, metric", scope="col")]
    for a, b in arms:
        # Names break between the arms and never inside one.
        lines = [tag("span", part, class_="line") for part in (arm_name(a), f"→ {arm_name(b)}")]
        head.append(tag("th", *lines, scope="col", class_="num"))
    body = []
    for suite, metric in dict.fromkeys((pair.suite, pair.metric) for pair in pairs):
        name = tag("th", suite, tag("small", metric_name(metric)), scope="row")
        body.append(tag("tr", name, *(_difference(cells.get((suite, metric, *p))) for p in arms)))
    caption = "Differences on the same prompts and samples, in percentage points"
    return _table([tag("tr", *head)], body, caption=caption)


def _difference(pair: PairRow | None) -> Markup:
    if pair is None:
        return tag("td", "–", title="these arms share no graded prompt here", class_="num")
    if pair.diff is None:
        return tag("td", NOT_MEASURED, class_="num missing")
    which = direction(pair.low, pair.high)
    ends = tag("small", points_interval(pair.low, pair.high))
    sign = tag("small", DIRECTION_SIGNS[which], class_=which)
    return tag("td", points(pair.diff), ends, sign, class_="num")


def forgetting_table(rows: Sequence[ForgettingRow]) -> Markup:
    """Suites × trained arms."""
    cells = {(row.suite, row.arm): row for row in rows}
    arms = in_order((row.arm for row in rows), ARMS)
    head = [tag("th", "suite", scope="col")]
    head += [tag("th", arm_name(arm), scope="col", class_="num") for arm in arms]
    body = [
        tag("tr", tag("th", suite, scope="row"), *(_forgotten(cells.get((suite, a))) for a in arms))
        for suite in dict.fromkeys(row.suite for row in rows)
    ]
    return _table([tag("tr", *head)], body, caption="Forgotten, with 95 % intervals")


def _forgotten(row: ForgettingRow | None) -> Markup:
    if row is None or row.value is None:
        return tag(
            "td", NOT_MEASURED, title="the base has nothing right here", class_="num missing"
        )
    shown = f"{100 * row.value:.1f}\u202f%".replace("-", "\u2212")
    ends = interval(row.low, row.high).replace("-", "\u2212")
    return tag("td", shown, tag("small", ends), class_="num")


def kl_table(rows: Sequence[KlRow]) -> Markup:
    """A line for each trained arm."""
    head = [tag("th", "arm", scope="col")]
    names = ("nats a token", "tokens", "rows")
    head += [tag("th", name, scope="col", class_="num") for name in names]
    body = [tag("tr", tag("th", arm_name(row.arm), scope="row"), *_far(row)) for row in rows]
    return _table([tag("tr", *head)], body, caption="Distance from the base, with 95 % intervals")


def _far(row: KlRow) -> Iterator[Markup]:
    ends = "" if row.low is None else f"{row.low:.4f} to {row.high:.4f}"
    yield tag("td", f"{row.value:.4f}", tag("small", ends), class_="num")
    yield from (tag("td", f"{count:,}", class_="num") for count in (row.tokens, row.rows))


def definitions(arms: Iterable[str]) -> Markup:
    """What the metrics, the graders and these arms mean, a line each."""
    metrics = [_definition(row.title, row.name, row.meaning) for row in METRICS.values()]
    graders = [tag("li", tag("b", row.name), ": ", row.meaning, ".") for row in GRADERS.values()]
    known = [ARMS[arm] for arm in arms if arm in ARMS]
    columns = {
        "Metrics (higher is better)": metrics,
        "Graders": graders,
        "Arms": [_definition(row.title, row.name, row.meaning) for row in known],
    }
    blocks = [tag("div", tag("h4", name), tag("ul", *items)) for name, items in columns.items()]
    return tag("div", *blocks, class_="definitions")


def _definition(title: str, name: str, meaning: str) -> Markup:
    return tag("li", tag("b", title), " (", tag("code", name), "): ", meaning, ".")


def drop_table(drops: Sequence[DropRow]) -> Markup:
    """Why rows were dropped, and how many."""
    rows = [(row.stage, row.reason.replace("_", " "), count(row.rows)) for row in drops]
    return _listed(("stage", "reason"), ("rows",), rows, caption="Dropped rows by reason")


def shift_table(shifts: Sequence[ShiftRow]) -> Markup:
    """By how much the policy changes what the model does."""

    def told(value: float | None) -> str:
        return NOT_MEASURED if value is None else number(value)

    rows = [(r.category, count(r.prompts), count(r.known), *map(told, r[3:])) for r in shifts]
    numbers = ("prompts", "known", "with policy", "without", "shift", "shift of examples")
    return _listed(("category",), numbers, rows, caption="Shift of the policy by category")


def flip_table(flips: Sequence[FlipRow]) -> Markup:
    """What the policy in sight changes of what the model writes, before distillation's first step."""
    rows = [
        (r.category, r.clause or "none", count(r.prompts), count(r.tokens), percent(r.flip_rate), number(r.divergence))
        for r in flips
    ]  # fmt: skip
    caption = "Flip rate of the teacher by clause, before the first step"
    numbers = ("prompts", "tokens", "flip rate", "divergence")
    return _listed(("category", "clause"), numbers, rows, caption=caption)


def stage_table(stages: Sequence[StageRow], elapsed_s: float) -> Markup:
    """What each stage cost. Nothing is summed that was not measured."""
    rows = [
        (r.stage, r.variant, seconds(r.wall_s), seconds(r.cpu_s),
         mebibytes(r.peak_rss_mib), count(r.rows_in), count(r.rows_out))
        for r in stages
    ]  # fmt: skip
    numbers = ("wall time", "CPU time", "peak memory", "rows in", "rows out")
    listed = _listed(("stage", "variant"), numbers, rows, caption="Cost of each stage")
    unmeasured = sum(row.wall_s is None for row in stages)
    note = f" Not measured: {unmeasured} of {len(stages)}." if unmeasured else ""
    took = f"The calls that made this run took {seconds(elapsed_s)} in all."
    return join(listed, tag("p", took, note))


def _listed(
    texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str
) -> Markup:
    """Rows under the heads of their columns, texts before numbers."""
    classes = [None] * len(texts) + ["num"] * len(numbers)

    def line(name: str, cells: Sequence[str]) -> Markup:
        made = (tag(name, cell, class_=c) for cell, c in zip(cells, classes, strict=True))
        return tag("tr", *made)

    body = [line("td", row) for row in rows]
    return _table([line("th", (*texts, *numbers))], body, caption=caption)
