"""JSON and TOML that nobody meant to be read: a ValueError with the line, never the end of the program."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.balance import read_quotas
from dalign.data.patterns import read_patterns
from dalign.errors import InputError
from dalign.parsing import DEEPEST, UnreadableError, json_value, toml_table
from dalign.settings import load_config
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec
from policies import KITCHEN, write_policy


@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 3000, 200_000])
@pytest.mark.parametrize("kind", ["[%s]", '{"a":%s}'])
def test_json_of_too_many_levels_is_refused(levels: int, kind: str) -> None:
    before, after = kind.split("%s")
    with pytest.raises(ValueError, match="nested too deep"):
        json_value(before * levels + "1" + after * levels)


def test_json_of_as_many_levels_as_allowed_is_read() -> None:
    assert json_value("[" * DEEPEST + "]" * DEEPEST) is not None
    # Brackets in a text are no levels.
    assert json_value('["' + "[" * 999 + '"]') == ["[" * 999]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nz = " + "[" * 3000, 2),
        ("a = 1\nz = " + "[" * 500 + "]" * 500, 2),
        ("\n\nz = " + "{a = " * 3000, 3),
        ("z = 1\na" + ".a" * 3000 + " = 1\n", 2),
        ("[a" + ".a" * 3000 + "]\n", 1),
        ("a = 1\nz = " + "9" * 5000, 2),
        ("a = 1\nb = [\n", 2),
    ],
)
def test_toml_that_cannot_be_read_names_its_line(text: str, line: int) -> None:
    with pytest.raises(UnreadableError) as raised:
        toml_table(text)
    assert raised.value.line == line


@pytest.mark.parametrize(
    "value", ["[" * 200_000, "- " * 200_000, "{a: " * 200_000, "[[[[[[[[[a]]]]]]]]]"]
)
def test_front_matter_that_is_nested_is_named(tmp_path: Path, value: str) -> None:
    folder = write_policy(tmp_path / "spec", kitchen=KITCHEN.replace("1.0.0", value, 1))
    with pytest.raises(InputError, match=r"kitchen\.md:3: the front matter is not YAML"):
        load_spec(folder)


def test_front_matter_that_repeats_itself_is_named(tmp_path: Path) -> None:
    lists = "".join(f", &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))
    value = f"[&a0 [x]{lists}]"
    folder = write_policy(tmp_path / "spec", kitchen=KITCHEN.replace("1.0.0", value, 1))
    with pytest.raises(InputError, match="a value refers to another"):
        load_spec(folder)


def test_every_file_of_toml_or_json_that_is_nested_is_named(tmp_path: Path) -> None:
    deep = tmp_path / "deep.toml"
    deep.write_text("z = " + "[" * 3000)
    for read in (lambda: load_config(deep, []), lambda: read_patterns(deep)):
        with pytest.raises(InputError, match=f"^{deep}:.*nested too deep"):
            read()
    with pytest.raises(InputError, match=r"^--set z="):
        load_config(None, ["z=" + "[" * 3000])
    quota = tmp_path / "quota.json"
    quota.write_text("[" * 3000)
    with pytest.raises(InputError, match=f"^{quota}: .*nested too deep"):
        read_quotas(quota)
    folder = write_policy(tmp_path / "spec", golden='\n{"id":"x","prompt":' + "[" * 3000)
    with pytest.raises(InputError, match=r"garden\.jsonl:2: .*nested too deep"):
        load_golden(load_spec(folder))
