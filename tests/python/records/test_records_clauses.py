"""What a run holds of a policy: citations, coverage of the clauses, the blast radius of a change."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import typer
from dalign.cli.spec.coverage import print_coverage
from dalign.data.patterns import Patterns
from dalign.errors import InputError
from dalign.pattern import read_pattern
from dalign.pipeline.project import bring_in
from dalign.records.blast_radius import KINDS, blast_radius
from dalign.records.citations import Citations
from dalign.records.coverage import coverage
from dalign.settings import dump_toml, load_config
from dalign.spec.parse import load_spec
from dalign.spec.types import Spec
from dalign.store.folder import Finished
from dalign.store.ledger import keep, open_ledger
from dalign.store.run import RunFolder
from dalign.vocabulary import ARMS
from scripted_run import CONFIG

CATEGORIES = {"soup": ("S1 comply: cooking", "S2 refuse: spoiling"), "tea": ("S1 comply: tea",)}
# id, category, clause that it exercises
PROMPTS = [
    ("p1", "soup", "soup.S1"), ("p2", "soup", "soup.S1"), ("p3", "soup", None), ("p4", "tea", None), ("p5", "general", None),
]  # fmt: skip
COMPLETIONS = [
    ("c1", "p1", "soup", "S1 applies"),
    ("c2", "p2", "soup", "soup.S2, then S1."),
    ("c3", "p3", "soup", "S2-like; tea.S1"),
    ("c4", "p4", "tea", "S1"),
    ("c5", "p5", "general", "S1 and soup.S2"),
]
WELL_FORMED = ["c1", "c2", "c4", "c5"]
VERDICTS = [
    ("v1", "c1", "soup", "by S1"), ("v2", "c2", "soup", ""), ("v4", "c4", "tea", "soup.S1? no, tea.S1"), ("v5", "c5", "general", "S1"),
]  # fmt: skip
SCORES = [("c1", 8.0), ("c2", None), ("c4", 8.0), ("c5", 8.0)]
EXAMPLES = [
    ("e1", "c1", "p1", "soup", "S1 applies", "yes"), ("e4", "c4", "p4", "tea", "S1", "yes"),
]  # fmt: skip
# arm, id, category
EVALUATED = [("none", "n1", "soup"), ("none", "n2", "tea"), ("spec", "s1", "soup"), ("spec", "s2", "general"), ("sft", "t1", "tea")]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has been started, and has done nothing."""
    spec = tmp_path / "spec"
    spec.mkdir()
    (spec / "principles.md").write_text("Be plain.\n")
    for name, heads in CATEGORIES.items():
        front = f"---\ncategory: {name}\nversion: 1.0.0\nsummary: On {name}.\n---\n## Clauses\n"
        clauses = "".join(f"### {head}\nWho asks for it.\n" for head in heads)
        (spec / f"{name}.md").write_text(front + clauses)
    write_prompts(tmp_path / "prompts.jsonl")
    write_prompts(tmp_path / "suite.jsonl")
    (tmp_path / "dalign.toml").write_text(CONFIG)
    bring(tmp_path / "run")
    return tmp_path / "run"


def bring(run: Path) -> None:
    """Starts the run with the files as they are."""
    config = load_config(run.parent / "dalign.toml", [])
    bring_in(config, RunFolder(run).inputs, None)
    open_ledger(run, dump_toml(config))


def write_prompts(path: Path) -> None:
    rows = [
        {"id": i, "category": category, "messages": [{"role": "user", "content": i}]}
        | ({"expected": {"clause": clause}} if clause else {})
        for i, category, clause in PROMPTS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def finish(run: Path, name: str, rows: list[tuple], columns: list[str], **facts: object) -> None:
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    folder = RunFolder(run).stage(name)
    folder.finish({}, Finished({}, [folder.table().write(0, frame)], facts))


def finish_data_stages(run: Path) -> None:
    finish(run, "generate/main", COMPLETIONS, ["id", "prompt_id", "category", "text"])
    kept = [row for row in COMPLETIONS if row[0] in WELL_FORMED]
    finish(run, "filter/main", kept, ["id", "prompt_id", "category", "answer"])
    scores = pl.DataFrame(SCORES, schema=["completion_id", "score"], orient="row")
    RunFolder(run).stage("judge").table("scores").write(0, scores)
    finish(run, "judge/main", VERDICTS, ["id", "completion_id", "category", "reply"])
    columns = ["id", "completion_id", "prompt_id", "category", "reasoning", "answer"]
    finish(run, "select/main", EXAMPLES, columns)
    finish(run, "pack/main", [(["e1", "a capability row"],), (["e4"],)], ["rows"], masked=["e4"])  # fmt: skip


def finish_evaluation(run: Path) -> None:
    for arm in ("none", "spec", "sft"):
        rows = [(i, category, "test") for of, i, category in EVALUATED if of == arm]
        finish(run, f"evaluate/{arm}", rows, ["id", "category", "suite"])


def policy(run: Path) -> Spec:
    return load_spec(run.parent / "spec")


def edited(run: Path, name: str, old: str, new: str) -> tuple[Spec, Spec]:
    """The policy before and after an edit of one of its files."""
    before, path = policy(run), run.parent / "spec" / f"{name}.md"
    path.write_text(path.read_text().replace(old, new))
    return before, policy(run)


@pytest.mark.parametrize(
    ("text", "category", "cited"),
    [
        ("S1", "soup", {"soup.S1"}),
        ("S1", "tea", {"tea.S1"}),
        ("S1", "general", set()),
        ("soup.S2", "tea", {"soup.S2"}),
        # The key of another category's clause is no bare key.
        ("tea.S1", "soup", {"tea.S1"}),
        ("(soup.S1): **S2**.", "soup", {"soup.S1", "soup.S2"}),
        ("Soup.S2 and TEA.S1", "general", {"soup.S2", "tea.S1"}),
        ("my\u2011soup.S2, no\u00adtea.S1", "general", set()),
        ("S10, xS1, S1-like, S1_b, my-soup.S2", "soup", set()),
        ("soup.S9, cake.S1", "soup", set()),
        ("s1", "soup", set()),
        ("", "soup", set()),
    ],
)
def test_a_clause_is_cited_by_its_id_or_in_its_category_by_its_key(
    text: str, category: str, cited: set[str], run: Path
) -> None:
    assert Citations([policy(run)]).of(text, category) == cited


def test_a_clause_that_is_denied_is_named_and_not_cited(run: Path) -> None:
    citations = Citations([policy(run)])
    text = "S1 does not apply, nor tea.S1; S2 does."
    assert citations.of(text, "soup") == {"soup.S2"}
    assert citations.named(text, "soup") == {"soup.S1", "soup.S2", "tea.S1"}
    assert citations.of("Not S1 at first. S1 applies.", "soup") == {"soup.S1"}


def test_a_suites_retrieval_pattern_says_how_reasonings_cite(run: Path) -> None:
    pattern = read_pattern(r"policy (?P<category>\w+) clause (?P<clause>\w+)")
    citations = Citations([policy(run)], [Patterns((), pattern)])
    assert citations.of("policy soup clause S2, policy tea clause S7", "general") == {"soup.S2"}


COUNTS = ("prompts", "completions_citing", "verdicts_invoking", "well_formed", "judged", "selected", "packed")  # fmt: skip
COVERED = [
    # S1 of soup is exercised by p1 and p2; the others count by citations.
    ("soup.S1", "comply", (2, 2, 2, 2, 1, 1, 1), False),
    ("soup.S2", "refuse", (0, 2, 0, 2, 1, 0, 0), True),
    # c3, which cites it, is malformed, and e4 is masked.
    ("tea.S1", "comply", (0, 2, 1, 1, 1, 1, 0), True),
]


def test_coverage_counts_what_exercises_cites_and_survives(run: Path) -> None:
    finish_data_stages(run)
    found = [
        (row.clause, row.ruling, tuple(getattr(row, name) for name in COUNTS), row.short)
        for row in coverage(run).rows
    ]
    assert found == COVERED


@pytest.mark.parametrize(
    ("least", "short"),
    [(0, []), (1, ["soup.S2", "tea.S1"]), (2, ["soup.S1", "soup.S2", "tea.S1"])],
)
def test_a_clause_with_fewer_rows_than_needed_is_short(
    least: int, short: list[str], run: Path
) -> None:
    finish_data_stages(run)
    assert [row.clause for row in coverage(run, least).short] == short


def test_the_clause_quota_of_the_config_is_what_is_needed(run: Path) -> None:
    text = (run / "config.toml").read_text()
    assert coverage(run).needed == 1
    keep(run, {"config.toml": text.replace("clause_quota = 0", "clause_quota = 7")})
    assert coverage(run).needed == 7


def test_before_any_stage_prompts_are_what_is_left_of_a_clause(run: Path) -> None:
    rows = {row.clause: row for row in coverage(run).rows}
    assert (rows["soup.S1"].prompts, rows["soup.S1"].packed, rows["soup.S1"].short) == (2, 0, False)
    assert rows["soup.S2"].short


def test_after_generate_completions_are_what_is_left(run: Path) -> None:
    finish(run, "generate/main", COMPLETIONS, ["id", "prompt_id", "category", "text"])
    assert coverage(run, 2).short == []
    assert len(coverage(run, 3).short) == 3


def test_coverage_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish_data_stages(run)
    print_coverage(run, None, as_json=True, fail_short=False)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["run"], printed["quota"]) == (str(run), 1)
    clause, ruling, counts, short = COVERED[0]
    expected = dict(zip(COUNTS, counts, strict=True))
    assert printed["clauses"][0] == {"clause": clause, "ruling": ruling, **expected, "short": short}


@pytest.mark.parametrize(("no_color", "red"), [("", True), ("1", False)])
def test_what_is_short_is_red_on_a_terminal_unless_no_color_is_set(
    no_color: str, red: bool, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("NO_COLOR", no_color)):
        monkeypatch.setenv(name, value)
    print_coverage(run, None, as_json=False, fail_short=False)
    assert ("31m" in capsys.readouterr().out) == red


def test_the_table_is_plain_text_elsewhere(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    finish_data_stages(run)
    print_coverage(run, None, as_json=False, fail_short=False)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.splitlines()[1].split() == ["soup.S1", "comply", *map(str, COVERED[0][2])]
    assert out.splitlines()[2].endswith("short")


@pytest.mark.parametrize(("least", "code"), [(0, None), (1, 1)])
def test_fail_short_is_an_exit_code(least: int, code: int | None, run: Path) -> None:
    finish_data_stages(run)
    if code is None:
        print_coverage(run, least, as_json=True, fail_short=True)
        return
    with pytest.raises(typer.Exit) as exit_:
        print_coverage(run, least, as_json=True, fail_short=True)
    assert exit_.value.exit_code == code


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run has been started here"):
        coverage(tmp_path)


def test_a_changed_clause_reaches_the_rows_of_its_category(run: Path) -> None:
    finish_data_stages(run)
    finish_evaluation(run)
    finish(run, "sft/sft", [(1,)], ["step"])
    found = blast_radius(run, *edited(run, "soup", "S2 refuse", "S2 comply"))
    assert (found.categories, found.clauses) == (("soup",), ("soup.S2",))
    assert found.rows == {
        "prompts": ["p1", "p2", "p3"],
        "completions": ["c1", "c2", "c3"],
        "verdicts": ["v1", "v2"],
        "examples": ["e1"],
        "checkpoints": ["sft/sft"],
        # All rows of the arm that was trained on it; of the others, those on soup.
        "evaluation_rows": ["none/test/n1", "spec/test/s1", "sft/test/t1"],
    }
    assert found.cites == {"completions": ["c2", "c5"], "verdicts": [], "examples": []}


def test_a_changed_summary_reaches_every_row_and_names_no_clause(run: Path) -> None:
    finish_data_stages(run)
    finish_evaluation(run)
    found = blast_radius(run, *edited(run, "tea", "On tea.", "On teas."))
    assert (found.categories, found.clauses) == (("general", "soup", "tea"), ())
    assert [len(found.rows[kind]) for kind in KINDS] == [5, 5, 4, 2, 0, 5]


def test_a_changed_principle_reaches_every_arm_that_can_show_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.parent / "patterns.toml").write_text("[[answer]]\nruling = 'comply'\npattern = '.'\n")
    unjudged = f'path = "suite.jsonl"\njudge = false\npatterns = "{run.parent}/patterns.toml"'
    (run.parent / "dalign.toml").write_text(CONFIG.replace('path = "suite.jsonl"', unjudged))
    shutil.rmtree(run)
    bring(run)
    finish_data_stages(run)
    finish_evaluation(run)
    # An arm with a sight that this module has no name for.
    shows = replace(ARMS["none"], in_sight="principles")
    monkeypatch.setattr("dalign.records.blast_radius.ARMS", {**ARMS, "none": shows})
    found = blast_radius(run, *edited(run, "principles", "Be plain.", "Be brief."))
    assert found.rows["evaluation_rows"] == [
        "none/test/n1", "none/test/n2", "spec/test/s1", "spec/test/s2",
    ]  # fmt: skip


def test_no_difference_reaches_nothing(run: Path) -> None:
    finish_data_stages(run)
    finish_evaluation(run)
    found = blast_radius(run, *edited(run, "soup", "1.0.0", "1.0.1"))
    assert (found.categories, found.clauses) == ((), ())
    assert not any([*found.rows.values(), *found.cites.values()])


def test_a_category_that_only_one_policy_has_is_a_difference(run: Path) -> None:
    old = policy(run)
    new = replace(old, categories=old.categories[:1])
    assert blast_radius(run, old, new).clauses == ("tea.S1",)
    assert blast_radius(run, new, old).clauses == ("tea.S1",)


def radius(dalign, run: Path, *options: str) -> str:
    """What `dalign spec diff --run` prints after a clause has another ruling."""
    before, after = run.parent / "before", run.parent / "spec"
    shutil.copytree(after, before)
    edited(run, "soup", "S2 refuse", "S2 comply")
    code, out, err = dalign("spec", "diff", before, after, "--run", run, *options)
    assert (code, err) == (0, "")
    return out


def test_a_run_without_stages_has_prompts_alone(run: Path, dalign) -> None:
    printed = json.loads(radius(dalign, run, "--json"))["blast_radius"]
    assert printed["run"] == str(run)
    assert [printed[kind]["count"] for kind in KINDS] == [3, 0, 0, 0, 0, 0]
    assert printed["prompts"]["ids"] == ["p1", "p2", "p3"]
    assert {kind["count"] for kind in printed["cites"].values()} == {0}


def test_the_text_shows_the_first_ids_with_control_characters_made_visible(
    run: Path, dalign
) -> None:
    prompts = run.parent / "prompts.jsonl"
    row = {"category": "soup", "messages": [{"role": "user", "content": "x"}]}
    prompts.write_text("".join(json.dumps(row | {"id": f"\x1b{i}"}) + "\n" for i in range(7)))
    bring(run)
    out = radius(dalign, run)
    assert "prompts: 7 (\\u001b0, \\u001b1, \\u001b2, \\u001b3, \\u001b4, …)" in out
    assert "\x1b" not in out
