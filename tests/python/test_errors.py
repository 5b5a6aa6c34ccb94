"""What a program can match on in an error: its class, kind, place, value and limit."""

from __future__ import annotations

import copy
import errno
from pathlib import Path

import polars as pl
import pytest
from dalign import _core, errors
from dalign.data.adapters.prompts import prompt_rows
from dalign.data.patterns import read_patterns
from dalign.errors import DalignError, InputError, MissingExtraError, from_core, from_system
from dalign.models.checkpoint import check_checkpoint
from dalign.settings import check_paths, load_config
from dalign.spec.parse import load_spec
from policies import write_policy

CONFIG = """\
model = { path = "m" }
data = { prompts = "p.jsonl" }
spec = { path = "s" }
[judge]
"""


@pytest.mark.parametrize(
    ("line", "kind", "key", "value", "limit"),
    [
        ("k = 0", "out_of_range", "judge.k", 0, 1),
        ("k = 'four'", "wrong_type", "judge.k", "four", None),
        ("kk = 4", "unknown_key", "judge.kk", None, None),
        ("aggregate = 'max'", "unknown_choice", "judge.aggregate", "max", None),
        ("temperature = nan", "not_finite", "judge.temperature", None, None),
        ("min_valid = 5", "broken_rule", "judge.min_valid", None, None),
        ("k =", "syntax", None, None, None),
    ],
)
def test_a_problem_of_a_config_has_its_line_and_value(
    tmp_path: Path, line: str, kind: str, key: str | None, value: object, limit: object
) -> None:
    path = tmp_path / "dalign.toml"
    path.write_text(CONFIG + line + "\n")
    with pytest.raises(InputError) as raised:
        load_config(path, [])
    error = raised.value
    assert (error.kind, error.path, error.line, error.key) == (kind, path, 5, key)
    assert (error.limit, error.row) == (limit, None)
    if kind != "not_finite":  # nan is not itself
        assert error.value == value


def test_a_problem_of_an_override_is_of_no_file(tmp_path: Path) -> None:
    path = tmp_path / "dalign.toml"
    path.write_text(CONFIG)
    with pytest.raises(InputError) as raised:
        load_config(path, ["judge.k=0"])
    error = raised.value
    assert (error.key, error.path, error.line, error.value) == ("judge.k", None, None, 0)


def test_a_missing_path_of_a_config_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dalign.toml"
    path.write_text(CONFIG)
    with pytest.raises(InputError) as raised:
        check_paths(load_config(path, []))
    error = raised.value
    assert (error.kind, error.path, error.key) == ("missing_folder", tmp_path / "s", "spec.path")


@pytest.mark.parametrize(
    ("row", "kind", "key", "value"),
    [
        ('{"category": "weather", "messages": []}', "unknown_choice", "category", "weather"),
        ('{"messages": []}', "missing_key", "category", None),
        ('{"category": "garden", "messages": [], "spilt": 1}', "unknown_key", "spilt", None),
        ('{"id": 7}', "wrong_type", "id", 7),
        ('{"id": "a", "id": "b"}', "repeated", "id", None),
        ("{", "syntax", None, None),
        ("[]", "bad_row", None, None),
    ],
)
def test_a_problem_of_a_prompt_has_its_line_and_value(
    tmp_path: Path, row: str, kind: str, key: str | None, value: object
) -> None:
    spec = load_spec(write_policy(tmp_path / "spec"))
    path = tmp_path / "prompts.jsonl"
    path.write_text(f"\n{row}\n")
    with pytest.raises(InputError) as raised:
        list(prompt_rows(path, spec))
    error = raised.value
    assert (error.kind, error.path, error.line) == (kind, path, 2)
    assert (error.key, error.value) == (key, value)


def test_a_problem_of_a_policy_has_its_kind_and_line(tmp_path: Path) -> None:
    folder = write_policy(tmp_path / "spec")
    file = folder / "garden.md"
    lines = file.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.startswith("### "))
    lines[number - 1] = lines[number - 1].replace(":", " maybe:", 1)
    file.write_text("\n".join(lines))
    with pytest.raises(InputError) as raised:
        load_spec(folder)
    error = raised.value
    assert (error.kind, error.path, error.line) == ("clause-heading", file, number)
    again = copy.copy(error)  # by the same way as a process hands it on
    assert (str(again), again.line) == (str(error), number)


def test_what_the_core_refuses_keeps_row_value_and_limit() -> None:
    with pytest.raises(_core.CoreError) as refused:
        _core.TablePacker(4, "error").pack(pl.DataFrame({"input_ids": [[1, 2], [0] * 9]}))
    error = from_core(refused.value, "a row is too long", path=Path("a.jsonl"))
    assert (error.kind, error.row, error.value, error.limit) == ("row_too_long", 1, 9.0, 4.0)
    assert (str(error), error.path) == ("a row is too long", Path("a.jsonl"))


def test_a_pattern_and_a_checkpoint_name_their_file(tmp_path: Path) -> None:
    path = tmp_path / "patterns.toml"
    path.write_text("[[answer]]\nruling = 'perhaps'\npattern = 'x'\n")
    with pytest.raises(InputError) as raised:
        read_patterns(path)
    assert (raised.value.kind, raised.value.path) == ("unknown_choice", path)
    with pytest.raises(InputError) as raised:
        check_checkpoint(tmp_path)
    assert (raised.value.kind, raised.value.path) == ("missing_file", tmp_path)


def test_every_error_takes_the_facts_and_survives_a_process() -> None:
    kinds = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, DalignError)]
    assert MissingExtraError in kinds
    for kind in kinds:
        error = kind("what", kind="k", path=Path("p"), line=1, row=0, key="a.b", value=2, limit=3)
        again = copy.copy(error)  # by the same way as a process hands it on
        assert type(again) is kind and str(again) == "what"
        assert vars(again) == vars(error) and again.path == Path("p")


def test_where_a_copy_has_no_room_the_new_file_is_named_and_not_the_old() -> None:
    for number in (errno.ENOSPC, errno.EFBIG):
        error = from_system(OSError(number, "x", "old.md", None, "new.md"))
        assert str(error).startswith("new.md: ")
    assert str(from_system(OSError(errno.EACCES, "x", "old.md", None, "new.md"))).startswith("old.md: ")  # fmt: skip
