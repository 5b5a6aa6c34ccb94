"""A packed row, token by token: which row a word names, and what its tokens are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from dalign.errors import InputError
from dalign.records.packed import packed_row
from dalign.records.record import Record
from dalign.rows import IGNORED
from dalign.sandbox.checkpoint import MODEL
from dalign.store.run import RunFolder
from scripted_run import SCRIPTED, go, write_project


def packed(tmp_path: Path, *parts: list[dict[str, list[object]]]) -> Record:
    """A record of a run whose packed rows lie in these parts."""
    run = RunFolder(tmp_path / "run")
    folder = run.stage("pack/main")
    folder.path.mkdir(parents=True)
    for index, rows in enumerate(parts):
        folder.table().write(index, pl.DataFrame(rows))
    return Record(run, None)  # type: ignore[arg-type]


def row(*sequences: tuple[str, list[int], int]) -> dict[str, list[object]]:
    """A packed row of sequences: the training row's id, the tokens, and how many of them are the prompt's."""
    tokens = [(i, at, at >= prompt) for _, ids, prompt in sequences for at, i in enumerate(ids)]
    return {
        "input_ids": [i for i, _, _ in tokens],
        "labels": [i if trained else IGNORED for i, _, trained in tokens],
        "position_ids": [at for _, at, _ in tokens],
        "rows": [name for name, _, _ in sequences],
    }


@pytest.fixture
def record(tmp_path: Path) -> Record:
    first = [row(("abc1", [5, 6, 7], 1), ("abd2", [8, 9], 1)), row(("7777", [5, 9], 1))]
    return packed(tmp_path, first, [row(("abe3", [6], 1), ("2", [6, 9, 9], 2))])


def test_a_token_has_its_sequence_and_whether_it_is_trained_on(record: Record) -> None:
    found = packed_row(record, "0")
    assert found.number == 0
    assert found.tokens.columns == ["index", "token", "sequence", "row", "position", "weight"]
    assert found.tokens.rows() == [
        (0, 5, 0, "abc1", 0, 0),
        (1, 6, 0, "abc1", 1, 1),
        (2, 7, 0, "abc1", 2, 1),
        (3, 8, 1, "abd2", 0, 0),
        (4, 9, 1, "abd2", 1, 1),
    ]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1),
        # The first of the second part. A number wins over the id that is the same.
        ("2", 2),
        ("abe3", 2),
        ("abd", 0),
        # Too large for a number here: the beginning of an id.
        ("77", 1),
    ],
)
def test_a_row_is_named_by_its_number_or_by_an_id_that_it_holds(
    record: Record, name: str, number: int
) -> None:
    assert packed_row(record, name).number == number


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("3", "there are 3 packed rows, 0 to 2"),
        ("-1", "there are 3 packed rows, 0 to 2"),
        ("x\x1b", r"no packed row is 'x\\x1b', or holds"),
        ("²", "there are 3 packed rows, 0 to 2"),
        ("ab", r"'ab' begins the ids of rows in 2 packed rows \(such as 0, 2\); give more"),
    ],
)
def test_a_row_that_is_not_there_is_one_sentence(record: Record, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        packed_row(record, name)


def test_a_run_that_has_not_packed_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pack"):
        packed_row(packed(tmp_path), "0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has packed what a scripted model wrote, for the sandbox's tokenizer."""
    pytest.importorskip("transformers")
    place = tmp_path_factory.mktemp("packed")
    config = write_project(place / "project") / "dalign.toml"
    engine = f'engine = "scripted"\ncheckpoint = "{MODEL}"'
    config.write_text(config.read_text().replace('engine = "scripted"', engine))
    go(config.parent, place / "run", *SCRIPTED, "pack/main")
    return place / "run"


def test_the_command_prints_what_the_training_reads(run: Path, dalign) -> None:
    [packed] = (run / "pack/main").glob("part-*.parquet")
    bins = pl.read_parquet(packed)
    number, last = bins.height - 1, bins.row(-1, named=True)
    code, out, err = dalign("show", number, "--run", run, "--tokens", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["packed_row"] == number
    tokens = pl.DataFrame(told["tokens"])
    assert tokens["token"].to_list() == last["input_ids"]
    assert tokens["position"].to_list() == last["position_ids"]
    assert tokens["weight"].to_list() == [int(label != IGNORED) for label in last["labels"]]
    assert tokens["sequence"].n_unique() == len(last["rows"]) > 1
    examples = pl.concat(map(pl.read_parquet, (run / "select/main").glob("part-*.parquet")))
    for example in examples.filter(pl.col("id").is_in(last["rows"])).iter_rows(named=True):
        of_row = tokens.filter(row=example["id"])
        text = f"<think>{example['reasoning']}</think>{example['answer']}<|end|>"
        assert "".join(of_row.filter(weight=1)["text"]) == text
        assert "question" in "".join(of_row.filter(weight=0)["text"])
    code, out, _ = dalign("show", last["rows"][-1], "--run", run, "--tokens")
    heading, heads, *lines = out.splitlines()
    sizes = f"{len(tokens)} tokens in {len(last['rows'])} sequences, {sum(tokens['weight'])}"
    assert heading == f"packed row {number}: {sizes} trained on"
    assert heads.split() == ["index", "token", "text", "sequence", "row", "position", "weight"]
    assert len(lines) == len(tokens) and '"<|end|>"' in lines[-1] and lines[-1].endswith(" 1")


def test_a_row_that_is_not_there_ends_the_command_with_a_sentence(run: Path, dalign) -> None:
    code, out, err = dalign("show", "no-such", "--run", run, "--tokens")
    assert (code, out) == (1, "")
    assert "no packed row is 'no-such'" in err and err.count("\n") == 1


def test_another_tokenizer_than_the_one_that_packed_is_refused(run: Path, tmp_path, dalign) -> None:
    moved = Path(shutil.copytree(run, tmp_path / "run"))
    [packed] = (moved / "pack/main").glob("part-*.parquet")
    (moved / "pack/main/manifest.json").unlink()
    bins = pl.read_parquet(packed)
    other = bins.with_columns(pl.col("input_ids").list.eval(pl.element() + 1_000_000))
    other.write_parquet(packed)
    code, _, err = dalign("show", "0", "--run", moved, "--tokens")
    assert code == 1 and "it is not the one that packed it" in err
