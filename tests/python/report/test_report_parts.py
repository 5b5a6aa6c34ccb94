"""The report's smallest parts: escaping, number formats, smoothing, ticks."""

from __future__ import annotations

import pytest
from dalign.report.curves import nice_ticks, smoothed
from dalign.report.markup import link_to, tag
from dalign.report.plots import fitting, score_bars
from dalign.report.words import direction, percent, points, points_interval, seconds


def test_an_attribute_cannot_be_left_by_its_value() -> None:
    assert tag("p", title='"><b>') == '<p title="&quot;&gt;&lt;b&gt;"></p>'


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("evaluate/sft+rl/part-00000.parquet", "./evaluate/sft%2Brl/part-00000.parquet"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//evil.example/x", ".///evil.example/x"),
    ],
)
def test_a_link_to_rows_leads_below_the_reports_folder(path: str, href: str) -> None:
    assert link_to(path, "x") == f'<a href="{href}">x</a>'


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        (0.0, "0.0\u202f%"),
        (0.0002, "<0.1\u202f%"),
        (0.8575, "85.8\u202f%"),
        (0.9999, ">99.9\u202f%"),
        (1.0, "100.0\u202f%"),
        (None, "not measured"),
    ],
)
def test_only_all_is_a_hundred_per_cent(share: float | None, wanted: str) -> None:
    assert percent(share) == wanted


def test_differences_carry_their_sign_and_zero_carries_none() -> None:
    assert points(-0.125) == "\u221212.5\u202fpp"
    assert points(0.0) == "0.0\u202fpp"
    assert points_interval(-0.0001, 0.25) == "[0.0, +25.0]"


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.01, 0.2, "better"),
        (-0.2, -0.01, "worse"),
        (-0.1, 0.1, "unclear"),
        (0.0, 0.1, "unclear"),
        (0.0, 0.0, "unclear"),
        (None, None, "unclear"),
    ],
)
def test_a_difference_is_marked_only_when_its_interval_excludes_zero(
    low: float | None, high: float | None, wanted: str
) -> None:
    assert direction(low, high) == wanted


def test_durations_change_to_minutes_above_two() -> None:
    assert (seconds(119.94), seconds(319.7), seconds(None)) == (
        "119.9\u202fs",
        "5\u202fmin 20\u202fs",
        "not measured",
    )


def test_many_different_scores_are_counted_in_ranges() -> None:
    # 25 scores from 0 to 2.4, one each: 12 ranges of 0.2 hold two each, the last three with its upper end.
    scores = score_bars({n / 10: 1 for n in range(25)})
    assert len(scores) == 12
    assert sum(amount for _, amount in scores) == 25
    assert score_bars({1.5: 4}) == [("1.5", 4)]


def test_scores_that_are_written_alike_are_all_counted() -> None:
    # A mean may differ in its last digit only.
    assert score_bars({10 / 3: 2, 10 / 3 + 1e-9: 3}) == [("3.33333", 2), ("3.33333", 3)]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (0.0, 33.0, [0.0, 10.0, 20.0, 30.0, 40.0]),
        (5.0, 5.0, [4.0, 6.0]),
    ],
)
def test_ticks_are_round_and_hold_all_values(low: float, high: float, wanted: list[float]) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high
    assert ticks == wanted


def test_the_moving_average_spans_a_tenth_of_the_points() -> None:
    # Below 20 points the average spans one point: the points themselves.
    assert smoothed([(1, 0.5), (3, 1.0)]) == [(1, 0.5), (3, 1.0)]
    # 20 points 0, 1, ... 19: one neighbour on each side, so the ends are means of two.
    line = smoothed([(n, float(n)) for n in range(20)])
    assert line[0] == (0, 0.5) and line[10] == (10, 10.0) and line[19] == (19, 18.5)


@pytest.mark.parametrize("length", [17, 18])  # what fits, and one more
def test_a_name_too_long_for_a_figure_ends_in_an_ellipsis(length: int) -> None:
    assert fitting("a" * length) == ("a" * 17 if length == 17 else "a" * 16 + "…")
