"""Chunks that others work on: what a worker is given, reads and gives back; without Ray, which `make test-ray` has."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dalign.errors import DalignError, InputError, MissingExtraError, WorkerError
from dalign.models.ask import Ask
from dalign.models.protocol import Request, Sampling
from dalign.models.spending import Meter
from dalign.pipeline.engines import Engines
from dalign.pipeline.on_ray import Worker, _made_of
from dalign.pipeline.run import resolve_config, run_stages
from dalign.pipeline.spread import Elsewhere, spread_of
from dalign.progress import Progress
from dalign.settings import load_config
from dalign.store.folder import Made
from dalign.store.memory import Kept, Memory, forget_chunk, journals
from dalign.store.parts import Table
from dalign.store.run import RunFolder
from scripted_run import write_project

# The last message of a judgement holds the answer: what is asked for there comes first.
SCRIPT = {
    **{f"answer {word}": f"Score: {8 - n}" for n, word in enumerate(("soup", "tea", "plain"))},
    **{word: f"<think>the policy on {word} says so</think>answer {word}" for word in ("soup", "tea")},
    "general": "answer plain, and no thought",
}  # fmt: skip
STAGES = ("generate", "filter", "judge")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run up to the judge, in chunks of a few rows."""
    project = write_project(tmp_path / "project")
    (project / "script.json").write_text(json.dumps(SCRIPT))
    config = load_config(project / "dalign.toml", ["run.part_rows=4"])
    for stage in STAGES:
        run_stages(config, tmp_path / "run", Progress(), stage)
    return tmp_path / "run"


def worker(run: Path, stage: str) -> Worker:
    """One as it is opened on another machine: by texts alone."""
    config = resolve_config(None, run, ["run.executor=ray"], redo=False)
    known = json.loads(json.dumps(Engines(config).known()))
    return Worker(config.model_dump_json(), known, str(run), f"{stage}/main")


def given(worker: Worker, number: int) -> dict:
    batch = worker({"number": np.array([number])})
    return {name: column[0] for name, column in batch.items()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_makes_of_each_chunk_what_is_made_here(made: Path, stage: str) -> None:
    folder, meter = RunFolder(made).stage(stage), Meter()
    kept = {path: path.read_bytes() for path in folder.path.glob("replies*")}
    at_work, tables = worker(made, stage), []
    count = len(list(folder.path.glob("part-*"))) if stage != "filter" else 5
    # In any order: each is made of its own rows.
    for number in reversed(range(count)):
        found, what = _made_of(given(at_work, number), meter)
        assert found == number
        tables.insert(0, what)
    for name in tables[0].tables:
        assert pl.concat([each.tables[name] for each in tables]).equals(folder.table(name).frame())
    assert {path: path.read_bytes() for path in folder.path.glob("replies*")} == kept
    # Nothing was asked again by filter, which asks nobody; of the others each request is counted.
    asked = folder.recorded("counts").get("verdicts", folder.recorded("counts")["rows_out"])
    assert meter.total.requests == (0 if stage == "filter" else asked)


def test_a_worker_s_rows_have_no_zeros_cut_off(made: Path) -> None:
    row = given(worker(made, "generate"), 0)
    assert isinstance(row["tables"], bytes)
    assert len(row["tables"]) == sum(json.loads(row["told"])["sizes"].values())


def test_what_a_worker_meets_comes_back_with_its_kind(made: Path) -> None:
    (made / "filter" / "main" / "part-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(DalignError, match=r"part-00001\.parquet: damaged or lost") as met:
        _made_of(given(worker(made, "judge"), 1), Meter())
    assert met.value.kind == "damaged_file"
    lost = Worker(
        resolve_config(None, made, [], redo=False).model_dump_json(), {}, "/nowhere", "judge/main"
    )
    with pytest.raises(DalignError, match="all machines need the run's folder at the same path"):
        _made_of(given(lost, 0), Meter())


def test_a_table_is_read_from_any_row_on_whatever_its_parts_hold(tmp_path: Path) -> None:
    table, rows = Table(tmp_path), pl.DataFrame({"id": [str(n) for n in range(10)], "n": range(10)})
    for number, (start, stop) in enumerate([(0, 3), (3, 3), (3, 8), (8, 10)]):
        table.write(number, rows[start:stop])
    for start in range(11):
        for count in (1, 2, 4, 20):
            assert table.slice(start, count).equals(rows[start : start + count])
    assert table.slice(2, 3, ["n"]).to_dict(as_series=False) == {"n": [2, 3, 4]}


def test_replies_of_a_chunk_in_work_are_found_by_whoever_goes_on(tmp_path: Path) -> None:
    here, one, two = Memory(tmp_path), Memory(tmp_path, "", 1), Memory(tmp_path, "", 2)
    rows = {name: Kept(name, f"key {name}", "t", "stop", 1) for name in ("here", "one", "two")}
    for memory, name in ((here, "here"), (one, "one"), (two, "two")):
        memory.append([rows[name]])
    of_others = Memory(tmp_path, "judge", 1)
    of_others.append([rows["one"]])
    assert {row.id for row in here.in_work()} == {"here", "one", "two"}
    assert {row.id for row in one.in_work()} == {"here", "one"}
    assert {row.id for row in of_others.in_work()} == {"one"}
    # What is done with chunk 1 leaves what is in work on chunk 2.
    forget_chunk(tmp_path, 1)
    assert [path.name for path in journals(tmp_path)] == ["journal.00002.jsonl"]


def test_a_place_for_an_engine_loads_nothing_and_is_asked_nothing(made: Path) -> None:
    config = resolve_config(None, made, ["run.executor=ray"], redo=False)
    engines = Engines(config)
    elsewhere = Elsewhere(engines, config.model)
    assert elsewhere.fingerprint == engines.open(config.model).fingerprint
    with pytest.raises(WorkerError, match="its workers"):
        Ask(elsewhere)([Request("a", ({"role": "user", "content": "hi"},), 0)], Sampling(0.0, 1))


@pytest.mark.skipif(
    find_spec("ray") is not None, reason="with Ray, `make test-ray` shows what is done"
)
def test_without_ray_its_name_is_said(made: Path) -> None:
    config = resolve_config(None, made, ["run.executor=ray", "generate.n=1"], redo=True)
    with pytest.raises(MissingExtraError, match=r"pip install 'dalign\[ray\]'"):
        run_stages(config, made, Progress(), "generate")


def test_here_chunks_are_made_one_after_the_other(made: Path) -> None:
    config = resolve_config(None, made, [], redo=False)
    folder = RunFolder(made).stage("generate")

    class OfConfig:
        def __init__(self) -> None:
            self.config = config

    spread = spread_of(OfConfig(), Engines(config), folder)
    seen = list(spread(enumerate("ab"), lambda number, chunk: Made({}, {chunk: number})))
    assert seen == [(0, Made({}, {"a": 0})), (1, Made({}, {"b": 1}))]


@pytest.mark.parametrize(
    "override", ["run.ray.workers=0", "run.ray.cpus=0", "run.ray.gpus=-1", "run.executor=rays"]
)
def test_a_cluster_that_means_nothing_is_refused(tmp_path: Path, override: str) -> None:
    project = write_project(tmp_path / "project")
    with pytest.raises(InputError, match=override.partition("=")[0].replace(".", r"\.")):
        load_config(project / "dalign.toml", [override])


def test_a_cap_is_of_one_process(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    with pytest.raises(
        InputError, match=r"run\.executor = 'ray': a cap \(run\.cap\) is kept by one process"
    ):
        load_config(project / "dalign.toml", ["run.executor=ray", "run.cap.requests=5"])
