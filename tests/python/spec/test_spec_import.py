"""Policies of other forms as drafts of a policy folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.cli.spec.write import import_policy
from dalign.errors import InputError
from dalign.spec.check import check_spec
from dalign.spec.imports.draft import guess_ruling
from dalign.spec.imports.forms import form_of
from dalign.spec.parse import load_spec

POLICIES = Path(__file__).parents[2] / "data" / "policies"


@pytest.mark.parametrize(
    ("file", "form", "clauses"),
    [
        (
            "safeguard",
            "safeguard",
            {"SP0-a": "comply", "SP0-b": "comply", "SP2-a": "safe-complete", "SP3-a": "refuse"},
        ),
        ("model_spec", "model-spec", {"follow_chain": "comply", "no_private_data": "refuse"}),
        (
            "plain",
            "markdown",
            {"C1": "comply", "C2": "comply", "C3": "refuse", "C4": "refuse", "C5": "safe-complete"},
        ),
    ],
)
def test_a_policy_is_read_in_its_form(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    form: str,
    clauses: dict[str, str],
) -> None:
    source = POLICIES / f"{file}.md"
    assert form_of(source.read_text("utf-8")) == form
    import_policy(source, tmp_path / "out", "auto", "mine", as_json=False)
    (category,) = load_spec(tmp_path / "out").categories
    assert {clause.key: clause.ruling for clause in category.clauses} == clauses
    told = capsys.readouterr().out
    assert all(f"rules {ruling}" in told for ruling in clauses.values())
    # What a draft lacks is what its source lacked; the form itself is in order.
    lacking = {"no-example", "no-style", "unused-term"}
    assert {f.kind for f in check_spec(tmp_path / "out", len).findings} <= lacking


def test_examples_definitions_and_goal_are_taken_over(tmp_path: Path) -> None:
    import_policy(POLICIES / "safeguard.md", tmp_path / "out", "auto", None, as_json=True)
    (category,) = load_spec(tmp_path / "out").categories
    assert category.name == "spam"
    assert category.summary.startswith("Identify spam.")
    assert [each.term for each in category.definitions] == ["Spam", "Bulk messaging"]
    clause = {clause.key: clause for clause in category.clauses}
    assert clause["SP0-a"].allowed == (
        "I sell my old bicycle, pick it up in the yard.",
        "Two concert tickets for sale, face value.",
    )
    assert clause["SP3-a"].disallowed == ("You have won. Send us your details.",)


def test_the_users_turns_of_a_model_spec_are_examples(tmp_path: Path) -> None:
    import_policy(POLICIES / "model_spec.md", tmp_path / "out", "auto", "mine", as_json=True)
    first, second = load_spec(tmp_path / "out").categories[0].clauses
    assert first.allowed == ("What is a harbour?",)
    assert second.text.endswith("- addresses of private persons\n- medical files")
    assert "*Assistant*" not in first.text  # only "assistant" stands there
    assert "*assistant*" in first.text


@pytest.mark.parametrize(
    ("text", "ruling"),
    [
        ("What is not allowed", "refuse"),
        ("Allowed content", "comply"),
        ("Disallowed", "refuse"),
        ("Handle with caution", "safe-complete"),
        ("Weeds", "refuse"),
    ],
)
def test_a_ruling_is_guessed_from_the_first_telling_word(text: str, ruling: str) -> None:
    assert guess_ruling(text)[0] == ruling


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        import_policy(tmp_path / "no.md", tmp_path / "out", "auto", None, as_json=False)
    (tmp_path / "bare.md").write_text("Only a sentence.")
    with pytest.raises(InputError, match="no rule was found"):
        import_policy(tmp_path / "bare.md", tmp_path / "out", "auto", None, as_json=False)
    with pytest.raises(InputError, match="not a name for a category"):
        import_policy(POLICIES / "plain.md", tmp_path / "out", "auto", "A B", as_json=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="not empty"):
        import_policy(POLICIES / "plain.md", tmp_path, "auto", None, as_json=False)
