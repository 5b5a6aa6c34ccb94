"""A run with a card of its own judge (evaluate.judge_card): kept in its inputs, shown in its report, used by `dalign results`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from dalign.data.judge_card import AskedJudge, errors_told, read_card
from dalign.errors import InputError
from dalign.library import run as go
from dalign.records.record import open_record
from dalign.records.report_content import report_content
from dalign.records.results import results_of
from dalign.settings import load_config
from policies import ENGLISH
from scripted_run import write_evaluation

CASES = 20
# Of these the judge passes so many.
PASSED = 13


def share(hits: int, n: int) -> dict[str, Any]:
    return {"hits": hits, "n": n, "value": hits / n, "low": 0.0, "high": 1.0}


def card_of(judge: str, **more: Any) -> dict[str, Any]:
    """A card of a judge that fails 75 of 100 failing answers and passes 90 of 100 passing ones."""
    errors = {"sensitivity": share(75, 100), "specificity": share(90, 100)}
    return {
        "judge": judge, "raters": {"names": ["ann", "ben"]}, "low": 0.0, "high": 10.0, "threshold": 7.0, "aggregate": "min",
        "all": errors, "by_k": {}, "diagram": [[0.0, 1.0, 80, 0.5, share(20, 80)], [9.0, 10.0, 120, 9.5, share(80, 120)]], **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run without a card, and three cards beside it."""
    folder = tmp_path_factory.mktemp("carded")
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
    cards = {
        "card": card_of(str(script)),
        "other": card_of("another judge"),
        "narrow": card_of(str(script), high=1.0),
    }
    for name, card in cards.items():
        (folder / f"{name}.json").write_text(json.dumps(card))
    # A copy of the project is another config of the same run.
    config.write_text(config.read_text().replace('"prompts.jsonl"', f'"{folder}/prompts.jsonl"'))
    go(config, folder / "run")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it, whose config has the card beside it; the prompts are those of the first one."""
    place = Path(shutil.copytree(made, tmp_path / "project"))
    config = place / "dalign.toml"
    config.write_text(
        config.read_text().replace("[evaluate]\n", '[evaluate]\njudge_card = "card.json"\n')
    )
    return place


def corrected(dalign, run: Path) -> tuple[dict[str, Any], str]:
    """What the run's results hold of a card, and stderr."""
    code, out, err = dalign("results", run, "--json")
    assert code == 0, err
    return json.loads(out).get("judge_card"), err


def test_the_key_is_a_path_beside_the_config(project: Path) -> None:
    config = load_config(project / "dalign.toml", [])
    assert config.evaluate.judge_card == project / "card.json"
    assert load_config(project / "dalign.toml", ["evaluate.judge_card=none"]).evaluate.judge_card is None  # fmt: skip


def test_a_run_that_is_moved_goes_on_with_its_card(project: Path, tmp_path: Path, dalign) -> None:
    code, _, err = dalign("run", project / "dalign.toml", "--run", tmp_path / "new")
    assert code == 0 and "warning" not in err, err
    (tmp_path / "new").rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    shutil.rmtree(project)
    told, err = corrected(dalign, moved)
    assert err == "" and told["sensitivity"]["hits"] == 75 and told["agreement"]["n"] == 200
    (row,) = told["corrected"]
    # Measured .65: .35 = .75 f + .1 (1 - f).
    assert row["metric"] == "not_overrefuse" and row["value"] == pytest.approx(1 - 0.25 / 0.65)
    code, out, _ = dalign("results", moved)
    assert "by the run's own card of its judge (evaluate.judge_card): of " in out
    assert "measured 0.650 on 20 prompts, stands for 0.615 [" in out
    (moved / "report.html").unlink()
    assert dalign("report", "--run", moved)[0] == 0
    page = (moved / "report.html").read_text()
    assert "Reliability of the judge" in page and "labelled answers" in page
    assert dalign("verify", moved)[0] == 0
    # Another setting touches no card, whose file is gone.
    code, _, err = dalign("report", "--run", moved, "--set", "evaluate.max_missing=0.5")
    assert code == 0, err
    assert corrected(dalign, moved)[0] is not None


def test_a_damaged_card_is_named_and_never_told_of(project: Path, tmp_path: Path, dalign) -> None:
    new = tmp_path / "new"
    assert dalign("run", project / "dalign.toml", "--run", new)[0] == 0
    kept = new / "inputs" / "judge_card.json"
    kept.write_text(kept.read_text().replace("75", "99"))
    code, out, err = dalign("results", new)
    assert (code, out) == (1, "") and f"{kept}: damaged or lost (changed)" in err
    assert dalign("run", "--run", new)[0] == 0
    assert corrected(dalign, new)[0]["sensitivity"]["hits"] == 75


@pytest.mark.parametrize("how", ["run", "report", "report --set"])
def test_a_finished_run_gets_a_card_and_redoes_nothing(how: str, project: Path, dalign) -> None:
    run, config = project / "run", project / "dalign.toml"
    assert corrected(dalign, run)[0] is None
    before = (run / "evaluate" / "none" / "manifest.json").read_bytes()
    words = {
        "run": ["run", config, "--run", run],
        "report": ["report", config, "--run", run],
        "report --set": ["report", "--run", run, "--set", f"evaluate.judge_card={project}/card.json"],
    }[how]  # fmt: skip
    code, _, err = dalign(*words)
    assert code == 0, err
    assert (run / "evaluate" / "none" / "manifest.json").read_bytes() == before
    assert "Reliability of the judge" in (run / "report.html").read_text()
    (project / "card.json").unlink()
    assert corrected(dalign, run)[0]["sensitivity"]["hits"] == 75
    assert dalign("verify", run)[0] == 0
    # And loses it again.
    assert dalign("report", "--run", run, "--set", "evaluate.judge_card=none")[0] == 0
    assert corrected(dalign, run)[0] is None and not (run / "inputs" / "judge_card.json").exists()
    assert "No card of the judge was given" in (run / "report.html").read_text()
    assert dalign("verify", run)[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file; make one: dalign judge calibrate FILE --out CARD, or leave the key out"),
        ("{", "this is no judge's card; make one"),
        (json.dumps(card_of("x", diagram=[[0, 1, 2]])), "this is no judge's card"),
        (json.dumps(card_of("x", diagram=[[0, 1, 2, float("nan"), share(1, 2)]])), "this is no judge's card"),
        (json.dumps(card_of("x", low=10**400)), "this is no judge's card"),
        (json.dumps(card_of("x", by_k={"many": card_of("x")["all"]})), "this is no judge's card"),
        (json.dumps(card_of("x", raters=3)), "this is no judge's card"),
        (json.dumps(card_of("x", high=1.0)), "the card's high is 1, and the run's judge had 10"),
        (json.dumps(card_of("x", threshold=5.0)), "the card's threshold is 5, and the run's judge had 7"),
        (json.dumps(card_of("x", by_k={"2": card_of("x")["all"]})), "the card tells of 2 judgements an answer"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", [["run"], ["run", "--dry-run"], ["plan"]])
def test_a_card_that_does_not_fit_is_refused_before_the_run(
    words: list[str], text: str | None, said: str, project: Path, tmp_path: Path, dalign
) -> None:
    card = project / "card.json"
    card.unlink()
    if text is not None:
        card.write_text(text)
    name, *options = words
    code, out, err = dalign(name, project / "dalign.toml", "--run", tmp_path / "new", *options)
    assert (code, out) == (1, "") and said in err and "Traceback" not in err
    assert str(card) in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_a_finished_run_keeps_the_card_that_it_has_where_another_is_refused(
    project: Path, dalign
) -> None:
    run = project / "run"
    given = ["report", "--run", run, "--set"]
    assert dalign(*given, f"evaluate.judge_card={project}/card.json")[0] == 0
    for name, said in (("narrow", "the card's high is 1"), ("lost", "no such file; make one")):
        code, _, err = dalign(*given, f"evaluate.judge_card={project}/{name}.json")
        assert code == 1 and said in err and "Traceback" not in err
        assert corrected(dalign, run)[0]["sensitivity"]["hits"] == 75


def test_a_card_of_another_judge_is_told_wherever_it_speaks(project: Path, dalign) -> None:
    run, said = project / "run", "The judge's card is of 'another judge', and this run's judge is '"
    other = f"evaluate.judge_card={project}/other.json"
    code, _, err = dalign("run", project / "dalign.toml", "--run", run, "--dry-run", "--set", other)
    assert code == 0 and f"warning: {said}" in err
    code, _, err = dalign("report", "--run", run, "--set", other)
    assert code == 0 and err.count(f"warning: {said}") == 1
    page = (run / "report.html").read_text()
    assert said in page and page.index(said) < page.index("Paired differences")
    assert said in corrected(dalign, run)[1]
    code, out, err = dalign("results", run, "--card", project / "card.json")
    assert (code, err) == (0, "") and "stands for 0.615" in out
    assert said in dalign("results", run, "--card", project / "other.json")[2]


def test_the_report_holds_what_the_card_says(project: Path, dalign) -> None:
    run = project / "run"
    without = open_record(run)
    assert report_content(without, results_of(without), created="").card is None
    assert dalign("run", project / "dalign.toml", "--run", run)[0] == 0
    record = open_record(run)
    content = report_content(record, results_of(record), created="")
    card = content.card
    assert card is not None and card.judge == record.config.judge_of_record.path
    assert (card.raters, card.judge_k, card.threshold) == (2, 1, 7.0)
    assert (card.errors.agreement.hits, card.errors.agreement.n) == (165, 200)
    # 100 fail and 100 pass by people, 85 and 115 by the judge: .825 agreed, .5 by chance.
    assert card.errors.kappa == pytest.approx(0.65)
    assert [(each.mean, each.passing.hits) for each in card.diagram] == [(0.5, 20), (9.5, 80)]
    (row,) = card.rows
    assert (row.arm, row.metric, row.measured, row.prompts) == ("none", "not_overrefuse", 0.65, 20)
    assert not any("card" in said for said in content.warnings)


def test_a_key_that_rows_depend_on_is_still_refused_beside_a_card(project: Path) -> None:
    with pytest.raises(InputError, match="samples"):
        go(project / "dalign.toml", project / "run", ["evaluate.samples=3"])


def test_a_malformed_completion_is_none_of_the_judges_errors(tmp_path: Path, dalign) -> None:
    """Of 100 completions 30 are malformed; of the other 70 the judge passes 45, as a share of .6 that keep the policy gives."""
    rows = [
        {"id": f"p{n}", "category": "general", "expected": {"ruling": "comply"}, "messages": [{"role": "user", "content": f"question {n}?"}]}
        for n in range(100)
    ]  # fmt: skip
    formed = [n for n in range(100) if n % 10 >= 3]
    said = {f"the answer to {n}.": f"Score: {9 if n in formed[:45] else 2}" for n in formed}
    for n in range(100):
        whole = f"<think>so</think>the answer to {n}." if n in formed else "no tags at all"
        said[f"question {n}?"] = whole
    script = tmp_path / "model.json"
    script.write_text(json.dumps(said))
    model = f'model = {{ path = "{script}", engine = "scripted", reasoning = {{ kind = "tags" }} }}'
    config = write_evaluation(tmp_path, model, rows, ENGLISH, resamples=50)
    card = tmp_path / "card.json"
    card.write_text(json.dumps(card_of(str(script))))
    run = tmp_path / "run"
    assert dalign("run", config, "--run", run, "--set", f"evaluate.judge_card={card}")[0] == 0
    [row] = corrected(dalign, run)[0]["corrected"]
    assert (row["measured"], row["prompts"]) == (pytest.approx(45 / 70), 70)
    # Sensitivity .75 and specificity .9 of the card.
    assert row["value"] == pytest.approx((45 / 70 - 0.25) / 0.65)


def test_a_card_made_anew_in_its_place_is_taken_again(project: Path, dalign) -> None:
    run, card = project / "run", project / "card.json"
    given = ["report", "--run", run, "--set", f"evaluate.judge_card={card}"]
    assert dalign(*given)[0] == 0
    told = json.loads(card.read_text())
    told["all"]["sensitivity"] = share(10, 100)
    card.write_text(json.dumps(told))
    assert dalign(*given)[0] == 0
    assert corrected(dalign, run)[0]["sensitivity"]["hits"] == 10
    # As a stop between the card and its seal leaves it.
    kept = run / "inputs" / "judge_card.json"
    kept.write_text(kept.read_text().replace("10", "11"))
    assert dalign("verify", run)[0] == 1
    assert dalign(*given)[0] == 0
    assert dalign("verify", run)[0] == 0 and corrected(dalign, run)[0]["sensitivity"]["hits"] == 10


@pytest.mark.parametrize(
    "odd",
    [
        {"diagram": [[0.0, 1.0, 80, 1e308, share(20, 80)]]},
        {"diagram": [[-1e308, 1e308, 80, 0.0, share(20, 80)]]},
        {"diagram": [[0.0, 1.0, 80, 0.5, share(20, 80)]] * 20_000},
        {"judge": "j" * 100_000},
        {"by_k": {"01": card_of("x")["all"]}},
        {"by_k": {"-7": card_of("x")["all"]}},
    ],
)
def test_a_card_that_no_calibration_wrote_is_refused(project: Path, dalign, odd: dict) -> None:
    card = project / "odd.json"
    card.write_text(json.dumps(card_of(str(project / "model.json")) | odd))
    code, _, err = dalign(
        "report", "--run", project / "run", "--set", f"evaluate.judge_card={card}"
    )
    assert code == 1 and "make one: dalign judge calibrate" in err and len(err) < 600


def test_a_judges_name_forges_no_line(project: Path, dalign) -> None:
    card = project / "odd.json"
    card.write_text(json.dumps(card_of("m\nrl  test  not_unsafe  measured 0.999")))
    run = project / "run"
    assert dalign("report", "--run", run, "--set", f"evaluate.judge_card={card}")[0] == 0
    out = dalign("results", run)[1]
    assert not any(line.startswith("rl  test") for line in out.splitlines())


# A card's settings, how the run asks, and what is said; None: it fits.
HOWS: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "as before, saying nothing": ({}, {"parameter": 0.25}, None),
    "another quantile": ({"parameter": 0.5}, {"parameter": 0.25}, "had 0.5 as quantile's parameter, and the run's has 0.25"),
    "another quantile, one judgement": ({"parameter": 0.5}, {"parameter": 0.25, "k": 1}, None),
    "the same": ({"parameter": 0.5, "reduce": "score", "veto": ["a.S1"]}, {"parameter": 0.5, "veto": ["a.S1"]}, None),
    "a product": ({"reduce": "product", "veto": []}, {"k": 1}, "had 'product' as judge.reduce, and the run's has 'score'"),
    "without the veto": ({"reduce": "score", "veto": []}, {"veto": ["a.S1"]}, r"had \[\] as judge.veto, and the run's has \['a.S1'\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOWS)
def test_a_card_is_of_a_judge_whose_scores_come_about_alike(name: str, tmp_path: Path) -> None:
    kept, asks, said = HOWS[name]
    path = tmp_path / "card.json"
    both = {str(k): card_of("j")["all"] for k in (1, 2)}
    path.write_text(json.dumps(card_of("j", aggregate="quantile", by_k=both) | kept))
    how = {"parameter": None, "reduce": "score", "veto": []} | asks
    asked = AskedJudge("j", 0.0, 10.0, 7.0, "quantile", how.pop("k", 2), how)
    if said is None:
        errors_told(read_card(path), asked, path)
        return
    with pytest.raises(InputError, match=said):
        errors_told(read_card(path), asked, path)
