"""Chunks that others work on: what a worker is given, reads and gives back; without Ray, which `make test-ray` has."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from dalign.config import Ray
from dalign.errors import DalignError, InputError, MissingExtraError, WorkerError
from dalign.models.ask import Ask
from dalign.models.protocol import Request, Sampling
from dalign.models.spending import Meter, spent_of
from dalign.pipeline import on_ray
from dalign.pipeline.engines import Engines
from dalign.pipeline.on_ray import Worker, _made_of
from dalign.pipeline.project import read_project
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


def made_of(row: dict, meter: Meter) -> Made:
    told = json.loads(row["told"])
    meter.merge({key: spent_of(value) for key, value in told["taken"].items()})
    return _made_of(row, told)


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_makes_of_each_chunk_what_is_made_here(made: Path, stage: str) -> None:
    folder, meter = RunFolder(made).stage(stage), Meter()
    kept = {path: path.read_bytes() for path in folder.path.glob("replies*")}
    at_work, tables = worker(made, stage), []
    count = len(list(folder.path.glob("part-*"))) if stage != "filter" else 5
    # In any order: each is made of its own rows.
    for number in reversed(range(count)):
        row = given(at_work, number)
        assert row["number"] == number
        tables.insert(0, made_of(row, meter))
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
        made_of(given(worker(made, "judge"), 1), Meter())
    assert (met.value.kind, type(met.value)) == ("damaged_file", InputError)
    assert met.value.path.name == "part-00001.parquet"
    lost = Worker(
        resolve_config(None, made, [], redo=False).model_dump_json(), {}, "/nowhere", "judge/main"
    )
    with pytest.raises(DalignError, match="all machines need the run's folder at the same path"):
        made_of(given(lost, 0), Meter())


def test_a_table_is_read_from_any_row_on_whatever_its_parts_hold(tmp_path: Path) -> None:
    table, rows = Table(tmp_path), pl.DataFrame({"id": [str(n) for n in range(10)], "n": range(10)})
    for number, (start, stop) in enumerate([(0, 3), (3, 3), (3, 8), (8, 10)]):
        table.write(number, rows[start:stop])
    for start in range(11):
        for count in (1, 2, 4, 20):
            assert table.slice(start, count).equals(rows[start : start + count])
    assert table.slice(2, 3, ["n"]).to_dict(as_series=False) == {"n": [2, 3, 4]}


def test_replies_of_a_chunk_in_work_are_found_by_whoever_goes_on(tmp_path: Path) -> None:
    here, beside = Memory(tmp_path), Memory(tmp_path, beside=True)
    rows = {name: Kept(name, f"key {name}", "t", "stop", 1) for name in ("here", "one", "two")}
    here.append([rows["here"]], 7)
    beside.append([rows["one"]], 1)
    beside.append([rows["two"]], 2)
    of_others = Memory(tmp_path, "judge", beside=True)
    of_others.append([rows["one"]], 1)
    assert {row.id for row in here.in_work(1)} == {"here", "one", "two"}
    assert {row.id for row in beside.in_work(1)} == {"here", "one"}
    assert {row.id for row in of_others.in_work(1)} == {"one"}
    # What is done with chunk 1 leaves what is in work on chunk 2.
    forget_chunk(tmp_path, 1)
    assert [path.name for path in journals(tmp_path)] == ["journal.00002.jsonl"]


def test_a_journal_that_another_is_done_with_meanwhile_holds_no_more(tmp_path: Path) -> None:
    here, beside = Memory(tmp_path), Memory(tmp_path, beside=True)
    here.append([Kept(name, f"key {name}", "t", "stop", 1) for name in "ab"])
    found = beside.in_work(4)
    assert next(found).id == "a"
    forget_chunk(tmp_path, 3)
    assert [row.id for row in found] == ["b"]
    # One that others write to is never cut.
    here.append([Kept("c", "key c", "t", "stop", 1)])
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"id": "half')
    assert [row.id for row in beside.in_work(4)] == ["c"]
    assert path.read_bytes().endswith(b"half")
    assert [row.id for row in here.in_work()] == ["c"]
    assert not path.read_bytes().endswith(b"half")


def test_a_worker_opens_the_run_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(on_ray, "read_project", lambda *of: opened.append(1) or read_project(*of))
    at_work = worker(made, "judge")
    for number in range(4):
        made_of(given(at_work, number), Meter())
    assert opened == [1]


def test_a_fault_of_the_program_is_said_and_kept_in_a_log(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_):
        raise KeyError("nothing of this name")

    monkeypatch.setattr(on_ray, "read_project", broken)
    with pytest.raises(
        WorkerError,
        match=r"a fault of the program in a worker \(KeyError: .*; see .*ray-judge-main\.log",
    ):
        made_of(given(worker(made, "judge"), 0), Meter())
    assert "Traceback" in (made / "logs" / "ray-judge-main.log").read_text()


def test_what_never_came_and_what_was_said_elsewhere_is_told_here(made: Path) -> None:
    told: list[str] = []

    class Said(Progress):
        def say(self, text: str) -> None:
            told.append(text)

    config = resolve_config(None, made, ["run.executor=ray"], redo=False)
    ask = Ask(Elsewhere(Engines(config), config.model), progress=Said(), name="judge", total=8)
    first = {
        "id": "row",
        "text": "status 400: no",
        "finish": "error",
        "tokens": 0,
        "read": 0,
        "others": [],
    }
    heard: set[str] = set()
    for _ in range(2):
        of_worker = {"said": ["the server takes no seed"], "failed": [["error status", 2, first]]}
        on_ray._tell(ask, of_worker, heard, (4, 9), {"taken_over": 1})
    ask.finish("done")
    assert told == [
        "the server takes no seed",
        "judge: 4 of 8 requests had no reply, such as row: error; status 400: no",
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"gpus": 1.0},
            "run.ray.gpus = 1: no machine of the cluster has as many; the largest has 0",
        ),
        (
            {"cpus": 9.0},
            "run.ray.cpus = 9: no machine of the cluster has as many; the largest has 4",
        ),
    ],
)
def test_what_no_machine_has_is_not_waited_for(
    settings: dict, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(shutdown=lambda: None))
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    with pytest.raises(InputError) as met:
        on_ray._check_room(Ray(**settings), nodes)
    assert str(met.value) == said
    on_ray._check_room(Ray(), nodes)


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
    "override",
    [
        "run.ray.workers=0",
        "run.ray.address=",
        "run.ray.cpus=0",
        "run.ray.gpus=-1",
        "run.executor=rays",
    ],
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
