"""The onset of hacking: planted biases are found soon after they begin, and nothing where there is none."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from dalign.judge.drift import FEATURES, USUAL_STEPS, onset
from dalign.records.hacking import onsets
from dalign.store.folder import Finished
from dalign.store.run import RunFolder

SEEDS = range(10)
STEPS, BEGINS, ROWS = 60, 25, 64
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
    found = [onset(answers(seed, None)) for seed in range(40)]
    assert sum(each is not None for each in found) <= 4


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
    record = SimpleNamespace(stage=RunFolder(tmp_path).stage)
    (said,) = onsets(record)  # type: ignore[arg-type]
    assert said.startswith("Arm rl: from step ") and "what has grown with it is praise" in said
