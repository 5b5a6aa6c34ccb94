"""Several processes: refused by a training, and only the first of them acts."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Rl, Sft
from dalign.errors import InputError
from dalign.rows import Prompt
from dalign.train import ranks
from dalign.train.job import RlJob, SftJob
from dalign.train.ranks import require_one_process
from dalign.train.rl.rewards import CompositeReward, RewardWeights
from dalign.train.run import train_rl, train_sft
from tiny import IGNORED, packed, quietly, written

# One of two processes: what each function gave it, or what it raised.
PROCESS = """
import json, sys
import torch.distributed
from dalign.errors import InputError
from dalign.train.ranks import on_first, require_one_process

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
)

def act():
    with open(f"{folder}/acted", "a") as file:
        file.write(f"{rank} ")
    return "written"

def fail():
    raise InputError("the disk is full")

def raised(function):
    try:
        function()
    except InputError as error:
        return str(error)

print(json.dumps({
    "first": on_first(act),
    "failed": raised(lambda: on_first(fail)),
    "refused": raised(require_one_process),
}))
torch.distributed.destroy_process_group()
"""


def sft(model, folder):
    rows = written(packed([([5, 6, 7], [IGNORED, 6, 7])]), folder / "rows.parquet")
    job = SftJob(start=model, rows=[rows], settings=Sft.model_validate({}), seed=0)
    return train_sft(job, folder / "out", quietly)


def rl(model, folder):
    settings = Rl.model_validate({"steps": 1, "prompts_per_step": 1})
    prompt = Prompt("p", "general", ({"role": "user", "content": " a"},))
    job = RlJob(start=model, prompts=[[prompt]], settings=settings, seed=0)
    reward = CompositeReward(lambda answers: [1.0] * len(answers), RewardWeights(), job.reasoning)
    return train_rl(job, folder / "out", reward, quietly)


@pytest.mark.parametrize("training", [sft, rl])
def test_a_training_of_two_processes_is_refused_before_anything_is_written(
    random_model, tmp_path, monkeypatch, training
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"one process, and here are 2 .* WORLD_SIZE = 2"):
        training(random_model, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("WORLD_SIZE", "8"), ("OMPI_COMM_WORLD_SIZE", "2"), ("PMI_SIZE", "3")]
)
def test_every_launcher_that_accelerate_listens_to_is_noticed(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"{name} = {value}"):
        require_one_process()


@pytest.mark.parametrize("value", ["1", "0", "", " 1 "])
def test_a_launcher_of_one_process_is_let_through(monkeypatch, value):
    monkeypatch.setenv("WORLD_SIZE", value)
    require_one_process()


def test_a_group_that_the_environment_does_not_tell_of_is_noticed(monkeypatch):
    monkeypatch.setattr(ranks, "_group", lambda: SimpleNamespace(get_world_size=lambda: 4))
    with pytest.raises(InputError, match=r"here are 4 \(torch.distributed"):
        require_one_process()


def test_of_two_processes_the_first_acts_and_both_get_what_came_of_it(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(rank), str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [json.loads(process.communicate(timeout=120)[0]) for process in started]
    assert (tmp_path / "acted").read_text() == "0 "
    for output in outputs:
        assert output["first"] == "written"
        assert output["failed"] == "the disk is full"
        assert "here are 2" in output["refused"]
