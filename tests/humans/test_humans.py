"""Real labels of people, and every statistic beside the packages of the field: run by `make test-humans`, which fetches both."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dalign.data.labels import Reading, read_labels
from dalign.errors import InputError
from dalign.figures import wilson
from dalign.judge.agreement import (
    auroc,
    best_threshold,
    cohen_kappa,
    confusion,
    fleiss_kappa,
    krippendorff_alpha,
    reliability_diagram,
)
from dalign.judge.calibration import raters_of

pytestmark = pytest.mark.humans

NEAR = 1e-9
SETS = range(200)
HUMANS = Path(os.environ.get("DALIGN_HUMANS", "target/humans"))
SCORED = HUMANS / "packages/pyrit/datasets/scorer_evals"


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of 20 to 300 answers, with ties."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 300))
    passes = rng.random(n) < rng.uniform(0.2, 0.8)
    passes[:2] = True, False
    return passes, np.round(
        np.clip(5 + 3 * passes + 3 * rng.normal(size=n), 0, 10), int(rng.integers(0, 3))
    )


@pytest.mark.parametrize("seed", SETS)
def test_each_statistic_is_that_of_the_field(seed: int) -> None:
    import krippendorff
    from sklearn import metrics
    from sklearn.calibration import calibration_curve
    from statsmodels.stats.inter_rater import fleiss_kappa as fleiss
    from statsmodels.stats.proportion import proportion_confint

    passes, scores = drawn(seed)
    says, rng = scores >= 6, np.random.default_rng(seed)
    table = metrics.confusion_matrix(passes, says)
    found = confusion(passes, says)
    assert table.tolist() == [
        [found.failed_rightly, found.passed_wrongly],
        [found.failed_wrongly, found.passed_rightly],
    ]
    kappa = metrics.cohen_kappa_score(passes, says)
    assert cohen_kappa(passes.tolist(), says.tolist()) == pytest.approx(kappa, abs=NEAR)
    assert auroc(passes, scores) == pytest.approx(metrics.roc_auc_score(passes, scores), abs=NEAR)
    wrong, right, at = metrics.roc_curve(passes, scores, drop_intermediate=False)
    best = best_threshold(passes, scores)
    assert best is not None
    assert 2 * best.balanced - 1 == pytest.approx((right - wrong)[1:].max(), abs=NEAR)
    assert best.score in at[1:][np.isclose((right - wrong)[1:], (right - wrong)[1:].max())]
    low, high = proportion_confint(int(says.sum()), len(says), method="wilson")
    assert wilson(says.mean(), len(says)) == pytest.approx((low, high), abs=NEAR)
    raters = rng.integers(0, 3, size=(len(passes), 4))
    counts = np.stack([(raters == label).sum(1) for label in range(3)], 1)
    assert fleiss_kappa(counts) == pytest.approx(fleiss(counts), abs=NEAR)
    holes = np.where(rng.random(raters.shape) < 0.3, np.nan, raters)
    given = [[value for value in row if value == value] for row in holes.tolist()]
    for scale in ("nominal", "ordinal", "interval"):
        wanted = krippendorff.alpha(holes.T, level_of_measurement=scale)
        assert krippendorff_alpha(given, scale) == pytest.approx(wanted, abs=NEAR)
    share, mean = calibration_curve(passes, scores / 10, n_bins=10)
    bins = reliability_diagram(passes, scores, 0.0, 10.0)
    # Theirs closes a bin at its upper end.
    if not np.isin(scores, np.arange(1, 10)).any():
        assert [b.passing.value for b in bins] == pytest.approx(share.tolist(), abs=NEAR)
        assert [b.mean / 10 for b in bins] == pytest.approx(mean.tolist(), abs=NEAR)


def files() -> list[Path]:
    return [
        *sorted(SCORED.glob("harm/*.csv")),
        *sorted(SCORED.glob("objective/*.csv")),
        *sorted(SCORED.glob("refusal_scorer/*.csv")),
    ]


def test_every_file_that_people_scored_is_read_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Harm from 0 to 1, by one rater or three; objectives and refusals, 0 or 1."""
    rows, several, unread = 0, 0, list[str]()
    with capsys.disabled():
        print()
        for path in files():
            lines = [line for line in path.read_text("utf-8").splitlines(keepends=True) if line]
            head = next(csv.reader([next(line for line in lines if not line.startswith("#"))]))
            columns = tuple(name for name in head if name.startswith("human_score"))
            try:
                answers = read_labels(path, Reading(columns=columns, fails_from=0.5))
            except InputError as error:
                # Too few rows, or of one kind, tell nothing, and that is said.
                is_known = error.kind in ("too_small", "unknown_choice")
                unread += [] if is_known else [f"{path}: {error}"]
                print(f"{path.parent.name}/{path.name}: {error}")
                rows += pl.read_csv(path, comment_prefix="#").height
                continue
            told = raters_of(answers)
            rows, several = rows + len(answers), several + len(answers) * (len(columns) > 1)
            assert len(told.names) == len(columns)
            alpha = (
                ""
                if told.alpha is None
                else f", alpha {told.alpha:.3f}, Fleiss' kappa {told.fleiss:.3f}, tied {told.ties}"
            )
            print(
                f"{path.parent.name}/{path.name}: {len(answers)} answers, {len(columns)} raters{alpha}"
            )
    assert not unread
    assert (rows, several) == (1005 + 395 + 169, 401)


def test_three_raters_are_those_of_the_package_of_the_field() -> None:
    import krippendorff
    from statsmodels.stats.inter_rater import aggregate_raters
    from statsmodels.stats.inter_rater import fleiss_kappa as fleiss

    path = SCORED / "harm/violence_multi_score.csv"
    columns = tuple(f"human_score_{n}" for n in (1, 2, 3))
    told = raters_of(read_labels(path, Reading(columns=columns, fails_from=0.5)))
    frame = pl.read_csv(path, comment_prefix="#").select(pl.col(columns).cast(pl.Float64) < 0.5)
    matrix = frame.to_numpy().astype(float)
    assert told.alpha == pytest.approx(
        krippendorff.alpha(matrix.T, level_of_measurement="nominal"), abs=NEAR
    )
    assert told.fleiss == pytest.approx(fleiss(aggregate_raters(matrix)[0]), abs=NEAR)
    json.dumps(told.cohen)
