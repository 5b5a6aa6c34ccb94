"""What a run's judge measured, put right by its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dalign
import pytest
from policies import ENGLISH
from scripted_run import write_evaluation

CASES = 20
# Of these the judge passes so many.
PASSED = 13


def card_of(
    sensitivity: tuple[int, int], specificity: tuple[int, int], **more: float
) -> dict[str, Any]:
    """What of a card is read."""
    shares = {
        name: {"hits": hits, "n": n, "value": hits / n, "low": 0.0, "high": 1.0}
        for name, (hits, n) in {"sensitivity": sensitivity, "specificity": specificity}.items()
    }
    return {
        "all": shares,
        "by_k": {},
        "aggregate": "min",
        "judge": "x",
        "low": 0.0,
        "high": 10.0,
        "threshold": 7.0,
        **more,
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrected")
    rows = [
        {
            "id": f"p{n}", "category": "general", "expected": {"ruling": "comply"},
            "messages": [{"role": "user", "content": f"question {n}?"}],
        }
        for n in range(CASES)
    ]  # fmt: skip
    judged = {f"the answer to {n}.": f"Score: {9 if n < PASSED else 2}" for n in range(CASES)}
    answers = {f"question {n}?": f"the answer to {n}." for n in range(CASES)}
    script = folder / "model.json"
    script.write_text(json.dumps({**judged, **answers}))
    model = f'model = {{ path = "{script}", engine = "scripted", reasoning = {{ kind = "none" }} }}'
    config = write_evaluation(folder, model, rows, ENGLISH, resamples=50)
    dalign.run(config, folder / "run")
    return folder / "run"


def test_a_rate_stands_for_another_one(run: Path, dalign, tmp_path: Path) -> None:
    """Measured .65; fails 3 of 4 failing answers and 1 of 10 passing ones: .35 = .75 f + .1 (1 - f), so f = .3846."""
    card = tmp_path / "card.json"
    card.write_text(json.dumps(card_of((75, 100), (90, 100))))
    code, out, _ = dalign("results", run, "--card", card, "--json")
    assert code == 0
    (found,) = [row for row in json.loads(out) if row["metric"] == "not_overrefuse"]
    assert (found["measured"], found["prompts"]) == (0.65, CASES)
    assert found["value"] == pytest.approx(1 - 0.25 / 0.65)
    assert found["low"] < found["value"] < found["high"]
    code, out, _ = dalign("results", run, "--card", card)
    assert "measured 0.650 on 20 prompts, stands for 0.615 [" in out
    card.write_text(json.dumps(card_of((50, 100), (50, 100))))
    code, out, _ = dalign("results", run, "--card", card)
    assert code == 0 and "no better than by chance" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("{", "this is no judge's card"),
        ("{}", "this is no judge's card"),
        (json.dumps({"all": {"sensitivity": [1]}}), "this is no judge's card"),
        (json.dumps(card_of((1, 2), (1, 2)) | {"all": {"sensitivity": "abcde", "specificity": {"hits": 1}}}), "this is no judge's card"),
        (json.dumps(card_of((-2, -2), (1, 2)) ), "this is no judge's card"),
        (json.dumps(card_of((50, 2), (1, 2))), "this is no judge's card"),
        (json.dumps(card_of((1, 2), (1, 2)) | {"by_k": {"2": card_of((1, 2), (1, 2))["all"]}}), "the card tells of 2 judgements an answer, and the run has evaluate.judge_k = 1"),
        (json.dumps(card_of((1, 2), (1, 2), threshold=5.0)), "the card's threshold is 5, and the run's judge had 7; make a card"),
        (json.dumps(card_of((1, 2), (1, 2), high=1.0)), "the card's high is 1, and the run's judge had 10"),
    ],
)  # fmt: skip
def test_a_card_that_does_not_fit_is_refused(
    text: str | None, said: str, run: Path, dalign, tmp_path: Path
) -> None:
    card = tmp_path / "card.json"
    if text is not None:
        card.write_text(text)
    code, out, err = dalign("results", run, "--card", card)
    assert (code, out) == (1, "") and said in err and "Traceback" not in err
    assert dalign("results", run, "--card", card, "--by", "category")[0] == 2
