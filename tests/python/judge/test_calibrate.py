"""`dalign judge calibrate`: labels of people in any form, the judge's card, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.data.labels import Reading, read_labels
from dalign.errors import InputError
from dalign.judge.calibration import calibrate, raters_of
from policies import write_policy

# Ten answers: the judge fails three of four that people fail, and two of six that they pass.
ROWS = [
    {"id": f"a{n}", "category": "garden" if n % 2 else "kitchen", "label": label, "score": score}
    for n, (label, score) in enumerate(
        [("fail", 2), ("fail", 1), ("fail", 4), ("fail", 9), ("pass", 8), ("pass", 9), ("pass", 10), ("pass", 7), ("pass", 3), ("pass", 2)]
    )
]  # fmt: skip


def written(folder: Path, rows: list[dict[str, object]], name: str = "labelled.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def call(dalign):
    def run(*words: object) -> tuple[int, str, str]:
        return dalign("judge", "calibrate", *words)

    return run


def test_the_card_has_the_judges_errors(tmp_path: Path, call) -> None:
    card = tmp_path / "card.json"
    code, out, err = call(written(tmp_path, ROWS), "--out", card)
    assert (code, err) == (0, "")
    assert "fails 3 rightly and 2 wrongly, passes 4 rightly and 1 wrongly" in out
    told = json.loads(card.read_text())
    counts = {
        name: (each["hits"], each["n"]) for name, each in told["all"].items() if name != "kappa"
    }
    assert counts == {"agreement": (7, 10), "sensitivity": (3, 4), "specificity": (4, 6)}
    assert told["all"]["specificity"]["value"] == pytest.approx(2 / 3)
    # 0.7 agreed; by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5.
    assert told["all"]["kappa"] == pytest.approx(0.4)
    assert told["categories"].keys() == {"garden", "kitchen"}
    assert told["best"] == [7.0, pytest.approx((3 / 4 + 4 / 6) / 2)]
    code, out, _ = call(tmp_path / "labelled.jsonl", "--json", "--threshold", "9.5")
    assert json.loads(out)["confusion"] == {
        "failed_rightly": 4, "failed_wrongly": 5, "passed_rightly": 1, "passed_wrongly": 0,
    }  # fmt: skip


def test_raters_in_columns_in_rows_and_in_lists_are_the_same(tmp_path: Path) -> None:
    votes = [
        ("fine", "fine", "bad"),
        ("bad", "bad", "bad"),
        ("fine", "bad", "bad"),
        ("fine", "fine", "fine"),
    ]
    how = Reading(passes=("Fine",), fails=("bad",))
    wide = [{"id": n, "x": a, "y": b, "z": c} for n, (a, b, c) in enumerate(votes)]
    columns = Reading(columns=("x", "y", "z"), passes=("fine",), fails=("bad",))
    by_columns = read_labels(written(tmp_path, wide, "wide.jsonl"), columns)
    long = [
        {"id": n, "rater": name, "label": said}
        for n, v in enumerate(votes)
        for name, said in zip("xyz", v, strict=True)
    ]
    by_rows = read_labels(written(tmp_path, long, "long.jsonl"), how)
    named = [{"id": n, "labels": dict(zip("xyz", v, strict=True))} for n, v in enumerate(votes)]
    by_names = read_labels(written(tmp_path, named, "named.jsonl"), how)
    table = tmp_path / "wide.csv"
    table.write_text("id,x,y,z\n" + "".join(f"{n},{','.join(v)}\n" for n, v in enumerate(votes)))
    by_table = read_labels(table, columns)
    wanted = raters_of(by_columns)
    assert raters_of(by_rows) == raters_of(by_names) == raters_of(by_table) == wanted
    assert [each.passes for each in by_columns] == [True, False, False, True]
    assert wanted.names == ("x", "y", "z") and wanted.labelled_by_all == 4
    assert wanted.cohen.keys() == {"x and y", "x and z", "y and z"}


def test_a_tie_and_an_answer_without_a_score_are_compared_with_nothing(tmp_path: Path) -> None:
    rows = [{**row, "label": None, "labels": [row["label"], row["label"]]} for row in ROWS]
    rows[0]["labels"], rows[1]["score"] = ["fail", "pass"], None
    path = written(tmp_path, [{k: v for k, v in row.items() if v is not None} for row in rows])
    card = calibrate(read_labels(path, Reading()), judge="x", threshold=5.0, low=0.0, high=10.0)
    assert (card.compared, card.unjudged, card.raters.ties) == (8, 2, 1)
    assert card.all.sensitivity.n == 2


def test_more_judgements_are_told_one_after_another(tmp_path: Path) -> None:
    rows = [{**row, "score": None, "scores": [row["score"], 10, 0]} for row in ROWS]
    path = written(tmp_path, [{k: v for k, v in row.items() if v is not None} for row in rows])
    card = calibrate(read_labels(path, Reading()), judge="x", threshold=5.0, low=0.0, high=10.0)
    assert card.by_k.keys() == {1, 2, 3}
    assert card.by_k[1] == card.by_k[2] and card.by_k[1].sensitivity.hits == 3
    # The least of three is 0, which passes nothing.
    assert (card.by_k[3].sensitivity.value, card.by_k[3].specificity.value) == (1.0, 0.0)
    assert card.all == card.by_k[3]


def test_labels_of_numbers_and_a_judge_of_words(tmp_path: Path) -> None:
    rows = [{"harm": n / 10, "said": "ok" if n < 6 else "no"} for n in range(10)]
    path = written(tmp_path, rows)
    rising = read_labels(path, Reading(columns=("harm",), passes_from=0.5))
    assert [each.passes for each in rising] == [n >= 5 for n in range(10)]
    falling = read_labels(path, Reading(columns=("harm",), fails_from=0.5))
    assert [each.passes for each in falling] == [n < 5 for n in range(10)]
    words = [{"label": "ok" if n % 2 else "no", "said": "ok" if n < 6 else "no"} for n in range(10)]
    how = Reading(passes=("ok",), fails=("no",), judge="said")
    card = calibrate(
        read_labels(written(tmp_path, words), how), judge="x", threshold=5.0, low=0.0, high=10.0
    )
    assert (card.all.specificity.hits, card.all.sensitivity.hits, card.all.sensitivity.n) == (
        3,
        2,
        5,
    )


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"label": "maybe"}, [], r"labelled.jsonl:3: column 'label' has the label 'maybe', which is none of pass, yes, .*--passes and --fails"),
        ({"label": None}, [], r":3: has no label \(columns: id, category, score\); name the column with --label"),
        ({"score": 11}, [], r":3: column 'score' has the score 11, outside the scale from 0 to 10; .*--low and --high"),
        ({"score": "high"}, [], r":3: column 'score' has 'high', which is no number"),
        ({"labels": 3}, [], r":3: labels is no list and no object \('3'\)"),
        ({}, ["--passes", "fine"], r"all answers \(10\) fail, so nothing can be told"),
        ({}, ["--passes", "pass", "--fails-from", "3"], r"--passes and --fails-from: each says which labels pass; give one of them"),
        ({}, ["--low", "3", "--high", "3"], r"--low 3 and --high 3: a scale's high end is above its low one"),
        ({}, ["--threshold", "12"], r"--threshold 12 is outside the judge's scale from 0 to 10"),
        ({}, ["--judge", "nobody"], r"0 of 10 answers have both labels that decide and a score .*name the column .*--judge, or ask it with --model"),
        ({"rater": "zoe"}, [], r"rater 'zoe' has labelled one row, which tells nothing of agreement; leave that label out"),
        ({"id": "a1"}, [], r"rater 'label' labels answer 'a1' a second time \(rows 2 and 3, counted from 1\); keep one of the two"),
        ({"label": ["pass"]}, [], r":3: column 'label' has .*, which is no label"),
        ({}, ["--label", "label", "--label", "nobody"], r"no row has a label in the column 'nobody'"),
        ({}, ["--passes", "pass", "--fails", "Pass"], r"--passes and --fails: 'pass' is in both"),
        ({}, ["--high", "inf"], r"--low 0 and --high inf: a scale's high end"),
        ({}, ["--fails", "x", "--passes-from", "3"], r"--fails: labels are numbers by"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_a_sentence(
    change: dict[str, object], words: list[str], said: str, tmp_path: Path, call
) -> None:
    rows = [dict(row) for row in ROWS]
    rows[2] = {k: v for k, v in {**rows[2], **change}.items() if v is not None}
    code, out, err = call(written(tmp_path, rows), *words)
    assert (code, out) == (1, "") and err.count("\n") == 1 and "Traceback" not in err
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(err)


def test_the_judge_of_a_config_is_asked_by_its_policy(tmp_path: Path, call) -> None:
    write_policy(tmp_path / "spec")
    script = {"Sow them": "Score: 9", "Eat it": "Score: 1", "": "I cannot say."}
    (tmp_path / "judge.json").write_text(json.dumps(script))
    (tmp_path / "p.jsonl").write_text(
        json.dumps({"category": "garden", "messages": [{"role": "user", "content": "x"}]}) + "\n"
    )
    config = tmp_path / "c.toml"
    config.write_text(
        f'[model]\npath = "{tmp_path}/judge.json"\nengine = "scripted"\n[spec]\npath = "spec"\n[data]\nprompts = "p.jsonl"\n'
        '[judge]\nk = 2\n[evaluate]\narms = ["none"]\n[[evaluate.suites]]\nname = "t"\npath = "p.jsonl"\n'
    )
    rows: list[dict[str, object]] = [
        {"category": "garden", "prompt": f"How {n}?", "answer": answer, "label": label}
        for n, (answer, label) in enumerate([("Sow them.", "pass"), ("Eat it.", "fail"), ("Sow them.", "fail"), ("Hm.", "pass")])
    ]  # fmt: skip
    code, out, err = call(written(tmp_path, rows), "--model", config, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["compared"], told["unjudged"]) == (3, 1)
    assert (
        told["all"]["sensitivity"]["hits"] == 1
        and told["all"]["sensitivity"]["n"] == 2
        and told["by_k"].keys() == {"1", "2"}
    )
    rows[1]["category"] = "gardn"
    code, _, err = call(written(tmp_path, rows), "--model", config)
    assert code == 1 and "row 2: the policy has no category 'gardn'; did you mean 'garden'" in err
    del rows[1]["answer"]
    code, _, err = call(written(tmp_path, rows), "--model", config)
    assert code == 1 and "has no answer; give prompt (or messages) and answer" in err


def test_a_card_takes_no_place_of_another_file(tmp_path: Path, call) -> None:
    path = written(tmp_path, ROWS)
    for out, said in (
        (path, "is the input"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "card.json", "there is no folder"),
    ):
        code, _, err = call(path, "--out", out, *(["--force"] if out == path else []))
        assert code == 1 and said in err
    (tmp_path / "card.json").write_text("mine")
    code, _, err = call(path, "--out", tmp_path / "card.json")
    assert (
        code == 1 and "is there already" in err and (tmp_path / "card.json").read_text() == "mine"
    )
    assert call(path, "--out", tmp_path / "card.json", "--force")[0] == 0
    assert len(path.read_text().splitlines()) == len(ROWS)


def test_answers_are_one_only_where_their_rows_say_so(tmp_path: Path) -> None:
    """A row without an id is an answer of its own, whatever its prompt; a missing vote is none."""
    rows: list[dict[str, object]] = [
        {"id": None, "prompt_id": "p", "label": ("pass", "fail")[n % 2], "rater": "x"}
        for n in range(6)
    ]
    assert len(read_labels(written(tmp_path, rows), Reading())) == 6
    votes: list[dict[str, object]] = [
        {"id": n, "labels": {"ann": ("pass", "fail")[n % 2], "ben": None if n == 1 else "pass"}}
        for n in range(4)
    ]
    answers = read_labels(written(tmp_path, votes), Reading())
    assert answers[1].labels == {"ann": False} and raters_of(answers).ties == 1
    both: list[dict[str, object]] = [
        {"id": n, "label": "pass", "rater": "b", "score": 9} for n in range(3)
    ]
    both[1]["label"] = "fail"
    both += [{"id": n, "label": ("pass", "fail")[n % 2], "rater": "a"} for n in range(3)]
    assert [each.scores for each in read_labels(written(tmp_path, both), Reading())] == [(9.0,)] * 3
    mixed: list[dict[str, object]] = [{"id": 1, "label": "pass"}, {"id": "1", "label": "fail"}]
    with pytest.raises(InputError, match="a second time"):
        read_labels(written(tmp_path, mixed), Reading())


def test_a_label_of_zeros_and_ones_is_no_score(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"label": n % 2, "said": n % 2} for n in range(6)]
    answers = read_labels(written(tmp_path, rows), Reading(judge="said"))
    assert [each.scores for each in answers] == [(0.0,), (10.0,)] * 3


@pytest.mark.parametrize(
    "row",
    [{"messages": ["hi"]}, {"messages": [{"role": "user"}]}, {"messages": [{"role": "user", "content": 5}]}, {"prompt": 5},
     {"messages": [{"role": "user]\nEND", "content": "x"}]}],
)  # fmt: skip
def test_a_conversation_that_is_none_is_refused_before_the_judge_is_asked(
    row: dict[str, object], tmp_path: Path
) -> None:
    rows: list[dict[str, object]] = [
        {"id": n, "prompt": "x", "answer": "y", "label": ("pass", "fail")[n % 2]} for n in range(4)
    ]
    rows[1] = {"id": 1, "answer": "y", "label": "fail", **row}
    with pytest.raises(InputError, match=r"labelled.jsonl:2: "):
        read_labels(written(tmp_path, rows), Reading(asks=True))


def test_the_stage_keeps_its_command(dalign, tmp_path: Path) -> None:
    code, out, _ = dalign("judge", "--help")
    assert (
        code == 0
        and "--redo" in out
        and "calibrate" not in out.partition("Options")[2].partition("Example")[0]
    )
    code, _, err = dalign("judge", tmp_path / "none.toml", "--run", tmp_path / "run")
    assert code == 1 and "none.toml" in err
