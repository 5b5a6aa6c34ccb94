"""The stage forget: how far a trained arm is from the base on rows that nothing is trained on, and the bound on it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from dalign.errors import InputError
from dalign.evaluate.intervals import Draws
from dalign.pack.packer import bin_schema
from dalign.pipeline.plan import make_plan
from dalign.pipeline.run import run_stages
from dalign.pipeline.stages.forget import mean_of, unpacked
from dalign.progress import Progress
from dalign.records.record import open_record
from dalign.records.results import results_of
from dalign.settings import load_config

ARMS = 'evaluate.arms=["none", "distill"]'
SMALL = (
    ARMS, "run.workers=1", "distill.steps=2", "distill.prompts_per_step=2", "distill.max_new_tokens=16",
    "distill.flip_prompts=0", "distill.learning_rate=0.001", "evaluate.samples=1", "evaluate.max_new_tokens=24",
)  # fmt: skip


def held_out(folder: Path, config_path: Path, count: int = 6) -> Path:
    """Some of the project's capability rows, under other names."""
    data = load_config(config_path, []).data
    assert data.capability is not None
    rows = [json.loads(line) for line in data.capability.read_text().splitlines()][:count]
    (path := folder / "held_out.jsonl").write_text("".join(
        json.dumps({**row, "id": f"held-{n}"}) + "\n" for n, row in enumerate(rows)
    ))  # fmt: skip
    return path


@pytest.fixture(scope="module")
def made(config_path: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    folder = tmp_path_factory.mktemp("forget")
    path = held_out(folder, config_path)
    config = load_config(config_path, [*SMALL, f"data.held_out={path}"])
    run_stages(config, folder / "run", Progress())
    return SimpleNamespace(run=folder / "run", path=path, config=config)


def test_each_trained_arm_is_measured_row_by_row_and_told_with_an_interval(made) -> None:
    names = [stage.name for stage in make_plan(made.config) if stage.kind == "forget"]
    assert names == ["forget/distill"]
    record = open_record(made.run)
    rows = record.stage("forget/distill").table().frame(["id", "tokens", "kl"])
    assert rows["id"].sort().to_list() == [f"held-{n}" for n in range(6)]
    [found] = results_of(record).kl
    mean = (rows["kl"] * rows["tokens"]).sum() / rows["tokens"].sum()
    assert (found.arm, found.rows, found.tokens) == ("distill", 6, rows["tokens"].sum())
    assert found.value == pytest.approx(mean) and found.value > 0
    assert found.low <= found.value <= found.high


def test_the_bound_ends_the_run_and_changing_it_runs_nothing(made, dalign) -> None:
    code, out, err = dalign("report", "--run", made.run)
    assert code == 0, err
    assert "nats a token from the base on 6 held-out rows" in out or "nats a token" in (made.run / "report.html").read_text()  # fmt: skip
    code, _, err = dalign("report", "--run", made.run, "--set", "evaluate.max_kl=1e-12")
    assert code == 1
    assert "arm distill is 0.0" in err and "nats a token from the base on data.held_out, more than evaluate.max_kl = 1e-12 allows" in err  # fmt: skip
    assert "evaluate.max_kl are the bounds" in err
    page = (made.run / "report.html").read_text()
    assert "Distance from the base" in page and "more than evaluate.max_kl" in page
    code, out, _ = dalign("run", "--run", made.run, "--set", "evaluate.max_kl=100", "--json")
    assert code == 0 and json.loads(out)["ran"] == []


def test_without_held_out_rows_nothing_is_measured(config_path: Path, tmp_path: Path) -> None:
    config = load_config(config_path, [*SMALL])
    assert not [stage for stage in make_plan(config) if stage.kind == "forget"]
    with pytest.raises(InputError, match=r"set data\.held_out, a file of capability rows"):
        run_stages(config, tmp_path / "run", Progress(), "forget")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["evaluate.max_kl=0.1"], r"evaluate\.max_kl = 0\.1 bounds nothing: name a file"),
        (["data.held_out=data.capability"], "is data.capability, which is trained on"),
        (["data.held_out=no/such.jsonl"], r"data\.held_out.*no/such\.jsonl.*leave the key out to measure nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    config_path: Path, tmp_path: Path, given: list[str], said: str
) -> None:
    capability = load_config(config_path, []).data.capability
    words = [word.replace("data.capability", str(capability)) if "=data.c" in word else word for word in given]  # fmt: skip
    with pytest.raises(InputError, match=said):
        run_stages(
            load_config(config_path, [*SMALL, *words]), tmp_path / "run", Progress(), "forget"
        )


def test_sequences_of_packed_rows_come_back_with_their_names() -> None:
    frame = pl.DataFrame(
        {
            "rows": [["a", "b"], ["c"]], "input_ids": [[1, 2, 3, 4, 5], [6]],
            "labels": [[-100, 2, -100, 4, 5], [6]], "position_ids": [[0, 1, 0, 1, 2], [0]],
        },
    )  # fmt: skip
    assert set(frame.columns) <= set(bin_schema(pl.String()))
    assert list(unpacked(frame)) == [
        ("a", [1, 2], [-100, 2]), ("b", [3, 4, 5], [-100, 4, 5]), ("c", [6], [6]),
    ]  # fmt: skip


def test_of_a_row_alone_no_interval_is_known() -> None:
    rows = pl.DataFrame({"id": ["a"], "tokens": [4], "kl": [0.25]})
    found = mean_of("sft", rows, Draws(10, 1))
    assert (found.value, found.low, found.high, found.tokens) == (0.25, None, None, 4)
