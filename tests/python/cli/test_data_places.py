"""`dalign data`: which files it writes, what it tells of them, and that nothing that is there is lost."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dalign.sandbox.checkpoint import MODEL
from policies import ENGLISH

ROWS = '{"completion": "<think>a</think>b", "prompt": "c", "category": "x"}\n{"completion": "d", "prompt": "c", "category": "y"}\n'


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of `dalign data`."""
    return partial(dalign, "data")


@pytest.mark.parametrize("name", ["in.jsonl", "in.ndjson", "in.JSONL"])
@pytest.mark.parametrize("out", ["out.jsonl", "out.ndjson"])
def test_dropped_rows_stand_where_the_counts_say(
    name: str, out: str, tmp_path: Path, call: Any
) -> None:
    (tmp_path / name).write_text(ROWS)
    code, stdout, _ = call("filter", tmp_path / name, tmp_path / out, "--json")
    counts = json.loads(stdout)
    assert code == 0 and counts["dropped"] == {"no_tags": 1}
    assert json.loads(Path(counts["dropped_rows"]).read_text())["reason"] == "no_tags"
    assert {path.name for path in tmp_path.iterdir()} == {name, out, "out.dropped.jsonl"}


def test_bins_of_tokens_have_dropped_rows_of_the_inputs_kind(tmp_path: Path, call: Any) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(ROWS)
    options = ("--tokenizer", MODEL, "--capacity", 4, "--over-long", "drop", "--json")
    code, stdout, _ = call("pack", source, tmp_path / "bins.parquet", *options)
    assert code == 0
    beside = Path(json.loads(stdout)["dropped_rows"])
    assert beside.name == "bins.dropped.jsonl" and beside.read_text().count("\n") == 1


@pytest.mark.parametrize("there", ["out.dropped.jsonl", "out.jsonl.tmp", "out.dropped.jsonl.tmp"])
def test_what_stands_in_the_way_is_named_and_kept(there: str, tmp_path: Path, call: Any) -> None:
    source = tmp_path / "in.ndjson"
    source.write_text(ROWS)
    (tmp_path / there).write_text("mine")
    code, _, stderr = call("filter", source, tmp_path / "out.jsonl")
    assert code == 1 and there in stderr and "--force" in stderr
    assert (tmp_path / there).read_text() == "mine"
    assert call("filter", source, tmp_path / "out.jsonl", "--force")[0] == 0


@pytest.mark.parametrize(
    "line",
    [
        ("decontaminate", "--against", "in.jsonl", "--ngram", 0),
        ("decontaminate", "--against", "in.jsonl", "--ngram", 2**64),
        ("dedup", "--near", "--ngram", 2**64),
        ("balance", "--max", 2**64),
        ("balance", "--min", 2**64),
        ("balance", "--total", 2**64),
        ("balance", "--max", 1, "--seed", 2**64),
        ("pack", "--tokenizer", MODEL, "--capacity", 2**32),
        ("pack", "--tokenizer", MODEL, "--capacity", 9, "--buffer-tokens", 2**64),
        ("filter", "--max-chars", 2**64),
        ("filter", "--quality", "--ngram", 2**64),
    ],
)
def test_a_number_that_the_core_has_no_place_for_is_named(
    line: tuple[str | int | Path, ...], tmp_path: Path, call: Any
) -> None:
    (tmp_path / "in.jsonl").write_text(ROWS)
    name, *options = line
    code, _, stderr = call(name, tmp_path / "in.jsonl", tmp_path / "out.jsonl", *options)
    assert code == 2 and f"'{options[-2]}'" in stderr and "than or equal to" in stderr


@pytest.mark.parametrize(
    ("quota", "named"),
    [
        ({"total": 2**64}, "total is 18446744073709551616"),
        ({"categories": {"x": {"max": 2**64}}}, "categories.x.max is 18446744073709551616"),
        ({"clauses": {"*": {"min": -1}}}, "clauses.*.min is -1"),
        ({"categories": {"x": {"weight": 10**18 * 10}}}, "categories.x.weight is 1"),
    ],
)
def test_a_quota_out_of_range_is_named_with_its_file_and_key(
    quota: dict[str, object], named: str, tmp_path: Path, call: Any
) -> None:
    source, file = tmp_path / "in.jsonl", tmp_path / "quota.json"
    source.write_text(ROWS)
    file.write_text(json.dumps(quota))
    code, _, stderr = call("balance", source, tmp_path / "out.jsonl", "--quota", file)
    assert code == 1 and f"{file}: {named}" in stderr


@pytest.mark.parametrize("more", [(), ("--force",)])
def test_a_folder_in_the_place_of_a_file_is_named(
    more: tuple[str, ...], tmp_path: Path, call: Any
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(ROWS)
    out.mkdir()
    code, _, stderr = call("filter", source, out, *more)
    assert code == 1 and f"{out}: is a folder; name another file" in stderr


def test_a_failed_run_leaves_the_old_result(tmp_path: Path, call: Any) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(ROWS)
    assert call("filter", source, out)[0] == 0
    before = {path: path.read_text() for path in tmp_path.glob("out*")}
    source.write_text(ROWS + "{\n")
    assert call("filter", source, out, "--force")[0] == 1
    assert {path: path.read_text() for path in tmp_path.glob("out*")} == before


def test_shares_of_the_policy_are_told_to_people_too(tmp_path: Path, call: Any) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(ROWS)
    code, _, stderr = call("filter", source, tmp_path / "out.jsonl", "--spec", ENGLISH)
    assert code == 0 and "in the policy: 0.00 % of reasoning, 0.00 % of answer" in stderr


def test_balance_takes_category_and_clause_unless_told_otherwise(tmp_path: Path, call: Any) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(ROWS)
    code, stdout, _ = call("balance", source, out, "--max", 1, "--json")
    assert code == 0
    strata = [(row["category"], row["clause"]) for row in json.loads(stdout)["strata"]]
    assert strata == [("x", None), ("y", None)]


@pytest.mark.parametrize(
    ("quotas", "named"),
    [
        ('{"categories": []}', "categories must be an object"),
        ('{"clauses": null, "total": 3}', "clauses must be an object"),
        ('{"categories": {"x": 3}}', "categories.x must be an object"),
        ('{"categories": {"x": {"most": 3}}}', "unknown key 'most'"),
        ('{"total": 1.5}', "total is 1.5"),
        ("[]", "must be a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_a_quota_file_that_means_nothing_is_refused(
    quotas: str, named: str, tmp_path: Path, call: Any
) -> None:
    (tmp_path / "in.jsonl").write_text(ROWS)
    (tmp_path / "quota.json").write_text(quotas)
    paths = (tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--quota", tmp_path / "quota.json")
    code, _, stderr = call("balance", *paths, "--max", 3)
    assert code == 1 and named in stderr and stderr.count("\n") == 1
