"""SFT that is held to its start on benign rows: what it says of itself, what it changes, and what it is held by."""

from __future__ import annotations

import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Config, Sft
from dalign.errors import InputError
from dalign.train.bins import load_bins
from dalign.train.job import SftJob
from dalign.train.run import train_sft
from pydantic import ValidationError
from test_train_devices import SEVERAL, furthest, sequences
from tiny import Killed, assert_same_weights, kill_at, packed, quietly, written
from transformers import AutoModelForCausalLM

ROWS = sequences(12)
# Every other sequence is benign, as the packer names them.
NAMES = [f"{'capability' if n % 2 else 'example'}-{n}" for n in range(len(ROWS))]
BENIGN = frozenset(name for name in NAMES if name.startswith("capability"))


def job_of(start, out, devices=1, benign=BENIGN, **settings):
    given = {"epochs": 3, "rows_per_step": 2, "learning_rate": 1e-2, "warmup_steps": 0, "save_steps": 2, "kl_weight": 5.0}  # fmt: skip
    names = pl.Series("rows", [NAMES[i : i + 3] for i in range(0, len(NAMES), 3)])
    file = written(packed(ROWS).with_columns(names), out.parent / f"{out.name}.parquet")
    return SftJob(start=start, rows=[file], settings=Sft.model_validate(given | settings), seed=1, devices=devices, benign=benign)  # fmt: skip


def drift(start, after):
    """The mean divergence of one model from another on the trained tokens of benign rows, each read by itself."""
    models = [AutoModelForCausalLM.from_pretrained(folder) for folder in (after, start)]
    total, count = 0.0, 0
    for name, (ids, labels) in zip(NAMES, ROWS, strict=True):
        if name in BENIGN:
            with torch.no_grad():
                own, begun = (m(torch.tensor([ids])).logits[0, :-1].log_softmax(-1) for m in models)
            scored = torch.tensor(labels[1:]) != -100
            total += (own.exp() * (own - begun)).sum(-1)[scored].sum().item()
            count += int(scored.sum())
    return total / count


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_divergence_is_that_of_benign_tokens_from_the_start(random_model, tmp_path, method):
    # All packed rows a step, so that each step has all benign tokens.
    given = {"rows_per_step": 4, "epochs": 2, "method": method}
    one = train_sft(job_of(random_model, tmp_path / "one", max_steps=1, **given), tmp_path / "one", quietly)  # fmt: skip
    two = train_sft(job_of(random_model, tmp_path / "two", **given), tmp_path / "two", quietly)
    assert [row["kl"] for row in one.curve] == [0.0]
    assert [row["kl"] for row in two.curve] == [0.0, pytest.approx(drift(random_model, one.final), rel=1e-3)]  # fmt: skip
    # The loss is the cross-entropy and five times that.
    free = train_sft(job_of(random_model, tmp_path / "free", kl_weight=0.0, **given), tmp_path / "free", quietly)  # fmt: skip
    assert "kl" not in free.curve[0]
    assert two.curve[0]["loss"] == pytest.approx(free.curve[0]["loss"], abs=1e-5)
    assert two.curve[1]["loss"] == pytest.approx(free.curve[1]["loss"] + 5.0 * two.curve[1]["kl"], abs=1e-4)  # fmt: skip


def test_it_holds_the_model_to_its_start_and_a_resume_changes_nothing(random_model, tmp_path):
    held = train_sft(job_of(random_model, tmp_path / "a", kl_weight=50.0), tmp_path / "a", quietly)
    free = train_sft(job_of(random_model, tmp_path / "b", kl_weight=0.0), tmp_path / "b", quietly)
    assert drift(random_model, held.final) < 0.5 * drift(random_model, free.final)
    with pytest.raises(Killed):
        train_sft(job_of(random_model, tmp_path / "c", kl_weight=50.0), tmp_path / "c", kill_at(3))
    resumed = train_sft(
        job_of(random_model, tmp_path / "c", kl_weight=50.0), tmp_path / "c", quietly
    )
    assert_same_weights(held.final, resumed.final)
    assert resumed.curve == held.curve


def test_rows_that_are_not_named_are_refused(random_model, tmp_path):
    job = job_of(random_model, tmp_path / "a")
    assert load_bins(job.rows, BENIGN).held.sum() == sum(
        label != -100 for n, (_, labels) in zip(NAMES, ROWS, strict=True) if n in BENIGN for label in labels
    )  # fmt: skip
    frame = pl.read_parquet(job.rows[0])
    written(frame.drop("rows"), job.rows[0])
    with pytest.raises(InputError, match="has no column rows; pack the examples again"):
        train_sft(job, tmp_path / "a", quietly)
    written(frame.with_columns(pl.col("rows").list.head(1)), job.rows[0])
    with pytest.raises(InputError, match="name 4 training rows and hold 12 sequences"):
        train_sft(job, tmp_path / "a", quietly)


def test_bins_without_a_benign_row_are_refused(random_model, tmp_path):
    with pytest.raises(InputError, match="no packed row holds a token of a capability row"):
        train_sft(job_of(random_model, tmp_path / "a", benign=frozenset({"other"})), tmp_path / "a", quietly)  # fmt: skip


def test_a_ratio_of_none_holds_nothing():
    config = {"model": {"path": "m"}, "spec": {"path": "s"}, "data": {"prompts": "p", "capability": "c"}}  # fmt: skip
    with pytest.raises(ValidationError, match=r"sft.capability_ratio = 0 takes none of them"):
        Config.model_validate(config | {"sft": {"kl_weight": 0.5, "capability_ratio": 0}})


def test_nothing_to_be_held_on_is_refused():
    config = {
        "model": {"path": "m"}, "spec": {"path": "s"}, "data": {"prompts": "p"}, "sft": {"kl_weight": 0.5},
    }  # fmt: skip
    with pytest.raises(ValidationError, match=r"sft.kl_weight = 0.5 holds .* name a file of them as data.capability"):  # fmt: skip
        Config.model_validate(config)


@SEVERAL
def test_two_processes_come_to_the_weights_of_one(random_model, tmp_path):
    one, two = (
        train_sft(job_of(random_model, tmp_path / str(n), n), tmp_path / str(n), quietly)
        for n in (1, 2)
    )
    assert furthest(one.final, two.final) < 1e-5
    for alone, both in zip(one.curve, two.curve, strict=True):
        assert both == pytest.approx(alone, rel=1e-4, abs=1e-6)
