"""Judging that stops where nothing more can change: the same completions pass as with all judgements, at fewer calls."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging, Question, ScoreForm
from dalign.judge.scale import Scale, can_pass, needed, scores_of
from dalign.models.ask import Ask
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Request, Sampling
from dalign.rows import Message
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import ENGLISH

ASKED = (Message(role="user", content="What is a contract?"),)
FORM = ScoreForm(load_spec(ENGLISH), load_templates(ENGLISH), sub_scores=("compliance",))
WAYS = [
    ("min", None), ("mean", None), ("median", None), ("quantile", 0.25), ("quantile", 0.8), ("trimmed_mean", 0.25), ("trimmed_mean", 0.4),
    ("lower_bound", 0.95), ("lower_bound", 0.5), ("soft_min", 0.5), ("soft_min", 4.0),
]  # fmt: skip
# Scores of the k judgements of a completion; None: one that fails.
Table = list[list[int | None]]


def questions(count: int) -> dict[str, Question]:
    return {
        f"row {n}": Question("regulated-advice", ASKED, f"answer {n}", None) for n in range(count)
    }


def judged(
    table: Table, scale: Scale, least: float | None
) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Verdicts and scores of completions whose judgements say these scores, and the ids of the requests, in their order."""
    judging = Judging(Court((), 5), FORM, scale, Sampling(0.5, 64), least)
    every = judging.court.put(FORM, questions(len(table)), scale.k).requests
    place = {request.id: number for number, request in enumerate(every)}
    asked: list[str] = []

    def reply(request: Request) -> str:
        asked.append(request.id)
        row, sample = divmod(place[request.id], scale.k)
        score = table[row][sample]
        return "no idea" if score is None else f"compliance: {score}\nScore: {score}"

    verdicts, scores = judging(questions(len(table)), Ask(ScriptedEngine(reply)))
    return verdicts, scores, asked


def kept(scores: pl.DataFrame, least: float) -> list[str]:
    return scores.filter(pl.col("score") >= least)["completion_id"].to_list()


tables = st.integers(1, 4).flatmap(
    lambda k: st.lists(
        st.lists(st.sampled_from([0, 3, 7, 9, 10, None]), min_size=k, max_size=k),
        min_size=1,
        max_size=6,
    )
)


@settings(max_examples=200, deadline=None)
@given(
    tables, st.sampled_from(WAYS), st.sampled_from([0.0, 3.0, 7.0, 8.5, 10.0]), st.integers(1, 4)
)
def test_the_same_completions_pass_with_the_same_scores(
    table: Table, way: tuple[str, float | None], least: float, valid: int
) -> None:
    k = len(table[0])
    scale = Scale(k, min(valid, k), 0.0, 10.0, *way, ("compliance",))
    all_verdicts, all_scores, everything = judged(table, scale, None)
    verdicts, scores, asked = judged(table, scale, least)
    passed = kept(all_scores, least)
    assert kept(scores, least) == passed
    is_kept = pl.col("completion_id").is_in(passed)
    assert scores.filter(is_kept).equals(all_scores.filter(is_kept))
    # What was asked is what would have been, in its order, and nothing is asked twice.
    assert verdicts.equals(all_verdicts.filter(pl.col("id").is_in(asked)))
    assert len(asked) == len(set(asked)) == verdicts.height <= len(everything)
    assert scores["completion_id"].to_list() == list(questions(len(table)))
    # As many as all judgements tell that it takes.
    assert needed(all_verdicts, scale, least) == len(asked)
    # A score that fell short is of what was asked; where too many failed there is none.
    for row, score in zip(table, scores["score"], strict=True):
        failed = sum(one is None for one in row)
        assert score is None or score <= 10.0
        assert (score is None) <= (k - failed < scale.min_valid or way[0] == "lower_bound")


def test_a_completion_is_asked_about_as_long_as_it_can_pass() -> None:
    scale = Scale(4, 4, 0.0, 10.0, "min", None)
    table: Table = [[9, 8, 7, 10], [6, 9, 9, 9], [9, None, 9, 9], [9, 9, 9, 2]]
    verdicts, scores, asked = judged(table, scale, 7.0)
    # Sample by sample, and of each completion so many.
    counts = verdicts.group_by("completion_id", maintain_order=True).len()["len"].to_list()
    assert counts == [4, 1, 2, 4] and len(asked) == 11
    assert verdicts["sample"].to_list() == [0, 1, 2, 3, 0, 0, 1, 0, 1, 2, 3]
    assert scores["score"].to_list() == [7.0, 6.0, None, 2.0]
    assert scores["n_valid"].to_list() == [4, 1, 1, 4]
    # Nothing can fall below the scale's own end.
    assert len(judged(table, scale, 0.0)[2]) == 4 + 4 + 2 + 4


def test_a_mean_stops_where_the_highest_scores_would_not_lift_it() -> None:
    scale = Scale(4, 4, 0.0, 10.0, "mean", None)
    verdicts, scores, _ = judged([[0, 8, 9, 9], [0, 7, 9, 9], [0, 10, 9, 9]], scale, 7.0)
    # 0 + 3 · 10 still makes 7.5, 0 + 8 + 20 makes 7.0, 0 + 7 + 20 does not.
    assert verdicts["completion_id"].value_counts(sort=True)["count"].to_list() == [4, 3, 2]
    assert scores["score"].to_list() == [pytest.approx(17 / 3), 3.5, 7.0]


@pytest.mark.parametrize(("low", "high"), [(0.0, 30000000.1), (-1e9, 1 / 3)])
def test_a_sum_that_is_rounded_loses_nobody(low: float, high: float) -> None:
    scale = Scale(6, 1, low, high, "mean", None)
    rows = np.full((8, 6), np.nan)
    for n in range(8):
        rows[n, : n % 6 + 1] = high
    for asked in range(1, 7):
        assert can_pass(rows, asked, scale, high).all()


def test_half_of_the_calls_are_saved_where_three_in_four_fail() -> None:
    scale = Scale(4, 4, 0.0, 10.0, "min", None)
    table: Table = [[9, 9, 9, 9] if n % 4 == 0 else [3, 9, 9, 9] for n in range(40)]
    assert len(judged(table, scale, 7.0)[2]) == 40 + 3 * 10
    assert math.isclose(
        len(judged(table, scale, 7.0)[2]) / len(judged(table, scale, None)[2]), 0.4375
    )
    assert scores_of(judged(table, replace(scale, min_valid=1), 7.0)[0], scale).height == 40
