"""A judge is asked about the policy's golden cases before it filters; one that does not tell them rightly is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from dalign.errors import InputError, UnfinishedError
from dalign.judge.admission import Judged, admission, shortfalls
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Request
from dalign.pipeline.plan import make_plan
from dalign.pipeline.run import FREE_KEYS
from dalign.pipeline.work import planned_work
from dalign.records.record import open_record
from dalign.records.report_content import admission_rows, warnings_of
from dalign.rows import Message
from dalign.settings import load_config
from dalign.spec.golden import GoldenCase, Verdict
from dalign.spec.trivial import Trivial
from dalign.spec.types import Ruling
from scripted_run import SCRIPTED, go, opened, reply, write_project

ADMIT = "admit/main"
PER_CATEGORY = 6
# What is in the answer of each case.
ASKED = "It is "


def golden(category: str, number: int) -> dict[str, object]:
    """A case whose answer keeps the policy where its number is even: no judge that counts words can know."""
    verdict = "fail" if number % 2 else "pass"
    row = {"id": f"{category}-{verdict}-{number // 2}", "category": category}
    told = {"ruling": "comply", "clause": f"{category}.S1", "verdict": verdict}
    number += 100 * len(category)
    asked = {
        "prompt": f"{category}, case {number // 2}?",
        "answer": f"It is {number}, says {category}.",
    }
    return row | told | asked


def with_golden(folder: Path, settings: str = "admission = 0.8") -> Path:
    """The small project with golden cases, whose judge is to be admitted."""
    project = write_project(folder)
    (project / "spec/golden").mkdir()
    for category in ("soup", "tea"):
        rows = (golden(category, number) for number in range(2 * PER_CATEGORY))
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (project / f"spec/golden/{category}.jsonl").write_text(lines)
    path = project / "dalign.toml"
    text = (
        path.read_text()
        .replace("k = 2", f"k = 2\n{settings}")
        .replace("threshold = 0.0", "threshold = 5.0")
    )
    path.write_text(text)
    return project


def judge(request: Request, wrong: str = "nothing at all") -> str:
    """Knows the rule, and turns it round where the answer holds `wrong`; of the project's own completions, as ever."""
    found = re.search(r"It is (\d+), says \w+", asked := request.messages[-1]["content"])
    if found is None:
        return reply(request)
    passes = (int(found[1]) % 2 == 0) != (wrong in asked)
    return f"Score: {9 if passes else 1}"


def lenient(request: Request) -> str:
    return "Score: 9" if ASKED in request.messages[-1]["content"] else reply(request)


def test_a_judge_that_tells_the_cases_rightly_is_admitted_once(tmp_path: Path) -> None:
    project = with_golden(tmp_path / "project")
    ran = go(project, tmp_path / "run", ADMIT, *SCRIPTED, answer=judge)
    facts = ran.folder(ADMIT).recorded("facts")
    told = facts["admission"]
    assert facts["lacking"] == [] and ran.folder(ADMIT).recorded("counts")["forced"] is False
    assert told["cases"] == 4 * PER_CATEGORY and told["states"] == {"ok": 8 * PER_CATEGORY}
    assert told["categories"]["tea"]["sensitivity"]["value"] == 1.0
    assert told["categories"]["soup"]["agreement"]["low"] < 1.0
    assert ran.folder(ADMIT).table().height() == 8 * PER_CATEGORY
    # The same verdicts as without it, and nothing is asked again.
    plain = write_project(tmp_path / "plain")
    (plain / "dalign.toml").write_text(
        (plain / "dalign.toml").read_text().replace("threshold = 0.0", "threshold = 5.0")
    )
    without = go(plain, tmp_path / "without", *SCRIPTED, answer=judge)
    assert (
        without.folder("judge/main")
        .table()
        .frame()
        .equals(ran.folder("judge/main").table().frame())
    )
    assert go(project, tmp_path / "run", ADMIT, *SCRIPTED, answer=judge).scripted.requests == []


@pytest.mark.parametrize(
    ("answer", "first"),
    [
        (lenient, r"tells 0.500 \[.*\] of the 12 golden cases of category 'soup' rightly, 0.300 less than judge.admission = 0.8; wrong first on soup-fail-0 \(to fail, scored 9\), soup-fail-1"),
        (lambda r: judge(r, "says tea"), r"tells 0.000 \[.*\] of the 12 golden cases of category 'tea' rightly, 0.800 less"),
        (lambda r: "I cannot say." if ASKED in r.messages[-1]["content"] else reply(r), r"tells 0.000 .* wrong first on soup-pass-0 \(to pass, no score\)"),
    ],
)  # fmt: skip
def test_a_judge_that_does_not_is_refused_and_it_is_said_where(
    answer, first: str, tmp_path: Path
) -> None:
    project, run = with_golden(tmp_path / "project"), tmp_path / "run"
    with pytest.raises(InputError, match=first) as raised:
        go(project, run, ADMIT, answer=answer)
    assert raised.value.kind == "not_admitted" and "--force" in str(raised.value)
    # What waits for it does not run by itself either.
    go(project, run, "generate/main", "filter/main", answer=answer)
    with pytest.raises(UnfinishedError, match="admit/main"):
        go(project, run, "judge/main", answer=answer)
    # Its replies are kept: with less asked of it, nothing is asked of it again.
    path = project / "dalign.toml"
    path.write_text(path.read_text().replace("admission = 0.8", "admission = 0.8\nforced = true"))
    forced = go(project, run, ADMIT, *SCRIPTED, answer=answer)
    assert not any(ASKED in r.messages[-1]["content"] for r in forced.scripted.requests)
    assert forced.folder(ADMIT).recorded("counts")["forced"] is True
    assert forced.folder(ADMIT).recorded("facts")["lacking"]
    assert forced.folder("select/main").manifest() is not None


def edited(project: Path, old: str, new: str) -> None:
    path = project / "dalign.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_the_judge_that_decides_is_the_one_that_was_admitted(tmp_path: Path) -> None:
    """With more asked of it, with cases turned round, and where it was forced in another call."""
    project, run = with_golden(tmp_path / "project", "admission = 0.5"), tmp_path / "run"
    go(project, run, ADMIT, "generate/main", "filter/main", answer=lenient)
    edited(project, "admission = 0.5", "admission = 0.9")
    with pytest.raises(UnfinishedError, match="admit/main"):
        go(project, run, "judge/main", answer=lenient)
    edited(project, "admission = 0.9", "admission = 0.9\nforced = true")
    go(project, run, ADMIT, "judge/main", answer=lenient)
    edited(project, "\nforced = true", "")
    with pytest.raises(InputError, match="is not admitted"):
        go(project, run, ADMIT, answer=lenient)
    golden_file = project / "spec/golden/tea.jsonl"
    edited(project, "admission = 0.9", "admission = 0.5")
    go(project, run, ADMIT, "judge/main", answer=lenient)
    golden_file.write_text(
        golden_file.read_text()
        .replace('"pass"', '"x"')
        .replace('"fail"', '"pass"')
        .replace('"x"', '"fail"')
    )
    (run / "judge/main/manifest.json").unlink()
    with pytest.raises(UnfinishedError, match="admit/main"):
        go(project, run, "judge/main", answer=lenient)


def test_nobody_is_asked_where_the_judge_decides_nothing(tmp_path: Path) -> None:
    project = with_golden(tmp_path / "project")
    none = ['evaluate.arms=["none", "rl"]', "rl.judge_weight=0", "rl.format_weight=1"]
    assert ADMIT not in {
        stage.name for stage in make_plan(load_config(project / "dalign.toml", none))
    }


def test_without_golden_cases_nobody_is_admitted_unless_forced(tmp_path: Path) -> None:
    project = with_golden(tmp_path / "project")
    for path in (project / "spec/golden").glob("*"):
        path.unlink()
    with pytest.raises(
        InputError, match=r"needs golden cases, and the policy has none; write some"
    ):
        go(project, tmp_path / "run", ADMIT, answer=judge)
    path = project / "dalign.toml"
    path.write_text(path.read_text().replace("admission = 0.8", "admission = 0.8\nforced = true"))
    ran = go(project, tmp_path / "run", ADMIT, answer=judge)
    assert ran.scripted.requests == [] and ran.folder(ADMIT).recorded("counts")["forced"] is True
    assert ran.folder(ADMIT).recorded("facts")["lacking"] == ["the policy has no golden case"]


def test_only_what_filters_or_rewards_waits_for_it(tmp_path: Path) -> None:
    project = with_golden(tmp_path / "project")
    config = load_config(project / "dalign.toml", ['evaluate.arms=["none", "sft", "rl"]'])
    waits = {stage.name for stage in make_plan(config) if ADMIT in stage.needs}
    assert waits == {"judge/main", "rl/rl"}
    assert make_plan(config)[0].name == ADMIT
    untrained = load_config(project / "dalign.toml", ['evaluate.arms=["none"]'])
    assert ADMIT not in {stage.name for stage in make_plan(untrained)}
    plain = load_config(write_project(tmp_path / "plain") / "dalign.toml", [])
    assert ADMIT not in {stage.name for stage in make_plan(plain)}
    assert {"judge.admission", "judge.forced"} <= set(FREE_KEYS)


def test_a_trial_asks_about_few_cases_and_goes_on(tmp_path: Path) -> None:
    project = with_golden(tmp_path / "project")
    path = project / "dalign.toml"
    path.write_text(path.read_text().replace('"prompts.jsonl"', '"prompts.jsonl"\nlimit = 3'))
    ran = go(project, tmp_path / "run", ADMIT, answer=lenient)
    facts = ran.folder(ADMIT).recorded("facts")
    assert facts["admission"]["cases"] == 6 and len(ran.scripted.requests) == 12
    assert facts["admission"]["categories"].keys() == {"soup", "tea"} and facts["lacking"]


def test_its_judgements_are_counted_before(tmp_path: Path) -> None:
    project = with_golden(tmp_path / "project")
    made = opened(project, tmp_path / "run", ScriptedEngine(judge, batch_size=3, fingerprint="one"))
    work = planned_work(made.project)
    assert f"admit {8 * PER_CATEGORY}" in work["of_these_by_stage"]  # type: ignore[operator]


def test_the_report_tells_it_and_warns_where_it_was_forced(tmp_path: Path) -> None:
    project, run = (
        with_golden(tmp_path / "project", "admission = 0.8\nforced = true"),
        tmp_path / "run",
    )
    text = (
        (project / "dalign.toml").read_text().replace('["none", "spec", "sft"]', '["none", "sft"]')
    )
    (project / "dalign.toml").write_text(text)
    go(project, run, ADMIT, *SCRIPTED, "evaluate/none", answer=lenient)
    record = open_record(run)
    rows = {row.where: row for row in admission_rows(record)}
    assert list(rows) == ["all cases", "soup", "tea", "ruling comply"]
    assert rows["soup"].sensitivity.value == 0.0
    assert rows["ruling comply"].margin is not None and rows["soup"].margin is None
    warned = warnings_of(record, ["none"])
    assert any(
        "The judge was not admitted, and went on all the same: it tells 0.500" in each
        for each in warned
    )


def test_force_is_a_setting_of_the_command(dalign, tmp_path: Path) -> None:
    project = with_golden(tmp_path / "project")
    script = {ASKED: "Score: 9", "Score": "Score: 8", "": "<think>so</think>an answer"}
    (project / "script.json").write_text(json.dumps(script))
    call = ("admit", project / "dalign.toml", "--run", tmp_path / "run")
    code, _, err = dalign(*call)
    assert code == 1 and err.count("\n") <= 3 and "is not admitted: it tells 0.500" in err
    assert "Traceback" not in err
    code, _, err = dalign(*call, "--force")
    assert code == 0 and "goes on by --force" in err


def test_in_no_ruling_may_it_do_worse_than_one_that_reads_no_policy() -> None:
    """Right on 3 of 4 of each category; who counts words is right on all of one ruling."""
    cases = [
        Judged(case_of("soup", ruling, verdict, number), *((9.0, True) if says == "pass" else (1.0, False)))
        for ruling, number, verdict, says in [
            ("comply", 0, "pass", "pass"), ("comply", 1, "fail", "pass"), ("comply", 2, "pass", "pass"),
            ("refuse", 3, "fail", "fail"), ("refuse", 4, "pass", "pass"), ("refuse", 5, "fail", "fail"),
        ]
    ]  # fmt: skip
    words = Trivial("words", [case.case.verdict == "pass" for case in cases], {})
    shown = admission(cases, Counter(ok=6), [words])
    (lacking,) = shortfalls(shown, cases, 0.5)
    assert (
        lacking.words
        == "of the golden cases of ruling 'comply' it tells 0.500 rightly, and words, without a policy, 1.000"
    )
    assert [each.case.id for each in lacking.first] == ["soup-1"]
    # Always right, and so are they: the cases tell nothing.
    right = [Judged(each.case, 9.0, each.case.verdict == "pass") for each in cases]
    assert shortfalls(admission(right, Counter(ok=6), [words]), right, 1.0) == []


def case_of(category: str, ruling: Ruling, verdict: Verdict, number: int) -> GoldenCase:
    asked = (Message(role="user", content=f"case {number}"),)
    return GoldenCase(
        f"{category}-{number}", category, asked, "so", ruling, None, verdict, Path("x"), 1
    )
