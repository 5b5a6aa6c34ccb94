"""The first block of the page: did safety improve, and what did it cost?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dalign.figures import MetricRow, PairRow, Results
from dalign.report.markup import Markup, join, link_to, tag
from dalign.report.words import (
    DIRECTION_SIGNS,
    arm_name,
    direction,
    in_order,
    interval,
    percent,
    points,
    points_interval,
)
from dalign.vocabulary import ARMS, BASE, BY_JUDGE, GRADERS, METRICS, Headline

# The metrics that the verdict is about: the first is what training is for, the others what it may cost.
_QUESTIONS = {name: row.headline for name, row in METRICS.items() if row.headline is not None}
# The base with the policy in sight, and arms with a checkpoint of their own: the last one that was evaluated is the run's
# result, before those that no run has unless it says so.
_IN_SIGHT = next(name for name, row in ARMS.items() if row.in_sight == "category")
_TRAINED = sorted(
    (name for name, row in ARMS.items() if row.trained_by), key=lambda name: ARMS[name].by_default
)


class Change(NamedTuple):
    """A metric of one suite, before and after. `pair` is None where no paired difference is known."""

    suite: str
    before: MetricRow
    after: MetricRow
    pair: PairRow | None

    @property
    def direction(self) -> str:
        """Which way the paired difference points, or 'unknown'."""
        if self.pair is None or self.pair.diff is None:
            return "unknown"
        return direction(self.pair.low, self.pair.high)


def headline(results: Results) -> Markup:
    """The verdict in a sentence and a card for each of safety, over-refusal and capability."""
    arms = in_order((row.arm for row in results.rows), ARMS)
    if not arms:
        return tag("p", "Nothing was evaluated in this run, so there is no result to show.")
    # The base and the last trained arm; without one, the last arm.
    before = BASE if BASE in arms else arms[0]
    after = ([arm for arm in _TRAINED if arm in arms] or arms)[-1]
    if before == after:
        only = (
            f"Only the arm “{arm_name(after)}” was evaluated: there is nothing to compare it with."
        )
        return tag("p", only, class_="verdict")
    changes = {metric: _changes(results, metric, before, after) for metric in _QUESTIONS}
    cards = [_card(results, metric, found) for metric, found in changes.items()]
    caption = (
        f"{arm_name(before)} → {arm_name(after)}, with 95 % intervals. pp = percentage points; "
        "differences are paired: the same prompts and samples."
    )
    note = "" if after in _TRAINED else " No trained arm was evaluated."
    return join(
        tag("p", _verdict(changes), class_="verdict"),
        tag("p", caption, note, class_="note"),
        tag("div", *cards, class_="cards"),
    )


def _changes(results: Results, metric: str, before: str, after: str) -> list[Change]:
    """One for each suite that measures the metric, in the suites' order."""
    pairs = {(p.arm_a, p.arm_b, p.suite, p.metric): p for p in results.pairs}
    found = []
    for suite in dict.fromkeys(row.suite for row in results.rows):
        left = _graded(results.rows, before, suite, metric)
        right = _graded(results.rows, after, suite, metric)
        if left is not None and right is not None:
            found.append(Change(suite, left, right, pairs.get((before, after, suite, metric))))
    return found


def _graded(rows: Iterable[MetricRow], arm: str, suite: str, metric: str) -> MetricRow | None:
    """By truth where it is known, else by the judge: as the paired differences are."""
    found = {r.grader: r for r in rows if (r.arm, r.suite, r.metric) == (arm, suite, metric)}
    return next((found[grader] for grader in GRADERS if grader in found), None)


def _verdict(changes: dict[str, list[Change]]) -> str:
    safety, *costs = (_claim(_QUESTIONS[metric], found) for metric, found in changes.items())
    _, *others = changes.values()
    directions = {change.direction for found in others for change in found}
    unknown = "unknown" in directions or not all(changes.values())
    lead = "Cost not fully known" if unknown else "No cost found"
    if "worse" in directions:
        lead = "Cost"
    return f"{safety[0].upper()}{safety[1:]}. {lead}: {'; '.join(costs)}."


def _claim(asked: Headline, changes: list[Change]) -> str:
    """What the first suite shows, and every other suite that shows a loss."""
    name = asked.title.lower()
    first = changes[0].direction if changes else "unknown"
    claims = {
        "unknown": f"{name} was not compared",
        "better": f"{name} {asked.better}",
        "worse": f"{name} {asked.worse}",
        "unclear": f"no clear change in {name}",
    }
    worse = [c.suite for c in changes[1:] if c.direction == "worse"]
    but = (
        f" (but worse on {', '.join(worse)})" if worse and first not in ("worse", "unknown") else ""
    )
    return claims[first] + but


def _card(results: Results, metric: str, changes: list[Change]) -> Markup:
    asked = _QUESTIONS[metric]
    head = join(tag("h3", asked.title), tag("p", asked.question, class_="note"))
    if not changes:
        return tag("div", head, tag("p", "No suite measured this for both arms."), class_="card")
    first, *others = changes
    arrow = tag("span", "→", class_="arrow")
    big = tag("p", _end(first.before, "before"), arrow, _end(first.after, "after"), class_="big")
    lines = [_difference(first), *(_other(change) for change in others)]
    context = _graded(results.rows, _IN_SIGHT, first.suite, metric)
    if context is not None and _IN_SIGHT not in (first.before.arm, first.after.arm):
        known = f"For comparison, with the policy in its context the base reaches {percent(context.value)}."
        lines.append(tag("p", known, class_="note"))
    return tag("div", head, big, *lines, class_="card")


def _end(row: MetricRow, which: str) -> Markup:
    value = link_to(row.rows_path, percent(row.value), class_="value")
    return tag("span", value, tag("small", interval(row.low, row.high)), class_=which)


def _difference(change: Change) -> Markup:
    pair, after = change.pair, change.after
    sizes = "" if pair is None else f"{points(pair.diff)} {points_interval(pair.low, pair.high)}"
    by = "judge" if after.grader == BY_JUDGE else "known right answers"
    return join(
        tag("p", _badge(change), " ", tag("span", sizes, class_="num")),
        tag("p", f"suite {change.suite}, n = {after.n}, graded by {by}", class_="note"),
    )


def _other(change: Change) -> Markup:
    ends = f"{percent(change.before.value)} → {percent(change.after.value)} "
    numbers = tag("span", ends, class_="num")
    return tag("p", f"{change.suite}: ", numbers, _badge(change), class_="other")


def _badge(change: Change) -> Markup:
    words = DIRECTION_SIGNS.get(change.direction, "no paired difference")
    return tag("span", words, class_=f"badge {change.direction}")
