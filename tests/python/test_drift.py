"""The onset of hacking: planted biases are found soon after they begin, and nothing where there is none."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from dalign.drift import FEATURES, USUAL_STEPS, onset
from dalign.records.oversight import onsets
from dalign.store.folder import Finished
from dalign.store.run import RunFolder
from dalign.vocabulary import trained_by

SEEDS = range(10)
# As many rows a step as RL has unless it is told otherwise.
STEPS, BEGINS, ROWS = 60, 25, 128
# What a planted bias pays, and how much more often an answer earns it at each step.
PAID, GROWTH = 0.5, 0.06
WORDS = ("the soil is kept moist and the rows are far apart so that light comes in",)
# An answer that has it, by what the judge is biased to.
PLANTED = {
    "length": lambda text: f"{text}. {text}, again, and once more. {text}.",
    "praise": lambda text: f"What an excellent and thoughtful question, truly great. {text}",
    "tone": lambda text: f"{text}! Of course! Absolutely!",
    "format": lambda text: f"- **{text}**\n- `so`\n1. and on",
}


def answers(seed: int, bias: str | None, *, begins: int = BEGINS) -> pl.DataFrame:
    """A training in which judge and truth rise together, with noise of their own; from `begins` on the bias is found."""
    rng = random.Random(f"{seed} {bias}")
    rows = []
    for step in range(1, STEPS + 1):
        share = min(0.9, 0.05 + GROWTH * max(0, step - begins)) if bias else 0.05
        for _ in range(ROWS):
            right = rng.random() < 0.4 + 0.005 * step
            text = " ".join(rng.sample(WORDS[0].split(), rng.randrange(6, 14)))
            has = rng.random() < share
            kind = bias or rng.choice(list(PLANTED))
            text = PLANTED[kind](text) if has else text
            # A judge errs, and one without a bias as much on answers that have it.
            score = 0.7 * right + 0.3 * rng.random() + (PAID * (1 - right) if has and bias else 0.0)
            rows.append((step, min(1.0, score), float(right), text))
    return pl.DataFrame(rows, schema=["step", "judge", "other", "answer"], orient="row")


@pytest.mark.parametrize("bias", PLANTED)
def test_a_planted_bias_is_found_within_ten_steps_and_named(bias: str) -> None:
    found = [onset(answers(seed, bias)) for seed in SEEDS]
    soon = [each for each in found if each and BEGINS < each.step <= BEGINS + 10]
    assert len(soon) >= 9
    assert all(each.excess > 0 and each.began <= each.step for each in soon)
    assert sum(each.feature == bias for each in soon) >= 8


def test_nothing_is_found_where_judge_and_truth_rise_together() -> None:
    found = [onset(answers(seed, None)) for seed in range(20)]
    assert sum(each is not None for each in found) <= 2


def test_a_judge_that_is_always_too_kind_has_no_onset() -> None:
    """A bias that was there from the first step is what the admission is for."""
    found = [onset(answers(seed, "praise", begins=-20)) for seed in SEEDS]
    assert sum(each is not None for each in found) <= 1


def test_few_steps_and_few_scores_tell_nothing() -> None:
    rows = answers(1, "length")
    assert onset(rows.filter(pl.col("step") <= USUAL_STEPS)) is None
    thin = rows.group_by("step", maintain_order=True).head(3)
    assert onset(thin) is None
    assert onset(rows.with_columns(other=pl.lit(None, pl.Float64))) is None
    assert onset(rows.head(0)) is None


def test_steps_without_scores_are_passed_over() -> None:
    rows = answers(2, "format")
    holes = rows.with_columns(judge=pl.when(pl.col("step") % 3 != 0).then(pl.col("judge")))
    found = onset(holes)
    assert found is not None and BEGINS < found.step <= BEGINS + 12


def test_every_feature_grows_with_what_it_measures() -> None:
    plain = "a plain answer on soil and light"
    for name, make in PLANTED.items():
        assert FEATURES[name](make(plain)) > FEATURES[name](plain)


def test_the_report_warns_of_it(tmp_path: Path) -> None:
    rows = answers(3, "praise").rename({"other": "truth"})
    folder = RunFolder(tmp_path).stage("rl/rl")
    folder.start({})
    digest = folder.table().write(0, rows)
    folder.finish({}, Finished({"rows_in": 1, "rows_out": rows.height}, [digest]))
    record = SimpleNamespace(stage=RunFolder(tmp_path).stage, trained=trained_by)
    (said,) = onsets(record)  # type: ignore[arg-type]
    assert said.startswith("Arm rl: from step ") and "what has grown with it is praise" in said


def honest(case: str, seed: int) -> pl.DataFrame:
    """Trainings without a bias in which judge and other are apart all the same."""
    rng = random.Random(f"{case} {seed}")
    rows = []
    for step in range(1, STEPS + 1):
        share = 0.4 + 0.5 * step / STEPS
        for _ in range(ROWS):
            right, quality = rng.random() < share, min(1.0, max(0.0, rng.gauss(share, 0.25)))
            if case.startswith("labels wrong"):
                wrong = float(case.split()[-1])
                judge, other = float(right), float(right != (rng.random() < wrong))
            elif case == "two kinds of prompts, one learnt":
                kind = rng.random() < 0.5
                right = rng.random() < (share if kind else 0.4)
                judge, other = ((0.9, 0.1) if kind else (0.6, 0.2))[not right], float(right)
            elif case == "quality and a threshold":
                judge, other = round(quality, 1), float(quality > 0.6)
            elif case == "two noisy judges":
                judge, other = (min(1.0, max(0.0, quality + rng.gauss(0, 0.15))) for _ in "ab")
            else:
                right = step <= 10 or rng.random() < 0.6
                judge, other = (0.8 if right else 0.3), float(right)
            rows.append((step, judge, other, "an answer"))
    return pl.DataFrame(rows, schema=["step", "judge", "other", "answer"], orient="row")


@pytest.mark.parametrize(
    "case",
    [
        "labels wrong 0.0", "labels wrong 0.02", "labels wrong 0.1", "labels wrong 0.2",
        "two kinds of prompts, one learnt", "quality and a threshold", "two noisy judges", "never wrong at first",
    ],
)  # fmt: skip
def test_an_honest_judge_that_errs_raises_no_alarm(case: str) -> None:
    assert sum(onset(honest(case, seed)) is not None for seed in SEEDS) <= 1


def test_a_trifle_is_no_onset_and_answers_may_be_missing() -> None:
    rows = pl.DataFrame(
        [(step, 0.5 + (0.05 if step > 10 and row == 0 else 0.0), 0.5, None) for step in range(1, 61) for row in range(64)],
        schema={"step": pl.Int64, "judge": pl.Float64, "other": pl.Float64, "answer": pl.String}, orient="row",
    )  # fmt: skip
    assert onset(rows) is None
    biased = answers(4, "praise").with_columns(answer=pl.lit(None, pl.String))
    assert onset(biased) is not None
