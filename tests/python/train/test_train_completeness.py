"""The heuristic reward: what an answer has of the sections that its prompt requires. All grades are worked by hand."""

from __future__ import annotations

import time

import pytest
from dalign.rows import Section
from dalign.train.rl.completeness import completeness
from hypothesis import given, settings
from hypothesis import strategies as st

DOSE, WARNING, SOURCE = Section("Dose"), Section("Warning"), Section("Source")


def parts(answer, *sections, in_order=False):
    """(grade, as what it was found) of each section."""
    found = completeness(answer, sections, in_order=in_order)
    assert [part.name for part in found.sections] == [section.name for section in sections]
    return [(part.grade, str(part.found)) for part in found.sections]


def value(answer, *sections, in_order=False):
    return completeness(answer, sections, in_order=in_order).value


HEADINGS = [
    "# Dose",
    "###### DOSE ##",
    "## 2. Dose",
    "## **Dose:**",
    "  ## Dose\r",
    "**Dose**",
    "__dose__",
    "**Dose.**",
    "***Dose***",
    "**Dose:** twice",
    "**Dose**: twice",
    "- **Dose:** twice",
    "1. **Dose:** twice",
    "2) Dose: twice",
    "Dose: twice",
    "* dose : twice",
    "Dose：twice",
]


@pytest.mark.parametrize("line", HEADINGS)
def test_a_heading_begins_its_section(line):
    # Only what stands below or on the heading is its text: the 'mg' above it does not count.
    dose = Section("Dose", contains=(("mg",), ("twice",)))
    assert parts(f"5 mg\n{line}\ntwice", dose) == [(0.5, "heading")]


@pytest.mark.parametrize(
    "line",
    [
        # No space, too deep, quoted, within a sentence, in bold beside other words, of more words.
        "#Dose",
        "####### Dose",
        "> ## Dose",
        '"Dose": twice',
        "As to the dose: twice",
        "**Dose** twice",
        "## Dose of adults",
        "overdose",
    ],
)
def test_what_is_no_heading_is_a_phrase_of_the_whole_answer(line):
    dose = Section("Dose", contains=(("mg",), ("twice",)))
    assert parts(f"5 mg\n{line}\ntwice", dose) == [(1.0, "phrase")]


def test_a_section_has_synonyms_as_headings_and_as_phrases():
    dose = Section("Dose", synonyms=("How much", "MENGE"))
    assert parts("## How Much\n5 mg", dose) == [(1.0, "heading")]
    assert parts("die Menge ist 5 mg", dose) == [(1.0, "phrase")]
    assert parts("5 mg", dose) == [(0.0, "missing")]


def test_case_is_folded_as_unicode_has_it():
    assert parts("## STRASSE", Section("Straße")) == [(1.0, "heading")]
    assert parts("ΣΊΣΥΦΟΣ sagt", Section("σίσυφος")) == [(1.0, "phrase")]
    wording = Section("ß", contains=(("ÄRZTE",), ("Klinik",)))
    # 'ßß' is four characters once it is folded: places before and after it still agree.
    assert parts("ßß\n## ß\nÄrzte\n## Dose\nKlinik", wording, DOSE) == [(0.5, "heading"), (1.0, "heading")]  # fmt: skip


def test_a_pattern_finds_what_no_heading_does_and_its_line_begins_the_section():
    dose = Section("Dose", pattern=r"^\d+ mg", contains=(("daily",), ("adults",)))
    # 'daily' stands before the line that the pattern finds; the case does not matter.
    assert parts("daily\n20 MG for adults", dose) == [(0.5, "pattern")]
    # A heading goes before the pattern; a pattern before a phrase.
    assert parts("20 mg daily, adults\n## Dose\nnone", dose) == [(0.0, "heading")]
    assert parts("a dose, daily:\n20 mg for adults", dose) == [(0.5, "pattern")]


def test_a_pattern_over_several_lines_has_the_whole_answer():
    steps = Section("Steps", pattern=r"(?s)first.*then", contains=(("again",),))
    assert parts("again\nFirst a,\nthen b", steps) == [(1.0, "pattern")]
    # It stands where it begins, after the dose: of both in order one counts.
    assert parts("the dose ß:\nFirst a,\nthen b", steps, DOSE, in_order=True) == [(0.0, "out_of_order"), (1.0, "phrase")]  # fmt: skip


def test_what_a_section_is_to_say_is_looked_for_in_its_own_text_alone():
    dose = Section("Dose", contains=(("mg",), ("every", "per"), ("doctor",)))
    answer = "## Dose\n5 mg per day\n## Warning\nAsk your doctor.\n"
    # mg, and one of two wordings; the doctor stands below another heading: 2/3.
    assert parts(answer, dose, WARNING) == [(2 / 3, "heading"), (1.0, "heading")]
    # Of a section that is not required nothing is known: its text belongs to the one before.
    assert parts(answer, dose) == [(1.0, "heading")]
    # Found as a phrase alone: anywhere.
    assert parts("Ask your doctor for a dose in mg, every day", dose) == [(1.0, "phrase")]


def test_a_section_that_stands_twice_counts_once_with_the_text_of_both():
    dose = Section("Dose", contains=(("mg",), ("daily",)))
    twice = "## Dose\n5 mg\n## Warning\nnone\n## Dose\ndaily"
    assert parts(twice, dose, WARNING) == [(1.0, "heading"), (1.0, "heading")]
    # Twice the same half is half.
    assert value("## Dose\n5 mg\n## Dose\n5 mg", dose) == 0.5
    assert value("Dose: a\nDose: b\nDose: c", DOSE, WARNING) == 0.5


def test_a_section_that_is_quoted_in_the_text_of_another_is_where_its_heading_is():
    dose = Section("Dose", contains=(("mg",),))
    warning = Section("Warning", contains=(("read 'dose' first",),))
    answer = "## Warning\nRead 'Dose' first: not in mg!\n> ## Dose\n## Dose\nnone"
    # The quoted heading neither begins the dose nor ends the warning.
    assert parts(answer, dose, warning) == [(0.0, "heading"), (1.0, "heading")]
    assert parts(answer, warning, dose, in_order=True) == [(1.0, "heading"), (0.0, "heading")]


def test_weights_are_those_of_a_mean():
    dose = Section("Dose", contains=(("mg",), ("daily",)), weight=2.0)
    # (2 × 1/2 + 1 × 1 + 0.5 × 0) / 3.5
    found = value("## Dose\n5 mg\n## Warning", dose, WARNING, Section("Source", weight=0.5))
    assert found == pytest.approx(2 / 3.5)


@pytest.mark.parametrize(
    ("answer", "grades"),
    [
        ("# Dose\n# Warning\n# Source", [1, 1, 1]),
        # The longest run in order is two of three.
        ("# Source\n# Dose\n# Warning", [1, 1, 0]),
        ("# Warning\n# Source\n# Dose", [0, 1, 1]),
        # One alone, of which the first is taken.
        ("# Source\n# Warning\n# Dose", [1, 0, 0]),
        ("# Warning\n# Dose", [1, 0, 0]),
        ("a source of a dose", [1, 0, 0]),
        ("# Source", [0, 0, 1]),
        ("", [0, 0, 0]),
        # The second time counts for nothing.
        ("# Dose\n# Warning\n# Dose\n# Source", [1, 1, 1]),
    ],
)
def test_in_order_the_longest_run_counts(answer, grades):
    found = parts(answer, DOSE, WARNING, SOURCE, in_order=True)
    assert [grade for grade, _ in found] == grades
    expected = {1: {"heading", "phrase"}, 0: {"out_of_order", "missing"}}
    assert all(how in expected[grade] for grade, how in found)
    assert value(answer, DOSE, WARNING, SOURCE, in_order=True) == pytest.approx(sum(grades) / 3)


def test_of_runs_in_order_the_one_that_is_worth_most_counts():
    heavy = Section("Source", weight=3.0)
    # Source alone is worth 3, dose and warning 2: (3 + 0 + 0) / 5.
    assert value("# Source\n# Dose\n# Warning", DOSE, WARNING, heavy, in_order=True) == 0.6
    # A section that says nothing of what it should is in order all the same.
    empty = Section("Warning", contains=(("never",),))
    found = parts("# Dose\n# Warning\n# Source", DOSE, empty, SOURCE, in_order=True)
    assert found == [(1.0, "heading"), (0.0, "heading"), (1.0, "heading")]


def test_an_answer_of_nothing_has_nothing_and_no_sections_have_no_grade():
    assert parts("", DOSE, WARNING, in_order=True) == [(0.0, "missing")] * 2
    assert value(" \n", DOSE) == 0.0
    assert completeness("", ()) is None


def test_a_name_that_is_written_as_a_heading_is_one_as_it_is_written():
    sources = Section("## Sources", contains=(("who",),))
    assert parts("WHO\n### Sources\nnone", sources) == [(0.0, "heading")]
    # As before, a list of plain texts asks for the text as it stands.
    assert parts("Sources: none", sources) == [(0.0, "missing")]


def test_what_is_logged_is_a_number_and_a_row_a_section():
    [found] = [completeness("## Dose\n", (DOSE, WARNING))]
    assert found.row == {
        "completeness": 0.5,
        "sections": [
            {"name": "Dose", "grade": 1.0, "found": "heading"},
            {"name": "Warning", "grade": 0.0, "found": "missing"},
        ],
    }


@pytest.mark.parametrize("text", ["#" * 200_000, "*" * 200_000, " " * 200_000, "1.1" * 70_000, "# \n" * 60_000, ":" * 200_000, "**" * 99_999 + "a"])  # fmt: skip
def test_no_answer_takes_it_long(text):
    began = time.process_time()
    dose = Section("Dose", pattern=r"(a+)+b|\d+ mg", contains=(("mg",),))
    assert value(text, dose, WARNING, in_order=True) == 0.0
    assert time.process_time() - began < 2


NAMES = ("Dose", "Warning", "Source", "Straße", "## Steps", "b:", "ab", "1. a", "**c**")
PIECES = (*NAMES, "DOSE", "STRASSE", "# ", "## ", "**", ": ", "\n", "> ", "mg", " every ", "x", "- ", "1. ", "ﬁ", "İ", "\r")  # fmt: skip
ANSWERS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
WORDINGS = st.lists(st.sampled_from(("mg", "every", "x", "ß", "\n")), min_size=1, max_size=2)
SECTIONS = st.lists(
    st.builds(
        Section,
        st.sampled_from(NAMES),
        st.lists(st.sampled_from(PIECES), max_size=1).map(tuple),
        st.sampled_from((None, "mg", "^x", r"(?s)x.*mg", "ß")),
        st.lists(WORDINGS.map(tuple), max_size=3).map(tuple),
        st.sampled_from((0.1, 0.5, 1.0, 2.0, 7.3)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(ANSWERS, st.lists(st.sampled_from(PIECES), min_size=1, max_size=6))
def test_plain_texts_are_graded_as_the_share_of_them_in_the_answer(answer, names):
    text = answer.casefold()
    share = sum(name.casefold() in text for name in names) / len(names)
    assert value(answer, *map(Section, names)) == share


@settings(max_examples=300, deadline=None)
@given(ANSWERS, SECTIONS, st.booleans())
def test_grades_are_from_0_to_1(answer, sections, in_order):
    found = completeness(answer, sections, in_order=in_order)
    assert 0.0 <= found.value <= 1.0
    assert all(0.0 <= part.grade <= 1.0 for part in found.sections)
    assert in_order or all(part.found != "out_of_order" for part in found.sections)
    # Order only takes away.
    assert found.value <= completeness(answer, sections).value + 1e-12


# Names that no other name or wording has in it, so that the appended section is found as none but itself.
APART = ("Dose", "Warning", "Source", "Straße", "Überblick")
SET_APART = st.lists(
    st.builds(
        Section,
        st.sampled_from(APART),
        contains=st.lists(WORDINGS.map(tuple), max_size=3).map(tuple),
        weight=st.sampled_from((0.1, 1.0, 2.0, 7.3)),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda section: section.name,
)
FORMS = st.sampled_from(("# {}", "**{}**", "{}:", "{}", "- **{}:** mg", "## 3. {}\nevery x"))


@settings(max_examples=400, deadline=None)
@given(ANSWERS, SET_APART, FORMS, st.booleans(), st.data())
def test_a_missing_section_that_is_appended_takes_nothing_away(
    answer, sections, form, in_order, data
):
    before = completeness(answer, sections, in_order=in_order)
    missing = [part.name for part in before.sections if part.found == "missing"]
    if not missing:
        return
    name = data.draw(st.sampled_from(missing))
    after = completeness(f"{answer}\n{form.format(name)}", sections, in_order=in_order)
    assert after.value >= before.value - 1e-12
    [now] = [part for part in after.sections if part.name == name]
    assert now.found != "missing"
    if not in_order and not next(s for s in sections if s.name == name).contains:
        assert now.grade == 1.0 and after.value > before.value
