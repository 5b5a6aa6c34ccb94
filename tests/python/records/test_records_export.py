"""`dalign export`: a run's rows as TRL, verl and axolotl read them, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign.records.export import FORMS
from dalign.sandbox.checkpoint import MODEL
from dalign.store.seal import marks_of, read_sealed, write_sealed
from scripted_run import CLAUSE, go, write_project

STAGES = ("generate/main", "filter/main", "judge/main", "select/main")
EVERY = [(form, what) for form, kinds in FORMS.items() for what in kinds]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with examples, whose base reasons between tags."""
    folder = tmp_path_factory.mktemp("exported")
    go(write_project(folder / "project"), folder / "run", *STAGES)
    return folder / "run"


def exported(dalign, run: Path, out: Path, form: str, what: str = "sft") -> list[dict[str, Any]]:
    code, _, err = dalign("export", run, out, "--form", form, "--what", what)
    assert code == 0, err
    if out.suffix == ".parquet":
        return pl.read_parquet(out).to_dicts()
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(("form", "what"), EVERY)
def test_each_form_is_the_same_in_both_kinds_of_file(
    form: str, what: str, run: Path, tmp_path: Path, dalign
) -> None:
    rows = exported(dalign, run, tmp_path / "rows.parquet", form, what)
    assert rows
    if form != "verl":
        assert exported(dalign, run, tmp_path / "rows.jsonl", form, what) == rows
    # The policy is in no export.
    assert CLAUSE.split(".")[0] not in json.dumps(rows)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_trl_reads_its_rows_back(suffix: str, run: Path, tmp_path: Path, dalign) -> None:
    datasets = pytest.importorskip("datasets")
    data_utils = pytest.importorskip("trl.data_utils")
    from dalign.models.checkpoint import load_tokenizer
    from dalign.models.render import Renderer

    tokenizer = load_tokenizer(MODEL, False)
    for form, what in (("trl", "sft"), ("trl", "rl"), ("messages", "sft")):
        out = tmp_path / f"{form}-{what}{suffix}"
        rows = exported(dalign, run, out, form, what)
        read = {".jsonl": datasets.Dataset.from_json, ".parquet": datasets.Dataset.from_parquet}
        data = read[suffix](str(out), cache_dir=str(tmp_path / "cache"))
        assert len(data) == len(rows)
        assert all(data_utils.is_conversational(row) for row in data)
        rendered = [data_utils.apply_chat_template(row, tokenizer) for row in data]
        for row, texts in zip(data, rendered, strict=True):
            if form == "messages":
                assert row["messages"][-1]["content"] in texts["text"]
                continue
            # What TRL trains after is what the model was asked with.
            assert [texts["prompt"]] == Renderer(tokenizer).prompts([row["prompt"]])
            if what == "sft":
                assert row["completion"][0]["content"] in texts["completion"]


def test_a_completion_is_what_is_trained_as_the_model_wrote_it(
    run: Path, tmp_path: Path, dalign
) -> None:
    rows = exported(dalign, run, tmp_path / "rows.jsonl", "trl")
    select = pl.read_parquet(run / "select" / "main" / "part-00000.parquet")
    held = {row["id"]: row for row in select.iter_rows(named=True)}
    assert {row["id"] for row in rows} == held.keys()
    for row in rows:
        example = held[row["id"]]
        assert row["prompt"] == example["messages"]
        (turn,) = row["completion"]
        assert turn == {"role": "assistant", "content": example["text"]}


def as_before(run: Path) -> list[dict[str, Any]]:
    """The run with its examples as an earlier dalign wrote them; the rows as they were."""
    path = run / "select" / "main" / "part-00000.parquet"
    frame = pl.read_parquet(path)
    messages = [json.dumps(turns, ensure_ascii=False) for turns in frame["messages"].to_list()]
    frame.drop("text").with_columns(messages=pl.Series(messages)).write_parquet(path)
    manifest = path.parent / "manifest.json"
    told = read_sealed(manifest)
    marks = marks_of(path.parent, [path])
    write_sealed(manifest, {**told, "files": {**told["files"], **marks}})
    return frame.to_dicts()


@pytest.mark.parametrize("form", list(FORMS))
def test_examples_of_an_earlier_dalign_have_the_text_that_was_generated(
    form: str, tmp_path: Path, dalign
) -> None:
    go(write_project(tmp_path / "project"), tmp_path / "run", *STAGES)
    before = {row["id"]: row["text"] for row in as_before(tmp_path / "run")}
    rows = exported(dalign, tmp_path / "run", tmp_path / "rows.parquet", form)
    told = [(row.get("extra_info", row)["id"], row) for row in rows]
    written = {
        name: (row.get("completion") or row["messages"])[-1]["content"] for name, row in told
    }
    assert written == before


def test_axolotl_trains_on_the_last_turn_alone(run: Path, tmp_path: Path, dalign) -> None:
    for row in exported(dalign, run, tmp_path / "rows.jsonl", "axolotl"):
        assert [turn["train"] for turn in row["messages"]] == [False] * (len(row["messages"]) - 1) + [True]  # fmt: skip


def test_verl_has_the_columns_that_it_reads(run: Path, tmp_path: Path, dalign) -> None:
    exported(dalign, run, tmp_path / "rl.parquet", "verl", "rl")
    schema = pl.read_parquet_schema(tmp_path / "rl.parquet")
    assert list(schema) == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    assert schema["prompt"] == pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    assert {f.name for f in schema["reward_model"].fields} == {"style", "ground_truth"}
    rows = exported(dalign, run, tmp_path / "sft.parquet", "verl")
    assert [row["extra_info"]["index"] for row in rows] == list(range(len(rows)))
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)


@pytest.mark.parametrize(
    ("out", "options", "told"),
    [
        ("rows.csv", ["--form", "trl"], "rows.csv: its name must end in .jsonl or .parquet"),
        ("rows.jsonl", ["--form", "verl"], "rows.jsonl: verl reads Parquet"),
        ("rows.jsonl", ["--form", "trll"], "--form trll: did you mean 'trl'?"),
        ("rows.jsonl", ["--form", "trl", "--what", "dpo"], "--what dpo: known: sft, rl"),
        ("no/rows.jsonl", ["--form", "trl"], "there is no folder"),
        ("there.jsonl", ["--form", "trl"], "there.jsonl: is there already"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    out, options, told, run: Path, tmp_path: Path, dalign
) -> None:
    (tmp_path / "there.jsonl").write_text("mine")
    code, _, err = dalign("export", run, tmp_path / out, *options)
    assert code == 1 and told in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.jsonl"]
    assert (tmp_path / "there.jsonl").read_text() == "mine"


def test_a_run_without_examples_has_its_prompts_alone(tmp_path: Path, dalign) -> None:
    run = tmp_path / "run"
    go(write_project(tmp_path / "project"), run, "generate/main")
    code, _, err = dalign("export", run, tmp_path / "sft.jsonl", "--form", "trl")
    assert code == 1 and "select has not finished" in err and not (tmp_path / "sft.jsonl").exists()
    assert exported(dalign, run, tmp_path / "rl.jsonl", "trl", "rl")
    code, _, err = dalign("export", tmp_path, tmp_path / "no.jsonl", "--form", "trl")
    assert code == 1 and err.count("\n") == 1
