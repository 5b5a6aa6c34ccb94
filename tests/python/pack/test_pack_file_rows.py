"""`dalign data pack`: every row in a bin once, its labels where it is trained on, no bin above the capacity."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign import _core
from dalign.files.batch import FrameBatch
from dalign.pack.packer import Capacity, Packer
from dalign.pipeline.pack_file import read_segments
from dalign.sandbox.checkpoint import MODEL
from row_files import write

TOKENIZER = _core.Tokenizer.from_file(MODEL / "tokenizer.json")


def ids(text: str) -> list[int]:
    return TOKENIZER.encode(pl.Series([text]))[0].tolist()


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of `dalign data pack`."""
    return partial(dalign, "data", "pack")


def expected_row(segments: list[tuple[str, bool]]) -> tuple[list[int], list[int]]:
    """Ids and labels of one row, by hand: the first token never carries loss."""
    tokens = [(token, train) for text, train in segments for token in ids(text)]
    labels = [token if train else -100 for token, train in tokens]
    return [token for token, _ in tokens], [-100, *labels[1:]]


def check_bins(bins: pl.DataFrame, rows: list[list[tuple[str, bool]]], capacity: int) -> None:
    """Each bin is its rows one after the other, and each row stands in one bin."""
    expected = [expected_row(row) for row in rows]
    placed = []
    for one in bins.to_dicts():
        placed += one["rows"]
        parts = [expected[row] for row in one["rows"]]
        assert one["input_ids"] == [token for part, _ in parts for token in part]
        assert one["labels"] == [label for _, part in parts for label in part]
        assert one["position_ids"] == [place for part, _ in parts for place in range(len(part))]
        starts = [sum(len(part) for part, _ in parts[:i]) for i in range(len(parts))]
        assert one["sequence_starts"] == starts
        assert len(one["input_ids"]) <= capacity
    assert sorted(placed) == list(range(len(rows)))


def prompted(count: int) -> list[dict[str, str]]:
    draw = random.Random(7)
    return [
        {"prompt": "ask " * draw.randint(1, 9), "completion": "é tell" * draw.randint(1, 20)}
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("buffer_tokens", [None, 700], ids=["one buffer", "small buffer"])
def test_prompts_and_completions_are_packed_with_labels_on_completions(
    kind: str, buffer_tokens: int | None, tmp_path: Path, call: Any
) -> None:
    rows = prompted(300)
    source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / "bins.parquet"
    options = [] if buffer_tokens is None else ["--buffer-tokens", buffer_tokens]
    code, stdout, stderr = call(
        source, out, "--tokenizer", MODEL, "--capacity", 250, "--end", "<|end|>", "--json", *options
    )
    assert (code, stderr) == (0, "")
    bins = pl.read_parquet(out)
    segments = [[(row["prompt"], False), (row["completion"] + "<|end|>", True)] for row in rows]
    check_bins(bins, segments, 250)
    counts = json.loads(stdout)
    assert (counts["rows"], counts["kept"], counts["bins"]) == (300, 300, bins.height)
    assert counts["tokens"] == bins["input_ids"].list.len().sum()
    labels = bins["labels"].explode()
    assert counts["trained_tokens"] == (labels != -100).sum()
    assert counts["padding"] == pytest.approx(1 - counts["tokens"] / (bins.height * 250), abs=1e-6)


def test_both_kinds_of_file_give_the_same_bins(tmp_path: Path, call: Any) -> None:
    rows = prompted(200)
    found = []
    for kind in ("jsonl", "parquet"):
        out = tmp_path / f"{kind}.parquet"
        source = write(tmp_path / f"in.{kind}", rows)
        options = ("--tokenizer", MODEL, "--capacity", 300, "--buffer-tokens", 900)
        assert call(source, out, *options)[0] == 0
        found.append(pl.read_parquet(out))
    assert found[0].equals(found[1])


def test_where_batches_end_changes_no_bin() -> None:
    rows = pl.DataFrame(prompted(200))

    def bins(batch_rows: int) -> pl.DataFrame:
        packer, written = Packer(TOKENIZER.encode, Capacity(300, "error", "", ""), 900), []
        for start in range(0, rows.height, batch_rows):
            batch = FrameBatch(rows.slice(start, batch_rows), start, "table")
            written += packer.add(read_segments(batch, "prompt", None, ""))[1]
        return pl.concat([*written, *packer.end()])

    assert bins(200).equals(bins(1)) and bins(200).equals(bins(37))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_segments_carry_their_own_flags(kind: str, tmp_path: Path, call: Any) -> None:
    rows = [
        [("ask", False), ("tell", True), (" ask", False), (" tell", True)],
        [("all of it is trained on", True)],
    ]
    data = [{"segments": [{"text": t, "train": train} for t, train in row]} for row in rows]
    source, out = write(tmp_path / f"in.{kind}", data), tmp_path / "bins.parquet"
    assert call(source, out, "--tokenizer", MODEL / "tokenizer.json", "--capacity", 64)[0] == 0
    check_bins(pl.read_parquet(out), rows, 64)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_messages_are_rendered_by_the_checkpoints_template(
    kind: str, tmp_path: Path, call: Any
) -> None:
    pytest.importorskip("transformers")
    messages = [{"role": "user", "content": "ask"}, {"role": "assistant", "content": "tell"}]
    source, out = (
        write(tmp_path / f"in.{kind}", [{"messages": messages}]),
        tmp_path / "bins.parquet",
    )
    assert call(source, out, "--tokenizer", MODEL, "--capacity", 64)[0] == 0
    from dalign.models.checkpoint import load_tokenizer

    tokenizer = load_tokenizer(MODEL, False)
    prompt = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    check_bins(pl.read_parquet(out), [[(prompt, False), (whole[len(prompt) :], True)]], 64)


LONG = [{"prompt": "a", "completion": "bc"}, {"prompt": "a", "completion": "b" * 40}]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_row_longer_than_the_capacity_is_refused_dropped_or_masked(
    kind: str, tmp_path: Path, call: Any
) -> None:
    source, out = write(tmp_path / f"in.{kind}", LONG), tmp_path / "bins.parquet"
    options = ("--tokenizer", MODEL, "--capacity", 10, "--json")
    code, stdout, stderr = call(source, out, *options)
    assert (code, stdout) == (1, "")
    assert (
        stderr.count("\n") == 1
        and "41 tokens" in stderr
        and "10" in stderr
        and "--over-long" in stderr
    )
    assert ("in.jsonl:2" if kind == "jsonl" else "row 1") in stderr
    assert [path.name for path in tmp_path.iterdir()] == [source.name]

    code, stdout, _ = call(source, out, *options, "--over-long", "drop")
    counts = json.loads(stdout)
    assert (counts["kept"], counts["dropped"]) == (1, {"over_long": 1})
    assert pl.read_parquet(out)["rows"].to_list() == [[0]]
    beside = tmp_path / f"bins.dropped.{kind}"
    if kind == "jsonl":
        row = json.loads(beside.read_text())
        assert (row["line"], row["reason"], row["row"]) == (2, "over_long", LONG[1])
        assert "41 tokens" in row["detail"]
    else:
        row = pl.read_parquet(beside).to_dicts()[0]
        assert (row["dropped_row"], row["dropped_reason"]) == (1, "over_long")

    code, stdout, _ = call(source, out, *options, "--over-long", "mask", "--force")
    assert json.loads(stdout)["masked"] == 1
    masked = next(row for row in pl.read_parquet(out).to_dicts() if 1 in row["rows"])
    assert masked["labels"] == [-100] * 10 and len(masked["input_ids"]) == 10


GOOD = {"prompt": "a", "completion": "b"}
BAD = [
    ("no known form", [{"text": "a"}], ["in.jsonl:1", "prompt and completion", "segments"]),
    ("no prompt", [GOOD, {"completion": "b"}], ["in.jsonl:2", "prompt"]),
    ("no text", [GOOD, {"prompt": "a", "completion": 1}], ["in.jsonl:2", "completion"]),
    ("nothing trained on", [GOOD, {"prompt": "a", "completion": ""}], ["in.jsonl:2", "trains on no token"]),
    ("no token", [GOOD, {"prompt": "", "completion": ""}], ["in.jsonl:2", "no token"]),
    ("no prompt, one token", [{"prompt": "", "completion": "b"}], ["in.jsonl:1", "trains on no token"]),
    ("segments without a flag", [{"segments": [{"text": "a"}]}], ["in.jsonl:1", "segments", "train"]),
    ("no segments", [{"segments": None}], ["in.jsonl:1", "segments"]),
    ("no messages", [{"messages": []}], ["in.jsonl:1", "messages"]),
    ("an unanswered conversation", [{"messages": [{"role": "user", "content": "a"}]}], ["in.jsonl:1", "assistant"]),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "named"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_rows_that_cannot_be_packed_get_one_sentence(
    rows: list[dict[str, Any]], named: list[str], tmp_path: Path, call: Any
) -> None:
    source = write(tmp_path / "in.jsonl", rows)
    code, stdout, stderr = call(
        source, tmp_path / "bins.parquet", "--tokenizer", MODEL, "--capacity", 64
    )
    assert (code, stdout) == (1, "") and "Traceback" not in stderr
    for part in named:
        assert part in stderr.splitlines()[-1], stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--tokenizer", "nowhere"], ["nowhere: no such file", "name a tokenizer.json"]),
        (["--tokenizer", MODEL, "--over-long", "cut"], ["cut", "mask"]),
        (["--tokenizer", MODEL / "tokenizer.json"], ["chat template", "folder"]),
    ],
)
def test_options_that_do_not_suit_get_one_sentence(
    options: list[object], named: list[str], tmp_path: Path, call: Any
) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    source = write(tmp_path / "in.jsonl", [{"messages": messages}])
    code, _, stderr = call(source, tmp_path / "bins.parquet", "--capacity", 9, *options)
    assert code == 1 and all(part in stderr for part in named), stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_bins_are_a_parquet_file(tmp_path: Path, call: Any) -> None:
    source = write(tmp_path / "in.jsonl", [GOOD])
    code, _, stderr = call(source, tmp_path / "bins.jsonl", "--tokenizer", MODEL, "--capacity", 9)
    assert code == 1 and ".parquet" in stderr


@pytest.mark.parametrize(
    ("rows", "end", "warned"),
    [
        ([{"prompt": "a", "completion": "b"}], "", True),
        ([{"prompt": "a", "completion": "b"}], "<|end|>", False),
        ([{"prompt": "a", "completion": "b<|end|>\n"}], "", False),
        ([{"segments": [{"text": "a", "train": False}, {"text": "b", "train": True}]}], "", True),
        ([{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}], "", False),
    ],
)  # fmt: skip
def test_rows_that_train_no_end_are_told(
    rows: list[dict[str, Any]], end: str, warned: bool, tmp_path: Path, call: Any
) -> None:
    pytest.importorskip("transformers")
    source, out = write(tmp_path / "in.jsonl", rows), tmp_path / "bins.parquet"
    code, stdout, stderr = call(source, out, "--tokenizer", MODEL, "--capacity", 64, "--end", end)
    assert code == 0
    assert ("train on no end token" in stdout + stderr) == warned


def test_a_completion_is_cut_from_the_whole_text(tmp_path: Path, call: Any) -> None:
    # The sandbox's tokenizer has a token for a word with its space.
    rows = [{"prompt": "ask", "completion": " cake"}]
    source, out = write(tmp_path / "in.jsonl", rows), tmp_path / "bins.parquet"
    assert call(source, out, "--tokenizer", MODEL, "--capacity", 64)[0] == 0
    assert pl.read_parquet(out)["input_ids"].to_list() == [ids("ask cake")]
