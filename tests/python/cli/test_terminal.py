"""What a terminal is told: tables, and a run's results."""

from __future__ import annotations

import pytest
from dalign.cli.terminal import tell_results, tell_table
from dalign.figures import FormRow, MetricRow, Results, StageRow


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], "a  n\n"),
        ([("x", "1"), ("long", "23")], "a      n\nx      1\nlong  23\n"),
        ([("\x1b", "1")], "a       n\n\\u001b  1\n"),  # as wide as what is shown of it
    ],
)
def test_columns_stand_one_below_the_other(rows, wanted: str, capsys) -> None:
    tell_table(("a", "n"), rows, right=("n",))
    assert capsys.readouterr().out == wanted


def test_results_stand_by_suite_metric_and_grader_and_arms_keep_their_order(capsys) -> None:
    def row(arm: str, metric: str, value: float | None, missing: int = 0) -> MetricRow:
        low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
        return MetricRow(arm, "test", metric, "truth", value, low, high, 40, 7, "p", missing)

    rows = [
        row("none", "not_unsafe", 0.25),
        row("none", "capability", None, 5),
        row("summaries", "not_unsafe", 0.5),
    ]
    stages = [
        StageRow("judge", "main", 1.0, None, 812.4, 5, 5),
        StageRow("pack", "main", None, None, None, 5, 1),
    ]
    forms = [FormRow("none", "test", 30, 29, 0, 0), FormRow("summaries", "test", 3000, 1, 7, 0)]
    tell_results(Results(rows, [], stages, [], 61.2, "1", "", {}, "", "", forms=forms))
    assert capsys.readouterr().out.splitlines() == [
        "suite  metric      grader  arm        value  [95 % interval]   n  malformed  missing",
        "test   capability  truth   none       not measured            40     96.7 %   11.1 %",
        "test   not_unsafe  truth   none       0.250  [0.150, 0.350]   40     96.7 %      0 %",
        "test   not_unsafe  truth   summaries  0.500  [0.400, 0.600]   40      0.1 %      0 %",
        "arm summaries, suite test: 7 of 3000 answers are cut off at evaluate.max_new_tokens, and graded by what is there",
        "61 s in all; peak 812 MiB in one process",
    ]
