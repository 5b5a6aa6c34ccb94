"""SFT on several devices: the weights of one, what a kill of any process costs, what is said where one fails."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Sft
from dalign.errors import InputError, WorkerError
from dalign.train.job import SftJob
from dalign.train.run import train_sft
from dalign.train.step_sampler import StepSampler, passes
from process_table import of_training
from safetensors.torch import load_file
from sandbox_model.tokenizer import build_tokenizer
from tiny import IGNORED, assert_same_weights, packed, quietly, written

END = build_tokenizer().eos_token_id
# Each process imports all that trains: `make test-devices`.
SEVERAL = pytest.mark.devices


def sequences(count):
    """Token ids, the first half prompt, the last one the end token; lengths 3 to 20."""
    rng = random.Random(0)
    rows = [[rng.randrange(10, 300) for _ in range(rng.randint(2, 19))] + [END] for _ in range(count)]  # fmt: skip
    return [(ids, [IGNORED] * (len(ids) // 2) + ids[len(ids) // 2 :]) for ids in rows]


def job_of(start: Path, out: Path, devices: int, rows=None, **settings) -> SftJob:
    """Two epochs of 7 packed rows, 3 a step: the last step of an epoch has one."""
    given = {"epochs": 2, "rows_per_step": 3, "learning_rate": 1e-3, "warmup_steps": 1, "save_steps": 2}  # fmt: skip
    file = written(packed(sequences(20) if rows is None else rows), out.parent / "rows.parquet")
    settings = Sft.model_validate(given | settings)
    return SftJob(start=start, rows=[file], settings=settings, seed=3, devices=devices)


def furthest(one: Path, other: Path) -> float:
    """The largest difference of two weights."""
    first, second = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


@pytest.mark.parametrize(
    ("rows", "per_step", "processes"),
    [(7, 3, 2), (6, 3, 2), (5, 2, 2), (1, 8, 3), (8, 2, 4), (13, 5, 3), (4, 4, 1)],
)
def test_each_step_has_the_rows_of_one_process_none_twice_none_dropped(rows, per_step, processes):
    alone, dealt = (
        StepSampler(rows, per_step, 1, seed=5),
        StepSampler(rows, per_step, processes, seed=5),
    )
    each = passes(per_step, processes) * processes
    for epoch in (0, 1, 5):
        for one in (alone, dealt):
            one.set_epoch(epoch)
        order, padded = list(alone), list(dealt)
        assert sorted(order) == list(range(rows))
        assert len(padded) == len(dealt) and len(padded) % processes == 0
        steps = [padded[i : i + each] for i in range(0, len(padded), each)]
        found = [[row for row in step if row != rows] for step in steps]
        assert found == [order[i : i + per_step] for i in range(0, rows, per_step)]


@pytest.fixture(scope="module")
def together(random_model, tmp_path_factory):
    """A training of two processes that nothing disturbed: its folder, its result, the steps that were told."""
    out, steps = tmp_path_factory.mktemp("together") / "two", []
    result = train_sft(job_of(random_model, out, 2), out, lambda *step: steps.append(step))
    return out, result, steps


def assert_as_one(start, out, two, **settings):
    """That a training of two processes has the weights and the figures of one."""
    one = train_sft(job_of(start, out, 1, **settings), out, quietly)
    assert furthest(start, one.final) > 1e-3
    assert furthest(one.final, two.final) < 1e-5
    for alone, together in zip(one.curve, two.curve, strict=True):
        assert together["tokens"] == alone["tokens"]
        for figure in ("loss", "learning_rate", "grad_norm"):
            assert together[figure] == pytest.approx(alone[figure], rel=1e-4)


@SEVERAL
def test_two_processes_come_to_the_weights_of_one(random_model, tmp_path, together):
    _, two, steps = together
    assert_as_one(random_model, tmp_path / "one", two)
    assert [step[:2] for step in steps] == [(i, 6) for i in range(1, 7)]


@SEVERAL
def test_so_do_adapters_that_are_trained_over_sequences(random_model, tmp_path):
    lora = {"method": "lora", "lora": {"r": 4}, "normalise": "sequences"}
    two = train_sft(job_of(random_model, tmp_path / "two", 2, **lora), tmp_path / "two", quietly)
    assert_as_one(random_model, tmp_path / "one", two, **lora)
    assert (tmp_path / "two/adapter").is_dir()


@SEVERAL
@pytest.mark.parametrize("rank", [0, 1])
def test_a_kill_of_either_process_is_one_sentence_and_going_on_ends_in_the_same_bytes(
    random_model, tmp_path, together, rank
):
    out, undisturbed, _ = together
    job = job_of(random_model, tmp_path / "b", 2)

    def kill(step, total, loss):
        if step == 3:
            os.kill(of_training(os.getpid())[rank], signal.SIGKILL)

    with pytest.raises(WorkerError, match=rf"process {rank} of the 2 .*signal 9.*goes on from here"):  # fmt: skip
        train_sft(job, tmp_path / "b", kill)
    assert of_training(os.getpid()) == []
    kept = tmp_path / "b/checkpoints/checkpoint-2"
    assert {"rng_state_0.pth", "rng_state_1.pth", "complete.json"} <= {p.name for p in kept.iterdir()}  # fmt: skip
    steps = []
    resumed = train_sft(job, tmp_path / "b", lambda step, *_: steps.append(step))
    assert steps[0] in (3, 5)  # from the checkpoint of step 2, or of step 4 if that was reached
    assert_same_weights(undisturbed.final, resumed.final)
    assert (out / "steps.jsonl").read_bytes() == (tmp_path / "b/steps.jsonl").read_bytes()


@SEVERAL
def test_what_one_of_them_refuses_is_raised_as_one_process_raises_it(random_model, tmp_path):
    endless = [([5, 6, 7], [IGNORED, 6, 7])]
    said = []
    for devices in (2, 1):
        job = job_of(random_model, tmp_path / str(devices), devices, rows=endless)
        with pytest.raises(InputError, match="would never learn to stop") as caught:
            train_sft(job, tmp_path / str(devices), quietly)
        said.append((str(caught.value), vars(caught.value)))
    assert said[0] == said[1]
