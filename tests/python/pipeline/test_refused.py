"""What a refused call leaves, what is refused before anything is paid for, and what a report may rest on."""

from __future__ import annotations

import json
from pathlib import Path

import dalign
import pytest
from dalign.errors import InputError, UnfinishedError
from dalign.pipeline.run import check_all_done, keep_config, plan_of, run_stages
from dalign.progress import Progress
from dalign.records.journey import journeys_of
from dalign.records.record import open_record
from dalign.records.results import results_of
from dalign.settings import load_config
from scripted_run import EVALUATED, SCRIPTED, go, write_project


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def evaluated(tmp_path: Path) -> tuple[Path, Path]:
    """The config and the folder of a run that has finished, of two arms that are not trained."""
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    config = project / "dalign.toml"
    changed(config, '"spec", "sft"', '"spec"')
    (project / "script.json").write_text(
        json.dumps({"score ?": "<think>why</think>Score: 2", "": "<think>why</think>No."})
    )
    dalign.run(config, run)
    return config, run


def held(run: Path) -> dict[Path, bytes]:
    """All that a folder holds."""
    return {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


REFUSED = {
    "a broken suite": ("suite.jsonl", '{"category"', '{"categorie"'),
    "a policy that does not compile": ("spec/tea.md", "comply", "comply-or-so"),
}


@pytest.mark.parametrize(("name", "old", "new"), REFUSED.values(), ids=REFUSED)
def test_a_refused_call_leaves_the_inputs_as_they_were(
    name: str, old: str, new: str, tmp_path: Path
) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    made = go(project, run, *SCRIPTED)
    before = held(run)
    # Good prompts beside what is refused.
    files = [project / "prompts.jsonl", project / name]
    texts = [path.read_text() for path in files]
    changed(files[0], "question", "riddle")
    changed(files[1], old, new)
    with pytest.raises(InputError):
        go(project, run, *SCRIPTED)
    assert held(run) == before
    for path, text in zip(files, texts, strict=True):
        path.write_text(text)
    assert go(project, run, *SCRIPTED).scripted.requests == []
    row = made.folder("generate").made().frame(["id"])["id"][0]
    (journey,) = journeys_of(open_record(run), row)
    assert "question" in journey.prompt.messages[0]["content"]


def test_what_a_killed_reading_left_is_not_taken_for_what_was_read(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, "generate/main")
    before = held(run / "inputs")
    left = run / "inputs" / "new" / "prompts"
    left.mkdir(parents=True)
    (left / "part-00000.parquet").write_bytes(b"half a file")
    assert go(project, run, "generate/main").scripted.requests == []
    assert held(run / "inputs") == before


def test_a_report_of_a_config_that_is_not_done_writes_nothing(tmp_path: Path) -> None:
    config, run = evaluated(tmp_path)
    before, said = held(run), results_of(open_record(run))
    spec = config.parent / "spec" / "soup.md"
    changed(spec, "the recipe", "a warning")
    changed(spec, "1.0.0", "1.1.0")
    with pytest.raises(UnfinishedError, match="evaluate/none"):
        check_all_done(load_config(config, []), run, Progress())
    assert held(run) == before
    assert results_of(open_record(run)) == said
    assert said.spec_versions["soup"] == "1.0.0"


@pytest.mark.parametrize(
    "setting",
    ["evaluate.temperature=0", "judge.temperature=0", "select.threshold=3", "model.reasoning.open=<r>"],
)  # fmt: skip
def test_a_report_rests_on_what_the_rows_saw_or_is_refused(setting: str, tmp_path: Path) -> None:
    config, run = evaluated(tmp_path)
    # A call of one stage makes the folder another config's.
    changed(config, '"none", "spec"', '"none", "spec", "sft"')
    run_stages(load_config(config, [setting]), run, Progress(), "generate")
    changed(config, '"none", "spec", "sft"', '"none", "spec"')
    keep_config(load_config(config, [setting]), run)
    with pytest.raises(UnfinishedError, match=r"evaluate/none.*run it first"):
        results_of(open_record(run))


EARLY = {
    "a server's model that is to be trained": (
        'engine = "scripted"', 'engine = "openai"\nbase_url = "http://127.0.0.1:9/v1"', "model.checkpoint",
    ),
    "prompts of no known ruling, drawn by ruling": (
        'arms = ["none", "spec", "sft"]', 'arms = ["none", "rl"]\n[rl.balance]\ngeneral = 1', "rl.balance",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), EARLY.values(), ids=EARLY)
def test_what_a_later_stage_would_refuse_is_refused_first(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    from dalign.sandbox.checkpoint import MODEL

    project = write_project(tmp_path / "project")
    path = project / "dalign.toml"
    changed(path, old, new)
    if "openai" not in new:
        changed(path, f'path = "{project}/script.json"\nengine = "scripted"', f'path = "{MODEL}"')
    for call in (plan_of, run_stages):
        with pytest.raises(InputError, match=said):
            call(load_config(path, []), tmp_path / "run", Progress())
    assert not (tmp_path / "run").exists()


def test_the_data_of_a_model_that_is_only_served_can_be_made(tmp_path: Path) -> None:
    """The default arms are trained; a stage that trains nothing needs no checkpoint."""
    project = write_project(tmp_path / "project")
    config = load_config(project / "dalign.toml", [])
    assert "sft" in config.evaluate.arms
    assert run_stages(config, tmp_path / "run", Progress(), "generate") == ["generate/main"]


def test_the_last_line_of_an_arm_tells_of_its_completions_alone(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, "evaluate/none")
    changed(project / "spec" / "soup.md", "the recipe", "a warning")
    told: list[str] = []

    class Told(Progress):
        def finish(self, name: str, note: str = "") -> None:
            told.append(note)

    go(project, run, *EVALUATED[:1], progress=Told())
    # Two completions, and three of the four verdicts and questions of retrieval on them.
    assert told[0] == "2 completions, 2 of them taken over"
