"""RL of an adapter: what it trains, draws with, diverges from and leaves."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.errors import InputError
from dalign.models.decoding import decode
from dalign.models.protocol import Sampling
from dalign.train.job import Keeper
from dalign.train.rl.run import rl_trainer
from dalign.train.run import train_rl
from peft import PeftModel
from rl_jobs import PROMPTS, Paid, built, composite, first_batch, rl_job, settings
from safetensors.torch import load_file
from tiny import quietly, taught
from transformers import AutoModelForCausalLM


def lora(**changes):
    return settings(method="lora", lora={"r": 4, **changes.pop("lora", {})}, **changes)


def test_an_adapter_is_merged_into_the_result_and_kept_beside_it(taught_model, tmp_path):
    given = lora(steps=2, warmup_steps=0, learning_rate=1e-2)
    result = train_rl(*rl_job(taught_model, tmp_path, given), Paid([1.0, 0.0] * 4), quietly)
    base = AutoModelForCausalLM.from_pretrained(taught_model)
    merged = AutoModelForCausalLM.from_pretrained(result.final)
    tokens = torch.tensor([[20, 30, 40, 50]])
    with torch.no_grad():
        untrained = base(tokens).logits
        apart = PeftModel.from_pretrained(base, tmp_path / "adapter")(tokens).logits
        assert torch.allclose(merged(tokens).logits, apart, atol=1e-4)
        assert not torch.allclose(untrained, apart, atol=1e-2)
    assert not (result.final / "adapter_config.json").exists()
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_start_that_an_adapter_diverges_from_is_the_model_without_it(
    taught_model, tmp_path, monkeypatch, dropout
):
    loaded = []
    stock = AutoModelForCausalLM.from_pretrained.__func__
    monkeypatch.setattr(
        AutoModelForCausalLM,
        "from_pretrained",
        classmethod(lambda kind, *a, **k: (loaded.append(a), stock(kind, *a, **k))[1]),
    )
    given = lora(steps=2, beta=0.1, warmup_steps=0, learning_rate=1e-2, lora={"dropout": dropout})
    job = rl_job(taught_model, tmp_path, given)
    trainer = rl_trainer(*job, Paid([1.0, 0.0] * 4), Keeper())
    assert trainer.ref_model is None and isinstance(trainer.model, PeftModel)
    assert len(loaded) == 1
    first, second = train_rl(*job, Paid([1.0, 0.0] * 4), quietly).curve
    assert len(loaded) == 2
    # At first the adapter adds 0, whatever of it drops out.
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)
    assert second["kl"] > 1e-4


def test_rollouts_are_drawn_with_the_adapter(taught_model, tmp_path):
    given = lora(steps=1, warmup_steps=0, learning_rate=1.0)
    trainer = rl_trainer(*rl_job(taught_model, tmp_path, given), Paid([1.0, 0.0] * 4), Keeper())
    prompts = trainer.engine.prompt_ids([prompt.messages for prompt in PROMPTS])

    def greedy(model):
        sampling = Sampling(0.0, 8)
        made = decode(model, prompts, [0] * len(prompts), sampling, trainer.engine.end_ids)
        return [each.written for each in made]

    before = greedy(trainer.engine.model)
    assert before == greedy(AutoModelForCausalLM.from_pretrained(taught_model))
    adapted = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    assert adapted and all("lora_" in name for name in adapted)
    trainer.create_model_card = lambda *_, **__: None
    trainer.train()
    assert greedy(trainer.engine.model) != before
    with trainer.engine.model.disable_adapter():
        assert greedy(trainer.engine.model) == before


def test_weights_under_an_adapter_keep_their_dtype_and_the_adapter_is_float32(
    taught_model, tmp_path
):
    given = lora(steps=2, beta=0.1, replay=0.5, replay_rows=2, learning_rate=1e-2)
    job, out = rl_job(taught_model, tmp_path, given, replay=taught()[:4], dtype="bfloat16")
    trainer = rl_trainer(job, out, Paid([1.0, 0.0] * 4), Keeper())
    dtypes = {p.requires_grad: p.dtype for p in trainer.model.parameters()}
    assert dtypes == {True: torch.float32, False: torch.bfloat16}
    result = train_rl(job, out, Paid([1.0, 0.0] * 4), quietly)
    assert result.curve[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert result.curve[1]["grad_norm"] > 0
    final = load_file(result.final / "model.safetensors")
    assert {tensor.dtype for tensor in final.values()} == {torch.bfloat16}


def test_an_adapters_gradient_is_that_of_the_weights_it_stands_at(taught_model, tmp_path):
    paid = [1.0, 0.0, 0.5, 0.0] * 2

    def of(given):
        trainer = built(rl_job(taught_model, tmp_path, given), Paid(paid))
        trainer._compute_loss(trainer.model, first_batch(trainer)).backward()
        return dict(trainer.model.named_parameters())

    whole, parts = of(settings()), of(lora(lora={"alpha": 12.0}))
    seconds = [name for name in parts if "lora_B" in name]
    assert len(seconds) == 2 * 7
    for name in seconds:
        weight = name.removeprefix("base_model.model.").replace(".lora_B.default", "")
        first = parts[name.replace("lora_B", "lora_A")].detach()
        # W + (alpha / r) B A, with B = 0 at first.
        expected = 12.0 / 4 * whole[weight].grad @ first.T
        assert expected.abs().max() > 1e-4
        assert torch.allclose(parts[name].grad, expected, atol=1e-6)


def test_a_target_that_is_no_layer_is_refused_before_the_first_step(taught_model, tmp_path):
    job = rl_job(taught_model, tmp_path, lora(lora={"target": "q_proj,k_porj"}))
    steps = []
    with pytest.raises(InputError, match=r"^rl\.lora\.target names 'k_porj', which is no layer"):
        train_rl(*job, composite(), lambda step, *_: steps.append(step))
    assert steps == []
