"""Policies of other forms as drafts of a policy folder: no ruling is turned around, none is guessed, none is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from dalign.cli.spec.write import import_policy
from dalign.errors import InputError
from dalign.spec.check import check_spec
from dalign.spec.imports.document import plain
from dalign.spec.imports.draft import Draft
from dalign.spec.imports.forms import form_of, read_form
from dalign.spec.imports.labels import cued, heading_label, label, leading_label, trailing_label
from dalign.spec.parse import compile_spec, load_spec

POLICIES = Path(__file__).parents[2] / "data" / "policies"
TEN = POLICIES / "imported"
EXPECTED: dict[str, dict[str, str]] = json.loads((TEN / "expected.json").read_text())
CODED = ("museum.md", "goods.md", "kitchen.md", "trains.txt", "bikes.txt", "hotel.md")
# What a draft lacks is what its source lacked.
LACKING = {"undecided", "no-example", "no-style", "unused-term", "summary-length", "title-length", "clause-length", "arrow-direction", "dangling-reference"}  # fmt: skip


def drafted(text: str) -> Draft:
    return read_form(text, form_of(text))


def rulings(draft: Draft) -> dict[str, str]:
    return {rule.key: rule.decided[0] or "TODO" for rule in draft.rules}


def found(draft: Draft, expected: dict[str, str]) -> dict[str, str]:
    """The rulings by the keys, or pieces of text, that are expected."""
    said = {}
    for piece in expected:
        rules = [r for r in draft.rules if r.key == piece or piece in " ".join((r.title, *r.texts))]
        said[piece] = (rules[0].decided[0] or "TODO") if rules else "lost"
    return said


@pytest.mark.parametrize("name", EXPECTED)
def test_ten_policies_of_different_make(name: str) -> None:
    expected = EXPECTED[name]
    said = found(drafted((TEN / name).read_text("utf-8")), expected)
    assert {
        key: ruling for key, ruling in said.items() if ruling not in (expected[key], "TODO")
    } == {}
    # Of a source that says each ruling, one decision in five at most is left.
    open_ones = [key for key, ruling in said.items() if ruling == "TODO" != expected[key]]
    assert len(open_ones) <= len(expected) / 5 if name in CODED else len(open_ones) <= 1


def test_there_are_ten_and_none_has_rules_that_nobody_wrote() -> None:
    assert len(EXPECTED) == 10
    for name, expected in EXPECTED.items():
        draft = drafted((TEN / name).read_text("utf-8"))
        # A memo has sentences that may be rules or not: they are left to the user.
        more = 1 if name == "memo.md" else 0
        assert len(draft.rules) == len(expected) + more, name


@pytest.mark.parametrize("name", EXPECTED)
def test_a_draft_is_in_order_but_for_what_its_source_lacked(tmp_path: Path, name: str) -> None:
    import_policy(TEN / name, tmp_path / "out", "auto", "mine", as_json=True)
    findings = check_spec(tmp_path / "out").findings
    assert [str(f) for f in findings if f.kind not in LACKING] == []
    undecided = "TODO" in found(drafted((TEN / name).read_text("utf-8")), EXPECTED[name]).values()
    if undecided:
        assert "undecided" in {f.kind for f in findings}
        with pytest.raises(InputError, match="still to be decided"):
            load_spec(tmp_path / "out")


MUSEUM = (TEN / "museum.md").read_text("utf-8")
_LINE = re.compile(r"^(MU\d) (.*?) (ALLOWED|DISALLOWED|SAFE COMPLETION)\b(.*)$", re.MULTILINE)


def _each(pattern: str) -> Callable[[str], str]:
    """The museum's rules in another shape: {k} the code, {t} the text, {l} the label, {e} the example."""
    return lambda text: _LINE.sub(
        lambda m: pattern.format(k=m[1], t=m[2], l=m[3], low=m[3].casefold(), e=m[4].strip(" .")),
        text,
    )


def _tiers(text: str) -> str:
    """The labels as headings above the rules."""
    head, _, rest = text.partition("Rules\n")
    rules, _, manner = rest.partition("\nManner")
    by: dict[str, list[str]] = {}
    for match in _LINE.finditer(rules):
        by.setdefault(match[3], []).append(f"{match[1]} {match[2]}{match[4].removeprefix('.')}")
    tiers = "\n".join(f"## {name.capitalize()}\n" + "\n".join(lines) for name, lines in by.items())
    return f"{head}\n{tiers}\n\nManner{manner}"


MAKES: dict[str, Callable[[str], str]] = {
    "bullets": _each("- {k} {t} {l}. {e}"),
    "codes as headings": _each("## {k}\n{t} {l}\n\n{e}\n"),
    "codes and labels in headings": _each("### {k} ({low})\n{t}\n\n{e}\n"),
    "label in brackets behind": _each("{k}. {t} [{low}]. {e}"),
    "label in brackets before": _each("{k} [{l}] {t} {e}"),
    "label before the code": _each("{l}: {k} {t} {e}"),
    "label behind an arrow": _each("**{k}** {t} → {low}"),
    "label on the next line": _each("{k}: {t}\n{l}\n"),
    "ruling named": _each("{k} - {t}\nRuling: {low}\n{e}\n"),
    "rows of a table": lambda text: "| Code | Policy | Ruling |\n|---|---|---|\n" + "\n".join(f"| {m[1]} | {m[2]} | {m[3].casefold()} |" for m in _LINE.finditer(text)),
    "tiers above": _tiers,
    "wrapped": lambda text: "\n".join(re.sub(r"(.{1,60})(?: |$)", r"\1\n", line).strip() for line in text.split("\n")),
}  # fmt: skip


@pytest.mark.parametrize("make", MAKES)
def test_the_same_rules_in_another_make_rule_the_same(make: str) -> None:
    text = MAKES[make](MUSEUM)
    assert text != MUSEUM
    expected = EXPECTED["museum.md"]
    said = rulings(drafted(text))
    assert said.keys() == expected.keys()
    assert {key: ruling for key, ruling in said.items() if ruling != expected[key]} == {}


@pytest.mark.parametrize("make", [make for make in MAKES if make not in ("label behind an arrow", "label on the next line", "rows of a table")])  # fmt: skip
def test_examples_stand_on_the_side_of_their_rule(tmp_path: Path, make: str) -> None:
    (tmp_path / "m.md").write_text(MAKES[make](MUSEUM), "utf-8")
    import_policy(tmp_path / "m.md", tmp_path / "out", "auto", "mine", as_json=True)
    clauses = {c.key: c for c in load_spec(tmp_path / "out").clauses()}
    assert clauses["MU2"].allowed == ("Who was the woman in the blue portrait?",)
    assert clauses["MU3"].disallowed == ("When does the guard leave the coin room?",)
    assert clauses["MU7"].allowed == ("Isn't your war room far too cheerful?",)
    assert not any(clauses[key].allowed for key in ("MU3", "MU4", "MU8"))


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
    assert {f.kind for f in check_spec(tmp_path / "out", len).findings} <= LACKING


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
    assert clause["SP0-b"].allowed == ("Here is the newsletter that you signed up for.",)
    assert clause["SP3-a"].disallowed == ("You have won. Send us your details.",)


def test_tiers_terms_sides_severity_and_pointers_are_taken_over(tmp_path: Path) -> None:
    import_policy(TEN / "goods.md", tmp_path / "out", "auto", "goods", as_json=True)
    (category,) = load_spec(tmp_path / "out").categories
    assert [each.term for each in category.definitions] == ["Recalled good"]
    clause = {clause.key: clause for clause in category.clauses}
    recalled = clause["ML1"]
    assert (recalled.title, recalled.severity) == ("Recalled goods", "high")
    assert recalled.text == "A listing of a *recalled good* that may hurt whoever uses it."
    assert recalled.includes == ("spare parts of such goods",)
    assert recalled.excludes == ("a warning that quotes the listing (see goods.ML4)",)
    assert recalled.disallowed == ("Selling the cot that was in the news, works fine!",)
    assert clause["ML2"].allowed == ("Worn boots, sole thin, five coins.",)
    assert clause["ML2"].disallowed == ("Brand new, only the zip is broken and the sole is thin.",)
    assert clause["ML4"].severity is None


def test_manner_is_style_and_may_speak_of_one_ruling_alone(tmp_path: Path) -> None:
    import_policy(TEN / "museum.md", tmp_path / "out", "auto", "museum", as_json=True)
    (category,) = load_spec(tmp_path / "out").categories
    guides = {guide.ruling: guide.text for guide in category.style}
    friend, brief = "Write as a friendly guide would.", "When refusing, one sentence is enough."
    assert guides == {"comply": friend, "refuse": f"{friend}\n{brief}", "safe-complete": friend}


def test_the_users_turns_of_a_model_spec_are_examples(tmp_path: Path) -> None:
    import_policy(POLICIES / "model_spec.md", tmp_path / "out", "auto", "mine", as_json=True)
    first, second = load_spec(tmp_path / "out").categories[0].clauses
    assert first.allowed == ("What is a harbour?",)
    assert second.disallowed == ("Where does my neighbour's doctor keep her file?",)
    assert second.text.endswith("- addresses of private persons\n- medical files")
    assert "*Assistant*" not in first.text  # only "assistant" stands there
    assert "*assistant*" in first.text


def test_what_is_not_certain_stands_as_todo_with_its_source_beside_it(tmp_path: Path) -> None:
    source = tmp_path / "p.md"
    source.write_text(
        '# Post office\n\nP1 Parcels that are wet. Example: "May I send my soup?"\n'
        "P2 (allowed) Refuse to tell where a letter is.\nP3 Stamps of any age. ALLOWED\n"
    )
    import_policy(source, tmp_path / "out", "auto", "post", as_json=True)
    text = (tmp_path / "out" / "post.md").read_text("utf-8")
    assert (
        "### P1 TODO: Parcels that are wet\n<!-- line 3: TODO: nothing says how it rules. Source: P1 Parcels"
        in text
    )
    assert "<!-- TODO: allowed or disallowed? May I send my soup? -->" in text
    assert "### P2 TODO: " in text
    assert "TODO: its label says 'allowed', its words 'Refuse'." in text
    assert "### P3 comply: " in text
    kinds = [f.kind for f in check_spec(tmp_path / "out").findings]
    assert kinds.count("undecided") == 2
    decided = text.replace("P1 TODO", "P1 refuse").replace("P2 TODO", "P2 refuse")
    (tmp_path / "out" / "post.md").write_text(decided, "utf-8")
    assert {c.key: c.ruling for c in load_spec(tmp_path / "out").clauses()} == {"P1": "refuse", "P2": "refuse", "P3": "comply"}  # fmt: skip


def test_what_of_the_source_reached_no_unit_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "p.md"
    source.write_text(
        '# Post office\n\n## Contacts\n"Is it you?"\n\nAsk the people on the third floor.\n\n## Rules\nP1 Stamps of any age. ALLOWED\n'
    )
    import_policy(source, tmp_path / "out", "auto", "post", as_json=False)
    out = capsys.readouterr().out
    assert "line 6: in no unit: 'Ask the people on the third floor.'" in out
    assert "line 4: in no unit: 'Is it you?'" in out
    assert "1 of 2 sentences and 1 of 1 examples of the source reached no unit" in out
    import_policy(source, tmp_path / "json", "auto", "post", as_json=True)
    whole = json.loads(capsys.readouterr().out)
    assert whole["lost_sentences"] == [{"line": 6, "text": "Ask the people on the third floor."}]
    assert whole["source"] == {"sentences": 2, "examples": 1}


@pytest.mark.parametrize(
    ("text", "ruling"),
    [
        ("What is not allowed", "refuse"),
        ("Allowed content", "comply"),
        ("Disallowed", "refuse"),
        ("Handle with caution", "safe-complete"),
        ("DOES NOT VIOLATE", "comply"),
        ("(Violates)", "refuse"),
        ("Weeds", None),
        ("It may hurt", None),
        ("Safe travel", None),
        ("Help desk", None),
    ],
)
def test_a_label_says_a_ruling_and_other_words_say_none(text: str, ruling: str | None) -> None:
    said = heading_label(text)
    assert (said.ruling if said else None) == ruling


@pytest.mark.parametrize(
    ("sentence", "ruling"),
    [
        ("We are happy to help with hedges.", "comply"),
        ("Do not help with hedges.", "refuse"),
        ("The assistant may not name a member.", "refuse"),
        ("Hedges are never allowed.", "refuse"),
        ("Hedges are fine.", "comply"),
        ("A hedge may hurt whoever can reach it.", None),
        ("Never a problem, even in winter.", None),
        ("Refuse to cut it, but help with the form.", None),
        ("Do not diagnose; give only general information.", None),
        ("Send the guest to a doctor.", "safe-complete"),
    ],
)
def test_a_sentence_rules_by_its_verb_and_by_one_alone(sentence: str, ruling: str | None) -> None:
    said, _ = cued([sentence])
    assert (said.ruling if said else None) == ruling


@pytest.mark.parametrize(
    "text", ["That is not allowed here.", "Ask whether it is safe", "All right", "x"]
)
def test_a_sentence_that_ends_in_a_word_of_ruling_has_no_label(text: str) -> None:
    assert (label(text), trailing_label(text), leading_label(text)) == (None, None, None)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        import_policy(tmp_path / "no.md", tmp_path / "out", "auto", None, as_json=False)
    (tmp_path / "bare.md").write_text("# Only a title\n")
    with pytest.raises(InputError, match="no rule was found"):
        import_policy(tmp_path / "bare.md", tmp_path / "out", "auto", None, as_json=False)
    with pytest.raises(InputError, match="not a name for a category"):
        import_policy(POLICIES / "plain.md", tmp_path / "out", "auto", "A B", as_json=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="not empty"):
        import_policy(POLICIES / "plain.md", tmp_path, "auto", None, as_json=False)


def test_whatever_the_source_holds_the_draft_is_read_again(tmp_path: Path) -> None:
    hostile = "# P\n\nQ1 Say --> nothing <!-- here. ALLOWED\nQ2 # a heading: *x* - y. REFUSE\nQ3 - includes: x\n- allowed: y | z\n"
    (tmp_path / "p.md").write_text(hostile)
    import_policy(tmp_path / "p.md", tmp_path / "out", "auto", "p", as_json=True)
    kinds: set[str] = set()
    compile_spec(tmp_path / "out", lambda finding: kinds.add(finding.kind))
    assert kinds <= {"undecided", "dangling-reference"}
    assert plain("**a** [b](c)") == "a b"
