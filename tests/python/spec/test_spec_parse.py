"""A policy folder: what it compiles to, and the sentence for everything that can be wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.spec.outline import MAX_BYTES
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.spec.types import Clause, Place

SELF_HARM = """\
---
category: self-harm
version: 1.10
summary: Care first,
  always.
---
# Self-harm

## Definitions
- **method**: a way to do it,
  in any detail
- **recovery**: getting better

## Clauses

### S1 comply: Recovery
Talk of recovery
is welcome.

A second paragraph.

- allowed: "How did others recover?"

### S3 refuse: Methods
- a bullet without a label
- includes: doses (see S1) and what unrest.U-2 says
- excludes: S1, S4
- Disallowed: “Which dose?”

### S4 safe-complete: Ideation
- excludes: past events; see a doctor, see also S1 and S3

## Style
### refuse
Short.
### comply
Warm,
and plain.
"""
UNREST = """\
---
category: unrest
version: 2.0.0
summary: "Riots: no."
---
## Clauses
### U-2 refuse: Plans
"""


def folder_of(path: Path, **files: str) -> Path:
    """A policy folder with these files; `principles` unless given."""
    for name, text in {"principles": "Be kind.", **files}.items():
        (path / f"{name}.md").write_text(text, "utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path, zz=SELF_HARM, aa=UNREST, README="# not a category")


def test_a_folder_compiles_to_its_categories_sorted_by_name(folder: Path) -> None:
    spec = load_spec(folder)
    assert spec.names == ("self-harm", "unrest")
    assert spec.principles == "Be kind."
    assert spec.folder == folder


def test_front_matter_stays_text_and_is_unwrapped(folder: Path) -> None:
    category = load_spec(folder).categories[0]
    # YAML would read the number 1.1.
    assert (category.version, category.summary) == ("1.10", "Care first, always.")


def test_definitions_and_style_are_unwrapped(folder: Path) -> None:
    category = load_spec(folder).categories[0]
    assert [(each.term, each.text) for each in category.definitions] == [
        ("method", "a way to do it, in any detail"),
        ("recovery", "getting better"),
    ]
    guides = [(guide.ruling, guide.text) for guide in category.style]
    assert guides == [("comply", "Warm, and plain."), ("refuse", "Short.")]


def test_a_clause_has_prose_bullets_and_resolved_references(folder: Path) -> None:
    s1, s3, s4 = load_spec(folder).categories[0].clauses
    assert (s1.id, s1.ruling, s1.title) == ("self-harm.S1", "comply", "Recovery")
    assert s1.text == "Talk of recovery is welcome.\nA second paragraph."
    assert s1.allowed == ("How did others recover?",)
    assert s3.includes == ("doses (see self-harm.S1) and what unrest.U-2 says",)
    assert s3.excludes == ("self-harm.S1, self-harm.S4",)
    assert s3.disallowed == ("Which dose?",)
    assert s3.text == "- a bullet without a label"
    assert s4.excludes == ("past events; see a doctor, see also self-harm.S1 and self-harm.S3",)


def test_a_place_is_the_span_of_the_clause_in_bytes(tmp_path: Path) -> None:
    text = UNREST.replace("Riots", "Émeutes") + "Größe.\r\n\n### U3 comply: History\n"
    folder_of(tmp_path)
    # A byte order mark counts: the span is one of the file.
    (tmp_path / "unrest.md").write_bytes(b"\xef\xbb\xbf" + text.encode())
    clauses = load_spec(tmp_path).categories[0].clauses
    data = (tmp_path / "unrest.md").read_bytes()
    assert [c.place.line for c in clauses] == [7, 10]
    assert (
        data[clauses[0].place.start : clauses[0].place.end].decode()
        == "### U-2 refuse: Plans\nGröße."
    )
    assert data[clauses[1].place.start : clauses[1].place.end].decode() == "### U3 comply: History"


def test_places_are_no_part_of_equality() -> None:
    one = Clause("c", "A1", "comply", "t", "", place=Place("f", 1, 2, 3))
    assert one == Clause("c", "A1", "comply", "t", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Talk of recovery\nis welcome.", "Talk of\n  recovery is   welcome."),
        ("- **recovery**: getting better\n", "- **recovery**:\n  getting better\n"),
        (
            "### refuse\nShort.\n### comply\nWarm,\nand plain.\n",
            "### comply\nWarm, and plain.\n### refuse\nShort.\n",
        ),
        ("version: 1.10", "version: 1.11"),
    ],
)
def test_layout_and_version_change_no_hash(tmp_path: Path, before: str, after: str) -> None:
    assert before in SELF_HARM
    old = load_spec(folder_of(tmp_path, a=SELF_HARM, b=UNREST))
    new = load_spec(folder_of(tmp_path, a=SELF_HARM.replace(before, after), b=UNREST))
    assert new.sha256 == old.sha256


def test_moving_a_clause_changes_no_hash(tmp_path: Path) -> None:
    old = load_spec(folder_of(tmp_path, a=SELF_HARM, b=UNREST))
    head, s1, rest = SELF_HARM.partition("### S1 ")[0], *SELF_HARM.partition("### S1 ")[1:]
    body, s3, tail = rest.partition("### S3 ")
    s3_text, style, end = tail.partition("## Style")
    moved = head + s3 + s3_text + s1 + body + style + end
    new = load_spec(folder_of(tmp_path, a=moved, b=UNREST))
    assert [c.key for c in new.categories[0].clauses] == ["S3", "S4", "S1"]
    assert new.sha256 == old.sha256


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A second paragraph", "Another paragraph"),
        ("S1 comply: Recovery", "S1 refuse: Recovery"),
        ("How did others recover?", "How do others recover?"),
        ("S1 comply: Recovery", "S1 comply: Getting well"),
    ],
)
def test_an_edit_changes_the_hash_of_its_clause_only(
    tmp_path: Path, before: str, after: str
) -> None:
    old = load_spec(folder_of(tmp_path, a=SELF_HARM, b=UNREST))
    new = load_spec(folder_of(tmp_path, a=SELF_HARM.replace(before, after), b=UNREST))
    same = [
        o.sha256 == n.sha256
        for o, n in zip(old.categories[0].clauses, new.categories[0].clauses, strict=True)
    ]
    assert same == [False, True, True]
    assert new.categories[0].sha256 != old.categories[0].sha256
    assert new.categories[1].sha256 == old.categories[1].sha256
    assert new.sha256 != old.sha256


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("---\ncategory", "category", ("a.md:1:", "no front matter", "'---'")),
        ("category: self-harm", "category: [self", ("a.md:", "not YAML", "key: value")),
        ("category: self-harm", "category: Self Harm", ("a.md:2:", "'Self Harm'", "a-z")),
        ("category: self-harm", "category: general", ("a.md:2:", "'general'", "no policy governs")),
        ("category: self-harm", "category: unrest", ("b.md:1:", "'unrest'", "a.md", "keep one")),
        ("version: 1.10", "versoin: 1.10", ("a.md:3:", "'versoin'", "did you mean 'version'?")),
        ("version: 1.10\n", "", ("a.md:1:", "'version'", "add the line")),
        ("summary: Care first,\n  always.\n", "", ("a.md:1:", "'summary'", "add the line")),
        ("summary: Care first,\n  always.\n", "summary: ''\n", ("a.md:4:", "'summary' is empty", "every category's prompt")),
        ("summary: Care first,\n  always.\n", "summary: [a]\n", ("a.md:4:", "'summary' is not a text", "['a']", "quotes")),
        ("# Self-harm\n", "Some words.\n", ("a.md:7:", "'Some words.'", "before the first section")),
        ("## Definitions", "## Definition", ("a.md:9:", "'Definition'", "did you mean 'Definitions'?")),
        ("## Style", "## Clauses", ("a.md:33:", "'Clauses'", "line 14 too", "join")),
        ("- **recovery**: getting", "- recovery getting", ("a.md:12:", "'recovery getting better'", "**term**")),
        ("- **recovery**: getting", "- **method**: getting", ("a.md:12:", "'method'", "line 10 too")),
        ("## Clauses\n", "## Clauses\nWords.\n", ("a.md:15:", "'Words.'", "before the first clause", "### KEY")),
        ("### S1 comply: Recovery", "### comply: Recovery", ("a.md:16:", "no id", "'comply: Recovery'", "### KEY")),
        ("### S1 comply: Recovery", "### S1 Recovery", ("a.md:16:", "'S1 Recovery'", "### KEY ruling")),
        ("### S1 comply: Recovery", "### S1 comply:", ("a.md:16:", "clause S1 has no title", "### KEY")),
        ("### S1 comply: Recovery", "### S.1 comply: Recovery", ("a.md:16:", "not a clause id ('S.1')", "letters")),
        ("### S1 comply: Recovery", "### S1 complies: Recovery", ("a.md:16:", "unknown ruling ('complies')", "'comply'")),
        ("### S4 safe-complete", "### S1 safe-complete", ("a.md:30:", "'S1'", "taken by line 16", "another id")),
        ("- includes: doses", "- incldues: doses", ("a.md:26:", "'incldues'", "did you mean 'includes'?")),
        ("- includes: doses (see S1) and what unrest.U-2 says", "- includes:", ("a.md:26:", "'includes'", "same line")),
        ("doses (see S1)", "doses (see S7)", ("a.md:26:", "'S7'", "not there", "did you mean 'self-harm.S")),
        ("doses (see S1)", "doses (see below)", ("a.md:26:", "'below'", "not there")),
        ("S1, S4", "S1, S9", ("a.md:27:", "'S9'", "not there")),
        ("unrest.U-2", "unrest.U-9", ("a.md:26:", "'unrest.U-9'", "did you mean 'unrest.U-2'?")),
        ("### comply\nWarm", "### answer\nWarm", ("a.md:36:", "'answer'", "comply, refuse, safe-complete")),
        ("## Style\n", "## Style\nWords.\n", ("a.md:34:", "'Words.'", "### refuse")),
    ],
)  # fmt: skip
def test_a_mistake_in_a_category_is_named(
    tmp_path: Path, before: str, after: str, parts: tuple[str, ...]
) -> None:
    assert SELF_HARM.count(before) >= 1
    folder_of(tmp_path, a=SELF_HARM.replace(before, after, 1), b=UNREST)
    with pytest.raises(InputError) as caught:
        load_spec(tmp_path)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tail", ["", "## Clauses\n", "## Style\n### refuse\nShort.\n"])
def test_a_category_without_clauses_is_an_error(tmp_path: Path, tail: str) -> None:
    folder_of(tmp_path, a=UNREST.partition("## Clauses")[0] + tail)
    with pytest.raises(InputError, match="clause"):
        load_spec(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"nowhere: no such policy folder; it holds principles\.md"
    ):
        load_spec(tmp_path / "nowhere")


def test_missing_and_empty_principles_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(UNREST)
    with pytest.raises(InputError, match=r"principles\.md:1: is missing; write"):
        load_spec(tmp_path)
    (tmp_path / "principles.md").write_text(" \n")
    with pytest.raises(InputError, match=r"principles\.md:1: is empty; write"):
        load_spec(tmp_path)


def test_a_folder_without_a_category_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no category; add one Markdown file"):
        load_spec(folder_of(tmp_path, README="x"))


@pytest.mark.parametrize("name", ["principles.md", "b.md"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "policy"
    inside.mkdir()
    folder_of(inside, a=UNREST)
    (inside / name).unlink(missing_ok=True)
    (tmp_path / "secret.md").write_text("secret")
    (inside / name).symlink_to(tmp_path / "secret.md")
    with pytest.raises(InputError, match=r"leads out of the policy folder .*secret\.md"):
        load_spec(inside)


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, a=UNREST)
    (tmp_path / "b.md").symlink_to(tmp_path / "gone.md")
    with pytest.raises(InputError, match=r"b\.md:1: is a link to a file that is not there"):
        load_spec(tmp_path)


def test_a_file_that_is_not_utf8_is_named_with_line_and_byte(tmp_path: Path) -> None:
    folder_of(tmp_path)
    (tmp_path / "a.md").write_bytes(UNREST.encode().replace(b"Riots", b"\xc9meutes"))
    # Line 4, after 4 + 17 + 15 bytes of lines 1 to 3 and the 10 of `summary: "`.
    with pytest.raises(InputError, match=r"a\.md:4: not UTF-8 \(b'\\xc9' at byte 46\)"):
        load_spec(tmp_path)


@pytest.mark.parametrize(("size", "fits"), [(MAX_BYTES, True), (MAX_BYTES + 1, False)])
def test_a_file_above_four_megabytes_is_refused(tmp_path: Path, size: int, fits: bool) -> None:
    folder_of(tmp_path, a=UNREST + "x" * (size - len(UNREST)))
    if fits:
        load_spec(tmp_path)
        return
    with pytest.raises(InputError, match=r"a\.md:1: has 4,000,001 bytes, more than 4,000,000"):
        load_spec(tmp_path)


def test_templates_of_the_folder_come_before_the_shipped_ones(folder: Path) -> None:
    (folder / "templates").mkdir()
    for name in ("spec", "generate", "judge_system", "judge_user"):
        (folder / "templates" / f"{name}.j2").write_text("mine")
    assert load_templates(folder).generation("", [])[0]["content"] == "mine"


def test_a_template_that_leads_out_of_the_folder_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("secret")
    (folder / "templates").mkdir()
    (folder / "templates" / "spec.j2").symlink_to(secret)
    with pytest.raises(InputError, match="leads out of the policy folder"):
        load_templates(folder)
