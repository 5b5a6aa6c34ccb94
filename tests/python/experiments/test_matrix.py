"""A matrix of runs: every cell and seed once, what cells have alike made once, and gone on with where it stood."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.errors import ChangedConfigError, InputError
from dalign.evaluate.intervals import Draws
from dalign.experiments import matrix as of
from dalign.experiments.matrix import Cell, Matrix, _share, run_matrix
from dalign.experiments.pooled import changes, figures, pooled
from dalign.progress import Progress
from dalign.records.verify import verify
from scripted_run import write_project

SETTINGS = ('evaluate.arms=["none","spec"]', "evaluate.resamples=50")
CELLS = (Cell("two", ("evaluate.samples=2",)), Cell("one", ()))


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said = list[str]()

    def say(self, text: str) -> None:
        self.said.append(text)

    def finish(self, name: str, note: str = "") -> None:
        self.said.append(f"{name}: {note}")


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    project = write_project(tmp_path / "project")
    (project / "script.json").write_text(
        json.dumps({"": "<think>the policy</think>soup. Score: 7"})
    )
    return Matrix(project / "dalign.toml", tmp_path / "out", CELLS, (3, 4), SETTINGS)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.parquet"))
    }


def test_each_cell_and_seed_is_run_and_takes_over_what_another_cell_was_answered(
    matrix: Matrix,
) -> None:
    heard = Heard()
    runs = list(run_matrix(matrix, heard))
    assert [(run.seed, run.cell.name) for run in runs] == [
        (3, "two"), (3, "one"), (4, "two"), (4, "one"),
    ]  # fmt: skip
    began = [n for n, said in enumerate(heard.said) if said.startswith("seed ")]
    first, second, third, _ = (
        heard.said[start:end]
        for start, end in zip(began, [*began[1:], len(heard.said)], strict=True)
    )
    assert second[0] == f"seed 3, one (2 of 4): {runs[1].folder}"
    assert any("taken over" in said for said in second)
    assert not any("taken over" in said for said in (*first, *third))
    assert all(not verify(run.folder).damage for run in runs)


def test_all_but_trainings_and_what_is_evaluated_of_them_is_shared(matrix: Matrix) -> None:
    done = matrix.place(CELLS[0], 3)
    for name in ("inputs", "generate/main", "select/main", "pack/main", "sft/sft", "evaluate/none", "evaluate/sft", "evaluate/sft+rl", "logs"):  # fmt: skip
        (done / name).mkdir(parents=True)
        (done / name / "part-00000.parquet").write_text(name)
    _share(matrix, CELLS[1], 3)
    assert not matrix.place(CELLS[1], 3).exists()
    (done / "results.json").write_text("{}")
    _share(matrix, CELLS[1], 4)
    assert not matrix.place(CELLS[1], 4).exists()
    _share(matrix, CELLS[1], 3)
    there = files_of(matrix.place(CELLS[1], 3))
    assert {name.rpartition("/")[0] for name in there} == {
        "inputs", "generate/main", "select/main", "pack/main", "evaluate/none",
    }  # fmt: skip
    assert all(files_of(done)[name] == there[name] for name in there)


def test_a_shared_start_gives_what_a_run_by_itself_gives(matrix: Matrix, tmp_path: Path) -> None:
    *_, shared = run_matrix(matrix._replace(seeds=(3,)), Progress())
    alone = matrix._replace(folder=tmp_path / "alone", cells=CELLS[1:], seeds=(3,))
    [single] = run_matrix(alone, Progress())
    assert files_of(shared.folder) == files_of(single.folder)


def test_it_goes_on_where_it_was_killed(
    matrix: Matrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [files_of(r.folder) for r in run_matrix(matrix._replace(folder=tmp_path / "undisturbed"), Progress())]  # fmt: skip
    runs, write = iter(range(10)), of.write_results

    def killed(record: object) -> object:
        if next(runs) == 1:
            raise KeyboardInterrupt
        return write(record)  # type: ignore[arg-type]

    monkeypatch.setattr(of, "write_results", killed)
    with pytest.raises(KeyboardInterrupt):
        list(run_matrix(matrix, Progress()))
    heard = Heard()
    assert [files_of(run.folder) for run in run_matrix(matrix, heard)] == whole
    begun = heard.said[: heard.said.index(next(s for s in heard.said if s.startswith("seed 4")))]
    assert sum("done before" in said for said in begun) >= 2


def test_another_config_is_refused_unless_it_is_to_run_again(matrix: Matrix) -> None:
    list(run_matrix(matrix, Progress()))
    other = matrix._replace(settings=(*SETTINGS, "evaluate.max_new_tokens=100"))
    with pytest.raises(ChangedConfigError, match=r"evaluate\.max_new_tokens"):
        list(run_matrix(other, Progress()))
    again = list(run_matrix(other, Progress(), redo=True))
    assert len(again) == 4


def test_a_folder_of_the_users_is_not_written_into(matrix: Matrix) -> None:
    matrix.folder.mkdir()
    (matrix.folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files that are of no ablation"):
        list(run_matrix(matrix, Progress()))
    assert [path.name for path in matrix.folder.iterdir()] == ["notes.txt"]


def test_what_runs_found_is_pooled_over_their_seeds(matrix: Matrix) -> None:
    runs = list(run_matrix(matrix, Progress()))
    grades = pooled(runs)
    assert {key: frame["seed"].unique().sort().to_list() for key, frame in grades.items()} == {
        (cell.name, arm): [3, 4] for cell in CELLS for arm in ("none", "spec")
    }
    found = figures(grades, Draws(50, 0))
    assert {(each.cell, each.n) for each in found} == {("two", 8), ("one", 4)}
    assert changes(grades, [("two", "one")], Draws(50, 0)) == []
    said = runs[0].alarms()
    assert said
    assert all(
        each.startswith(f"{runs[0].folder}: ") and "grades are missing" in each for each in said
    )
