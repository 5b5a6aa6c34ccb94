"""A trial: every stage on few rows of each file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.errors import ChangedConfigError, InputError
from dalign.pipeline.project import bring_in, few_of
from dalign.pipeline.run import pinned, resolve_config
from dalign.rows import Prompt
from dalign.settings import dump_toml, load_config
from dalign.store.ledger import open_ledger
from scripted_run import prompt, write_project


def of(*categories: str) -> list[Prompt]:
    return [Prompt(f"{n}", name, ()) for n, name in enumerate(categories)]


@pytest.mark.parametrize(
    ("categories", "most", "kept"),
    [
        # Sorted by category: each has its turn.
        ("aaaabbc", 3, "046"),
        ("aaaabbc", 4, "0146"),
        ("aaaabbc", 5, "01456"),
        ("aaaabbc", 7, "0123456"),
        ("aaaabbc", 99, "0123456"),
        ("abab", 1, "0"),
        ("", 3, ""),
    ],
)
def test_rows_are_taken_of_each_category_in_turn(categories: str, most: int, kept: str) -> None:
    assert "".join(row.id for row in few_of(of(*categories), most)) == kept


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def test_every_file_has_at_most_so_many_rows_and_all_of_it_is_checked(project, tmp_path) -> None:
    config = load_config(project / "dalign.toml", ["data.limit=4"])
    brought = bring_in(config, tmp_path / "inputs", None)
    assert (brought.prompts.rows, brought.suites["test"].rows) == (4, 2)
    assert brought.prompts.categories == {"general": 1, "soup": 2, "tea": 1}
    whole = bring_in(load_config(project / "dalign.toml"), tmp_path / "inputs", None)
    assert whole.prompts.rows == 9
    assert whole.prompts.sha256 != brought.prompts.sha256
    with (project / "prompts.jsonl").open("a") as file:
        file.write('{"category": "nothing"}\n')
    with pytest.raises(InputError, match=r"prompts\.jsonl:10: unknown category"):
        bring_in(config, tmp_path / "inputs", None)


def test_rl_goes_through_its_prompts_once_and_a_quota_ends_nothing(project: Path) -> None:
    config = load_config(project / "dalign.toml", ["data.limit=20", "rl.prompts_per_step=8", "rl.balance.general=1"])  # fmt: skip
    trial = pinned(config)
    assert (trial.rl.steps, trial.rl.balance, trial.select.on_short) == (3, None, "warn")
    assert pinned(trial) == trial
    fewer = pinned(load_config(project / "dalign.toml", ["data.limit=4", "rl.prompts_per_step=8"]))
    assert (fewer.rl.steps, fewer.rl.prompts_per_step) == (1, 4)
    assert pinned(load_config(project / "dalign.toml")).rl.steps == 80


def test_a_trials_folder_is_no_whole_runs(project: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    config = resolve_config(project / "dalign.toml", run, ["data.limit=2"], redo=False)
    open_ledger(run, dump_toml(config))
    again = resolve_config(project / "dalign.toml", run, ["data.limit=2"], redo=False)
    assert again == resolve_config(None, run, [], redo=False) == config
    with pytest.raises(ChangedConfigError, match=r"data\.limit: 2 → unset"):
        resolve_config(project / "dalign.toml", run, [], redo=False)


def test_the_command_takes_a_limit(project: Path, tmp_path: Path, dalign) -> None:
    config, run = project / "dalign.toml", tmp_path / "run"
    only_base = ("--set", 'evaluate.arms=["none"]', "--set", "evaluate.samples=1")
    (project / "script.json").write_text(json.dumps({"": "Score: 3"}))
    (project / "suite.jsonl").write_text("".join(prompt("tea", n) for n in range(9)))
    code, out, err = dalign("run", config, "--run", run, "--limit", 3, "--dry-run", "--json", *only_base)  # fmt: skip
    assert (code, err) == (0, "")
    assert json.loads(out)["work"]["evaluated_completions"] == 3
    code, _, err = dalign("run", config, "--run", run, "--limit", 0)
    assert code == 2 and "--limit" in err
