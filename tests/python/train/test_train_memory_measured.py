"""What is worked out of memory is what trainers hold, on models that are small enough to be trained here."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Sft
from dalign.models.sizes import sizes_of
from dalign.train import memory, session
from dalign.train.bins import load_bins
from dalign.train.job import SftJob
from dalign.train.memory import (
    Trained,
    sft_moment,
)
from live_bytes import LiveBytes
from sandbox_model.tokenizer import build_tokenizer
from tiny import packed, written
from transformers import Qwen3Config, Qwen3ForCausalLM, TrainerCallback
from trl.trainer import utils as trl_utils

# How far the worked figure may be from the measured one: small tensors and the libraries' own come on top.
NEAR = 0.15
CAPACITY = 384


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 whose parts all weigh something: heads that share keys, an own head, four layers."""
    folder, tokenizer = tmp_path_factory.mktemp("start"), build_tokenizer()
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=192, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=1, head_dim=16, max_position_embeddings=512,
        tie_word_embeddings=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Held(TrainerCallback):
    """Sums gradients before each update, and takes a step's peak."""

    def __init__(self, live=None) -> None:
        self.gradients, self.live, self.peaks = 0, live, []

    def on_pre_optimizer_step(self, args, state, control, model=None, **_):
        grads = [each.grad for each in model.parameters() if each.grad is not None]
        self.gradients = sum(grad.nbytes for grad in grads)

    def on_step_end(self, args, state, control, **_):
        self.peaks.append(self.live.forget_peak() if self.live else 0)


def trained(trainer, *, measured: bool = False) -> tuple[Held, int]:
    """Trains as on a GPU, but for the device: activations are made anew. Returns what was held, and bytes of weights."""
    weights = list(trainer.model.parameters())
    live = LiveBytes([*weights, *trainer.model.buffers()]) if measured else None
    held = Held(live)
    trainer.add_callback(held)
    if measured:
        trainer.model.gradient_checkpointing_enable({"use_reentrant": False})
        with live:
            trainer.train()
    else:
        trainer.train()
    return held, sum(each.nbytes for each in weights)


def moments_of(trainer) -> int:
    """Bytes of Adam's two moments."""
    states = trainer.optimizer.state.values()
    return sum(state[name].nbytes for state in states for name in ("exp_avg", "exp_avg_sq"))


def sft(start: Path, place: Path, dtype: str, **changes):
    ids = list(range(4, 100))
    rows = packed([(ids, ids)] * 16, per_bin=CAPACITY // len(ids))
    settings = Sft.model_validate({"epochs": 2, "rows_per_step": 2, "warmup_steps": 0} | changes)
    job = SftJob(start=start, rows=[written(rows, place / "rows.parquet")], settings=settings, seed=0, dtype=dtype)  # fmt: skip
    return sft_trainer_without_check(job, place)


def sft_trainer_without_check(job: SftJob, place: Path):
    from dalign.train import sft as module

    # The rows end in no end token: what they teach is not looked at here.
    model = module.start_model(job, job.settings.method)
    return module.PackedTrainer(
        job=job,
        model=model,
        args=session.arguments_of(
            module.SFTConfig, job, place, max_steps=2, per_device_train_batch_size=1, gradient_accumulation_steps=2,
            learning_rate=1e-5, max_length=None, dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=module.Dataset.from_dict({"row": range(4)}),
        data_collator=partial(module.collate, load_bins(job.rows)),
        processing_class=module.load_tokenizer(job.start, False),
        peft_config=module.lora_of(model, job.settings, "sft"),
    )  # fmt: skip


def needs(model: Trained) -> tuple[float, float, float]:
    return model.weights["weights"], model.gradients, model.weights["Adam"]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_weights_gradients_and_moments_are_those_of_a_trainer(start, tmp_path, method) -> None:
    sizes = sizes_of(start)
    trainer = sft(start, tmp_path, "bfloat16", method=method)
    held, weights = trained(trainer)
    adapters = sizes.adapters(16, "all-linear") if method == "lora" else 0
    assert (weights, held.gradients, moments_of(trainer)) == needs(Trained(sizes, 2, adapters))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_fullest_of_sft_is_what_its_trainer_holds(start, tmp_path, dtype, monkeypatch) -> None:
    # As many entries at once as a large vocabulary has would be all that is measured here.
    monkeypatch.setattr(trl_utils, "_CHUNKED_LOGPROB_CHUNK_SIZE", 64)
    monkeypatch.setattr(memory, "_TILE", (4096, 64))
    held, weights = trained(sft(start, tmp_path, dtype), measured=True)
    model = Trained(sizes_of(start), 2 if dtype == "bfloat16" else 4)
    assert weights + max(held.peaks) == pytest.approx(sft_moment(model, CAPACITY).total, rel=NEAR)
