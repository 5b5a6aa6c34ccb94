"""Further keys of prompts: kept as labels, and never one that was misspelt; clauses by their key alone."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from dalign.data.adapters.prompts import prompt_rows
from dalign.errors import InputError
from dalign.rows import Prompt, Section, table
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped

SPEC = load_spec(shipped("safety"))
GOOD = {"category": "harassment", "messages": [{"role": "user", "content": "Hi."}]}


def read(folder: Path, *rows: dict) -> list[Prompt]:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(prompt_rows(path, SPEC))


def test_further_keys_are_kept_as_texts(tmp_path: Path) -> None:
    more = {"type": "homonyms", "source": None, "level": 3, "hard": True, "share": 0.5, "tags": ["a", "ü"], "note": ""}  # fmt: skip
    [prompt] = read(tmp_path, {**GOOD, **more})
    assert dict(prompt.labels) == {"type": "homonyms", "level": "3", "hard": "true", "share": "0.5", "tags": '["a", "ü"]', "note": ""}  # fmt: skip
    [again] = Prompt.read(table(Prompt.COLUMNS, [prompt.row]))
    assert again == prompt


def test_a_label_makes_no_other_prompt_of_it(tmp_path: Path) -> None:
    [plain] = read(tmp_path, GOOD)
    [labelled] = read(tmp_path, {**GOOD, "type": "x"})
    assert plain.id == labelled.id and plain.labels == ()


def test_tables_of_before_have_no_labels() -> None:
    prompt = Prompt("p", "soup", ({"role": "user", "content": "Hi."},))
    earlier = table(Prompt.COLUMNS, [prompt.row]).drop("labels")
    assert list(Prompt.read(earlier)) == [prompt]


def test_tables_of_before_have_the_names_of_sections_alone() -> None:
    prompt = Prompt("p", "soup", ({"role": "user", "content": "Hi."},), required_sections=(Section("Dose"),))  # fmt: skip
    earlier = table(Prompt.COLUMNS, [prompt.row]).drop("labels", "sections_in_order")
    earlier = earlier.with_columns(required_sections=pl.Series([["Dose"]]))
    assert list(Prompt.read(earlier)) == [prompt]


@pytest.mark.parametrize(
    ("key", "meant"),
    [("catgory", "category"), ("message", "messages"), ("expcted", "expected"), ("spilt", "split"), ("Expected", "expected"), ("required_section", "required_sections"), ("section_in_order", "sections_in_order")],
)  # fmt: skip
def test_a_misspelt_key_is_no_label(tmp_path: Path, key: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"unknown key '{key}' in the row; did you mean '{meant}'"):
        read(tmp_path, {**GOOD, key: "x"})


@pytest.mark.parametrize("key", ["type", "source", "label", "final_label", "index", "prompt_type", "subset", "categories", "risk"])  # fmt: skip
def test_a_suites_own_key_is_a_label(tmp_path: Path, key: str) -> None:
    [prompt] = read(tmp_path, {**GOOD, key: "x"})
    assert prompt.labels == ((key, "x"),)


def test_a_clause_is_one_of_the_rows_category_unless_it_names_another(tmp_path: Path) -> None:
    clause = SPEC.category("harassment").clauses[0].id
    short = clause.partition(".")[2]
    for written in (clause, short):
        [prompt] = read(tmp_path, {**GOOD, "expected": {"clause": written}})
        assert prompt.expected is not None and prompt.expected.clause == clause
    with pytest.raises(InputError, match="unknown clause 'ZZ9' in expected"):
        read(tmp_path, {**GOOD, "expected": {"clause": "ZZ9"}})
    general = {**GOOD, "category": "general", "expected": {"clause": short}}
    with pytest.raises(InputError, match="unknown clause"):
        read(tmp_path, general)


def test_an_expected_ruling_is_the_one_that_the_clause_gives(tmp_path: Path) -> None:
    clause = next(c for c in SPEC.category("harassment").clauses if c.ruling == "refuse")
    for ruling, names in (
        ("refuse", clause.id),
        ("refuse", clause.key),
        ("refuse", None),
        (None, clause.id),
    ):
        [prompt] = read(tmp_path, {**GOOD, "expected": {"ruling": ruling, "clause": names}})
        assert prompt.expected is not None
    told = rf"prompts\.jsonl:1: expected\.ruling is 'comply', and clause {clause.id} says 'refuse'; make the two agree"
    for names in (clause.id, clause.key):
        with pytest.raises(InputError, match=told):
            read(tmp_path, {**GOOD, "expected": {"ruling": "comply", "clause": names}})


@pytest.mark.parametrize("more", [{"type": "\ud83d"}, {"\udc00": "x"}, {"type": ["\ud83d"]}])
def test_half_a_character_is_refused(tmp_path: Path, more: dict) -> None:
    with pytest.raises(InputError, match=r"prompts\.jsonl:1: .*half of a surrogate pair"):
        read(tmp_path, {**GOOD, **more})
