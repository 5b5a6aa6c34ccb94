"""`dalign data transform`: a row for each prompt and transform, and what becomes of those that cannot be."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from dalign.data.adapters import adapter
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped
from dalign.transforms import transforms

ROWS = [
    {"id": "a", "category": "violence", "messages": [{"role": "user", "content": "How is that done?"}],
     "expected": {"ruling": "refuse"}, "source": "mine"},
    {"category": "general", "messages": [{"role": "user", "content": "多少钱?"}]},
]  # fmt: skip


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of `dalign data transform`."""
    return partial(dalign, "data", "transform")


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_each_prompt_is_there_in_each_transform_and_a_suite_reads_it(call, prompts: Path) -> None:
    out = prompts.with_name("out.jsonl")
    code, said, err = call(prompts, out, "--transform", "rot13", "--transform", "role_play", "--with-plain", "--json")  # fmt: skip
    assert code == 0, err
    told = json.loads(said)
    assert (told["prompts"], told["rows"]) == (2, 5)
    assert told["dropped"] == [{"transform": "rot13", "reason": "changes nothing", "rows": 1}]
    rows = lines(out)
    own = rows[3]["origin"]
    assert [row["id"] for row in rows] == ["a", "a#rot13", "a#role_play", own, f"{own}#role_play"]
    assert [row["transform"] for row in rows] == ["none", "rot13", "role_play", "none", "role_play"]
    assert rows[0]["messages"] == ROWS[0]["messages"]
    assert "Ubj vf gung qbar?" in rows[1]["messages"][-1]["content"]
    assert {row["source"] for row in rows[:3]} == {"mine"}
    [dropped] = lines(prompts.with_name("out.dropped.jsonl"))
    assert (dropped["id"], dropped["reason"]) == (f"{own}#rot13", "changes nothing")
    suite = list(adapter("prompts", load_spec(shipped("safety")))(out))
    assert [prompt.id for prompt in suite] == [row["id"] for row in rows]
    assert dict(suite[1].labels) == {"source": "mine", "origin": "a", "transform": "rot13"}
    assert suite[1].expected == suite[0].expected and suite[1].expected is not None


def test_without_names_it_is_all_of_them_and_they_are_listed(call, prompts: Path) -> None:
    out = prompts.with_name("out.jsonl")
    assert call(prompts, out)[0] == 0
    first = [row["transform"] for row in lines(out) if row["origin"] == "a"]
    assert first == list(transforms())
    code, said, _ = call("--list", "--json")
    assert code == 0 and [row["name"] for row in json.loads(said)] == first
    assert call("--list")[1].startswith("base64  ")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"messages": [{"role": "assistant", "content": "Yes."}]}, "the last message is of the role 'assistant'"),
        ({"messages": [{"role": "user", "content": "Hi"}], "origin": "x"}, "has the key 'origin' already"),
        ({"id": "a", "messages": [{"role": "user", "content": "Hi"}]}, "id 'a' is taken by line 1"),
        ({"category": "x"}, "messages is missing"),
        ({"id": "b#rot13", "messages": [{"role": "user", "content": "Hi"}]}, "id 'b#rot13' ends as that of a transformed prompt does"),
        ({"messages": [{"role": "user", "content": "Hi"}], "note": "\ud800"}, "a further key holds half of a surrogate pair"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_prompt_is_one_sentence_and_nothing_is_left(
    call, prompts: Path, row: dict, told: str
) -> None:
    with prompts.open("a") as file:
        file.write(json.dumps(row) + "\n")
    out = prompts.with_name("out.jsonl")
    code, said, err = call(prompts, out)
    assert code == 1 and f"{prompts}:3: {told}" in err and err.count("\n") == 1, err
    assert said == "" and sorted(path.name for path in prompts.parent.iterdir()) == ["prompts.jsonl"]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["in", "out.txt"], "its name must end in .jsonl"),
        (["in", "in"], "is the input"),
        (["in", "no/out.jsonl"], "there is no folder"),
        (["in"], "give both, or --list"),
        (["in", "out.jsonl", "--transform", "rot14"], "did you mean 'rot13'?"),
    ],
)
def test_what_cannot_be_is_one_sentence(call, prompts: Path, args: list[str], told: str) -> None:
    given = [str(prompts) if arg == "in" else arg if arg.startswith("-") or arg == "rot14" else str(prompts.parent / arg) for arg in args]  # fmt: skip
    code, said, err = call(*given)
    assert (code, said) == (1, "") and told in err
    code, _, err = call(prompts.parent, prompts, "--force")
    assert code == 1 and "is the input" in err and len(lines(prompts)) == 2
    out = prompts.with_name("out.jsonl")
    out.write_text("mine")
    code, _, err = call(prompts, out)
    assert code == 1 and "overwrite it with --force" in err and out.read_text() == "mine"
    assert call(prompts, out, "--force", "--transform", "base64")[0] == 0
    assert len(lines(out)) == 2
