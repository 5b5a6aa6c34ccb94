"""The sections that prompts require: read from JSONL and Parquet, kept in tables, and a sentence for every mistake."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign.data.adapters.prompts import prompt_rows
from dalign.errors import InputError
from dalign.rows import Prompt, Section, table
from dalign.spec.types import Category, Spec

SPEC = Spec(Path("policy"), "Be kind.", (Category("advice", "1", "s"),))
GOOD: dict[str, Any] = {"category": "advice", "messages": [{"role": "user", "content": "Hi?"}]}
DOSE = {
    "name": "Dose",
    "any": ["Dosage", "How much"],
    "pattern": r"\d+ mg",
    "contains": ["mg", ["every", "per"]],
    "weight": 2,
}
READ = Section("Dose", ("Dosage", "How much"), r"\d+ mg", (("mg",), ("every", "per")), 2.0)


def read(folder: Path, **fields: object) -> Prompt:
    path = folder / "prompts.jsonl"
    path.write_text(json.dumps({**GOOD, "id": "ok"}) + "\n" + json.dumps(GOOD | fields) + "\n")
    return list(prompt_rows(path, SPEC))[1]


def test_sections_are_texts_or_objects_and_stand_in_order_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    prompt = read(tmp_path, required_sections=["Warning", DOSE], sections_in_order=True)
    assert prompt.required_sections == (Section("Warning"), READ)
    assert prompt.sections_in_order is True
    # What is null, or an empty list, is not there.
    empty = {"name": "a", "any": None, "pattern": None, "contains": [], "weight": None}
    assert read(tmp_path, required_sections=[empty]).required_sections == (Section("a"),)
    assert read(tmp_path, sections_in_order=False, required_sections=[]).required_sections == ()
    assert read(tmp_path, sections_in_order=None).sections_in_order is False


def test_a_table_gives_sections_back_as_they_were(tmp_path: Path) -> None:
    made = [read(tmp_path, required_sections=["Warning", DOSE], sections_in_order=True), read(tmp_path)]  # fmt: skip
    path = tmp_path / "part.parquet"
    table(Prompt.COLUMNS, [prompt.row for prompt in made]).write_parquet(path)
    assert list(Prompt.read(pl.read_parquet(path))) == made


def test_sections_of_a_parquet_file_are_objects_with_all_keys(tmp_path: Path) -> None:
    contains = [["mg"], ["every", "per"]]
    sections = [[{**DOSE, "contains": contains}, {"name": "Warning"}]]
    path = tmp_path / "prompts.parquet"
    pl.DataFrame({"category": ["advice"], "prompt": ["Hi?"], "required_sections": sections}).write_parquet(path)  # fmt: skip
    [prompt] = prompt_rows(path, SPEC)
    assert prompt.required_sections == (READ, Section("Warning"))


def test_the_example_of_the_document_is_a_prompt(tmp_path: Path) -> None:
    document = Path(__file__).parents[3] / "docs" / "prompts.md"
    [example] = re.findall(r"```json\n(.*?)```", document.read_text(), re.DOTALL)
    row = json.loads(example) | {"category": "advice"}
    prompt = read(tmp_path, **row)
    dose = replace(READ, pattern=r"\d+ ?mg")
    assert prompt.required_sections == (Section("Warning"), dose) and prompt.sections_in_order


def wrong(**field: object) -> dict[str, object]:
    return {"required_sections": ["Warning", {"name": "Dose", **field}]}


AT = "required_sections[1]"
BAD = [
    ({"required_sections": "Dose"}, ('required_sections is not a list ("Dose")',)),
    ({"required_sections": [True]}, ("required_sections[0] is not a text or an object (true)", '{"name": …}')),
    ({"required_sections": [" "]}, ("required_sections[0] is empty",)),
    ({"required_sections": [{"any": ["x"]}]}, ("required_sections[0].name is missing", "heading")),
    (wrong(nmae="x"), (f"unknown key 'nmae' in {AT}", "did you mean 'name'?")),
    (wrong(name=3), (f"{AT}.name is not a text (3)",)),
    (wrong(name="\ud83d"), (f"{AT}.name holds half of a surrogate pair",)),
    (wrong(any="x"), (f'{AT}.any is not a list of texts ("x")', "between quotes")),
    (wrong(any=["x", None]), (f"{AT}.any[1] is null", "leave it out")),
    (wrong(any=[""]), (f"{AT}.any[0] is empty",)),
    (wrong(pattern=3), (f"{AT}.pattern is not a text (3)",)),
    (wrong(pattern="(a"), (f"{AT}.pattern '(a' is not a regular expression", "correct it")),
    (wrong(pattern=r"(a)\1"), (f"{AT}.pattern '(a)", "backreferences", "write it without them")),
    (wrong(pattern="(?=a)b"), ("look-around", "write it without them")),
    (wrong(pattern="a*"), (f"{AT}.pattern 'a*' is found in an empty text too", "write what has to stand")),
    (wrong(contains="mg"), (f'{AT}.contains is not a list ("mg")', "list of wordings")),
    (wrong(contains=["mg", []]), (f"{AT}.contains[1] is an empty list", "at least one wording")),
    (wrong(contains=[["mg", 3]]), (f"{AT}.contains[0][1] is not a text (3)",)),
    (wrong(contains=[None]), (f"{AT}.contains[0] is null",)),
    (wrong(contains=[{"a": 1}]), (f"{AT}.contains[0] is not a text",)),
    *((wrong(weight=w), (f"{AT}.weight is not a number above 0 and at most 1000000 (",)) for w in (0, -1, "2", True, 1e7, [1], 10**400)),
    ({"sections_in_order": True}, ("sections_in_order is true, and there are no required_sections", "leave it out")),
    ({"sections_in_order": "yes", "required_sections": ["a"]}, ('sections_in_order is not true or false ("yes")', "write true")),
    ({"sections_in_order": 1, "required_sections": ["a"]}, ("sections_in_order is not true or false (1)",)),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "said"), BAD)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, fields: dict[str, object], said: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, **fields)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'prompts.jsonl'}:2: ")
    assert all(part in message for part in said), message
    assert "\n" not in message and len(message) < len(str(tmp_path)) + 300


def test_a_weight_that_is_no_number_of_json_is_named(tmp_path: Path) -> None:
    for written in ("NaN", "Infinity", "1e999"):
        path = tmp_path / "prompts.jsonl"
        section = f'{{"name": "a", "weight": {written}}}'
        path.write_text(f'{json.dumps(GOOD)[:-1]}, "required_sections": [{section}]}}\n')
        with pytest.raises(InputError, match=r"prompts\.jsonl:1: "):
            list(prompt_rows(path, SPEC))
