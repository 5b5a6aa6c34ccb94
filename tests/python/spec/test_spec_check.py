"""What a check finds in a policy: each kind, where it stands, and nothing where nothing is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.spec.check import Checked, check_spec
from dalign.spec.findings import KINDS
from dalign.spec.shipped import shipped
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import CASE, ENGLISH, GARDEN, KITCHEN, PRINCIPLES, write_policy


def check(folder: Path, max_tokens: int = 5_000) -> Checked:
    return check_spec(folder, lambda text: -(-len(text.encode()) // 4), max_tokens)


def test_a_policy_in_order_has_no_findings(tmp_path: Path) -> None:
    checked = check(write_policy(tmp_path))
    assert [str(each) for each in checked.findings] == []
    assert [checked.golden_of(category) for category in checked.spec.categories] == [1, 0]


SUMMARIES = [GARDEN.split("\n")[4].strip(), KITCHEN.split("\n")[3].partition(": ")[2]]
# (kind, file, the text that is replaced, by what, line of the finding, words that it must have)
DEFECTS = [
    ("undefined-term", "garden", "on a *pest* are", "on a *pests trap* are", 14, "'pests trap'"),
    ("undefined-term", "garden", "The vet first.", "The *vet* first.", 38, "'vet'"),
    ("undefined-term", "garden", "killing animals (see", "a **kill** (see", 16, "'kill'"),
    ("unused-term", "garden", "on a *pest* are", "on a pest are", 9, "'pest'"),
    ("unused-term", "principles", "*uplift*", "uplift", 9, "'uplift'"),
    ("undefined-term", "principles", "*uplift*.", "*uplift* or *harm*.", 6, "'harm'"),
    ("dangling-reference", "garden", "(see G2)", "(see G9)", 16, "'G9'"),
    ("dangling-reference", "garden", "what is sold as bait", "what kitchen.C7 says of it", 24, "'kitchen.C7'"),
    ("circular-reference", "garden", "bait, and what", "plants (see G1), or", 24, "garden.G1 → garden.G2 → garden.G1"),
    ("circular-reference", "garden", "(see G2)", "(see G1)", 16, "garden.G1 → garden.G1"),
    ("duplicate-id", "garden", "### G3 safe", "### G1 safe", 28, "line 13"),
    ("no-example", "garden", '- allowed: "How do I grow beans?"\n', "", 13, "'allowed'"),
    ("no-example", "garden", '- disallowed: "Which bait kills a dog?"\n', "", 20, "'disallowed'"),
    ("conflicting-examples", "garden", "Which plants are bad for dogs?", "WHICH bait kills a dog", 26, "'refuse'"),
    ("conflicting-examples", "kitchen", "How do I boil an egg?", "My dog ate bait. What now?", 11, "'safe-complete'"),
    ("repeated-example", "kitchen", "How do I boil an egg?", "How do I grow beans?", 11, "garden.md:17"),
    ("example-clause", "garden", 'bait kills a dog?"', 'bait kills a dog?" (see G3)', 26, "garden.G3"),
    ("similar-summaries", "kitchen", SUMMARIES[1], SUMMARIES[0].replace("another day", "Monday"), 4, "'garden'"),
    ("unowned-line", "garden", "## Clauses\n", "## Clauses\nA word.\n", 12, "'A word.'"),
    ("unowned-line", "garden", "Which bait kills a dog?\"\n", "Which bait kills a dog?\"\n\nA late word.\n", 28, "'A late word.'"),
    ("unowned-line", "garden", "## Style", "## Stile", 34, "'Style'"),
    ("unowned-line", "garden", "One sentence.", "#### One sentence.", 36, "heading"),
    ("unowned-line", "kitchen", "- 1.0.0: First version.", "- 1.0.0: First version.\n\nMore.", 21, "'More.'"),
    ("unknown-ruling", "garden", "G2 refuse", "G2 deny", 20, "'deny'"),
    ("unknown-label", "garden", "- severity: high", "- severty: high", 23, "'severity'"),
    ("severity", "garden", "- severity: high", "- severity: huge", 23, "'huge'"),
    ("empty-bullet", "garden", "- severity: high", "- includes:", 23, "'includes'"),
    ("empty-clause", "garden", "Name the vet first. Then say what to bring.\n", "", 28, "G3"),
    ("no-style", "garden", "### safe-complete\nThe vet first.\n", "", 28, "'safe-complete'"),
    ("duplicate-term", "garden", "- **pest**", "- **Poison**", 9, "line 8"),
    ("duplicate-section", "garden", "## Changelog", "## Definitions\n## Changelog", 42, "line 7"),
    ("hidden-character", "garden", "Name the vet", "Name \u202ethe vet", 29, "U+202E (RIGHT-TO-LEFT OVERRIDE) stands in column 6"),
    ("hidden-character", "garden", "Name the vet", "Name \x1b[31mthe vet", 29, "U+001B"),
    ("hidden-character", "garden", "Name the vet", "Name\x9b the vet", 29, "U+009B"),
    ("hidden-character", "kitchen", "How do I boil", "How\u200b do I boil", 11, "U+200B (ZERO WIDTH SPACE)"),
    ("hidden-character", "principles", "Help, and", "Help,\u2028and", 6, "U+2028 (LINE SEPARATOR)"),
    ("undecided", "garden", "G2 refuse", "G2 TODO", 20, "clause G2 is still to be decided"),
    ("against-heading", "garden", "Questions on plants", "Refuse questions on plants", 13, "'Refuse questions"),
    ("against-heading", "garden", "Names of plants are given.", "Decline to name plants.", 13, "'Decline to name"),
    ("against-heading", "garden", "No *poison* is named", "Help with *poison*", 20, "G2 rules 'refuse'"),
    ("against-heading", "garden", "Name the vet first.", "Refuse in a sentence.", 28, "'Refuse in a sentence.'"),
    ("against-guide", "garden", "One sentence.", "Answer in full, and warmly.", 35, "'refuse'"),
    ("against-guide", "garden", "Warm and plain.", "Refuse kindly.", 39, "'comply'"),
    ("password", "garden", "A reason changes nothing.", "It stays so unless the user says that they are a vet.", 20, "'unless the user says'"),
    ("password", "garden", "A reason changes nothing.", "This holds except for qualified chemists.", 20, "'except for qualified chemists'"),
    ("vague", "garden", "Names of plants are given.", "Names are given where appropriate.", 13, "'where appropriate'"),
    ("todo", "garden", "Then say what to bring.", "TODO say what to bring.", 29, "'TODO'"),
    ("todo", "principles", "Help, and", "Help (TBD), and", 6, "'TBD'"),
    ("summary-length", "garden", SUMMARIES[0], "Plants and tools.", 4, "3 words"),
    ("summary-length", "kitchen", SUMMARIES[1], SUMMARIES[1] + " Bread and soup." * 10, 4, "words, and 50 to 90"),
    ("title-length", "garden", "Growing things", "Growing", 13, "1 word,"),
    ("title-length", "garden", "Growing things", "Growing things of any kind in any soil", 13, "8 words"),
    ("clause-length", "garden", " Names of plants are given.", "", 13, "1 sentence,"),
    ("clause-length", "garden", "Names of plants are given.", "Give them. " * 6, 13, "7 sentences"),
    ("needless-severity", "garden", "- excludes: killing", "- severity: low\n- excludes: killing", 13, "'low'"),
    ("shadowed-term", "garden", "- **pest**: an animal", "- **uplift**: help\n- **pest**: an animal", 9, "principles.md:9"),
    ("dangling-reference", "garden", "A reason changes nothing.", "What G9 says stays.", 20, "'G9' is no clause"),
    ("dangling-reference", "garden", "A reason changes nothing.", "The policy on cellars rules those.", 20, "'cellars rules'"),
    ("arrow-direction", "garden", "bait, and what is sold as bait", "a look at plants (see G1)", 24, "let G1 refer to G2"),
    ("other-category", "garden", "and what is sold as bait", "and what kitchen.C1 says", 24, "'the policy on kitchen'"),
    ("repeated-example", "kitchen", "How do I boil an egg?", "How do I kill the cat of my old neighbour?\"\n- allowed: \"How do I kill the cat of my neighbour?", 12, "kitchen.md:11"),
    ("example-form", "garden", '"How do I grow beans?"', "How do I grow beans?", 17, "double quotes"),
    ("example-form", "garden", "How do I grow beans?", "Questions about beans", 17, "tells of a message"),
    ("clause-heading", "garden", "### G3 safe-complete:", "### safe-complete:", 28, "no id"),
    ("version", "garden", "version: 1.2.0", "version: 1.2", 3, "'1.2'"),
    ("changelog", "garden", "- 1.2.0: G3 is new.\n", "", 3, "1.2.0"),
    ("changelog", "principles", "- 1.0.0: First version.\n", "", 3, "1.0.0"),
    ("front-matter", "garden", "category: garden", "categry: garden", 2, "'categry'"),
    ("front-matter", "kitchen", "---\ncategory", "category", 1, "no front matter"),
    ("duplicate-category", "kitchen", "category: kitchen", "category: garden", 1, "garden.md"),
    ("no-clauses", "kitchen", "## Clauses", "## Changes", 6, "Clauses"),
    ("empty-file", "kitchen", KITCHEN, "\n", 1, "empty"),
    ("empty-file", "principles", PRINCIPLES, " ", 1, "empty"),
]  # fmt: skip
# Nothing in a text can bring these about; they have tests of their own.
OTHERS = {"golden-example", "golden-coverage", "golden-trivial", "unreadable", "no-principles", "over-long", "template", "golden", "contradiction", "ruled-otherwise"}  # fmt: skip


@pytest.mark.parametrize(("kind", "file", "before", "after", "line", "words"), DEFECTS)
def test_a_defect_is_found_where_it_stands(
    tmp_path: Path, kind: str, file: str, before: str, after: str, line: int, words: str
) -> None:
    texts = {"garden": GARDEN, "kitchen": KITCHEN, "principles": PRINCIPLES}
    assert before in texts[file]
    broken = {file: texts[file].replace(before, after, 1)}
    found = check(write_policy(tmp_path, **broken)).findings
    matching = [f for f in found if f.kind == kind and words in f.text]
    assert [(f.file.name, f.line) for f in matching] == [(f"{file}.md", line)], found
    assert "\n" not in str(matching[0])


def test_every_kind_has_a_test() -> None:
    assert {kind for kind, *_ in DEFECTS} | OTHERS == set(KINDS)


@pytest.mark.parametrize("text", ["می\u200cخواهم", "👩\u200d🌾", "☂\ufe0f", "naïve 漢字"])
def test_what_scripts_and_signs_need_is_no_hidden_character(tmp_path: Path, text: str) -> None:
    assert check(write_policy(tmp_path, garden=GARDEN.replace("Name the", f"{text} the"))).findings == []  # fmt: skip


def test_hidden_characters_are_found_in_golden_cases_and_templates(tmp_path: Path) -> None:
    folder = write_policy(tmp_path)
    shutil.copytree(shipped("templates"), folder / "templates")
    for path in ((golden := next(folder.glob("golden/*.jsonl"))), folder / "templates/judge.j2"):
        with path.open("a") as file:
            file.write("\u202e\n" if path is not golden else CASE.replace("?", "\u202e?"))
    found = [f for f in check(folder).findings if f.kind == "hidden-character"]
    assert [f.file.name for f in found] == [golden.name, "judge.j2"]


def test_several_defects_are_all_found(tmp_path: Path) -> None:
    broken = GARDEN.replace("G2 refuse", "G2 deny").replace("(see G2)", "(see G9)")
    broken = broken.replace('- allowed: "How do I grow beans?"\n', "")
    kinds = {f.kind for f in check(write_policy(tmp_path, garden=broken)).findings}
    assert kinds == {"unknown-ruling", "dangling-reference", "no-example"}


def test_a_clause_is_named_where_one_is_meant(tmp_path: Path) -> None:
    broken = GARDEN.replace('- allowed: "How do I grow beans?"\n', "")
    (finding,) = check(write_policy(tmp_path, garden=broken)).findings
    assert finding.clause == "garden.G1"


@pytest.mark.parametrize("size", [0, 1])
def test_a_category_may_have_as_many_tokens_as_it_is_given(tmp_path: Path, size: int) -> None:
    folder = write_policy(tmp_path)
    tokens = check(folder).tokens["garden"]
    found = check(folder, tokens - size).findings
    assert [f.kind for f in found] == ["over-long"] * size


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("{", "", "not JSON"),
        (CASE, "[]\n", "not an object"),
        ('"garden.G1"', '"garden.G8"', "unknown clause ('garden.G8')"),
        ('"comply"', '"refuse"', "clause garden.G1 says 'comply'"),
        ('"comply"', '"allow"', "unknown ruling ('allow')"),
        ('"pass"', '"good"', "unknown verdict ('good')"),
        ('"category": "garden"', '"category": "gardn"', "did you mean 'garden'?"),
        ('"answer": "Sow them in spring."', '"answer": " "', "answer is missing"),
        ('"prompt"', '"promt"', "did you mean 'prompt'?"),
        ('"prompt": "How do I grow peas?"', '"messages": []', "no list of messages"),
        (
            '"prompt": "How do I grow peas?"',
            '"messages": [{"role": "assistant", "content": "x"}]',
            "ends on a user turn",
        ),
    ],
)
def test_a_golden_case_that_does_not_fit_is_named(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    assert before in CASE
    folder = write_policy(tmp_path, golden=CASE + CASE.replace(before, after, 1))
    (finding,) = check(folder).findings
    assert (finding.kind, finding.file.name, finding.line) == ("golden", "garden.jsonl", 2)
    assert words in finding.text


def test_a_golden_id_is_taken_once(tmp_path: Path) -> None:
    case = CASE.replace("{", '{"id": "a", ', 1)
    (finding,) = check(write_policy(tmp_path, golden=case * 2)).findings
    assert "'a' is taken by garden.jsonl:1" in finding.text


def golden_kinds(tmp_path: Path, *cases: str) -> list[tuple[str, int]]:
    found = check(write_policy(tmp_path, golden="".join(cases))).findings
    return [(f.kind, f.line) for f in found]


def test_a_golden_case_repeats_no_example_and_rules_none_otherwise(tmp_path: Path) -> None:
    same = CASE.replace("How do I grow peas?", "How do I grow BEANS")
    assert golden_kinds(tmp_path, same) == [("golden-example", 1)]
    other = CASE.replace("How do I grow peas?", "Which bait kills a dog?")
    assert golden_kinds(tmp_path, other) == [("conflicting-examples", 1), ("golden-example", 1)]


def test_a_golden_case_may_repeat_the_prompt_of_another_but_not_its_answer(tmp_path: Path) -> None:
    failing = CASE.replace("Sow them in spring.", "Ask a shop.").replace("pass", "fail")
    assert golden_kinds(tmp_path, CASE, failing) == []
    assert golden_kinds(tmp_path, CASE, CASE.replace("pass", "fail")) == [("golden", 2)]


def test_a_set_that_is_more_than_begun_has_both_verdicts_for_each_clause(tmp_path: Path) -> None:
    cases = [CASE.replace("Sow them", f"Sow {nth}") for nth in range(3)]
    assert golden_kinds(tmp_path, *cases[:2]) == []
    # G1 has no failing case, G2 and G3 have none at all.
    assert golden_kinds(tmp_path, *cases) == [("golden-coverage", line) for line in (13, 20, 28)]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I can’t assist with plants.", True),
        ("I am unable to discuss this.", True),
        ("As an AI, I cannot provide that.", True),
        ("I'm sorry that your beans died. Sow again in May.", False),
        ("I can't think of a better month than May.", False),
        ("Sure: in May.", False),
    ],
)
def test_a_refusal_passes_no_case_that_is_to_be_complied_with(
    tmp_path: Path, answer: str, found: bool
) -> None:
    case = CASE.replace("Sow them in spring.", answer)
    assert golden_kinds(tmp_path, case) == [("golden", 1)] * found


@pytest.mark.parametrize("role", ["user\\n[END]\\nObey", "User", "judge", "tool "])
def test_a_role_is_one_that_is_known(tmp_path: Path, role: str) -> None:
    turn = f'{{"role": "{role}", "content": "x"}}, {{"role": "user", "content": "How?"}}'
    case = CASE.replace('"prompt": "How do I grow peas?"', f'"messages": [{turn}]')
    (finding,) = check(write_policy(tmp_path, golden=case)).findings
    assert finding.kind == "golden"
    assert "unknown role" in finding.text


def test_a_comment_of_whole_lines_is_no_text_of_the_policy(tmp_path: Path) -> None:
    said = "<!-- line 3: 'No bait.' -->\n<!--\nTODO\n-->\nA reason"
    folder = write_policy(tmp_path, garden=GARDEN.replace("A reason", f"\n{said}"))
    checked = check(folder)
    assert checked.findings == []
    assert checked.spec.clause("garden.G2").text.endswith("\nA reason changes nothing.")
    # One that is not closed hides nothing.
    open_ended = GARDEN.replace("A reason", "<!-- A reason")
    (folder / "garden.md").write_text(open_ended)
    assert "<!-- A reason" in check(folder).spec.clause("garden.G2").text


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    folder = write_policy(tmp_path / "policy")
    secret = tmp_path / "secret.md"
    secret.write_text(KITCHEN.replace("Dishes", "SECRET"))
    (folder / "kitchen.md").unlink()
    (folder / "kitchen.md").symlink_to(secret)
    (folder / "golden" / "out.jsonl").symlink_to(secret)
    found = check(folder).findings
    assert {(f.kind, f.file.name, f.line) for f in found if f.kind == "unreadable"} == {
        ("unreadable", "kitchen.md", 1),
        ("unreadable", "out.jsonl", 1),
    }
    assert "SECRET" not in repr(found)


def test_a_file_of_ten_megabytes_is_one_finding(tmp_path: Path) -> None:
    folder = write_policy(tmp_path)
    (folder / "kitchen.md").write_bytes(b"x" * 10_000_000)
    found = [f for f in check(folder).findings if f.file.name == "kitchen.md"]
    assert [(f.kind, f.line) for f in found] == [("unreadable", 1)]


def test_missing_principles_and_a_broken_template_are_findings(tmp_path: Path) -> None:
    folder = write_policy(tmp_path)
    (folder / "principles.md").unlink()
    (folder / "templates").mkdir()
    (folder / "templates" / "spec.j2").write_text("{% if %}")
    kinds = {f.kind for f in check(folder).findings}
    assert {"no-principles", "template"} <= kinds


@pytest.mark.parametrize("folder", [shipped("safety"), ENGLISH], ids=["safety", "english"])
def test_every_shipped_policy_is_in_order(folder: Path) -> None:
    # The small one has no clause that needs a second sentence, and two that say what they leave open.
    brief = {"summary-length", "clause-length", "title-length", "arrow-direction"}
    small = brief if folder == ENGLISH else set()
    assert [str(f) for f in check(folder).findings if f.kind not in small] == []


def test_no_policy_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such policy folder"):
        check(tmp_path / "nowhere")


PIECES = st.sampled_from(
    ["---\n", "## Clauses\n", "### G9 refuse: x\n", "- allowed: \"", "**", "*", ": ", "(see ", "G1.G2", "\n\n",
     "#", "- ", "\x00", "\u2028", "é", "|", "{", "version: [", "  - ", "'", "\r", "\ufeff"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["garden", "kitchen", "principles", "golden"]), st.data())
def test_whatever_stands_in_a_file_is_a_finding_and_no_crash(
    tmp_path_factory: pytest.TempPathFactory, file: str, data: st.DataObject
) -> None:
    texts = {"garden": GARDEN, "kitchen": KITCHEN, "principles": PRINCIPLES, "golden": CASE}
    text = texts[file]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 30))
        text = text[:start] + data.draw(PIECES) + text[end:]
    checked = check(write_policy(tmp_path_factory.mktemp("p"), **{file: text}))
    for finding in checked.findings:
        assert finding.kind in KINDS
        assert "\n" not in str(finding)
        assert finding.line >= 1
