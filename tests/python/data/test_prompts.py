"""Prompts from JSONL, and the sentence for everything that can be wrong in a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.data.adapters.prompts import prompt_rows
from dalign.errors import InputError
from dalign.rows import Expected, Section, prompt_id
from dalign.spec.parse import load_spec
from dalign.spec.types import Category, Clause, Spec
from policies import ENGLISH

ROOT = Path(__file__).parents[3]
SPEC = Spec(
    Path("policy"),
    "Be kind.",
    (
        Category("advice", "1", "s", clauses=(Clause("advice", "A1", "comply", "t", ""),)),
        Category("self-harm", "1", "s", clauses=(Clause("self-harm", "S4", "refuse", "t", ""),)),
    ),
)
USER = {"role": "user", "content": "Hi?"}
SYSTEM = {"role": "system", "content": "Be brief."}
ASSISTANT = {"role": "assistant", "content": "Hello."}
GOOD = {"category": "advice", "messages": [USER]}


def write(path: Path, *rows: object) -> Path:
    """A JSONL file; bytes and texts are lines as they stand."""
    lines = [
        row
        if isinstance(row, bytes)
        else (row if isinstance(row, str) else json.dumps(row)).encode()
        for row in rows
    ]
    file = path / "prompts.jsonl"
    file.write_bytes(b"\n".join(lines))
    return file


def test_a_prompt_has_every_field_of_its_line(tmp_path: Path) -> None:
    expected = {"ruling": "refuse", "clause": "self-harm.S4", "answer": "re:no.*"}
    row = {
        "id": "p1",
        "category": "self-harm",
        "messages": [SYSTEM, USER, ASSISTANT, USER],
        "split": "held-out",
    }
    file = write(
        tmp_path, {**row, "expected": expected, "required_sections": ["## Sources", "Doses"]}
    )
    [prompt] = list(prompt_rows(file, SPEC))
    assert (prompt.id, prompt.category, prompt.split) == ("p1", "self-harm", "held-out")
    assert prompt.messages == (SYSTEM, USER, ASSISTANT, USER)
    assert prompt.expected == Expected("refuse", "self-harm.S4", "re:no.*")
    assert prompt.required_sections == (Section("## Sources"), Section("Doses"))


def test_a_prompt_without_an_id_gets_a_hash_of_its_content(tmp_path: Path) -> None:
    first, second = list(prompt_rows(write(tmp_path, GOOD, {**GOOD, "category": "general"}), SPEC))
    assert first.id == prompt_id("advice", first.messages)
    assert first.id != second.id
    assert (first.split, first.expected, first.required_sections) == (None, None, ())


def test_null_is_the_same_as_a_missing_key(tmp_path: Path) -> None:
    nulls = {"id": None, "split": None, "expected": None, "required_sections": None}
    assert next(prompt_rows(write(tmp_path, {**GOOD, **nulls}), SPEC)).split is None


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_passed_over(
    tmp_path: Path,
) -> None:
    line = json.dumps(GOOD).encode()
    file = write(
        tmp_path, b"\xef\xbb\xbf" + line + b"\r", b"", b"  ", json.dumps({**GOOD, "id": "x"}), b""
    )
    assert [prompt.id for prompt in list(prompt_rows(file, SPEC))][1:] == ["x"]


BAD = [
    (b'{"category": "\xe9"}', ("not UTF-8", "b'\\xe9' at byte 14", "save the file as UTF-8")),
    ("x".encode("utf-16"), ("not UTF-8",)),
    ('{"category": }', ("not JSON", "column 14", "one JSON object a line")),
    ('{"category": "advice"', ("not JSON", "write one JSON object a line")),
    ("[" * 100_000, ("nested too deep",)),
    ('{"category": ' + "1" * 5000 + "}", ("a number that cannot be read", "shorten")),
    ("[1]", ("not a JSON object ([1])", '{"messages"')),
    ("3", ("not a JSON object (3)",)),
    ('{"category": "advice", "category": "general"}', ("key 'category' stands twice", "keep one")),
    ({**GOOD, "catgory": "x"}, ("unknown key 'catgory'", "did you mean 'category'?")),
    ({"messages": [USER]}, ("category is missing", "advice, self-harm, general")),
    (
        {**GOOD, "category": "selfharm"},
        ("unknown category 'selfharm'", "advice, self-harm, general"),
    ),
    ({**GOOD, "category": 3}, ("category is not a text (3)", "quotes")),
    ({"category": "advice"}, ("messages is missing", '"messages": [')),
    ({**GOOD, "messages": []}, ("messages is not a list of turns ([])", "at least one")),
    ({**GOOD, "messages": "Hi?"}, ('messages is not a list of turns ("Hi?")',)),
    ({**GOOD, "messages": ["Hi?"]}, ('messages[0] is not an object ("Hi?")', '{"role"')),
    (
        {**GOOD, "messages": [{"role": "User", "content": "x"}]},
        ("messages[0].role is 'User'", "'user'"),
    ),
    (
        {**GOOD, "messages": [{"content": "x"}]},
        ("messages[0].role is None", "system, user, assistant, tool"),
    ),
    ({**GOOD, "messages": [{"role": "user"}]}, ("messages[0].content is missing",)),
    ({**GOOD, "messages": [{"role": "user", "content": " \n"}]}, ("messages[0].content is empty",)),
    (
        {**GOOD, "messages": [{"role": "user", "content": ["x"]}]},
        ('content is not a text (["x"])',),
    ),
    ({**GOOD, "messages": [{"role": "user", "content": "\ud83d"}]}, ("half of a surrogate pair",)),
    ({**GOOD, "messages": [{**USER, "names": "x"}]}, ("unknown key 'names' in messages[0]",)),
    ({**GOOD, "messages": [{**USER, "images": ["x"]}]}, ("unknown key 'images' in messages[0]",)),
    (
        {**GOOD, "messages": [USER, {**ASSISTANT, "tool_calls": [{"id": "1"}]}, USER]},
        ("messages[1] calls a tool (tool_calls)", "leave the row out"),
    ),
    (
        {**GOOD, "messages": [USER, {"role": "assistant", "function_call": {"name": "x"}}, USER]},
        ("messages[1] calls a tool (function_call)",),
    ),
    (
        {**GOOD, "messages": [{**USER, "reasoning": "x"}]},
        ("messages[0] has reasoning", "leave it out"),
    ),
    (
        {**GOOD, "messages": [USER, {**ASSISTANT, "reasoning_content": "x"}, USER]},
        ("messages[1] has reasoning", "leave it out"),
    ),
    ({**GOOD, "messages": [USER, ASSISTANT]}, ("the role 'assistant'", "ends on the user turn")),
    ({**GOOD, "messages": [SYSTEM]}, ("the role 'system'", "ends on the user turn")),
    (
        {**GOOD, "messages": [USER, SYSTEM, USER]},
        ("messages[1].role is 'system'", "only be the first"),
    ),
    ({**GOOD, "id": ""}, ("id is empty",)),
    ({**GOOD, "id": 7}, ("id is not a text (7)", "quotes")),
    ({**GOOD, "expected": "refuse"}, ('expected is not an object ("refuse")', '{"ruling"')),
    (
        {**GOOD, "expected": {"rule": "x"}},
        ("unknown key 'rule' in expected", "did you mean 'ruling'?"),
    ),
    (
        {**GOOD, "expected": {"ruling": "refused"}},
        ("unknown ruling 'refused'", "did you mean 'refuse'?"),
    ),
    ({**GOOD, "expected": {"clause": "S4"}}, ("unknown clause 'S4'", "self-harm.S4")),
    (
        {**GOOD, "expected": {"clause": "self-harm.S5"}},
        ("'self-harm.S5'", "did you mean 'self-harm.S4'?"),
    ),
    (
        {**GOOD, "expected": {"answer": "re:("}},
        ("not a regular expression", "'re:('", "leave out 're:'"),
    ),
    ({**GOOD, "required_sections": "x"}, ('required_sections is not a list ("x")',)),
    (
        {**GOOD, "required_sections": ["x", 3]},
        ("required_sections[1] is not a text or an object (3)",),
    ),
    ({**GOOD, "required_sections": [None]}, ("required_sections[0] is null",)),
]


@pytest.mark.parametrize(("row", "parts"), BAD)
def test_a_mistake_in_a_line_is_named(tmp_path: Path, row: object, parts: tuple[str, ...]) -> None:
    file = write(tmp_path, {**GOOD, "id": "ok"}, row)
    with pytest.raises(InputError) as caught:
        list(prompt_rows(file, SPEC))
    message = str(caught.value)
    assert message.startswith(f"{file}:2: ")
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert len(message) < len(str(file)) + 300


def test_two_equal_ids_are_named_with_both_lines(tmp_path: Path) -> None:
    file = write(tmp_path, {**GOOD, "id": "a"}, b"", {**GOOD, "id": "a", "category": "general"})
    with pytest.raises(InputError, match=r"jsonl:3: id 'a' is taken by line 1; give one"):
        list(prompt_rows(file, SPEC))


def test_the_same_prompt_twice_without_ids_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r":2: id '[0-9a-f]{32}' is taken by line 1; .* if they are the same"
    ):
        list(prompt_rows(write(tmp_path, GOOD, GOOD), SPEC))


@pytest.mark.parametrize(
    ("bad", "ending"),
    [(1, ""), (2, " (1 more line has a problem)"), (3, " (2 more lines have a problem)")],
)
def test_the_first_problem_is_named_and_the_others_are_counted(
    tmp_path: Path, bad: int, ending: str
) -> None:
    file = write(tmp_path, GOOD, *["{}"] * bad, {**GOOD, "id": "x"})
    with pytest.raises(InputError) as caught:
        list(prompt_rows(file, SPEC))
    way_out = "give one of advice, self-harm, general"
    assert str(caught.value) == f"{file}:2: category is missing; {way_out}{ending}"


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"prompts\.jsonl: is empty; it needs"):
        list(prompt_rows(write(tmp_path, content), SPEC))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jsonl: no such file; give a JSONL file"):
        list(prompt_rows(tmp_path / "nowhere.jsonl", SPEC))
    with pytest.raises(InputError, match=r"is a folder without a file that ends in \.jsonl"):
        list(prompt_rows(tmp_path, SPEC))


@pytest.mark.parametrize(("name", "at_least"), [("prompts.jsonl", 14), ("suite.jsonl", 8)])
def test_the_prompts_of_the_real_model_test_can_be_read(name: str, at_least: int) -> None:
    spec = load_spec(ENGLISH)
    prompts = list(prompt_rows(ROOT / "tests" / "data" / "real" / name, spec))
    assert len(prompts) >= at_least
    assert {p.category for p in prompts} == {*spec.names, "general"}
    assert {p.expected.ruling for p in prompts if p.expected} == {
        "comply",
        "refuse",
        "safe-complete",
    }
    for prompt in prompts:
        if prompt.expected and prompt.expected.clause:
            assert prompt.expected.ruling == spec.clause(prompt.expected.clause).ruling
            assert prompt.expected.clause.startswith(f"{prompt.category}.")
