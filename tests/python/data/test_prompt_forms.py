"""Prompts and capability rows in the forms that others' files have: the same rows, each problem at its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign.data.adapters.prompts import prompt_rows
from dalign.data.capability import capability_rows
from dalign.errors import InputError
from dalign.rows import Expected
from dalign.spec.types import Category, Clause, Spec

CLAUSES = (Clause("advice", "A1", "comply", "t", ""),)
SPEC = Spec(Path("policy"), "Be kind.", (Category("advice", "1", "s", clauses=CLAUSES),))
TEXTS = ("What is a lease?", 'Say "hi",\nthen stop')


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def rows(form: str) -> list[dict[str, Any]]:
    made = {
        "messages": lambda text: {"messages": [user(text)]},
        "json": lambda text: {"messages": json.dumps([user(text)])},
        "conversations": lambda text: {"conversations": [{"from": "human", "value": text}]},
        "prompt": lambda text: {"prompt": text},
        "list": lambda text: {"prompt": [user(text)]},
        "parts": lambda text: {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
    }[form]  # fmt: skip
    return [{"id": str(n), "category": "advice", **made(text)} for n, text in enumerate(TEXTS)]


def found_in(path: Path) -> list[tuple[str, str]]:
    return [(p.id, p.messages[-1]["content"]) for p in prompt_rows(path, SPEC)]


@pytest.mark.parametrize("form", ["messages", "json", "conversations", "prompt", "list", "parts"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"])
def test_prompts_of_every_form_are_the_same(form: str, name: str, tmp_path: Path) -> None:
    path, made = tmp_path / name, rows(form)
    lines = "".join(json.dumps(row) + "\n" for row in made).encode()
    if name == "a.parquet":
        pl.DataFrame(made).write_parquet(path)
    elif name == "a.json":
        path.write_text(json.dumps(made, indent=1))
    else:
        path.write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)
    assert found_in(path) == [("0", TEXTS[0]), ("1", TEXTS[1])]


def test_prompts_of_a_csv_have_expectations_and_empty_cells_are_none(tmp_path: Path) -> None:
    path = tmp_path / "suite.csv"
    path.write_text('id,category,prompt,split,expected.ruling,expected.clause\na,advice,"x\ny",,comply,advice.A1\nb,general,z,held,,\n')  # fmt: skip
    first, second = prompt_rows(path, SPEC)
    assert (first.split, first.expected) == (None, Expected("comply", "advice.A1"))
    assert (first.messages[0]["content"], second.split, second.expected) == ("x\ny", "held", None)


def test_a_folder_is_read_as_one_and_each_problem_named_in_its_file(tmp_path: Path) -> None:
    made = rows("messages")
    (tmp_path / "a.jsonl").write_text(json.dumps(made[0]) + "\n")
    (tmp_path / "b.json").write_text(json.dumps([made[1]]))
    assert [row for row, _ in found_in(tmp_path)] == ["0", "1"]
    # Of one id in two files, and of a problem in the second.
    (tmp_path / "b.json").write_text(json.dumps([made[1], made[0]]))
    with pytest.raises(InputError, match=r"b\.json: row 1: id '0' is taken by .*a\.jsonl:1"):
        found_in(tmp_path)
    (tmp_path / "b.json").write_text(json.dumps([made[1], {"category": "advice"}]))
    with pytest.raises(InputError, match=r"b\.json: row 1: messages is missing"):
        found_in(tmp_path)
    (tmp_path / "c.csv").write_text('id,category,prompt\nc,advice,"x\ny"\nd,other,z\n')
    (tmp_path / "b.json").unlink()
    with pytest.raises(InputError, match=r"c\.csv:4: unknown category 'other'"):
        found_in(tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2 + 2?", "completion": "4"},
        {"prompt": [user("2 + 2?")], "completion": [{"role": "assistant", "content": "4"}]},
        {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]},
        {"conversations": [{"from": "Human", "value": "2 + 2?"}, {"from": "GPT", "value": "4"}]},
        {
            "conversations": [
                {"from": "User", "content": "2 + 2?"},
                {"from": "Assistant", "content": "4"},
            ]
        },
        {
            "conversations": [
                {"role": "user", "value": "2 + 2?"},
                {"role": "assistant", "value": "4"},
            ]
        },
    ],
)
def test_capability_rows_of_every_form_are_the_same(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": "a", **row}))
    (found,) = capability_rows(tmp_path / "c.jsonl")
    assert (found.messages, found.answer) == ((user("2 + 2?"),), "4")


def test_a_packed_file_that_is_cut_off_is_one_sentence(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows("messages")).encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines)[:-20])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: cut off or damaged after"):
        found_in(tmp_path / "a.jsonl.gz")
